"""International bank account numbers: each country's exact length, then the check digits."""

from __future__ import annotations

import re
from collections import defaultdict

from stdnum import iban as stdnum_iban
from stdnum import numdb

from router.privacy.engine import Expression, Overlapping
from router.privacy.recognizers._checked import Checked

EXAMPLES = (
    ("IBAN DE89 3704 0044 0532 0130 00 please", "DE89 3704 0044 0532 0130 00"),
    ("to de89370400440532013000", "de89370400440532013000"),
    ("DE89-3704-0044-0532-0130-00", "DE89-3704-0044-0532-0130-00"),
    ("GB82WEST12345698765432.", "GB82WEST12345698765432"),
    ("DE89370400440532013001", None),
)

MORE = {"DZ": 26, "AO": 25, "BF": 28, "BJ": 28, "CI": 28, "CM": 27, "CV": 25, "IR": 26, "MA": 28, "MG": 27,
        "ML": 28, "MZ": 25, "SN": 28, "TG": 28}  # fmt: skip
"""Countries that use IBANs without being in the registry."""


def _by_length() -> dict[int, list[str]]:
    countries: dict[int, list[str]] = defaultdict(list)
    for _, country, _, facts, _ in numdb.get("iban").prefixes:
        length = 4 + sum(int(size) for size in re.findall(r"(\d+)!", facts["bban"]))
        countries[length].append(country)
    for country, length in MORE.items():
        countries[length].append(country)
    return countries


def is_iban(text: str) -> bool:
    """Check the two check digits, whatever the country's own rules."""
    number = stdnum_iban.compact(text)
    if sum(map(str.isdigit, number)) < 8 or not number.isascii():
        return False
    return int("".join(str(int(char, 36)) for char in number[4:] + number[:4])) % 97 == 1


def build() -> list[Checked]:
    """Give the recognizer."""
    patterns: list[Expression] = [
        Overlapping(
            f"{length} characters",
            rf"(?<![A-Z0-9])(?:{'|'.join(countries)})\d\d(?:[ .-]?[A-Z0-9]){{{length - 4}}}(?![A-Z0-9])",
            0.9,
        )
        for length, countries in sorted(_by_length().items())
    ]
    patterns += [
        Overlapping("compact", r"(?<![A-Z0-9])[A-Z]{2}\d\d[A-Z0-9]{11,30}(?![A-Z0-9])", 0.8),
        Overlapping(
            "in fours",
            r"(?<![A-Z0-9])[A-Z]{2}\d\d(?: [A-Z0-9]{4}){2,7}(?: (?=[A-Z]{0,2}\d)[A-Z0-9]{1,3})?(?![A-Z0-9])",
            0.8,
        ),
    ]
    return [Checked("IBAN_CODE", "iban", patterns, ("iban", "bank", "account", "transfer"), is_iban)]
