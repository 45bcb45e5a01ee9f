"""Phone numbers: international ones in any grouping, North American ones, others with a word like `call` near."""

from __future__ import annotations

import re
from functools import lru_cache

import phonenumbers
from presidio_analyzer import Pattern

from router.privacy.recognizers._checked import Checked

EXTENSION = r"(?:\s?(?:x|ext\.?|extension)\s?\d{1,6})?"
JOIN = r"[\s().\-/·]{0,3}"
REGIONS = ("GB", "FR", "DE", "IT", "ES", "NL", "BE", "CH", "AT", "AU", "NZ", "IE", "SE", "IN", "JP", "ZA", "TR", "PL")
CONTEXT = (
    "phone phones telephone tel cell cellphone mobile call called calling callback fax whatsapp sms text "
    "dial hotline ring reach contact signal telegram desk office home work landline helpline pager msisdn "
    "imessage viber messages answering number num telefon telefono teléfono telefone téléphone celular "
    "movil móvil handy portable numero número numéro rufnummer mobil puhelin telefoon mobiel телефон тел "
    "номер 電話 电话 手机 전화"
).split()
NOT_PHONES = frozenset({"2147483647", "2147483648", "4294967295", "4294967296", "2718281828", "3141592653"})
"""Numbers of ten digits that every programmer or mathematician knows."""

EXAMPLES = (
    ("Call +44 20 7946 0958 after six", "+44 20 7946 0958"),
    ("tel:+44-20-7946-0958", "+44-20-7946-0958"),
    ("00442079460958", "00442079460958"),
    ("(212) 555-0187", "(212) 555-0187"),
    ("212.555.0187", "212.555.0187"),
    ("410-318-1456x9592", "410-318-1456x9592"),
    ("my phone number is 2125550187", "2125550187"),
    ("Mobile: 03.93.92.16.85", "03.93.92.16.85"),
    ("Phone: 434 14 557", "434 14 557"),
    ("Unix time 1722347644", None),
    ("2021-03-04,2021-03-05", None),
    ("1000+20000000", None),
    ("[1000000, 2000000, 3000000]", None),
)


_NOT_PHONE = re.compile(r"\(?(?:1[5-9]|20)\d\d\D(?:\d\d?\D\d\d?|\d{4})|\d(?:\.\d+){2,}")
"""Dates, ranges of years, versions."""


def _digits(text: str) -> str:
    return "".join(filter(str.isdigit, re.split(r"x|ext", text, maxsplit=1, flags=re.IGNORECASE)[0]))


def _is_international(text: str) -> bool:
    digits = _digits(text)
    digits = digits.removeprefix("00") if not text.startswith("+") else digits
    return 8 <= len(digits) <= 15 and any(
        int(digits[:n]) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE for n in (1, 2, 3)
    )


def _is_north_american(text: str) -> bool:
    return _digits(text) not in NOT_PHONES


@lru_cache(maxsize=512)
def _is_valid(text: str) -> bool:
    for region in REGIONS:
        try:
            if phonenumbers.is_valid_number(phonenumbers.parse(text, region)):
                return True
        except phonenumbers.NumberParseException:
            continue
    return False


def _has_digits(text: str) -> bool:
    digits = _digits(text)
    return 7 <= len(digits) <= 15 and len(set(digits)) > 2 and not _NOT_PHONE.fullmatch(text)


def build() -> list[Checked]:
    """Give one recognizer per kind of evidence."""
    plus = rf"(?<![\w+])\+\s?\(?[1-9](?:{JOIN}\d){{7,14}}{EXTENSION}(?!\d)"
    zeros = rf"(?<![\w.+-])00[1-9](?:{JOIN}\d){{8,14}}{EXTENSION}(?![\d.])"
    american = rf"(?<![\d.+-])(?:1[-. ]?)?(?:\([2-9]\d\d\) {{0,2}}[-.]?|[2-9]\d\d[-.])\d{{3}}[-. ]\d{{4}}{EXTENSION}(?![\d-]|\.\d)"
    spaced = rf"(?<![\d.+-])(?<!\d )(?:1 )?[2-9]\d\d [2-9]\d\d[- ]\d{{4}}{EXTENSION}(?![\d-]|[. ]\d)"
    bare = r"(?<![\w.+-])[2-9]\d\d[2-9]\d{6}(?![\w-]|[.,]\d)"
    zero_led = r"(?<![\w.,:/-])\(?0\d{1,4}\)?[\s./-]{1,2}\d{2,8}(?:[\s.-]\d{2,4}){0,4}(?![\w/:-]|[.,]\d)"
    loose = rf"(?<![A-Za-z0-9_.'\"])\(?\d(?:{JOIN}\d){{6,14}}(?![A-Za-z0-9_/:]|[.,]\d)"
    return [
        Checked("PHONE_NUMBER", "phone", [Pattern("plus", plus, 0.75), Pattern("zeros", zeros, 0.6)], CONTEXT,
                _is_international),
        Checked("PHONE_NUMBER", "phone_us", [Pattern("separated", american, 0.7), Pattern("spaced", spaced, 0.5)],
                CONTEXT, _is_north_american),
        Checked("PHONE_NUMBER", "phone_bare", [Pattern("bare", bare, 0.45)], CONTEXT, _is_north_american),
        Checked("PHONE_NUMBER", "phone_national", [Pattern("zero-led", zero_led, 0.45)], CONTEXT, _is_valid),
        Checked("PHONE_NUMBER", "phone_loose", [Pattern("any digits", loose, 0.05)], CONTEXT, _has_digits),
    ]  # fmt: skip
