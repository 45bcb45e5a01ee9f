"""Which step comes next: a table, and what holds for every plan and everything that can go wrong in it."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.config.schema import RetryConfig
from router.core.errors import (
    AdapterNotReady,
    ContextTooLong,
    DeploymentBusy,
    RouterError,
    UnsupportedFeature,
    UpstreamFiltered,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from router.core.types import Locality, Step
from router.execution.allowance import Allowance
from router.execution.retry import may_pass, pause_s
from router.execution.sequence import Failed, Move, following
from tests.fakes.values import target

MAX_S = 5.0
CONTEXT, CONTENT = ContextTooLong.code, UpstreamFiltered.code
DOWN = UpstreamUnavailable("x")


def step(
    name: str, *, window: int | None = None, after: str | None = None, retries: int = 0, here: bool = False
) -> Step:
    where = target(name, Locality.LOCAL if here else Locality.ANY)
    return Step(target=where, context_tokens=window, after=after, retries=retries, ttft_s=1, total_s=1)


def order(steps: list[Step], *errors: RouterError | None) -> list[str]:
    """The targets that are asked when the first fails with the first error, the second with the second…; retries too."""
    asked: list[str] = []
    failed: list[Failed] = []
    for error in (*errors, UpstreamRejected("the end")):
        move = following(steps, failed, MAX_S)
        if move is None:
            break
        asked.append(steps[move.step].target.deployment)
        failed.append(Failed(move.step, error))
    return asked


PLAN = [
    step("a/small", window=100),
    step("b/small", window=100),
    step("c/large", window=900),
    step("local/base", retries=1, here=True),
    step("d/huge", window=9000, after=CONTEXT),
    step("e/small", window=50, after=CONTEXT),
    step("f/lenient", after=CONTENT),
]


@pytest.mark.parametrize(
    ("errors", "asked"),
    [
        ([], ["a/small"]),
        ([DOWN], ["a/small", "b/small"]),
        ([UpstreamRejected("x")], ["a/small"]),
        ([DOWN, UpstreamTimeout("x"), DOWN, DOWN], ["a/small", "b/small", "c/large", "local/base", "local/base"]),
        ([ContextTooLong("x")], ["a/small", "d/huge"]),
        ([ContextTooLong("x"), DOWN], ["a/small", "d/huge", "c/large"]),
        ([ContextTooLong("x"), DOWN, DOWN], ["a/small", "d/huge", "c/large", "local/base"]),
        ([ContextTooLong("x"), ContextTooLong("x")], ["a/small", "d/huge", "local/base"]),
        ([UpstreamFiltered("x")], ["a/small", "f/lenient"]),
        ([UpstreamFiltered("x"), DOWN], ["a/small", "f/lenient"]),
        ([DOWN, UpstreamFiltered("x"), DOWN], ["a/small", "b/small", "f/lenient"]),
        ([ContextTooLong("x"), UpstreamFiltered("x")], ["a/small", "d/huge", "f/lenient"]),
        ([UnsupportedFeature("x")] * 3, ["a/small", "b/small", "c/large"]),
        ([UnsupportedFeature("x"), DOWN, DOWN], ["a/small", "b/small", "c/large", "local/base"]),
        ([None], ["a/small", "c/large"]),
        ([None, DOWN], ["a/small", "c/large", "local/base"]),
        ([DeploymentBusy("x", retry_after_s=1)], ["a/small", "b/small"]),
    ],
)
def test_what_failed_says_who_is_asked_next(errors: list[RouterError | None], asked: list[str]) -> None:
    assert order(PLAN, *errors)[: len(asked) + 1] == asked


def test_a_retry_after_is_waited_for_only_where_no_other_target_is_left_and_not_for_long() -> None:
    soon, late = UpstreamRateLimited("x", retry_after_s=4), UpstreamRateLimited("x", retry_after_s=6)
    alone, two = [step("a/m", retries=1)], [step("a/m", retries=1), step("b/m")]
    assert order(alone, soon) == ["a/m", "a/m"]
    assert order(alone, late) == ["a/m"]
    assert order(two, soon) == ["a/m", "b/m"]


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (DOWN, True),
        (UpstreamTimeout("x"), False),
        (UpstreamRateLimited("x"), False),
        (UpstreamRejected("x"), False),
        (DeploymentBusy("x", retry_after_s=1), False),
        (AdapterNotReady("x", retry_after_s=60), True),
    ],
)
def test_only_what_may_pass_is_tried_again(error: RouterError, again: bool) -> None:
    assert may_pass(error, is_last=True, max_s=MAX_S) is again


def test_pauses_double_up_to_the_longest_and_chance_takes_any_part_of_them() -> None:
    config = RetryConfig(base_s=0.1, max_s=0.5)
    assert [pause_s(DOWN, tries, config, 0.5) for tries in (1, 2, 3, 4, 9)] == [0.05, 0.1, 0.2, 0.25, 0.25]
    assert pause_s(DOWN, 3, config, 0.0) == 0
    assert pause_s(UpstreamRateLimited("x", retry_after_s=3), 1, config, 0.5) == 3
    assert pause_s(UpstreamRateLimited("x", retry_after_s=0), 1, config, 0.5) == 0.05, "0 is no time to wait at all"


def test_a_target_that_stands_in_a_plan_for_two_reasons_is_asked_once() -> None:
    steps = [step("a/m", window=10), step("c/m", window=99), step("c/m", window=99, after=CONTEXT), step("d/m")]
    failed = [Failed(0, ContextTooLong("x"))]
    assert following(steps, failed, MAX_S) == Move(2)
    assert following(steps, [*failed, Failed(2, DOWN)], MAX_S) == Move(3)


def test_an_allowance_is_a_share_of_all_requests_and_none_at_all_if_that_is_nothing() -> None:
    allowance = Allowance(0.25, burst=2)
    assert [allowance.spend() for _ in range(3)] == [True, True, False]
    granted = 0
    for _ in range(100):
        allowance.earn()
        granted += allowance.spend()
    assert granted == 25
    nothing = Allowance(0.0, burst=2)
    nothing.earn()
    assert not nothing.spend()


ERRORS = st.sampled_from(
    [
        None,
        DOWN,
        ContextTooLong("x"),
        UpstreamFiltered("x"),
        UnsupportedFeature("x"),
        UpstreamTimeout("x"),
        UpstreamRateLimited("x", retry_after_s=1),
        AdapterNotReady("x"),
        UpstreamRejected("x"),
    ]
)
STEPS = st.lists(
    st.builds(
        step,
        st.sampled_from(["a/m", "b/m", "c/n", "local/base"]),
        window=st.sampled_from([None, 10, 20]),
        after=st.sampled_from([None, None, CONTEXT, CONTENT]),
        retries=st.integers(0, 3),
        here=st.booleans(),
    ),
    min_size=1,
    max_size=6,
).map(lambda steps: [msgspec.structs.replace(steps[0], after=None), *steps[1:]])


@given(STEPS, st.lists(ERRORS, min_size=40, max_size=40), st.booleans())
def test_every_plan_ends_within_its_bounds_and_evades_no_filter(
    steps: list[Step], errors: list[RouterError | None], may_retry: bool
) -> None:
    failed: list[Failed] = []
    while (move := following(steps, failed, MAX_S, may_retry=may_retry)) is not None:
        tries = sum(one.step == move.step for one in failed)
        assert move.is_retry is (tries > 0)
        assert tries <= (steps[move.step].retries if may_retry else 0)
        seen = [one.error for one in failed]
        after = steps[move.step].after
        if any(isinstance(error, UpstreamFiltered) for error in seen):
            assert after == CONTENT
        elif not any(isinstance(error, ContextTooLong) for error in seen):
            assert after is None
        turned_down = {steps[one.step].target.upstream_model for one in failed if one.error is None}
        assert steps[move.step].target.upstream_model not in turned_down or move.is_retry
        failed.append(Failed(move.step, errors[len(failed)]))
    assert 1 <= len(failed) <= sum(1 + one.retries for one in steps)


@given(STEPS)
def test_the_first_step_is_first(steps: list[Step]) -> None:
    assert following(steps, [], MAX_S) == Move(0)
