"""Decides in microseconds which expressions may match a text at all; the real matching is left to Presidio."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

CHUNK = 50
"""Expressions per database: Hyperscan's compile time grows much faster than their number, its scan time doesn't."""

_LOOSER = {r"\d": ("[0-9]", "0-9"), r"\s": (r"[ \t-\r]", r" \t-\r"), r"\b": ("", r"\b")}
"""Escapes that are cheap to widen, outside and inside a character class. The text is plain: its digits are ASCII."""


def loosen(expression: str) -> str:
    """Widen an expression to one that Hyperscan compiles fast and that matches wherever the original does."""
    pieces: list[str] = []
    index, in_class = 0, False
    while index < len(expression):
        token = expression[index : index + (2 if expression[index] == "\\" else 1)]
        if token in _LOOSER:
            pieces.append(_LOOSER[token][in_class])
        else:
            in_class = (in_class or token == "[") and token != "]"
            pieces.append(token)
        index += len(token)
    return "".join(pieces)


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
        hyperscan.HS_FLAG_PREFILTER | hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_UTF8 | hyperscan.HS_FLAG_UCP
        | hyperscan.HS_FLAG_CASELESS | hyperscan.HS_FLAG_MULTILINE | hyperscan.HS_FLAG_DOTALL
        | hyperscan.HS_FLAG_ALLOWEMPTY
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
