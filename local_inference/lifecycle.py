"""Drives adapters through their life: checks, stores, loads, proves, replaces and drains them, one load at a time."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from local_inference.admission import Admission
from local_inference.base import BaseFacts
from local_inference.canary import prove
from local_inference.card import MAX_CARD_BYTES, read_card
from local_inference.catalog import LOADED, Catalog, Entry, State
from local_inference.errors import Rejected
from local_inference.ingest import Limits, check, check_folder, check_name
from local_inference.keeper import Keeper
from local_inference.ports import Engine
from local_inference.residency import Residency
from local_inference.store import Store, read_small
from local_inference.supervisor import Supervisor
from local_inference.watcher import Copying, Event, Gone, Settled
from router.core.clock import monotonic_s
from router.core.errors import UpstreamRejected, UpstreamUnavailable
from router.core.types import AdapterInfo

_log = logging.getLogger(__name__)
_PARALLEL_CHECKS = 2
_REAP_S = 0.25
_GRACE_S = 2.0
"""A replaced version still takes requests this long: callers may not have seen the change yet."""
_CRASHES = 2
"""An adapter during whose load the engine ended this often isn't loaded again."""


class Lifecycle:
    """The one owner of the catalog. All methods run on the event loop; slow work goes to threads."""

    def __init__(
        self,
        *,
        folder: Path,
        catalog: Catalog,
        residency: Residency,
        store: Store,
        engine: Engine,
        supervisor: Supervisor,
        limits: Limits,
        read_base: Callable[[], BaseFacts | None],
        drain_s: float,
        admission: Admission,
        keeper: Keeper,
        load_gap_s: float,
    ) -> None:
        self._folder = folder
        self._catalog = catalog
        self._residency = residency
        self._store = store
        self._engine = engine
        self._supervisor = supervisor
        self._limits = limits
        self._read_base = read_base
        self._drain_s = drain_s
        self._admission = admission
        self._keeper = keeper
        self._load_gap_s = load_gap_s
        self._unfreed: set[str] = set()
        """Unloaded versions whose weights the engine couldn't free yet."""
        self._base: BaseFacts | None = None
        self._checks: dict[str, asyncio.Task[None]] = {}
        self._check_slots = asyncio.Semaphore(_PARALLEL_CHECKS)
        self._work = asyncio.Event()
        self._loading = ""
        self._proven: set[str] = set()
        self._engine_change = asyncio.Lock()
        """One load or unload at a time: neither may overtake the other for the same version."""
        self._crashes: Counter[str] = Counter()
        self._draining: dict[str, float] = {}

    @property
    def idle(self) -> bool:
        """Whether nothing is being checked or loaded."""
        return not self._checks and self._next() is None and not self._loading

    async def run(self) -> None:
        """Load and drain until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._load_all())
                group.create_task(self._reap_all())
        finally:
            for task in list(self._checks.values()):
                task.cancel()

    def on_event(self, event: Event) -> None:
        """Take what the watcher saw."""
        match event:
            case Copying(name, message):
                self._cancel_check(name)
                self._show(AdapterInfo(name=name, version="", state=State.COPYING.value, message=message))
            case Settled(name):
                self._cancel_check(name)
                task = asyncio.create_task(self._ingest(name))
                self._checks[name] = task
                task.add_done_callback(lambda done: self._check_ended(name, done))
            case Gone(name):
                self._cancel_check(name)
                self._remove(name)

    def engine_down(self) -> None:
        """Note that the engine holds nothing any more; what it had is loaded again once it is back."""
        self._residency.engine_restarted()
        self._unfreed.clear()
        for entry in self._catalog.all():
            if entry.state in (State.READY, State.CANARY):
                self._catalog.put(entry.moved(State.LOADING))
            elif entry.state is State.DRAINING:
                self._forget(entry.id)
        self._work.set()

    def _cancel_check(self, name: str) -> None:
        task = self._checks.pop(name, None)
        if task is not None:
            task.cancel()

    def _check_ended(self, name: str, task: asyncio.Task[None]) -> None:
        if self._checks.get(name) is task:
            del self._checks[name]
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("adapter check failed name=%s", name, exc_info=error)

    def _show(self, info: AdapterInfo) -> None:
        """List a folder whose content has no version yet, or was turned down; one such entry a name."""
        pending = Entry(info=info)
        for entry in self._catalog.versions(info.name):
            if entry.id != pending.id and (entry.state is State.QUARANTINED or not entry.info.version):
                self._catalog.drop(entry.id)
        self._catalog.put(pending)

    async def _ingest(self, name: str) -> None:
        """Check and store what a folder holds now."""
        self._show(AdapterInfo(name=name, version="", state=State.CHECKING.value))
        folder = self._folder / name
        version = ""
        try:
            check_name(name)
            base = await self._base_facts()
            async with self._check_slots:
                await asyncio.to_thread(check_folder, folder, self._limits)
                copy = await asyncio.to_thread(self._store.take, folder)
                version = copy.sha256[:12]
                entry = await asyncio.to_thread(self._check_copy, folder, copy.path, base, version)
                path = await asyncio.to_thread(self._store.keep, copy)
        except Rejected as error:
            self._quarantine(name, version, error)
        except FileNotFoundError:
            self._show(AdapterInfo(name=name, version="", state=State.COPYING.value, message="files vanished"))
        except OSError as error:
            why = f"its files can't be read or copied: {error.strerror}"
            self._quarantine(name, version, Rejected("unreadable", why, "mend permissions or disk, then copy it again"))
        else:
            self._accept(replace(entry, path=path))

    def _check_copy(self, folder: Path, copy: Path, base: BaseFacts | None, version: str) -> Entry:
        manifest = check(copy, base, self._limits)
        reading = read_card(lambda file: read_small(folder, file, MAX_CARD_BYTES))
        info = AdapterInfo(
            name=folder.name,
            version=version,
            state=State.STORED.value,
            message="; ".join((*manifest.warnings, *reading.warnings)) or None,
            rank=manifest.rank,
            size_bytes=manifest.size_bytes,
            card=reading.card,
        )
        return Entry(info=info)

    async def _base_facts(self) -> BaseFacts | None:
        """Read the base model's shapes; a hub model's files may be here only once the engine runs."""
        if self._base is None:
            self._base = await asyncio.to_thread(self._read_base)
        if self._base is None:
            await self._supervisor.wait_running()
            self._base = await asyncio.to_thread(self._read_base)
        return self._base

    def _accept(self, entry: Entry) -> None:
        """Take a checked version: load it, or only its new card if its weights are known."""
        name = entry.info.name
        for other in self._catalog.versions(name):
            if other.id != entry.id and (other.state in (State.QUARANTINED, State.STORED) or not other.info.version):
                self._catalog.drop(other.id)
            elif other.id != entry.id and other.state in (State.LOADING, State.CANARY):
                self._drain(other, _GRACE_S)
        known = self._catalog.get(entry.id)
        if known is None or known.state is State.QUARANTINED:
            self._crashes.pop(entry.id, None)
            self._catalog.put(entry)
            _log.info("adapter stored id=%s rank=%s bytes=%s", entry.id, entry.info.rank, entry.info.size_bytes)
        else:
            # What drained may never have been loaded or proven, or an engine that has it may be gone: load it anew.
            state = State.LOADING if known.state is State.DRAINING else known.state
            updated = replace(entry, info=replace(entry.info, state=state.value, load_ms=known.info.load_ms))
            self._draining.pop(entry.id, None)
            self._catalog.refresh(updated)
            if state is State.READY:
                self._promote(entry.id)
        self._work.set()

    def _quarantine(self, name: str, version: str, error: Rejected) -> None:
        known = self._catalog.get(f"{name}@{version}")
        info = known.info if known is not None else AdapterInfo(name=name, version=version, state="")
        info = replace(
            info, state=State.QUARANTINED.value, reason=error.reason, message=error.message, fix=error.fix, load_ms=None
        )
        if known is not None and known.state in LOADED:
            self._catalog.put(replace(known, info=info))
        else:
            self._show(info)
        _log.warning("adapter quarantined name=%s reason=%s: %s", name, error.reason, error.message)

    def _remove(self, name: str) -> None:
        self._catalog.retire_name(name)
        for entry in self._catalog.versions(name):
            if entry.state in LOADED:
                self._drain(entry, 0.0)
            else:
                self._catalog.drop(entry.id)
        _log.info("adapter removed name=%s", name)

    def _promote(self, id: str) -> None:
        replaced = self._catalog.promote(id)
        if replaced is not None:
            self._draining[replaced.id] = monotonic_s() + _GRACE_S

    def _drain(self, entry: Entry, grace_s: float) -> None:
        if entry.state is not State.DRAINING:
            self._catalog.put(entry.moved(State.DRAINING))
        self._draining[entry.id] = monotonic_s() + grace_s

    def _forget(self, id: str) -> None:
        self._draining.pop(id, None)
        self._catalog.drop(id)

    def _next(self) -> Entry | None:
        """Choose what to load next: those that served before an engine restart come first, the most needed before all."""
        waiting = [entry for entry in self._catalog.all() if entry.state in (State.LOADING, State.STORED)]
        return min(waiting, key=lambda one: (one.id not in self._proven, -self._residency.need(one.id)), default=None)

    async def _load_all(self) -> None:
        while True:
            await self._supervisor.wait_running()
            entry = self._next()
            if entry is None:
                self._work.clear()
                await self._work.wait()
                continue
            self._loading = entry.id
            try:
                await self._load(entry)
            except Rejected as error:
                await self._turn_down(entry, error)
            except UpstreamUnavailable as error:
                await self._load_interrupted(entry, error)
            finally:
                self._loading = ""

    async def _load(self, entry: Entry) -> None:
        assert entry.path is not None
        if entry.state is State.STORED:
            self._catalog.put(entry.moved(State.LOADING))
        await self._admission.idle(self._load_gap_s)  # a load stops whatever the engine computes
        await self._keeper.make_room(entry.id)
        started_s = monotonic_s()
        try:
            async with self._engine_change:
                await self._engine.load(entry.id, entry.path)
        except UpstreamRejected as error:
            raise Rejected(
                "load_failed", f"the engine can't load it: {error.message}", "see the engine's log"
            ) from None
        load_ms = (monotonic_s() - started_s) * 1000
        self._residency.touched(entry.id)
        await self._keeper.loaded(entry.id, load_ms)
        if entry.id not in self._proven:
            if not self._advance(entry.id, State.CANARY, load_ms):
                return
            async with self._admission.turn(entry.id, urgent=True):
                await prove(self._engine, entry.id, entry.info.card.examples)
            self._proven.add(entry.id)
        if self._advance(entry.id, State.READY, load_ms):
            self._promote(entry.id)
            _log.info("adapter ready id=%s load_ms=%.1f", entry.id, load_ms)

    def _advance(self, id: str, state: State, load_ms: float) -> bool:
        """Move a version on, unless it was replaced or removed, or the engine ended, meanwhile."""
        entry = self._catalog.get(id)
        if entry is None or entry.state not in (State.LOADING, State.CANARY) or not self._supervisor.running:
            return False
        self._catalog.put(entry.moved(state, load_ms))
        return True

    async def _turn_down(self, entry: Entry, error: Rejected) -> None:
        now = self._catalog.get(entry.id)
        if now is not None and now.state in (State.LOADING, State.CANARY):
            self._quarantine(entry.info.name, entry.info.version, error)
        await self._unload(entry.id)

    async def _load_interrupted(self, entry: Entry, error: UpstreamUnavailable) -> None:
        self._crashes[entry.id] += 1
        now = self._catalog.get(entry.id)
        if self._crashes[entry.id] >= _CRASHES and now is not None and now.state in (State.LOADING, State.CANARY):
            why = Rejected(
                "engine_crash", f"the engine ended while it loaded it: {error.message}", "see the engine's log"
            )
            self._quarantine(entry.info.name, entry.info.version, why)
        elif now is not None and now.state is State.CANARY:
            self._catalog.put(now.moved(State.LOADING))
        await asyncio.sleep(_REAP_S)

    async def _unload(self, id: str) -> None:
        try:
            await self._engine.unload(id)
        except UpstreamUnavailable:
            return  # it ended, and with it all that it held
        except UpstreamRejected as error:
            self._unfreed.add(id)
            _log.warning("the engine didn't unload id=%s yet: %s", id, error)
        self._residency.unloaded(id)
        self._keeper.stale()

    async def _free_leftovers(self) -> None:
        """Try again what couldn't be freed, unless the version is back."""
        for id in tuple(self._unfreed):
            self._unfreed.discard(id)
            async with self._engine_change:
                if self._catalog.get(id) is None:
                    await self._unload(id)

    async def _reap_all(self) -> None:
        """Unload drained versions: those nobody uses, and those past their deadline."""
        while True:
            await asyncio.sleep(_REAP_S)
            await self._free_leftovers()
            now_s = monotonic_s()
            for id, after_s in list(self._draining.items()):
                free = not self._residency.leases(id) and now_s >= after_s
                if id != self._loading and (free or now_s >= after_s + self._drain_s):
                    async with self._engine_change:
                        if id not in self._draining:
                            continue
                        cut = self._residency.revoke(id)
                        self._forget(id)
                        await self._unload(id)
                    if cut:
                        _log.warning("requests cut off at the end of drain_s id=%s requests=%s", id, cut)
                    _log.info("adapter unloaded id=%s", id)
