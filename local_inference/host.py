"""Wires the engine host together, runs it, and says how it is; the only module that knows all the others."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack, suppress

import msgspec

from local_inference.admission import Admission
from local_inference.admission import Limits as QueueLimits
from local_inference.base import BaseFacts, read_base
from local_inference.catalog import Catalog, State
from local_inference.claim import claimed
from local_inference.fit import declared_rank
from local_inference.gateway import Changes, Gateway
from local_inference.ingest import RESERVED, Limits
from local_inference.intake import Intake, Rules
from local_inference.journal import Journal
from local_inference.keeper import Keeper
from local_inference.lifecycle import Lifecycle, Options
from local_inference.metrics import Metrics
from local_inference.operations import Operations
from local_inference.places import find
from local_inference.ports import BASE_NAME, RANKS, Engine, EngineConfig, EngineDeps
from local_inference.residency import Residency
from local_inference.settings import Loaded, Settings
from local_inference.store import Store
from local_inference.supervisor import Supervisor
from local_inference.traffic import Traffic
from local_inference.watcher import Watcher
from router.core.adapters import AdapterListing
from router.core.clock import monotonic_s
from router.core.errors import ConfigError

_log = logging.getLogger(__name__)
_SMALLEST_AUTO_RANK = 16
_SEATS = 2
"""Requests in the engine for each that it computes at once: its batch is full though some wait there for a slot."""


class Missing(msgspec.Struct, frozen=True):
    """One thing that readiness waits for."""

    what: str
    state: str
    seconds: float
    detail: str = ""


class Readiness(msgspec.Struct, frozen=True):
    """Body of `GET /ready`."""

    ready: bool
    missing: tuple[Missing, ...]
    engine: str
    engine_restarts: int
    adapters: dict[str, int]
    """How many versions are in each state."""


class Model(msgspec.Struct, frozen=True):
    """One entry of `GET /v1/models`."""

    id: str
    root: str
    parent: str | None = None
    object: str = "model"
    owned_by: str = "local"
    created: int = 0


class Host:
    """One engine with its adapters. `engine` replaces the configured one in tests."""

    def __init__(self, loaded: Loaded) -> None:
        self.settings: Settings = loaded.settings
        config = sized(loaded.engine, self.settings)
        self.engine: Engine = loaded.build_engine(
            config, EngineDeps(log_path=self.settings.store_dir.parent / "engine.log")
        )
        self.changes = Changes()
        self.catalog = Catalog(self.changes.notify)
        self._started_s = monotonic_s()
        self._first_load_done = False
        self.closing = False
        self.residency = Residency(
            device_slots=config.max_loras,
            host_slots=config.max_cpu_loras,
            is_pinned=lambda id: self.lifecycle.keeps(id),
        )
        self.traffic = Traffic()
        self._store = Store(self.settings.store_dir)
        self.journal = Journal(self.settings.store_dir)
        self.supervisor = Supervisor(self.engine, self._engine_down)
        self.keeper = Keeper(self.engine, self.residency, self.supervisor)
        self.admission = Admission(
            QueueLimits(
                slots=config.max_loras,
                batch=config.max_num_seqs,
                seats=_SEATS * config.max_num_seqs,
                max_wait_s=self.settings.max_wait_s,
                max_waiting=self.settings.max_waiting,
            )
        )
        self.lifecycle = self._build_lifecycle(loaded, config)
        self.operations = Operations(self.lifecycle, self.traffic)
        self._watcher: Watcher | None = None
        self.gateway = self._build_gateway()
        self.metrics = Metrics(self.catalog, self.residency, self.admission, self.keeper)

    def _build_lifecycle(self, loaded: Loaded, config: EngineConfig) -> Lifecycle:
        settings = self.settings
        intake = Intake(
            settings.adapters_dir,
            self._store,
            rules_of(loaded, config),
            lambda: self._read_base(config.model),
            self.supervisor.wait_running,
        )
        return Lifecycle(
            catalog=self.catalog,
            journal=self.journal,
            residency=self.residency,
            traffic=self.traffic,
            store=self._store,
            intake=intake,
            engine=self.engine,
            supervisor=self.supervisor,
            options=Options(
                drain_s=settings.drain_s,
                load_gap_s=settings.load_gap_s,
                keep_versions=settings.keep_versions,
                rollout=settings.rollout,
            ),
            admission=self.admission,
            keeper=self.keeper,
            look_again=self._look_again,
        )

    def _build_gateway(self) -> Gateway:
        return Gateway(
            engine=self.engine,
            catalog=self.catalog,
            residency=self.residency,
            traffic=self.traffic,
            supervisor=self.supervisor,
            admission=self.admission,
            keeper=self.keeper,
            changes=self.changes,
            base_names=frozenset({BASE_NAME, "base", self.settings.model_name}),
            want=self.lifecycle.loader.want,
            ready_wait_s=self.settings.ready_wait_s,
            max_body_bytes=self.settings.max_body_bytes,
        )

    async def run(self) -> None:
        """Run until cancelled; the engine has ended when this returns.

        Raises:
            ConfigError: a folder can't be written, or another engine host uses the store.
        """
        async with AsyncExitStack() as stack:
            try:
                if not self.settings.adapters_dir.exists():
                    _log.warning("adapters_dir is new and empty path=%s", self.settings.adapters_dir)
                for folder in (self.settings.adapters_dir, self.settings.store_dir):
                    folder.mkdir(parents=True, exist_ok=True)
                await stack.enter_async_context(claimed(self.settings.store_dir))
                self._store.open()
                self.journal.open()
            except OSError as error:
                raise ConfigError(f"store_dir or adapters_dir can't be used: {error}") from None
            await self._live()

    async def _live(self) -> None:
        self.lifecycle.restore()
        watcher = self._watcher = Watcher(
            self.settings.adapters_dir, self.settings.poll_s, self.lifecycle.arrivals.on_event, self.journal.adapters
        )
        try:
            async with asyncio.TaskGroup() as group:
                for work in (
                    self.supervisor.run(),
                    self.lifecycle.run(),
                    watcher.run(),
                    self.keeper.run(),
                    self._await_first_load(watcher),
                ):
                    group.create_task(work)
        finally:
            self.journal.close()

    def close_soon(self) -> None:
        """Let those who wait for changes go; the server is about to stop."""
        self.closing = True
        self.changes.notify()

    def readiness(self) -> Readiness:
        """Say whether requests can be served: the engine runs, and what lay in the folder at the start is loaded."""
        status = self.supervisor.status
        missing: list[Missing] = []
        if not self.supervisor.running:
            missing.append(Missing("engine", status.state.value, _seconds_since(status.since_s), status.detail))
        elif not self._first_load_done:
            missing.append(Missing("adapters", "loading", _seconds_since(self._started_s)))
        counts: dict[str, int] = {}
        for entry in self.catalog.all():
            counts[entry.info.state] = counts.get(entry.info.state, 0) + 1
        return Readiness(not missing, tuple(missing), status.state.value, status.restarts, counts)

    def models(self) -> list[Model]:
        """List the names that answer now: the base model's and each ready adapter's."""
        ready = sorted(
            entry.id for entry in self.catalog.all() if entry.state is State.READY and self.catalog.is_current(entry)
        )
        adapters = [Model(id.partition("@")[0], id, BASE_NAME) for id in ready]
        return [Model(self.settings.model_name, BASE_NAME), Model(BASE_NAME, BASE_NAME), *adapters]

    def listing(self, name: str | None = None) -> AdapterListing:
        """Describe all adapters, or one's versions."""
        return self.catalog.listing(self.settings.model_name, self.lifecycle.describe, name)

    def _read_base(self, model: str) -> BaseFacts | None:
        facts = read_base(model)
        return msgspec.structs.replace(facts, alias=self.settings.model_name) if facts else None

    def _look_again(self, name: str) -> None:
        if self._watcher is not None:
            self._watcher.look_again(name)

    def _engine_down(self) -> None:
        self.lifecycle.loader.engine_down()
        self.changes.notify()

    async def _await_first_load(self, watcher: Watcher) -> None:
        await watcher.settled.wait()
        await self.supervisor.wait_running()
        while not self.lifecycle.idle:
            with suppress(TimeoutError):
                await self.changes.wait(0.1)
        self._first_load_done = True
        _log.info("ready seconds=%.1f adapters=%d", _seconds_since(self._started_s), len(self.models()) - 2)


def rules_of(loaded: Loaded, config: EngineConfig) -> Rules:
    """Gather what an adapter must fulfil; `config` is the engine's, sized."""
    assert isinstance(config.max_lora_rank, int)
    limits = Limits(
        max_rank=config.max_lora_rank,
        max_bytes=int(loaded.settings.max_adapter_gib * 1024**3),
        reserved=RESERVED | {loaded.settings.model_name},
    )
    return Rules(limits=limits, trusted=loaded.trusted, tool_format=getattr(config, "tool_call_parser", None))


def sized(config: EngineConfig, settings: Settings) -> EngineConfig:
    """Resolve `max_lora_rank: auto` to the largest rank in the folder, rounded up to what engines accept."""
    if config.max_lora_rank != "auto":
        return config
    folders = find(settings.adapters_dir).values() if settings.adapters_dir.is_dir() else ()
    ranks = [rank for folder in folders if (rank := declared_rank(folder)) is not None]
    largest = max([_SMALLEST_AUTO_RANK, *(rank for rank in ranks if rank <= RANKS[-1])])
    return config.model_copy(update={"max_lora_rank": next(rank for rank in RANKS if rank >= largest)})


def _seconds_since(when_s: float) -> float:
    return round(monotonic_s() - when_s, 1)
