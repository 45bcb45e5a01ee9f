"""Names right after a word that makes them a patient's: whoever writes `patient Jane Doe` writes of a real one."""

from __future__ import annotations

import re

import regex

from router.privacy.engine import Expression
from router.privacy.recognizers._checked import Checked

EXAMPLES = (
    ("Summarise the notes of patient Jane Doe.", "Jane Doe"),
    ("Patient: Müller, Hans-Peter", "Müller, Hans-Peter"),
    ("Patientin Anna Schmidt", "Anna Schmidt"),
    ("Пациентка Иванова Мария", "Иванова Мария"),
    ("Patient Safety Guidelines", None),
    ("the patient should rest", None),
    ("Be patient and wait", None),
)

WORD = r"(?-i:[Pp]atient(?:in|e|en|s)?|PATIENT|[Pp]aciente|[Pp]aziente|[Pp]atiënt|[Pp]acjent(?:ka)?|[Пп]ациент(?:ка|ки|а)?)"
TITLE = r"(?:(?:pani?|señora?|Mr|Mrs|Ms|Miss|Dr|Prof|Herr|Frau|Sr|Sra|Mx|Ing|Mgr)\b\.?\s?){0,3}"
NOT_PART = (
    r"(?!(?-i:SSN|DOB|MRN|NHS|NIR|NIF|NIE|DNI|CPF|BSN|AHV|ID|PIN|IBAN|DL|MBI|TIN|HIV|MRI|ECG|EKG|ICU|[Ss]ocial [Ss]ecurity|Tel|Phone|E-?mail|Passport"
    r"|Policy|Account|Medicare|Insurance|Address|Aged?|Born)\b)"
)
"""What stands behind a name in a form: the label of the next field."""
PART = (
    NOT_PART
    + r"(?-i:(?:(?:de|da|di|la|le|van|von|der|den|del|dos|el|al|bin|ibn|y|zu|st\.|af|du|ten|ter)\s){0,3}(?:[dDlL]['’]|O['’]|Mc|Mac|Al-|El-)?\p{Lu}(?:\.|[\p{L}'’-]{0,25}))"
)
NAMES = rf"{TITLE}{PART}(?:,?[ \t]{{1,2}}{PART}){{0,4}}"
LINK = r"(?:['’]s)?(?:\s?(?:name|named|called|is|:|=|-|\()){0,3}\s{0,2}"

_NOT_NAMES = re.compile(
    r"\b(?:Safety|Care|Health|Data|Management|Satisfaction|Information|Records?|Education|History|Outcomes?|Portal|Experience|Engagement"
    r"|Rights|Privacy|Protection|Act|Journey|Access|Monitoring|System|Services?|Presentation|Population|Treatment|Assessment|Advocacy"
    r"|Centered|Support|Flow|Registration|Intake|Form|Report|Summary|ID|Number|Name|Zero|Relationship|Admin|Class|Table|Model|The|In|A|An"
    r"|What|How|Which|Who|When|Age|Gender|Sex|Notes?|Instructions?|Response|Interaction|Communication|Recruitment|Doctor|Hospital)\b"
)


_LABEL = re.compile(r"^\w+(?:['’]s\b|[\s:=(-]|\b(?:name|named|called|is)\b)+")


_NOT_NAMES_CAPITAL = re.compile(
    r"\b(?:WHERE|WHO|THAT|AND|OR|WITH|FROM|HAS|HAVE|ARE|WAS|WERE|IN|ON|AT|TO|OF|FOR|BY|IS|AS|S|ORDER|GROUP|LIMIT|JOIN|SET)\b"
)
_CODE = regex.compile(r"(?!Ma?c)\b\p{Lu}\p{Ll}+\p{Lu}")


def _is_name(text: str) -> bool:
    names = _LABEL.sub("", text, count=1)
    first = re.match(r"[\w'’-]+", names)
    if first is None or len(names) < 3 or _NOT_NAMES.fullmatch(first.group()):
        return False
    return not _NOT_NAMES_CAPITAL.search(names) and not _CODE.match(names)


def build() -> list[Checked]:
    """Give recognizers for the name and for what it tells of its bearer."""
    expression = rf"\b{WORD}\b{LINK}(?P<value>{NAMES})"
    return [Checked("MEDICAL_RECORD", "patient", [Expression("patient", expression, 0.8)], check=_is_name)]
