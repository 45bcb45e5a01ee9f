"""Requests and tokens a minute as token buckets: pure arithmetic, which knows no clock and no key.

A bucket holds what may be used at once, at most a minute's worth, and fills evenly. One that was overdrawn, because an answer
came out longer than was reserved for it, lies below zero until it has filled up again.
"""

from __future__ import annotations

import msgspec

_MINUTE_S = 60.0


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """What was left at a time."""

    level: float
    """Requests or tokens that may be used at once."""
    at_s: float
    """Monotonic time."""


def filled(bucket: Bucket, per_minute: int, now_s: float) -> Bucket:
    """Return the bucket as it is now, refilled since."""
    level = bucket.level + max(0.0, now_s - bucket.at_s) * per_minute / _MINUTE_S
    return Bucket(level=min(level, float(per_minute)), at_s=now_s)


def taken(bucket: Bucket, amount: float, per_minute: int) -> Bucket:
    """Return the bucket with `amount` less in it, or more where that is negative; never more than a minute's worth."""
    return Bucket(level=min(bucket.level - amount, float(per_minute)), at_s=bucket.at_s)


def wait_s(bucket: Bucket, amount: float, per_minute: int) -> float:
    """Return after how many seconds `amount` can be taken, 0 = now; what is more than a minute's worth needs a full bucket."""
    missing = min(amount, float(per_minute)) - bucket.level
    return max(0.0, missing) * _MINUTE_S / per_minute


def reset_s(bucket: Bucket, per_minute: int) -> float:
    """Return after how many seconds the bucket is full again."""
    return (per_minute - bucket.level) * _MINUTE_S / per_minute


def duration(seconds: float) -> str:
    """Write a time as OpenAI's rate-limit headers do: `0s`, `20ms`, `1s`, `6m0s`, `1h2m3s`; rounded up.

    Source: https://platform.openai.com/docs/guides/rate-limits (2026-11-29)
    """
    millis = -int(-max(0.0, seconds) * 1000 // 1)
    if millis < 1000:
        return f"{millis}ms" if millis else "0s"
    whole = -(-millis // 1000)
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        return f"{hours}h{minutes}m{left}s"
    return f"{minutes}m{left}s" if minutes else f"{left}s"
