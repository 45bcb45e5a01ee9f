"""Hedging: a second target when the first is late, the first answer taken, the other given up, all within a budget."""

from __future__ import annotations

import asyncio

import pytest

from router.config.schema import HedgeConfig, RoutingConfig
from router.core.errors import AllTargetsFailed, LocalityViolation, StreamInterrupted, UpstreamUnavailable
from router.core.types import Delta, Locality
from router.execution.hedge import race
from tests.fakes.execution import WORD, Run, ScriptedProvider, plan, step
from tests.fakes.values import target, verdict

pytestmark = pytest.mark.anyio

DOWN = UpstreamUnavailable("x")
FIRST, SECOND = Delta(payload=b'{"from": 1}'), Delta(payload=b'{"from": 2}')
HEDGED = plan(step(target("a/m"), hedge_after_ms=20), step(target("b/m")))
BUDGET = RoutingConfig(hedge=HedgeConfig(budget_ratio=1.0))


def racing(first: ScriptedProvider, second: ScriptedProvider, routing: RoutingConfig = BUDGET) -> Run:
    return Run(("a", first), ("b", second), routing=routing)


async def test_the_first_that_answers_is_taken_and_the_other_cancelled_and_noted() -> None:
    slow, quick = ScriptedProvider([10.0, FIRST]), ScriptedProvider([SECOND, 0.02, SECOND])
    run = racing(slow, quick)
    await run(HEDGED)
    assert run.deltas == [SECOND, SECOND]
    assert slow.closed == quick.closed == 1
    assert [(one.target, one.error_code, one.hedge) for one in run.notes.attempts] == [
        ("a/m", "hedged", False),
        ("b/m", None, True),
    ]
    assert run.notes.targets[-1].deployment == "b/m"


async def test_the_late_one_may_still_win_and_then_it_is_its_answer() -> None:
    late, slow = ScriptedProvider([0.06, FIRST, FIRST]), ScriptedProvider([10.0, SECOND])
    run = racing(late, slow)
    await run(HEDGED)
    assert run.deltas == [FIRST, FIRST]
    assert [(one.error_code, one.hedge) for one in run.notes.attempts] == [("hedged", True), (None, False)]
    assert run.notes.targets[-1].deployment == "a/m"


async def test_a_first_that_is_in_time_is_not_hedged_nor_is_one_that_fails_in_time() -> None:
    run = racing(ScriptedProvider([FIRST]), ScriptedProvider([SECOND]))
    await run(HEDGED)
    assert [one.target for one in run.notes.attempts] == ["a/m"]
    run = racing(ScriptedProvider([DOWN]), ScriptedProvider([SECOND]))
    await run(HEDGED)
    assert [(one.error_code, one.hedge) for one in run.notes.attempts] == [
        ("upstream_unavailable", False),
        (None, False),
    ]


async def test_one_that_fails_leaves_the_race_to_the_other_and_if_both_do_the_plan_goes_on() -> None:
    run = racing(ScriptedProvider([0.05, DOWN]), ScriptedProvider([0.05, SECOND]))
    await run(HEDGED)
    assert run.deltas == [SECOND]
    run = racing(ScriptedProvider([0.06, FIRST]), ScriptedProvider([DOWN]))
    await run(HEDGED)
    assert run.deltas == [FIRST]
    both = Run(("a", ScriptedProvider([0.05, DOWN])), ("b", ScriptedProvider([DOWN])), ("c", ScriptedProvider([WORD])))
    await both(plan(*HEDGED.steps, step(target("c/m"))))
    assert both.deltas == [WORD]
    run = racing(ScriptedProvider([0.05, DOWN]), ScriptedProvider([DOWN]))
    with pytest.raises(AllTargetsFailed):
        await run(HEDGED)


async def test_what_breaks_after_the_race_is_broken() -> None:
    cut, slow = ScriptedProvider([0.04, FIRST, DOWN]), ScriptedProvider([10.0, SECOND])
    run = racing(cut, slow)
    with pytest.raises(StreamInterrupted):
        await run(HEDGED)
    assert run.deltas == [FIRST]


async def test_hedges_are_a_share_of_all_requests() -> None:
    run = racing(ScriptedProvider([0.03, FIRST]), ScriptedProvider([SECOND]), RoutingConfig())
    for _ in range(40):
        await run(HEDGED)
    hedges = sum(one.hedge for one in run.notes.attempts)
    assert hedges == 3, "two at first, and 5 % of the 39 others"


async def test_a_hedge_goes_no_further_than_the_verdict() -> None:
    away = ScriptedProvider([SECOND])
    run = Run(("local", ScriptedProvider([0.05, DOWN])), ("b", away), routing=BUDGET)
    wanted = plan(step(target("local", Locality.LOCAL), hedge_after_ms=10), step(target("b/m")))
    with pytest.raises(LocalityViolation):
        await run(wanted, allowed=verdict(Locality.LOCAL, rule="sensitive"))
    assert away.sent == []


async def test_a_caller_who_leaves_ends_both() -> None:
    slow = [ScriptedProvider([10.0]), ScriptedProvider([10.0])]
    run = racing(*slow)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await run(HEDGED)
    assert [one.closed for one in slow] == [1, 1]
    assert run.codes == ["client_closed", "client_closed"]


class Contender:
    """A try that answers after a while, and takes a while to stop."""

    def __init__(self, answers_s: float, *, stops_s: float = 0.0) -> None:
        self._answers_s, self._stops_s = answers_s, stops_s
        self.closed = 0
        self.stopping = asyncio.Event()

    async def begin(self) -> tuple[Delta, ...]:
        try:
            await asyncio.sleep(self._answers_s)
        except asyncio.CancelledError:
            self.stopping.set()
            await asyncio.sleep(self._stops_s)
            raise
        return (FIRST,)

    def beaten(self) -> None:
        pass

    async def close(self) -> None:
        self.closed += 1


async def test_a_caller_who_leaves_while_the_loser_is_stopped_leaves_nothing_open() -> None:
    loser, winner = Contender(10.0, stops_s=0.1), Contender(0.0)
    task = asyncio.create_task(race(loser, winner, 0.01, lambda: True))
    await loser.stopping.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (loser.closed, winner.closed) == (1, 1)
