"""Numbers that a label makes personal: `account number 4482913`, `Passport No: X1234567`, `88213-22 (MRN)`.

The labels are those of forms, tables, chats and code in English, German, French, Spanish, Italian, Portuguese, Dutch and
Polish, and what national numbers are called at home. A label that stands `alone` needs no more than the number behind it; a `numbered` one
needs the word "number" too: a patient has many numbers, and one patient number.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from router.privacy.recognizers._checked import Checked
from router.privacy.recognizers._labels import GAP, NOUN, OF, any_of, labelled

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


class Labels(NamedTuple):
    """Names of one sort of number, separated by `|`."""

    name: str
    entity: str
    alone: str
    numbered: str
    short: str = ""
    """Those that are words or syllables too: they need a sign or a verb behind them."""


LABELS = (
    Labels(
        "medical", "MEDICAL_RECORD",
        "mrn|medical record|nhs|hospital no|patientenakte|dossier médical|historia clínica|nhc|cartella clinica|prontuário|processo clínico"
        "|karta pacjenta",
        "patient|patient's|health record|chart|hospital|case file|medical|patienten|fall|dossier|paciente|paziente|pacjenta|patiënt"
        "|patiënten|historia",
    ),
    Labels(
        "account", "BANK_ACCOUNT",
        "bank account|a/c|acct|savings|checking|routing|aba|sort code|transit number|bsb|ifsc|bban|clabe|konto|bankkonto|kto|bankverbindung"
        "|compte bancaire|rib|cuenta bancaria|cuenta corriente|conto corrente|conto bancario|c/c|conta bancária|conta corrente|bankrekening"
        "|rekening|rachunek|rachunek bankowy|rachunku|konta bankowego",
        "account|compte|cuenta|conto|conta|konta|bank|swift|bic",
    ),
    Labels(
        "passport", "PASSPORT",
        "passport|travel document|reisepass|passeport|pasaporte|passaporto|passaporte|paspoort|paszport|paszportu",
        "pass",
    ),
    Labels(
        "insurance", "HEALTH_INSURANCE",
        "medicare|medicaid|mbi|kvnr|krankenversicherung|krankenkasse|carte vitale|tarjeta sanitaria|tessera sanitaria|cartão de saúde"
        "|zorgverzekering|health insurance|póliza|polizza|apólice|polisa|numer polisy",
        "insurance|health plan|plan member|member|subscriber|beneficiary|policy|policyholder|group|versicherung|versicherten|assuré|assurance"
        "|mutuelle|afiliado|seguro|afiliación|assicurato|assicurazione|segurado|utente|polis|verzekering|verzekerden|klant|ubezpieczenia"
        "|ubezpieczonego|polisy",
    ),
    Labels(
        "document", "PERSONAL_ID",
        "identity card|id card|identification card|citizen card|driver licence|driver license|driver's licence|driver's license"
        "|drivers' license|driver permit|driving licence|driving license|driving permit|dl|voter id|green card|alien number"
        "|residence permit|ausweis|personalausweis|führerschein|aufenthaltstitel|carte d'identité|cni|permis de conduire|permis"
        "|titre de séjour|documento de identidad|carnet de conducir|permiso de conducir|carta d'identità|patente|patente di guida"
        "|permesso di soggiorno|cartão de cidadão|bilhete de identidade|documento de identidade|carta de condução|carteira de motorista|cnh"
        "|identiteitskaart|identiteitsbewijs|id kaart|rijbewijs|dowód|dowód osobisty|dowodu|dowodu osobistego|prawo jazdy|prawa jazdy",
        "licence|license|citizen|identity|identification|voter|visa|immigration|alien registration|certificate|identité|permis|identidad"
        "|identidade|identiteits",
    ),
    Labels(
        "national", "PERSONAL_ID",
        "ssn|social security|social insurance|social|nino|national insurance|national id|national identity|sozialversicherung"
        "|rentenversicherung|sécurité sociale|nir|dni|seguridad social|previdenza sociale|segurança social|bsn|burgerservice|sofi|rijksregister"
        "|niss|insz|pesel|ubezpieczenia społecznego|ahv|avs|svnr|cpr|personnummer|hetu|fødselsnummer|aadhaar|cpf|curp|cédula|cnp|egn"
        "|oib|rodné číslo|cod numeric personal|amka|kimlik|tc kimlik|turkish id|chinese id|resident identity card|clave única|tckn|teudat zehut|israeli id|nric|mykad|ktp|cnic|ppsn|assurance sociale|my number",
        "ni|sv|personal|person|registre national|national|identyfikacyjny",
    ),
    Labels(
        "unspaced", "PERSONAL_ID",
        "身份证|身份证号|身份证号码|身分證|身份證|公民身份号码|护照|护照号|护照号码|驾驶证号|银行卡号|银行账号|マイナンバー|個人番号|免許証番号|パスポート番号"
        "|口座番号|주민등록번호|여권번호|운전면허번호|계좌번호|תעודת זהות|דרכון|αμκα|αφμ|егн|инн|снилс|паспорт|счёт|счет|рнокпп",
        "серия|الهوية",
    ),
    Labels(
        "short", "PERSONAL_ID",
        "",
        "",
        "ein|dea|npi|ni|pan|rg|pps|sin|nas|nie|sv|fin|nik|nif|cf|spi|st|ci|cc",
    ),
    Labels(
        "member", "PERSONAL_ID",
        "",
        "employee|staff|student|customer|client|user|membership|loyalty|badge|inmate|prisoner|kunden|mitglieds|mitarbeiter|cliente"
        "|klienta|eos",
    ),
    Labels(
        "tax", "TAX_ID",
        "tin|itin|utr|tfn|abn|vat|gstin|taxpayer|steuer|steuernummer|steueridentifikation|idnr|ust|ust idnr|umsatzsteuer|numéro fiscal|spi|tva"
        "|nif|rfc|cuit|cuil|identificación fiscal|codice fiscale|partita iva|piva|p iva|número fiscal|contribuinte|cnpj|registro federal de contribuyentes|fiscaal|belasting"
        "|btw|nip|regon|podatkowy|podatkowa",
        "st|tax|tax identification|tax reference|tax file|employer identification|fiscal|business|australian business|identificación tributaria",
    ),
    Labels(
        "vehicle", "VEHICLE_ID",
        "vin|vehicle identification|chassis|imei|device imei|imsi|iccid|fahrgestell|châssis|bastidor|telaio|chassi|nadwozia",
        "vehicle|device|device serial|fahrzeug|véhicule|vehículo|veicolo|veículo|voertuig|pojazdu",
    ),
)  # fmt: skip
PLATES = (
    "licence plate|license plate|number plate|registration plate|plate number|plate|vehicle registration|kennzeichen|kfz kennzeichen|nummernschild"
    "|plaque d'immatriculation|immatriculation|matrícula|placa|targa|kenteken|numer rejestracyjny|tablica rejestracyjna"
)

_MORE = "card|cards|account|record|file|policy|holder|registration|member|service|identity|osobistego|bancaire|bancaria|bancária|karte|kaart"
MORE = rf"(?:{GAP}{any_of(_MORE)})?"
TOKEN = (
    r"(?:[A-Z]{1,12}[-./ ]?)?\d(?:[-./ ]{0,2}[A-Z]{0,6}\d){4}[A-Z0-9]{0,20}"
    r"(?:[-./ ]{1,2}[A-Z]{0,3}\d[A-Z0-9]{0,12}|(?<=\d)[- ](?-i:[A-Z]{1,3})(?!\w)){0,7}+(?!\w)"
    r"(?! ?(?:€|%|eur|usd|gbp|euros?|dollars?|pounds?)\b)"
)
PLATE = (
    r"(?:(?=[A-ZÄÖÜ -]{0,8}\d)(?-i:[A-ZÄÖÜ0-9]{1,4}(?:[ -]{1,2}[A-Z0-9]{1,4}){1,3})"
    r"|(?=[a-z-]{0,7}\d)(?=[a-z0-9-]{5,10}(?!\w))[a-z0-9]{1,4}(?:-?[a-z0-9]{1,4}){1,3})(?!\w)"
)
_NOT_IDS = re.compile(
    r"(?:19|20)\d\d[-/.]\d\d?[-/.]\d\d?(?:[T ].*)?|\d\d?[-/.]\d\d?[-/.](?:19|20)?\d\d|\d{1,4}\.\d{1,2}|\d{1,3}\.\d{3}|v?(?:[01]?\d?\d|2[0-5]\d)(?:\.(?:[01]?\d?\d|2[0-5]\d)){3}"
    r"|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|(?:19|20)\d\d(?:[- ](?:19|20)\d\d)+",
    re.IGNORECASE,
)
"""Dates, prices, addresses of computers, UUIDs, years."""


def is_number(value: str) -> bool:
    """Check that it may be an identifier: five digits or more, and no date, price or version."""
    digits = [char for char in value if char.isdigit()]
    return 5 <= len(digits) <= 34 and len({*digits, *filter(str.isalpha, value)}) > 2 and not _NOT_IDS.fullmatch(value)


def is_account(value: str) -> bool:
    """Check that it may be an account: seven digits or more."""
    return is_number(value) and sum(map(str.isdigit, value)) >= 7


def is_plate(value: str) -> bool:
    """Check that letters and digits are mixed, as many as a plate has room for."""
    kept = [char for char in value if char.isalnum()]
    digits = sum(map(str.isdigit, kept))
    return 5 <= len(kept) <= 8 and 1 <= digits < len(kept)


def _before(labels: Labels) -> tuple[str, ...]:
    """Give the expressions of a label: one that says enough, or one with the word number before or behind it.

    Three small expressions, not a large one: that is what lets the gate tell them from other texts.
    """
    options = (
        rf"{any_of(labels.alone)}(?:['’]?s|en)?{MORE}(?:{GAP}{NOUN})?" if labels.alone else "",
        rf"{any_of(labels.numbered)}(?:['’]?s|en)?{MORE}{GAP}{NOUN}" if labels.numbered else "",
        rf"{any_of(labels.short)}(?:{GAP}{NOUN}|(?=['\"’”*]{{0,2}}(?: ?[:=#(|]|\s(?:is|number|no|ist|est|es)\b|[)\]?.]|</|$)))"
        if labels.short
        else "",
        rf"{NOUN}{GAP}{OF}{any_of(f'{labels.alone}|{labels.numbered}|{labels.short}')}{MORE}",
    )
    return tuple(option for option in options if option)


def build() -> list[Checked]:
    """Give one recognizer per sort of number, one for accounts without that word, and one for plates."""
    account = any_of("account|konto|compte|cuenta|conto|conta|rekening")
    plate = rf"{any_of(PLATES)}(?:{GAP}{NOUN})?"
    return [
        *(
            Checked(labels.entity, f"labelled_{labels.name}", labelled(_before(labels), TOKEN), value_check=is_number)
            for labels in LABELS
        ),
        Checked("BANK_ACCOUNT", "labelled_account_only", labelled((account,), TOKEN), value_check=is_account),
        Checked("BANK_ACCOUNT", "sort_code", labelled((any_of("sort code|sort"),), r"\d\d-\d\d-\d\d(?![\w-])")),
        Checked("VEHICLE_ID", "labelled_plate", labelled((plate,), PLATE), value_check=is_plate),
    ]
