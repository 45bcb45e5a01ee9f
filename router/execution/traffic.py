"""How much of its traffic a deployment gets: less before it fails, and all of it again by steps. Pure."""

from __future__ import annotations

import msgspec

from router.config.schema import HealthConfig

_STEPS_PER_WINDOW = 12
"""No two steps are closer together than this part of the window, so that each one's effect is seen before the next."""

_AFTER_OUTAGE = 0.25
"""What a deployment gets first when its breaker closes again."""


class Traffic(msgspec.Struct, frozen=True):
    """The share that one deployment gets, 0..1, and since when, in monotonic time."""

    ratio: float = 1.0
    since_s: float = float("-inf")


WHOLE = Traffic()


class Seen(msgspec.Struct, frozen=True):
    """What the window says of a deployment."""

    attempts: int
    error_ratio: float
    slowdown: float | None
    """How many times slower than usual it is; None = unknown."""


def stepped(traffic: Traffic, seen: Seen, now_s: float, config: HealthConfig) -> Traffic:
    """Go one step down, up, or none. Between what degrades it and what it recovers at, it keeps what it has."""
    if now_s - traffic.since_s < config.window_s / _STEPS_PER_WINDOW:
        return traffic
    is_slow = seen.slowdown is not None and seen.slowdown >= config.degraded_ttft_factor
    knows = seen.attempts >= config.min_attempts
    if knows and (is_slow or seen.error_ratio >= config.degraded_error_ratio):
        lower = max(traffic.ratio / 2, config.min_traffic_ratio)
        return Traffic(lower, now_s) if lower < traffic.ratio else traffic
    if traffic.ratio < 1.0 and (not knows or (not is_slow and seen.error_ratio <= config.recovered_error_ratio)):
        return Traffic(min(2 * traffic.ratio, 1.0), now_s)
    return traffic


def after_outage(traffic: Traffic, now_s: float) -> Traffic:
    """Begin again with a part."""
    return Traffic(min(traffic.ratio, _AFTER_OUTAGE), now_s)
