"""Numbers that a label makes personal: `account number 4482913`, `Passport No: X1234567`, `88213-22 (MRN)`.

The labels are those of forms, tables, chats and code in English, German, French, Spanish, Italian, Portuguese, Dutch and
Polish, and what national numbers are called at home. `ALONE` needs no more than the number behind it; `NUMBERED` needs
the word "number" too: a patient has many numbers, and one patient number.
"""

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
    ("What's your policy number?\nSure, one second, it's 55-2210-93", "55-2210-93"),
    ("88213422 is the account number", "88213422"),
    ("the file of 88213422 (MRN)", "88213422"),
    ("numéro de compte : 00048 33021", "00048 33021"),
    ("Patientennummer ........ 4482913", "4482913"),
    ("<td>Passport no.</td><td>X1234567</td>", "X1234567"),
    ("Kennzeichen: B-MW 4711", "B-MW 4711"),
    ("the account has 2 users", None),
    ("patient 1 of 20", None),
    ("passport photo size", None),
    ("customer id is the primary key", None),
    ("paid on account: 12,500.00", None),
    ("the policy of 12.05.2023", None),
)

ALONE = {
    "MEDICAL_RECORD": "mrn|medical record|nhs|hospital no|patientenakte|dossier médical|historia clínica|nhc|cartella clinica"
    "|prontuário|processo clínico|karta pacjenta",
    "BANK_ACCOUNT": "bank account|a/c|acct|savings|checking|routing|aba|sort code|transit number|bsb|ifsc|bban|clabe|konto|bankkonto|kto"
    "|bankverbindung|compte bancaire|rib|cuenta bancaria|cuenta corriente|conto corrente|conto bancario|c/c|conta bancária|conta corrente"
    "|bankrekening|rekening|rachunek|rachunek bankowy|rachunku|konta bankowego",
    "PASSPORT": "passport|travel document|reisepass|pass nr|passeport|pasaporte|passaporto|passaporte|paspoort|paszport|paszportu",
    "HEALTH_INSURANCE": "medicare|medicaid|mbi|kvnr|krankenversicherung|krankenkasse|carte vitale|tarjeta sanitaria|tessera sanitaria"
    "|cartão de saúde|zorgverzekering|health insurance|póliza|polizza|apólice|polisa|numer polisy",
    "PERSONAL_ID": "ssn|social security|social insurance|social|nino|national insurance|ni|national id|national identity|identity card|id card"
    r"|identification card|citizen card|(?:driver|driving)(?:'?s|s'?)? (?:licen[cs]e|permit)|dl|dea|npi|voter id|green card|alien number"
    "|residence permit|ausweis|personalausweis|führerschein|aufenthaltstitel|sozialversicherung|rentenversicherung|sv|carte d'identité|cni"
    "|permis de conduire|permis|titre de séjour|sécurité sociale|nir|dni|nie|documento de identidad|carnet de conducir|permiso de conducir"
    "|seguridad social|carta d'identità|patente|patente di guida|permesso di soggiorno|previdenza sociale|cartão de cidadão"
    "|bilhete de identidade|documento de identidade|carta de condução|carteira de motorista|cnh|segurança social|identiteitskaart"
    "|identiteitsbewijs|id kaart|rijbewijs|bsn|sofi|rijksregister|niss|insz|dowód|dowód osobisty|dowodu|dowodu osobistego|prawo jazdy"
    "|prawa jazdy|pesel|ubezpieczenia społecznego|ahv|avs|svnr|cpr|personnummer|hetu|fødselsnummer|aadhaar|pan|cpf|rg|curp|cédula|cnp|egn"
    "|oib|rodné číslo|amka|kimlik|tckn|teudat zehut|israeli id|nric|mykad|ktp|nik|cnic|pps|ppsn|sin|nas|assurance sociale|my number",
    "TAX_ID": "tin|itin|ein|utr|tfn|abn|vat|gstin|taxpayer|steuer|steuernummer|steueridentifikation|idnr|st|ust|umsatzsteuer|numéro fiscal|spi"
    "|tva|nif|rfc|cuit|cuil|identificación fiscal|codice fiscale|partita iva|p\\.? ?iva|número fiscal|contribuinte|cnpj|fiscaal"
    "|belasting|btw|nip|regon|podatkowy|podatkowa",
    "VEHICLE_ID": "vin|vehicle identification|chassis|imei|imsi|iccid|fahrgestell|fin|châssis|bastidor|telaio|chassi|nadwozia",
}
NUMBERED = {
    "MEDICAL_RECORD": "patient|patient's|health record|chart|hospital|case file|medical|patienten|fall|dossier|paciente|paziente|pacjenta"
    "|patiënt|patiënten|historia",
    "BANK_ACCOUNT": "account|compte|cuenta|conto|conta|konta|bank|swift|bic",
    "HEALTH_INSURANCE": "insurance|health plan|plan member|member|subscriber|beneficiary|policy|policyholder|group|versicherung|versicherten"
    "|assuré|assurance|mutuelle|afiliado|seguro|afiliación|assicurato|assicurazione|segurado|seguro|utente|polis|verzekering|verzekerden"
    "|klant|ubezpieczenia|ubezpieczonego|polisy",
    "PERSONAL_ID": r"licen[cs]e|citizen|personal|person|identity|identification|voter|employee|staff|student|customer|client|user|membership"
    "|loyalty|badge|case|immigration|visa|alien registration|inmate|prisoner|certificate|personal|kunden|mitglieds|mitarbeiter"
    "|identité|permis|cliente|identidad|patente|identidade|identiteits|klienta|identyfikacyjny|eos|registre national|national",
    "TAX_ID": "tax|taxpayer|tax identification|tax reference|tax file|employer identification|fiscal|business|identificación tributaria",
    "VEHICLE_ID": "vehicle|device|device serial|fahrzeug|véhicule|vehículo|veicolo|veículo|voertuig|pojazdu",
}
PLATES = (
    r"licen[cs]e plate|number plate|registration plate|plate number|plate|vehicle registration|kennzeichen|kfz kennzeichen|nummernschild"
    "|plaque d'immatriculation|immatriculation|matrícula|placa|targa|kenteken|numer rejestracyjny|tablica rejestracyjna"
)

GAP = r"[\s_.-]{0,2}"
NOUN = (
    r"(?:number|numbers|num|nummer|numer|numero|numéro|número|numeru|no|nr|nro|n°|nº|№|#|id|ids|identifier|identification|ident|identifikations"
    r"|identyfikator|code|kod|codice|código|kennung|details|reference|ref|information)"
)
OF = r"(?:(?:of|de|del|da|do|di|della|du|la|le|el|van|van de|d['’]|dell['’]|l['’])[\s_]{0,2}){0,3}"
MORE = rf"(?:{GAP}(?:card|cards|account|record|file|policy|holder|registration|member|osobistego|bancaire|bancaria|bancária|karte|kaart))?"
BE = r"is|was|are|isn't|it's|has|been|reads|now|still|ist|war|lautet|est|es|è|é|era|to|jest|wynosi|nr|no|number|nummer|on file|under"
LINK = rf"(?:(?:\.\s?)?[^\w\s.!?$€£<]{{1,4}}+|[ \t]{{1,40}}+|\r?\n|[._]{{2,60}}+|_|\.(?=\s?[A-Z]?\d)|</?\w{{1,12}}[^<>\n]{{0,40}}>|(?:{BE})(?![\w])){{0,9}}+"
TOKEN = r"(?=[A-Z./ -]{0,12}\d)[A-Z0-9]{1,20}(?:[-./ ]{1,2}[A-Z]{0,3}\d[A-Z0-9]{0,12}|(?<=\d)[- ][A-Z]{1,3}(?![\w])){0,7}+(?![\w])"
PLATE = r"(?=[^\n]{0,8}\d)(?:(?-i:[A-ZÄÖÜ0-9]{1,4}(?:[ -]{1,2}[A-Z0-9]{1,4}){0,3})|(?=[a-z0-9-]{0,7}[a-z])[a-z0-9]{1,4}(?:-?[a-z0-9]{1,4}){1,3})(?!\w)"
NOT_MORE = r"(?![^\W\d_])"

_NOT_IDS = re.compile(
    r"(?:19|20)\d\d[-/.]\d\d?[-/.]\d\d?(?:[T ].*)?|\d\d?[-/.]\d\d?[-/.](?:19|20)?\d\d|\d{1,4}\.\d{1,2}|\d{1,3}(?:\.\d{3}){1,3}|v?\d{1,3}(?:\.\d{1,3}){3}"
    r"|(?:19|20)\d\d(?:[- ](?:19|20)\d\d)+",
    re.IGNORECASE,
)
"""Dates, prices, versions, years."""


def is_number(value: str) -> bool:
    """Check that it may be an identifier: five digits or more, and no date, price or version."""
    digits = [char for char in value if char.isdigit()]
    return 5 <= len(digits) <= 34 and len(set(digits)) > 1 and not _NOT_IDS.fullmatch(value)


def is_plate(value: str) -> bool:
    """Check that letters and digits are mixed, as many as a plate has room for."""
    kept = [char for char in value if char.isalnum()]
    digits = sum(map(str.isdigit, kept))
    return 5 <= len(kept) <= 8 and 1 <= digits < len(kept)


def _spaced(labels: str) -> str:
    return labels.replace(" ", r"[\s_.-]{0,2}").replace("'", "['’]?")


def _label(alone: str, numbered: str) -> str:
    """Give the expression of a label: one that says enough, or one with the word number before or behind it."""
    both = "|".join(filter(None, (alone, numbered)))
    options = [rf"(?:{both})(?:['’]?s|en)?{MORE}{GAP}{NOUN}", rf"{NOUN}{GAP}{OF}(?:{both}){MORE}"]
    options += [rf"(?:{alone})(?:['’]?s)?{MORE}"] if alone else []
    return rf"(?<![^\W_])(?:{'|'.join(options)}){NOT_MORE}"


def _patterns(label: str, token: str) -> list[Pattern]:
    value = rf"(?P<value>{token})"
    mine = r"(?:(?:not|a|an|the|my|your|his|her|their|our|valid|this|new|old|correct)\s){0,3}"
    said = r"(?:[^\d?]|\[?\d\d:\d\d(?::\d\d)?\]?){0,90}?"
    return [
        Pattern("before", rf"{label}{LINK}{value}", 0.7),
        Pattern("behind", rf"(?<![\w.,-]){value}(?:['\"”]?\s(?:is|=|as|are|was|being)\s|['\"”]?\s?[(\[]|['\"”]?\s(?=a\s)){mine}{label}", 0.6),
        Pattern("asked", rf"{label}[^\d\n?]{{0,40}}\?{said}(?<![\w.,-]){value}", 0.6),
    ]


def build() -> list[Checked]:
    """Give one recognizer per entity, and one for plates."""
    built = [
        Checked(entity, f"labelled_{entity.lower()}",
                _patterns(_label(_spaced(ALONE.get(entity, "")), _spaced(NUMBERED.get(entity, ""))), TOKEN),
                value_check=is_number)
        for entity in {**ALONE, **NUMBERED}
    ]  # fmt: skip
    plate = rf"(?<![^\W_])(?:{_spaced(PLATES)})(?:{GAP}{NOUN})?{NOT_MORE}"
    return [*built, Checked("VEHICLE_ID", "labelled_plate", _patterns(plate, PLATE), value_check=is_plate)]
