"""Dates of birth: a full date right after a word that says so."""

from __future__ import annotations

from router.privacy.engine import Expression
from router.privacy.recognizers._checked import Checked
from router.privacy.recognizers._labels import any_of, labelled

EXAMPLES = (
    ("DOB: 03/14/1985", "03/14/1985"),
    ("date of birth is 1985-03-14", "1985-03-14"),
    ("born on 1 May 1980", "1 May 1980"),
    ("geboren am 14.03.1985", "14.03.1985"),
    ("The library was released on 2024-05-01.", None),
    ("Einstein was born on March 14, 1879", None),
)

MONTH = (
    r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|janv|févr|mars|avr|mai|juin|juil|août|mär|okt|dez|ene|abr|ago|dic|gen|giu|lug|set|ott"
    r"|fev|out|mrt|mei|maj|sty|lut|kwi|cze|lip|sie|wrz|paź|lis|gru)[a-zéûçń]{0,9}\.?"
)
DAY = r"(?:0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th|er|º|\.)?"
YEAR = r"(?:19[1-9]\d|20[0-2]\d)"
DATE = (
    rf"(?:{DAY} ?[./\- ] ?{DAY} ?[./\- ] ?(?:{YEAR}|\d\d)|{YEAR} ?[./\- ] ?{DAY} ?[./\- ] ?{DAY}|{YEAR}[01]\d[0-3]\d"
    rf"|{DAY}(?: of| de)?[ -]{MONTH}(?: of| de|,)?[ -]{YEAR}|{MONTH} {DAY},? {YEAR})(?!\d)"
)
SAID = (
    "dob|d o b|birth|date of birth|birth date|birthdate|birthday|bday|day of birth|born on|geburtsdatum|geburtstag|geb|geboren am|date de naissance"
    "|naissance|né le|née le|fecha de nacimiento|nacimiento|fecha nac|f nac|nacido el|nacida el|data di nascita|nascita|nato il|nata il"
    "|data de nascimento|nascimento|nasc|nascido em|nascida em|geboortedatum|geboren op|geb datum|data urodzenia|ur|urodzony|urodzona"
    "|födelsedatum|fødselsdato|syntymäaika|дата рождения|生年月日|出生日期|생년월일"
)
BORN = r"born(?: on)?|geboren(?: am| op)?|née? le|nacid[oa] el|nat[oa] il|nascid[oa] em|urodzon[ya]"


def build() -> list[Checked]:
    """Give the recognizer."""
    said = [Expression(pattern.name, pattern.regex, 0.8) for pattern in labelled((any_of(SAID),), DATE)]
    return [
        Checked("DATE_OF_BIRTH", "birth_date", [*said, Expression("born", rf"\b(?:{BORN}) (?P<value>{DATE})", 0.6)])
    ]
