"""The gate loses nothing: with it, without it and without Hyperscan, every text is read the same; so it is in the router.

The long version, over 20,000 texts and 100,000 odd strings: python -m tests.property.test_privacy_equality --full
"""

from __future__ import annotations

import builtins
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from faker import Faker

from router.config.schema import PrivacyConfig
from router.privacy.direct import Direct
from router.privacy.protocol import Found, Unit
from router.privacy.severity import rules
from tests.fakes.gates import GATES

if TYPE_CHECKING:  # Presidio is imported only when the test runs
    from router.privacy.detector import Detector

pytestmark = pytest.mark.timeout(400)

LOCALES = (
    "en_US",
    "en_GB",
    "de_DE",
    "fr_FR",
    "es_ES",
    "it_IT",
    "nl_NL",
    "pl_PL",
    "pt_BR",
    "sv_SE",
    "fi_FI",
    "ja_JP",
    "ru_RU",
)
VALUES = (
    "name address email phone_number ssn iban swift credit_card_number credit_card_expire date_of_birth ipv4 ipv6 mac_address url "
    "user_name password license_plate company job city postcode bban ean13 uuid4 sha256 md5 user_agent file_path"
).split()
LABELS = (
    "My {} is", "the {} of patient Jane Doe:", "{}=", '{{"{}": ', "Please call", "card", "IBAN", "SSN", "NHS number", "passport no.", "PAN",
    "driver license", "account number", "VIN", "MRN", "tax id", "BSN", "CPF", "personnummer", "PESEL", "Aadhaar", "Steuer-ID", "NIF", "TFN",
    "medicare", "born on", "password:", "api_key =", "Authorization: Bearer", "lives at", "was diagnosed with", "routing number", "",
)  # fmt: skip
FILLERS = (
    "could you explain why the second design was cheaper", "def f(x):\n    return x + 1", "2021-03-04,2021-03-05", "v1.2.3-rc4", "",
    "The meeting is on Tuesday", "\u00fcber \u5c71\u7530\u592a\u90ce", "| a | b |\n|---|---|", "https://example.com/a?b=c&d=1", "order 48213, 3 items",
)  # fmt: skip
KEYS = (
    "AKIA{:A16}", "ghp_{:x36}", "sk-proj-{:x40}", "xoxb-{:d12}-{:d12}-{:x24}", "sk_live_{:x24}", "AIza{:x35}", "-----BEGIN RSA PRIVATE KEY-----\n{:x60}",
    "{:d3}-{:d2}-{:d4}", "{:d4} {:d4} {:d4} {:d4}", "{:d9}", "{:d10}", "{:d11}", "{:d12}", "{:A2}{:d6}{:A1}", "{:A1}{:d8}", "{:A5}{:d4}{:A1}",
    "{:d2}.{:d2}.{:d4}", "{:A2}{:d2}{:A4}{:d14}", "+{:d2} {:d3} {:d6}", "{:d6}-{:d4}", "{:d3}.{:d3}.{:d3}-{:d2}", "{:x8}:{:x8}", "{:A1}{:d2} {:A3}",
)  # fmt: skip
ALPHABETS = (
    "0123456789", "0123456789-. ", "0123456789abcdefABCDEF:", "aA1 -_.@/:\n", "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", "\u00e9\u00df\u0417\u4e2d\uff11\u200b\u2013a1 ",
    "().,+x 0123456789", "=:'\" {}[]keytoken123", "/\\%&;#x41\n\t",
)  # fmt: skip


def _key(chance: random.Random, shape: str) -> str:
    pieces: list[str] = []
    for piece in shape.split("{:"):
        spec, brace, rest = piece.partition("}")
        if not brace or spec[:1] not in ("A", "d", "x") or not spec[1:].isdigit():
            pieces.append(piece)
            continue
        kind = {"A": "ABCDEFGHJKLMNPRSTUVWXYZ", "d": "0123456789", "x": "abcdefghijABCDEFGHIJ0123456789"}[spec[0]]
        pieces.append("".join(chance.choices(kind, k=int(spec[1:]))) + rest)
    return "".join(pieces)


def texts(number: int, seed: int) -> Iterator[str]:
    """Generate prompts with values of every kind, some of them damaged."""
    chance = random.Random(seed)
    fakers = [Faker(locale) for locale in LOCALES]
    for faker in fakers:
        faker.seed_instance(seed)
    for _ in range(number):
        pieces: list[str] = []
        for _ in range(chance.randint(1, 4)):
            faker, kind = chance.choice(fakers), chance.choice(VALUES)
            value = str(getattr(faker, kind)()) if chance.random() < 0.6 else _key(chance, chance.choice(KEYS))
            pieces += (chance.choice(FILLERS), chance.choice(LABELS).format(kind.replace("_", " ")), value)
        text = chance.choice((" ", "\n", ", ", "\t")).join(pieces)
        for _ in range(chance.choice((0, 0, 1, 3))):
            place = chance.randrange(len(text) + 1)
            text = (
                text[:place]
                + chance.choice(("", "-", " ", "\u200b", "0", "A", ".", "\n", "\u00e9"))
                + text[place + chance.randint(0, 1) :]
            )
        yield text * chance.choice((1, 1, 1, 1, 8))


def prose(seed: int) -> str:
    """Generate a short prompt of ordinary words, names and telling words."""
    chance = random.Random(seed)
    pieces = (*FILLERS[:1], "please ask", "my colleague", "Anna Kowalska", "priya", "London", "was fired", "the novelist", "Northbank Ltd",
              "has diabetes", "and Maria Lopez", "said that", "in 12 Station Road", "Rome", "two of", "\n", "wojciech zielinski", "?")  # fmt: skip
    return " ".join(chance.choices(pieces, k=chance.randint(1, 8)))


def strings(number: int, seed: int) -> Iterator[str]:
    """Generate strings of no sense in the characters that expressions look for, and words that they know."""
    chance = random.Random(seed)
    words = " ".join(LABELS).split()
    for _ in range(number):
        alphabet = chance.choice(ALPHABETS)
        runs = ("".join(chance.choices(alphabet, k=chance.randint(1, 25))) for _ in range(chance.randint(1, 3)))
        yield " ".join((*chance.choices(words, k=chance.randint(0, 2)), *runs))


class _Open:
    """A gate that is always open: Presidio alone."""

    def __init__(self, number: int) -> None:
        self._all = set(range(number))

    def hits(self, text: str) -> set[int]:
        del text
        return self._all


@contextmanager
def without_hyperscan() -> Iterator[None]:
    """Have its import fail."""
    import_, held = builtins.__import__, sys.modules.pop("hyperscan", None)

    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.partition(".")[0] == "hyperscan":
            raise ImportError(name)
        return import_(name, *args, **kwargs)

    sys.modules["hyperscan"] = None  # pyright: ignore[reportArgumentType]  makes importlib fail, too
    builtins.__import__ = refuse
    try:
        yield
    finally:
        builtins.__import__ = import_
        del sys.modules["hyperscan"]
        if held is not None:
            sys.modules["hyperscan"] = held


def read(detector: Detector, unit: Unit) -> Found | str:
    """Read a unit; a checksum that fails on odd digits fails the whole scan, and must do so in both."""
    try:
        return detector.read(unit)
    except (KeyError, ValueError) as error:
        return type(error).__name__


class Trio:
    """The detector as it is, with the gate forced open, and built where Hyperscan can't be imported."""

    def __init__(self) -> None:
        from router.privacy.detector import Detector

        self.gated, self.opened = Detector(PrivacyConfig(), GATES), Detector(PrivacyConfig(), GATES)
        number = len(self.opened._owners)  # pyright: ignore[reportPrivateUsage]
        words = len(self.opened.sieve.mesh.context_gated)
        self.opened.sieve.gate = _Open(number)  # pyright: ignore[reportAttributeAccessIssue]
        self.opened.sieve.word_gate = _Open(words)  # pyright: ignore[reportAttributeAccessIssue]
        with without_hyperscan():
            self.bare = Detector(PrivacyConfig(), GATES)
        assert len(self.bare.sieve.gate.ungated) == number
        assert len(self.bare.sieve.word_gate.ungated) == words
        assert len(self.gated.sieve.gate.ungated) == 0
        kit = self.gated.kit
        assert kit is not None
        self.router = Direct(kit, rules(PrivacyConfig()))

    def lost(self, text: str) -> bool:
        """Say whether the gate changes what is found."""
        unit = Unit([("", text)])
        return read(self.gated, unit) != read(self.opened, unit)

    def differs_bare(self, text: str) -> bool:
        """Say whether a missing Hyperscan does."""
        unit = Unit([("", text)])
        return read(self.gated, unit) != read(self.bare, unit)

    def differs_in_the_router(self, text: str) -> bool | None:
        """Say whether a router that reads the text itself finds something else; None if it leaves it to a worker."""
        units = [Unit([("", text)]), Unit([("key", text)], is_seam=True)]
        found = [self.router.read([unit]) for unit in units]
        sure = [each == [read(self.gated, unit)] for unit, each in zip(units, found, strict=True) if each is not None]
        return not all(sure) if sure else None


@pytest.fixture(scope="module")
def trio() -> Trio:
    return Trio()


def test_no_finding_in_a_generated_text_is_lost_at_the_gate(trio: Trio) -> None:
    assert [text for text in texts(1_200, 11) if trio.lost(text)] == []


def test_no_finding_in_an_odd_string_is_lost_at_the_gate(trio: Trio) -> None:
    assert [text for text in strings(3_000, 12) if trio.lost(text)] == []


def test_without_hyperscan_everything_is_found_the_same(trio: Trio) -> None:
    assert [text for text in (*texts(200, 13), *strings(500, 14)) if trio.differs_bare(text)] == []


def test_a_router_that_reads_a_short_text_itself_finds_what_a_worker_would(trio: Trio) -> None:
    short = (text[start : start + 200] for text in texts(2_000, 16) for start in (0, 150))
    said = [trio.differs_in_the_router(text) for text in (*short, *strings(4_000, 17), *map(prose, range(2_000)))]
    assert True not in said
    assert said.count(False) > 3_000


def test_the_generated_texts_are_full_of_findings(trio: Trio) -> None:
    found = {match[4] for text in texts(400, 15) for match in trio.gated.read(Unit([("", text)])).matches}
    assert len(found) > 30, sorted(found)


def main() -> None:
    """Run the long version."""
    trio = Trio()
    sizes = (20_000, 100_000) if "--full" in sys.argv else (1_000, 5_000)
    for name, generated in (("texts", texts(sizes[0], 101)), ("strings", strings(sizes[1], 102))):
        number = findings = lost = alone = 0
        for text in generated:
            number += 1
            lost += trio.lost(text)
            findings += read(trio.gated, Unit([("", text)])) != Found([])
            differs = trio.differs_in_the_router(text)
            alone += differs is not None
            lost += differs is True
            if number % 5_000 == 0:
                sys.stderr.write(f"{name}: {number} so far, {lost} lost\n")
        sys.stdout.write(f"{name}: {number} read, {findings} with findings, {alone} by the router alone, {lost} lost\n")


if __name__ == "__main__":
    main()
