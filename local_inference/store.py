"""Keeps immutable copies of adapters, each under the hash of its content; the engine reads nothing else.

Nobody waits until the disk has a copy: on a busy disk that takes seconds. A killed process loses nothing by it; where the
whole machine fails, what was stored in the last half minute may be incomplete. Its hash, looked at before another process
loads it, tells, and it is copied again.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Callable, Generator, Set
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from local_inference.errors import Rejected
from local_inference.places import CONFIG, SUMS, WEIGHTS

_FILES = (CONFIG, WEIGHTS)
_CHUNK_BYTES = 8 * 1024 * 1024
"""Large, for after each step of a chunk this thread has to wait for its turn beside a busy event loop."""
_INCOMING = ".incoming"
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Copy(msgspec.Struct, frozen=True):
    """A copy of an adapter's files: in the store already, or still to be kept or dropped."""

    sha256: str
    path: Path
    sums: dict[str, str] = {}
    """SHA-256 of each file by its name, where there is a list to compare it with."""


class ChangedWhileRead(OSError):
    """Somebody wrote to a file while it was read; what was read is neither its old content nor its new."""


class Store:
    """Content-addressed folders below one root, which belongs to this process alone."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def open(self) -> None:
        """Create the root; clear what an earlier process left half done."""
        shutil.rmtree(self._root / _INCOMING, ignore_errors=True)
        (self._root / _INCOMING).mkdir(parents=True)

    def take(self, folder: Path, unwanted: Callable[[], bool] = lambda: False, *, known: bool = True) -> Copy:
        """Copy an adapter's files, hashing on the way, unless the store has that content.

        `unwanted` is asked again and again; once it says so, the copy is given up. What isn't `known` is copied
        without looking first whether the store has it: that costs a reading more.

        Raises:
            Rejected: symlink, special_file.
            ChangedWhileRead: it isn't finished after all.
            OSError: a file vanished, or the disk is full.
        """
        if known and self._may_have(folder):
            sha256, sums = _transfer(folder, None, unwanted)
            if (self._root / sha256).is_dir():
                return Copy(sha256, self._root / sha256, sums)
        incoming = Path(tempfile.mkdtemp(dir=self._root / _INCOMING))
        try:
            sha256, sums = _transfer(folder, incoming, unwanted)
        except BaseException:
            shutil.rmtree(incoming, ignore_errors=True)
            raise
        return Copy(sha256, incoming, sums)

    def _may_have(self, folder: Path) -> bool:
        """Say whether some version has weights of the same size: then they are hashed before they are copied."""
        size = (folder / WEIGHTS).lstat().st_size
        return any(path.lstat().st_size == size for path in self._root.glob(f"*/{WEIGHTS}"))

    def path(self, sha256: str) -> Path:
        """Say where a version's files lie, if they do."""
        return self._root / sha256

    def is_whole(self, sha256: str) -> bool:
        """Hash a version's files again. Blocking."""
        try:
            return _transfer(self._root / sha256, None)[0] == sha256
        except (OSError, Rejected):
            return False

    def sweep(self, wanted: Set[str]) -> None:
        """Delete all versions but the wanted ones. Blocking; nothing may be taken meanwhile."""
        for entry in self._root.iterdir():
            if _SHA256.fullmatch(entry.name) and entry.name not in wanted:
                self.discard(entry.name)

    def discard(self, sha256: str) -> None:
        """Delete a version. Blocking."""
        doomed = Path(tempfile.mkdtemp(dir=self._root / _INCOMING))
        with suppress(FileNotFoundError):
            (self._root / sha256).rename(doomed / sha256)  # never half a version under its name
        shutil.rmtree(doomed, ignore_errors=True)

    def keep(self, copy: Copy) -> Path:
        """Give a checked copy its place; return its absolute path."""
        final = self._root / copy.sha256
        if copy.path == final:
            return final
        try:
            copy.path.rename(final)
        except OSError:
            if not final.is_dir():
                raise
            self.drop(copy)  # another folder brought the same content a moment ago
        return final

    def drop(self, copy: Copy) -> None:
        """Delete a copy that was not kept."""
        if copy.path.parent.name == _INCOMING:
            shutil.rmtree(copy.path, ignore_errors=True)


def read_small(folder: Path, name: str, most_bytes: int) -> bytes | None:
    """Read up to one byte more than `most_bytes` of a folder's file; None if there is no such file.

    Raises:
        Rejected: symlink, special_file.
        OSError: it is there and can't be read.
    """
    try:
        with _open_regular(folder, name) as file:
            return file.read(most_bytes + 1)
    except FileNotFoundError:
        return None


def hashes(folder: Path) -> tuple[str, dict[str, str]]:
    """Hash an adapter's files where they lie: all together, and each. Blocking.

    Raises:
        As `Store.take`.
    """
    return _transfer(folder, None)


def _transfer(
    folder: Path, to: Path | None, unwanted: Callable[[], bool] = lambda: False
) -> tuple[str, dict[str, str]]:
    """Hash an adapter's files, each only where it has a list of sums, and copy them where `to` is given."""
    digest = hashlib.sha256()
    is_listed = (folder / SUMS).exists()
    sums: dict[str, str] = {}
    for name in _FILES:
        with _open_regular(folder, name) as source:
            before = _state(source)
            digest.update(f"{name}\0{before.size}\0".encode())
            own = hashlib.sha256()
            with _target(to, name) as target:
                while chunk := source.read(_CHUNK_BYTES):
                    if unwanted():
                        raise ChangedWhileRead(errno.ECANCELED, f"{name} isn't wanted any more")
                    digest.update(chunk)
                    if is_listed:
                        own.update(chunk)
                    if target is not None:
                        target.write(chunk)
            if _state(source) != before:
                raise ChangedWhileRead(errno.EAGAIN, f"{name} changed while it was read")
            if is_listed:
                sums[name] = own.hexdigest()
    return digest.hexdigest(), sums


class _State(NamedTuple):
    """What changes when a file is written to; the change time can't be set back by anybody."""

    size: int
    mtime_ns: int
    ctime_ns: int


def _state(file: BinaryIO) -> _State:
    at = os.fstat(file.fileno())
    return _State(at.st_size, at.st_mtime_ns, at.st_ctime_ns)


@contextmanager
def _open_regular(folder: Path, name: str) -> Generator[BinaryIO]:
    """Open a regular file that really lies in the folder: no link is followed on the last three steps, for an adapter may lie
    in another's folder, which somebody can put a link in the place of while it is read."""
    real = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    try:
        parent = os.open(folder.parent, real)
        try:
            directory = os.open(folder.name, real, dir_fd=parent)
        finally:
            os.close(parent)
    except NotADirectoryError:
        raise Rejected("symlink", f"'{folder.name}' is not a real folder", "copy the folder itself") from None
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
    finally:
        os.close(directory)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Rejected("special_file", f"'{name}' is not a regular file", "delete it")
    with os.fdopen(descriptor, "rb") as file:
        yield file


@contextmanager
def _target(to: Path | None, name: str) -> Generator[BinaryIO | None]:
    if to is None:
        yield None
        return
    with (to / name).open("xb") as file:
        yield file
    (to / name).chmod(0o444)
