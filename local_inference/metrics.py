"""What the engine host shows on `GET /metrics`: numbers read when they are asked for. No request's text or tenant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from local_inference.admission import Admission
from local_inference.catalog import Catalog
from local_inference.keeper import Keeper
from local_inference.residency import Residency


class Metrics(Collector):
    """Reads the owners of the facts."""

    def __init__(self, catalog: Catalog, residency: Residency, admission: Admission, keeper: Keeper) -> None:
        self._catalog = catalog
        self._residency = residency
        self._admission = admission
        self._keeper = keeper
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def text(self) -> bytes:
        """Write all in Prometheus' format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        yield from self._queue()
        yield from self._memory()

    def _queue(self) -> Iterator[Metric]:
        facts = self._admission.facts()
        for name, text, value in (
            ("running", "Requests in the engine", facts.running),
            ("waiting", "Requests that wait for their turn", facts.waiting),
            ("seats", "Requests that may be in the engine at once", facts.seats),
            ("expected_wait_seconds", "How long the next request would wait", facts.expected_wait_s),
        ):
            yield GaugeMetricFamily(f"engine_queue_{name}", text, value)
        counts = CounterMetricFamily("engine_queue_requests", "Requests by what the queue did", labels=("outcome",))
        for outcome, count in (("admitted", facts.admitted), ("refused", facts.refused), ("expired", facts.expired)):
            counts.add_metric((outcome,), count)
        yield counts

    def _memory(self) -> Iterator[Metric]:
        residency = self._residency
        states = GaugeMetricFamily(
            "engine_adapters", "Adapter versions by state and place", labels=("state", "residency")
        )
        places = Counter((entry.info.state, residency.where(entry.id)) for entry in self._catalog.all())
        for (state, place), count in sorted(places.items()):
            states.add_metric((state, place), count)
        yield states
        for name, text, value in (
            ("device", "Adapters on the device", len(residency.memory.device)),
            ("device_slots", "Adapters that fit onto the device", residency.device_slots),
            ("host", "Adapters in host memory", len(residency.memory.host) + residency.memory.unnamed),
            ("host_slots", "Adapters that fit into host memory", residency.host_slots),
            ("unnamed", "Weights in memory that no adapter owns", residency.memory.unnamed),
        ):
            yield GaugeMetricFamily(f"engine_memory_{name}", text, value)
        yield CounterMetricFamily("engine_evictions", "Adapters moved out to make room", self._keeper.evictions)
        for name, costs in (("load", residency.load_ms), ("activate", residency.activate_ms)):
            cost = GaugeMetricFamily(
                f"engine_adapter_{name}_ms", f"What it took last to {name} it", labels=("adapter",)
            )
            for id, value in sorted(costs.items()):
                cost.add_metric((id,), value)
            yield cost
