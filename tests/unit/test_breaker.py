"""Breakers: what opens them, what doesn't, and the way back."""

from __future__ import annotations

import pytest

from router.core.errors import (
    InvalidRequest,
    RouterError,
    UpstreamAuthFailed,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from router.execution.breaker import Breakers


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breakers(clock: Clock) -> Breakers:
    return Breakers(threshold=3, cooldown_s=10, now_s=clock)


@pytest.mark.parametrize("error", [UpstreamUnavailable("x"), UpstreamTimeout("x"), UpstreamAuthFailed("x")])
def test_it_opens_after_so_many_target_faults_in_a_row(breakers: Breakers, error: RouterError) -> None:
    for _ in range(2):
        breakers.fail("d", error)
    assert breakers.health("d").available
    breakers.fail("d", error)
    assert not breakers.health("d").available
    assert breakers.snapshot() == {"d": "open"}


@pytest.mark.parametrize("error", [InvalidRequest("x"), UpstreamRejected("x")])
def test_what_callers_do_wrong_never_opens_it(breakers: Breakers, error: RouterError) -> None:
    for _ in range(100):
        breakers.fail("d", error)
    assert breakers.health("d").available


def test_an_answer_in_between_starts_the_count_anew(breakers: Breakers) -> None:
    for _ in range(10):
        breakers.fail("d", UpstreamUnavailable("x"))
        breakers.fail("d", UpstreamUnavailable("x"))
        breakers.succeed("d", 5.0)
    assert breakers.health("d").available


def test_after_the_cooldown_one_probe_goes_and_closes_it_or_opens_it_again(breakers: Breakers, clock: Clock) -> None:
    for _ in range(3):
        breakers.fail("d", UpstreamUnavailable("x"))
    clock.now_s += 10
    assert breakers.health("d").available
    breakers.begin("d", patience_s=5)
    assert not breakers.health("d").available, "a second request must not join the probe"
    breakers.fail("d", UpstreamUnavailable("x"))
    assert not breakers.health("d").available
    clock.now_s += 10
    breakers.begin("d", patience_s=5)
    breakers.succeed("d", 5.0)
    assert breakers.health("d").available
    assert breakers.snapshot() == {"d": "closed"}


def test_a_probe_that_vanished_does_not_block_for_ever(breakers: Breakers, clock: Clock) -> None:
    for _ in range(3):
        breakers.fail("d", UpstreamUnavailable("x"))
    clock.now_s += 10
    breakers.begin("d", patience_s=5)
    clock.now_s += 6
    assert breakers.health("d").available


def test_a_rate_limit_with_retry_after_is_obeyed_at_once(breakers: Breakers, clock: Clock) -> None:
    breakers.fail("d", UpstreamRateLimited("x", retry_after_s=7))
    assert not breakers.health("d").available
    clock.now_s += 7
    assert breakers.health("d").available


def test_a_probe_whose_caller_left_lets_another_go_at_once(breakers: Breakers, clock: Clock) -> None:
    for _ in range(3):
        breakers.fail("d", UpstreamUnavailable("x"))
    clock.now_s += 10
    breakers.begin("d", patience_s=30)
    assert not breakers.health("d").available
    breakers.release("d")
    assert breakers.health("d").available


def test_a_short_retry_after_never_shortens_a_longer_wait(breakers: Breakers, clock: Clock) -> None:
    breakers.fail("d", UpstreamRateLimited("x", retry_after_s=100))
    breakers.fail("d", UpstreamRateLimited("x", retry_after_s=0))
    clock.now_s += 50
    assert not breakers.health("d").available
