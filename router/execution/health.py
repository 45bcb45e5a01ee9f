"""What attempts say about each deployment, and about whether any cloud can be reached at all: the owner of that state."""

from __future__ import annotations

from collections.abc import Mapping

from router.core.errors import RouterError
from router.core.types import Health
from router.execution.breaker import Breakers


class HealthMonitor:
    """Hears of every attempt. Lives on the event loop; no locks needed."""

    def __init__(self, breakers: Breakers) -> None:
        self._breakers = breakers

    @property
    def online(self) -> bool:
        """False while no cloud at all can be reached."""
        return True

    def health(self, deployment: str) -> Health:
        """What the planner may know of a deployment."""
        return self._breakers.health(deployment)

    def begin(self, deployment: str, patience_s: float) -> None:
        """An attempt starts; `patience_s` bounds how long it may be the only probe of a half-open breaker."""
        self._breakers.begin(deployment, patience_s)

    def answered(self, deployment: str, ttft_ms: float) -> None:
        """The first piece of an answer came."""
        self._breakers.succeed(deployment, ttft_ms)

    def finished(self, deployment: str, elapsed_ms: float) -> None:
        """An attempt brought a whole answer."""

    def failed(self, deployment: str, error: RouterError) -> None:
        """An attempt failed, before its first piece or after it; only faults of the target count."""
        self._breakers.fail(deployment, error)

    def released(self, deployment: str) -> None:
        """An attempt ended without a result: its caller left, or another answered first."""
        self._breakers.release(deployment)

    def heard(self, deployment: str, headers: Mapping[str, str]) -> None:
        """Headers of an answer, by lower-case names, came: they may tell of rate limits."""

    def snapshot(self) -> Mapping[str, str]:
        """State of the breaker of every deployment seen so far: closed, open or half-open."""
        return self._breakers.snapshot()
