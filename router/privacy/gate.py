"""Decides in microseconds which expressions may match a text at all; the real matching is left to Presidio."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.metadata
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from router.privacy.loosen import least_digits, loosen

CHUNK = 32
"""Expressions per database: Hyperscan's compile time grows faster than their number, its scan time hardly falls."""
DIGITS = (8, 5, 1, 0)
"""Expressions that need so many digits have databases of their own, which a text with fewer isn't scanned with."""
FILES = "gate-*.hsdb"
KEPT = 8
"""Files of other rule sets that are kept beside one's own."""
_MAGIC = b"sona-router gate 2\n"
_HASH_BYTES = 32


class Compiled(NamedTuple):
    """A gate as it is kept and sent: serialised databases with the digits a text must have for them, and the indexes of the expressions that are in none."""

    databases: list[tuple[int, bytes]]
    always: list[int]


class Gate:
    """Hyperscan databases over all expressions, as a superset filter: it may say yes in vain, never no in vain.

    It is meant for normalised texts (see `views`). Where Hyperscan isn't available, and for expressions that it can't
    compile, the answer is always yes.
    """

    def __init__(self, expressions: Sequence[str], folder: Path | None = None) -> None:
        """Compile the expressions, or load what was compiled of the very same ones into `folder` before."""
        self._always: set[int] = set()
        self._databases: list[tuple[int, Any]] = []
        hyperscan = _hyperscan()
        if hyperscan is None:
            self._always.update(range(len(expressions)))
            return
        rules = _hash(expressions)
        path = None if folder is None else folder / FILES.replace("*", rules.hex()[:16])
        if path is None or not self._load(hyperscan, _read(path, rules)):
            compiled = _compile_all(hyperscan, expressions)
            self._load(hyperscan, compiled)
            if path is not None:
                _write(path, rules, compiled)

    @classmethod
    def of(cls, compiled: Compiled) -> Gate:
        """Make a gate of what another process compiled.

        Raises:
            RuntimeError: Hyperscan isn't there or can't load it.
        """
        gate, hyperscan = cls(()), _hyperscan()
        if hyperscan is None or not gate._load(hyperscan, compiled):
            raise RuntimeError("the gate can't be loaded")
        return gate

    @property
    def compiled(self) -> Compiled:
        """What `of` makes it of again."""
        hyperscan = _hyperscan()
        return Compiled(
            [(least, hyperscan.dumpb(database)) for least, database in self._databases], sorted(self._always)
        )

    @property
    def ungated(self) -> frozenset[int]:
        """Indexes of the expressions that are never filtered out."""
        return frozenset(self._always)

    def hits(self, text: str) -> set[int]:
        """Return the indexes of all expressions that may match; a superset of those that do."""
        found = set(self._always)
        data = text.encode(errors="replace")
        digits = len(data) - len(data.translate(None, b"0123456789"))

        def note(index: int, _start: int, _end: int, _flags: int, _context: object) -> None:
            found.add(index)

        for least, database in self._databases:
            if digits >= least:
                database.scan(data, match_event_handler=note)
        return found

    def _load(self, hyperscan: Any, compiled: Compiled | None) -> bool:
        """Make databases ready to scan; say whether all of them are."""
        if compiled is None:
            return False
        try:
            databases = [(least, hyperscan.loadb(data, hyperscan.HS_MODE_BLOCK)) for least, data in compiled.databases]
            for _, database in databases:
                database.scratch = hyperscan.Scratch(database)
        except hyperscan.HyperscanError:  # made on another kind of processor
            return False
        self._databases, self._always = databases, set(compiled.always)
        return True


def _hyperscan() -> Any:
    """Import Hyperscan, if it is there."""
    try:
        return importlib.import_module("hyperscan")
    except ImportError:
        return None


def _hash(expressions: Sequence[str]) -> bytes:
    """Hash all that a database depends on."""
    version = importlib.metadata.version("hyperscan")
    return hashlib.sha256(msgspec.msgpack.encode((version, CHUNK, list(map(loosen, expressions))))).digest()


def _read(path: Path, rules: bytes) -> Compiled | None:
    """Read a file, unless there is none, it belongs to other expressions, or a single bit of it is wrong."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    head = len(_MAGIC) + 2 * _HASH_BYTES
    body = data[head:]
    if data[:head] != _MAGIC + rules + hashlib.sha256(body).digest():
        return None
    return msgspec.msgpack.decode(body, type=Compiled)


def _write(path: Path, rules: bytes, compiled: Compiled) -> None:
    """Write a file as a whole or not at all; a folder that can't be written to costs only time at the next start."""
    body = msgspec.msgpack.encode(compiled)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_MAGIC + rules + hashlib.sha256(body).digest() + body)
            os.replace(name, path)
        except OSError:
            os.unlink(name)
        others = sorted(path.parent.glob(FILES), key=lambda file: file.stat().st_mtime, reverse=True)
        for old in others[KEPT + 1 :]:
            old.unlink(missing_ok=True)


def _compile_all(hyperscan: Any, expressions: Sequence[str]) -> Compiled:
    compiled = Compiled([], [])
    groups: dict[int, list[int]] = {least: [] for least in DIGITS}
    for index, expression in enumerate(expressions):
        digits = least_digits(loosen(expression))
        groups[next(least for least in DIGITS if digits >= least)].append(index)
    for least, indexes in groups.items():
        for first in range(0, len(indexes), CHUNK):
            chunk = indexes[first : first + CHUNK]
            together = _compile(hyperscan, expressions, chunk)
            if together is not None:
                compiled.databases.append((least, together))
                continue
            for index in chunk:
                alone = _compile(hyperscan, expressions, [index])
                if alone is None:
                    compiled.always.append(index)
                else:
                    compiled.databases.append((least, alone))
    return compiled


def _compile(hyperscan: Any, expressions: Sequence[str], indexes: Sequence[int]) -> bytes | None:
    """Compile some expressions to a database; None if one of them can't be."""
    flags = (
        hyperscan.HS_FLAG_PREFILTER | hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_CASELESS
        | hyperscan.HS_FLAG_MULTILINE | hyperscan.HS_FLAG_DOTALL | hyperscan.HS_FLAG_ALLOWEMPTY
    )  # fmt: skip
    database = hyperscan.Database()
    try:
        database.compile([loosen(expressions[i]).encode() for i in indexes], ids=list(indexes), flags=flags)
    except hyperscan.HyperscanError:
        return None
    return hyperscan.dumpb(database)
