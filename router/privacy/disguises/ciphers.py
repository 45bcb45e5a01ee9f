"""Texts in rot13, backwards, in Morse code or in Braille, known by what they say when they are read."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

from router.privacy.view import Traits, View

_LABELS = (
    "number card credit social security account password passport secret token phone call email mail iban address birth patient "
    "nummer karte konto kennwort telefon numéro carte compte número tarjeta cuenta numero carta conto numer karta ssn bsn nif dni cpf pesel nir nhs steuer taxpayer driver licence license medical insurance"
).split()
_COMMON = "the and my is to of for that this key me on it with ist und meine est mon mi el la".split()


def _backwards(word: str) -> str:
    return word[::-1]


def _rot13(text: str) -> str:
    return codecs.encode(text, "rot13")


_ROT13_LABELS, _ROT13_COMMON = frozenset(map(_rot13, _LABELS)), frozenset(map(_rot13, _COMMON))
_BACK_LABELS, _BACK_COMMON = frozenset(map(_backwards, _LABELS)), frozenset(map(_backwards, _COMMON))
_ORDINARY = frozenset("la le el on no ti ot em si tis ne dna ym im fo mi liam".split())
"""Such words read both ways, or mean something of their own."""
_ROT13_MAIL = re.compile(r"@[\w-]{1,60}\.(?:pbz|bet|arg|rqh|tbi|vb|qr|se|rf|vg|cy|ay|pb\.hx)\b", re.IGNORECASE)
_BACK_MAIL = re.compile(r"\b(?:moc|gro|ten|ude|vog|oi|ed|rf|se|ti|lp|ln|ku\.oc)\.[\w-]{1,60}@", re.IGNORECASE)
_SAID_BACKWARDS = frozenset(
    "reversed reverse reversing backward backwards rückwärts umgekehrt envers inversé revés invertido contrario achterstevoren wspak".split()
)

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

_BRAILLE = re.compile("[\u2800-\u283f][\u2800-\u283f\\s]{5,}")
_BRAILLE_LETTERS = dict(zip("⠁⠃⠉⠙⠑⠋⠛⠓⠊⠚⠅⠇⠍⠝⠕⠏⠟⠗⠎⠞⠥⠧⠺⠭⠽⠵⠤⠲⠈", "abcdefghijklmnopqrstuvwxyz-.@", strict=True))


def rot13(view: View, traits: Traits) -> Iterator[View]:
    """Yield it with letters moved by 13, if then it says something."""
    if (
        traits.words & _ROT13_LABELS
        or len(traits.words & _ROT13_COMMON - _ORDINARY) > 1
        or _has_mail(view, _ROT13_MAIL)
    ):
        yield view._replace(text=_rot13(view.text), changes=())


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
            letter = _BRAILLE_LETTERS.get(char, " ")
            in_number = char == "⠼" or (in_number and letter in "abcdefghij")
            said.append("" if char == "⠼" else str(("abcdefghij".index(letter) + 1) % 10) if in_number else letter)
        yield View("".join(said), whole=match.span())
