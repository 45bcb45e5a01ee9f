"""The calendar periods that budgets run in, in UTC, and what a key spent in each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

import msgspec

_ZERO = Decimal(0)


class Periods(NamedTuple):
    """When the day, the week (from Monday) and the month began, and the next ones begin; Unix time in seconds."""

    day: int
    week: int
    month: int
    next_day: int
    next_week: int
    next_month: int


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """US dollars that a key spent since the day, the week and the month began."""

    day_usd: Decimal = _ZERO
    week_usd: Decimal = _ZERO
    month_usd: Decimal = _ZERO


def periods(unix_s: float) -> Periods:
    """Return the periods that a time lies in."""
    day = datetime.fromtimestamp(unix_s, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    week, month = day - timedelta(days=day.weekday()), day.replace(day=1)
    next_month = (month + timedelta(days=31)).replace(day=1)
    starts = (day, week, month, day + timedelta(days=1), week + timedelta(days=7), next_month)
    return Periods(*(int(start.timestamp()) for start in starts))
