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
    probe_s: float | None = None
    """When that probe began: only it can let another go before."""
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
    return replace(breaker, probing_until_s=now_s + patience_s, probe_s=now_s)


def freed(breaker: Breaker, since_s: float) -> Breaker:
    """An attempt that began at `since_s` shows signs of life, or ended without a result: if it is the probe, another request
    may go."""
    return breaker if breaker.probe_s != since_s else replace(breaker, probing_until_s=None, probe_s=None)


def tells(breaker: Breaker, since_s: float, now_s: float) -> bool:
    """Whether an attempt that began at `since_s` says how it is now: not if it had begun before the cooldown was over."""
    return state(breaker, now_s) is BreakerState.CLOSED or since_s >= (breaker.open_until_s or 0.0)


def succeeded(breaker: Breaker, since_s: float, now_s: float) -> Breaker:
    """An attempt that began at `since_s` brought a whole answer."""
    return CLOSED if tells(breaker, since_s, now_s) else breaker


def failed(breaker: Breaker, since_s: float, now_s: float, config: BreakerConfig, *, too_often: bool) -> Breaker:
    """An attempt that began at `since_s` failed by the target's fault. `too_often`: so did so many of the last ones that it
    must open anyway."""
    failures = breaker.failures + 1
    if not tells(breaker, since_s, now_s):
        return replace(breaker, failures=failures)
    if state(breaker, now_s) is BreakerState.HALF_OPEN:
        cooldown_s = min(2 * breaker.cooldown_s, config.max_cooldown_s)
    elif failures < config.failures and not too_often:
        return replace(breaker, failures=failures)
    else:
        cooldown_s = min(config.cooldown_s, config.max_cooldown_s)
    return Breaker(failures=failures, open_until_s=now_s + cooldown_s, cooldown_s=cooldown_s)
