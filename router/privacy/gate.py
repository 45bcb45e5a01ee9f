"""Decides in microseconds which expressions may match a text at all; the real matching is left to Presidio."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from router.privacy.loosen import loosen

CHUNK = 32
"""Expressions per database: Hyperscan's compile time grows much faster than their number, its scan time doesn't."""


class Gate:
    """Hyperscan databases over all expressions, as a superset filter: it may say yes in vain, never no in vain.

    It is meant for normalised texts (see `views`). Where Hyperscan isn't available, and for expressions that it can't
    compile, the answer is always yes.
    """

    def __init__(self, expressions: Sequence[str]) -> None:
        self._always: set[int] = set()
        self._databases: list[Any] = []
        try:
            hyperscan: Any = importlib.import_module("hyperscan")
        except ImportError:
            self._always.update(range(len(expressions)))
            return
        for first in range(0, len(expressions), CHUNK):
            chunk = range(first, min(first + CHUNK, len(expressions)))
            database = _compile(hyperscan, expressions, chunk)
            single = {index: _compile(hyperscan, expressions, [index]) for index in chunk if database is None}
            self._always.update(index for index, each in single.items() if each is None)
            self._databases += [each for each in (database, *single.values()) if each is not None]

    @property
    def ungated(self) -> frozenset[int]:
        """Indexes of the expressions that are never filtered out."""
        return frozenset(self._always)

    def hits(self, text: str) -> set[int]:
        """Return the indexes of all expressions that may match; a superset of those that do."""
        found = set(self._always)
        data = text.encode(errors="replace")

        def note(index: int, _start: int, _end: int, _flags: int, _context: object) -> None:
            found.add(index)

        for database in self._databases:
            database.scan(data, match_event_handler=note)
        return found


def _compile(hyperscan: Any, expressions: Sequence[str], indexes: Sequence[int]) -> Any:
    """Compile some expressions to a database that is ready to scan; None if one of them can't be."""
    flags = (
        hyperscan.HS_FLAG_PREFILTER | hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_CASELESS
        | hyperscan.HS_FLAG_MULTILINE | hyperscan.HS_FLAG_DOTALL | hyperscan.HS_FLAG_ALLOWEMPTY
    )  # fmt: skip
    database = hyperscan.Database()
    try:
        database.compile([loosen(expressions[i]).encode() for i in indexes], ids=list(indexes), flags=flags)
    except hyperscan.HyperscanError:
        return None
    database.scan(b"", match_event_handler=_ignore)  # allocates the scratch space
    return database


def _ignore(_index: int, _start: int, _end: int, _flags: int, _context: object) -> None:
    return None
