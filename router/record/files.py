"""Files that only grow: appended to wholly or not at all, and given up for a new one when large or old."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from router.core import clock


class Appender:
    """One open file. Not for use by two threads at once."""

    def __init__(self, path: Path) -> None:
        """Open or make it.

        Raises:
            OSError: it can't be opened.
        """
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
        state = os.fstat(self._file)
        self.size_bytes = state.st_size
        if self.size_bytes == 0:
            _sync_folder(path.parent)
        self._since_unix_s = clock.unix_s() if self.size_bytes == 0 else state.st_mtime
        self._damaged = False

    def append(self, data: bytes, *, sync: bool = False) -> None:
        """Append; after a failure the file is as it was, or is put right before the next try.

        Raises:
            OSError: it could not be written, or not to the disk (`sync`).
        """
        if self._damaged:
            os.ftruncate(self._file, self.size_bytes)
        self._damaged = True
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._file, rest) :]
            if sync:
                os.fdatasync(self._file)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self.size_bytes)
                self._damaged = False
            raise
        self._damaged = False
        self.size_bytes += len(data)

    def is_due(self, max_bytes: int, max_age_s: float) -> bool:
        """Whether it is time for a new file; an empty one never is too old."""
        old = clock.unix_s() - self._since_unix_s >= max_age_s
        return self.size_bytes >= max_bytes or (old and self.size_bytes > 0)

    def close(self) -> None:
        """Close it."""
        os.close(self._file)


def write_whole(path: Path, data: bytes, mode: int = 0o640) -> None:
    """Replace a small file so that a crash leaves the old one or the new one.

    Raises:
        OSError: the old one is still there.
    """
    new = path.with_name(f"{path.name}.new")
    file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(file, rest) :]
        os.fsync(file)
    finally:
        os.close(file)
    new.replace(path)


def _sync_folder(folder: Path) -> None:
    """Make sure that a new file's name outlasts a power cut."""
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
