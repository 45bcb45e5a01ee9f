"""Letters that are spelled by words, as on the phone: `echo sierra three six`, `Anton Berta`, `bravo at golf dot com`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from router.privacy.disguises.spelled import NUMBERS
from router.privacy.view import Change, Traits, View

_ALPHABETS = (
    "alfa bravo charlie delta echo foxtrot golf hotel india juliett kilo lima mike november oscar papa quebec romeo sierra tango uniform victor whiskey"
    " xray yankee zulu",
    "alpha baker charlie dog easy fox george how item juliet king love mike nan oboe peter queen roger sugar tare uncle victor whisky xray yoke zebra",
    "anton berta cäsar dora emil friedrich gustav heinrich ida julius kaufmann ludwig martha nordpol otto paula quelle richard samuel theodor ulrich viktor"
    " wilhelm xanthippe ypsilon zacharias",
    "aachen berlin chemnitz düsseldorf essen frankfurt goslar hamburg ingelheim jena köln leipzig münchen nürnberg offenbach potsdam quickborn rostock salzwedel"
    " tübingen unna völklingen wuppertal xanten ypsilon zwickau",
)
_LETTERS = {word: word[0] for alphabet in _ALPHABETS for word in alphabet.split()}
_SIGNS = {
    "at": "@",
    "dot": ".",
    "point": ".",
    "dash": "-",
    "hyphen": "-",
    "minus": "-",
    "underscore": "_",
    "plus": "+",
    "space": " ",
}
_WORDS = frozenset(_LETTERS)
LEAST_LETTERS = 4
"""Such words in a row that aren't just the words they are, and as many different ones in the text."""
_LEAST_SAID = 9
"""Shorter texts identify nobody."""
_WORD = re.compile(r"[^\W\d_]+(?:-(?=ray))?(?:(?<=-)ray)?|\d")


def _spelled(text: str) -> Iterator[Change]:
    start = end = letters = 0
    said: list[str] = []
    for match in _WORD.finditer(text):
        word = match.group().lower().replace("-", "")
        letter = (
            _LETTERS.get(word)
            or NUMBERS.get(word)
            or (word if word.isdecimal() else None)
            or (_SIGNS.get(word) if said else None)
        )
        if said and (letter is None or text[end : match.start()].strip(" ,.;-\n")):
            yield from _change(start, end, said, letters)
            said, letters = [], 0
        if letter is None:
            continue
        start = start if said else match.start()
        said.append(letter)
        end = match.end()
        letters += word in _WORDS
    yield from _change(start, end, said, letters)


def _change(start: int, end: int, said: list[str], letters: int) -> Iterator[Change]:
    text = "".join(said)
    if letters >= LEAST_LETTERS or (letters > 1 and len(text) >= 2 * _LEAST_SAID):
        yield start, end, text.upper() if "@" not in text else text


def spelled_letters(view: View, traits: Traits) -> Iterator[View]:
    """Yield it with words of a spelling alphabet as the letters they stand for."""
    if not traits.words.isdisjoint(_WORDS) and len(traits.words & _WORDS) > 1:
        yield view.replace(_spelled(view.text))
