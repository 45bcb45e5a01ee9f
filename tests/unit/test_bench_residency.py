"""The live eviction policy against others on the same traces, shorter than the benchmark's."""

from __future__ import annotations

import pytest

from bench.residency import POLICIES, Belady, Live, Lru, replay, replay_ahead
from bench.residency_traces import CHANGING, costs_of, traces

TRACES = traces(uses=6000)
LONG = [traces(seed, uses=20_000) for seed in (1, 2, 3)]


@pytest.mark.parametrize("slots", [2, 8, 16, 64])
@pytest.mark.parametrize("name", [name for name in TRACES if name not in CHANGING])
def test_the_live_policy_costs_no_more_than_age_alone_and_much_less_with_many_slots(name: str, slots: int) -> None:
    costs = costs_of("spread")
    live, age = (replay(TRACES[name], slots, costs, policy) for policy in (Live, Lru))
    assert live <= age * (0.85 if slots >= 16 else 1.0)


@pytest.mark.parametrize(
    ("name", "most"),
    [("zipf 1.1", 0.85), ("bursts", 0.85), ("drifting", 0.85), ("scan", 0.85), ("two hot", 1.005), ("uniform", 1.005)],
)
def test_where_all_loads_cost_the_same_it_costs_less_than_age_alone_or_as_much(name: str, most: float) -> None:
    """Where all, or all but two, are asked for alike no policy is better but by chance: hence the sum over seeds."""
    costs = costs_of("equal")
    live, age = (sum(replay(one[name], 16, costs, policy) for one in LONG) for policy in (Live, Lru))
    assert live <= age * most


@pytest.mark.parametrize("slots", [4, 16, 64])
@pytest.mark.parametrize("kind", ["equal", "spread"])
@pytest.mark.parametrize("name", CHANGING)
def test_where_what_is_wanted_changes_it_costs_about_as_much_as_age_alone_or_less(
    name: str, kind: str, slots: int
) -> None:
    costs = costs_of(kind)
    live, age = (replay(TRACES[name], slots, costs, policy) for policy in (Live, Lru))
    assert live <= age * 1.03


@pytest.mark.parametrize("slots", [16, 32, 64])
def test_in_a_loop_it_costs_hardly_more_than_with_foresight(slots: int) -> None:
    live, belady = (replay(TRACES["loop"], slots, costs_of("equal"), policy) for policy in (Live, Belady))
    assert live <= belady * 1.05


def test_loads_ahead_of_need_are_counted_apart_from_those_that_are_waited_for() -> None:
    trace, costs = TRACES["zipf 1.1"][:2000], costs_of("equal")
    waited_ms, ahead_ms = replay_ahead(trace, 8, costs)
    assert 0 < waited_ms <= replay(trace, 8, costs, Live)
    assert ahead_ms > 0


@pytest.mark.parametrize("name", ["zipf 1.1", "scan", "drifting"])
def test_nothing_beats_knowing_the_future(name: str) -> None:
    costs = costs_of("equal")
    totals = {policy: replay(TRACES[name], 16, costs, make) for policy, make in POLICIES.items()}
    assert min(totals, key=totals.__getitem__) == "Belady"


def test_a_replay_counts_every_load_once() -> None:
    costs = [1.0, 10.0, 100.0]
    assert replay([0, 1, 0, 1, 2], 2, costs, Lru) == 111.0
    assert replay([0, 1, 2, 0, 1, 2], 3, costs, Belady) == 111.0
