"""Every strategy: a total order of finite scores, that depends on nothing but what it is given; and what each prefers."""

from __future__ import annotations

import importlib
import math
import random
import sys
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from types import BuiltinFunctionType, FrameType
from typing import Any

import msgspec
import pytest

from router.core.plugin import kinds
from router.core.ports import Strategy
from router.core.types import Candidate, Features, Health
from router.routing.ranking import Ranking
from router.routing.strategies import ab, canary, context, cost, least_latency, quality, sticky
from tests.fakes.values import candidate

KINDS = kinds("router.routing.strategies")
OPTIONS: dict[str, dict[str, object]] = {
    "ab": {"split": {"m0": 1, "m1": 2}},
    "canary": {"stable": "m0", "canary": "m1"},
}
"""What a kind can't be built without."""

FEATURES = Features(
    input_tokens=900, max_output_tokens=200, needs=frozenset({"vision"}), key="k", session="s", stuck="cloud/m3"
)
SEEDS = (0.0, 0.25, 0.5, 0.999999)


def build(kind: str, **options: object) -> Strategy:
    module: Any = importlib.import_module(f"router.routing.strategies.{kind}")
    return module.build(module.Config(**(options or OPTIONS.get(kind, {}))))


def some(count: int, seed: int = 1) -> list[Candidate]:
    """Make candidates of which every fact is sometimes unknown."""
    draw = random.Random(seed)

    def maybe(value: object) -> Any:
        return value if draw.random() < 0.8 else None

    def one(number: int) -> Candidate:
        health = Health(
            ttft_ms=maybe(draw.uniform(1, 900)), in_flight=draw.randrange(5), error_ratio=draw.choice((0.0, 0.5))
        )
        made = candidate(
            f"cloud/m{number}", price=maybe(str(draw.randrange(1, 20))), weight=draw.choice((0, 1, 3)), order=number,
            quality=maybe(draw.random()), context_tokens=maybe(draw.choice((500, 1200, 8000, 128000))), health=health,
            capabilities=maybe(frozenset(draw.sample(("vision", "audio", "tools"), 2))),
        )  # fmt: skip
        return msgspec.structs.replace(made, traffic_ratio=maybe(draw.random()))

    return [one(number) for number in range(count)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 2, 17, 500])
def test_scores_are_finite_and_the_same_in_whatever_order_candidates_come(kind: str, count: int) -> None:
    strategy, candidates = build(kind), some(count)
    before = msgspec.json.encode(candidates)
    for seed in SEEDS:
        scores = strategy.rank(FEATURES, candidates, seed)
        assert len(scores) == count
        assert all(score is None or math.isfinite(score) for score in scores)
        assert strategy.rank(FEATURES, candidates, seed) == scores
        assert build(kind).rank(FEATURES, candidates, seed) == scores
        shuffled = random.Random(seed).sample(range(count), count)
        assert strategy.rank(FEATURES, [candidates[at] for at in shuffled], seed) == [scores[at] for at in shuffled]
    assert msgspec.json.encode(candidates) == before


@pytest.mark.parametrize("kind", KINDS)
def test_ranking_by_it_is_one_order_that_holds_everything_once(kind: str) -> None:
    ranking, candidates = Ranking((kind, build(kind))), some(50)
    order = [item.candidate.target.deployment for item in ranking.rank(FEATURES, candidates, 0.3)]
    assert sorted(order) == sorted(one.target.deployment for one in candidates)
    assert order == [item.candidate.target.deployment for item in ranking.rank(FEATURES, candidates[::-1], 0.3)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("features", [FEATURES, Features(input_tokens=0)], ids=["known", "bare"])
def test_it_asks_nothing_of_the_world_while_it_ranks(kind: str, features: Features) -> None:
    strategy, candidates = build(kind), some(20)
    assert asked(lambda: strategy.rank(features, candidates, 0.5)) == set()


FOREIGN = {"time", "_random", "posix", "_socket", "io", "_io", "select", "_asyncio", "_thread", "_datetime"}
"""Modules of the built-in functions that read a clock, files, sockets or chance."""


def asked(work: Callable[[], object]) -> set[str]:
    """Name every built-in function of those modules that is called meanwhile, by whatever is called."""
    found: set[str] = set()

    def note(frame: FrameType, event: str, argument: object) -> None:
        if event == "c_call" and isinstance(argument, BuiltinFunctionType):
            owner = argument.__module__ or type(argument.__self__).__module__
            if owner in FOREIGN or argument.__name__ in ("open", "now", "random", "getrandbits"):
                found.add(f"{owner}.{argument.__name__}")

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    found.discard("sys.setprofile")
    return found


def test_the_guard_sees_clocks_chance_files_and_sockets() -> None:
    import socket
    import time
    from datetime import UTC, datetime
    from pathlib import Path

    assert asked(time.time) == {"time.time"}
    assert asked(random.random)
    assert asked(lambda: datetime.now(UTC))
    assert asked(Path(__file__).read_bytes)
    assert asked(lambda: socket.gethostbyname("127.0.0.1"))


def order(
    strategy: Strategy, candidates: list[Candidate], features: Features = FEATURES, seed: float = 0.5
) -> list[str]:
    ranked = Ranking(("x", strategy)).rank(features, candidates, seed)
    return [item.candidate.target.upstream_model for item in ranked if not item.excluded]


def first(strategy: Strategy, candidates: list[Candidate], features: Features = FEATURES) -> Counter[str]:
    """Count which comes first over a thousand seeds."""
    return Counter(order(strategy, candidates, features, seed / 1000)[0] for seed in range(1000))


def with_health(name: str, ttft_ms: float | None, in_flight: int = 0) -> Candidate:
    return candidate(name, health=Health(ttft_ms=ttft_ms, in_flight=in_flight))


LATENCY = least_latency.build(least_latency.Config())


def test_least_latency_never_takes_the_slowest_first_and_spreads_over_the_others() -> None:
    wins = first(
        LATENCY, [with_health("cloud/fast", 100), with_health("cloud/mid", 200), with_health("cloud/slow", 900)]
    )
    assert wins["slow"] == 0
    assert 0.6 < wins["fast"] / 1000 < 0.73  # it is in two of three pairs
    assert 0.27 < wins["mid"] / 1000 < 0.4


def test_least_latency_counts_what_is_under_way_and_lets_new_ones_be_tried() -> None:
    assert order(LATENCY, [with_health("cloud/a", 100, in_flight=3), with_health("cloud/b", 300)])[0] == "b"
    assert order(LATENCY, [with_health("cloud/a", 100), with_health("cloud/new", None)])[0] == "new"
    assert order(LATENCY, [with_health("cloud/a", 100), with_health("cloud/new", None, in_flight=4)])[0] == "a"


def test_the_rest_of_least_latency_stand_by_load() -> None:
    four = [with_health(f"cloud/{name}", ms) for name, ms in (("a", 400), ("b", 100), ("c", 300), ("d", 200))]
    assert order(LATENCY, four)[1:] == [name for name in "bdca" if name != order(LATENCY, four)[0]]


RATED = [
    candidate("cloud/best", price="100", quality=0.9), candidate("cloud/good", price="10", quality=0.7),
    candidate("cloud/poor", price="1", quality=0.3), candidate("cloud/unrated", price="0.1"),
    candidate("cloud/unpriced", quality=0.8),
]  # fmt: skip


def test_quality_takes_the_best_rated_and_keeps_to_its_ceiling() -> None:
    assert order(quality.build(quality.Config()), RATED) == ["best", "unpriced", "good", "poor", "unrated"]
    ceiling = quality.Config(max_cost_usd=Decimal("0.02"))  # 1,100 tokens at $10 a million are $0.011
    assert order(quality.build(ceiling), RATED) == ["good", "poor", "unrated"]


def test_cost_keeps_to_its_quality_floor() -> None:
    assert order(cost.build(cost.Config(expected_output_tokens=256, min_quality=0.5)), RATED) == [
        "good",
        "best",
        "unpriced",
    ]


def test_sticky_prefers_what_answered_last_and_tells_others_not_apart() -> None:
    strategy = sticky.build(sticky.Config())
    two = [candidate("cloud/a"), candidate("cloud/b")]
    assert strategy.rank(msgspec.structs.replace(FEATURES, stuck="cloud/b"), two, 0.5) == [0.0, 1.0]
    assert strategy.rank(msgspec.structs.replace(FEATURES, stuck=None), two, 0.5) == [0.0, 0.0]


def test_ab_splits_by_weight_and_each_session_always_gets_the_same() -> None:
    strategy = ab.build(ab.Config(split={"a": 3, "b": 1}, salt="x"))
    two = [candidate("cloud/a"), candidate("cloud/b"), candidate("cloud/c")]

    def arm(session: str, config: Strategy = strategy) -> str:
        return order(config, two, msgspec.structs.replace(FEATURES, session=session), random.random())[0]

    given = [arm(str(number)) for number in range(2000)]
    assert 0.71 < given.count("a") / 2000 < 0.79
    assert "c" not in given
    assert given == [arm(str(number)) for number in range(2000)]
    # What moves when a weight grows moves to that arm; another salt draws anew.
    grown = ab.build(ab.Config(split={"a": 3, "b": 3}, salt="x"))
    assert all(arm(str(number), grown) == "b" for number in range(2000) if given[number] == "b")
    other = ab.build(ab.Config(split={"a": 3, "b": 1}, salt="y"))
    assert 0.3 < sum(arm(str(number), other) != given[number] for number in range(2000)) / 2000 < 0.45


def test_ab_takes_a_request_without_a_session_by_its_key() -> None:
    strategy, two = ab.build(ab.Config(split={"a": 1, "b": 1})), [candidate("cloud/a"), candidate("cloud/b")]
    bare = msgspec.structs.replace(FEATURES, session=None)
    assert len(first(strategy, two, bare)) == 1
    assert len({order(strategy, two, msgspec.structs.replace(bare, key=str(key)))[0] for key in range(50)}) == 2


def test_context_takes_the_smallest_window_with_room_and_the_largest_where_all_are_tight() -> None:
    strategy = context.build(context.Config())
    windows = [candidate(f"cloud/{size}", context_tokens=size) for size in (1000, 2000, 8000)] + [candidate("cloud/x")]
    text = Features(input_tokens=700, max_output_tokens=200)
    assert order(strategy, windows, text) == ["2000", "8000", "1000", "x"]
    assert order(strategy, windows, Features(input_tokens=100)) == ["1000", "2000", "8000", "x"]
    assert order(strategy, windows, Features(input_tokens=7900))[0] == "8000"


def test_context_sends_pictures_to_what_sees_and_text_to_what_does_not() -> None:
    strategy = context.build(context.Config())
    three = [
        candidate("cloud/eyes", capabilities=frozenset({"vision", "tools"})), candidate("cloud/unknown"),
        candidate("cloud/text", capabilities=frozenset({"tools"}), context_tokens=10**6),
    ]  # fmt: skip
    assert order(strategy, three)[0] == "eyes"
    assert order(strategy, three, Features(input_tokens=10))[0] == "text"


def canaries(ratio: float | None) -> list[Candidate]:
    new = msgspec.structs.replace(candidate("cloud/new"), traffic_ratio=ratio)
    return [candidate("cloud/old"), new, candidate("cloud/other")]


def test_a_canary_gets_its_share_the_other_stands_in_and_one_rolled_back_gets_nothing() -> None:
    strategy = canary.build(canary.Config(stable="old", canary="new", steps=(5, 100)))
    assert 0.2 < first(strategy, canaries(0.25))["new"] / 1000 < 0.3
    assert 0.03 < first(strategy, canaries(None))["new"] / 1000 < 0.07  # not heard of yet: the first step
    assert first(strategy, canaries(1.0)) == {"new": 1000}
    assert order(strategy, canaries(1.0)) == ["new", "old", "other"]
    assert order(strategy, canaries(0.0)) == ["old", "other"]


def test_a_canary_by_session_keeps_each_session_as_its_share_grows() -> None:
    strategy = canary.build(canary.Config(stable="old", canary="new", by="session"))

    def moved(ratio: float) -> set[str]:
        sessions = [str(number) for number in range(400)]
        chosen = ((one, msgspec.structs.replace(FEATURES, session=one)) for one in sessions)
        return {one for one, features in chosen if order(strategy, canaries(ratio), features)[0] == "new"}

    assert set() < moved(0.1) < moved(0.5) < moved(1.0)


def test_arms_may_be_deployments_of_one_group() -> None:
    inside = [
        msgspec.structs.replace(one, target=msgspec.structs.replace(one.target, group="g")) for one in canaries(1.0)
    ]
    strategy = canary.build(canary.Config(stable="cloud/old", canary="cloud/new"))
    assert order(strategy, inside)[0] == "new"
    assert order(ab.build(ab.Config(split={"cloud/old": 0, "cloud/new": 1})), inside)[0] == "new"
