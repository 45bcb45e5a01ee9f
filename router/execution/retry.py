"""When and how soon the same step is tried again. Pure."""

from __future__ import annotations

from router.config.schema import RetryConfig
from router.core.errors import DeploymentBusy, Retry, RouterError, UpstreamProtocolError, UpstreamUnavailable

_PASSING = (UpstreamUnavailable, UpstreamProtocolError)
"""Failures that may be gone a moment later."""


def may_pass(error: RouterError, *, is_last: bool, max_s: float) -> bool:
    """Whether the same step may answer where it just failed; `is_last` = no other one is left.

    An upstream that says after how long it wants to be asked again is asked again only if no other target can be, and
    only where that isn't longer than `max_s`. The engine here that is loading an adapter is waited for in any case.
    """
    if error.retry is Retry.SAME:
        return True
    if error.retry is Retry.NEVER or isinstance(error, DeploymentBusy):  # which has waited already
        return False
    if error.retry_after_s is not None:
        return is_last and error.retry_after_s <= max_s
    return isinstance(error, _PASSING)


def pause_s(error: RouterError, tries: int, config: RetryConfig, chance: float) -> float:
    """How long to wait after `tries` of the same step, the last of which ended in `error`.

    What the upstream asks for, else up to a bound that doubles each time, anything of it being as likely: so those who
    failed together don't come back together. `chance` is uniform in [0, 1).

    Source: "full jitter", https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ (2026-11-29)
    """
    if error.retry_after_s:  # where it is 0, those who failed together would come back together
        return error.retry_after_s
    return chance * min(config.max_s, config.base_s * 2 ** (tries - 1))
