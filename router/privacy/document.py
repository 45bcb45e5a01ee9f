"""Reads the texts of a unit as one document, in pieces and in all their views; what finds spans in a piece is its caller's."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeAlias

from router.core.types import Sensitivity
from router.privacy.leaves import JOINT
from router.privacy.protocol import Found, Unit, WireMatch
from router.privacy.severity import QUALIFIER, Rule, Span
from router.privacy.views import View, views

Find: TypeAlias = Callable[[str], Iterable[Span]]
"""Finds spans in a piece of a document."""

SEGMENT, OVERLAP = 1500, 200
"""Characters per piece of a long text, and how many of them the next piece repeats."""
MOST_HITS = 500
"""Matches of one entity that are counted in a unit; ten times as many of those that are no secret. With more, it is unread."""
SEPARATOR = "\n~\n"
"""Stands between two texts of a document; no expression matches across it."""
LINK = " : "
"""Stands between a key and its text; apart from both, since either may end or begin with a value."""


class Match(NamedTuple):
    """One finding, in the numbers a worker sends back: `leaf` is an index; `in_key` says it's in the leaf's key."""

    leaf: int
    in_key: bool
    start: int
    end: int
    entity: str
    score: float
    recognizer: str


class _Part(NamedTuple):
    start: int
    end: int
    leaf: int
    shift: int
    """Offset in the leaf = offset in the document - shift."""
    in_key: bool = False
    joined: bool = False
    """Whether it repeats a piece of a leaf beside pieces of others. Only spans that leave the piece count."""


class Document:
    """All texts of a unit as one, so that each is read once and small ones don't cost a call each."""

    def __init__(self, unit: Unit) -> None:
        leaves, joints = unit.texts, unit.joints
        joined = {index for joint in joints for index in joint} if unit.is_seam else ()
        self._parts: list[_Part] = []
        self._pieces: list[str] = []
        self._length = 0
        for index, (key, text) in enumerate(leaves):
            if index in joined:
                continue
            if key:
                self._add(key, index, 0, in_key=True)
                self._skip(LINK)
            self._add(text, index, 0)
            self._skip(SEPARATOR)
        for first, *others in joints:
            text = leaves[first][1]
            self._add(text[-JOINT:], first, max(len(text) - JOINT, 0), joined=True)
            for index in others:
                self._add(leaves[index][1][:JOINT], index, 0, joined=True)
            self._skip(SEPARATOR)
        self.text = "".join(self._pieces)
        self._starts = [part.start for part in self._parts]

    def _skip(self, text: str) -> None:
        self._pieces.append(text)
        self._length += len(text)

    def _add(self, text: str, leaf: int, offset: int, *, in_key: bool = False, joined: bool = False) -> None:
        start = self._length
        self._skip(text)
        self._parts.append(_Part(start, self._length, leaf, start - offset, in_key, joined))

    def places(self, start: int, end: int) -> Iterator[_Part]:
        """Yield the parts that a span lies in, cut to the span; nothing for a joined one that it doesn't leave."""
        index = max(bisect_right(self._starts, start) - 1, 0)
        while index < len(self._parts) and self._parts[index].start < end:
            part = self._parts[index]
            cut = part._replace(start=max(start, part.start), end=min(end, part.end))
            if cut.start < cut.end and not (part.joined and part.start <= start and end <= part.end):
                yield cut
            index += 1


def segments(text: str) -> Iterator[tuple[int, int]]:
    """Cut a long text into overlapping pieces, between words where it has any."""
    start = 0
    while len(text) - start > SEGMENT:
        end = _gap(text, start + SEGMENT)
        yield start, end
        start = _gap(text, end - OVERLAP)
    yield start, len(text)


def _gap(text: str, place: int) -> int:
    """Return the last word boundary in the 50 characters before `place`, or `place`."""
    for near in range(place, place - 50, -1):
        if text[near - 1].isspace():
            return near
    return place


_PEM = re.compile(r"-----BEGIN [^-]{1,60}-----")
_PEM_END = re.compile(r"-----END [^-]{1,60}-----")


def read(unit: Unit, find: Find, by_entity: dict[str, Rule], *, opens: bool = True) -> Found:
    """Find what is in a unit's texts; unless it `opens` what is compressed, that counts as unreadable."""
    document = Document(unit)
    found: set[Span] = set()
    counts: dict[str, int] = {}
    unreadable = ""
    for view in views(document.text, opens=opens):
        if view.whole is not None and not view.text:
            unreadable = "data"
        for span in _read(view, find, by_entity):
            if span not in found:
                found.add(span)
                counts[span.entity] = counts.get(span.entity, 0) + 1
                if counts[span.entity] > _most(by_entity[span.entity]):
                    return Found(_matches(document, found, by_entity), "hits")
    return Found(_matches(document, found, by_entity), unreadable)


def _most(rule: Rule) -> int:
    return MOST_HITS if rule.sensitivity >= Sensitivity.CONFIDENTIAL else 10 * MOST_HITS


def _read(view: View, find: Find, by_entity: dict[str, Rule]) -> Iterator[Span]:
    for start, end in segments(view.text):
        text = view.text[start:end]
        for span in find(text):
            rule = by_entity.get(span.entity)
            if rule is None or span.score < rule.min_score:
                continue
            if start and span.start == 0 and span.end < OVERLAP:
                continue  # cut off at the left; the segment before has it whole
            if end < len(view.text) and span.end == len(text) and span.start > len(text) - OVERLAP + 50:
                continue  # cut off at the right; the next segment has it whole
            last = start + span.end
            if span.entity == "SECRET" and _PEM.match(text, span.start):
                closing = _PEM_END.search(view.text, last - 1, last + 20_000)
                last = max(last, closing.end() if closing else last)
            place = view.original(start + span.start, last)
            if place[0] >= place[1]:
                raise ValueError("a match without a place")  # would be lost; the scan fails instead
            yield span._replace(start=place[0], end=place[1])


def _matches(document: Document, found: set[Span], by_entity: dict[str, Rule]) -> list[WireMatch]:
    matches = (
        Match(part.leaf, part.in_key, part.start - part.shift, part.end - part.shift, *_facts(span))
        for span in _widest(found, by_entity)
        for part in document.places(span.start, span.end)
    )
    return list(dict.fromkeys(matches))


def _facts(span: Span) -> tuple[str, float, str]:
    return span.entity, span.score, span.recognizer


def _widest(found: set[Span], by_entity: dict[str, Rule]) -> list[Span]:
    """Drop each span that lies within another of the same entity, or within a surer one that counts as much."""
    kept: list[Span] = []
    widest: Span | None = None
    for span in sorted(found, key=lambda s: (s.start, -s.end, -s.score, s.entity, s.recognizer)):
        if widest is None or span.end > widest.end or _outweighs(span, widest, by_entity):
            kept.append(span)
            widest = span if span.entity != QUALIFIER else widest
    return kept


def _outweighs(span: Span, rival: Span, by_entity: dict[str, Rule]) -> bool:
    is_worse = by_entity[span.entity].sensitivity > by_entity[rival.entity].sensitivity
    return span.entity != rival.entity and (span.score > rival.score or is_worse)
