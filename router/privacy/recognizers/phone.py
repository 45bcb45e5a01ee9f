"""Phone numbers: international ones in any grouping, North American ones, others with a word like `call` near."""

from __future__ import annotations

import re
from functools import cache

import phonenumbers

from router.privacy.engine import Expression
from router.privacy.recognizers._checked import Checked
from router.privacy.recognizers._labels import GAP, NOUN, any_of, labelled

EXTENSION = r"(?:\s?(?:x|ext\.?|extension)\s?\d{1,6})?"
JOIN = r"[\s().\-/·]{0,3}"
REGIONS = (
    "GB FR DE IT ES NL BE CH AT AU NZ IE SE IN JP ZA TR PL RO FI UA KR IL CN TW MY ID TH VN PH EG NG KE PK BD HR SI SK BG RS LT AR UY"
).split()
"""Regions whose national numbers start with a 0 and are known by that."""
LABELS = (
    "phone|phone number|telephone|tel|cell|cellphone|cell phone|mobile|mobile phone|fax|landline|whatsapp|msisdn|contact number|home|work"
    "|office|desk|direct|direct line|daytime|evening|emergency contact|callback|telefon|telefonnummer|handy|handynummer|mobil|mobilnummer"
    "|festnetz|rufnummer|mobiltelefon|téléphone|portable|mobile|fixe|teléfono|móvil|celular|fijo|telefono|cellulare|fisso|telefone|telemóvel"
    "|telemovel|fixo|telefoon|telefoonnummer|mobiel|vaste lijn|gsm|telefonu|komórka|komórkowy|numer telefonu|puhelin|телефон|тел|電話|電話番号"
    "|电话|手机|手机号|전화|전화번호|טלפון|هاتف"
)
CONTEXT = (
    "phone phones telephone tel cellphone mobile call called calling callback fax whatsapp sms dial dialed hotline ring telegram landline"
    " helpline pager msisdn imessage viber voicemail answering messages texts reach telefon telefonnummer handynummer telefono teléfono telefone"
    " téléphone celular movil móvil handy portable rufnummer mobil mobilnummer puhelin telefoon telefoonnummer mobiel cellulare telemóvel"
    " komórka komórkowy telefonu gsm anrufen appeler appelez llamar llame chiamare chiami ligar ligue bellen zadzwonić телефон тел 電話 电话"
    " 手机 전화"
).split()
LEAST_NATIONAL = 9
"""Digits of a number that its leading 0 alone makes a telephone's: shorter ones are articles, times, postcodes."""
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
    ("Handynummer: 612 32 17 11", "612 32 17 11"),
    ('phone = "81234 14605"', "81234 14605"),
    ("I moved, now it's 07911 123456.", "07911 123456"),
    ("use 06 12 34 56 78 from now on", "06 12 34 56 78"),
    ("order number 2125550187", None),
    ("between 03-11-2000 and 06-04-2020", None),
    ("Unix time 1722347644", None),
    ("2021-03-04,2021-03-05", None),
    ("1000+20000000", None),
    ("[1000000, 2000000, 3000000]", None),
)


_NOT_PHONE = re.compile(
    r"\(?(?:1[5-9]|20)\d\d\D(?:\d\d?\D\d\d?|\d{4})|\d(?:\.\d+){2,}|0\d{3}(?: 0\d{3})+|[0-3]\d([-./])[01]\d\1(?:19|20)\d\d"
)
"""Dates, ranges of years, versions."""


def _digits(text: str) -> str:
    return "".join(filter(str.isdigit, re.split(r"x|ext", text, maxsplit=1, flags=re.IGNORECASE)[0]))


def _is_international(text: str) -> bool:
    digits = _digits(text)
    digits = digits.removeprefix("00") if not text.startswith("+") else digits
    if set(digits) <= {"0", "1"}:  # bits
        return False
    return 8 <= len(digits) <= 15 and any(
        int(digits[:n]) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE for n in (1, 2, 3)
    )


def _is_dummy(digits: str) -> bool:
    """Tell numbers that count up or down, repeat a digit or are round."""
    counts = digits in "01234567890123456789" or digits in "98765432109876543210"
    return counts or len(set(digits)) < 3 or len(digits.rstrip("0")) < 4


def _is_north_american(text: str) -> bool:
    digits = _digits(text)
    return digits not in NOT_PHONES and not _is_dummy(digits)


@cache
def _national(kind: str) -> re.Pattern[str]:
    """Compile the numbering plans of all regions to one expression over the digits of a number that starts with 0."""
    plans = (phonenumbers.PhoneMetadata.metadata_for_region(region) for region in REGIONS)
    numbers = (getattr(plan, kind).national_number_pattern for plan in plans if plan is not None)
    return re.compile("|".join(f"0(?:{number})" for number in numbers if number))


def _is_national(text: str) -> bool:
    digits = _digits(text)
    is_one = _national("mobile").fullmatch(digits) or _national("fixed_line").fullmatch(digits)
    return is_one is not None and len(digits) >= LEAST_NATIONAL and _has_digits(text)


def _is_mobile(text: str) -> bool:
    return _national("mobile").fullmatch(_digits(text)) is not None and _has_digits(text)


def _has_digits(text: str) -> bool:
    digits = _digits(text)
    return 7 <= len(digits) <= 15 and not _is_dummy(digits) and not _NOT_PHONE.fullmatch(text)


def build() -> list[Checked]:
    """Give one recognizer per kind of evidence."""
    plus = rf"(?<![\w+])\+\s?\(?[1-9](?:{JOIN}\d){{7,14}}{EXTENSION}(?!\d)"
    zeros = rf"(?<![\w.+-])00[1-9](?:{JOIN}\d){{8,14}}{EXTENSION}(?![\d.])"
    american = rf"(?<![\d.+-])(?:1[-. ]?)?(?:\([2-9]\d\d\) {{0,2}}[-.]?|[2-9]\d\d[-.])\d{{3}}[-. ]\d{{4}}{EXTENSION}(?![\d-]|\.\d)"
    spaced = rf"(?<![\d.+-])(?<!\d )(?:1 )?[2-9]\d\d [2-9]\d\d[- ]\d{{4}}{EXTENSION}(?![\d-]|[. ]\d)"
    bare = r"(?<![\w.+-])[2-9]\d\d[2-9]\d{6}(?![\w-]|[.,]\d)"
    zero_led = r"(?<![\w.,:/-])\(?0\d{1,5}\)?(?:[ \t./-]{1,2}|(?<=\)))\d{2,8}(?:[ \t.-]\d{2,4}){0,4}(?![\w/:-]|[.,]\d)"
    compact = r"(?<![\w.,:/-])0\d{8,10}(?![\w/:-]|[.,]\d)"
    mobile = (
        r"(?<![\w.,:/+-])(?<!\d )(?:[6-9]\d{4} \d{5}|1[3-9]\d[ -]\d{4}[ -]\d{4}|\([1-9]\d\) 9?\d{4}-\d{4}|8 ?\(9\d\d\) ?\d{3}-\d\d-\d\d"
        r"|[67]\d\d \d\d \d\d \d\d|69\d \d{3} \d{4}|[4-9]\d\d-\d{3}-\d{3})(?![\w/:-]|[., ]\d)"
    )
    loose = rf"(?<![A-Za-z0-9_.'\"])\(?\d(?:{JOIN}\d){{6,14}}(?![A-Za-z0-9_/:]|[.,]\d)"
    said = rf"\+?\(?\d(?:{JOIN}\d){{6,14}}{EXTENSION}(?![A-Za-z0-9_/]|[.,]\d)"
    label = rf"{any_of(LABELS)}(?:{GAP}{NOUN})?"
    return [
        Checked("PHONE_NUMBER", "phone", [Expression("plus", plus, 0.75), Expression("zeros", zeros, 0.6)], CONTEXT,
                _is_international),
        Checked("PHONE_NUMBER", "phone_us", [Expression("separated", american, 0.7), Expression("spaced", spaced, 0.5)],
                CONTEXT, _is_north_american, shape_only=True),
        Checked("PHONE_NUMBER", "phone_bare", [Expression("bare", bare, 0.45)], CONTEXT, _is_north_american, shape_only=True),
        Checked("PHONE_NUMBER", "phone_national", [Expression("zero-led", zero_led, 0.45)], CONTEXT, _is_national, shape_only=True),
        Checked("PHONE_NUMBER", "phone_compact", [Expression("zero-led", compact, 0.45)], CONTEXT, _is_mobile, shape_only=True),
        Checked("PHONE_NUMBER", "phone_mobile", [Expression("grouped", mobile, 0.45)], CONTEXT, _has_digits, shape_only=True),
        Checked("PHONE_NUMBER", "phone_loose", [Expression("any digits", loose, 0.05)], CONTEXT, _has_digits, shape_only=True),
        Checked("PHONE_NUMBER", "phone_labelled", labelled((label,), said), value_check=_has_digits),
    ]  # fmt: skip
