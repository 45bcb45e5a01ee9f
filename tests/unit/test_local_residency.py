"""What is in memory, who uses it, and who has to leave."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_inference.eviction import (
    DecayedUse,
    Rehearsal,
    Uses,
    by_age,
    by_age_and_cost,
    by_use,
    by_use_latest_first,
)
from local_inference.ports import Memory
from local_inference.residency import Residency
from router.core.errors import AdapterNotReady

pytestmark = pytest.mark.anyio


def test_where_weights_are_is_what_the_engine_told() -> None:
    residency = Residency(device_slots=1, host_slots=2)
    residency.told(Memory(host=("a@1", "b@1"), device=("b@1",)))
    assert [residency.where(id) for id in ("a@1", "b@1", "c@1")] == ["host", "device", "disk"]
    residency.engine_restarted()
    assert residency.where("b@1") == "disk"


def test_what_is_expected_never_makes_more_than_there_is_room_for() -> None:
    residency = Residency(device_slots=1, host_slots=2)
    residency.told(Memory(host=("a@1", "b@1"), device=("b@1",)))
    residency.expected("c@1")
    assert [residency.where(id) for id in ("a@1", "b@1", "c@1")] == ["disk", "host", "device"]
    residency.told(Memory(host=("a@1",), device=("a@1",), unnamed=2))
    residency.expected("c@1")
    assert [residency.where(id) for id in ("a@1", "c@1")] == ["disk", "device"]


def test_what_is_asked_for_often_and_loads_slowly_stays() -> None:
    residency = Residency(device_slots=2, host_slots=3)
    residency.load_ms = {"big@1": 100.0, "small@1": 5.0, "rare@1": 5.0}
    for id in ("rare@1", "small@1", "small@1", "small@1", "big@1"):
        residency.touched(id)
    residency.told(Memory(host=("big@1", "small@1", "rare@1"), device=("big@1", "small@1")))
    assert residency.to_evict("new@1") == "rare@1"
    residency.told(Memory(host=("big@1", "small@1"), device=("big@1", "small@1"), unnamed=1))
    assert residency.to_evict("new@1") == "small@1"
    assert residency.to_evict("big@1") is None


async def test_what_is_in_use_or_pinned_is_never_chosen() -> None:
    pinned: set[str] = set()
    residency = Residency(device_slots=2, host_slots=2, is_pinned=pinned.__contains__)
    residency.told(Memory(host=("a@1", "b@1"), device=("a@1", "b@1")))
    async with residency.lease("a@1"):
        assert residency.to_evict("new@1") == "b@1"
        assert residency.to_vacate("new@1") is None, "no choice is left to us"
        pinned.add("b@1")
        assert residency.to_evict("new@1") is None


def test_pinned_adapters_leave_one_slot_to_the_others() -> None:
    residency = Residency(device_slots=2, host_slots=3, is_pinned=lambda id: id.startswith("p"))
    residency.load_ms = dict.fromkeys(("p1@1", "p2@1", "p3@1", "a@1"), 10.0)
    for id in ("p1@1", "p1@1", "a@1", "p2@1", "p1@1", "a@1", "p2@1", "p1@1", "p3@1"):
        residency.touched(id)
    residency.told(Memory(host=("p1@1", "p2@1", "p3@1"), device=("p1@1", "p2@1")))
    assert residency.to_evict("new@1") == "p3@1", "of more pinned ones than fit, the one worth least goes"
    assert residency.to_vacate("new@1") == "p2@1", "on the device one slot fewer is kept than there are"
    residency.told(Memory(host=("p1@1", "a@1"), device=("p1@1", "a@1")))
    assert residency.to_vacate("new@1") == "a@1", "a choice by us, before the engine lets the pinned one go by its age"


def test_a_pinned_adapter_that_went_is_fetched_where_there_is_room_for_it() -> None:
    pinned = {"p@1"}
    residency = Residency(device_slots=2, host_slots=3, is_pinned=pinned.__contains__)
    residency.load_ms = dict.fromkeys(("p@1", "a@1", "b@1", "c@1"), 10.0)
    residency.told(Memory(host=("a@1", "b@1", "c@1"), device=("a@1", "b@1")))
    assert residency.to_fetch() == "p@1"
    residency.told(Memory(host=("a@1", "b@1", "p@1"), device=("a@1", "b@1")))
    assert residency.to_fetch() is None, "no slot of the device is free"
    residency.told(Memory(host=("a@1", "p@1"), device=("a@1",)))
    assert residency.to_fetch() == "p@1"
    residency.told(Memory(host=("a@1", "p@1"), device=("a@1", "p@1")))
    assert residency.to_fetch() is None
    residency.told(Memory(host=("a@1", "b@1", "c@1"), device=("a@1", "b@1")))
    pinned |= {"a@1", "b@1"}
    assert residency.to_fetch() is None, "the others' slot isn't taken"


async def test_leases_are_counted_and_end_with_the_request() -> None:
    residency = Residency(device_slots=1, host_slots=1)
    async with residency.lease("a@1"), residency.lease("a@1"):
        assert residency.leases("a@1") == 2
    assert residency.leases("a@1") == 0


async def test_a_revoked_lease_cuts_its_request_off() -> None:
    residency = Residency(device_slots=1, host_slots=1)

    async def request() -> None:
        async with residency.lease("a@1"):
            await asyncio.sleep(60)

    running = [asyncio.create_task(request()) for _ in range(3)]
    await asyncio.sleep(0)
    assert residency.revoke("a@1") == 3
    for task in running:
        with pytest.raises(AdapterNotReady):
            await task
    assert residency.leases("a@1") == 0


async def test_a_requests_own_timeout_is_not_taken_for_a_revocation() -> None:
    residency = Residency(device_slots=1, host_slots=1)
    with pytest.raises(TimeoutError):
        async with residency.lease("a@1"):
            raise TimeoutError


def counted(names: Iterable[str]) -> Uses:
    uses = Uses()
    for id in names:
        uses.used(id)
    return uses


@given(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=60))
def test_of_equal_costs_what_was_used_in_every_way_more_is_kept(names: list[str]) -> None:
    uses = counted(names)
    for rule, use in ((by_use, uses.short), (by_use_latest_first, uses.long)):
        chosen = rule("abcdef", uses, {})
        assert all(use.rate(chosen) <= use.rate(id) + 0.5 * math.sqrt(use.rate(id) + 1) for id in "abcdef")
        assert use.rate("never") == 0
    chosen, use = by_use("abcdef", uses, {}), uses.short
    assert not any(use.rate(id) < use.rate(chosen) and use.age(id) > use.age(chosen) for id in "abcdef")
    chosen, use = by_use_latest_first("abcdef", uses, {}), uses.long
    assert not any(use.rate(id) < use.rate(chosen) and use.age(id) < use.age(chosen) for id in "abcdef")
    assert by_age("abcdef", uses, {}) == by_age_and_cost("abcdef", uses, {}) == max("abcdef", key=use.age)


def test_where_counts_tell_nothing_age_decides_by_cost() -> None:
    uses = counted(("a", "a", "b", "c"))
    assert by_use("bca", uses, {}) == "a", "twice at once or once: that tells nothing yet"
    assert by_use("bca", uses, {"a": 9.0, "b": 1.0, "c": 1.0}) == "b"
    assert by_use_latest_first("bca", uses, {}) == "c"
    assert by_age_and_cost("bca", uses, {"a": 9.0, "b": 1.0, "c": 1.0}) == "b"


def test_a_burst_counts_less_than_as_many_uses_apart() -> None:
    use = counted(["burst"] * 10 + ["apart", "other"] * 10).long
    assert use.rate("burst") < use.rate("apart") / 2


def test_an_old_favourite_loses_to_a_new_one() -> None:
    assert by_use(("old", "new"), counted(["old"] * 50 + ["new"] * 60), {}) == "old"


def test_counts_stay_right_however_long_it_runs() -> None:
    use = DecayedUse(half_life_uses=2)
    for _ in range(1000):
        for id in "aab":
            use.used(id)
    assert use.rate("a") == pytest.approx(1.25 / math.sqrt(2) / (1 - 0.5))
    assert use.rate("b") == pytest.approx(1 / (1 - 0.5))


def rehearsed(names: Iterable[str], slots: int) -> Rehearsal:
    rehearsal, uses = Rehearsal(slots), Uses()
    for id in names:
        uses.used(id)
        rehearsal.used(id, uses, {})
    return rehearsal


def test_the_rule_that_would_have_cost_least_is_followed_and_left_when_traffic_changes() -> None:
    rounds = list("abcdefgh") * 300
    moving = [id for start in range(0, 160, 4) for id in [f"{start + place}" for place in range(4)] * 8]
    assert rehearsed([], 6).rule is by_use
    assert rehearsed(rounds, 6).rule is by_use_latest_first
    assert rehearsed(rounds + moving, 6).rule is by_age_and_cost


@given(st.lists(st.sampled_from("abcdefgh"), max_size=200), st.integers(1, 8))
def test_a_rehearsal_forgets_what_is_gone_and_never_names_another(names: list[str], slots: int) -> None:
    rehearsal, uses = Rehearsal(slots), Uses()
    for place, id in enumerate(names):
        uses.used(id)
        rehearsal.used(id, uses, {})
        assert rehearsal.rule(names[: place + 1], uses, {}) in names[: place + 1]
        if place % 7 == 0:
            uses.forget(id)
            rehearsal.forget(id)
            assert all(id not in inside for inside in rehearsal._inside)
        assert all(len(inside) <= slots for inside in rehearsal._inside)
