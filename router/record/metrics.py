"""Prometheus metrics of finished requests. Labels are codes and configured names, never text or ids."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from functools import lru_cache
from math import nan
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, generate_latest
from prometheus_client.registry import Collector

from router.core.ports import SinkState
from router.core.types import Attempt, BreakerState, Health, Outcome
from router.record.ledger import LedgerState

_FAST_S = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
_SLOW_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)

_REMEMBERED = 4096
"""Labels are codes and configured names: there aren't many."""

Kind = TypeVar("Kind", Counter, Histogram)


class _Family(Generic[Kind]):
    """A metric with labels that remembers its children: to find one anew costs more than to count in it."""

    def __init__(self, metric: Kind) -> None:
        self.labels: Callable[..., Kind] = lru_cache(maxsize=_REMEMBERED)(metric.labels)


class Metrics:
    """A sink of its own registry, so that tests and reloads don't collide."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._requests = _Family(
            Counter("sona_requests", "Finished requests", ["locality", "status", "code", "blame"], registry=registry)
        )
        self._overhead = Histogram(
            "sona_overhead_seconds",
            "The router's own time before upstream",
            buckets=_FAST_S,
            registry=registry,
        )
        self._scan = Histogram("sona_scan_seconds", "Time to scan a request", buckets=_FAST_S, registry=registry)
        self._ttft = _Family(
            Histogram(
                "sona_ttft_seconds",
                "Time to the first byte of an answer",
                ["locality"],
                buckets=_SLOW_S,
                registry=registry,
            )
        )
        self._elapsed = _Family(
            Histogram(
                "sona_request_seconds", "Time of a whole request", ["locality"], buckets=_SLOW_S, registry=registry
            )
        )
        self._scans = _Family(Counter("sona_scans", "Scans by result", ["status", "sensitivity"], registry=registry))
        self._entities = _Family(
            Counter("sona_entities", "Requests with an entity type", ["entity"], registry=registry)
        )
        self._adapters = _Family(Counter("sona_adapter_selections", "What SONA chose", ["adapter"], registry=registry))
        self._attempts = _Family(Counter("sona_attempts", "Upstream attempts", ["target", "code"], registry=registry))
        self._tokens = _Family(
            Counter("sona_tokens", "Tokens as reported upstream", ["target", "kind"], registry=registry)
        )
        self._cost = _Family(Counter("sona_cost_usd", "US dollars by list price", ["target"], registry=registry))
        self._clouds = _Clouds(registry)
        self._canaries = Gauge("sona_canary_ratio", "Share of traffic of a canary", ["group"], registry=registry)
        self._sinks_up = Gauge("sona_record_sink_up", "1 = records are written", ["sink"], registry=registry)
        self._waiting = Gauge("sona_records_waiting", "Records not written yet", ["sink"], registry=registry)
        self._lost = Gauge("sona_records_lost", "Records lost since the start", ["sink"], registry=registry)
        self._ledger_up = Gauge("sona_ledger_up", "1 = the ledger's store can be used", registry=registry)
        self._ledger_waiting = Gauge("sona_ledger_waiting", "Rows of usage not in the store yet", registry=registry)
        self._ledger_lost = Gauge("sona_ledger_lost", "Attempts never counted since the start", registry=registry)
        self._budgets = Gauge(
            "sona_budget_remaining_usd", "What a key's tightest budget leaves", ["key"], registry=registry
        )
        self._rate_limited = Counter(
            "sona_rate_limited", "Requests that a key's limit turned away", ["key", "limit"], registry=registry
        )
        self.loop_lag = Gauge("sona_event_loop_lag_seconds", "Delay of the event loop", registry=registry)
        self.in_flight = Gauge("sona_requests_in_flight", "Requests under way", registry=registry)

    def write(self, outcome: Outcome) -> None:
        """Count one finished request; see `core.ports.Sink`."""
        locality = _locality(outcome)
        self._requests.labels(locality, str(outcome.status), outcome.error_code or "", outcome.blame or "").inc()
        self._overhead.observe(outcome.overhead_ms / 1000)
        self._elapsed.labels(locality).observe(outcome.elapsed_ms / 1000)
        if outcome.ttft_ms is not None:
            self._ttft.labels(locality).observe(outcome.ttft_ms / 1000)
        if outcome.scan_status is not None and outcome.sensitivity is not None:
            self._scan.observe(outcome.scan_ms / 1000)
            self._scans.labels(outcome.scan_status.value, outcome.sensitivity.name.lower()).inc()
        for entity in outcome.entities:
            self._entities.labels(entity).inc()
        if outcome.selection is not None:
            self._adapters.labels((outcome.selection.adapter or "none").partition("@")[0]).inc()
        for attempt in outcome.attempts:
            self._attempt(attempt)

    def _attempt(self, attempt: Attempt) -> None:
        self._attempts.labels(attempt.target, attempt.error_code or "").inc()
        if attempt.usage is not None:
            self._tokens.labels(attempt.target, "input").inc(attempt.usage.input_tokens)
            self._tokens.labels(attempt.target, "output").inc(attempt.usage.output_tokens)
        if attempt.cost_usd is not None:
            self._cost.labels(attempt.target).inc(float(attempt.cost_usd))

    def clouds(self, seen: Mapping[str, Health], refused_keys: Mapping[str, bool], online_ratio: float) -> None:
        """Set what is known of deployments, and whether clouds can be reached at all."""
        self._clouds.set(seen, refused_keys, online_ratio)

    def canaries(self, ratios: Mapping[str, float]) -> None:
        """Set the share of traffic of every canary, 0..1."""
        for group, ratio in ratios.items():
            self._canaries.labels(group).set(ratio)

    def sinks(self, states: dict[str, SinkState]) -> None:
        """Set how every sink is doing."""
        for name, state in states.items():
            self._sinks_up.labels(name).set(0 if state.trouble else 1)
            self._waiting.labels(name).set(state.waiting)
            self._lost.labels(name).set(state.lost)

    def ledger(self, state: LedgerState) -> None:
        """Set how the ledger is doing."""
        self._ledger_up.set(0 if state.trouble else 1)
        self._ledger_waiting.set(state.waiting)
        self._ledger_lost.set(state.lost)

    def budgets(self, left_usd: Mapping[str, Decimal]) -> None:
        """Set what the budgets of every key that has one leave."""
        for key, usd in left_usd.items():
            self._budgets.labels(key).set(float(usd))

    def rate_limited(self, key: str, limit: str) -> None:
        """Count a request that a key's limit turned away."""
        self._rate_limited.labels(key, limit).inc()

    def state(self) -> SinkState:
        """Counting never fails."""
        return SinkState()

    def render(self, may_see: Callable[[Mapping[str, str]], bool] | None = None) -> bytes:
        """Write metrics in Prometheus' text format: all, or the samples whose labels somebody `may_see`."""
        if may_see is None:
            return generate_latest(self.registry)
        part = CollectorRegistry()
        part.register(_Part(self.registry, may_see))
        return generate_latest(part)

    async def aclose(self) -> None:
        """Nothing to close."""


class _Part(Collector):
    """The samples that somebody may see."""

    def __init__(self, whole: CollectorRegistry, may_see: Callable[[Mapping[str, str]], bool]) -> None:
        self._whole = whole
        self._may_see = may_see

    def collect(self) -> Iterable[Metric]:
        for family in self._whole.collect():
            family.samples = [sample for sample in family.samples if self._may_see(sample.labels)]
            yield family


class _Clouds:
    """What is known of deployments, as of the last scrape."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def of_deployments(name: str, what: str, *labels: str) -> Gauge:
            return Gauge(name, what, ["deployment", *labels], registry=registry)

        self._open = of_deployments("sona_breaker_open", "1 = not closed")
        self._state = of_deployments("sona_breaker_state", "1 = the breaker is in this state", "state")
        self._errors = of_deployments("sona_deployment_error_ratio", "Share of attempts that failed by its fault")
        self._ttft = of_deployments("sona_deployment_ttft_p95_seconds", "Time to the first token, 95th percentile")
        self._traffic = of_deployments("sona_deployment_traffic_ratio", "Share of its traffic that it gets")
        self._in_flight = of_deployments("sona_deployment_in_flight", "Attempts under way")
        self._limited = of_deployments("sona_deployment_rate_limited", "1 = its rate limit is used up")
        self._online = Gauge(
            "sona_online", "Share of traffic that may leave; 0 = no cloud is reached", registry=registry
        )
        self._refused = Gauge(
            "sona_provider_key_refused", "1 = the provider refuses the router's key", ["provider"], registry=registry
        )

    def set(self, seen: Mapping[str, Health], refused_keys: Mapping[str, bool], online_ratio: float) -> None:
        self._online.set(online_ratio)
        for provider, is_refused in refused_keys.items():
            self._refused.labels(provider).set(is_refused)
        for name, health in seen.items():
            self._open.labels(name).set(health.state is not BreakerState.CLOSED)
            for state in BreakerState:
                self._state.labels(name, state.value).set(health.state is state)
            self._errors.labels(name).set(health.error_ratio)
            self._ttft.labels(name).set(nan if health.ttft_p95_ms is None else health.ttft_p95_ms / 1000)
            self._traffic.labels(name).set(health.traffic_ratio)
            self._in_flight.labels(name).set(health.in_flight)
            self._limited.labels(name).set(health.unavailable == "rate_limited")


def _locality(outcome: Outcome) -> str:
    if outcome.locality is None:
        return "none"
    return "local" if outcome.locality == 0 else "cloud"
