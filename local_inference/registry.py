"""What must outlive this process about adapters: their versions, which one a name means, what was ordered. Pure values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

import msgspec
from msgspec.structs import replace

from local_inference.rollout import Tally
from router.core.adapters import AdapterInfo


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """One version whose files are in the store."""

    sha256: str
    info: AdapterInfo
    signer: str = ""
    """Fingerprint of the trusted key that signed it; "" = none was asked for."""


class Refusal(msgspec.Struct, frozen=True):
    """Why the engine doesn't get a version again."""

    reason: str
    message: str
    fix: str


class Tried(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A version is on trial against the current one, and this was counted so far."""

    name: str
    version: str
    old: str
    elapsed_s: float
    """How long it is on trial, the host's own absences left out."""
    new_tally: Tally = Tally()
    old_tally: Tally = Tally()


class Adapter(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known under one name."""

    name: str
    versions: tuple[Kept, ...] = ()
    """Oldest first."""
    history: tuple[str, ...] = ()
    """Versions that the name has meant, each once, in the order of their last turn; the last is the current one."""
    wanted: str = ""
    """What the folder holds: current already, on its way, or `held`."""
    held: bool = False
    """Whether the wanted version was rolled back from: it isn't made current again until the folder changes."""
    pinned: bool | None = None
    """None = as the card says."""
    disabled: bool = False
    refusals: dict[str, Refusal] = {}
    trial: Tried | None = None

    @property
    def current(self) -> str:
        """The version that the bare name means; "" before the first was ready."""
        return self.history[-1] if self.history else ""

    def kept(self, version: str) -> Kept | None:
        return next((one for one in self.versions if one.info.version == version), None)


class Stored(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A folder's content is in the store, or has a new card."""

    name: str
    kept: Kept
    wanted: bool = True
    """Whether the folder holds it now."""


class BecameCurrent(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A name means a version from now on."""

    name: str
    version: str


class RolledBack(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A name means an earlier version again, whatever the folder holds."""

    name: str
    version: str


class Ordered(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Somebody set a switch; None = as it was."""

    name: str
    pinned: bool | None = None
    disabled: bool | None = None


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The engine, or the canary, turned a version down; `refusal` None = it may be tried again."""

    name: str
    version: str
    refusal: Refusal | None


class Forgot(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A version was given up."""

    name: str
    version: str


class Removed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The folder is gone, and with it all versions and orders, but for `disabled`."""

    name: str


Record: TypeAlias = Stored | BecameCurrent | RolledBack | Ordered | Refused | Forgot | Removed | Tried
Adapters: TypeAlias = Mapping[str, Adapter]


def apply(adapters: Adapters, record: Record) -> dict[str, Adapter]:
    """Take one step; a record about a name or version that is unknown changes nothing.

    That a name is disabled outlives its folder: it was to serve no more, whatever comes under it.
    """
    changed = dict(adapters)
    empty = Adapter(name=record.name)
    known = adapters.get(record.name)
    if isinstance(record, Removed):
        changed[record.name] = replace(empty, disabled=known is not None and known.disabled)
    elif isinstance(record, Stored):
        changed[record.name] = _stored(known or empty, record.kept, wanted=record.wanted)
    elif known is not None or (isinstance(record, Ordered) and record.disabled):
        changed[record.name] = _next(known or empty, record)
    if changed.get(record.name) == empty:
        del changed[record.name]
    return changed


def _stored(adapter: Adapter, kept: Kept, *, wanted: bool) -> Adapter:
    version = kept.info.version
    others = tuple(one for one in adapter.versions if one.info.version != version)
    same = adapter.kept(version)
    # A version keeps its place when only its card changed.
    versions = (*others, kept) if same is None else tuple(kept if one is same else one for one in adapter.versions)
    if not wanted:
        return replace(adapter, versions=versions)
    held = adapter.held and adapter.wanted == version
    trial = adapter.trial if adapter.trial is not None and adapter.trial.version == version else None
    return replace(adapter, versions=versions, wanted=version, held=held, trial=trial)


def _next(adapter: Adapter, record: BecameCurrent | RolledBack | Ordered | Refused | Forgot | Tried) -> Adapter:
    if isinstance(record, Tried):
        return replace(adapter, trial=record) if {record.version, record.old} <= _known(adapter) else adapter
    if isinstance(record, Ordered):
        pinned = adapter.pinned if record.pinned is None else record.pinned
        disabled = adapter.disabled if record.disabled is None else record.disabled
        return replace(adapter, pinned=pinned, disabled=disabled, trial=None if disabled else adapter.trial)
    version = record.version
    if isinstance(record, Refused):
        refusals = {key: value for key, value in adapter.refusals.items() if key != version}
        if record.refusal is not None:
            refusals[version] = record.refusal
            adapter = _without_trial_of(adapter, version)
        return replace(adapter, refusals=refusals)
    others = tuple(one for one in adapter.history if one != version)
    if isinstance(record, Forgot):
        return replace(
            _without_trial_of(adapter, version),
            versions=tuple(one for one in adapter.versions if one.info.version != version),
            history=others,
            refusals={key: value for key, value in adapter.refusals.items() if key != version},
        )
    if adapter.kept(version) is None:
        return adapter
    if isinstance(record, BecameCurrent) and version == adapter.current:
        return adapter  # it is so again, after a restart
    held = adapter.wanted != version if isinstance(record, RolledBack) else adapter.held
    return replace(adapter, history=(*others, version), held=held, trial=None)


def _known(adapter: Adapter) -> set[str]:
    return {one.info.version for one in adapter.versions}


def _without_trial_of(adapter: Adapter, version: str) -> Adapter:
    trial = adapter.trial
    return replace(adapter, trial=None) if trial is not None and version in (trial.version, trial.old) else adapter


def before(adapter: Adapter) -> str:
    """Find the version that a name meant before its current one; "" = none is kept."""
    return next((version for version in reversed(adapter.history[:-1]) if adapter.kept(version)), "")


def surplus(adapter: Adapter, most: int, busy: Iterable[str] = ()) -> tuple[str, ...]:
    """List the versions to give up so that `most` are left, least recently current first; never the current, the
    wanted or a `busy` one."""
    spared = {adapter.current, adapter.wanted, *busy}
    turn = {version: index for index, version in enumerate(adapter.history)}
    known = [one.info.version for one in adapter.versions]
    spare = sorted((one for one in known if one not in spared), key=lambda one: turn.get(one, -1))
    return tuple(spare[: max(0, len(known) - most)])


def records_of(adapter: Adapter) -> tuple[Record, ...]:
    """Write an adapter down as the shortest list of records that makes it again."""
    name = adapter.name
    made: list[Record] = [
        Stored(name=name, kept=kept, wanted=kept.info.version == adapter.wanted) for kept in adapter.versions
    ]
    turn = RolledBack if adapter.held else BecameCurrent
    made += [turn(name=name, version=version) for version in adapter.history]
    if adapter.pinned is not None or adapter.disabled:
        made.append(Ordered(name=name, pinned=adapter.pinned, disabled=adapter.disabled))
    made += [
        Refused(name=name, version=version, refusal=refusal) for version, refusal in sorted(adapter.refusals.items())
    ]
    if adapter.trial is not None:
        made.append(adapter.trial)
    return tuple(made)
