"""A deployment's circuit breaker: left alone after failures, then tried again by one request at a time. Pure."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from router.config.schema import BreakerConfig
from router.core.types import BreakerState


class Breaker(msgspec.Struct, frozen=True):
    """State of one breaker; times are monotonic."""

    failures: int = 0
    """In a row."""
    open_until_s: float | None = None
    """When the cooldown ends, after which it is half-open; None = closed."""
    probing_until_s: float | None = None
    """While half-open: until when the one probe that was let through has the way to itself."""
    cooldown_s: float = 0.0
    """The cooldown of the last time it opened; the next one's is twice that, if the probe fails."""


CLOSED = Breaker()


def state(breaker: Breaker, now_s: float) -> BreakerState:
    """Name the state."""
    if breaker.open_until_s is None:
        return BreakerState.CLOSED
    return BreakerState.HALF_OPEN if now_s >= breaker.open_until_s else BreakerState.OPEN


def allows(breaker: Breaker, now_s: float) -> bool:
    """Say whether a request may go there: closed, or half-open with no probe under way."""
    if breaker.open_until_s is None:
        return True
    return now_s >= breaker.open_until_s and (breaker.probing_until_s is None or now_s >= breaker.probing_until_s)


def begun(breaker: Breaker, now_s: float, patience_s: float) -> Breaker:
    """An attempt starts; if the breaker is half-open, it is the probe and keeps others away meanwhile."""
    if breaker.open_until_s is None:
        return breaker
    return replace(breaker, probing_until_s=now_s + patience_s)


def freed(breaker: Breaker) -> Breaker:
    """The probe shows signs of life, or ended without a result: another request may go."""
    return breaker if breaker.probing_until_s is None else replace(breaker, probing_until_s=None)


def succeeded(breaker: Breaker, now_s: float) -> Breaker:
    """An attempt brought a whole answer. One that had begun before the breaker opened says nothing of how it is now."""
    return breaker if state(breaker, now_s) is BreakerState.OPEN else CLOSED


def failed(breaker: Breaker, now_s: float, config: BreakerConfig, *, too_often: bool) -> Breaker:
    """An attempt failed by the target's fault. `too_often`: so did so many of the last ones that it must open anyway."""
    failures = breaker.failures + 1
    match state(breaker, now_s):
        case BreakerState.OPEN:
            return replace(breaker, failures=failures)
        case BreakerState.HALF_OPEN:
            cooldown_s = min(2 * breaker.cooldown_s, config.max_cooldown_s)
        case BreakerState.CLOSED:
            if failures < config.failures and not too_often:
                return replace(breaker, failures=failures)
            cooldown_s = min(config.cooldown_s, config.max_cooldown_s)
    return Breaker(failures=failures, open_until_s=now_s + cooldown_s, cooldown_s=cooldown_s)
