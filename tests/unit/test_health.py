"""What is known of deployments: times, shares of failures, rate limits, the share of traffic; and what planning sees of it."""

from __future__ import annotations

import logging
import random

import pytest

from router.config.schema import BreakerConfig, HealthConfig
from router.core.errors import (
    ContextTooLong,
    UpstreamAuthFailed,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)
from router.core.types import Health
from router.execution.health import HealthMonitor
from router.execution.window import Window
from tests.fakes.clock import HandClock

WINDOW_S = 120.0
STEP_S = WINDOW_S / 12


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def monitor(clock: HandClock) -> HealthMonitor:
    never = BreakerConfig(failures=1_000_000, error_ratio=1)
    return HealthMonitor(never, HealthConfig(window_s=WINDOW_S), now_s=clock, unix_s=lambda: 1_000_000.0)


def attempts(
    monitor: HealthMonitor,
    clock: HandClock,
    seconds: float,
    *,
    failing: float = 0.0,
    ttft_ms: float = 100.0,
    per_s: int = 4,
) -> None:
    """Let time go by with streams of which an even share fails."""
    owed = 0.0
    for _ in range(int(seconds * per_s)):
        monitor.begin("d/m", 5)
        owed += failing
        if owed >= 1:
            owed -= 1
            monitor.failed("d/m", UpstreamUnavailable("x"))
        else:
            monitor.answered("d/m", ttft_ms)
            monitor.finished("d/m", 5 * ttft_ms)
        clock.now_s += 1 / per_s
        monitor.health("d/m")


# -- times


def test_quantiles_are_those_of_the_window_and_are_forgotten_with_it(monitor: HealthMonitor, clock: HandClock) -> None:
    for ttft_ms in random.Random(1).sample(range(1, 101), 100):
        monitor.begin("d/m", 5)
        monitor.answered("d/m", ttft_ms)
        monitor.finished("d/m", 10.0 * ttft_ms)
        clock.now_s += 0.6
    seen = monitor.health("d/m")
    assert (seen.ttft_p50_ms, seen.ttft_p95_ms) == (50, 95)
    assert (seen.elapsed_p50_ms, seen.elapsed_p95_ms) == (500, 950)
    clock.now_s += WINDOW_S
    assert monitor.health("d/m") == Health()


def test_a_window_is_bounded_however_many_attempts_come() -> None:
    window, now_s = Window(8.0), 0.0
    for _ in range(20_000):
        window.first_token(now_s, 1.0)
        window.finished(now_s, 1.0)
        now_s += 0.001
    assert window.attempts(now_s) > 6000
    kept = sum(len(one.ttft_ms) for one in window._slices)  # pyright: ignore[reportPrivateUsage]
    assert kept <= 256


def test_whole_answers_say_nothing_of_first_tokens(monitor: HealthMonitor, clock: HandClock) -> None:
    monitor.begin("d/m", 5)
    monitor.answered("d/m", 900, whole=True)
    monitor.finished("d/m", 900)
    clock.now_s += 1
    seen = monitor.health("d/m")
    assert (seen.ttft_p50_ms, seen.elapsed_p50_ms) == (None, 900)
    assert seen.ttft_ms is not None, "but there is a time to rank by"


def test_a_peak_shows_at_once_and_wears_off_with_time(monitor: HealthMonitor, clock: HandClock) -> None:
    monitor.answered("d/m", 100)
    assert monitor.health("d/m").ttft_ms == 100
    monitor.answered("d/m", 1000)
    assert monitor.health("d/m").ttft_ms == 1000
    seen: list[float] = []
    for _ in range(40):
        clock.now_s += 1
        monitor.answered("d/m", 100)
        seen.append(monitor.health("d/m").ttft_ms or 0)
    assert seen == sorted(seen, reverse=True)
    assert seen[0] > 900
    assert seen[-1] == pytest.approx(100, rel=0.2)
    clock.now_s += 10
    assert (monitor.health("d/m").ttft_ms or 0) < 60, "what isn't asked becomes worth asking again"


# -- failures


def test_the_error_ratio_follows_the_share_of_failures_and_wears_off_in_silence(
    monitor: HealthMonitor, clock: HandClock
) -> None:
    attempts(monitor, clock, 60, failing=0.25)
    assert monitor.health("d/m").error_ratio == pytest.approx(0.25, abs=0.03)
    attempts(monitor, clock, 60)
    assert monitor.health("d/m").error_ratio < 0.03
    attempts(monitor, clock, 60, failing=1)
    clock.now_s += 2 * WINDOW_S
    assert monitor.health("d/m").error_ratio < 0.01


def test_callers_errors_are_no_attempts_at_all(monitor: HealthMonitor) -> None:
    for error in [UpstreamRejected("x"), ContextTooLong("x")] * 500:
        monitor.begin("d/m", 5)
        monitor.failed("d/m", error)
    assert monitor.health("d/m") == Health()


def test_one_failure_is_not_the_whole_truth(monitor: HealthMonitor) -> None:
    monitor.failed("d/m", UpstreamUnavailable("x"))
    assert 0 < monitor.health("d/m").error_ratio < 0.5


def test_attempts_under_way_are_counted_however_they_end(monitor: HealthMonitor) -> None:
    for _ in range(4):
        monitor.begin("d/m", 5)
    assert monitor.health("d/m").in_flight == 4
    monitor.answered("d/m", 1)
    monitor.finished("d/m", 1)
    monitor.failed("d/m", UpstreamUnavailable("x"))
    monitor.released("d/m")
    assert monitor.health("d/m").in_flight == 1
    monitor.released("d/m")
    monitor.released("d/m")
    assert monitor.health("d/m").in_flight == 0


def test_a_refused_key_is_said_once_until_it_is_accepted(
    monitor: HealthMonitor, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    for _ in range(3):
        monitor.failed("d/m", UpstreamAuthFailed("x"))
    monitor.finished("other/m", 1)
    assert monitor.refused_keys() == {"d": True, "other": False}
    assert len(caplog.records) == 1
    monitor.finished("d/n", 1)
    assert monitor.refused_keys()["d"], "another model of the provider is another matter"
    monitor.finished("d/m", 1)
    assert not monitor.refused_keys()["d"]


# -- rate limits


def test_nothing_is_sent_to_a_deployment_with_nothing_left_until_its_reset(
    monitor: HealthMonitor, clock: HandClock
) -> None:
    monitor.heard("d/m", {"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "20s"})
    assert monitor.health("d/m").available
    monitor.heard("d/m", {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "20s"})
    seen = monitor.health("d/m")
    assert (seen.available, seen.unavailable) == (False, "rate_limited")
    assert monitor.snapshot() == {"d/m": "closed"}
    assert monitor.health("d/n").available, "limits are counted by model"
    clock.now_s += 19.9
    assert not monitor.health("d/m").available
    clock.now_s += 0.1
    assert monitor.health("d/m").available


def test_no_reset_keeps_a_deployment_away_for_longer_than_the_bound(monitor: HealthMonitor, clock: HandClock) -> None:
    monitor.heard("d/m", {"ratelimit-remaining": "0", "ratelimit-reset": "86400"})
    clock.now_s += 300
    assert monitor.health("d/m").available


@pytest.mark.parametrize("said_s", [None, 0.0])
def test_refusals_that_say_nothing_back_off_twice_as_long_each_time(
    monitor: HealthMonitor, clock: HandClock, said_s: float | None
) -> None:
    waits: list[float] = []
    for _ in range(4):
        for _ in range(5):  # what is under way together is refused together
            monitor.failed("d/m", UpstreamRateLimited("x", retry_after_s=said_s))
        before_s = clock.now_s
        while not monitor.health("d/m").available:
            clock.now_s += 0.5
        waits.append(clock.now_s - before_s)
    assert waits == [1, 2, 4, 8]
    monitor.finished("d/m", 1)
    monitor.failed("d/m", UpstreamRateLimited("x"))
    clock.now_s += 1
    assert monitor.health("d/m").available


def test_an_upstream_that_asks_for_a_pause_gets_it(monitor: HealthMonitor, clock: HandClock) -> None:
    monitor.failed("d/m", UpstreamUnavailable("x", retry_after_s=7))
    assert not monitor.health("d/m").available
    clock.now_s += 7
    assert monitor.health("d/m").available


# -- the share of traffic


def ratios(monitor: HealthMonitor, clock: HandClock, steps: int, **how: float) -> list[float]:
    found: list[float] = []
    for _ in range(steps):
        attempts(monitor, clock, STEP_S, **how)  # pyright: ignore[reportArgumentType]
        found.append(monitor.health("d/m").traffic_ratio)
    return found


def test_traffic_leaves_what_fails_more_and_more_by_halves_and_comes_back_by_doubles(
    monitor: HealthMonitor, clock: HandClock
) -> None:
    assert ratios(monitor, clock, 3) == [1, 1, 1]
    down = list(dict.fromkeys(ratios(monitor, clock, 12, failing=0.4)))
    assert down == [1, 0.5, 0.25, 0.125, 0.0625, 0.05]
    up = list(dict.fromkeys(ratios(monitor, clock, 24)))
    assert up == [0.05, 0.1, 0.2, 0.4, 0.8, 1]


def test_between_the_two_thresholds_it_keeps_what_it_has(monitor: HealthMonitor, clock: HandClock) -> None:
    ratios(monitor, clock, 3, failing=0.4)
    settled = ratios(monitor, clock, 18, failing=0.12)[6:]
    assert len(set(settled)) == 1
    assert settled[0] < 1


def test_few_attempts_take_nothing_away(monitor: HealthMonitor, clock: HandClock) -> None:
    for _ in range(30):
        monitor.failed("d/m", UpstreamUnavailable("x"))
        clock.now_s += 10
        assert monitor.health("d/m").traffic_ratio == 1


def test_traffic_leaves_what_has_become_slow(monitor: HealthMonitor, clock: HandClock) -> None:
    assert set(ratios(monitor, clock, 8)) == {1}
    assert set(ratios(monitor, clock, 2, ttft_ms=250)) == {1}, "slower, but not by enough"
    assert min(ratios(monitor, clock, 4, ttft_ms=700)) < 1


def test_after_an_outage_a_part_of_the_traffic_comes_back_first(clock: HandClock) -> None:
    monitor = HealthMonitor(BreakerConfig(failures=2, cooldown_s=5), HealthConfig(window_s=WINDOW_S), now_s=clock)
    monitor.failed("d/m", UpstreamUnavailable("x"))
    monitor.failed("d/m", UpstreamUnavailable("x"))
    clock.now_s += 5
    monitor.begin("d/m", 5)
    monitor.finished("d/m", 1)
    assert list(dict.fromkeys(ratios(monitor, clock, 4))) == [0.5, 1]


# -- what planning sees


def test_what_was_seen_once_never_changes_afterwards(monitor: HealthMonitor, clock: HandClock) -> None:
    monitor.begin("d/m", 5)
    first = monitor.known()
    assert monitor.known() is first, "nothing happened"
    kept = dict(first)
    monitor.failed("d/m", UpstreamUnavailable("x"))
    monitor.begin("e/m", 5)
    clock.now_s += 1
    assert monitor.known() is not first
    assert first == kept


def test_deployments_that_nothing_is_known_of_are_not_named(monitor: HealthMonitor) -> None:
    assert monitor.known() == {}
    monitor.begin("d/m", 5)
    monitor.released("d/m")
    assert monitor.known() == {}
    assert monitor.seen() == {"d/m": Health()}


# -- callers who leave


@pytest.mark.parametrize("whole", [False, True])
def test_a_target_that_hangs_is_left_alone_though_all_callers_leave_before_its_clock_is_over(
    clock: HandClock, whole: bool
) -> None:
    monitor = HealthMonitor(BreakerConfig(failures=5), now_s=clock)
    for number in range(30):
        monitor.begin("d/m", 30)
        monitor.answered("d/m", 100.0 + number, whole=whole)
        monitor.finished("d/m", 200.0 + number)
    usual_ms = 229.0 if whole else 129.0
    for waited_ms in (10.0, usual_ms):  # who leaves that early says nothing of the target
        for _ in range(20):
            monitor.begin("d/m", 30)
            monitor.released("d/m", waited_ms=waited_ms, whole=whole)
    assert monitor.health("d/m").error_ratio == 0
    clock.now_s += 1000  # what is usual is known also when nothing was heard for long
    for _ in range(5):
        assert monitor.health("d/m").available
        monitor.begin("d/m", 30)
        monitor.released("d/m", waited_ms=usual_ms + 1, whole=whole)
    assert monitor.snapshot() == {"d/m": "open"}


def test_a_probe_that_its_caller_leaves_late_opens_the_breaker_again(clock: HandClock) -> None:
    monitor = HealthMonitor(BreakerConfig(failures=1, cooldown_s=10), now_s=clock)
    for _ in range(30):
        monitor.begin("d/m", 30)
        monitor.answered("d/m", 100.0)
        monitor.finished("d/m", 200.0)
    monitor.failed("d/m", UpstreamUnavailable("x"))
    clock.now_s += 10
    since_s = monitor.begin("d/m", 30)
    clock.now_s += 2
    monitor.released("d/m", since_s=since_s, waited_ms=2000.0)
    assert monitor.snapshot() == {"d/m": "open"}


def test_without_enough_answers_nobody_knows_what_is_late(monitor: HealthMonitor) -> None:
    for _ in range(19):
        monitor.begin("d/m", 30)
        monitor.answered("d/m", 100.0)
        monitor.finished("d/m", 200.0)
    monitor.begin("d/m", 30)
    monitor.released("d/m", waited_ms=10_000.0)
    assert monitor.health("d/m").error_ratio == 0
