"""Names of persons and places, and addresses, by a small tagger that ships with the router (`router.privacy.ner`)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from presidio_analyzer import LocalRecognizer, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts

from router.privacy.ner.model import Entity, Tagger

EXAMPLES = (
    ("Please write a reference for Siobhan Keogh who worked for me.", "Siobhan Keogh"),
    ("Our employee Wojciech Zieliński was fired for theft", "Wojciech Zieliński"),
    ("The witness, Oluwaseun Adebayo, lives in Peckham", "Oluwaseun Adebayo"),
    ("Rome was not built in a day", None),
    ("Explain Machine Learning and Data Science", None),
    ("Write a Python function that sorts a list", None),
)

ENTITIES = {"PERSON": "PERSON", "LOCATION": "LOCATION", "ADDRESS": "STREET_ADDRESS"}
FIRST_NAME_ONLY = 0.45
"""Score of a name of one word: it counts as a name, but a qualifier near it says nothing of a certain person."""
LEAST = {"PERSON": 0.5, "LOCATION": 0.8, "ADDRESS": 0.9}
"""Probability below which a tag is dropped."""
_WORD = re.compile(r"[^\W\d_]{2,}")
_NUMBER = re.compile(r"(?<![\w.,])\d{1,5}(?![\w.,]\w)")


class _Names(LocalRecognizer):
    def __init__(self) -> None:
        self._tagger = Tagger()
        super().__init__(supported_entities=sorted(ENTITIES.values()), name="person")

    def load(self) -> None: ...

    def analyze(
        self, text: str, entities: Sequence[str], nlp_artifacts: NlpArtifacts | None = None
    ) -> list[RecognizerResult]:
        """Tag the text."""
        return [
            RecognizerResult(ENTITIES[entity.kind], entity.start, entity.end, _score(entity, text))
            for entity in self._tagger.tag(text)
            if entity.score >= LEAST[entity.kind] and self._plausible(entity, text)
        ]

    def _plausible(self, entity: Entity, text: str) -> bool:
        """A name has listed words, an address a number and two capitalised words; either is written in one line."""
        value = text[entity.start : entity.end]
        words = _WORD.findall(value)
        capitalised = sum(word[0].isupper() for word in words)
        if entity.kind == "ADDRESS":
            return capitalised >= 2 and len(value) >= 12 and _NUMBER.search(value) is not None
        if entity.kind == "LOCATION":
            return bool(words) and capitalised == len(words) and "\n" not in value
        listed = sum(map(self._tagger.is_name, words))
        if "\n" in value or not words:
            return False
        if capitalised < len(words):
            return listed == len(words) > 1
        return listed > 0 or len(words) > 1


def _score(entity: Entity, text: str) -> float:
    words = len(_WORD.findall(text, entity.start, entity.end))
    return FIRST_NAME_ONLY if entity.kind == "PERSON" and words < 2 else 0.5 + 0.4 * entity.score


def build() -> list[_Names]:
    """Give the recognizer."""
    return [_Names()]
