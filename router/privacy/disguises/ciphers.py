"""Texts in a moved alphabet (rot13 and its like), backwards, in Morse code or in Braille, known by what they say when they are read."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from string import ascii_lowercase
from typing import TypeAlias

from router.privacy.view import Traits, View

_LABELS = (
    "number card credit social security account password passport secret token phone call email mail iban address birth patient "
    "nummer karte konto kennwort telefon numéro carte compte número tarjeta cuenta numero carta conto numer karta ssn bsn nif dni cpf pesel nir nhs steuer taxpayer burgerservicenummer sozialversicherungsnummer rentenversicherungsnummer driver licence license medical insurance"
).split()
_COMMON = "the and my is to of for that this key me on it with ist und meine est mon mi el la".split()
_MORE_COMMON = "you your can have please from any read decode what here send use write".split()


_LETTERS = ascii_lowercase
ALPHABETS: tuple[dict[int, int], ...] = tuple(
    str.maketrans(_LETTERS + _LETTERS.upper(), (moved := "".join(plain)) + moved.upper())
    for plain in (*((*_LETTERS[place:], *_LETTERS[:place]) for place in range(1, 26)), reversed(_LETTERS))
)
"""How letters are moved back to what they stood for: by one place to 25, and mirrored."""
_LEAST_LABEL, _LEAST_COMMON = 5, 3
"""Letters of a word that gives a moved alphabet away, alone or beside another one; shorter ones are words by chance."""


def _backwards(word: str) -> str:
    return word[::-1]


def _rot13(text: str) -> str:
    return codecs.encode(text, "rot13")


_ROT13_LABELS, _ROT13_COMMON = frozenset(map(_rot13, _LABELS)), frozenset(map(_rot13, _COMMON))
_BACK_LABELS, _BACK_COMMON = frozenset(map(_backwards, _LABELS)), frozenset(map(_backwards, (*_COMMON, *_MORE_COMMON)))
_ORDINARY = frozenset("la le el on no ti ot em si tis ne dna ym im fo mi liam".split())
"""Such words read both ways, or mean something of their own."""
_ROT13_MAIL = re.compile(r"@[\w-]{1,60}\.(?:pbz|bet|arg|rqh|tbi|vb|qr|se|rf|vg|cy|ay|pb\.hx)\b", re.IGNORECASE)
_BACK_MAIL = re.compile(r"\b(?:moc|gro|ten|ude|vog|oi|ed|rf|se|ti|lp|ln|ku\.oc)\.[\w-]{1,60}@", re.IGNORECASE)
_SAID_BACKWARDS = frozenset(
    "reversed reverse reversing backward backwards rückwärts umgekehrt envers inversé revés invertido contrario achterstevoren wspak".split()
)

_MOST_ALPHABETS = 3
"""Alphabets that one text is read in."""

_Way: TypeAlias = tuple[int, bool]
"""Which alphabet a text is written in, and whether backwards too."""


def _moved(words: Iterable[str], least: int) -> dict[str, list[_Way]]:
    """Give what each word becomes, and by which ways."""
    ways: dict[str, list[_Way]] = {}
    for number, alphabet in enumerate(ALPHABETS):
        written = {plain: letter for letter, plain in alphabet.items()}
        for word in words:
            if len(word) >= least and word.isascii():
                moved = word.translate(written)
                ways.setdefault(moved, []).append((number, False))
                ways.setdefault(moved[::-1], []).append((number, True))
    return ways


_MOVED_LABELS = _moved(_LABELS, _LEAST_LABEL)
_MOVED_COMMON = _moved((*_COMMON, *_MORE_COMMON), _LEAST_COMMON)
_MOVED_ENDS = _moved("com org net edu gov info".split(), 3)
_MOVED_WORDS = frozenset((*_MOVED_LABELS, *_MOVED_COMMON))
_MAIL_END = re.compile(r"@[\w.-]{1,60}\.([A-Za-z]{3,4})\b|\b([A-Za-z]{3,4})\.[\w-]{1,60}@")

_ROT47_WORDS = "number nummer phone email account secret password social credit address please".split()
_ROT47 = {33 + place: 33 + (place + 47) % 94 for place in range(94)}
_ROT47_SIGNS = tuple(word.translate(_ROT47) for word in _ROT47_WORDS)

_MORSE = {
    code: char
    for char, code in zip(
        "abcdefghijklmnopqrstuvwxyz0123456789.,?-/@:+=_",
        (
            ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --.. "
            "----- .---- ..--- ...-- ....- ..... -.... --... ---.. ----. .-.-.- --..-- ..--.. -....- -..-. .--.-. ---... .-.-. -...- ..--.-"
        ).split(),
        strict=True,
    )
}
_SIGNALS = re.compile(r"(?<!\S)[.-]{1,6}(?:[ \n]{1,2}(?:[/|][ \n]{1,2})?[.-]{1,6}|/[.-]{1,6}){6,}(?: /)?(?!\S)")
_LEAST_DIGITS = 4

_BRAILLE = re.compile("[\u2800-\u283f][\u2800-\u283f\\s.@_-]{5,}")
_BRAILLE_LETTERS = dict(zip("⠁⠃⠉⠙⠑⠋⠛⠓⠊⠚⠅⠇⠍⠝⠕⠏⠟⠗⠎⠞⠥⠧⠺⠭⠽⠵⠤⠲⠈", "abcdefghijklmnopqrstuvwxyz-.@", strict=True))


def rot13(view: View, traits: Traits) -> Iterator[View]:
    """Yield it with letters moved by 13, if then it says something."""
    if (
        traits.words & _ROT13_LABELS
        or len(traits.words & _ROT13_COMMON - _ORDINARY) > 1
        or _has_mail(view, _ROT13_MAIL)
    ):
        yield view._replace(text=_rot13(view.text), changes=())


def other_alphabets(view: View, traits: Traits) -> Iterator[View]:
    """Yield it with letters moved by any other number of places, or mirrored, and perhaps backwards, if it says something."""
    found: Counter[_Way] = Counter()
    if not traits.words.isdisjoint(_MOVED_WORDS):
        for word in traits.words & _MOVED_WORDS:
            found.update(dict.fromkeys(_MOVED_COMMON.get(word, ()), 1))
            found.update(dict.fromkeys(_MOVED_LABELS.get(word, ()), 2))
    for match in _MAIL_END.finditer(view.text) if "@" in view.text else ():
        ends = _MOVED_ENDS.get((match[1] or match[2]).lower(), ())
        found.update({way: 2 for way in ends if way[1] == (match[1] is None)})
    for (number, is_back), weight in found.most_common(_MOST_ALPHABETS):
        if weight > 1:
            moved = view.backwards() if is_back else view
            yield moved._replace(text=moved.text.translate(ALPHABETS[number]), changes=())
    if any(sign in view.text for sign in _ROT47_SIGNS):
        yield view._replace(text=view.text.translate(_ROT47), changes=())


def backwards(view: View, traits: Traits) -> Iterator[View]:
    """Yield it read from its end, if then it says something or a text says so."""
    labels = (
        traits.words & _BACK_LABELS - _ORDINARY
        or len(traits.words & _BACK_COMMON - _ORDINARY) > 1
        or _has_mail(view, _BACK_MAIL)
    )
    if view.mirrored is None and (labels or traits.words & _SAID_BACKWARDS):
        yield view.backwards()


def _has_mail(view: View, expression: re.Pattern[str]) -> bool:
    return "@" in view.text and expression.search(view.text) is not None


def morse(view: View, _traits: Traits) -> Iterator[View]:
    """Yield what Morse code says; nothing readable where it holds digits and signals that mean nothing."""
    if "." not in view.text or "-" not in view.text:
        return
    for match in _SIGNALS.finditer(view.text):
        signals = match.group().replace("/", " / ").replace("|", " / ").split()
        said = "".join(" " if signal == "/" else _MORSE.get(signal, "�") for signal in signals)
        if "�" in said and sum(map(str.isdigit, said)) >= _LEAST_DIGITS:
            said = ""
        yield View(said, whole=view.original(*match.span()))


def braille(text: str) -> Iterator[View]:
    """Yield what Braille says, letters and numbers."""
    for match in _BRAILLE.finditer(text) if not text.isascii() else ():
        said: list[str] = []
        in_number = False
        for char in match.group():
            letter = _BRAILLE_LETTERS.get(char, char if char in ".@_-" else " ")
            in_number = char == "⠼" or (in_number and letter in "abcdefghij")
            said.append("" if char == "⠼" else str(("abcdefghij".index(letter) + 1) % 10) if in_number else letter)
        yield View("".join(said), whole=match.span())
