"""When a deployment may be asked again that said that its rate limit is used up. Pure."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from router.wire.rate_limits import MAX_WAIT_S

_FIRST_WAIT_S = 1.0
"""After a first refusal that doesn't say how long to wait; twice as long after each further one."""


class RateLimit(msgspec.Struct, frozen=True):
    """What is known of one deployment's limits; every deployment has its own, as vendors count by model."""

    until_s: float = 0.0
    """Monotonic time until which nothing should be sent."""
    refusals: int = 0
    """In a row that didn't say how long to wait."""


FREE = RateLimit()


def used_up(limit: RateLimit, wait_s: float, now_s: float) -> RateLimit:
    """It said how long to wait. A shorter wait never cuts a longer one short."""
    return replace(limit, until_s=max(limit.until_s, now_s + wait_s))


def refused(limit: RateLimit, retry_after_s: float | None, now_s: float) -> RateLimit:
    """It refused a request for its rate limit. What was under way when it began to do so counts as one."""
    if retry_after_s:  # 0 says no more than nothing does
        return used_up(limit, retry_after_s, now_s)
    if now_s < limit.until_s:
        return limit
    wait_s = min(_FIRST_WAIT_S * 2.0**limit.refusals, MAX_WAIT_S)
    return RateLimit(until_s=now_s + wait_s, refusals=limit.refusals + 1)


def answered(limit: RateLimit) -> RateLimit:
    """It answered a request: the next refusal is a first one again."""
    return replace(limit, refusals=0) if limit.refusals else limit
