"""The registry's file: one checksummed line a change, appended before the change is made; a torn last line is cut off."""

from __future__ import annotations

import logging
import os
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

import msgspec

from local_inference.registry import Adapter, Record, apply, records_of

_log = logging.getLogger(__name__)
_NAME = "registry.jsonl"
_MOST_GROWTH, _LEAST_BYTES = 8, 4 * 1024 * 1024
"""A file that grew to so many times its shortest form, and beyond so many bytes, is written anew."""
_RECORD = msgspec.json.Decoder(Record)


class Journal:
    """Holds the registry and its file. A change that can't be written isn't made.

    A killed process loses nothing that was appended; `sync` makes it outlast the machine too.
    """

    def __init__(self, root: Path, write: Callable[[int, bytes], int] = os.write) -> None:
        """Open nothing yet. `write` is how bytes reach a file."""
        self._path = root / _NAME
        self._write = write
        self._file = self._last = -1
        self._end = 0
        self._limit = 0
        self._adapters: dict[str, Adapter] = {}

    @property
    def adapters(self) -> dict[str, Adapter]:
        """The registry by name."""
        return self._adapters

    def get(self, name: str) -> Adapter:
        """Find what is known under a name; nothing, if it is new."""
        return self._adapters.get(name) or Adapter(name=name)

    def open(self) -> None:
        """Read the file, and write it anew in its shortest form; one with a damaged line is kept aside.

        Raises:
            OSError: it can't be read or written.
        """
        records, is_whole = _read(self._path)
        for record in records:
            self._adapters = apply(self._adapters, record)
        if not is_whole:
            shutil.copyfile(self._path, self._path.with_suffix(".damaged"))
        self._write_anew()

    def _write_anew(self) -> None:
        """Put the shortest form in the file's place; whoever is killed meanwhile leaves the one or the other."""
        draft = self._path.with_suffix(".new")
        file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
        records = [record for adapter in self._adapters.values() for record in records_of(adapter)]
        try:
            self._put(file, b"".join(map(_line, records)))
            os.fsync(file)
            draft.rename(self._path)
            _sync_folder(self._path.parent)
        except OSError:
            os.close(file)
            raise
        _close(self._last)
        self._last = self._file  # a thread may be waiting for the disk to have it
        self._file, self._end = file, os.fstat(file).st_size
        self._limit = max(_LEAST_BYTES, _MOST_GROWTH * self._end)

    def append(self, record: Record) -> None:
        """Write a change down, then make it; a change that changes nothing isn't written.

        Raises:
            OSError: it can't be written, and isn't made.
        """
        changed = apply(self._adapters, record)
        if changed == self._adapters:
            return
        line = _line(record)
        try:
            self._put(self._file, line)
        except OSError:
            os.ftruncate(self._file, self._end)  # what comes later mustn't stand behind half a line
            raise
        self._end += len(line)
        self._adapters = changed
        if self._end > self._limit:
            try:
                self._write_anew()
            except OSError as error:
                self._limit *= 2
                _log.warning("the registry can't be shortened: %s", error.strerror)

    def sync(self) -> None:
        """Wait until the disk has it all. Blocking."""
        os.fsync(self._file)

    def close(self) -> None:
        """Close the file."""
        for file in (self._file, self._last):
            _close(file)
        self._file = self._last = -1

    def _put(self, file: int, data: bytes) -> None:
        while data:
            data = data[self._write(file, data) :]


def _close(file: int) -> None:
    if file >= 0:
        os.close(file)


def _line(record: Record) -> bytes:
    data = msgspec.json.encode(record)
    return b"%08x %b\n" % (zlib.crc32(data), data)


def _read(path: Path) -> tuple[list[Record], bool]:
    """Read the records up to the first that is damaged; and whether none is. A last line without its end never was one."""
    records: list[Record] = []
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return records, True
    for number, line in enumerate(lines[:-1], 1):
        checksum, _, data = line.partition(b" ")
        try:
            if int(checksum, 16) != zlib.crc32(data):
                raise ValueError
            records.append(_RECORD.decode(data))
        except ValueError:  # also what msgspec raises
            _log.error("line %d of %s is damaged: what stands behind it is lost, see registry.damaged", number, path)
            return records, False
    return records, True


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
