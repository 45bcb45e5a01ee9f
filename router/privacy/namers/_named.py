"""What the engines of this folder have in common: labels become entity types, failures to load become one error."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from presidio_analyzer import LocalRecognizer, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts

from router.core.errors import ConfigError
from router.privacy.recognizers._public import is_public
from router.privacy.severity import FULL_NAME

Named = tuple[str, int, int, float]
"""Label, start, end (exclusive), score."""

LABELS = {
    label: entity
    for entity, labels in {
        "PERSON": "PERSON PER PERS NAME FIRSTNAME LASTNAME SURNAME GIVENNAME persName",
        "LOCATION": "LOCATION LOC GPE FAC CITY STATE COUNTRY geogName placeName",
        "ORGANIZATION": "ORGANIZATION ORG ORGANISATION COMPANY orgName",
        "STREET_ADDRESS": "STREET_ADDRESS ADDRESS STREET STREETADDRESS",
    }.items()
    for label in labels.upper().split()
}
"""What models call the entity types."""
SURE = 0.85
"""Score of what an engine finds that gives none."""
SUREST = 0.95
"""Below the score of a qualifier, so that one which is taken for a part of the name still counts."""
ONE_WORD = FULL_NAME - 0.05
"""Score of a name that tells nobody from others."""


class NameRecognizer(LocalRecognizer):
    """A recognizer around a function that finds labelled stretches of a text."""

    def __init__(self, name: str, find: Callable[[str], Iterable[Named]]) -> None:
        self._find = find
        super().__init__(supported_entities=sorted(set(LABELS.values())), name=name)

    def load(self) -> None: ...

    def analyze(
        self, text: str, entities: Sequence[str], nlp_artifacts: NlpArtifacts | None = None
    ) -> list[RecognizerResult]:
        """Find names; labels that aren't known are left out."""
        found = ((LABELS.get(label.upper()), start, end, score) for label, start, end, score in self._find(text))
        return [
            RecognizerResult(entity, start, end, _score(entity, text, start, end, score))
            for entity, start, end, score in found
            if entity is not None and start < end
        ]


def _score(entity: str, text: str, start: int, end: int, score: float) -> float:
    if entity != "PERSON":
        return score
    score = min(score, SUREST)
    alone = len(text[start:end].split()) < 2 or is_public(text, start, end)
    return ONE_WORD if alone else max(score, FULL_NAME)


def package(name: str) -> Any:
    """Import an engine's package.

    Raises:
        ConfigError: it isn't installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(f"privacy.names.engine: the package '{name}' isn't installed") from error


def loaded(model: Path, load: Callable[[], Any]) -> Any:
    """Load a model.

    Raises:
        ConfigError: it can't be loaded; says what kind of error came.
    """
    try:
        return load()
    except Exception as error:  # a loader may raise anything
        raise ConfigError(f"privacy.names.model: '{model}' can't be loaded: {type(error).__name__}") from error
