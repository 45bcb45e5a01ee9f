"""Numbers that a label in front of them makes personal: `account number 4482913`, `Passport No: X1234567`, `MRN 88213`."""

from __future__ import annotations

import re

from presidio_analyzer import Pattern

from router.privacy.recognizers._checked import Checked

EXAMPLES = (
    ("patient number 4482913", "4482913"),
    ("MRN: 00-88-2134", "00-88-2134"),
    ("Passport No. X1234567", "X1234567"),
    ("her bank account is 44829134", "44829134"),
    ("My driver's license number is 2270-66-1551", "2270-66-1551"),
    ("VIN 1HGCM82633A004352", "1HGCM82633A004352"),
    ("employee ID E-104482", "E-104482"),
    ("the account has 2 users", None),
    ("patient 1 of 20", None),
    ("passport photo size", None),
    ("customer id is the primary key", None),
)

LABELS = {
    "MEDICAL_RECORD": r"mrn|medical record|patient|health record|chart|hospital|case file|nhs|medical",
    "BANK_ACCOUNT": r"bank account|account|acct|a/c|sort code|routing|savings account|checking account|konto|kontonummer|compte"
    r"|cuenta|swift|bic",
    "PASSPORT": r"passport|reisepass|passeport|pasaporte|passaporto|travel document",
    "HEALTH_INSURANCE": r"health insurance|insurance|health plan|medicare|medicaid|member|subscriber|beneficiary|policy|policyholder",
    "PERSONAL_ID": r"national id|national identity|identity card|identity|id card|social insurance|social security|citizen|personal id"
    r"|driver'?s?'? licen[cs]e|driving licen[cs]e|licen[cs]e|driver licen[cs]e|dl|voter|employee|staff|student|customer"
    r"|client|user|membership|loyalty|badge|case|immigration|visa|alien registration|inmate|prisoner|residence permit|ausweis"
    r"|personalausweis|dni|certificate",
    "TAX_ID": r"tax|taxpayer|tax identification|tin|itin|ein|steuer|vat|fiscal",
    "VEHICLE_ID": r"vin|vehicle identification|vehicle|license plate|licence plate|number plate|plate|imei|imsi|device serial",
}
WEAK = frozenset({"MEDICAL_RECORD", "BANK_ACCOUNT", "HEALTH_INSURANCE", "PERSONAL_ID", "TAX_ID", "VEHICLE_ID"})

NOUN = r"(?:number|numbers|num|nr|no|id|ids|identifier|code|#|nummer|numéro|número|numero|№|details)"
LINK = r"(?:\s?(?:is|was|are|:|=|#|-|\(|\*{1,2}|['\"]\s?:\s?['\"])){0,3}\s{0,3}"
TOKEN = r"(?=[A-Z0-9./ -]{0,12}\d[A-Z0-9./ -]{0,8}\d)[A-Z0-9]{1,12}(?:[-./ ]?[A-Z]{0,3}\d[A-Z0-9]{0,12}){1,6}(?![\w])"
ALONE = r"mrn|vin|imei|a/c|acct|bank account|passport|driver'?s?'? licen[cs]e|driving licen[cs]e|dl#|license plate|licence plate|medicare|kontonummer"


def _token(text: str) -> str:
    return re.split(r"[\s:=#('\"*]{1,4}(?=[^\s]*\d)", text, maxsplit=1)[-1]


def is_number(text: str) -> bool:
    """Check that what follows the label is an identifier: five digits or more, and no date, price or count."""
    token = _token(text)
    digits = [char for char in token if char.isdigit()]
    return len(digits) >= 5 and len(set(digits)) > 1 and not re.fullmatch(r"(?:19|20)\d\d[-/.]\d\d?[-/.]\d\d?", token)


def build() -> list[Checked]:
    """Give one recognizer per entity."""
    recognizers: list[Checked] = []
    for entity, labels in LABELS.items():
        named = rf"\b(?:{labels})(?:'?s)?(?:\s(?:card|account|record|file|policy|identification|registration|reference))?[\s_-]{{0,2}}{NOUN}\b\.?{LINK}(?P<value>{TOKEN})"
        recognizers.append(
            Checked(entity, f"labelled_{entity.lower()}", [Pattern("named", named, 0.7)], check=is_number)
        )
    alone = {"MEDICAL_RECORD": "mrn", "VEHICLE_ID": "vin|imei|licen[cs]e plate", "PASSPORT": "passport|reisepass|passeport|pasaporte",
             "BANK_ACCOUNT": "bank account|a/c|acct|kontonummer|konto|routing", "PERSONAL_ID": r"driver'?s?'? licen[cs]e|driving licen[cs]e",
             "HEALTH_INSURANCE": "medicare|medicaid"}  # fmt: skip
    for entity, labels in alone.items():
        pattern = Pattern("alone", rf"\b(?:{labels})\b\.?{LINK}(?P<value>{TOKEN})", 0.6)
        recognizers.append(Checked(entity, f"label_{entity.lower()}", [pattern], check=is_number))
    return recognizers
