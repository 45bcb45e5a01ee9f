"""A text as a reader would see it, whose characters know where in the original they stand."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

MARGIN = 150
"""Characters kept on each side of a change in an excerpt: the context words of a match."""
GAP = "\n~\n"
"""Stands between two excerpts; no expression matches across it."""

Change: TypeAlias = tuple[int, int, str | Sequence[str]]
"""A span and what takes its place: a text, or one piece for each of its characters."""


class View(NamedTuple):
    """A text and, unless it is the original itself, the original offset of each of its characters and of its end."""

    text: str
    offsets: list[int] | None = None
    whole: tuple[int, int] | None = None
    """For a view whose characters have no place of their own: the span of the original that all of it stands for."""
    mirrored: View | None = None
    """For a view that reads another one backwards: that one; the offsets are then those in its reverse."""
    changes: tuple[tuple[int, int], ...] = ()
    """Spans of the text that differ from the view it was made from, if they are known."""

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Map a span of the view to the original: all that its characters were made of, and what vanished behind them.

        A span of at least one character never becomes an empty one.
        """
        if self.whole is not None:
            return self.whole
        if self.offsets is not None:
            after = bisect_right(self.offsets, self.offsets[max(start, end - 1)])
            start, end = self.offsets[start], self.offsets[min(after, len(self.offsets) - 1)]
        if self.mirrored is None:
            return start, end
        return self.mirrored.original(len(self.mirrored.text) - end, len(self.mirrored.text) - start)

    def rewrite(self, expression: re.Pattern[str], change: Callable[[str], str | Sequence[str]]) -> View:
        """Replace each match by a text, or by a list that has one piece for each of its characters.

        Inside a text that changes a match's length every character stands for the whole match.
        """
        return self.replace((*match.span(), change(match.group())) for match in expression.finditer(self.text))

    def replace(self, changes: Iterable[Change]) -> View:
        """Put a text in the place of each span; spans come in order and don't overlap. Itself if none differs."""
        pieces: list[str] = []
        offsets: list[int] = []
        changed: list[tuple[int, int]] = []
        done = length = 0
        for start, end, new in changes:
            text = new if isinstance(new, str) else "".join(new)
            if text == self.text[start:end]:
                continue
            pieces += (self.text[done:start], text)
            length += start - done
            changed.append((length, length + len(text)))
            length += len(text)
            if self.whole is None:
                offsets += self._slice(done, start)
                offsets += self._origins(start, end, new)
            done = end
        if not changed:
            return self
        pieces.append(self.text[done:])
        if self.whole is not None:
            return View("".join(pieces), whole=self.whole)
        offsets += self._slice(done, len(self.text) + 1)
        return View("".join(pieces), offsets, mirrored=self.mirrored, changes=() if self.changes else tuple(changed))

    def backwards(self) -> View:
        """Read it from its end."""
        return View(self.text[::-1], whole=self.whole, mirrored=self if self.whole is None else None)

    def excerpts(self, margin: int = MARGIN) -> View:
        """Keep only the surroundings of the changes, if that is much less."""
        if not self.changes or self.whole is not None or self.offsets is None:
            return self
        spans = list(_merged(self.changes, len(self.text), margin))
        if sum(end - start for start, end in spans) * 2 > len(self.text):
            return self
        offsets: list[int] = []
        for start, end in spans:
            offsets += self.offsets[start:end]
            offsets += [self.offsets[end]] * len(GAP)
        text = GAP.join([self.text[start:end] for start, end in spans]) + GAP
        return View(text, [*offsets, self.offsets[spans[-1][1]]], mirrored=self.mirrored)

    def _origins(self, start: int, end: int, new: str | Sequence[str]) -> list[int]:
        origins = self._slice(start, end)
        if isinstance(new, str):
            return origins if len(new) == end - start else origins[:1] * len(new)
        return [origin for piece, origin in zip(new, origins, strict=True) for _ in piece]

    def _slice(self, start: int, end: int) -> list[int]:
        return list(range(start, end)) if self.offsets is None else self.offsets[start:end]


_WORDS = bytes(code if code > 127 or chr(code).isalpha() else 32 for code in range(256)).lower()
_SHAPE = bytes(code if code in (10, 13) else 97 if code < 128 and chr(code).isalnum() else 32 for code in range(256))
_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")
_APART = re.compile(rb" a +a +a +a +a ")


class Traits(NamedTuple):
    """What shows at a glance which disguises a text can't be in."""

    words: frozenset[str]
    """All words in lower case."""
    shape: bytes
    """It with an `a` for every ASCII letter and digit, and a space for the rest but ends of lines."""
    apart: bool
    """Whether characters that stand alone follow each other."""
    digits: bool

    @classmethod
    def of(cls, text: str) -> Traits:
        """Look at a text."""
        words = text.encode(errors="replace").translate(_WORDS).decode().split()
        shape = text.encode("ascii", "replace").translate(_SHAPE)
        apart = _is_apart(shape)
        digits = any(digit in text for digit in "0123456789")
        return cls(frozenset(words if text.isascii() else map(str.lower, words)), shape, apart, digits)


def _is_apart(shape: bytes) -> bool:
    """Say whether five characters or more that stand alone follow each other, with whatever gaps."""
    line = b" %b " % shape.translate(_ONE_LINE)
    return b" a " in line and _APART.search(line) is not None


def _merged(spans: Iterable[tuple[int, int]], length: int, margin: int) -> Iterator[tuple[int, int]]:
    """Widen spans by the margin and merge those that meet."""
    start = end = -1
    for first, last in spans:
        if first - margin <= end:
            end = min(last + margin, length)
            continue
        if end >= 0:
            yield start, end
        start, end = max(first - margin, 0), min(last + margin, length)
    if end >= 0:
        yield start, end
