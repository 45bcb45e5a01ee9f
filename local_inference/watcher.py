"""Sees adapters come, change and go in a folder; polling decides, file system events only wake it earlier."""

from __future__ import annotations

import asyncio
import logging
import math
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

import msgspec
import watchfiles

from local_inference.errors import Rejected
from local_inference.ingest import MAX_FILES, check_name, missing
from local_inference.places import CONFIG, WEIGHTS, find, locate
from router.core.clock import monotonic_s, unix_s

_log = logging.getLogger(__name__)
_SHORTEST_POLL_S = 0.05
_GONE_AFTER = 2
"""Looks without a folder after which it counts as removed; one may fall into a swap of two folders."""

Snapshot: TypeAlias = "tuple[tuple[str, int, int, int, int], ...]"
"""Name, size, mtime, ctime and inode of each entry of a folder; of the folder itself, called "", its mtime alone."""


class Copying(msgspec.Struct, frozen=True):
    """A folder is new, or changes, or isn't complete."""

    name: str
    message: str


class Settled(msgspec.Struct, frozen=True):
    """A folder is complete and nothing in it changed for a while."""

    name: str


class Gone(msgspec.Struct, frozen=True):
    """A folder was removed."""

    name: str


Event: TypeAlias = "Copying | Settled | Gone"


class _Seen(msgspec.Struct):
    snapshot: Snapshot
    changed_s: float
    message: str = ""
    settled: bool = False
    absent: int = 0


class Tracker:
    """Turns looks at a folder into events. `missing` says what a folder still lacks, None = nothing."""

    def __init__(self, *, stable_s: float, missing: Callable[[str], str | None], known: Iterable[str] = ()) -> None:
        """`known` were there when somebody last looked: they count as changed, or as gone."""
        self._stable_s = stable_s
        self._missing = missing
        self._seen: dict[str, _Seen] = {name: _Seen((), 0.0, settled=True) for name in known}

    def look_again(self, name: str) -> None:
        """Treat a folder as if it had just changed."""
        self._seen.pop(name, None)

    @property
    def waiting(self) -> bool:
        """Whether some folder's copy is still going on."""
        return any(not seen.settled for seen in self._seen.values())

    def settles_in_s(self, now_s: float) -> float:
        """Say when at the earliest some folder will have been at rest for long enough."""
        rests = (seen.changed_s + self._stable_s - now_s for seen in self._seen.values() if not seen.settled)
        return min((rest_s for rest_s in rests if rest_s > 0), default=math.inf)

    def step(self, snapshots: Mapping[str, Snapshot], now_s: float, now_unix_s: float = 0.0) -> list[Event]:
        """Take one look at the folder. By `now_unix_s`, a folder that is new here may have been at rest for a while."""
        events = [
            event
            for name, snapshot in snapshots.items()
            for event in self._look(name, snapshot, now_s, _at_rest_s(snapshot, now_unix_s))
        ]
        for name in [name for name in self._seen if name not in snapshots]:
            self._seen[name].absent += 1
            if self._seen[name].absent >= _GONE_AFTER:
                del self._seen[name]
                events.append(Gone(name))
        return events

    def _look(self, name: str, snapshot: Snapshot, now_s: float, at_rest_s: float) -> list[Event]:
        events: list[Event] = []
        seen = self._seen.get(name)
        if seen is None or seen.snapshot != snapshot:
            fresh = seen is None or seen.settled
            message = "being copied" if fresh or seen is None else seen.message
            # What is here already is changed in place or removed, file by file: only two looks tell that it is over.
            seen = self._seen[name] = _Seen(snapshot, now_s if seen else now_s - at_rest_s, message)
            if fresh:
                events.append(Copying(name, message))
        seen.absent = 0
        if seen.settled or now_s - seen.changed_s < self._stable_s:
            return events
        lacks = self._missing(name)
        if lacks is None:
            seen.settled = True
            events.append(Settled(name))
        elif lacks != seen.message:
            seen.message = lacks
            events.append(Copying(name, lacks))
        return events


def look(folder: Path) -> dict[str, Snapshot]:
    """Take a snapshot of every adapter's folder, by the adapter's name.

    Raises:
        OSError: the folder can't be read.
    """
    return {name: _snapshot(path) for name, path in find(folder).items()}


def lacking(folder: Path, name: str) -> str | None:
    """Say what an adapter's folder still lacks; None also for one that is wrong whatever comes."""
    try:
        check_name(name)
    except Rejected:
        return None
    path = locate(folder, name)
    try:
        return None if path.is_symlink() else missing(path)
    except OSError:
        return "can't be read"


class Watcher:
    """Watches one folder until cancelled; events go to `on_event`, in order. `looked` is set after the first look."""

    def __init__(
        self, folder: Path, poll_s: float, on_event: Callable[[Event], None], known: Iterable[str] = ()
    ) -> None:
        self._folder = folder
        self._poll_s = poll_s
        self._on_event = on_event
        self._wake = asyncio.Event()
        self._tracker = Tracker(stable_s=poll_s, missing=lambda name: lacking(folder, name), known=known)
        self._readable = True
        self._is_stray = False
        self._again: set[str] = set()
        self.settled = asyncio.Event()
        """Set once everything that was there at the start is complete or known to be incomplete."""

    def look_again(self, name: str) -> None:
        """Have a folder checked again although nothing in it changed."""
        self._again.add(name)
        self._wake.set()

    async def run(self) -> None:
        """Look again and again."""
        started_s = monotonic_s()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._wake_early())
            while True:
                for event in await asyncio.to_thread(self._step):
                    self._on_event(event)
                if monotonic_s() - started_s > 3 * self._poll_s or (self._readable and not self._tracker.waiting):
                    self.settled.set()
                await self._pause(self._tracker.settles_in_s(monotonic_s()))

    def _step(self) -> list[Event]:
        try:
            snapshots = look(self._folder)
        except OSError as error:  # unreadable is not empty: nothing is taken for removed
            if self._readable:
                _log.warning("adapters folder unreadable path=%s error=%s", self._folder, error.strerror)
            self._readable = False
            return []
        self._readable = True
        is_stray = any((self._folder / name).exists() for name in (CONFIG, WEIGHTS))
        if is_stray and not self._is_stray:
            _log.warning("an adapter's files lie in %s itself: put them into a folder of its own", self._folder)
        self._is_stray = is_stray
        while self._again:
            self._tracker.look_again(self._again.pop())
        return self._tracker.step(snapshots, monotonic_s(), unix_s())

    async def _pause(self, settles_in_s: float) -> None:
        await asyncio.sleep(_SHORTEST_POLL_S)
        with suppress(TimeoutError):
            rest_s = min(self._poll_s, settles_in_s) - _SHORTEST_POLL_S
            await asyncio.wait_for(self._wake.wait(), max(0.0, rest_s))
        self._wake.clear()

    async def _wake_early(self) -> None:
        try:
            async for _ in watchfiles.awatch(self._folder, step=50, debounce=200, watch_filter=None):  # pyright: ignore[reportUnknownMemberType]
                self._wake.set()
        except Exception as error:  # noqa: BLE001 events only save time: whatever ends them, polling goes on
            _log.info("no file system events, polling alone path=%s error=%s", self._folder, type(error).__name__)


def _at_rest_s(snapshot: Snapshot, now_unix_s: float) -> float:
    """Say for how long nothing in a folder changed, by times of change that nobody can set; 0 where that can't be told.

    A folder that is renamed in keeps them. Another machine's clock may be ahead; one that is behind makes a file look
    older than it is, which the check that nothing changed while it was read answers for.
    """
    changed_ns = [max(mtime_ns, ctime_ns) for _, _, mtime_ns, ctime_ns, _ in snapshot]
    return max(0.0, now_unix_s - max(changed_ns) / 1e9) if len(changed_ns) > 1 else 0.0


def _snapshot(folder: Path) -> Snapshot:
    facts: list[tuple[str, int, int, int, int]] = []
    try:
        at = folder.lstat()
        if folder.is_symlink():
            return (("", 0, 0, 0, at.st_ino),)
        facts.append(("", 0, at.st_mtime_ns, 0, 0))
        with os.scandir(folder) as entries:
            for entry in entries:
                if len(facts) > MAX_FILES:
                    break
                at = entry.stat(follow_symlinks=False)
                facts.append((entry.name, at.st_size, at.st_mtime_ns, at.st_ctime_ns, at.st_ino))
    except OSError:
        pass  # it changes under our eyes; the next look sees what it became
    return tuple(sorted(facts))
