"""Loads, proves and unloads adapter versions, one at a time; what a name means and what is kept is decided elsewhere."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import Protocol

from local_inference.admission import Admission
from local_inference.canary import prove
from local_inference.catalog import LOADED, Catalog, Entry, State
from local_inference.errors import Rejected
from local_inference.intake import Intake
from local_inference.keeper import Keeper
from local_inference.ports import Engine
from local_inference.residency import Residency
from local_inference.supervisor import Supervisor
from local_inference.timeline import Timeline
from router.core.clock import monotonic_s
from router.core.errors import UpstreamRejected, UpstreamUnavailable, stack_of

_log = logging.getLogger(__name__)
_REAP_S = 0.25
_CRASHES = 2
"""An adapter during whose load the engine ended this often isn't loaded again."""


class Versions(Protocol):
    """Who decides about versions, and hears what became of them."""

    def is_pinned(self, entry: Entry) -> bool:
        """Say whether a version is kept in memory."""
        ...

    def is_spare(self, entry: Entry) -> bool:
        """Say whether a version is only kept for a way back."""
        ...

    def settle(self, id: str) -> None:
        """Take a version that is ready now."""
        ...

    def quarantine(self, name: str, version: str, error: Rejected) -> None:
        """Turn a version down."""
        ...

    async def damaged(self, entry: Entry) -> None:
        """Give up a copy that isn't what was stored."""
        ...

    def retire(self, id: str) -> None:
        """End a version's draining: it is unloaded now."""
        ...


class Loader:
    """The one who tells the engine what to hold. All methods run on the event loop."""

    def __init__(
        self,
        *,
        versions: Versions,
        catalog: Catalog,
        residency: Residency,
        intake: Intake,
        engine: Engine,
        supervisor: Supervisor,
        admission: Admission,
        keeper: Keeper,
        timeline: Timeline,
        drain_s: float,
        load_gap_s: float,
    ) -> None:
        self._versions = versions
        self._catalog = catalog
        self._residency = residency
        self._intake = intake
        self._engine = engine
        self._supervisor = supervisor
        self._admission = admission
        self._keeper = keeper
        self._timeline = timeline
        self._drain_s = drain_s
        self._load_gap_s = load_gap_s
        self.whole: set[str] = set()
        """Content of the store that was hashed since this process started."""
        self._work = asyncio.Event()
        self._loading = ""
        self._proven: set[str] = set()
        self._engine_change = asyncio.Lock()
        """One load or unload at a time: neither may overtake the other for the same version."""
        self._crashes: Counter[str] = Counter()
        self._draining: dict[str, float] = {}
        self._asked: set[str] = set()
        """Versions to be loaded though they are only kept."""
        self._unfreed: set[str] = set()
        """Unloaded versions whose weights the engine couldn't free yet."""

    @property
    def idle(self) -> bool:
        """Whether nothing is loaded or waits for it."""
        return self._next() is None and not self._loading

    async def run(self) -> None:
        """Load and unload until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._load_all())
            group.create_task(self._unload_all())

    def wake(self) -> None:
        """Look again what is to be loaded."""
        self._work.set()

    def want(self, id: str) -> None:
        """Note that a version is asked for which only waits in the store: it is loaded now."""
        if self._catalog.get(id) is not None:
            self._asked.add(id)
            self.wake()

    def drain(self, entry: Entry, grace_s: float = 0.0) -> None:
        """Let running requests of a version end, then unload it."""
        if entry.state is not State.DRAINING:
            self._catalog.put(entry.moved(State.DRAINING))
        self._draining[entry.id] = monotonic_s() + grace_s

    def stop_draining(self, id: str) -> None:
        """Don't drain a version any more."""
        self._draining.pop(id, None)

    def forgive(self, id: str) -> None:
        """Forget during how many loads of a version the engine ended."""
        self._crashes.pop(id, None)

    def forget(self, id: str) -> None:
        """Drop all about a version that is gone."""
        self._draining.pop(id, None)
        self._proven.discard(id)
        self._asked.discard(id)

    def load_again(self, entry: Entry) -> None:
        """Have a version that is disabled or drains loaded."""
        self._draining.pop(entry.id, None)
        self._catalog.put(entry.moved(State.STORED if entry.state is State.DISABLED else State.LOADING))
        self.wake()

    def engine_down(self) -> None:
        """Note that the engine holds nothing any more; what it had is loaded again once it is back."""
        self._residency.engine_restarted()
        self._unfreed.clear()
        for entry in self._catalog.all():
            if entry.state in (State.READY, State.CANARY):
                self._catalog.put(entry.moved(State.STORED if self._versions.is_spare(entry) else State.LOADING))
            elif entry.state is State.DRAINING:
                self._versions.retire(entry.id)
        self.wake()

    def _next(self) -> Entry | None:
        """Choose what to load next, by need: pinned, what served before, what would cost most to lack.

        What is only kept waits until somebody asks for it: loading it would push what is needed out of memory.
        """
        waiting = [entry for entry in self._catalog.all() if entry.state in (State.LOADING, State.STORED)]
        needed = [entry for entry in waiting if entry.id in self._asked or not self._versions.is_spare(entry)]
        return min(needed, key=self._need, default=None)

    def _need(self, entry: Entry) -> tuple[bool, bool, bool, float]:
        spare, pinned = self._versions.is_spare(entry), self._versions.is_pinned(entry)
        return (spare, not pinned, entry.id not in self._proven, -self._residency.need(entry.id))

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
        if entry.path.name not in self.whole:
            if not await self._intake.is_whole(entry.path):
                await self._versions.damaged(entry)
                return
            self.whole.add(entry.path.name)
        if (now := self._catalog.get(entry.id)) is None or now.state not in (State.STORED, State.LOADING):
            return
        if now.state is State.STORED:
            self._catalog.put(now.moved(State.LOADING))
        self._timeline.passed(entry.id, "queue")
        await self._admission.gap(self._load_gap_s)  # a load stops whatever the engine computes
        self._timeline.passed(entry.id, "gap")
        await self._keeper.make_room(entry.id)
        self._timeline.passed(entry.id, "room")
        started_s = monotonic_s()
        try:
            async with self._engine_change:
                await self._engine.load(entry.id, entry.path)
        except UpstreamRejected as error:
            raise Rejected(
                "load_failed", f"the engine can't load it: {error.message}", "see the engine's log"
            ) from None
        load_ms = (monotonic_s() - started_s) * 1000
        self._timeline.passed(entry.id, "load")
        self._residency.touched(entry.id)
        self._keeper.loaded(entry.id, load_ms)
        if entry.id not in self._proven:
            if not self._advance(entry.id, State.CANARY, load_ms):
                return
            async with self._admission.turn(entry.id, urgent=True):
                # The engine times the adapter's way onto the device between two steps.
                proof = prove(self._engine, entry.id, entry.info.card)
                await asyncio.gather(proof, self._keeper.measure(entry.id))
            self._proven.add(entry.id)
            self._timeline.passed(entry.id, "prove")
        else:
            await self._keeper.measure(entry.id)
        self._asked.discard(entry.id)
        self._timeline.end(entry.id)
        if self._advance(entry.id, State.READY, load_ms):
            self.forgive(entry.id)
            self._versions.settle(entry.id)
            steps = " ".join(f"{step}={ms:.0f}" for step, ms in self._timeline.steps_ms(entry.id).items())
            _log.info("adapter ready id=%s load_ms=%.1f steps_ms: %s", entry.id, load_ms, steps)

    def _advance(self, id: str, state: State, load_ms: float) -> bool:
        """Move a version on, unless it was replaced or removed, or the engine ended, meanwhile."""
        entry = self._catalog.get(id)
        if entry is None or entry.state not in (State.LOADING, State.CANARY) or not self._supervisor.running:
            return False
        self._catalog.put(entry.moved(state, load_ms))
        return True

    async def _turn_down(self, entry: Entry, error: Rejected) -> None:
        now = self._catalog.get(entry.id)
        if now is not None and now.state in (State.STORED, State.LOADING, State.CANARY):
            self._versions.quarantine(entry.info.name, entry.info.version, error)
        await self._unload(entry.id)

    async def _load_interrupted(self, entry: Entry, error: UpstreamUnavailable) -> None:
        self._crashes[entry.id] += 1
        now = self._catalog.get(entry.id)
        if self._crashes[entry.id] >= _CRASHES and now is not None and now.state in (State.LOADING, State.CANARY):
            why = Rejected(
                "engine_crash", f"the engine ended while it loaded it: {error.message}", "see the engine's log"
            )
            self._versions.quarantine(entry.info.name, entry.info.version, why)
        elif now is not None and now.state is State.CANARY:
            self._catalog.put(now.moved(State.LOADING))
        await asyncio.sleep(_REAP_S)

    async def _unload_all(self) -> None:
        while True:
            await asyncio.sleep(_REAP_S)
            await self._free_leftovers()
            await self._reap()

    async def _reap(self) -> None:
        """Unload drained versions: those nobody uses, and those past their deadline."""
        now_s = monotonic_s()
        for id, after_s in list(self._draining.items()):
            free = not self._residency.leases(id) and now_s >= after_s
            if id != self._loading and (free or now_s >= after_s + self._drain_s):
                async with self._engine_change:
                    if id not in self._draining:
                        continue
                    cut = self._residency.revoke(id)
                    self._versions.retire(id)
                    await self._unload(id)
                if cut:
                    _log.warning("requests cut off at the end of drain_s id=%s requests=%s", id, cut)
                _log.info("adapter unloaded id=%s", id)

    async def _unload(self, id: str) -> None:
        try:
            await self._engine.unload(id)
        except UpstreamUnavailable:
            pass  # it ended, and with it all that it held
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
                entry = self._catalog.get(id)
                if entry is None or entry.state not in LOADED:
                    await self._unload(id)
