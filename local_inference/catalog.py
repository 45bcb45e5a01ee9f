"""Every adapter version, the state it is in and which one its name means: a pure state machine, no I/O and no clock."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

import msgspec
from msgspec.structs import replace

from router.core.adapters import AdapterCard, AdapterInfo, AdapterListing
from router.core.errors import AdapterIncompatible, AdapterNotFound, AdapterNotReady, InternalError
from router.core.plugin import nearest


class State(StrEnum):
    """Where an adapter version is in its life."""

    COPYING = "copying"
    CHECKING = "checking"
    STORED = "stored"
    LOADING = "loading"
    CANARY = "canary"
    READY = "ready"
    DRAINING = "draining"
    DISABLED = "disabled"
    QUARANTINED = "quarantined"


_NEXT: dict[State, frozenset[State]] = {
    State.COPYING: frozenset({State.COPYING, State.CHECKING, State.QUARANTINED}),
    State.CHECKING: frozenset({State.COPYING, State.CHECKING, State.QUARANTINED}),
    State.STORED: frozenset({State.LOADING, State.DISABLED, State.QUARANTINED}),
    State.LOADING: frozenset({State.CANARY, State.READY, State.DRAINING, State.QUARANTINED}),
    State.CANARY: frozenset({State.READY, State.STORED, State.LOADING, State.DRAINING, State.QUARANTINED}),
    State.READY: frozenset({State.READY, State.STORED, State.LOADING, State.DRAINING, State.QUARANTINED}),
    State.DRAINING: frozenset({State.LOADING, State.DISABLED}),
    State.DISABLED: frozenset({State.STORED}),
    State.QUARANTINED: frozenset({State.STORED, State.COPYING, State.CHECKING, State.QUARANTINED, State.DISABLED}),
}
"""Any state may also end: `Catalog.drop`."""

_FIRST = frozenset({State.COPYING, State.CHECKING, State.STORED, State.QUARANTINED, State.DISABLED})
_BUSY = frozenset({State.COPYING, State.CHECKING, State.STORED, State.LOADING, State.CANARY})
_UNSETTLED = frozenset({State.COPYING, State.CHECKING, State.QUARANTINED})
LOADED = frozenset({State.LOADING, State.CANARY, State.READY, State.DRAINING})
"""States in which the engine may know the adapter."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One adapter version. A version is "" until its content was hashed."""

    info: AdapterInfo
    path: Path | None = None
    """Its place in the store."""

    @property
    def id(self) -> str:
        return self.info.id

    @property
    def state(self) -> State:
        return State(self.info.state)

    def moved(self, state: State, load_ms: float | None = None) -> Entry:
        """Make the same version in another state."""
        load_ms = self.info.load_ms if load_ms is None else load_ms
        return replace(self, info=replace(self.info, state=state.value, load_ms=load_ms))


class Catalog:
    """All adapter versions by id. `revision` grows with every change, and `on_change` is called."""

    def __init__(self, on_change: Callable[[], None] = lambda: None) -> None:
        self.revision = 0
        self._entries: dict[str, Entry] = {}
        self._current: dict[str, str] = {}
        self._on_change = on_change

    def get(self, id: str) -> Entry | None:
        return self._entries.get(id)

    def all(self) -> tuple[Entry, ...]:
        """List every version, oldest first."""
        return tuple(self._entries.values())

    def versions(self, name: str) -> tuple[Entry, ...]:
        return tuple(entry for entry in self._entries.values() if entry.info.name == name)

    def current(self, name: str) -> Entry | None:
        """Find the version that a bare name means."""
        id = self._current.get(name)
        return self._entries.get(id) if id is not None else None

    def put(self, entry: Entry) -> None:
        """Add a version, or move it on.

        Raises:
            InternalError: no such step exists.
        """
        known = self._entries.get(entry.id)
        if known == entry:
            return
        if entry.state not in (_NEXT[known.state] if known else _FIRST):
            raise InternalError(f"{entry.id}: no step from {known.state if known else 'nothing'} to {entry.state}")
        self._entries[entry.id] = entry
        self._changed()

    def refresh(self, entry: Entry) -> None:
        """Replace what is known of a version, e.g. its card, without a step; only DRAINING may start LOADING again."""
        if entry.state is not self._entries[entry.id].state:
            self.put(entry)
        elif entry != self._entries[entry.id]:
            self._entries[entry.id] = entry
            self._changed()

    def promote(self, id: str) -> None:
        """Let a READY version's bare name mean it from now on.

        Raises:
            InternalError: it isn't ready.
        """
        entry = self._entries[id]
        if entry.state is not State.READY:
            raise InternalError(f"{id} is {entry.state}, not ready")
        if self._current.get(entry.info.name) != id:
            self._current[entry.info.name] = id
            self._changed()

    def told(self) -> None:
        """Say that something about the versions changed which isn't kept here."""
        self._changed()

    def retire_name(self, name: str) -> None:
        """Let a name mean nothing from now on."""
        if self._current.pop(name, None) is not None:
            self._changed()

    def drop(self, id: str) -> None:
        """Forget a version."""
        entry = self._entries.pop(id, None)
        if entry is None:
            return
        if self._current.get(entry.info.name) == id:
            del self._current[entry.info.name]
        self._changed()

    def resolve(self, model: str, admits: Callable[[AdapterCard], bool] = lambda card: True) -> Entry:
        """Find the version that serves `<name>` or `<name>@<version>`; `admits` says whether the caller may use it.

        Raises:
            AdapterNotFound: no such adapter, or none that the caller may use; names the nearest.
            AdapterIncompatible: it is quarantined; says why and how to mend it.
            AdapterNotReady: it is on its way.
        """
        name, at, _ = model.rpartition("@")
        entry = self._entries.get(model) if at else self._of_name(model)
        if entry is None or (at and entry.state is State.DRAINING and name not in self._current):
            raise self._not_found(model, name)
        if not any(admits(card) for card in self._cards(entry)):
            raise self._not_found(model, entry.info.name)
        return self._serving(entry)

    def is_current(self, entry: Entry) -> bool:
        """Say whether the bare name means this version."""
        return self._current.get(entry.info.name) == entry.id

    def listing(
        self, base_model: str, describe: Callable[[Entry], AdapterInfo], name: str | None = None
    ) -> AdapterListing:
        """Describe all versions, or those of one name; `describe` adds what isn't known here."""
        entries = self._entries.values() if name is None else self.versions(name)
        data = (describe(entry) for entry in entries)
        ordered = sorted(data, key=lambda info: (info.name, info.state, not info.current, info.version))
        return AdapterListing(revision=self.revision, base_model=base_model, data=tuple(ordered))

    def _of_name(self, name: str) -> Entry:
        current = self.current(name)
        if current is not None:
            return current
        versions = [entry for entry in self.versions(name) if entry.state is not State.DRAINING]
        if not versions:
            raise self._not_found(name, name)
        latest = tuple(reversed(versions))
        # Versions that are kept for a way back stand in for no current one.
        telling = [entry for states in (_BUSY, {State.QUARANTINED}) for entry in latest if entry.state in states]
        return telling[0] if telling else latest[0]

    def _cards(self, entry: Entry) -> list[AdapterCard]:
        """List the cards that tell who may know of a version: while a folder is looked at, those of what it held before."""
        versions = self.versions(entry.info.name) if entry.state in _UNSETTLED else ()
        return [one.info.card for one in versions if one.state not in _UNSETTLED] or [entry.info.card]

    def _serving(self, entry: Entry) -> Entry:
        if entry.state in (State.READY, State.DRAINING):
            return entry
        info = entry.info
        if entry.state is State.DISABLED:
            raise AdapterNotFound(
                f"adapter '{info.name}' is disabled; to serve it again: POST /v1/adapters/{info.name}:enable",
                param="model",
            )
        if entry.state is State.QUARANTINED:
            raise AdapterIncompatible(
                f"adapter '{info.name}' can't be used ({info.reason}): {info.message}. To mend it: {info.fix}.",
                param="model",
            )
        detail = f": {info.message}" if info.message and entry.state is State.COPYING else ""
        raise AdapterNotReady(
            f"adapter '{info.name}' is not ready, it is {entry.state.value}{detail}", retry_after_s=1.0
        )

    def _not_found(self, model: str, name: str) -> AdapterNotFound:
        current = self.current(name)
        if current is not None and model != name:
            return AdapterNotFound(f"there is no adapter '{model}'; '{name}' now means '{current.id}'", param="model")
        known = sorted({entry.info.name for entry in self._entries.values() if entry.state is not State.DRAINING})
        return AdapterNotFound(f"there is no adapter '{model}'{nearest(name, ['local/base', *known])}", param="model")

    def _changed(self) -> None:
        self.revision += 1
        self._on_change()
