"""Sensitive values that exist nowhere else, and the eye that knows them again in whatever form a cloud gets them."""

from __future__ import annotations

import base64
import html
import json
import random
import re
import string
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import suppress
from urllib.parse import quote, unquote

import msgspec

from router.core.types import JsonValue, Sensitivity

GRAM = 9
"""Letters and digits in a row by which a value is known: an SSN has no more, and no two values share as many."""


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of sensitive value, and what must be switched on for the scan to know it."""

    name: str
    entity: str
    """The type it must be found as."""
    recognizers: tuple[str, ...] = ()
    """Plug-ins that find it; none = Presidio's own, which are always on."""
    sensitivity: Sensitivity | None = None
    """How sensitive its sentence makes a request; None = as its entity type."""


class Canary(msgspec.Struct, frozen=True, kw_only=True):
    """One value and how it is said."""

    id: int
    kind: Kind
    text: str
    """What is put into the request; the value may be disguised in it."""
    secret: str
    """The value, which must not be seen elsewhere."""
    disguise: str = ""


CARD = Kind(name="card number", entity="CREDIT_CARD", recognizers=("card",))
SSN = Kind(name="social security number", entity="US_SSN")
IBAN = Kind(name="IBAN", entity="IBAN_CODE", recognizers=("iban",))
EMAIL = Kind(name="e-mail address", entity="EMAIL_ADDRESS", recognizers=("email",))
PHONE = Kind(name="phone number", entity="PHONE_NUMBER", recognizers=("phone",))
API_KEY = Kind(name="API key", entity="SECRET", recognizers=("secret",))
PASSWORD = Kind(name="password", entity="PASSWORD", recognizers=("password",))
PATIENT = Kind(
    name="patient's name", entity="PERSON", recognizers=("person", "qualifier"), sensitivity=Sensitivity.RESTRICTED
)

_FIRST = (
    "Anna Maria Laura Peter Thomas Julia Sarah Michael David Emma Daniel Sophie Robert Helen James Linda Karen Steven "
    "Rachel Brian Nancy Kevin Susan Edward Monica Victor Diana George Alice Martin Angela Oliver Hannah Philip Teresa "
    "Gregory Barbara Dennis Cynthia Raymond Martha Walter Eleanor Stephen Claire Vincent Judith Leonard Amanda Arthur"
).split()
_LAST = (
    "Gonzalez Schneider Robinson Petersen Martinez Thompson Williams Anderson Richardson Fischer Rodriguez Hoffmann "
    "Patterson Henderson Lombardi Marchetti Johansson Campbell Mitchell Whitaker Sullivan Ferguson Hamilton Crawford "
    "Nicholson Ramirez Delgado Morrison Bradford Fletcher Harrington Coleman Donovan Gallagher Kowalski Lindgren "
    "Armstrong Blackwood Chamberlain Davidson Ellsworth Fitzgerald Goldstein Hernandez Ingram Jefferson Kaufmann "
    "Lancaster Montgomery Norwood Oliveira Pemberton Quinlan Rosenberg Stephenson Townsend Underhill Valentine "
    "Wellington Yamamoto Zimmermann Abernathy Bernstein Castellano Dominguez Eriksson Forsythe Gutierrez Holloway"
).split()
_DOMAINS = "northwind-clinic.com example-mail.org lakeside-bank.net contoso.co.uk fabrikam.de gmail.com".split()
_CARDS = (("4", 16), ("51", 16), ("55", 16), ("2221", 16), ("34", 15), ("37", 15), ("6011", 16), ("3528", 16))
_IBANS = (("DE", "", 18), ("AT", "", 16), ("GB", "WEST", 14), ("NL", "ABNA", 10))
_SENTENCES = (
    "Patient {} was diagnosed with diabetes.",
    "The patient's name is {}, she has asthma.",
    "Our patient {} is treated for depression.",
)
_ALNUM = string.ascii_letters + string.digits


class Canaries:
    """A stream of canaries; same seed, same stream. No two share `GRAM` letters and digits until names run out."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._made = 0
        self.eye = Eye()
        self._makers: tuple[tuple[Kind, Callable[[], tuple[str, str]]], ...] = (
            (CARD, self._card),
            (SSN, self._ssn),
            (IBAN, self._iban),
            (EMAIL, self._email),
            (PHONE, self._phone),
            (API_KEY, self._api_key),
            (PASSWORD, self._password),
            (PATIENT, self._patient),
        )

    def next(self) -> Canary:
        """Make one."""
        kind, make = self._chance.choice(self._makers)
        canary = self._make(kind, make)
        for _ in range(100):
            if not self.eye.mistakes(canary):
                break
            canary = self._make(kind, make)
        self.eye.learn(canary)
        self._made += 1
        return self._disguised(canary)

    def _make(self, kind: Kind, make: Callable[[], tuple[str, str]]) -> Canary:
        secret, text = make()
        return Canary(id=self._made, kind=kind, text=text, secret=secret)

    def _disguised(self, canary: Canary) -> Canary:
        if canary.text != canary.secret or self._chance.random() > 0.2:
            return canary
        name = self._chance.choice(list(_DISGUISES))
        return msgspec.structs.replace(canary, text=_DISGUISES[name](canary.text), disguise=name)

    def _digits(self, count: int) -> str:
        return "".join(self._chance.choices(string.digits, k=count))

    def _some(self, count: int, alphabet: str = _ALNUM) -> str:
        return "".join(self._chance.choices(alphabet, k=count))

    def _grouped(self, text: str, marks: str) -> str:
        mark = self._chance.choice(("", *marks))
        return mark.join(text[start : start + 4] for start in range(0, len(text), 4)) if mark else text

    def _card(self) -> tuple[str, str]:
        prefix, length = self._chance.choice(_CARDS)
        number = _luhn(prefix + self._digits(length - len(prefix) - 1))
        return (shown := self._grouped(number, " -") if length == 16 else number), shown

    def _ssn(self) -> tuple[str, str]:
        area = self._chance.choice([*range(1, 666), *range(667, 900)])
        number = f"{area:03}-{self._chance.randint(1, 99):02}-{self._chance.randint(1, 9999):04}"
        return number, number

    def _iban(self) -> tuple[str, str]:
        country, bank, digits = self._chance.choice(_IBANS)
        account = bank + self._digits(digits)
        number = "".join(str(int(one, 36)) for one in f"{account}{country}00")
        return (shown := self._grouped(f"{country}{98 - int(number) % 97:02}{account}", " ")), shown

    def _email(self) -> tuple[str, str]:
        syllables = [self._chance.choice("bdfglmnprstv") + self._chance.choice("aeiou") for _ in range(4)]
        account = f"{syllables[0]}.{''.join(syllables[1:])}{self._digits(4)}"  # no name of anybody, or a name leaves
        return (address := f"{account}@{self._chance.choice(_DOMAINS)}"), address

    def _phone(self) -> tuple[str, str]:
        area = self._chance.choice([one for one in range(201, 990) if one % 100 != 11])
        shape = self._chance.choice(("+1 {} {} {}", "({}) {}-{}", "+1-{}-{}-{}", "{}-{}-{}"))
        number = shape.format(area, self._chance.randint(200, 999), self._digits(4))
        return number, number

    def _api_key(self) -> tuple[str, str]:
        shapes = (
            lambda: "AKIA" + self._some(16, string.ascii_uppercase + "234567"),
            lambda: "ghp_" + self._some(36),
            lambda: "sk-proj-" + self._some(48),
            lambda: "sk_live_" + self._some(24),
        )
        return (key := self._chance.choice(shapes)()), key

    def _password(self) -> tuple[str, str]:
        value = f"{self._some(3)}{self._digits(2)}!{self._some(8)}"
        return value, self._chance.choice(("password: {}", "my password is {}")).format(value)

    def _patient(self) -> tuple[str, str]:
        name = f"{self._chance.choice(_FIRST)} {self._chance.choice(_LAST)}"
        return name, self._chance.choice(_SENTENCES).format(name)


_DISGUISES: dict[str, Callable[[str], str]] = {
    "base64": lambda text: base64.b64encode(f"the value is {text}".encode()).decode(),
    "percent-encoded": lambda text: quote(text, safe=""),
    "HTML entities": lambda text: "".join(f"&#{ord(one)};" for one in text),
    "full-width": lambda text: "".join(chr(ord(one) + 0xFEE0) if one.isdigit() else one for one in text),
    "invisible characters": lambda text: "\u200b".join(text),
}


class Eye:
    """Knows canaries again: raw, decoded, regrouped, or a part of `GRAM` letters and digits."""

    def __init__(self) -> None:
        self._grams: dict[str, tuple[int, ...]] = {}

    def mistakes(self, canary: Canary) -> bool:
        """Whether it would take the canary for another."""
        return any(gram in self._grams for gram in _marks(canary))

    def learn(self, canary: Canary) -> None:
        """Keep a canary in mind."""
        for gram in set(_marks(canary)):
            self._grams[gram] = (*self._grams.get(gram, ()), canary.id)

    def seen(self, data: bytes) -> frozenset[int]:
        """Say which canaries stand in some bytes."""
        return frozenset(
            one
            for text in _readings(data)
            for place in range(len(text) - GRAM + 1)
            for one in self._grams.get(text[place : place + GRAM], ())
        )


def _marks(canary: Canary) -> Iterator[str]:
    """Yield the pieces that give a value away: of a name those with both parts, of an address those with its number."""
    value = canary.secret
    whole = compact(value)
    first, last = 0, len(whole) - GRAM
    if canary.kind is PATIENT:
        cut = len(compact(value.partition(" ")[0]))
        first, last = max(cut - GRAM + 1, 0), min(cut - 1, last)
    elif canary.kind is EMAIL:
        last = len(compact(value.partition("@")[0])) - GRAM
        first = last - 1
    elif canary.kind is API_KEY:
        first = len(whole) - 16  # what stands before is the vendor's mark
    yield from (whole[start : start + GRAM] for start in range(first, last + 1))


def compact(text: str) -> str:
    """Leave only letters and digits, in one case and one form."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return "".join(filter(str.isalnum, plain))


_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
_BASE64 = re.compile(r"[A-Za-z0-9+/]{12,}={0,2}")


def _readings(data: bytes) -> Iterator[str]:
    """Yield what can be read in some bytes: as they are, as JSON, with escapes written out, out of base64."""
    text = data.decode(errors="replace")
    texts = [text]
    with suppress(ValueError):  # not JSON: read as it is
        texts.append(" ".join(strings(json.loads(text))))
    for form in texts:
        plain = html.unescape(unquote(_ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), form)))
        hidden = " ".join(map(_decoded, _BASE64.findall(plain)))
        yield from (compact(one) for one in dict.fromkeys((form, plain, hidden)) if one)


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4)).decode()
    except ValueError:
        return ""


def strings(value: JsonValue) -> Iterator[str]:
    """Yield every key, text and number of some JSON."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
    elif value is not None:
        yield str(value)


def _luhn(digits: str) -> str:
    """Append the check digit."""
    total = 0
    for index, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if index % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return digits + str(-total % 10)
