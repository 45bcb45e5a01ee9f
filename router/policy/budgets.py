"""What a key's budgets leave, and the error where that is too little: pure arithmetic."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

from router.core.errors import BudgetExceeded
from router.core.periods import Periods, Spent
from router.core.types import Budget

_ZERO = Decimal(0)


class Left(NamedTuple):
    """What the tightest of a key's budgets leaves."""

    usd: Decimal
    """0 or more."""
    period: str
    """Which budget: day, week or month."""
    budget_usd: Decimal
    renews_unix_s: int


def left(budget: Budget, spent: Spent, held_usd: Decimal, now: Periods) -> Left | None:
    """Return what the tightest budget leaves after what was spent and what is `held_usd` for requests under way; None = no
    budget is set. Where two leave the same, the one that renews later counts."""
    given = (
        (budget.month_usd, spent.month_usd, "month", now.next_month),
        (budget.week_usd, spent.week_usd, "week", now.next_week),
        (budget.day_usd, spent.day_usd, "day", now.next_day),
    )
    found = [
        Left(max(_ZERO, limit - used - held_usd), period, limit, renews)
        for limit, used, period, renews in given
        if limit is not None
    ]
    return min(found, key=lambda one: (one.usd, -one.renews_unix_s), default=None)


def exceeded(tightest: Left, now_unix_s: float) -> BudgetExceeded:
    """Build the error for a request that a budget doesn't allow any more."""
    renews = datetime.fromtimestamp(tightest.renews_unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    message = (
        f"this key's budget of ${tightest.budget_usd:f} a {tightest.period} leaves ${tightest.usd:f}, which is less than this"
        f" request may cost; it renews at {renews}"
    )
    return BudgetExceeded(message, retry_after_s=max(1.0, tightest.renews_unix_s - now_unix_s))
