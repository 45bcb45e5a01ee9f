"""What an administrator may order about one adapter; each order is on the disk before it is answered."""

from __future__ import annotations

import asyncio

from local_inference.catalog import LOADED, Entry, State
from local_inference.lifecycle import Lifecycle
from local_inference.registry import Adapter, Ordered, before
from local_inference.traffic import Traffic
from router.core.errors import AdapterIncompatible, AdapterNotFound, InvalidRequest, RecordUnavailable
from router.core.plugin import nearest

_MAY_SERVE = frozenset({State.READY, State.CANARY, State.LOADING, State.STORED})


class Operations:
    """Takes orders by `<name>` or `<name>@<version>`. What an order asks for may still be under way when it returns."""

    def __init__(self, lifecycle: Lifecycle, traffic: Traffic) -> None:
        self._lifecycle = lifecycle
        self._catalog = lifecycle.catalog
        self._journal = lifecycle.journal
        self._traffic = traffic

    async def roll_back(self, target: str) -> None:
        """Let a name mean the version before, or the one that is given; no file moves.

        One that isn't loaded is loaded first; until then the name means what it meant.

        Raises:
            AdapterNotFound, AdapterIncompatible: no such version is kept, or the engine refused it.
            InvalidRequest: there is none before.
        """
        adapter, version = self._known(target)
        name = adapter.name
        if adapter.disabled:
            raise InvalidRequest(f"adapter '{name}' is disabled; enable it first")
        on_trial = self._lifecycle.trials.of(name) is not None
        version = version or (adapter.current if on_trial else before(adapter))
        if not version:
            raise InvalidRequest(f"no earlier version of '{name}' is kept")
        entry = self._catalog.get(f"{name}@{version}")
        if entry is None or entry.state not in _MAY_SERVE:
            why = (
                f"{entry.info.reason}: {entry.info.message}"
                if entry is not None and entry.info.reason
                else "it is gone"
            )
            raise AdapterIncompatible(f"'{name}@{version}' can't serve: {why}")
        try:
            self._lifecycle.roll_back(entry.id)
        except OSError as error:
            raise _unwritten(error) from None
        await self._sync()

    async def pin(self, target: str, *, pinned: bool) -> None:
        """Keep an adapter in memory, or don't any more."""
        await self._order(Ordered(name=self._known(target)[0].name, pinned=pinned))
        self._lifecycle.pins_changed()

    async def disable(self, target: str) -> None:
        """Serve an adapter no more, whatever its folder holds, until it is enabled. Running requests end first."""
        name = self._known(target)[0].name
        await self._order(Ordered(name=name, disabled=True))
        if not self._journal.get(name).disabled:
            return  # enabled again while this was written down
        self._lifecycle.withdraw(name)
        for entry in self._catalog.versions(name):
            if entry.state in LOADED:
                self._lifecycle.loader.drain(entry)
            elif entry.state is State.STORED:
                self._catalog.put(entry.moved(State.DISABLED))

    async def enable(self, target: str) -> None:
        """Serve an adapter again; it is loaded and proven anew."""
        name = self._known(target)[0].name
        await self._order(Ordered(name=name, disabled=False))
        if self._journal.get(name).disabled:
            return
        for entry in self._catalog.versions(name):
            if entry.state in (State.DISABLED, State.DRAINING) and self._is_kept(entry):
                self._lifecycle.loader.load_again(entry)

    async def rescan(self, target: str) -> None:
        """Check an adapter's folder again as if it had just changed; also one that was turned down."""
        name = target.partition("@")[0]
        if not self._catalog.versions(name):
            raise self._not_found(name)
        self._lifecycle.look_again(name)

    async def vote(self, target: str, *, good: bool) -> None:
        """Count what somebody thought of an answer; a version on trial is judged by it."""
        adapter, version = self._known(target)
        self._traffic.voted(f"{adapter.name}@{version or adapter.current}", good=good)

    def _known(self, target: str) -> tuple[Adapter, str]:
        name, _, version = target.partition("@")
        adapter = self._journal.adapters.get(name)
        if adapter is None:
            raise self._not_found(name)
        if version and adapter.kept(version) is None:
            kept = ", ".join(one.info.version for one in adapter.versions)
            raise AdapterNotFound(f"'{name}' has no such version; kept are: {kept}", param="version")
        return adapter, version

    def _is_kept(self, entry: Entry) -> bool:
        return self._journal.get(entry.info.name).kept(entry.info.version) is not None

    def _not_found(self, name: str) -> AdapterNotFound:
        names = sorted({entry.info.name for entry in self._catalog.all()})
        return AdapterNotFound(f"there is no such adapter{nearest(name, names)}")

    async def _order(self, order: Ordered) -> None:
        try:
            self._journal.append(order)
        except OSError as error:
            raise _unwritten(error) from None
        await self._sync()

    async def _sync(self) -> None:
        try:
            await asyncio.to_thread(self._journal.sync)
        except OSError as error:
            raise _unwritten(error) from None


def _unwritten(error: OSError) -> RecordUnavailable:
    return RecordUnavailable(f"the registry of adapters can't be written: {error.strerror}")
