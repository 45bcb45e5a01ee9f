"""What attempts say about each deployment, and about whether any cloud can be reached at all: the owner of that state."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from math import exp
from types import MappingProxyType

from router.config.schema import BreakerConfig, HealthConfig, OfflineConfig
from router.core import clock
from router.core.errors import (
    Overloaded,
    RouterError,
    UpstreamAuthFailed,
    UpstreamConnectTimeout,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamTimeout,
    UpstreamUnavailable,
    UpstreamUnreachable,
)
from router.core.ports import Provider
from router.core.types import BreakerState, Health
from router.execution import breaker, rate_limits, traffic
from router.execution.uplink import UplinkWatch
from router.execution.window import Window
from router.wire.rate_limits import used_up_s

_TARGET_FAULTS = (UpstreamUnavailable, UpstreamProtocolError, UpstreamTimeout, UpstreamAuthFailed, Overloaded)
"""Errors that speak against the target. Whatever the caller did wrong (4xx) never does."""

_UNREACHABLE = (UpstreamUnreachable, UpstreamConnectTimeout)

_REFRESH_S = 0.25
"""What changes by the mere passing of time is looked at again after so long."""

_PEAK_DECAY_S = 10.0
"""A peak of the time to the first token has lost 63 % of its height after this, also when nothing is sent there: else
one slow answer would keep all others from showing that it was an exception."""

_NEW = Health()
_NO_CLOUDS: Mapping[str, Provider] = MappingProxyType({})

_log = logging.getLogger(__name__)


class HealthMonitor:
    """Hears of every attempt. Lives on the event loop; no locks needed."""

    def __init__(
        self,
        breakers: BreakerConfig = BreakerConfig(),  # noqa: B008 immutable
        health: HealthConfig = HealthConfig(),  # noqa: B008 immutable
        offline: OfflineConfig = OfflineConfig(),  # noqa: B008 immutable
        clouds: Mapping[str, Provider] = _NO_CLOUDS,
        *,
        queued: Callable[[str], int] = lambda _: 0,
        now_s: Callable[[], float] = clock.monotonic_s,
        unix_s: Callable[[], float] = clock.unix_s,
    ) -> None:
        """`clouds` are the providers, by name, of which none can be reached when the network is down; `queued` tells how
        many requests wait for a place at a deployment."""
        self._breakers = breakers
        self._health = health
        self._uplink = UplinkWatch(clouds if offline.enabled else _NO_CLOUDS, offline.probe_s, now_s)
        self._queued = queued
        self._now_s = now_s
        self._unix_s = unix_s
        self._deployments: dict[str, _Deployment] = {}
        self._changed: set[_Deployment] = set()
        self._look_again_s = float("inf")
        self._known: dict[str, Health] = {}

    @property
    def online(self) -> bool:
        """False while no cloud at all can be reached."""
        return self._uplink.ratio > 0.0

    @property
    def online_ratio(self) -> float:
        """Share of the traffic that may leave, 0..1; between the two while it comes back after an outage."""
        return self._uplink.ratio

    async def watch(self) -> None:
        """Probe the clouds in the background whenever it is in doubt whether they can be reached; runs for ever."""
        await self._uplink.run()

    def known(self) -> dict[str, Health]:
        """What the planner may know of all deployments, but of those of which nothing is known. Never changed later."""
        now_s = self._now_s()
        if now_s >= self._look_again_s:
            self._changed.update(self._deployments.values())
            self._look_again_s = now_s + _REFRESH_S
        if self._changed:
            self._refresh(now_s)
        return self._known

    def seen(self) -> dict[str, Health]:
        """What is known of every deployment that was ever called. For metrics."""
        known = self.known()
        return {name: known.get(name, _NEW) for name in self._deployments}

    def health(self, deployment: str) -> Health:
        """What the planner may know of a deployment."""
        return self.known().get(deployment, _NEW)

    def begin(self, deployment: str, patience_s: float) -> float:
        """An attempt starts; `patience_s` bounds how long it may be the only probe of a half-open breaker.

        Returns the time, by which what is told of the attempt later is known to be of this one; a report without it counts
        as one of an attempt that begins now.
        """
        one, now_s = self._deployment(deployment), self._now_s()
        one.in_flight += 1
        one.breaker = breaker.begun(one.breaker, now_s, patience_s)
        return now_s

    def answered(self, deployment: str, ttft_ms: float, *, whole: bool = False, since_s: float | None = None) -> None:
        """The first piece of an answer came; `whole`: it is all of it, so that its time says nothing of a first token."""
        one, now_s = self._deployment(deployment), self._now_s()
        one.peak(ttft_ms, now_s)
        if not whole:
            one.window.first_token(now_s, ttft_ms)
        one.breaker = breaker.freed(one.breaker, now_s if since_s is None else since_s)

    def finished(self, deployment: str, elapsed_ms: float, *, since_s: float | None = None) -> None:
        """An attempt brought a whole answer."""
        one, now_s = self._ended(deployment), self._now_s()
        one.window.finished(now_s, elapsed_ms)
        one.key_refused = False
        if one.limit is not rate_limits.FREE:
            one.limit = rate_limits.answered(one.limit)
        if one.breaker is not breaker.CLOSED:
            self._proved(one, now_s if since_s is None else since_s, now_s)

    def failed(self, deployment: str, error: RouterError, *, since_s: float | None = None) -> None:
        """An attempt failed, before its first piece or after it; only faults of the target count."""
        one, now_s = self._ended(deployment), self._now_s()
        if isinstance(error, UpstreamRateLimited):
            one.limit = rate_limits.refused(one.limit, error.retry_after_s, now_s)
        elif isinstance(error, UpstreamUnavailable) and error.retry_after_s is not None:
            one.limit = rate_limits.used_up(one.limit, error.retry_after_s, now_s)
        since_s = now_s if since_s is None else since_s
        if not isinstance(error, _TARGET_FAULTS):
            one.breaker = breaker.freed(one.breaker, since_s)
            return
        self._at_fault(one, since_s, now_s, error.code)
        if isinstance(error, _UNREACHABLE):
            self._uplink.unreachable(one.provider)
        elif isinstance(error, UpstreamTimeout):
            self._uplink.doubted(one.provider)
        elif isinstance(error, UpstreamAuthFailed) and not one.key_refused:
            one.key_refused = True
            _log.error("%s: the provider refuses the router's key; check its key and account", deployment)

    def released(
        self,
        deployment: str,
        *,
        since_s: float | None = None,
        waited_ms: float | None = None,
        whole: bool = False,
    ) -> None:
        """An attempt ended without a result: its caller left, or another answered first.

        `waited_ms` is how long it had waited where nothing of an answer had come. Longer than nearly all answers take, it
        speaks against the target: where all callers give up before its clock does, nothing else tells that it hangs.
        """
        one, now_s = self._ended(deployment), self._now_s()
        since_s = now_s if since_s is None else since_s
        if waited_ms is not None and one.is_late(waited_ms, now_s, whole=whole):
            self._at_fault(one, since_s, now_s, "callers leave it unanswered")
            self._uplink.doubted(one.provider)
        else:
            one.breaker = breaker.freed(one.breaker, since_s)

    def _at_fault(self, one: _Deployment, since_s: float, now_s: float, why: str) -> None:
        one.window.failed(now_s)
        known = one.window.attempts(now_s) >= self._health.min_attempts
        too_often = known and one.window.error_ratio(now_s) >= self._breakers.error_ratio
        before = one.breaker
        one.breaker = breaker.failed(before, since_s, now_s, self._breakers, too_often=too_often)
        if one.breaker.cooldown_s > before.cooldown_s:
            _log.warning("%s is left alone for %g s: %s", one.name, one.breaker.cooldown_s, why)

    def _proved(self, one: _Deployment, since_s: float, now_s: float) -> None:
        was_open = one.breaker.open_until_s is not None
        one.breaker = breaker.succeeded(one.breaker, since_s, now_s)
        if was_open and one.breaker is breaker.CLOSED:
            one.window.forgive()
            one.traffic = traffic.after_outage(one.traffic, now_s)
            _log.warning("%s answers again: its breaker is closed", one.name)

    def heard(self, deployment: str, headers: Mapping[str, str]) -> None:
        """Headers of an answer, by lower-case names, came: they may tell of rate limits."""
        wait_s = used_up_s(headers, self._unix_s())
        one = self._deployment(deployment)
        self._uplink.reached(one.provider)
        if wait_s is not None:
            one.limit = rate_limits.used_up(one.limit, wait_s, self._now_s())

    def snapshot(self) -> Mapping[str, str]:
        """State of the breaker of every deployment seen so far: closed, open or half-open."""
        now_s = self._now_s()
        return {name: breaker.state(one.breaker, now_s).value for name, one in self._deployments.items()}

    def refused_keys(self) -> dict[str, bool]:
        """Say of every provider seen so far whether it refuses the router's key, for one of its deployments at least."""
        refused: dict[str, bool] = {}
        for one in self._deployments.values():
            refused[one.provider] = refused.get(one.provider, False) or one.key_refused
        return refused

    def _deployment(self, name: str) -> _Deployment:
        """Find what is kept of a deployment, which is about to change."""
        one = self._deployments.get(name)
        if one is None:
            one = self._deployments[name] = _Deployment(name, self._health.window_s)
        self._changed.add(one)
        return one

    def _ended(self, name: str) -> _Deployment:
        one = self._deployment(name)
        one.in_flight = max(0, one.in_flight - 1)
        return one

    def _refresh(self, now_s: float) -> None:
        """Put what changed in a new mapping; plans that were made keep the old one."""
        fresh = dict(self._known)
        for one in self._changed:
            health = one.health(now_s, self._health, self._queued(one.name))
            if health == _NEW:
                fresh.pop(one.name, None)
            else:
                fresh[one.name] = health
            turns_s = one.turns_s(now_s)
            if turns_s < self._look_again_s:
                self._look_again_s = turns_s
        self._known = fresh
        self._changed.clear()


class _Deployment:
    """All that is kept of one deployment."""

    __slots__ = (
        "_late_elapsed_ms",
        "_late_ttft_ms",
        "_measured_until_s",
        "_peak_ms",
        "_peak_s",
        "_times",
        "breaker",
        "in_flight",
        "key_refused",
        "limit",
        "name",
        "provider",
        "traffic",
        "window",
    )

    def __init__(self, name: str, window_s: float) -> None:
        self.name = name
        self.provider = name.partition("/")[0]
        self.breaker = breaker.CLOSED
        self.limit = rate_limits.FREE
        self.traffic = traffic.WHOLE
        self.window = Window(window_s)
        self.in_flight = 0
        self.key_refused = False
        self._times = self.window.quantiles(0.0)
        self._late_ttft_ms: float | None = None
        """Longer than nearly all answers took, when that was known last."""
        self._late_elapsed_ms: float | None = None
        self._measured_until_s = float("-inf")
        self._peak_ms: float | None = None
        self._peak_s = 0.0

    def peak(self, ttft_ms: float, now_s: float) -> None:
        """Follow a time upwards at once, downwards slowly.

        Source: Peak EWMA of Finagle, https://github.com/twitter/finagle, `loadbalancer/PeakEwma.scala` (2026-11).
        """
        kept = exp((self._peak_s - now_s) / _PEAK_DECAY_S)
        self._peak_ms = max(ttft_ms, (self._peak_ms or 0.0) * kept + ttft_ms * (1 - kept))
        self._peak_s = now_s

    def is_late(self, waited_ms: float, now_s: float, *, whole: bool) -> bool:
        """Whether so long a wait is longer than 99 of 100 answers took, as far as that is known; the last known counts."""
        times = self.window.quantiles(now_s)
        if times.ttft_p99_ms is not None:
            self._late_ttft_ms = times.ttft_p99_ms
        if times.elapsed_p99_ms is not None:
            self._late_elapsed_ms = times.elapsed_p99_ms
        late_ms = self._late_elapsed_ms if whole else self._late_ttft_ms
        return late_ms is not None and waited_ms > late_ms

    def health(self, now_s: float, config: HealthConfig, queued: int) -> Health:
        """Put together what the planner may know. Quantiles and share are as of a moment ago: they cost more."""
        error_ratio = self.window.error_ratio(now_s)
        if now_s >= self._measured_until_s:
            self._measured_until_s = now_s + _REFRESH_S
            self._times = self.window.quantiles(now_s)
            seen = traffic.Seen(self.window.attempts(now_s), error_ratio, self._times.slowdown)
            self.traffic = traffic.stepped(self.traffic, seen, now_s, config)
            if now_s - self._peak_s > config.window_s:
                self._peak_ms = None
        is_closed = self.breaker is breaker.CLOSED
        unavailable = "" if is_closed or breaker.allows(self.breaker, now_s) else "breaker_open"
        if not unavailable and now_s < self.limit.until_s:
            unavailable = "rate_limited"
        times, peak_ms = self._times, self._peak_ms
        if peak_ms is not None:
            peak_ms = round(peak_ms * exp((self._peak_s - now_s) / _PEAK_DECAY_S), 1)
        return Health(
            state=BreakerState.CLOSED if is_closed else breaker.state(self.breaker, now_s),
            available=not unavailable,
            unavailable=unavailable,
            traffic_ratio=self.traffic.ratio,
            error_ratio=round(error_ratio, 4),
            ttft_ms=peak_ms,
            ttft_p50_ms=times.ttft_p50_ms,
            ttft_p95_ms=times.ttft_p95_ms,
            elapsed_p50_ms=times.elapsed_p50_ms,
            elapsed_p95_ms=times.elapsed_p95_ms,
            in_flight=self.in_flight,
            queued=queued,
        )

    def turns_s(self, now_s: float) -> float:
        """Return when, at the latest, this must be looked at again though nothing happens."""
        if self.breaker is breaker.CLOSED and self.limit is rate_limits.FREE:
            return now_s + _REFRESH_S
        turns = (self.breaker.open_until_s, self.breaker.probing_until_s, self.limit.until_s)
        return min((at_s for at_s in turns if at_s is not None and at_s > now_s), default=now_s + _REFRESH_S)
