"""Everything long-lived of one running router, and the order in which it starts and ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal

import msgspec

from router.accounts import Accounts
from router.canaries import Canaries
from router.config.schema import RouterConfig
from router.core import clock
from router.core.errors import stack_of
from router.core.ports import Provider
from router.core.types import Price
from router.directory import AdapterDirectory
from router.execution.health import HealthMonitor
from router.pipeline import Pipeline
from router.privacy.scanner import Scanner
from router.providers._counter import NAME as COUNTER
from router.providers._embedder import NAME as EMBEDDER
from router.providers.local import NAME as LOCAL
from router.providers.local import EngineHost
from router.record.feedback import FeedbackBook
from router.record.ledger import Ledger
from router.record.metrics import Metrics
from router.record.pricing import Tariff
from router.record.recent import Recent
from router.record.recorder import Recorder
from router.record.trace import Trace
from router.response_store import ResponseStore
from router.routing.planner import Planner

_log = logging.getLogger(__name__)

_LAG_PROBE_S = 0.25
_FREE = Tariff(Price(input_usd=Decimal(0), output_usd=Decimal(0)))
"""What the local engine costs a token."""


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """Body of `/ready`."""

    ready: bool
    missing: tuple[str, ...]
    """What isn't there yet, or not any more, in words."""
    disabled: Mapping[str, str]
    """Providers that were left out, and why."""


class Runtime:
    """Built by `router.compose`; starts nothing until `running` is entered."""

    def __init__(
        self,
        *,
        config: RouterConfig,
        scanner: Scanner,
        planner: Planner,
        pipeline: Pipeline,
        directory: AdapterDirectory,
        health: HealthMonitor,
        providers: Mapping[str, Provider],
        host: EngineHost | None,
        recorder: Recorder,
        metrics: Metrics,
        recent: Recent,
        canaries: Canaries,
        feedback: FeedbackBook,
        tariffs: Mapping[str, Tariff],
        disabled: Mapping[str, str],
        responses: ResponseStore,
        accounts: Accounts,
        ledger: Ledger | None,
        secret: bytes,
    ) -> None:
        """`secret` is the installation's (32 bytes); `ledger` None = spending isn't kept."""
        self.config = config
        self.planner = planner
        self.pipeline = pipeline
        self.directory = directory
        self.health = health
        self.host = host
        self.recorder = recorder
        self.metrics = metrics
        self.recent = recent
        self.canaries = canaries
        self.feedback = feedback
        self.disabled = disabled
        self.responses = responses
        self.accounts = accounts
        self.ledger = ledger
        self.secret = secret
        self.started_unix_s = int(clock.unix_s())
        self._scanner = scanner
        self._providers = providers
        self._tariffs = tariffs
        self._has_cloud = bool(providers.keys() - {LOCAL, EMBEDDER, COUNTER})
        self._was_ready = False

    @property
    def scan_pids(self) -> tuple[int, ...]:
        """Process ids of the scan's workers."""
        return self._scanner.worker_pids

    def trace(self, request_id: str) -> Trace:
        """Begin the record of one request."""
        return Trace(request_id, self._tariff)

    def _tariff(self, label: str) -> Tariff | None:
        return _FREE if label.startswith("local/") else self._tariffs.get(label)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Start the scan workers and background tasks; end them in reverse order."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.recorder.aclose)
            if self.ledger is not None:
                stack.push_async_callback(self.ledger.aclose)
                await self.ledger.start()
            for provider in self._providers.values():
                stack.push_async_callback(provider.aclose)
            stack.callback(self.directory.close)
            stack.push_async_callback(self._scanner.aclose)
            await self._scanner.start()
            works = [self._watch_loop_lag(), self.health.watch()]
            if self.host is not None:
                works.append(self.directory.follow(self.host))
            tasks = [asyncio.create_task(work) for work in works]
            for task in tasks:
                task.add_done_callback(_ended)
            stack.push_async_callback(_cancel, tasks)
            yield

    async def readiness(self) -> Readiness:
        """Ask every part whether it can serve. Once the router was ready, a lost engine host doesn't make it
        unready while a cloud is configured: it is named, and what needs it answers 503. So is what clouds lack."""
        missing: list[str] = []
        if not self._scanner.ready:
            missing.append("scanner: no worker is up")
        engine = await self.host.ready() if self.host is not None else None
        if self.host is not None and engine is None and not self._was_ready:
            behind = len(self.directory.models.ids) < self.host.ready_adapters
            if behind or not self.directory.listed:
                engine = "its adapters aren't listed yet"
        if engine is not None:
            missing.append(f"local engine: {engine}")
        unwritten = {name: state for name, state in self.recorder.states().items() if state.trouble}
        missing += [f"record {name}: {state.trouble}" for name, state in unwritten.items()]
        if self.ledger is not None and (trouble := self.ledger.state().trouble):
            missing.append(f"ledger: its store can't be used ({trouble}); usage waits in memory")
        if not self.health.online:
            instead = "; all is answered locally" if self.host is not None else ""
            missing.append(f"network: no cloud can be connected to{instead}")
        refused = (name for name, is_refused in self.health.refused_keys().items() if is_refused)
        missing += [f"provider {name}: it refuses the router's key" for name in refused]
        vital = not self._scanner.ready or any(state.required for state in unwritten.values())
        vital = vital or (engine is not None and not (self._was_ready and self._has_cloud))
        self._was_ready = self._was_ready or not vital
        return Readiness(ready=not vital, missing=tuple(missing), disabled=self.disabled)

    async def _watch_loop_lag(self) -> None:
        """Measure how late the event loop wakes us: what blocks it shows here."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _LAG_PROBE_S
            await asyncio.sleep(_LAG_PROBE_S)
            self.metrics.loop_lag.set(max(0.0, loop.time() - due))


def _ended(task: asyncio.Task[None]) -> None:
    """Say that work in the background, which goes on for ever, came to an end."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("a part of the router ended by a bug; restart it\n%s", stack_of(error))


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
