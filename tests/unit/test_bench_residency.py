"""The live eviction policy against others on the same traces, shorter than the benchmark's."""

from __future__ import annotations

import pytest

from bench.residency import POLICIES, Belady, Live, Lru, costs_of, replay, traces

USES = 6000
TRACES = traces(uses=USES)


@pytest.mark.parametrize("slots", [2, 8, 16, 64])
@pytest.mark.parametrize("name", TRACES)
def test_the_live_policy_costs_no_more_than_age_alone_and_much_less_with_many_slots(name: str, slots: int) -> None:
    costs = costs_of("spread")
    live, age = (replay(TRACES[name], slots, costs, policy) for policy in (Live, Lru))
    assert live <= age * (0.85 if slots >= 16 else 1.0)


@pytest.mark.parametrize("name", ["zipf 1.1", "scan", "drifting"])
def test_nothing_beats_knowing_the_future(name: str) -> None:
    costs = costs_of("equal")
    totals = {policy: replay(TRACES[name], 16, costs, make) for policy, make in POLICIES.items()}
    assert min(totals, key=totals.__getitem__) == "Belady"


def test_a_replay_counts_every_load_once() -> None:
    costs = [1.0, 10.0, 100.0]
    assert replay([0, 1, 0, 1, 2], 2, costs, Lru) == 111.0
    assert replay([0, 1, 2, 0, 1, 2], 3, costs, Belady) == 111.0
