"""What is remembered of earlier turns never changes a report: any history, grown in any steps, with any cache."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Iterator
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.config.schema import PrivacyConfig
from router.core.types import Finding, JsonObject, JsonValue, Sensitivity
from router.privacy.cache import Cache, Summary
from router.privacy.severity import rules
from router.privacy.units import Plan
from tests.fakes.gates import GATES

RULES = rules(PrivacyConfig())
SAID = st.sampled_from(
    [
        "hello there", "", "My employee is John Smith", "he was diagnosed with HIV", "what is your passport number?", "X1234567",
        "my ssn is 856-45", "-6789, ok?", "4532 01", "51", "12", "830366", "write to maria.lopez@northbank.com", "856456789",
        "that is my ssn", "call +44 20 7946 0958 " * 9, "and so on " * 40, "Best regards, Maria Lopez " * 3, "ünï ☎\ufe0f", "a\ud800b",
    ]
)  # fmt: skip
CONTENT: st.SearchStrategy[JsonValue] = SAID | st.lists(
    SAID.map(lambda text: {"type": "text", "text": text}), max_size=4
).map(list[JsonValue])
MESSAGE = st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "tool"]), "content": CONTENT})
OTHER: st.SearchStrategy[JsonObject] = st.fixed_dictionaries(
    {},
    optional={
        "tools": st.lists(st.builds(lambda text: {"type": "function", "my key": {"description": text}}, SAID), max_size=12),
        "metadata": st.dictionaries(st.sampled_from(["ssn", "a.b@example.com", "name"]), SAID | st.just(856456789) | st.just(2**70)),
        "user": SAID,
        "odd a.b@example.com": st.lists(SAID, max_size=2),
        "system": SAID,
    },
)  # fmt: skip


async def _no_pause() -> None:
    return None


@cache
def _detector():  # Presidio is imported only when the test runs
    from router.privacy.detector import Detector

    return Detector(PrivacyConfig(), GATES)


@pytest.fixture(scope="module", autouse=True)
def detector() -> Iterator[None]:
    yield
    _detector.cache_clear()


def scan(memory: Cache, body: JsonObject) -> tuple[Sensitivity, tuple[Finding, ...], Summary, int]:
    async def run() -> tuple[Sensitivity, tuple[Finding, ...], Summary, int]:
        plan = Plan(memory, RULES, (), 1_000_000, _no_pause)
        await plan.read(body)
        worst, findings = await plan.finish([_detector().read(unit) for unit in plan.unknown])
        return worst, findings, plan.total, len(plan.unknown)

    return asyncio.run(run())


@settings(max_examples=120, deadline=None)
@given(
    messages=st.lists(MESSAGE, max_size=22),
    other=OTHER,
    cuts=st.lists(st.integers(0, 22), max_size=4),
    size=st.sampled_from([0, 3_000, 20_000, 10_000_000]),
)
def test_a_history_is_judged_alike_however_it_grew_and_whatever_is_remembered(
    messages: list[JsonValue], other: JsonObject, cuts: list[int], size: int
) -> None:
    body: JsonObject = {**other, "messages": messages}
    cold = scan(Cache(0, "r"), body)[:3]
    memory = Cache(size, "r")
    for cut in sorted(cuts):
        scan(memory, {**other, "messages": messages[:cut]})
    assert scan(memory, body)[:3] == cold
    assert scan(memory, {"messages": messages, **other})[0] == cold[0]
    assert scan(memory, body)[:3] == cold
    assert memory.bytes <= size


def test_only_the_newest_message_and_its_seam_are_read_again() -> None:
    messages: list[JsonValue] = [{"role": "user", "content": f"message number {n} of a long talk"} for n in range(40)]
    memory = Cache(10_000_000, "r")
    scan(memory, {"messages": messages[:-1], "model": "m"})
    assert scan(memory, {"messages": messages, "model": "m"})[3] == 2
    assert scan(memory, {"messages": messages, "model": "m"})[3] == 0


def test_a_long_history_is_known_wherever_it_ended() -> None:
    chance = random.Random(5)
    said = [
        "My employee is John Smith",
        "my ssn is 856-45",
        "-6789, ok?",
        "he was diagnosed with HIV",
        "hello there",
        "and so on",
    ]
    messages: list[JsonValue] = [
        {"role": ("user", "assistant")[n % 2], "content": f"{n} {chance.choice(said)}"} for n in range(150)
    ]
    memory = Cache(100_000_000, "r")
    for length in range(1, 150, 2):
        body: JsonObject = {"messages": messages[:length], "model": "m"}
        assert scan(memory, body)[3] <= (2 if length == 1 else 4)
        if length in (7, 9, 63, 65, 67, 129, 149):
            assert scan(memory, body)[:3] == scan(Cache(0, "r"), body)[:3]
    for length in (149, 145, 128, 120, 64):  # the last turns taken back
        body = {"messages": messages[:length], "model": "m"}
        assert scan(memory, body)[:3] == scan(Cache(0, "r"), body)[:3]


def test_a_list_has_the_same_key_however_it_was_hashed() -> None:
    items: list[JsonValue] = [{"n": n} for n in range(20)]
    memory = Cache(0, "r")
    keys = {
        size: [_key(memory, items[:length], size) for length in range(1, 21)] for size in (1, 3, 8, 15)
    }  # fmt: skip
    assert keys[1] == keys[3] == keys[8] == keys[15]
    assert len(set(keys[1])) == 20
    assert not memory.beginning("list").add([2**70])


def _key(memory: Cache, items: list[JsonValue], size: int) -> bytes:
    beginning = memory.beginning("list")
    for first in range(0, len(items), size):
        assert beginning.add(items[first : first + size])
    return beginning.key


def test_a_name_and_a_diagnosis_in_the_next_message_are_restricted_from_memory_too() -> None:
    messages: list[JsonValue] = [{"role": "user", "content": "My friend is John Smith"}]
    more: list[JsonValue] = [*messages, {"role": "user", "content": "and he was diagnosed with cancer"}]
    memory = Cache(10_000_000, "r")
    assert scan(memory, {"messages": messages})[0] < Sensitivity.RESTRICTED
    assert scan(memory, {"messages": more})[0] is Sensitivity.RESTRICTED
    assert scan(memory, {"messages": more})[0] is Sensitivity.RESTRICTED


@pytest.mark.parametrize("role", ["user", "assistant"])
def test_a_question_in_one_message_explains_the_number_in_the_next(role: str) -> None:
    body: JsonObject = {
        "messages": [{"role": role, "content": "What is your SSN?"}, {"role": "user", "content": "It's 856456789"}]
    }
    worst, findings, _, _ = scan(Cache(0, "r"), body)
    assert worst is Sensitivity.RESTRICTED
    assert ("messages", 1, "content") in {finding.path for finding in findings}


def test_a_number_split_over_turns_with_answers_between_is_found() -> None:
    said = ["my card is 4532 01", "go on", "51", "yes?", "12", "and?", "830366 that's it"]
    body: JsonObject = {
        "messages": [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(said)]
    }
    _, findings, _, _ = scan(Cache(0, "r"), body)
    assert {finding.path[1] for finding in findings if finding.entity == "CREDIT_CARD"} == {0, 2, 4, 6}


def test_nothing_that_is_remembered_holds_text() -> None:
    memory = Cache(10_000_000, "r")
    body: JsonObject = {
        "messages": [{"role": "user", "content": f"mail maria.lopez{n}@northbank.com", "my key": "x@y.com"} for n in range(20)],
        "metadata": {"maria.lopez@northbank.com": "maria.lopez@northbank.com"},
        "maria.lopez@northbank.com": ["maria.lopez@northbank.com"],
    }  # fmt: skip
    _, findings, _, _ = scan(memory, body)
    assert ("metadata", "maria.lopez@northbank.com") in {finding.path for finding in findings}
    held = repr(list(memory.__dict__.values()))
    assert "maria" not in held
    assert "my key" not in held


def test_contents_that_differ_in_any_way_have_different_keys() -> None:
    memory = Cache(0, "r")
    contents: list[tuple[JsonValue, ...]] = [
        ("ab",), ("a", "b"), (["a", "b"],), (["ab"],), ({"a": "b"},), (1,), ("1",), (1.0,), (True,), (None,), ("",), (),
    ]  # fmt: skip
    keys = [memory.key(kind, *content) for kind in ("unit", "seam") for content in contents]
    keys += [Cache(0, "other").key("unit", "ab"), Cache(0, "r").key("unit", "ab")]
    assert all(a != b for a, b in itertools.combinations(keys, 2))
    assert memory.key("unit", "a\ud800") is None
    assert memory.key("unit", 2**70) is None


def test_what_was_not_asked_for_longest_is_forgotten_first() -> None:
    memory = Cache(2_000, "r")
    keys = [memory.key("unit", number) for number in range(8)]
    for key in keys[:5]:
        memory.put(key, Summary())
    memory.get(keys[0])
    memory.put(keys[5], Summary())
    assert memory.get(keys[0]) is not None
    assert memory.get(keys[1]) is None
    assert memory.bytes <= 2_000
