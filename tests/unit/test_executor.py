"""The executor: fallback before the commit point, none after; clocks; the breaker is really wired."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import msgspec
import pytest

from router.core import clock
from router.core.errors import (
    AdapterNotFound,
    AdapterNotReady,
    AllTargetsFailed,
    ContextTooLong,
    LocalityViolation,
    NoHealthyTarget,
    RouterError,
    StreamInterrupted,
    UnsupportedFeature,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from router.core.types import Cleared, Locality, Target
from router.policy.clearance import clear
from tests.fakes.execution import END, WORD, Run, ScriptedProvider, plan, step
from tests.fakes.values import report, request, target, verdict

pytestmark = pytest.mark.anyio


async def test_the_first_step_that_answers_is_the_answer() -> None:
    bad, good = ScriptedProvider([UpstreamUnavailable("x")]), ScriptedProvider([WORD, WORD])
    run = Run(("a", bad), ("b", good))
    await run(plan(step(target("a/m")), step(target("b/m"))))
    assert len(run.deltas) == 2
    assert [attempt.error_code for attempt in run.notes.attempts] == ["upstream_unavailable", None]


async def test_what_one_target_lacks_is_asked_of_the_next_and_refused_if_none_has_it() -> None:
    lacking, good = ScriptedProvider([UnsupportedFeature("x", param="n")]), ScriptedProvider([WORD])
    run = Run(("a", lacking), ("b", good), ("local", good))
    await run(plan(step(target("a/m")), step(target("b/m"))))
    assert len(run.deltas) == 1
    with pytest.raises(UnsupportedFeature) as caught:
        await run(plan(step(target("a/m")), step(target("a/m"))))
    assert caught.value.param == "n"
    here = msgspec.structs.replace(target("local/base"), locality=Locality.LOCAL)
    with pytest.raises(UnsupportedFeature):
        await run(plan(step(target("a/m")), step(here)))
    down = ScriptedProvider([UpstreamUnavailable("x")])
    run = Run(("a", lacking), ("b", down), ("local", good))
    await run(plan(step(target("a/m")), step(target("b/m")), step(here)))
    assert len(run.deltas) == 1
    assert set(run.health.snapshot().values()) == {"closed"}


async def test_after_the_first_delta_nothing_is_tried_again_and_the_error_is_explicit() -> None:
    cut, good = ScriptedProvider([WORD, UpstreamUnavailable("cut")]), ScriptedProvider([WORD])
    run = Run(("a", cut), ("b", good))
    with pytest.raises(StreamInterrupted, match="cut"):
        await run(plan(step(target("a/m")), step(target("b/m"))))
    assert len(run.deltas) == 1
    assert good.sent == []


async def test_what_the_caller_did_wrong_is_not_tried_elsewhere() -> None:
    good = ScriptedProvider([WORD])
    run = Run(("a", ScriptedProvider([UpstreamRejected("x")])), ("b", good))
    with pytest.raises(UpstreamRejected):
        await run(plan(step(target("a/m")), step(target("b/m"))))
    assert good.sent == []


async def test_a_slow_first_token_moves_on_and_the_slow_call_is_cancelled() -> None:
    slow, good = ScriptedProvider([10.0, WORD]), ScriptedProvider([WORD])
    run = Run(("a", slow), ("b", good))
    await run(plan(step(target("a/m"), ttft_s=0.05), step(target("b/m"))))
    assert len(run.deltas) == 1
    assert slow.closed == 1
    assert run.notes.attempts[0].error_code == "upstream_timeout"


async def test_the_total_clock_ends_a_stream_that_started() -> None:
    run = Run(("a", ScriptedProvider([WORD, 10.0, WORD])))
    with pytest.raises(StreamInterrupted, match="total"):
        await run(plan(step(target("a/m"), ttft_s=1, total_s=0.1)))


async def test_no_step_outlasts_the_deadline_of_the_request() -> None:
    run = Run(("a", ScriptedProvider([10.0])), ("b", ScriptedProvider([10.0])))
    started_s = clock.monotonic_s()
    with pytest.raises(RouterError):
        await run(plan(step(target("a/m")), step(target("b/m"))), deadline_s=0.2)
    assert clock.monotonic_s() - started_s < 2


async def test_a_consumer_who_stops_cancels_the_upstream() -> None:
    upstream = ScriptedProvider([WORD, 10.0, WORD])
    run = Run(("a", upstream))
    one = request(stream=True, deadline_s=clock.monotonic_s() + 10)

    def permit(where: Target) -> Cleared:
        return clear(one, report(), verdict(), where, None)

    async with aclosing(run.executor.execute(plan(step(target("a/m"))), one, permit, run.notes)) as deltas:
        await anext(deltas)
    assert upstream.closed == 1
    assert run.notes.attempts[0].error_code == "client_closed"


@pytest.mark.parametrize("stream", [True, False])
async def test_a_target_that_hangs_is_found_out_though_every_caller_leaves(stream: bool) -> None:
    run = Run(("a", ScriptedProvider(*([[WORD, END]] * 25), [10.0])))
    hanging = plan(step(target("a/m"), ttft_s=8.0, total_s=9.0))
    for _ in range(25):
        await run(hanging, stream=stream)
    for _ in range(2):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await run(hanging, stream=stream)
    assert run.codes[-2:] == ["client_closed"] * 2
    assert run.health.snapshot() == {"a/m": "open"}


async def test_failures_of_streams_open_the_breaker_too() -> None:
    run = Run(("a", ScriptedProvider([WORD, UpstreamUnavailable("cut")], [WORD, UpstreamUnavailable("cut")])))
    await_error = pytest.raises(StreamInterrupted)
    for _ in range(2):
        with await_error:
            await run(plan(step(target("a/m"))))
    assert run.health.health("a/m").error_ratio > 0


async def test_failures_before_the_first_delta_open_the_breaker() -> None:
    run = Run(("a", ScriptedProvider([UpstreamUnavailable("x")])))
    for _ in range(2):
        with pytest.raises(UpstreamUnavailable):
            await run(plan(step(target("a/m"))))
    assert not run.health.health("a/m").available


async def test_an_adapter_that_is_loading_is_waited_for() -> None:
    where = target("local", Locality.LOCAL)
    run = Run(("local", ScriptedProvider([AdapterNotReady("loading", retry_after_s=0.01)], [WORD])))
    await run(plan(step(where, retries=1)))
    assert len(run.deltas) == 1


async def test_an_adapter_that_went_away_gives_way_to_its_successor_then_to_the_base_model() -> None:
    gone = AdapterNotFound("gone")
    upstream = ScriptedProvider([gone], [gone], [WORD])
    run = Run(("local", upstream))
    await run(plan(step(target("local", Locality.LOCAL, select=True))))
    assert [one.target.adapter for one in upstream.sent] == ["sql@1", "sql", None]
    assert len(run.notes.selections) == 1


async def test_a_target_beyond_the_verdict_is_never_called() -> None:
    upstream = ScriptedProvider([WORD])
    run = Run(("a", upstream))
    with pytest.raises(LocalityViolation):
        await run(plan(step(target("a/m"))), allowed=verdict(Locality.LOCAL, rule="sensitive"))
    assert upstream.sent == []


async def test_a_local_engine_that_is_down_is_said_to_be_and_nothing_else_is_tried() -> None:
    run = Run(("local", ScriptedProvider([UpstreamUnavailable("refused")])))
    with pytest.raises(NoHealthyTarget, match="must stay local"):
        await run(plan(step(target("local", Locality.LOCAL))), allowed=verdict(Locality.LOCAL, rule="sensitive"))


async def test_the_sum_of_failures_names_each_cause_and_is_429_if_all_were() -> None:
    limited = [UpstreamRateLimited("x", retry_after_s=9)]
    run = Run(("a", ScriptedProvider(limited)), ("b", ScriptedProvider(limited)))
    with pytest.raises(AllTargetsFailed) as caught:
        await run(plan(step(target("a/m")), step(target("b/m"))))
    assert caught.value.http_status == 429
    assert caught.value.retry_after_s == 9
    mixed = Run(("a", ScriptedProvider(limited)), ("b", ScriptedProvider([UpstreamTimeout("x")])))
    with pytest.raises(AllTargetsFailed, match="upstream_rate_limited, upstream_timeout") as caught:
        await mixed(plan(step(target("a/m")), step(target("b/m"))))
    assert caught.value.http_status == 502


async def test_time_that_the_caller_takes_to_read_is_not_the_upstream_s() -> None:
    run = Run(("a", ScriptedProvider([WORD, WORD, WORD])))
    one = request(stream=True, deadline_s=clock.monotonic_s() + 10)

    def permit(where: Target) -> Cleared:
        return clear(one, report(), verdict(), where, None)

    slow = plan(step(target("a/m"), total_s=0.1, stall_s=0.1))
    async with aclosing(run.executor.execute(slow, one, permit, run.notes)) as deltas:
        async for delta in deltas:
            run.deltas.append(delta)
            await asyncio.sleep(0.15)
    assert len(run.deltas) == 3
    assert run.health.health("a/m").available


async def test_the_last_step_is_tried_again_only_where_that_may_help() -> None:
    for error, tries in (
        (UpstreamUnavailable("x"), 2),
        (UpstreamRateLimited("x", retry_after_s=30), 1),
        (ContextTooLong("x"), 1),
        (UpstreamTimeout("x"), 1),
    ):
        upstream = ScriptedProvider([error])
        run = Run(("a", upstream))
        with pytest.raises(type(error)):
            await run(plan(step(target("a/m"), retries=1)))
        assert len(upstream.sent) == tries, error


async def test_what_is_too_long_moves_only_to_a_larger_window_and_is_the_caller_s() -> None:
    long, same, larger = (ScriptedProvider([ContextTooLong("x")]) for _ in range(3))
    run = Run(("a", long), ("b", same), ("c", larger))
    steps = [
        msgspec.structs.replace(step(target(name)), context_tokens=window)
        for name, window in (("a/m", 100), ("b/m", 100), ("c/m", 200))
    ]
    with pytest.raises(ContextTooLong):
        await run(plan(*steps))
    assert (len(long.sent), len(same.sent), len(larger.sent)) == (1, 0, 1)


async def test_who_gets_only_the_rest_of_a_request_s_time_is_not_blamed_for_being_late() -> None:
    slow, fine = ScriptedProvider([0.3, UpstreamUnavailable("x")]), ScriptedProvider([0.3, WORD])
    run = Run(("a", slow), ("b", fine))
    for _ in range(3):
        with pytest.raises(AllTargetsFailed):
            await run(plan(step(target("a/m")), step(target("b/m"))), deadline_s=0.5)
    assert run.codes[1] == "upstream_timeout"
    assert run.health.health("b/m").error_ratio == 0
    with pytest.raises(UpstreamTimeout):
        await run(plan(step(target("b/m"))), deadline_s=0.1)
    assert run.health.health("b/m").error_ratio > 0, "all of it was its own"
