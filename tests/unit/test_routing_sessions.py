"""Which conversation a request belongs to, who answered it last, what language it is in; and the rules that ask for it."""

from __future__ import annotations

from datetime import time

import msgspec
import pytest

from router.canaries import Canaries
from router.circumstances import Circumstances
from router.config.schema import AutoConfig, RouteRule, RoutingConfig
from router.core.types import Dialect, Features, Hints, JsonObject, Principal, Request
from router.execution.stickiness import Stickiness
from router.privacy.conversation import conversation_name
from router.routing.candidates import Group
from router.routing.language import LanguageDetector
from router.routing.planner import Planner
from router.routing.ranking import Ranking
from router.routing.rules import applies
from router.routing.strategies import ab, sticky
from tests.fakes.values import request

SECRET = b"s" * 32


def turn(
    *texts: str, key: str = "k", session: str | None = None, chain: str | None = None, system: str = ""
) -> Request:
    """Make a request of alternating user and assistant messages."""
    messages = [{"role": "assistant" if at % 2 else "user", "content": text} for at, text in enumerate(texts)]
    if system:
        messages.insert(0, {"role": "system", "content": system})
    asked = request(body={"messages": [*messages]}, principal=Principal(id=key), hints=Hints(session=session))
    return msgspec.structs.replace(asked, conversation=chain)


def name(*texts: str, **facts: str) -> str | None:
    return conversation_name(turn(*texts, **facts), SECRET)  # pyright: ignore[reportArgumentType]


def test_a_conversation_has_one_name_in_each_of_its_turns() -> None:
    assert name("hi") == name("hi", "hello", "and then?")
    assert name("hi", session="s") == name("other", session="s")
    assert name("hi", chain="c1", system="a") == name("hi", "hello", "more", chain="c2", system="b")


def test_other_conversations_keys_and_installations_have_other_names() -> None:
    names = [name("hi"), name("ho"), name("hi", key="other"), name("hi", session="s"), name("hi", system="x")]
    names += [name("x", session="s", key="other"), conversation_name(turn("hi"), b"t" * 32)]
    assert len(set(names)) == len(names)
    assert all(one is not None and len(one) == 32 and "hi" not in one for one in names)


def test_what_has_no_messages_is_no_conversation() -> None:
    assert conversation_name(request(body={"input": "text"}), SECRET) is None


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_who_answered_last_is_remembered_for_a_while_by_key() -> None:
    clock = Clock()
    table = Stickiness(10.0, now_s=clock)
    table.answered("k", "s", "cloud/a")
    table.answered("k", "s", "cloud/b")
    assert table.deployment("k", "s") == "cloud/b"
    assert table.deployment("k", "t") is table.deployment("other", "s") is None
    clock.now_s = 10.0
    assert table.deployment("k", "s") is None


def test_the_table_is_bounded_and_none_pushes_out_another_key_s() -> None:
    clock = Clock()
    table = Stickiness(10.0, max_sessions=100, now_s=clock)
    table.answered("small", "s", "cloud/a")
    for number in range(1000):
        table.answered("large", str(number), "cloud/a")
    assert len(table) == 100
    assert table.deployment("small", "s") == "cloud/a"
    assert table.deployment("large", "0") is None
    clock.now_s = 11.0
    for number in range(300):
        table.answered("large", f"new {number}", "cloud/a")
        assert len(table) <= 100


def test_where_there_are_too_many_the_largest_key_loses_the_one_that_was_quiet_longest() -> None:
    table = Stickiness(10.0, max_sessions=4, now_s=Clock())
    for session in ("a", "b", "c", "d", "a"):
        table.answered("large", session, "cloud/x")
    table.answered("small", "s", "cloud/y")
    assert table.deployment("small", "s") == "cloud/y"
    assert [one for one in "abcd" if table.deployment("large", one)] == ["a", "c", "d"]


def test_nothing_is_found_out_that_no_strategy_asks_for() -> None:
    table = Stickiness(10.0)
    bare = Circumstances(frozenset(), SECRET, table, Canaries((), None))
    assert bare.facts(turn("hi", session="s")).session is None
    bare.answered(Features(input_tokens=1, key="k", session="x"), "cloud/a")
    assert len(table) == 0


def test_what_a_strategy_asks_for_is_found_out() -> None:
    known = Circumstances(frozenset({"stuck"}), SECRET, Stickiness(10.0), Canaries((), None))
    facts = known.facts(turn("hi"))
    assert (facts.session, facts.stuck) == (name("hi"), None)
    known.answered(Features(input_tokens=1, key="k", session=facts.session), "cloud/a")
    assert known.facts(turn("hi", "hello", "more")).stuck == "cloud/a"


def test_what_is_asked_beside_a_conversation_moves_it_nowhere() -> None:
    known = Circumstances(frozenset({"stuck"}), SECRET, Stickiness(10.0), Canaries((), None))
    for dialect in (Dialect.COUNT_TOKENS, Dialect.EMBEDDINGS):
        known.answered(Features(input_tokens=1, key="k", session=name("hi"), dialect=dialect), "counter/estimate")
    assert known.facts(turn("hi")).stuck is None


def needs(ranking: Ranking, *rules: RouteRule) -> frozenset[str]:
    routing = RoutingConfig(auto=AutoConfig(rules=rules))
    return Planner({"g": Group(name="g", candidates=(), ranking=ranking)}, Ranking(), routing, None).needs


def test_the_planner_says_what_its_strategies_and_rules_need() -> None:
    assert needs(Ranking()) == frozenset()
    assert needs(Ranking(("sticky", sticky.build(sticky.Config())))) == {"stuck"}
    assert needs(Ranking(("ab", ab.build(ab.Config(split={"a": 1, "b": 1}))))) == {"session"}
    assert needs(Ranking(("ab", ab.build(ab.Config(split={"a": 1, "b": 1}, by="key"))))) == frozenset()
    assert needs(Ranking(), RouteRule(name="l", use=("g",), language="de")) == {"language"}
    assert needs(Ranking(), RouteRule(name="s", use=("g",), session=True)) == {"stuck"}


# -- language


@pytest.fixture(scope="module")
def detector() -> LanguageDetector:
    return LanguageDetector()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("What is the capital of France, and how large is it?", "en"),
        ("Bitte schreibe mir ein kurzes Gedicht über den Herbst", "de"),
        ("Pouvez-vous m'aider à écrire une lettre à mon voisin ?", "fr"),
        ("¿Puedes explicarme cómo funciona un motor de cuatro tiempos?", "es"),
        ("この文章を英語に翻訳してください", "ja"),
        ("", None),
        ("1234 5678", None),
    ],
)
def test_the_language_of_the_newest_user_message_is_told(
    detector: LanguageDetector, text: str, code: str | None
) -> None:
    old = {"role": "user", "content": "Questa è una vecchia domanda in italiano"}
    answer = {"role": "assistant", "content": "Und dies ist eine Antwort auf Deutsch"}
    for content in (text, [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": "x"}}]):
        body: JsonObject = {"messages": [old, answer, {"role": "user", "content": content}]}  # pyright: ignore[reportAssignmentType]
        assert detector.language(body) == code


@pytest.mark.parametrize(
    "body", [{}, {"messages": "x"}, {"messages": [1, {"role": "user"}, {"role": "user", "content": 3}]}]
)
def test_odd_bodies_have_no_language(detector: LanguageDetector, body: JsonObject) -> None:
    assert detector.language(body) is None


def test_only_the_beginning_of_a_long_message_is_read(detector: LanguageDetector) -> None:
    text = "Dies ist ein deutscher Satz, der sich wiederholt. " * 30 + "And this is a lot of English text. " * 100_000
    assert detector.language({"messages": [{"role": "user", "content": text}]}) == "de"


# -- rules

NOON_UTC = 1_764_417_600.0
"""Saturday, 2025-11-29 12:00 in UTC; 13:00 in Berlin, 21:00 in Tokyo."""
HERE = Features(input_tokens=10, task="code", tier="gold", tenant="acme", key="k1", language="de", stuck="cloud/a")


@pytest.mark.parametrize(
    ("conditions", "holds"),
    [
        ({"task": "code", "tier": "gold", "tenant": "acme", "key": "k1", "language": "de", "session": True}, True),
        ({"task": "chat"}, False),
        ({"tier": "free"}, False),
        ({"tenant": "other"}, False),
        ({"key": "k2"}, False),
        ({"language": "fr"}, False),
        ({"session": False}, False),
        ({"between": (time(9), time(17))}, True),
        ({"between": (time(9), time(12))}, False),
        ({"between": (time(12), time(13)), "timezone": "Europe/Berlin"}, False),
        ({"between": (time(13), time(14)), "timezone": "Europe/Berlin"}, True),
        ({"between": (time(20), time(6)), "timezone": "Asia/Tokyo"}, True),
        ({"between": (time(22), time(6)), "timezone": "Asia/Tokyo"}, False),
        ({"days": ("sat", "sun")}, True),
        ({"days": ("mon",)}, False),
        ({"days": ("sat",), "between": (time(13), time(14))}, False),
    ],
)
def test_a_rule_applies_where_all_its_conditions_hold(conditions: dict[str, object], holds: bool) -> None:
    rule = RouteRule(name="r", use=("g",), **conditions)  # pyright: ignore[reportArgumentType]
    assert applies(rule, HERE, NOON_UTC) is holds


def test_what_is_not_known_of_a_request_fits_no_rule_that_asks_for_it() -> None:
    for condition in ({"task": "code"}, {"language": "de"}, {"session": True}):
        assert not applies(RouteRule(name="r", use=("g",), **condition), Features(input_tokens=1), NOON_UTC)  # pyright: ignore[reportArgumentType]
    assert applies(RouteRule(name="r", use=("g",), session=False), Features(input_tokens=1), NOON_UTC)
