"""Drives adapters through their life: tries, replaces and gives them up; `arrivals` brings them, `loading` has them loaded."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from local_inference.admission import Admission
from local_inference.arrivals import Arrivals
from local_inference.catalog import LOADED, Catalog, Entry, State
from local_inference.errors import Rejected
from local_inference.intake import Intake, Taken
from local_inference.journal import Journal
from local_inference.keeper import Keeper
from local_inference.loading import Loader
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
    Tried,
    surplus,
)
from local_inference.residency import Residency
from local_inference.rollout import Decision, Rules
from local_inference.store import Store
from local_inference.supervisor import Supervisor
from local_inference.timeline import Timeline
from local_inference.traffic import Traffic
from local_inference.trials import Trials, is_of
from router.core.adapters import AdapterCard, AdapterInfo, version_of
from router.core.clock import monotonic_s

_log = logging.getLogger(__name__)
_TEND_S = 0.25
_WRITE_TRIALS_S = 1.0
"""So much of what a trial counted may be lost when the host is killed."""
_GRACE_S = 2.0
"""A version that is given up still takes requests this long: callers may not have seen the change yet."""
_IN_USE = frozenset({State.STORED, State.LOADING, State.CANARY, State.READY})
_BLAMELESS = frozenset({"unreadable", "internal_error"})
"""Reasons that say nothing of a version's content."""


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
        self._options = options
        self._keeper = keeper
        self.timeline = Timeline()
        self.loader = Loader(
            versions=self,
            catalog=catalog,
            residency=residency,
            intake=intake,
            engine=engine,
            supervisor=supervisor,
            admission=admission,
            keeper=keeper,
            timeline=self.timeline,
            drain_s=options.drain_s,
            load_gap_s=options.load_gap_s,
        )
        self.arrivals = Arrivals(self, intake, self.timeline, lambda name: bool(journal.get(name).versions))
        self._checked: set[str] = set()
        self.trials = Trials(options.rollout, traffic, catalog.told)
        self._untidy = True
        """Whether the store may hold versions that nobody wants."""

    @property
    def idle(self) -> bool:
        """Whether nothing is being checked or loaded."""
        return self.arrivals.idle and self.loader.idle

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
        """Let adapters live until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.loader.run())
                group.create_task(self._tend_all())
        finally:
            self.arrivals.close()
            self._write_trials()

    def describe(self, entry: Entry) -> AdapterInfo:
        """Tell all that is known of a version now."""
        return replace(
            entry.info,
            residency=self._residency.where(entry.id),
            activate_ms=self._residency.activate_ms.get(entry.id),
            current=self.catalog.is_current(entry),
            share=self._traffic.share_of(entry.id),
            pinned=self.is_pinned(entry),
            steps_ms=self.timeline.steps_ms(entry.id),
        )

    def is_pinned(self, entry: Entry) -> bool:
        """Say whether a version is kept in memory: by order, else as its card says."""
        ordered = self.journal.get(entry.info.name).pinned
        return entry.info.card.pin if ordered is None else ordered

    def pins_changed(self) -> None:
        """Note that somebody ordered another adapter to be kept in memory."""
        self._keeper.stale()
        self.catalog.told()

    def is_spare(self, entry: Entry) -> bool:
        """Say whether a version is only kept for a way back."""
        adapter = self.journal.get(entry.info.name)
        return bool(adapter.current) and entry.info.version not in (adapter.current, adapter.wanted)

    def keeps(self, id: str) -> bool:
        """Say whether a version is never to be evicted: its name is pinned, and means it or soon will."""
        entry = self.catalog.get(id)
        return entry is not None and self.is_pinned(entry) and not self.is_spare(entry)

    # -- what a folder holds

    def show(self, info: AdapterInfo) -> None:
        """List a folder whose content has no version yet, or was turned down; one such entry a name."""
        pending = Entry(info=info)
        for entry in self.catalog.versions(info.name):
            if entry.id != pending.id and (entry.state is State.QUARANTINED or not entry.info.version):
                self.catalog.drop(entry.id)
        self.catalog.put(pending)

    def claim(self, name: str, sha256: str) -> str:
        """Name the version that a content is, before anything is done in that version's name.

        Raises:
            Rejected: version_collision, where another content has it.
        """
        version = version_of(sha256)
        entry, kept = self.catalog.get(f"{name}@{version}"), self.journal.get(name).kept(version)
        owners = {*([entry.path.name] if entry and entry.path else ()), *([kept.sha256] if kept else ())}
        if owners - {sha256}:
            why = f"its content is another than that of version {version}, whose name it would get"
            raise Rejected(
                "version_collision", why, "train or save it anew; two contents that share this are made, not met"
            )
        return version

    def accept(self, taken: Taken) -> None:
        """Take a checked version: load it, or only its new card if its weights are known."""
        name, version = taken.info.name, taken.info.version
        entry = Entry(info=taken.info, path=taken.path)
        if taken.is_new:
            self.loader.whole.add(taken.sha256)
        if name in self._checked:  # somebody touched it since the start: another try
            self._record(Refused(name=name, version=version, refusal=None))
            self.loader.forgive(entry.id)
        self._checked.add(name)
        self.journal.append(Stored(name=name, kept=Kept(sha256=taken.sha256, info=taken.info, signer=taken.signer)))
        self._give_up_superseded(name, version)
        adapter = self.journal.get(name)
        known = self.catalog.get(entry.id)
        refusal = adapter.refusals.get(version)
        if refusal is not None:
            self.catalog.put(_refused(entry, refusal))
        elif known is None or known.state is State.QUARANTINED:
            self.timeline.rename(name, entry.id)
            self.catalog.put(entry.moved(State.DISABLED) if adapter.disabled else entry)
            _log.info("adapter stored id=%s rank=%s bytes=%s", entry.id, entry.info.rank, entry.info.size_bytes)
        else:
            state = known.state
            if state is State.DRAINING and not adapter.disabled:
                # What drained may never have been loaded or proven, or an engine that has it may be gone: load it anew.
                state = State.LOADING
                self.loader.stop_draining(entry.id)
            self.catalog.refresh(entry.moved(state, known.info.load_ms))
            if state is State.READY:
                self.settle(entry.id)
        self.loader.wake()

    def _give_up_superseded(self, name: str, version: str) -> None:
        """Give up what the folder held before and no name ever meant."""
        adapter = self.journal.get(name)
        for other in self.catalog.versions(name):
            if other.info.version not in (version, *adapter.history):
                self._give_up(other)
        for kept in adapter.versions:
            if kept.info.version not in (version, *adapter.history):
                self._record(Forgot(name=name, version=kept.info.version))

    def refuse(self, name: str, version: str, error: Rejected, card: AdapterCard) -> None:
        """Turn a folder's content down; `card` says who may know.

        A version that is in use keeps on where the disk, or a bug of ours, is to blame: its copy is what it was.
        """
        known = self.catalog.get(f"{name}@{version}")
        if known is not None and known.state in _IN_USE and error.reason not in _BLAMELESS:
            self._forget(f"{name}@")
            self.quarantine(name, version, error)
            return
        shown = version if known is None or known.state is State.QUARANTINED else ""
        refusal = Refusal(error.reason, error.message, error.fix)
        self.show(_refused(Entry(info=AdapterInfo(name=name, version=shown, state="", card=card)), refusal).info)
        _log.warning("adapter refused name=%s reason=%s: %s", name, error.reason, error.message)

    def quarantine(self, name: str, version: str, error: Rejected) -> None:
        """Turn a version down that was to be served."""
        known = self.catalog.get(f"{name}@{version}")
        if known is None or known.state not in _IN_USE:
            return
        refusal = Refusal(error.reason, error.message, error.fix)
        self._record(Refused(name=name, version=version, refusal=refusal))
        self.catalog.put(_refused(known, refusal))
        serving = self.catalog.current(name)
        if serving is not None and serving.id != known.id and self.journal.get(name).current == version:
            # It was rolled back to and never served: the name goes on meaning what it meant.
            self._record(RolledBack(name=name, version=serving.info.version))
        trial = self.trials.end(name)
        new = self.catalog.get(trial.id) if trial is not None and trial.old_id == known.id else None
        if new is not None and new.state is State.READY:
            self.settle(new.id)  # nothing is left that it could be tried against
        _log.warning("adapter quarantined id=%s reason=%s: %s", known.id, error.reason, error.message)

    def removed(self, name: str) -> None:
        """Give up all versions of a name, whose folder is gone."""
        self._record(Removed(name=name))
        self.trials.end(name)
        self.catalog.retire_name(name)
        self.timeline.forget(name)
        for entry in self.catalog.versions(name):
            self._give_up(entry, 0.0)
        _log.info("adapter removed name=%s", name)

    def given_up(self, name: str) -> None:
        """Look later whether a check that was given up left something in the store."""
        self._untidy = True

    # -- which version a name means

    def settle(self, id: str) -> None:
        """Give a ready version its place: current, on trial, or kept."""
        entry = self.catalog.get(id)
        assert entry is not None
        name, version = entry.info.name, entry.info.version
        adapter = self.journal.get(name)
        if version == adapter.current:
            self._make_current(id)
        elif version == adapter.wanted and not adapter.held:
            old = self.catalog.get(f"{name}@{adapter.current}")
            if old is None or not self._tried_against(id, old, adapter.trial):
                self._make_current(id)

    def _tried_against(self, id: str, old: Entry, before: Tried | None) -> bool:
        """Begin a version's trial, or go on with it, if there is a current one; after a restart that may still load."""
        goes_on = before is not None and is_of(before, id, old.id)
        serves = old.state is State.READY or (goes_on and old.state in (State.STORED, State.LOADING, State.CANARY))
        return serves and self.trials.begin(id, old.id, monotonic_s(), before)

    def _make_current(self, id: str) -> None:
        name, _, version = id.partition("@")
        if version != self.journal.get(name).current:  # else it is so again: what is tried against it still is
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
        self.loader.wake()
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

    def _write_trials(self) -> None:
        """Write down what was counted: a restart must not begin a trial anew."""
        for tried in self.trials.news(monotonic_s()):
            self._record(tried)

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
            self.loader.drain(entry, grace_s)
        else:
            self._forget(entry.id)

    def retire(self, id: str) -> None:
        """End a version's draining: it is disabled, or forgotten."""
        entry = self.catalog.get(id)
        name, _, version = id.partition("@")
        adapter = self.journal.get(name)
        self.loader.stop_draining(id)
        if entry is not None and adapter.disabled and adapter.kept(version) is not None:
            self.catalog.put(entry.moved(State.DISABLED))
        else:
            self._forget(id)

    def _forget(self, id: str) -> None:
        self.loader.forget(id)
        self.timeline.forget(id)
        self._traffic.forget(id)
        self._residency.unloaded(id)
        self._untidy = True
        self.catalog.drop(id)

    def _record(self, record: Record) -> None:
        """Write a step down that happens anyway; a full disk must not stop what serves."""
        try:
            self.journal.append(record)
        except OSError as error:
            _log.error("the registry can't be written name=%s: %s", record.name, error.strerror)

    # -- the store

    async def damaged(self, entry: Entry) -> None:
        """Give up a copy that isn't what was stored, and take the folder's content in again."""
        _log.error("adapter damaged in the store id=%s: it is copied again", entry.id)
        assert entry.path is not None
        self._give_up(entry, 0.0)
        try:
            async with self._intake.paused():  # another folder of the same content may be compared with it
                await asyncio.to_thread(self._store.discard, entry.path.name)
        except OSError as error:
            _log.warning("a damaged copy can't be deleted id=%s: %s", entry.id, error.strerror)
        self.look_again(entry.info.name)

    async def _tend_all(self) -> None:
        """Judge what is on trial, tidy the store."""
        written_s = monotonic_s()
        while True:
            await asyncio.sleep(_TEND_S)
            self._judge_trials()
            if monotonic_s() - written_s >= _WRITE_TRIALS_S:
                self._write_trials()
                written_s = monotonic_s()
            if self._untidy and self.arrivals.idle:
                self._untidy = False
                await self._tidy()

    async def _tidy(self) -> None:
        async with self._intake.paused():
            wanted = {kept.sha256 for adapter in self.journal.adapters.values() for kept in adapter.versions}
            wanted |= {entry.path.name for entry in self.catalog.all() if entry.path is not None}
            self.loader.whole &= wanted
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
