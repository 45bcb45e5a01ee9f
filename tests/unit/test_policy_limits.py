"""Limits and budgets as arithmetic: what a bucket holds, when to come back, which budget is the tightest."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.core.periods import Spent, periods
from router.core.types import Budget
from router.policy import budgets, limits
from router.policy.limits import Bucket

COUNTS = st.integers(1, 10_000)


def unix_s(*when: int) -> float:
    return datetime(*when, tzinfo=UTC).timestamp()  # type: ignore[misc]


@given(per_minute=COUNTS, steps=st.lists(st.tuples(st.floats(0, 30), st.integers(1, 300)), max_size=60))
def test_no_minute_sees_more_than_a_burst_and_what_came_back_since(
    per_minute: int, steps: list[tuple[float, int]]
) -> None:
    bucket, now_s = Bucket(level=per_minute, at_s=0.0), 0.0
    granted = 0
    for pause_s, amount in steps:
        now_s += pause_s
        bucket = limits.filled(bucket, per_minute, now_s)
        if amount <= per_minute and limits.wait_s(bucket, amount, per_minute) == 0:
            bucket = limits.taken(bucket, amount, per_minute)
            granted += amount
    assert granted <= per_minute * (1 + now_s / 60) + 1e-6 * per_minute


@given(per_minute=COUNTS, level=st.floats(-500, 10_000), amount=st.integers(1, 20_000))
def test_whoever_waits_as_long_as_told_is_let_in_and_nobody_earlier(per_minute: int, level: float, amount: int) -> None:
    bucket = limits.filled(Bucket(level=level, at_s=0.0), per_minute, 0.0)
    wait_s = limits.wait_s(bucket, amount, per_minute)
    then = limits.filled(bucket, per_minute, wait_s + 1e-6)
    assert limits.wait_s(then, amount, per_minute) == pytest.approx(0, abs=1e-3)
    if wait_s > 1e-3:
        assert limits.wait_s(limits.filled(bucket, per_minute, wait_s * 0.9), amount, per_minute) > 0


def test_a_request_larger_than_the_limit_needs_a_full_bucket_and_overdraws_it() -> None:
    full = Bucket(level=100.0, at_s=0.0)
    assert limits.wait_s(full, 250, 100) == 0
    overdrawn = limits.taken(full, 250, 100)
    assert overdrawn.level == -150
    assert limits.reset_s(overdrawn, 100) == 150
    assert limits.wait_s(overdrawn, 10, 100) == 96


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0, "0s"), (-1, "0s"), (0.0201, "21ms"), (0.999, "999ms"), (1, "1s"), (59.2, "1m0s"), (360, "6m0s"),
     (3723, "1h2m3s")],
)  # fmt: skip
def test_times_are_written_as_openai_writes_them(seconds: float, written: str) -> None:
    assert limits.duration(seconds) == written


def test_periods_are_those_of_the_calendar_in_utc() -> None:
    now = periods(unix_s(2026, 11, 29, 23, 59, 59))  # a Sunday
    assert now.day == unix_s(2026, 11, 29)
    assert now.week == unix_s(2026, 11, 23)
    assert now.month == unix_s(2026, 11, 1)
    assert (now.next_day, now.next_week) == (unix_s(2026, 11, 30), unix_s(2026, 11, 30))
    assert now.next_month == unix_s(2026, 12, 1)
    assert periods(unix_s(2026, 12, 31)).next_month == unix_s(2027, 1, 1)
    assert periods(unix_s(2028, 2, 29)).next_month == unix_s(2028, 3, 1)


def test_the_tightest_budget_counts_and_its_error_says_which_and_until_when() -> None:
    now = periods(unix_s(2026, 11, 29, 12))
    spent = Spent(day_usd=Decimal(1), week_usd=Decimal(9), month_usd=Decimal(20))
    budget = Budget(day_usd=Decimal(5), week_usd=Decimal(10), month_usd=Decimal(100))
    left = budgets.left(budget, spent, Decimal("0.25"), now)
    assert left is not None
    assert (left.usd, left.period, left.renews_unix_s) == (Decimal("0.75"), "week", now.next_week)
    error = budgets.exceeded(left, unix_s(2026, 11, 29, 12))
    assert "budget of $10 a week leaves $0.75" in error.message
    assert "2026-11-30T00:00:00Z" in error.message
    assert error.retry_after_s == 12 * 3600
    assert budgets.left(Budget(), spent, Decimal(0), now) is None
    over = budgets.left(Budget(day_usd=Decimal("0.5")), spent, Decimal(0), now)
    assert over is not None
    assert over.usd == 0
    both = budgets.left(Budget(day_usd=Decimal(1), month_usd=Decimal(20)), spent, Decimal(0), now)
    assert both is not None
    assert both.period == "month"  # the day's renewal would not help
