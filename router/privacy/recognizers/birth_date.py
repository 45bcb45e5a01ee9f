"""Dates of birth: a full date right after a word that says so."""

from __future__ import annotations

from presidio_analyzer import Pattern

from router.privacy.recognizers._checked import Checked

EXAMPLES = (
    ("DOB: 03/14/1985", "03/14/1985"),
    ("date of birth is 1985-03-14", "1985-03-14"),
    ("born on 1 May 1980", "1 May 1980"),
    ("geboren am 14.03.1985", "14.03.1985"),
    ("The library was released on 2024-05-01.", None),
    ("Einstein was born on March 14, 1879", None),
)

MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|janv|févr|mars|avr|mai|juin|juil|août|mär|okt|dez|ene|abr|ago|dic)[a-zéû]{0,8}\.?"
DAY = r"(?:0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?"
YEAR = r"(?:19[2-9]\d|20[0-2]\d)"
DATE = (
    rf"(?:{DAY}[./\- ]{DAY}[./\- ](?:{YEAR}|\d\d)|{YEAR}[./\- ]{DAY}[./\- ]{DAY}|{DAY}(?: of)?\.?[ -]{MONTH},?[ -]{YEAR}"
    rf"|{MONTH} {DAY},? {YEAR})(?!\d)"
)
SAID = (
    r"d\.?o\.?b\.?|(?:date of )?birth(?:[ _-]?da(?:te|y))?|geburtsdatum|geb\.|date de naissance|fecha de nacimiento|data di nascita"
    r"|data de nascimento|geboortedatum|födelsedatum|birthdate"
)
BORN = r"born(?: on)?|geboren(?: am)?|née? le|nacid[oa] el|nat[oa] il|nascid[oa] em|geboren op"


def build() -> list[Checked]:
    """Give the recognizer."""
    link = r"(?:['\"]?\s?(?:is|was|:|=|-|\)|of birth|on|\*{1,2}|['\"])){0,3}\s{0,3}"
    return [
        Checked(
            "DATE_OF_BIRTH",
            "birth_date",
            [
                Pattern("said", rf"\b(?:{SAID}){link}(?P<value>{DATE})", 0.8),
                Pattern("born", rf"\b(?:{BORN}) (?P<value>{DATE})", 0.6),
            ],
        )
    ]
