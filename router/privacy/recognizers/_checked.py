"""What the recognizers of this folder are made of: a Presidio pattern recognizer with a check that is a function."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from presidio_analyzer import Pattern, PatternRecognizer


class Checked(PatternRecognizer):
    """Patterns, context words, and a check that throws out what only looks like it."""

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

    def invalidate_result(self, pattern_text: str) -> bool:
        """Say whether the check fails."""
        return self._check is not None and not self._check(pattern_text)
