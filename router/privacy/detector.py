"""Finds sensitive spans in the texts of one unit; runs inside a worker, where Presidio may be imported."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from presidio_analyzer import EntityRecognizer, Pattern, PatternRecognizer, RecognizerResult

from router.config.schema import PrivacyConfig
from router.core.types import Sensitivity
from router.privacy import engine
from router.privacy.gate import Gate
from router.privacy.leaves import JOINT
from router.privacy.protocol import Found, Unit, WireMatch
from router.privacy.severity import QUALIFIER, Rule, Span, judge, rules
from router.privacy.views import View, views

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


class Detector:
    """Presidio's engine behind the gate; not thread-safe."""

    def __init__(self, config: PrivacyConfig, folder: Path | None = None) -> None:
        """Load all there is; `folder` keeps what takes long to compile."""
        self._rules = rules(config)
        self.deadline = engine.Deadline()
        self._recognizers = engine.recognizers(self._rules, config, self.deadline)
        self._engine, self._registry = engine.build(self._rules, self._recognizers)
        self._artifacts = engine.BlankNlpEngine().process_text("", engine.LANGUAGE)
        self._entities = sorted(self._rules)
        self._others = [i for i, r in enumerate(self._recognizers) if not isinstance(r, PatternRecognizer)]
        expressions: list[str] = []
        self._owners: list[tuple[int, Pattern | None]] = []
        for index, recognizer in enumerate(self._recognizers):
            for expression, pattern in _expressions(recognizer):
                expressions.append(expression)
                self._owners.append((index, pattern))
        self._gate = Gate(expressions, folder)
        self._signed = {index for index, pattern in self._owners if pattern is None}
        words = {index: _words(recognizer, self._rules) for index, recognizer in enumerate(self._recognizers)}
        self._context_gated = {index: place for place, index in enumerate(filter(words.get, words))}
        """Recognizers that need one of their words in the text, and which expression of the second gate is theirs."""
        self._word_gate = Gate([words[index] for index in self._context_gated], folder)

    @property
    def patterns(self) -> tuple[tuple[str, Pattern], ...]:
        """All that may be run on a text, each with its recognizer's name."""
        return tuple((self._recognizers[index].name, pattern) for index, pattern in self._owners if pattern is not None)

    def read(self, unit: Unit) -> Found:
        """Find what is in a unit's texts.

        Raises:
            DeadlinePassed: `self.deadline` came first; nothing is known then.
        """
        document = Document(unit)
        found: set[Span] = set()
        counts: Counter[str] = Counter()
        unreadable = ""
        for view in views(document.text):
            if view.whole is not None and not view.text:
                unreadable = "data"
            for span in self._read(view, names=not unit.is_seam):
                if span not in found:
                    found.add(span)
                    counts[span.entity] += 1
                    if counts[span.entity] > self._most(span.entity):
                        return Found(self._matches(document, found), "hits")
        return Found(self._matches(document, found), unreadable)

    def detect(self, texts: list[tuple[str, str]], joints: list[tuple[int, ...]]) -> tuple[Sensitivity, list[Match]]:
        """Read (key, text) pairs that are all there is, and say how sensitive they are and what a report would show."""
        matches = [Match(*match) for match in self.read(Unit(texts, joints)).matches]
        ends = list(accumulate((len(key) + len(text) + len(SEPARATOR) for key, text in texts), initial=0))
        spans = [
            Span(match.entity, match.start + at, match.end + at, match.score, match.recognizer)
            for match in matches
            for at in [ends[match.leaf] + (0 if match.in_key else len(texts[match.leaf][0]))]
        ]
        return judge(spans, self._rules), [match for match in matches if match.entity != QUALIFIER]

    def _most(self, entity: str) -> int:
        is_rare = self._rules[entity].sensitivity >= Sensitivity.CONFIDENTIAL
        return MOST_HITS if is_rare else 10 * MOST_HITS

    def _matches(self, document: Document, found: set[Span]) -> list[WireMatch]:
        matches = (
            Match(part.leaf, part.in_key, part.start - part.shift, part.end - part.shift, *_facts(span))
            for span in _widest(found, self._rules)
            for part in document.places(span.start, span.end)
        )
        return list(dict.fromkeys(matches))

    def _read(self, view: View, *, names: bool) -> Iterator[Span]:
        for start, end in segments(view.text):
            self.deadline.left_s()
            text = view.text[start:end]
            for result in self._analyze(text, names=names):
                rule = self._rules.get(result.entity_type)
                if rule is None or result.score < rule.min_score:
                    continue
                if start and result.start == 0 and result.end < OVERLAP:
                    continue  # cut off at the left; the segment before has it whole
                if end < len(view.text) and result.end == len(text) and result.start > len(text) - OVERLAP + 50:
                    continue  # cut off at the right; the next segment has it whole
                last = start + result.end
                if result.entity_type == "SECRET" and _PEM.match(text, result.start):
                    closing = _PEM_END.search(view.text, last - 1, last + 20_000)
                    last = max(last, closing.end() if closing else last)
                name = engine.fact(result, RecognizerResult.RECOGNIZER_NAME_KEY)
                place = view.original(start + result.start, last)
                if place[0] >= place[1]:
                    raise ValueError("a match without a place")  # would be lost; the scan fails instead
                yield Span(result.entity_type, *place, result.score, name)

    def _analyze(self, text: str, *, names: bool) -> list[RecognizerResult]:
        """Run the recognizers, and of each the patterns, that the gate lets through."""
        shapes: dict[int, list[Pattern]] = {}
        signs: set[int] = set()
        for hit in sorted(self._gate.hits(text)):
            index, pattern = self._owners[hit]
            if pattern is None:
                signs.add(index)
            else:
                shapes.setdefault(index, []).append(pattern)
        words = set[int]() if self._context_gated.keys().isdisjoint(shapes) else self._word_gate.hits(text)
        others = [index for index in self._others if names and (index in signs or index not in self._signed)]
        active = [self._recognizers[index] for index in others]
        for index, patterns in shapes.items():
            if index not in self._context_gated or self._context_gated[index] in words:
                recognizer = self._recognizers[index]
                assert isinstance(recognizer, PatternRecognizer)
                recognizer.patterns = patterns
                active.append(recognizer)
        self._registry.active = active
        if not active:
            return []
        return self._engine.analyze(
            text, engine.LANGUAGE, entities=self._entities, score_threshold=0.0, nlp_artifacts=self._artifacts
        )


def _facts(span: Span) -> tuple[str, float, str]:
    return span.entity, span.score, span.recognizer


def _expressions(recognizer: EntityRecognizer) -> Iterator[tuple[str, Pattern | None]]:
    """Yield the expressions of which one must hit before a recognizer is worth running; `signs` have no pattern.

    What is no pattern recognizer and names no signs is run on every text.
    """
    if isinstance(recognizer, PatternRecognizer):
        yield from ((pattern.regex, pattern) for pattern in recognizer.patterns)
    else:
        yield from ((expression, None) for expression in getattr(recognizer, "signs", ()))


def _words(recognizer: EntityRecognizer, by_entity: dict[str, Rule]) -> str:
    """Give the expression of context words, one of which a recognizer's matches need; empty if they count without."""
    active = [by_entity[entity] for entity in recognizer.supported_entities if entity in by_entity]
    if not (
        isinstance(recognizer, PatternRecognizer) and recognizer.context and all(rule.needs_context for rule in active)
    ):
        return ""
    return "|".join(re.escape(word.strip()) for word in recognizer.context)


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
