"""What the recognizers of this folder are made of: a Presidio pattern recognizer with a check that is a function."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import regex
from presidio_analyzer import Pattern, PatternRecognizer, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts

from router.privacy.engine import FLAGS


class Checked(PatternRecognizer):
    """Patterns, context words, and a check that throws out what only looks like it.

    Of a pattern with a group `value` only that group is reported: a label isn't secret, and isn't what is said again.
    """

    def __init__(
        self,
        entity: str,
        name: str,
        patterns: Sequence[Pattern],
        context: Sequence[str] = (),
        check: Callable[[str], bool] | None = None,
    ) -> None:
        super().__init__(supported_entity=entity, name=name, patterns=list(patterns), context=list(context))
        self._check = check
        self._values = [regex.compile(pattern.regex, FLAGS) for pattern in patterns if "(?P<value>" in pattern.regex]

    def invalidate_result(self, pattern_text: str) -> bool:
        """Say whether the check fails."""
        return self._check is not None and not self._check(pattern_text)

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts | None = None, regex_flags: int | None = None
    ) -> list[RecognizerResult]:
        """Find what matches and passes the check."""
        results = super().analyze(text, entities, nlp_artifacts, regex_flags)
        for result in results:
            matches = (expression.match(text, result.start) for expression in self._values)
            for match in matches:
                if match is not None and match.end() == result.end:
                    result.start = match.start("value")
                    break
        return results
