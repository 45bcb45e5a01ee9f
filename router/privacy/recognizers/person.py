"""Names of persons, organisations and places, and addresses, by a small tagger that ships with the router
(`router.privacy.ner`)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from router.privacy.ner.model import Entity, Tagger
from router.privacy.recognizers._public import is_public, is_related
from router.privacy.severity import Span
from router.privacy.sieve import distinct

EXAMPLES = (
    ("Please write a reference for Siobhan Keogh who worked for me.", "Siobhan Keogh"),
    ("Our employee Wojciech Zieliński was fired for theft", "Wojciech Zieliński"),
    ("The witness, Oluwaseun Adebayo, lives in Peckham", "Oluwaseun Adebayo"),
    ("Best regards,\nMaria Lopez", "Maria Lopez"),
    ("can you ask priya about it", "priya"),
    ("Rome was not built in a day", None),
    ("Explain Machine Learning and Data Science", None),
    ("Write edge test cases for the following condition: FICO > 750 && FICO <= 900", None),
    ("Write a Python function that sorts a list", None),
)

ENTITIES = {"PERSON": "PERSON", "LOCATION": "LOCATION", "ADDRESS": "STREET_ADDRESS", "ORG": "ORGANIZATION"}
FIRST_NAME_ONLY = 0.45
"""Score of a name that tells nobody from others, of one word or known to all: a qualifier near it says nothing."""
LEAST = {"LOCATION": 0.7, "ADDRESS": 0.75, "ORG": 0.7}
"""Probability below which a tag is dropped; what a person's name needs depends on its shape."""
SURE = 0.9
"""Probability from which words that no list of names knows are one person's name."""
SURE_ADDRESS = 0.98
"""Probability from which words and numbers are an address though none of them names a street."""
GLANCE = 64
"""Characters below which a text is looked at before it is tagged."""
_WORD = re.compile(r"[^\W\d_]{2,}")
_YEAR = re.compile(r"(?:1[5-9]|20)\d\d")
_GAP = re.compile(r"(?<=\S)(?:\t|  )")
_ITEM = re.compile(r"^\W{0,4}\d", re.MULTILINE)
_REST = re.compile(r"(?:[\s,.>?|/#-]{1,8}[^\W\d_a-z][\w().-]{0,20}){0,4}?[\s,.>?|/#-]{1,8}\d{4,6}(?!\w)")
"""Town, state, country and a postal code, behind an address."""
_NUMBER = re.compile(r"(?<![\w.,])\d{1,6}(?![\w.,]\w)")
_BETWEEN = re.compile(r"[\s,.;>?|/#-]{1,8}")
_STREET = re.compile(
    r"\b(?:street|st|avenue|ave?|road|rd|boulevard|blvd|lane|ln|drive|dr|court|ct|place|pl|terrace|square|sq|parkway|pkwy|highway|hwy|crescent|close"
    r"|circle|trail|mews|row|gardens?|grove|way|hill|park|point|wharf|quay|walk|view|plot|sector|\w*(?:stra(?:ß|ss)e|str|gasse|platz|allee|weg|damm|ufer|straat|gracht|laan|plein"
    r"|kade|gatan?|vägen|vej|gade|veien?|katu|tie)|rue|avenue|chemin|place|allée|quai|impasse|cours|calle|c|avenida|av|paseo|plaza|carrer|camino|via|viale|piazza|corso|largo"
    r"|rua|travessa|praça|ul|ulica|aleja|al|plac|pl|utca|út|u|tér|ulice|nám|cesta|trg|cad|cadde|sokak|apt|apartment|suite|unit|flat|floor|box|postfach|building)\b",
    re.IGNORECASE,
)
_PARTICLES = frozenset(
    "de da di du del della dos das do von van der den ten ter zu af al el bin ibn ben la le st o d l".split()
)
_TITLE = re.compile(
    r"(?:\b(?:mrs?|ms|miss|mister|sir|herrn?|frau|monsieur|madame|mme|se[ñn]ora?|sra?|signor[ae]?|sig|senhora?|meneer|mevrouw|dhr|mevr|pani?|pana|panu|familie|family|coach|pastor)\b\.? ?|\bM\. )$",
    re.IGNORECASE,
)


class _Names:
    name = "person"
    entities = tuple(sorted(ENTITIES.values()))
    signs = ()

    def __init__(self) -> None:
        self._tagger = Tagger()

    def find(self, text: str) -> list[Span]:
        """Tag the text."""
        if len(text) < GLANCE and self._is_bare(text):
            return []
        return distinct(
            Span(ENTITIES[entity.kind], entity.start, entity.end, self._score(entity, text), self.name)
            for entity in self._entities(text)
        )

    def _is_bare(self, text: str) -> bool:
        """Say whether a text has at most one word, as most fields do, and that can't be a name whatever it is tagged."""
        words = _WORD.findall(text)
        return (
            len(words) < 2
            and not any(map(str.isdigit, text))
            and not any(word[0].isupper() or self._tagger.is_name(word) for word in words)
        )

    def _entities(self, text: str) -> Iterator[Entity]:
        for entity in _chained(self._tagger.tag(text), text):
            value = text[entity.start : entity.end]
            if entity.kind == "ADDRESS" and not any(map(str.isdigit, value)):
                entity = entity._replace(kind="PERSON")  # streets are often called after people
            if entity.kind == "PERSON":
                entity, value = _trimmed(entity, text)
            if entity.kind == "ADDRESS" and (rest := _REST.match(text, entity.end)):
                entity, value = entity._replace(end=rest.end()), text[entity.start : rest.end()]
            if self._plausible(entity, value) and not _in_link(text, entity.start, entity.end):
                yield entity

    def _plausible(self, entity: Entity, value: str) -> bool:
        """Check the shape: a name stands in one line, a place is capitalised."""
        words = _WORD.findall(value)
        if entity.kind == "ADDRESS":
            least = LEAST["ADDRESS"] if _STREET.search(value) else SURE_ADDRESS
            return entity.score >= least and _is_address(value, words)
        if not words or "\n" in value:
            return False
        if entity.kind == "PERSON":
            return entity.score >= self._least(words)
        return entity.score >= LEAST[entity.kind] and all(word[0].isupper() for word in words[:1])

    def _score(self, entity: Entity, text: str) -> float:
        if entity.kind != "PERSON":
            return 0.5 + 0.4 * entity.score
        words = _WORD.findall(text, entity.start, entity.end)
        is_one = (
            self._is_one(words, entity.score)
            or _TITLE.search(text, max(0, entity.start - 12), entity.start) is not None
            or (any(map(self._tagger.is_given, words)) and not words[0].isupper() and is_related(text, entity.start))
        )
        if not is_one or is_public(text, entity.start, entity.end):
            return FIRST_NAME_ONLY
        return 0.5 + 0.4 * entity.score

    def _is_one(self, words: list[str], score: float) -> bool:
        """Say whether the words, two at least, tell one person from others and are surely a name."""
        known = sum(map(self._tagger.is_name, words))
        common = sum(map(self._tagger.is_common, words))
        if len(words) < 2 or common == len(words):
            return False
        if words[0][0].isupper():
            return known > 0 or (score > SURE and not common)
        return known == len(words) or (known > 0 and not common and score > SURE)

    def _least(self, words: list[str]) -> float:
        """Return how sure the tagger must be: most for words that no list of names knows, in lower case or alone."""
        known = sum(map(self._tagger.is_name, words))
        common = any(map(self._tagger.is_common, words))
        is_capitalised = words[0][0].isupper()
        if len(words) > 1:
            return 0.5 if is_capitalised or known == len(words) else 0.85 if known else 0.95
        if is_capitalised:
            return 0.75 if not known else 0.7 if common else 0.5
        return 1.1 if not known else 0.95 if common else 0.85


def _chained(entities: list[Entity], text: str) -> list[Entity]:
    """Join the pieces of one address that only blanks and commas part: house number, a street called after a person,
    town."""
    chained: list[Entity] = []
    for entity in entities:
        last = chained[-1] if chained else None
        gap = text[last.end : entity.start] if last is not None else ""
        if (
            last is None
            or last.kind != "ADDRESS"
            or not _BETWEEN.fullmatch(gap)
            or entity.kind == "ORG"
            or (entity.kind == "PERSON" and "\n" in gap)
        ):
            chained.append(entity)
        else:
            chained[-1] = last._replace(end=entity.end, score=max(last.score, entity.score))
    return chained


def _trimmed(entity: Entity, text: str) -> tuple[Entity, str]:
    """Take small words off the ends of a name that has capitals: `knew Annie`."""
    value = text[entity.start : entity.end]
    words = list(re.finditer(r"[^\W\d_]+", value))
    large = [match for match in words if match.group()[0].isupper()]
    if not large or len(large) == len(words):
        return entity, value
    first = words.index(large[0])
    while first and words[first - 1].group() in _PARTICLES:
        first -= 1
    start, end = entity.start + words[first].start(), entity.start + large[-1].end()
    return entity._replace(start=start, end=end), text[start:end]


def _is_address(value: str, words: list[str]) -> bool:
    """Ask for a number and a word for a street; without one, for a capitalised word and two numbers, or one beside
    more words."""
    numbers = _NUMBER.findall(value)
    if not 1 <= len(numbers) <= 6 or _GAP.search(value) or len(value) < 8 or len(_ITEM.findall(value)) > 2:
        return False
    if _STREET.search(value):
        return any(len(word) > 2 for word in words)
    capitalised = sum(word[0].isupper() and len(word) > 2 for word in words)
    only_years = all(map(_YEAR.fullmatch, numbers))
    return capitalised > 0 and len(words) <= 2 * capitalised and not only_years and len(numbers) + capitalised > 2


def _in_link(text: str, start: int, end: int) -> bool:
    """Say whether it is a part of an e-mail address, a page or a handle."""
    return text[end : end + 1] in ("@", "_") or text[max(start - 1, 0) : start] in ("@", "/", "_", ".")


def build() -> list[_Names]:
    """Give the finder."""
    return [_Names()]
