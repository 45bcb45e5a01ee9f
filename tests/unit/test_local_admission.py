"""The queue in front of the engine: who is let in when, who is refused, and that nothing leaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import pytest

from local_inference.admission import Admission, Limits
from router.core.errors import Overloaded, SlotsExhausted

pytestmark = pytest.mark.anyio


class Clock:
    """Seconds that the test moves."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def admission(clock: Callable[[], float] | None = None, **changes: float) -> Admission:
    values = {"slots": 2, "batch": 100, "seats": 4, "max_wait_s": 30.0, "max_waiting": 100, **changes}
    limits = Limits(
        slots=int(values["slots"]),
        batch=int(values["batch"]),
        seats=int(values["seats"]),
        max_wait_s=values["max_wait_s"],
        max_waiting=int(values["max_waiting"]),
    )
    return Admission(limits, clock or Clock())


class Caller:
    """A request that is answered when the test says so."""

    def __init__(self, queue: Admission, adapter: str | None, tenant: str = "") -> None:
        self.inside = asyncio.Event()
        self.finish = asyncio.Event()
        self.task = asyncio.create_task(self._run(queue, adapter, tenant))

    async def _run(self, queue: Admission, adapter: str | None, tenant: str) -> None:
        async with queue.turn(adapter, tenant):
            self.inside.set()
            await self.finish.wait()

    async def end(self) -> None:
        self.finish.set()
        await self.task


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@asynccontextmanager
async def callers(queue: Admission, *wanted: tuple[str | None, str]) -> AsyncGenerator[list[Caller]]:
    made = [Caller(queue, adapter, tenant) for adapter, tenant in wanted]
    await settle()
    try:
        yield made
    finally:
        for one in made:
            one.task.cancel()
        await asyncio.gather(*(one.task for one in made), return_exceptions=True)
        assert (queue.facts().running, queue.facts().waiting) == (0, 0), "places leak"


def inside(made: list[Caller]) -> list[int]:
    return [index for index, one in enumerate(made) if one.inside.is_set()]


async def test_what_waits_for_a_slot_waits_in_the_engine() -> None:
    queue = admission(slots=1, seats=4)
    async with callers(queue, ("a", ""), ("b", ""), ("c", ""), (None, ""), ("a", "")) as made:
        assert inside(made) == [0, 1, 2, 3]
        await made[0].end()
        await settle()
        assert 4 in inside(made)


async def test_the_hosts_own_work_goes_before_all_and_is_never_refused() -> None:
    clock = Clock()
    queue = admission(clock, slots=1, seats=1, max_waiting=1, max_wait_s=1.0)
    async with callers(queue, ("hot", ""), ("other", "")) as made:
        assert inside(made) == [0]
        proving = asyncio.create_task(_prove(queue))
        await settle()
        assert proving.done(), "it needs no seat"
        clock.now_s = 5.0
    assert queue.facts().refused == 0


async def _prove(queue: Admission) -> None:
    async with queue.turn("new", urgent=True):
        pass


async def test_turns_go_round_the_tenants() -> None:
    queue = admission(seats=2)
    greedy = [(None, "greedy")] * 10
    async with callers(queue, *greedy, (None, "modest")) as made:
        assert inside(made) == [0, 1]
        await made[0].end()
        await settle()
        assert 10 in inside(made), "the modest tenant's only request is next"


async def test_a_full_queue_refuses_at_once_and_says_when_to_come_back() -> None:
    queue = admission(seats=1, max_waiting=2)
    async with callers(queue, *[(None, "")] * 3):
        with pytest.raises(Overloaded) as caught:
            async with queue.turn(None):
                pass
        assert caught.value.retry_after_s is not None
        assert queue.facts().refused == 1


async def test_where_nobody_may_wait_who_needs_not_wait_is_served() -> None:
    queue = admission(seats=2, max_waiting=0)
    async with callers(queue, (None, ""), (None, "")) as made:
        assert inside(made) == [0, 1]
        with pytest.raises(Overloaded):
            async with queue.turn(None):
                pass


async def test_a_wait_that_would_be_too_long_is_refused_at_once() -> None:
    clock = Clock()
    queue = admission(clock, seats=2, max_wait_s=10.0)
    async with callers(queue, (None, "")) as made:
        clock.now_s = 8.0
        await made[0].end()  # so long does a request take
    async with callers(queue, *[(None, "")] * 5):
        with pytest.raises(Overloaded, match="expected wait"):
            async with queue.turn(None):
                pass


async def test_the_wait_in_the_engine_counts_too() -> None:
    clock = Clock()
    for batch, expected_s in ((4, 0.0), (2, 4.0), (1, 6.0)):
        queue = admission(clock, seats=4, batch=batch)
        async with callers(queue, (None, "")) as made:
            clock.now_s += 8.0
            await made[0].end()  # so long does a request take
        async with callers(queue, *[(None, "")] * 4):
            assert queue.facts().expected_wait_s == expected_s


async def test_a_modest_tenant_is_not_refused_for_anothers_queue() -> None:
    clock = Clock()
    queue = admission(clock, seats=2, max_wait_s=10.0)
    async with callers(queue, (None, "")) as made:
        clock.now_s = 8.0
        await made[0].end()
    async with callers(queue, *[(None, "greedy")] * 5, (None, "modest")) as made:
        assert not made[5].task.done()
        with pytest.raises(Overloaded):
            async with queue.turn(None, "greedy"):
                pass


async def test_what_waited_too_long_is_refused_by_what_is_short() -> None:
    clock = Clock()
    queue = admission(clock, slots=1, seats=2, max_wait_s=10.0)
    async with callers(queue, ("a", ""), ("b", ""), ("a", ""), (None, "")) as made:
        clock.now_s = 11.0
        another = Caller(queue, None)
        await settle()
        with pytest.raises(SlotsExhausted):
            await made[2].task
        with pytest.raises(Overloaded):
            await made[3].task
        another.task.cancel()
        await asyncio.gather(another.task, return_exceptions=True)


async def test_a_cancelled_request_gives_its_place_up_wherever_it_is() -> None:
    queue = admission(seats=1)
    async with callers(queue, (None, ""), (None, ""), (None, "")) as made:
        made[1].task.cancel()
        await settle()
        assert queue.facts().waiting == 1
        made[0].task.cancel()
        await settle()
        assert inside(made) == [0, 2]


async def test_one_that_is_cancelled_in_the_moment_it_is_let_in_leaves_no_trace() -> None:
    queue = admission(seats=1)
    async with callers(queue, (None, ""), (None, "")) as made:
        made[0].finish.set()
        await asyncio.sleep(0)
        made[1].task.cancel()
        await settle()
        assert (queue.facts().running, queue.facts().waiting) == (0, 0)


async def test_a_gap_is_waited_for_only_where_there_are_some() -> None:
    clock = Clock()
    queue = admission(clock)
    assert await queue.gap(0.01)
    async with callers(queue, (None, "")) as made:
        clock.now_s = 0.03
        waiting = asyncio.create_task(queue.gap(60.0))
        await settle()
        assert not waiting.done()
        assert not await queue.gap(0.01), "it is waited for in vain"
        clock.now_s = 1.0
        started_s = asyncio.get_running_loop().time()
        assert not await queue.gap(0.2), "it isn't waited for"
        assert asyncio.get_running_loop().time() - started_s < 0.1
        await made[0].end()
        assert await waiting
