"""Finds sensitive spans in the texts of one unit; runs inside a worker, where Presidio may be imported."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import accumulate
from pathlib import Path

from presidio_analyzer import EntityRecognizer, Pattern, PatternRecognizer, RecognizerResult

from router.config.schema import PrivacyConfig
from router.core.types import Sensitivity
from router.privacy import engine
from router.privacy.direct import Kit, spans
from router.privacy.document import SEPARATOR, Match, read
from router.privacy.engine import FinderRecognizer
from router.privacy.gate import Gate
from router.privacy.protocol import Found, Unit
from router.privacy.severity import QUALIFIER, Rule, Span, judge, rules
from router.privacy.sieve import Sieve


class Detector:
    """Presidio's engine behind the sieve; not thread-safe."""

    def __init__(self, config: PrivacyConfig, folder: Path | None = None) -> None:
        """Load all there is; `folder` keeps what takes long to compile."""
        self._rules = rules(config)
        self.deadline = engine.Deadline()
        self._recognizers = engine.recognizers(self._rules, config, self.deadline)
        self._engine, self._registry = engine.build(self._rules, self._recognizers)
        self._artifacts = engine.BlankNlpEngine().process_text("", engine.LANGUAGE)
        self._entities = sorted(self._rules)
        self._others = {
            index: each for index, each in enumerate(self._recognizers) if not isinstance(each, PatternRecognizer)
        }
        finders = {index: each.finder for index, each in self._others.items() if isinstance(each, FinderRecognizer)}
        self._finders = finders if len(finders) == len(self._others) else None
        """All that is no pattern recognizer, if none of that needs Presidio."""
        expressions: list[str] = []
        self._owners: list[tuple[int, Pattern | None]] = []
        for index, recognizer in enumerate(self._recognizers):
            for expression, pattern in _expressions(recognizer):
                expressions.append(expression)
                self._owners.append((index, pattern))
        words = {index: _words(recognizer, self._rules) for index, recognizer in enumerate(self._recognizers)}
        context_gated = {index: place for place, index in enumerate(filter(words.get, words))}
        self.sieve = Sieve(
            Gate(expressions, folder),
            Gate([words[index] for index in context_gated], folder),
            [(index, pattern is None) for index, pattern in self._owners],
            context_gated,
        )

    @property
    def patterns(self) -> tuple[tuple[str, Pattern], ...]:
        """All that may be run on a text, each with its recognizer's name."""
        return tuple((self._recognizers[index].name, pattern) for index, pattern in self._owners if pattern is not None)

    @property
    def kit(self) -> Kit | None:
        """What the router needs to read short texts alone, if it can: not with recognizers it would need Presidio for."""
        finders = [(index, each.kind) for index, each in self._others.items() if isinstance(each, FinderRecognizer)]
        is_complete = len(finders) == len(self._others) and all(kind for _, kind in finders)
        return Kit(self.sieve.mesh, finders) if is_complete and not self.sieve.gate.ungated else None

    def read(self, unit: Unit) -> Found:
        """Find what is in a unit's texts.

        Raises:
            DeadlinePassed: `self.deadline` came first; nothing is known then.
        """
        return read(unit, partial(self._find, names=not unit.is_seam), self._rules)

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

    def _find(self, text: str, *, names: bool) -> Iterable[Span]:
        """Run the recognizers, and of each the patterns, that the sieve lets through; Presidio's only if it must be."""
        self.deadline.left_s()
        hits = self.sieve.hits(text)
        if not hits.patterns and self._finders is not None:
            return spans(text, hits, self._finders) if names else ()
        active: list[EntityRecognizer] = []
        if names:
            active += [each for index, each in self._others.items() if index in hits.finders or not _signs(each)]
        for index, matched in hits.patterns.items():
            recognizer = self._recognizers[index]
            assert isinstance(recognizer, PatternRecognizer)
            recognizer.patterns = [pattern for hit in matched if (pattern := self._owners[hit][1]) is not None]
            active.append(recognizer)
        return self._analyze(text, active)

    def _analyze(self, text: str, active: list[EntityRecognizer]) -> Iterator[Span]:
        self._registry.active = active
        results = self._engine.analyze(
            text, engine.LANGUAGE, entities=self._entities, score_threshold=0.0, nlp_artifacts=self._artifacts
        )
        for result in results:
            name = engine.fact(result, RecognizerResult.RECOGNIZER_NAME_KEY)
            yield Span(result.entity_type, result.start, result.end, result.score, name)


def _signs(recognizer: EntityRecognizer) -> tuple[str, ...]:
    """Give the expressions of which one must hit before what is no pattern recognizer is worth running; none: always."""
    return getattr(recognizer, "signs", ())


def _expressions(recognizer: EntityRecognizer) -> Iterator[tuple[str, Pattern | None]]:
    """Yield the expressions of which one must hit before a recognizer is worth running; `signs` have no pattern."""
    if isinstance(recognizer, PatternRecognizer):
        yield from ((pattern.regex, pattern) for pattern in recognizer.patterns)
    else:
        yield from ((expression, None) for expression in _signs(recognizer))


def _words(recognizer: EntityRecognizer, by_entity: dict[str, Rule]) -> str:
    """Give the expression of context words, one of which a recognizer's matches need; empty if they count without."""
    active = [by_entity[entity] for entity in recognizer.supported_entities if entity in by_entity]
    if not (
        isinstance(recognizer, PatternRecognizer) and recognizer.context and all(rule.needs_context for rule in active)
    ):
        return ""
    return "|".join(re.escape(word.strip()) for word in recognizer.context)
