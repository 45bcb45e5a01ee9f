"""Circuit breakers and health, one a deployment: left alone after failures, tried again after a cooldown."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from router.core import clock
from router.core.errors import (
    Overloaded,
    RouterError,
    UpstreamAuthFailed,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from router.core.types import BreakerState, Health

_TARGET_FAULTS = (UpstreamUnavailable, UpstreamProtocolError, UpstreamTimeout, UpstreamAuthFailed, Overloaded)
"""Errors that speak against the target. Whatever the caller did wrong (4xx) never does."""

_SMOOTHING = 0.2
"""Weight of the newest attempt in the moving averages."""


class State(msgspec.Struct, frozen=True):
    """State of one breaker; a value, so that its transitions are pure."""

    failures: int = 0
    """In a row."""
    open_until_s: float | None = None
    """Monotonic time; None = closed."""
    probing_until_s: float | None = None
    """While half-open: until when the one probe that was let through has the way to itself."""
    ttft_ms: float | None = None
    error_ratio: float = 0.0

    def available(self, now_s: float) -> bool:
        """Whether a request may go there: closed, or half-open with no probe under way."""
        if self.open_until_s is None:
            return True
        return now_s >= self.open_until_s and (self.probing_until_s is None or now_s >= self.probing_until_s)


def begun(state: State, now_s: float, patience_s: float) -> State:
    """An attempt starts; if the breaker is half-open, it is the probe and keeps others away meanwhile."""
    if state.open_until_s is None:
        return state
    return msgspec.structs.replace(state, probing_until_s=now_s + patience_s)


def succeeded(state: State, ttft_ms: float) -> State:
    """An attempt brought an answer: close."""
    smooth = ttft_ms if state.ttft_ms is None else state.ttft_ms + _SMOOTHING * (ttft_ms - state.ttft_ms)
    return State(ttft_ms=smooth, error_ratio=state.error_ratio * (1 - _SMOOTHING))


def failed(state: State, error: RouterError, now_s: float, threshold: int, cooldown_s: float) -> State:
    """An attempt failed; open if that is one too many, if it was the probe, or if we were told to wait."""
    if isinstance(error, UpstreamRateLimited):
        wait_s = error.retry_after_s
        until = state.open_until_s if wait_s is None else max(state.open_until_s or 0.0, now_s + wait_s)
        return msgspec.structs.replace(state, open_until_s=until, probing_until_s=None)
    if not isinstance(error, _TARGET_FAULTS):
        return msgspec.structs.replace(state, probing_until_s=None)
    failures = state.failures + 1
    opens = failures >= threshold or state.open_until_s is not None
    return msgspec.structs.replace(
        state,
        failures=failures,
        open_until_s=now_s + cooldown_s if opens else None,
        probing_until_s=None,
        error_ratio=state.error_ratio + _SMOOTHING * (1 - state.error_ratio),
    )


class Breakers:
    """The breakers of all deployments. Lives on the event loop; no locks needed."""

    def __init__(self, threshold: int, cooldown_s: float, now_s: Callable[[], float] = clock.monotonic_s) -> None:
        self._threshold = threshold
        self._cooldown_s = cooldown_s
        self._now_s = now_s
        self._states: dict[str, State] = {}

    def health(self, deployment: str) -> Health:
        """What the planner may know of a deployment."""
        state = self._states.get(deployment)
        if state is None:
            return Health()
        now_s = self._now_s()
        available = state.available(now_s)
        return Health(
            state=_state(state, now_s),
            available=available,
            unavailable="" if available else "breaker_open",
            ttft_ms=state.ttft_ms,
            error_ratio=state.error_ratio,
        )

    def begin(self, deployment: str, patience_s: float) -> None:
        """Note that an attempt starts; `patience_s` bounds how long it may be the only probe."""
        state = self._states.get(deployment)
        if state is not None and state.open_until_s is not None:
            self._states[deployment] = begun(state, self._now_s(), patience_s)

    def succeed(self, deployment: str, ttft_ms: float) -> None:
        """Note an answer."""
        self._states[deployment] = succeeded(self._states.get(deployment, State()), ttft_ms)

    def fail(self, deployment: str, error: RouterError) -> None:
        """Note a failure; only faults of the target count."""
        state = self._states.get(deployment, State())
        self._states[deployment] = failed(state, error, self._now_s(), self._threshold, self._cooldown_s)

    def release(self, deployment: str) -> None:
        """Note that an attempt ended without a result, its caller gone: if it was the probe, another may go."""
        state = self._states.get(deployment)
        if state is not None:
            self._states[deployment] = msgspec.structs.replace(state, probing_until_s=None)

    def snapshot(self) -> Mapping[str, str]:
        """State of every deployment seen so far: closed, open or half-open. For metrics and `/ready`."""
        now = self._now_s()
        return {name: _state(state, now).value for name, state in self._states.items()}


def _state(state: State, now_s: float) -> BreakerState:
    if state.open_until_s is None:
        return BreakerState.CLOSED
    return BreakerState.HALF_OPEN if now_s >= state.open_until_s else BreakerState.OPEN
