"""How much may be done beside the requests themselves: a share of them, so that it can't multiply the load of an outage."""

from __future__ import annotations


class Allowance:
    """A token bucket over all requests: each adds a share of a token, what is done beside them takes one.

    Source: the retry budget of Finagle, https://twitter.github.io/finagle/guide/Clients.html#retries (2026-11-29)
    """

    def __init__(self, ratio: float, burst: float) -> None:
        """`ratio` = so many for each request, 0 = none ever; `burst` = the most that can be saved up, and what is there first."""
        self._ratio = ratio
        self._burst = burst if ratio > 0 else 0.0
        self._tokens = self._burst

    def earn(self) -> None:
        """A request came."""
        self._tokens = min(self._burst, self._tokens + self._ratio)

    def spend(self) -> bool:
        """Take one, if there is one."""
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
