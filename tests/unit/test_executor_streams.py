"""Streams: the clocks say which ran out, and the first pieces are held back until the stream has proved itself."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from router.config.schema import CommitConfig, RoutingConfig
from router.core import clock
from router.core.alarm import Alarm
from router.core.errors import StreamInterrupted, UpstreamTimeout, UpstreamUnavailable
from router.core.types import Delta, Usage
from tests.fakes.execution import END, ROLE, WORD, Permission, Run, ScriptedProvider, plan, step
from tests.fakes.values import request, target, verdict

pytestmark = pytest.mark.anyio

CUT = UpstreamUnavailable("cut")


def committing(events: int, within_ms: float = 1000.0) -> RoutingConfig:
    return RoutingConfig(commit=CommitConfig(events=events, within_ms=within_ms))


async def test_each_clock_is_named_when_it_runs_out() -> None:
    first = Run(("a", ScriptedProvider([10.0, WORD])))
    with pytest.raises(UpstreamTimeout, match=r"first token time of 0\.05 s"):
        await first(plan(step(target("a/m"), ttft_s=0.05)))
    whole = Run(("a", ScriptedProvider([10.0, WORD])))
    with pytest.raises(UpstreamTimeout, match=r"total time of 0\.05 s"):
        await whole(plan(step(target("a/m"), ttft_s=0.01, total_s=0.05)), stream=False)
    stalled = Run(("a", ScriptedProvider([WORD, 0.01, WORD, 10.0, WORD])))
    with pytest.raises(StreamInterrupted, match=r"stall time of 0\.05 s"):
        await stalled(plan(step(target("a/m"), stall_s=0.05)))
    assert len(stalled.deltas) == 2
    total = Run(("a", ScriptedProvider([WORD, *([0.02, WORD] * 50)])))
    with pytest.raises(StreamInterrupted, match=r"total time of 0\.1 s"):
        await total(plan(step(target("a/m"), total_s=0.1)))


async def test_a_role_is_no_first_token() -> None:
    run = Run(("a", ScriptedProvider([ROLE, 10.0])), ("b", ScriptedProvider([WORD])))
    await run(plan(step(target("a/m"), ttft_s=0.05), step(target("b/m"))))
    assert run.deltas == [WORD]
    assert run.notes.attempts[0].ttft_ms is None


async def test_a_caller_who_reads_slowly_lets_no_clock_run() -> None:
    run = Run(("a", ScriptedProvider([WORD, WORD, WORD])))
    await run(plan(step(target("a/m"), ttft_s=0.1, stall_s=0.1, total_s=0.1)), read_s=0.15)
    assert len(run.deltas) == 3


async def test_by_default_the_first_word_commits_and_what_only_frames_it_does_not() -> None:
    framed = Run(("a", ScriptedProvider([ROLE, CUT])), ("b", ScriptedProvider([ROLE, WORD, END])))
    await framed(plan(step(target("a/m")), step(target("b/m"))))
    assert framed.deltas == [ROLE, WORD, END]
    said = Run(("a", ScriptedProvider([ROLE, WORD, CUT])), ("b", ScriptedProvider([WORD])))
    with pytest.raises(StreamInterrupted):
        await said(plan(step(target("a/m")), step(target("b/m"))))
    assert said.deltas == [ROLE, WORD]


@pytest.mark.parametrize("good", range(4))
async def test_until_enough_pieces_came_another_target_steps_in_and_afterwards_none(good: int) -> None:
    first = [Delta(payload=b'{"from": "a"}') for _ in range(good)]
    run = Run(("a", ScriptedProvider([ROLE, *first, CUT])), ("b", ScriptedProvider([WORD, END])), routing=committing(3))
    wanted = plan(step(target("a/m")), step(target("b/m")))
    if good >= 3:
        with pytest.raises(StreamInterrupted):
            await run(wanted)
        assert run.deltas == [ROLE, *first]
    else:
        await run(wanted)
        assert run.deltas == [WORD, END], "nothing of the first answer, and nothing twice"


async def test_an_answer_that_is_finished_is_let_through_however_short() -> None:
    run = Run(("a", ScriptedProvider([ROLE, WORD, END, 5.0])), routing=committing(9, within_ms=60_000))
    started_s = clock.monotonic_s()
    one = request(stream=True, deadline_s=started_s + 10)
    permit = Permission(one, verdict())
    async with aclosing(run.executor.execute(plan(step(target("a/m"))), one, permit, run.notes)) as deltas:
        assert [await anext(deltas) for _ in range(3)] == [ROLE, WORD, END]
        assert clock.monotonic_s() - started_s < 5.0
    short = Run(("a", ScriptedProvider([ROLE, WORD])), routing=committing(9))
    await short(plan(step(target("a/m"))))
    assert short.deltas == [ROLE, WORD]


async def test_what_was_held_for_long_enough_goes_though_it_has_not_proved_itself() -> None:
    upstream = ScriptedProvider([ROLE, 0.5, WORD, END])
    run = Run(("a", upstream), routing=committing(2, within_ms=20))
    one = request(stream=True, deadline_s=clock.monotonic_s() + 10)
    permit = Permission(one, verdict())
    async with aclosing(run.executor.execute(plan(step(target("a/m"))), one, permit, run.notes)) as deltas:
        started_s = clock.monotonic_s()
        assert await anext(deltas) == ROLE
        assert clock.monotonic_s() - started_s < 0.5
        assert [delta async for delta in deltas] == [WORD, END]
    assert run.codes == [None]
    assert upstream.closed == 1


async def test_a_caller_who_leaves_while_a_piece_is_held_or_awaited_ends_the_call() -> None:
    for routing in (committing(5, within_ms=60_000), committing(5, within_ms=1)):
        upstream = ScriptedProvider([ROLE, 10.0, WORD])
        run = Run(("a", upstream), routing=routing)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await run(plan(step(target("a/m"))))
        assert upstream.closed == 1
        assert run.codes == ["client_closed"]
        assert run.executor.slots.in_flight("a/m") == 0


async def test_usage_that_came_before_a_cut_is_noted() -> None:
    told = Delta(payload=b"{}", usage=Usage(input_tokens=5, output_tokens=1))
    run = Run(("a", ScriptedProvider([told, CUT])), ("b", ScriptedProvider([WORD])), routing=committing(3))
    await run(plan(step(target("a/m")), step(target("b/m"))))
    assert run.notes.attempts[0].usage == told.usage


@pytest.mark.parametrize("cancelled", [False, True])
async def test_an_alarm_that_rings_as_its_task_is_cancelled_leaves_it_cancelled(cancelled: bool) -> None:
    loop = asyncio.get_running_loop()
    at_s = loop.time() + 0.02
    rang: list[bool] = []

    async def wait() -> None:
        alarm = Alarm()
        alarm.set(at_s)
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            rang.append(alarm.stop())
            raise

    task = asyncio.create_task(wait())
    if cancelled:
        loop.call_at(at_s, task.cancel)
    await asyncio.wait([task])
    assert task.cancelled()
    assert rang == [not cancelled]


async def test_an_alarm_that_is_moved_on_rings_at_the_new_time_and_one_moved_forward_earlier() -> None:
    loop = asyncio.get_running_loop()
    alarm = Alarm()
    for waits_s, ring_s in ((0.05, 0.02), (0.02, 0.2), (0.05, 0.01)):
        started_s = loop.time()
        alarm.set(started_s + ring_s)
        try:
            await asyncio.sleep(waits_s)
            ended_by_alarm = alarm.stop()
        except asyncio.CancelledError:
            ended_by_alarm = alarm.stop()
        assert ended_by_alarm is (ring_s < waits_s)
    alarm.close()
