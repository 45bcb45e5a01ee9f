"""Names of persons and places, and addresses, by a small tagger that ships with the router (`router.privacy.ner`)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

from presidio_analyzer import LocalRecognizer, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts

from router.privacy.ner.model import Entity, Tagger

EXAMPLES = (
    ("Please write a reference for Siobhan Keogh who worked for me.", "Siobhan Keogh"),
    ("Our employee Wojciech Zieliński was fired for theft", "Wojciech Zieliński"),
    ("The witness, Oluwaseun Adebayo, lives in Peckham", "Oluwaseun Adebayo"),
    ("Best regards,\nMaria Lopez", "Maria Lopez"),
    ("Rome was not built in a day", None),
    ("Explain Machine Learning and Data Science", None),
    ("Write a Python function that sorts a list", None),
)

ENTITIES = {"PERSON": "PERSON", "LOCATION": "LOCATION", "ADDRESS": "STREET_ADDRESS"}
FIRST_NAME_ONLY = 0.45
"""Score of a name of one word: it counts as a name, but a qualifier near it says nothing of a certain person."""
LEAST = {"PERSON": 0.5, "LOCATION": 0.8, "ADDRESS": 0.9}
"""Probability below which a tag is dropped."""
SURE = 0.8
"""Probability from which words that no list of names knows count as a name."""
_WORD = re.compile(r"[^\W\d_]{2,}")
_YEAR = re.compile(r"(?:1[5-9]|20)\d\d")
_GAP = re.compile(r"\t|  ")
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
            for entity in map(partial(_renamed, text), self._tagger.tag(text))
            if entity.score >= LEAST[entity.kind] and self._plausible(entity, text)
        ]

    def _plausible(self, entity: Entity, text: str) -> bool:
        """Check the shape: names and places are capitalised and in one line, an address two numbers or more,
        one of them long enough for a postal code: shorter ones are for the patterns of `address`."""
        value = text[entity.start : entity.end]
        words = _WORD.findall(value)
        capitalised = sum(word[0].isupper() for word in words)
        match entity.kind:
            case "ADDRESS":
                numbers = _NUMBER.findall(value)
                has_code = any(len(number) > 3 and not _YEAR.fullmatch(number) for number in numbers)
                return has_code and 2 <= len(numbers) <= 4 and capitalised >= 2 and not _GAP.search(value)
            case "LOCATION":
                return bool(words) and capitalised == len(words) and "\n" not in value
            case _:
                return bool(words) and "\n" not in value and self._is_name(words, capitalised, entity.score)

    def _is_name(self, words: list[str], capitalised: int, score: float) -> bool:
        listed = sum(map(self._tagger.is_name, words))
        common = any(map(self._tagger.is_common, words))
        if len(words) == 1:
            return capitalised == listed == 1 and not common
        if capitalised < len(words):
            return listed == len(words) and not common
        return listed > 0 or (score >= SURE and not common)


def _renamed(text: str, entity: Entity) -> Entity:
    """Take what was tagged as an address but holds no digit for a name: streets are often called after people."""
    has_digit = any(map(str.isdigit, text[entity.start : entity.end]))
    return entity._replace(kind="PERSON") if entity.kind == "ADDRESS" and not has_digit else entity


def _score(entity: Entity, text: str) -> float:
    words = len(_WORD.findall(text, entity.start, entity.end))
    return FIRST_NAME_ONLY if entity.kind == "PERSON" and words < 2 else 0.5 + 0.4 * entity.score


def build() -> list[_Names]:
    """Give the recognizer."""
    return [_Names()]
