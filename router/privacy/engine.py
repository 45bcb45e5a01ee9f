"""Assembles Presidio's AnalyzerEngine without a language model, network or silent time-outs; workers only."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence
from typing import Any, cast

import presidio_analyzer.predefined_recognizers as predefined
import regex
from presidio_analyzer import (
    AnalyzerEngine,
    EntityRecognizer,
    LocalRecognizer,
    Pattern,
    PatternRecognizer,
    RecognizerRegistry,
    RecognizerResult,
)
from presidio_analyzer.context_aware_enhancers import ContextAwareEnhancer
from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine

from router.config.schema import PrivacyConfig
from router.core.clock import monotonic_s
from router.core.plugin import kinds, load
from router.privacy.severity import BUILTIN, NAMERS, RECOGNIZERS, Rule
from router.privacy.sieve import Finder

FLAGS = regex.DOTALL | regex.MULTILINE | regex.IGNORECASE
BEFORE, AFTER = 100, 40
"""Characters around a match in which a context word counts."""
BOOST, FLOOR = 0.35, 0.4
"""What a context word adds to a score, and the least that the score then is; Presidio's own values."""
LONELY = 0.1
"""Score of a match that needs a context word and has none."""
LANGUAGE = "en"

REPLACED = frozenset(
    "EmailRecognizer CreditCardRecognizer IbanRecognizer IpRecognizer UsBankRecognizer InPanRecognizer MacAddressRecognizer".split()
)
"""Predefined recognizers that a plug-in of ours takes the place of."""


class DeadlinePassed(Exception):
    """The scan's time is over; unlike TimeoutError, which Presidio logs and skips, this one gets through."""


class Deadline:
    """The moment at which the scan in hand must be over; shared by all expressions of a worker."""

    def __init__(self) -> None:
        self.at_s = float("inf")

    def left_s(self) -> float:
        """Return the seconds left.

        Raises:
            DeadlinePassed: none are.
        """
        left = self.at_s - monotonic_s()
        if left <= 0:
            raise DeadlinePassed
        return left


class Expression(Pattern):
    """A pattern that is compiled once, as it will run; Presidio's is compiled first without flags, to see if it can be.

    Compiling all expressions is most of a start.
    """

    def __init__(self, name: str, regex: str, score: float) -> None:
        """Compile `regex`; `score` is between 0 and 1.

        Raises:
            regex.error: it is no regular expression.
        """
        self.name, self.regex, self.score = name, regex, score
        self.compiled_regex = self.compiled_with_flags = None
        self.compiled = _compile(regex)


class Overlapping(Expression):
    """A pattern that is tried at every start, so that a failed checksum can't hide the number right behind it."""


def _compile(expression: str) -> regex.Pattern[str]:
    return regex.compile(expression, flags=FLAGS)


def compiled(pattern: Pattern) -> regex.Pattern[str]:
    """Return a pattern as it runs; one of Presidio's own is compiled first."""
    return pattern.compiled if isinstance(pattern, Expression) else _compile(pattern.regex)


class _TimedRegex:
    """Stands in for a compiled expression inside a Presidio pattern."""

    def __init__(self, pattern: Pattern, deadline: Deadline) -> None:
        self._compiled = compiled(pattern)
        self._overlapped = isinstance(pattern, Overlapping)
        self._deadline = deadline

    def finditer(self, text: str, timeout: float | None = None) -> Iterator[Any]:
        left_s = min(self._deadline.left_s(), timeout or 60.0)
        try:
            for match in self._compiled.finditer(text, overlapped=self._overlapped, timeout=left_s):
                self._deadline.left_s()  # each match is checked, which may take longer than finding it
                yield match
        except TimeoutError as error:
            raise DeadlinePassed from error


class BlankNlpEngine(NlpEngine):
    """No model and no tokens: context words are found in the text itself, names by a recognizer of ours."""

    engine_name = "blank"

    def load(self) -> None: ...

    def is_loaded(self) -> bool:
        return True

    def process_text(self, text: str, language: str) -> NlpArtifacts:
        return NlpArtifacts([], cast(Any, []), [], [], self, language)

    def process_batch(self, texts: Any, language: str, *args: Any, **kwargs: Any) -> Iterator[tuple[str, NlpArtifacts]]:
        for text in texts:
            yield text, self.process_text(text, language)

    def is_stopword(self, word: str, language: str) -> bool:
        return False

    def is_punct(self, word: str, language: str) -> bool:
        return False

    def get_supported_entities(self) -> list[str]:
        return []

    def get_supported_languages(self) -> list[str]:
        return [LANGUAGE]


_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


def context_expression(words: Sequence[str]) -> re.Pattern[str]:
    """Compile context words to one expression over lower-case text: whole words, plurals too, no letter around."""
    plain = [word.lower().strip() for word in words]
    spaced = "|".join(re.escape(word) for word in sorted(plain, key=len, reverse=True) if word.upper() != word)
    unspaced = "|".join(re.escape(word) for word in plain if word.upper() == word)  # scripts that don't part words
    expression = rf"(?<![^\W\d_])(?:{spaced})s?(?![^\W\d_])" if spaced else ""
    return re.compile("|".join(filter(None, (expression, unspaced))))


class WindowEnhancer(ContextAwareEnhancer):
    """Finds context words in a window of characters around the match; linear, and `ssn:856…` or `ssnNumber` count."""

    def __init__(self, needs_context: frozenset[str]) -> None:
        super().__init__(BOOST, FLOOR, 0, 0)
        self._needs_context = needs_context
        self._expressions: dict[str, re.Pattern[str]] = {}

    def enhance_using_context(
        self,
        text: str,
        raw_results: list[RecognizerResult],
        nlp_artifacts: NlpArtifacts,
        recognizers: list[EntityRecognizer],
        context: list[str] | None = None,
    ) -> list[RecognizerResult]:
        words = {recognizer.id: recognizer.context for recognizer in recognizers}
        for result in raw_results:
            owner = fact(result, RecognizerResult.RECOGNIZER_IDENTIFIER_KEY)
            if words.get(owner) and self._expression(owner, words[owner]).search(_window(text, result)):
                result.score = min(max(result.score + BOOST, FLOOR), 1.0)
            elif result.entity_type in self._needs_context:
                result.score = min(result.score, LONELY)
        return raw_results

    def _expression(self, owner: str, words: Sequence[str]) -> re.Pattern[str]:
        if owner not in self._expressions:
            self._expressions[owner] = context_expression(words)
        return self._expressions[owner]


def fact(result: RecognizerResult, key: str) -> str:
    """Return what Presidio notes of a result's origin."""
    return cast(dict[str, str], result.recognition_metadata)[key]  # pyright: ignore[reportUnknownMemberType]


def _window(text: str, result: RecognizerResult) -> str:
    around = text[max(0, result.start - BEFORE) : result.start] + " \n " + text[result.end : result.end + AFTER]
    return _CAMEL.sub(" ", around).lower()


class FinderRecognizer(LocalRecognizer):
    """A finder as a Presidio recognizer."""

    def __init__(self, finder: Finder, kind: str = "") -> None:
        """Wrap a finder; `kind` is the plug-in that makes it, if that makes no other."""
        self.finder = finder
        self.kind = kind
        self.signs = finder.signs
        super().__init__(supported_entities=list(finder.entities), name=finder.name)

    def load(self) -> None: ...

    def analyze(
        self, text: str, entities: Sequence[str], nlp_artifacts: NlpArtifacts | None = None
    ) -> list[RecognizerResult]:
        """Have it find."""
        return [RecognizerResult(span.entity, span.start, span.end, span.score) for span in self.finder.find(text)]


class ActiveRegistry(RecognizerRegistry):
    """A registry that hands out the recognizers chosen for the text in hand."""

    active: Sequence[EntityRecognizer] = ()

    def get_recognizers(self, *args: Any, **kwargs: Any) -> list[EntityRecognizer]:
        return list(self.active)


def recognizers(rules: dict[str, Rule], config: PrivacyConfig, deadline: Deadline) -> list[EntityRecognizer]:
    """Build Presidio's pattern recognizers of all countries and our plug-ins, for the entities that have a rule."""
    built: list[EntityRecognizer] = []
    for name, kind in inspect.getmembers(predefined, inspect.isclass):
        if issubclass(kind, PatternRecognizer) and name not in REPLACED:
            built.append(cast(Any, kind)(supported_language=LANGUAGE))
    for name in kinds(RECOGNIZERS) if config.recognizers is None else config.recognizers:
        made: list[EntityRecognizer | Finder] = load(RECOGNIZERS, name).build()
        kind = name if len(made) == 1 else ""
        built.extend(each if isinstance(each, EntityRecognizer) else FinderRecognizer(each, kind) for each in made)
    if config.names.engine != BUILTIN:
        built.extend(load(NAMERS, config.names.engine).build(config.names.model))
    wanted = [recognizer for recognizer in built if rules.keys() & set(recognizer.supported_entities)]
    for recognizer in wanted:
        for pattern in getattr(recognizer, "patterns", ()):
            pattern.compiled_regex = _TimedRegex(pattern, deadline)
            pattern.compiled_with_flags = FLAGS
    return wanted


def build(rules: dict[str, Rule], found: Sequence[EntityRecognizer]) -> tuple[AnalyzerEngine, ActiveRegistry]:
    """Build the engine over the given recognizers."""
    needs_context = frozenset(entity for entity, rule in rules.items() if rule.needs_context)
    registry = ActiveRegistry(recognizers=list(found), supported_languages=[LANGUAGE])
    engine = AnalyzerEngine(
        registry=registry,
        nlp_engine=BlankNlpEngine(),
        supported_languages=[LANGUAGE],
        context_aware_enhancer=WindowEnhancer(needs_context),
    )
    return engine, registry
