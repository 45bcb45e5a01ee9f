"""Breakers: what opens them, what doesn't, and the way back."""

from __future__ import annotations

import pytest

from router.config.schema import BreakerConfig, HealthConfig
from router.core.errors import (
    InvalidRequest,
    RouterError,
    UpstreamAuthFailed,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from router.execution.health import HealthMonitor
from tests.fakes.clock import HandClock


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def monitor(clock: HandClock) -> HealthMonitor:
    return HealthMonitor(BreakerConfig(failures=3, cooldown_s=10, max_cooldown_s=35, error_ratio=1), now_s=clock)


@pytest.mark.parametrize("error", [UpstreamUnavailable("x"), UpstreamTimeout("x"), UpstreamAuthFailed("x")])
def test_it_opens_after_so_many_target_faults_in_a_row(monitor: HealthMonitor, error: RouterError) -> None:
    for _ in range(2):
        monitor.failed("d", error)
    assert monitor.health("d").available
    monitor.failed("d", error)
    assert not monitor.health("d").available
    assert monitor.snapshot() == {"d": "open"}


@pytest.mark.parametrize("error", [InvalidRequest("x"), UpstreamRejected("x")])
def test_what_callers_do_wrong_never_opens_it(monitor: HealthMonitor, error: RouterError) -> None:
    for _ in range(100):
        monitor.failed("d", error)
    assert monitor.health("d").available


def test_an_answer_in_between_starts_the_count_anew(monitor: HealthMonitor) -> None:
    for _ in range(10):
        monitor.failed("d", UpstreamUnavailable("x"))
        monitor.failed("d", UpstreamUnavailable("x"))
        monitor.finished("d", 5.0)
    assert monitor.health("d").available


def test_after_the_cooldown_one_probe_goes_and_closes_it_or_opens_it_again(
    monitor: HealthMonitor, clock: HandClock
) -> None:
    for _ in range(3):
        monitor.failed("d", UpstreamUnavailable("x"))
    clock.now_s += 10
    assert monitor.health("d").available
    monitor.begin("d", patience_s=5)
    assert not monitor.health("d").available, "a second request must not join the probe"
    monitor.failed("d", UpstreamUnavailable("x"))
    assert not monitor.health("d").available
    clock.now_s += 20
    monitor.begin("d", patience_s=5)
    monitor.finished("d", 5.0)
    assert monitor.health("d").available
    assert monitor.snapshot() == {"d": "closed"}


def test_a_probe_that_vanished_does_not_block_for_ever(monitor: HealthMonitor, clock: HandClock) -> None:
    for _ in range(3):
        monitor.failed("d", UpstreamUnavailable("x"))
    clock.now_s += 10
    monitor.begin("d", patience_s=5)
    clock.now_s += 6
    assert monitor.health("d").available


def test_a_rate_limit_with_retry_after_is_obeyed_at_once(monitor: HealthMonitor, clock: HandClock) -> None:
    monitor.failed("d", UpstreamRateLimited("x", retry_after_s=7))
    assert not monitor.health("d").available
    clock.now_s += 7
    assert monitor.health("d").available


def test_a_probe_whose_caller_left_lets_another_go_at_once(monitor: HealthMonitor, clock: HandClock) -> None:
    for _ in range(3):
        monitor.failed("d", UpstreamUnavailable("x"))
    clock.now_s += 10
    monitor.begin("d", patience_s=30)
    assert not monitor.health("d").available
    monitor.released("d")
    assert monitor.health("d").available


def test_a_short_retry_after_never_shortens_a_longer_wait(monitor: HealthMonitor, clock: HandClock) -> None:
    monitor.failed("d", UpstreamRateLimited("x", retry_after_s=100))
    monitor.failed("d", UpstreamRateLimited("x", retry_after_s=0))
    clock.now_s += 50
    assert not monitor.health("d").available


def test_a_stream_that_breaks_after_its_first_piece_is_a_failure_and_one_only(monitor: HealthMonitor) -> None:
    for _ in range(2):
        monitor.begin("d", patience_s=5)
        monitor.answered("d", 5.0)
        monitor.failed("d", UpstreamProtocolError("x"))
    assert monitor.health("d").available
    monitor.begin("d", patience_s=5)
    monitor.answered("d", 5.0)
    assert monitor.health("d").available
    monitor.failed("d", UpstreamProtocolError("x"))
    assert monitor.snapshot() == {"d": "open"}


def test_each_failed_probe_doubles_the_cooldown_up_to_a_bound_and_an_answer_starts_anew(
    monitor: HealthMonitor, clock: HandClock
) -> None:
    def open_for_s() -> float:
        waited_s = 0.0
        while not monitor.health("d").available:
            clock.now_s += 1
            waited_s += 1
        return waited_s

    for _ in range(3):
        monitor.failed("d", UpstreamUnavailable("x"))
    cooldowns: list[float] = []
    for _ in range(4):
        cooldowns.append(open_for_s())
        monitor.begin("d", patience_s=5)
        monitor.failed("d", UpstreamUnavailable("x"))
    assert cooldowns == [10, 20, 35, 35]
    clock.now_s += 35
    monitor.begin("d", patience_s=5)
    monitor.finished("d", 5.0)
    for _ in range(3):
        assert monitor.snapshot() == {"d": "closed"}
        monitor.failed("d", UpstreamUnavailable("x"))
    assert open_for_s() == 10


def test_what_began_before_it_opened_neither_closes_it_nor_prolongs_it(
    monitor: HealthMonitor, clock: HandClock
) -> None:
    for _ in range(5):
        monitor.begin("d", patience_s=5)
    for _ in range(3):
        monitor.failed("d", UpstreamUnavailable("x"))
    monitor.finished("d", 5.0)
    assert monitor.snapshot() == {"d": "open"}
    clock.now_s += 9
    monitor.failed("d", UpstreamUnavailable("x"))
    clock.now_s += 1
    assert monitor.snapshot() == {"d": "half-open"}


def test_the_first_piece_of_a_long_probe_lets_the_next_one_go(monitor: HealthMonitor, clock: HandClock) -> None:
    for _ in range(3):
        monitor.failed("d", UpstreamUnavailable("x"))
    clock.now_s += 10
    monitor.begin("d", patience_s=30)
    assert not monitor.health("d").available
    monitor.answered("d", 5.0)
    assert monitor.health("d").available
    assert monitor.snapshot() == {"d": "half-open"}, "only a whole answer closes it"


def test_it_opens_at_a_share_of_failures_that_are_never_in_a_row(clock: HandClock) -> None:
    monitor = HealthMonitor(
        BreakerConfig(failures=3, error_ratio=0.6), HealthConfig(min_attempts=20, window_s=120), now_s=clock
    )
    attempts = 0
    while monitor.snapshot().get("d", "closed") == "closed":
        assert attempts < 60
        if attempts % 3 == 0:
            monitor.finished("d", 5.0)
        else:
            monitor.failed("d", UpstreamUnavailable("x"))
        attempts += 1
        clock.now_s += 0.1
    assert attempts >= 20, "few attempts say nothing"


def test_without_enough_attempts_a_share_of_failures_does_not_open_it(clock: HandClock) -> None:
    monitor = HealthMonitor(
        BreakerConfig(failures=3, error_ratio=0.1), HealthConfig(min_attempts=20, window_s=120), now_s=clock
    )
    for _ in range(19):
        monitor.failed("d", UpstreamUnavailable("x"))
        monitor.finished("d", 5.0)
        clock.now_s += 30
    assert monitor.snapshot() == {"d": "closed"}


def opened(monitor: HealthMonitor, clock: HandClock) -> float:
    """Open the breaker under an attempt that goes on, wait until it is half-open; return when that attempt began."""
    old_s = monitor.begin("d", patience_s=5)
    for _ in range(3):
        monitor.failed("d", UpstreamUnavailable("x"))
    clock.now_s += 10
    return old_s


@pytest.mark.parametrize("how", ["leaves", "answers", "is refused", "fails", "finishes"])
def test_the_end_of_an_old_attempt_lets_no_second_probe_through(
    monitor: HealthMonitor, clock: HandClock, how: str
) -> None:
    old_s = opened(monitor, clock)
    probe_s = monitor.begin("d", patience_s=30)
    clock.now_s += 1
    match how:
        case "leaves":
            monitor.released("d", since_s=old_s)
        case "answers":
            monitor.answered("d", 5.0, since_s=old_s)
        case "is refused":
            monitor.failed("d", UpstreamRejected("x"), since_s=old_s)
        case "fails":
            monitor.failed("d", UpstreamUnavailable("x"), since_s=old_s)
        case _:
            monitor.finished("d", 5.0, since_s=old_s)
    assert not monitor.health("d").available
    assert monitor.snapshot() == {"d": "half-open"}
    monitor.finished("d", 5.0, since_s=probe_s)
    assert monitor.snapshot() == {"d": "closed"}


def test_a_probe_whose_turn_is_over_does_not_end_that_of_the_next(monitor: HealthMonitor, clock: HandClock) -> None:
    opened(monitor, clock)
    first_s = monitor.begin("d", patience_s=5)
    clock.now_s += 6
    monitor.begin("d", patience_s=5)
    monitor.released("d", since_s=first_s)
    assert not monitor.health("d").available
