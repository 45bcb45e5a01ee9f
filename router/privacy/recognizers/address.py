"""Postal addresses by their shape: a number and a street word, in the order of a dozen languages."""

from __future__ import annotations

from router.privacy.engine import Expression
from router.privacy.recognizers._checked import Checked

EXAMPLES = (
    ("lives at 221 Aspen Ridge Road, Boulder, CO 80302", "221 Aspen Ridge Road, Boulder, CO 80302"),
    ("Hauptstraße 12, 10115 Berlin", "Hauptstraße 12"),
    ("12 rue de la Paix", "12 rue de la Paix"),
    ("Calle Mayor 15", "Calle Mayor 15"),
    ("P.O. Box 1234", "P.O. Box 1234"),
    ("He walked 3 miles down the road", None),
    ("2 Way to go", None),
)

CAP = r"(?-i:[\p{Lu}][\w'’.-]{1,20})"
TYPES = (
    r"(?-i:Street|St\.?|Avenue|Ave\.?|Road|Rd\.?|Boulevard|Blvd\.?|Lane|Ln\.?|Drive|Dr\.?|Court|Ct\.?|Place|Pl\.?|Terrace|Square|Sq\.?"
    r"|Parkway|Pkwy\.?|Highway|Hwy\.?|Crescent|Close|Circle|Cir\.?|Trail|Mews|Alley|Row|Plaza|Gardens|Grove)"
)
ENGLISH = rf"(?<![\w.$€£:/-])(?!(?:1[89]|20)\d\d,)\d{{1,5}}[A-Z]?,? (?:[NSEW]\.? )?(?:{CAP} ){{1,3}}{TYPES}(?![\w])"
TAIL = rf"(?:,? (?:Apt|Suite|Unit|Apartment|Ste)\.? ?#?\w{{1,6}})?(?:,\s{{0,2}}{CAP}(?: {CAP}){{0,2}})?(?:,\s{{0,2}}(?-i:[A-Z]{{2}}),?\s{{1,2}}\d{{5}}(?:-\d{{4}})?)?"
CITY = rf"(?<!\w){CAP}(?: {CAP}){{0,2}},\s{{1,2}}(?-i:A[LKZR]|C[AOT]|D[EC]|FL|GA|HI|I[DLNA]|K[SY]|LA|M[EDAINSOT]|N[EVHJMYCD]|O[HKR]|PA|RI|S[CD]|T[NX]|UT|V[TA]|W[AVIY]),?\s\d{{5}}(?:-\d{{4}})?(?!\d)"
GERMANIC = r"(?-i:\p{Lu}[\w.-]{2,25}(?:straße|strasse|str\.|gasse|platz|allee|ring|gata|gatan|vägen|vej|veien|straat|laan|weg|katu|tie)) \d{1,4} ?(?-i:[a-z])?(?!\w)"
ROMANCE = (
    rf"(?:\d{{1,4}}(?: ?bis| ?ter)?,? )?(?-i:[Rr]ue|[Aa]venue|[Bb]oulevard|[Cc]hemin|[Pp]lace|[Aa]llée|[Ii]mpasse|Calle|C/|Avenida|Av\.|Paseo|Plaza"
    rf"|[Vv]ia|[Vv]iale|[Pp]iazza|[Cc]orso|Rua|Travessa|ul\.|ulica|Ulica)(?: (?:de|del|della|des|du|da|do|la|las|los|l'|di|d'|dos)){{0,2}} {CAP}(?: {CAP}){{0,3}}(?:,? (?:n[.º°]? ?)?\d{{1,5}})?(?!\w)"
)
BOX = r"\b(?:P\.? ?O\.? ?Box|Postfach|Boîte postale|Apartado) \d{2,6}|\bPSC \d{3,5},? Box \d{2,6}|\b(?:APO|FPO|DPO) A[AEP] \d{5}"
UNIT = rf"(?<![\w.])\d{{1,5}} {CAP}(?: {CAP}){{0,3}}(?: \d{{1,4}})?\s{{1,3}}(?:Apt|Suite|Unit)\.? \d{{1,4}}"


def _has_number(text: str) -> bool:
    return any(map(str.isdigit, text))


def build() -> list[Checked]:
    """Give the recognizer."""
    shapes = {
        "English": (ENGLISH + TAIL, 0.7), "city, state, ZIP": (CITY, 0.6), "Germanic": (GERMANIC, 0.6),
        "Romance": (ROMANCE, 0.6), "box": (BOX, 0.6), "unit": (UNIT, 0.6),
    }  # fmt: skip
    patterns = [Expression(name, expression, score) for name, (expression, score) in shapes.items()]
    return [Checked("STREET_ADDRESS", "address", patterns, check=_has_number)]
