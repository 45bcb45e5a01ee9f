"""Drives adapters through their life: stores, loads, proves, tries, replaces and drains them, one load at a time."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from local_inference.admission import Admission
from local_inference.canary import prove
from local_inference.catalog import LOADED, Catalog, Entry, State
from local_inference.errors import Rejected
from local_inference.intake import Intake, Taken
from local_inference.journal import Journal
from local_inference.keeper import Keeper
from local_inference.ports import Engine
from local_inference.registry import (
    BecameCurrent,
    Forgot,
    Kept,
    Record,
    Refusal,
    Refused,
    Removed,
    RolledBack,
    Stored,
    surplus,
)
from local_inference.residency import Residency
from local_inference.rollout import Decision, Rules
from local_inference.store import ChangedWhileRead, Store
from local_inference.supervisor import Supervisor
from local_inference.traffic import Traffic
from local_inference.trials import Trials
from local_inference.watcher import Copying, Event, Gone, Settled
from router.core.clock import monotonic_s
from router.core.errors import UpstreamRejected, UpstreamUnavailable, stack_of
from router.core.types import AdapterInfo

_log = logging.getLogger(__name__)
_REAP_S = 0.25
_GRACE_S = 2.0
"""A version that is given up still takes requests this long: callers may not have seen the change yet."""
_CRASHES = 2
"""An adapter during whose load the engine ended this often isn't loaded again."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How versions come and go."""

    drain_s: float = 60.0
    load_gap_s: float = 0.5
    """How long a load waits for a moment in which the engine computes nothing."""
    keep_versions: int = 3
    rollout: Rules | None = None
    """None = a new version takes all traffic as soon as it is ready."""


class Lifecycle:
    """The one owner of the catalog and the journal. All methods run on the event loop; slow work goes to threads."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        journal: Journal,
        residency: Residency,
        traffic: Traffic,
        store: Store,
        intake: Intake,
        engine: Engine,
        supervisor: Supervisor,
        options: Options,
        admission: Admission,
        keeper: Keeper,
        look_again: Callable[[str], None],
    ) -> None:
        """`look_again` has a folder checked as if it had just changed."""
        self.catalog = catalog
        self.journal = journal
        self.look_again = look_again
        self._residency = residency
        self._traffic = traffic
        self._store = store
        self._intake = intake
        self._engine = engine
        self._supervisor = supervisor
        self._options = options
        self._admission = admission
        self._keeper = keeper
        self._unfreed: set[str] = set()
        """Unloaded versions whose weights the engine couldn't free yet."""
        self._checks: dict[str, asyncio.Task[None]] = {}
        self._checked: set[str] = set()
        self._work = asyncio.Event()
        self._loading = ""
        self._whole: set[str] = set()
        """Content of the store that was hashed since this process started."""
        self._proven: set[str] = set()
        self._engine_change = asyncio.Lock()
        """One load or unload at a time: neither may overtake the other for the same version."""
        self._crashes: Counter[str] = Counter()
        self._draining: dict[str, float] = {}
        self._asked: set[str] = set()
        """Versions to be loaded though they are only kept."""
        self.trials = Trials(options.rollout, traffic, catalog.told)
        self._untidy = True
        """Whether the store may hold versions that nobody wants."""

    @property
    def idle(self) -> bool:
        """Whether nothing is being checked or loaded."""
        return not self._checks and self._next() is None and not self._loading

    def restore(self) -> None:
        """Take over what the journal says; its versions are loaded from the store, whatever the folder holds."""
        for adapter in tuple(self.journal.adapters.values()):
            for kept in adapter.versions:
                path = self._store.path(kept.sha256)
                if not path.is_dir() or not self._intake.trusts(kept.signer):
                    self._record(Forgot(name=adapter.name, version=kept.info.version))
                    continue
                entry = Entry(info=replace(kept.info, state=State.STORED.value), path=path)
                refusal = adapter.refusals.get(kept.info.version)
                if adapter.disabled:
                    entry = entry.moved(State.DISABLED)
                self.catalog.put(_refused(entry, refusal) if refusal is not None else entry)

    async def run(self) -> None:
        """Load and drain until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._load_all())
                group.create_task(self._tend_all())
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
        for entry in self.catalog.all():
            if entry.state in (State.READY, State.CANARY):
                self.catalog.put(entry.moved(State.STORED if self._is_spare(entry) else State.LOADING))
            elif entry.state is State.DRAINING:
                self._retire(entry.id)
        self._work.set()

    def want(self, id: str) -> None:
        """Note that a version is asked for which only waits in the store: it is loaded now."""
        if self.catalog.get(id) is not None:
            self._asked.add(id)
            self._work.set()

    def describe(self, entry: Entry) -> AdapterInfo:
        """Tell all that is known of a version now."""
        return replace(
            entry.info,
            residency=self._residency.where(entry.id),
            activate_ms=self._residency.activate_ms.get(entry.id),
            current=self.catalog.is_current(entry),
            share=self._traffic.share_of(entry.id),
            pinned=self.is_pinned(entry),
        )

    def is_pinned(self, entry: Entry) -> bool:
        """Say whether a version is kept in memory: by order, else as its card says."""
        ordered = self.journal.get(entry.info.name).pinned
        return entry.info.card.pin if ordered is None else ordered

    def keeps(self, id: str) -> bool:
        """Say whether a version is never to be evicted: its name is pinned, and means it or soon will."""
        entry = self.catalog.get(id)
        return entry is not None and self.is_pinned(entry) and not self._is_spare(entry)

    # -- what a folder holds

    def _cancel_check(self, name: str) -> None:
        task = self._checks.pop(name, None)
        if task is not None:
            task.cancel()

    def _check_ended(self, name: str, task: asyncio.Task[None]) -> None:
        if self._checks.get(name) is task:
            del self._checks[name]
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("adapter check failed name=%s\n%s", name, stack_of(error))

    def _show(self, info: AdapterInfo) -> None:
        """List a folder whose content has no version yet, or was turned down; one such entry a name."""
        pending = Entry(info=info)
        for entry in self.catalog.versions(info.name):
            if entry.id != pending.id and (entry.state is State.QUARANTINED or not entry.info.version):
                self.catalog.drop(entry.id)
        self.catalog.put(pending)

    async def _ingest(self, name: str) -> None:
        """Check and store what a folder holds now. Whatever goes wrong concerns this adapter alone."""
        self._show(AdapterInfo(name=name, version="", state=State.CHECKING.value))
        version = ""

        def on_version(found: str) -> None:
            nonlocal version
            version = found

        try:
            self._accept(await self._intake.take(name, on_version))
        except Rejected as error:
            self._quarantine(name, version, error)
        except (FileNotFoundError, ChangedWhileRead):
            message = "its files changed while they were read"
            self._show(AdapterInfo(name=name, version="", state=State.COPYING.value, message=message))
        except OSError as error:
            why = f"its files can't be read or copied: {error.strerror}"
            self._quarantine(name, version, Rejected("unreadable", why, "mend permissions or disk, then copy it again"))
        except Exception as error:  # noqa: BLE001 one odd folder must cost no other adapter anything
            _log.error("adapter check failed by a bug name=%s\n%s", name, stack_of(error))
            why = f"checking it failed in a way nobody foresaw ({type(error).__name__})"
            self._quarantine(name, version, Rejected("internal_error", why, "see the engine host's log, and report it"))

    def _accept(self, taken: Taken) -> None:
        """Take a checked version: load it, or only its new card if its weights are known."""
        name, version = taken.info.name, taken.info.version
        entry = Entry(info=taken.info, path=taken.path)
        self._whole.add(taken.sha256)
        if name in self._checked:  # somebody touched it since the start: another try
            self._record(Refused(name=name, version=version, refusal=None))
            self._crashes.pop(entry.id, None)
        self._checked.add(name)
        self.journal.append(Stored(name=name, kept=Kept(sha256=taken.sha256, info=taken.info, signer=taken.signer)))
        self._give_up_superseded(name, version)
        adapter = self.journal.get(name)
        known = self.catalog.get(entry.id)
        refusal = adapter.refusals.get(version)
        if refusal is not None:
            self.catalog.put(_refused(entry, refusal))
        elif known is None or known.state is State.QUARANTINED:
            self.catalog.put(entry.moved(State.DISABLED) if adapter.disabled else entry)
            _log.info("adapter stored id=%s rank=%s bytes=%s", entry.id, entry.info.rank, entry.info.size_bytes)
        else:
            # What drained may never have been loaded or proven, or an engine that has it may be gone: load it anew.
            state = State.LOADING if known.state is State.DRAINING else known.state
            self._draining.pop(entry.id, None)
            self.catalog.refresh(entry.moved(state, known.info.load_ms))
            if state is State.READY:
                self._settle(entry.id)
        self._work.set()

    def _give_up_superseded(self, name: str, version: str) -> None:
        """Give up what the folder held before and no name ever meant."""
        adapter = self.journal.get(name)
        for other in self.catalog.versions(name):
            if other.info.version not in (version, *adapter.history):
                self._give_up(other)
        for kept in adapter.versions:
            if kept.info.version not in (version, *adapter.history):
                self._record(Forgot(name=name, version=kept.info.version))

    def _quarantine(self, name: str, version: str, error: Rejected) -> None:
        refusal = Refusal(error.reason, error.message, error.fix)
        known = self.catalog.get(f"{name}@{version}")
        if known is not None and known.state in (*LOADED, State.STORED):
            self._record(Refused(name=name, version=version, refusal=refusal))
            self.catalog.put(_refused(known, refusal))
            self.trials.end(name)
        elif known is None or known.state is State.QUARANTINED or not version:
            info = AdapterInfo(name=name, version=version, state="")
            self._show(_refused(Entry(info=info), refusal).info)
        _log.warning("adapter quarantined name=%s reason=%s: %s", name, error.reason, error.message)

    def _remove(self, name: str) -> None:
        self._record(Removed(name=name))
        self.trials.end(name)
        self.catalog.retire_name(name)
        for entry in self.catalog.versions(name):
            self._give_up(entry, 0.0)
        _log.info("adapter removed name=%s", name)

    # -- which version a name means

    def _settle(self, id: str) -> None:
        """Give a ready version its place: current, on trial, or kept."""
        entry = self.catalog.get(id)
        assert entry is not None
        name, version = entry.info.name, entry.info.version
        adapter = self.journal.get(name)
        if version == adapter.current:
            self._make_current(id)
        elif version == adapter.wanted and not adapter.held:
            old = self.catalog.current(name)
            serves = old is not None and old.state is State.READY
            if old is None or not serves or not self.trials.begin(id, old.id, monotonic_s()):
                self._make_current(id)

    def _make_current(self, id: str) -> None:
        name, _, version = id.partition("@")
        self._record(BecameCurrent(name=name, version=version))
        self.trials.end(name)
        self.catalog.promote(id)
        self.give_up_surplus(name)

    def roll_back(self, id: str) -> None:
        """Let a name mean a kept version, whatever its folder holds: at once, or as soon as it is loaded.

        Raises:
            OSError: it can't be written down, and isn't done.
        """
        name, _, version = id.partition("@")
        self.journal.append(RolledBack(name=name, version=version))
        self.trials.end(name)
        entry = self.catalog.get(id)
        if entry is not None and entry.state is State.READY:
            self.catalog.promote(id)
        self._work.set()
        _log.info("adapter rolled back id=%s", id)

    def withdraw(self, name: str) -> None:
        """Let a name mean nothing."""
        self.trials.end(name)
        self.catalog.retire_name(name)

    def _judge_trials(self) -> None:
        for trial, decision in self.trials.decided(monotonic_s()):
            name = trial.id.partition("@")[0]
            if decision is Decision.PROMOTE:
                self._make_current(trial.id)
            else:
                self._record(RolledBack(name=name, version=trial.old_id.partition("@")[2]))
                self.trials.end(name)

    def give_up_surplus(self, name: str) -> None:
        """Give up the versions that are more than are kept."""
        on_trial = self.trials.of(name)
        busy = [on_trial.partition("@")[2]] if on_trial is not None else []
        for version in surplus(self.journal.get(name), self._options.keep_versions, busy):
            entry = self.catalog.get(f"{name}@{version}")
            if entry is not None:
                self._give_up(entry)
            else:
                self._record(Forgot(name=name, version=version))

    def _give_up(self, entry: Entry, grace_s: float = _GRACE_S) -> None:
        """Forget a version, and unload it once nobody uses it any more."""
        if self.trials.of(entry.info.name) == entry.id:
            self.trials.end(entry.info.name)
        if entry.info.version:
            self._record(Forgot(name=entry.info.name, version=entry.info.version))
        if entry.state in LOADED:
            self.drain(entry, grace_s)
        else:
            self._forget(entry.id)

    def drain(self, entry: Entry, grace_s: float = 0.0) -> None:
        """Let running requests of a version end, then unload it."""
        if entry.state is not State.DRAINING:
            self.catalog.put(entry.moved(State.DRAINING))
        self._draining[entry.id] = monotonic_s() + grace_s

    def load_again(self, entry: Entry) -> None:
        """Have a version that is disabled or drains loaded."""
        self._draining.pop(entry.id, None)
        self.catalog.put(entry.moved(State.STORED if entry.state is State.DISABLED else State.LOADING))
        self._work.set()

    def _retire(self, id: str) -> None:
        """End a version's draining: it is disabled, or forgotten."""
        entry = self.catalog.get(id)
        name, _, version = id.partition("@")
        adapter = self.journal.get(name)
        self._draining.pop(id, None)
        if entry is not None and adapter.disabled and adapter.kept(version) is not None:
            self.catalog.put(entry.moved(State.DISABLED))
        else:
            self._forget(id)

    def _forget(self, id: str) -> None:
        self._draining.pop(id, None)
        self._traffic.forget(id)
        self._proven.discard(id)
        self._asked.discard(id)
        self._untidy = True
        self.catalog.drop(id)

    def _record(self, record: Record) -> None:
        """Write a step down that happens anyway; a full disk must not stop what serves."""
        try:
            self.journal.append(record)
        except OSError as error:
            _log.error("the registry can't be written name=%s: %s", record.name, error.strerror)

    # -- the engine

    def _next(self) -> Entry | None:
        """Choose what to load next, by need: pinned, what served before, what would cost most to lack.

        What is only kept waits until somebody asks for it: loading it would push what is needed out of memory.
        """
        waiting = [entry for entry in self.catalog.all() if entry.state in (State.LOADING, State.STORED)]
        needed = [entry for entry in waiting if entry.id in self._asked or not self._is_spare(entry)]
        return min(needed, key=self._need, default=None)

    def _need(self, entry: Entry) -> tuple[bool, bool, bool, float]:
        spare, pinned, proven = self._is_spare(entry), self.is_pinned(entry), entry.id in self._proven
        return (spare, not pinned, not proven, -self._residency.need(entry.id))

    def _is_spare(self, entry: Entry) -> bool:
        """Say whether a version is only kept for a way back."""
        adapter = self.journal.get(entry.info.name)
        return bool(adapter.current) and entry.info.version not in (adapter.current, adapter.wanted)

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
            except Exception as error:  # noqa: BLE001 what one adapter does to us must not stop the others
                _log.error("adapter load failed by a bug id=%s\n%s", entry.id, stack_of(error))
                why = f"loading it failed in a way nobody foresaw ({type(error).__name__})"
                bug = Rejected("internal_error", why, "see the engine host's log, and report it")
                await self._turn_down(entry, bug)
            finally:
                self._loading = ""

    async def _load(self, entry: Entry) -> None:
        assert entry.path is not None
        if entry.path.name not in self._whole:
            if not await self._intake.is_whole(entry.path):
                await self._damaged(entry)
                return
            self._whole.add(entry.path.name)
        if (now := self.catalog.get(entry.id)) is None or now.state not in (State.STORED, State.LOADING):
            return
        if now.state is State.STORED:
            self.catalog.put(now.moved(State.LOADING))
        await self._admission.idle(self._options.load_gap_s)  # a load stops whatever the engine computes
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
                await prove(self._engine, entry.id, entry.info.card)
            self._proven.add(entry.id)
        self._asked.discard(entry.id)
        if self._advance(entry.id, State.READY, load_ms):
            self._settle(entry.id)
            _log.info("adapter ready id=%s load_ms=%.1f", entry.id, load_ms)

    async def _damaged(self, entry: Entry) -> None:
        """Give up a copy that isn't what was stored, and take the folder's content in again."""
        _log.error("adapter damaged in the store id=%s: it is copied again", entry.id)
        assert entry.path is not None
        self._give_up(entry, 0.0)
        await asyncio.to_thread(self._store.discard, entry.path.name)
        self.look_again(entry.info.name)

    def _advance(self, id: str, state: State, load_ms: float) -> bool:
        """Move a version on, unless it was replaced or removed, or the engine ended, meanwhile."""
        entry = self.catalog.get(id)
        if entry is None or entry.state not in (State.LOADING, State.CANARY) or not self._supervisor.running:
            return False
        self.catalog.put(entry.moved(state, load_ms))
        return True

    async def _turn_down(self, entry: Entry, error: Rejected) -> None:
        now = self.catalog.get(entry.id)
        if now is not None and now.state in (State.STORED, State.LOADING, State.CANARY):
            self._quarantine(entry.info.name, entry.info.version, error)
        await self._unload(entry.id)

    async def _load_interrupted(self, entry: Entry, error: UpstreamUnavailable) -> None:
        self._crashes[entry.id] += 1
        now = self.catalog.get(entry.id)
        if self._crashes[entry.id] >= _CRASHES and now is not None and now.state in (State.LOADING, State.CANARY):
            why = Rejected(
                "engine_crash", f"the engine ended while it loaded it: {error.message}", "see the engine's log"
            )
            self._quarantine(entry.info.name, entry.info.version, why)
        elif now is not None and now.state is State.CANARY:
            self.catalog.put(now.moved(State.LOADING))
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
                entry = self.catalog.get(id)
                if entry is None or entry.state not in LOADED:
                    await self._unload(id)

    async def _tend_all(self) -> None:
        """Unload what drained, judge what is on trial, tidy the store."""
        while True:
            await asyncio.sleep(_REAP_S)
            await self._free_leftovers()
            await self._reap()
            self._judge_trials()
            if self._untidy and not self._checks:
                self._untidy = False
                await self._tidy()

    async def _reap(self) -> None:
        """Unload drained versions: those nobody uses, and those past their deadline."""
        now_s = monotonic_s()
        for id, after_s in list(self._draining.items()):
            free = not self._residency.leases(id) and now_s >= after_s
            if id != self._loading and (free or now_s >= after_s + self._options.drain_s):
                async with self._engine_change:
                    if id not in self._draining:
                        continue
                    cut = self._residency.revoke(id)
                    self._retire(id)
                    await self._unload(id)
                if cut:
                    _log.warning("requests cut off at the end of drain_s id=%s requests=%s", id, cut)
                _log.info("adapter unloaded id=%s", id)

    async def _tidy(self) -> None:
        async with self._intake.paused():
            wanted = {kept.sha256 for adapter in self.journal.adapters.values() for kept in adapter.versions}
            wanted |= {entry.path.name for entry in self.catalog.all() if entry.path is not None}
            self._whole &= wanted
            try:
                await asyncio.to_thread(self._store.sweep, wanted)
                await asyncio.to_thread(self.journal.sync)
            except OSError as error:
                _log.warning("the store can't be tidied: %s", error.strerror)


def _refused(entry: Entry, refusal: Refusal) -> Entry:
    info = replace(
        entry.info,
        state=State.QUARANTINED.value,
        reason=refusal.reason,
        message=refusal.message,
        fix=refusal.fix,
        load_ms=None,
    )
    return replace(entry, info=info)
