"""Identifiers of some ninety kinds, generated valid, in some forty ways of writing them down.

    python -m tests.fakes.identifiers [--values N] [--misses N] [--only KIND]

prints for each kind how many of its texts the scan flags.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import json
import random
import re
import string
import sys
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import NamedTuple
from urllib.parse import quote

import phonenumbers
from stdnum import iban as stdnum_iban
from stdnum import luhn, numdb

from tests.fakes.gates import GATES

Make = Callable[[random.Random], str]
LANGUAGES = ("de", "fr", "es", "it", "pt", "nl", "pl")


class Kind(NamedTuple):
    """One kind of identifier and how people name it."""

    name: str
    make: Make
    label: str
    """The English label, or what it's called everywhere; more than one, separated by `|`: any of them."""
    labels: tuple[str, ...] = ()
    """In German, French, Spanish, Italian, Portuguese, Dutch and Polish; none = called the same everywhere."""
    groups: tuple[int, ...] = ()
    """How its characters are grouped when they are."""
    bare: bool = False
    """Whether it's known by itself, without a label."""
    spelled: bool = False
    """Whether the kind has forms of its own: it's written as generated only."""


class Case(NamedTuple):
    """One text, and where the identifier stands in it."""

    kind: str
    form: str
    text: str
    value: str


# --- making values ----------------------------------------------------------------------------------------------


def _fill(template: str, rng: random.Random) -> str:
    """Fill a template: # a digit, @ a capital, [abc] one of these, %y%m%d a date of birth, anything else itself."""
    born = date(1940, 1, 1) + timedelta(days=rng.randrange(24_000))

    def one(match: re.Match[str]) -> str:
        token = match.group()
        if token[0] == "[":
            return rng.choice(token[1:-1])
        return str(rng.randrange(10)) if token == "#" else rng.choice(string.ascii_uppercase)

    dated = re.sub("%[ymdY]", lambda match: born.strftime(match.group()), template)
    return re.sub(r"\[[^\]]+\]|#|@", one, dated)


def shape(*templates: str) -> Make:
    """Make values by shape alone."""
    return lambda rng: _fill(rng.choice(templates), rng)


def checked(module: str, *templates: str) -> Make:
    """Make values by shape until a checksum of python-stdnum holds."""
    is_valid: Callable[[str], bool] = importlib.import_module(f"stdnum.{module}").is_valid

    def make(rng: random.Random) -> str:
        template = rng.choice(templates)
        return next(value for value in (_fill(template, rng) for _ in itertools.count()) if is_valid(value))

    return make


def until(holds: Callable[[str], bool], *templates: str) -> Make:
    """Make values by shape until a check of our own holds."""

    def make(rng: random.Random) -> str:
        template = rng.choice(templates)
        return next(value for value in (_fill(template, rng) for _ in itertools.count()) if holds(value))

    return make


def _weighted(weights: tuple[int, ...], modulus: int) -> Callable[[str], bool]:
    def holds(value: str) -> bool:
        digits = [int(char, 36) for char in value]
        return sum(a * b for a, b in zip(weights, digits, strict=False)) % modulus == digits[len(weights)] % modulus

    return holds


def _german_card(value: str) -> bool:
    total = sum(int(char, 36) * weight for char, weight in zip(value[:-1], itertools.cycle((7, 3, 1))))
    return total % 10 == int(value[-1])


def _german_pension(value: str) -> bool:
    digits = value[:8] + f"{ord(value[8]) - 64:02}" + value[9:11]
    products = (int(digit) * weight for digit, weight in zip(digits, (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1), strict=True))
    return sum(sum(map(int, str(product))) for product in products) % 10 == int(value[11])


def _dea(value: str) -> bool:
    digits = [int(char) for char in value[2:]]
    return (digits[0] + digits[2] + digits[4] + 2 * (digits[1] + digits[3] + digits[5])) % 10 == digits[6]


def _vin(value: str) -> bool:
    values = dict(
        zip(
            "ABCDEFGHJKLMNPRSTUVWXYZ",
            (1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 7, 9, 2, 3, 4, 5, 6, 7, 8, 9),
            strict=True,
        )
    )
    weights = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
    total = sum(weight * values.get(char, 0 if char.isalpha() else int(char) if char.isdigit() else 0)
                for weight, char in zip(weights, value, strict=True))  # fmt: skip
    return value[8] == "0123456789X"[total % 11]


def _npi(value: str) -> bool:
    return luhn.is_valid("80840" + value)


def _licence(rng: random.Random) -> str:
    """Make a British driving licence number."""
    name = "".join(rng.choice("BCDFGHJKLMNPRSTW") for _ in range(rng.randrange(3, 6))).ljust(5, "9")
    return f"{name}{_fill('#', rng)}{rng.choice(('01', '07', '12', '55', '61'))}{rng.randrange(1, 29):02}{_fill('#@9@@', rng)}"


def _ibans() -> dict[str, str]:
    """Return a template per country."""
    kinds = {"n": "#", "a": "@", "c": "[0123456789ABCDEF]"}
    return {
        country: "".join(kinds[kind] * int(size) for size, kind in re.findall(r"(\d+)!([nac])", facts["bban"]))
        for _, country, _, facts, _ in numdb.get("iban").prefixes
    }


def _iban(rng: random.Random) -> str:
    country, template = rng.choice(sorted(_ibans().items()))
    body = _fill(template, rng)
    return country + stdnum_iban.calc_check_digits(f"{country}00{body}") + body


INTERNATIONAL, NATIONAL, E164 = (
    phonenumbers.PhoneNumberFormat.INTERNATIONAL, phonenumbers.PhoneNumberFormat.NATIONAL,
    phonenumbers.PhoneNumberFormat.E164,
)  # fmt: skip
REGIONS = "US CA GB IE AU NZ ZA IN DE AT CH FR BE NL ES PT IT PL CZ HU RO SE NO DK FI GR TR BR MX AR CN JP KR SG IL UA".split()


def _phone(form: int, *regions: str) -> Make:
    def make(rng: random.Random) -> str:
        region = rng.choice(regions)
        kind = rng.choice((phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE))
        example = phonenumbers.example_number_for_type(region, kind)
        assert example is not None
        digits = str(example.national_number)
        number = phonenumbers.parse(phonenumbers.format_number(example, E164))
        while True:
            number.national_number = int(digits[:-5] + _fill("#####", rng))
            if phonenumbers.is_valid_number(number):
                return phonenumbers.format_number(number, form)

    return make


MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def _birth_date(rng: random.Random) -> str:
    day = date(1940, 1, 1) + timedelta(days=rng.randrange(24_000))
    month = MONTHS[day.month - 1]
    forms = (
        "%d/%m/%Y", "%m/%d/%Y", "%Y-%m-%d", "%d.%m.%Y", "%d-%m-%Y", "%Y/%m/%d", "%d %m %Y", "%d.%m.%y", "%m/%d/%y", "%Y%m%d",
        f"%d {month} %Y", f"{month} %d, %Y", f"%d {month[:3]} %Y", f"%d-{month[:3]}-%Y", f"{month[:3]} %d %Y", f"%dth of {month} %Y",
    )  # fmt: skip
    return day.strftime(rng.choice(forms))


WORDS = ("maria", "lopez", "oliver", "jensen", "anna", "kowalska", "tom", "baker", "yuki", "sato", "amir", "haddad")
HOSTS = ("gmail.com", "northbank.co.uk", "mail.example-clinic.org", "web.de", "free.fr", "uni-köln.de", "corp.internal",
         "post.kliniken.bayern", "sub.dept.acme.io", "hotmail.it", "bücher.example", "libero.it", "wp.pl")  # fmt: skip


def _email(rng: random.Random) -> str:
    first, last = rng.sample(WORDS, 2)
    local = rng.choice((f"{first}.{last}", f"{first}{rng.randrange(99)}", f"{first[0]}{last}", f"{first}+news", f"{first}_{last}",
                        f"{first}-{last}", f"{last}.{first}+x1"))  # fmt: skip
    return f"{local}@{rng.choice(HOSTS)}"


def _quoted_email(rng: random.Random) -> str:
    first, last = rng.sample(WORDS, 2)
    return f'"{first} {last}"@{rng.choice(HOSTS)}'


def _bech32(rng: random.Random) -> str:
    alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
    data = [0, *(rng.randrange(32) for _ in range(31)), rng.choice((0, 16))]
    values = [3, 3, 0, 2, 3, *data, 0, 0, 0, 0, 0, 0]
    check = 1
    for value in values:
        top, check = check >> 25, (check & 0x1FFFFFF) << 5 ^ value
        for index, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= generator if top >> index & 1 else 0
    check ^= 1
    return "bc1" + "".join(alphabet[value] for value in (*data, *((check >> 5 * (5 - i)) & 31 for i in range(6))))


def _ip(rng: random.Random) -> str:
    return (
        f"{rng.choice((81, 94, 178, 203, 37))}.{rng.randrange(1, 255)}.{rng.randrange(20, 255)}.{rng.randrange(1, 255)}"
    )


def _ip6(rng: random.Random) -> str:
    return "2a02:" + ":".join(f"{rng.randrange(0x1000, 0xFFFF):x}" for _ in range(7))


def _mac(rng: random.Random) -> str:
    separator = rng.choice(":-")
    return separator.join(f"{value:02X}" for value in (0x3C, *(rng.randrange(256) for _ in range(5))))


_CARD = ("Kreditkarte|Kreditkartennummer|Kartennummer", "carte bancaire|numéro de carte|carte de crédit",
         "tarjeta de crédito|número de tarjeta", "carta di credito|numero di carta", "cartão de crédito|número do cartão",
         "creditcard|creditcardnummer|kaartnummer", "karta kredytowa|numer karty")  # fmt: skip
_ACCOUNT = ("Kontonummer|Konto-Nr.", "numéro de compte|compte bancaire", "número de cuenta|cuenta bancaria", "numero di conto|conto corrente",
            "número da conta|conta bancária", "rekeningnummer|bankrekening", "numer konta|rachunek bankowy")  # fmt: skip
_PASSPORT = ("Reisepassnummer|Passnummer|Reisepass", "numéro de passeport|passeport", "número de pasaporte|pasaporte",
             "numero di passaporto|passaporto", "número do passaporte|passaporte", "paspoortnummer|paspoort", "numer paszportu|paszport")  # fmt: skip
_LICENCE = ("Führerscheinnummer|Führerschein", "permis de conduire|numéro de permis", "carnet de conducir|permiso de conducir",
            "patente di guida|numero patente", "carta de condução|carteira de motorista", "rijbewijs|rijbewijsnummer", "prawo jazdy|numer prawa jazdy")  # fmt: skip
_PHONE = ("Telefon|Handynummer|Tel.", "téléphone|numéro de téléphone|portable", "teléfono|móvil|celular", "telefono|cellulare",
          "telefone|telemóvel|celular", "telefoonnummer|mobiel", "telefon|numer telefonu|komórka")  # fmt: skip
_EMAIL = ("E-Mail|E-Mail-Adresse", "e-mail|adresse e-mail|courriel", "correo electrónico|correo", "e-mail|posta elettronica",
          "e-mail|endereço de e-mail", "e-mailadres|e-mail", "e-mail|adres e-mail")  # fmt: skip
_BORN = ("Geburtsdatum|geboren am", "date de naissance|né le", "fecha de nacimiento", "data di nascita|nato il", "data de nascimento",
         "geboortedatum|geboren op", "data urodzenia|urodzony")  # fmt: skip
_TAX = ("Steuernummer|Steuer-ID", "numéro fiscal", "número de identificación fiscal", "codice fiscale|partita iva", "número fiscal",
        "fiscaal nummer|belastingnummer", "numer podatkowy|identyfikator podatkowy")  # fmt: skip
_PATIENT = ("Patientennummer|Patienten-ID", "numéro de patient|numéro de dossier", "número de paciente|historia clínica",
            "numero paziente|cartella clinica", "número do paciente|prontuário", "patiëntnummer|patiëntennummer", "numer pacjenta|identyfikator pacjenta")  # fmt: skip
_INSURANCE = ("Versicherungsnummer|Versichertennummer", "numéro d'assuré|numéro d'assurance", "número de afiliado|póliza",
              "numero di polizza|tessera sanitaria", "número da apólice|cartão de saúde", "polisnummer|verzekeringsnummer", "numer polisy|numer ubezpieczenia")  # fmt: skip
_PLATE = ("Kennzeichen|Kfz-Kennzeichen", "plaque d'immatriculation|immatriculation", "matrícula", "targa", "matrícula|placa",
          "kenteken", "numer rejestracyjny|tablica rejestracyjna")  # fmt: skip
_CHASSIS = ("Fahrgestellnummer|FIN", "numéro de châssis|VIN", "número de bastidor|VIN", "numero di telaio|VIN", "número do chassi|VIN",
            "chassisnummer|VIN", "numer VIN|numer nadwozia")  # fmt: skip
_NATIONAL = ("Personalausweisnummer|Ausweisnummer", "numéro de carte d'identité|carte d'identité", "documento de identidad|número de identidad",
             "carta d'identità|numero carta d'identità", "cartão de cidadão|documento de identidade", "identiteitskaart|identiteitsbewijs", "dowód osobisty|numer dowodu")  # fmt: skip
_SSN = ("Sozialversicherungsnummer", "numéro de sécurité sociale", "número de seguridad social", "numero di previdenza sociale",
        "número de segurança social", "burgerservicenummer|sofinummer", "numer ubezpieczenia społecznego")  # fmt: skip

FOURS = (4, 4, 4, 4)
KINDS: tuple[Kind, ...] = (
    *(
        Kind(f"card {name}", checked("luhn", *templates), "card number|credit card|card", _CARD, groups, bare=True)
        for name, templates, groups in (
            ("Visa 13", ["4############"], (4, 4, 5)), ("Visa", ["4###############"], FOURS), ("Visa 19", ["4##################"], (4, 4, 4, 4, 3)),
            ("Mastercard", ["5[12345]##############"], FOURS), ("Mastercard 2", ["22[3456789]#############", "2[3456]##############"], FOURS),
            ("Amex", ["3[47]#############"], (4, 6, 5)), ("Diners", ["36############", "30[012345]###########", "38############"], (4, 6, 4)),
            ("Discover", ["6011############", "65##############"], FOURS), ("JCB", ["35[345678]#############"], FOURS),
            ("UnionPay", ["62##############", "62#################"], FOURS), ("Maestro", ["6759############", "5018############", "6304############"], FOURS),
        )
    ),
    Kind("IBAN", _iban, "IBAN|account|bank account", ("IBAN",) * 7, (4,) * 9, bare=True),
    Kind("bank account US", shape("########", "##########", "############"), "account number|bank account|acct no", _ACCOUNT),
    Kind("ABA routing", checked("us.rtn", "0[123]#######", "[123]########"), "routing number|ABA|ABA routing number"),
    Kind("sort code and account", shape("##-##-## ########", "##-##-##, account ########"), "sort code", spelled=True),
    Kind("BIC and account", shape("DEUTDEFF 5########", "BNPAFRPP 3##########"), "account|bank account", spelled=True),
    Kind("US SSN", checked("us.ssn", "[1234568]##-##-####"), "SSN|social security number|social security no.", _SSN, bare=True, spelled=True),
    Kind("US SSN plain", checked("us.ssn", "[1234568]########"), "SSN|social security number|social", _SSN),
    Kind("US ITIN", checked("us.itin", "9##-7#-####", "9##-8[0123]-####"), "ITIN|taxpayer id|tax id", bare=True, spelled=True),
    Kind("US EIN", checked("us.ein", "[12345]#-#######"), "EIN|tax id|employer identification number", _TAX, spelled=True),
    Kind("US driver licence", shape("@#######", "@############", "########", "@##-##-####", "@###-####-####", "##@@@####", "@########"),
         "driver's license|driver license number|DL|drivers license", _LICENCE, spelled=True),
    Kind("US passport", shape("[ACEHXYZ]########", "5########"), "passport|passport number|passport no.", _PASSPORT),
    Kind("US MBI", shape("[123456789][ACDEFGHJK]#[0123456789]-[MNPQRT][CDEFG]#-[KMNPQ][RTUVW]##".replace("-", "")), "Medicare ID|MBI|Medicare number", (), (4, 3, 4), bare=True),
    Kind("US NPI", until(_npi, "1#########"), "NPI|NPI number|provider id"),
    Kind("US DEA", until(_dea, "[ABFM]@#######"), "DEA|DEA number|DEA registration"),
    Kind("UK NHS", checked("gb.nhs", "[46789]#########"), "NHS|NHS number|NHS no", (), (3, 3, 4)),
    Kind("UK NINO", shape("[ABCEHJLMPRS][ABCEHJLMPRS]######[ABCD]"), "NINO|national insurance number|NI number", (), (2, 2, 2, 2, 1), bare=True),
    Kind("UK UTR", checked("gb.utr", "##########"), "UTR|unique taxpayer reference|tax reference", _TAX),
    Kind("UK driving licence", _licence, "driving licence|driving licence number|licence number", _LICENCE),
    Kind("UK passport", shape("#########"), "passport|passport number|UK passport", _PASSPORT),
    Kind("CA SIN", checked("ca.sin", "[1-7]########".replace("[1-7]", "[1234567]")), "SIN|social insurance number", ("", "numéro d'assurance sociale|NAS", "", "", "", "", ""), (3, 3, 3)),
    Kind("AU TFN", checked("au.tfn", "#########"), "TFN|tax file number", (), (3, 3, 3)),
    Kind("AU Medicare", until(_weighted((1, 3, 7, 9, 1, 3, 7, 9), 10), "[23456]########1"), "Medicare|Medicare number|Medicare card", (), (4, 5, 1)),
    Kind("AU ABN", checked("au.abn", "###########"), "ABN|Australian business number", (), (2, 3, 3, 3)),
    Kind("DE Steuer-ID", checked("de.idnr", "[123456789]##########"), "Steuer-ID|Steueridentifikationsnummer|IdNr|tax id", (), (2, 3, 3, 3)),
    Kind("DE Steuernummer", shape("##/###/#####", "###/###/#####"), "Steuernummer|Steuer-Nr.|tax number", spelled=True),
    Kind("DE Sozialversicherung", until(_german_pension, "15%d%m%y@0##".replace("0##", "###")), "Sozialversicherungsnummer|SV-Nummer|Rentenversicherungsnummer|social security number", (), (2, 6, 1, 3)),
    Kind("DE Personalausweis", until(_german_card, "[LMNPRT][CFGHJK0123456789][0123456789]#[CFGHJK]###" + "#"), "Personalausweis|Personalausweisnummer|Ausweisnummer|identity card", ()),
    Kind("DE health insurance", shape("[AKMTX]#########"), "Krankenversicherungsnummer|Versichertennummer|KVNR|health insurance number"),
    Kind("FR NIR", checked("fr.nir", "[12]%y%m[12345678][123456789]0[123456789]0###" + "##"), "numéro de sécurité sociale|NIR|sécurité sociale|social security number", (), (1, 2, 2, 2, 3, 3, 2)),
    Kind("FR SPI", shape("[0123]############"), "numéro fiscal|SPI|tax number", _TAX),
    Kind("ES DNI", checked("es.dni", "########@"), "DNI|NIF|documento nacional de identidad", (), bare=True),
    Kind("ES NIE", checked("es.nie", "[XYZ]#######@"), "NIE|número de identidad de extranjero", (), bare=True),
    Kind("IT codice fiscale", checked("it.codicefiscale", "[BCDFGLMNPRST][BCDFGLMNPRST][BCDFGLMNPRST][BCDFGLMNPRST][BCDFGLMNPRST][BCDFGLMNPRST]%y[ABCDEHLMPRST]1#[ABCDEFGHIL]501@"), "codice fiscale|CF|tax code", (), (6, 5, 4, 1), bare=True),
    Kind("PT NIF", checked("pt.nif", "[12]########"), "NIF|número de contribuinte|contribuinte", (), (3, 3, 3)),
    Kind("NL BSN", checked("nl.bsn", "[123456789]########"), "BSN|burgerservicenummer|citizen service number", (), (4, 2, 3)),
    Kind("BE NN", checked("be.nn", "%y%m%d#####"), "rijksregisternummer|numéro national|NISS|national number", (), (6, 3, 2)),
    Kind("PL PESEL", checked("pl.pesel", "%y%m%d#####"), "PESEL|numer PESEL"),
    Kind("PL NIP", checked("pl.nip", "[123456789]#########"), "NIP|numer NIP|tax id", (), (3, 3, 2, 2)),
    Kind("PL dowód", until(lambda v: _weighted((7, 3, 1), 10)(v) or True, "[ABCDE][ABCDE][ABCDE]######"), "dowód osobisty|numer dowodu|identity card"),
    Kind("SE personnummer", checked("se.personnummer", "%y%m%d-####", "%Y%m%d-####"), "personnummer|personal number|personal identity number", spelled=True),
    Kind("NO fødselsnummer", checked("no.fodselsnummer", "%d%m%y#####"), "fødselsnummer|personnummer|national id", (), (6, 5)),
    Kind("DK CPR", shape("%d%m%y-####"), "CPR|CPR-nummer|personnummer", spelled=True),
    Kind("FI hetu", checked("fi.hetu", "%d%m%y-###[0123456789ABCDEFHJKLMNPRSTUVWXY]"), "henkilötunnus|hetu|personal identity code", bare=True, spelled=True),
    Kind("CH AHV", checked("ch.ssn", "756##########"), "AHV-Nummer|AHV|numéro AVS|social security number", (), (3, 4, 4, 2)),
    Kind("AT SVNR", checked("at.vnr", "[123456789]###%d%m%y"), "Sozialversicherungsnummer|SVNR|SV-Nummer", (), (4, 6)),
    Kind("IE PPS", checked("ie.pps", "#######@A", "#######@"), "PPS number|PPSN|PPS"),
    Kind("IN Aadhaar", checked("in_.aadhaar", "[23456789]###########"), "Aadhaar|Aadhaar number|Aadhaar card", (), (4, 4, 4)),
    Kind("IN PAN", shape("@@@P@####@"), "PAN|PAN card|permanent account number"),
    Kind("BR CPF", checked("br.cpf", "###.###.###-##", "###########"), "CPF|meu CPF", spelled=True),
    Kind("BR CNPJ", checked("br.cnpj", "##.###.###/0001-##", "########0001##"), "CNPJ", spelled=True),
    Kind("MX CURP", checked("mx.curp", "[BCDFG][AEIOU]@@%y%m%d[HM]DF[BCDFG][BCDFG][BCDFG]0#"), "CURP|clave única", (), bare=True),
    Kind("MX RFC", shape("[BCDFG][AEIOU][LMNRS][CDGLM]%y%m%d[ABCD]#[0123456789A]"), "RFC|registro federal de contribuyentes"),
    Kind("CN RIC", checked("cn.ric", "110101%Y%m%d###[0123456789X]", "31010[45]%Y%m%d###[0123456789X]"), "身份证号|Chinese ID|resident identity card number|ID card number", (), (6, 8, 4)),
    Kind("JP My Number", checked("jp.in_", "############"), "マイナンバー|My Number|個人番号", (), (4, 4, 4)),
    Kind("KR RRN", checked("kr.rrn", "%y%m%d-[12]######"), "주민등록번호|RRN|resident registration number", bare=True, spelled=True),
    Kind("SG NRIC", until(lambda v: v[8] == "JZIHGFEDCBA"[sum(a * int(b) for a, b in zip((2, 7, 6, 5, 4, 3, 2), v[1:8], strict=True)) % 11], "S#######@"), "NRIC|NRIC number|FIN", bare=True),
    Kind("ZA ID", checked("za.idnr", "%y%m%d####08#"), "ID number|South African ID|identity number", (), (6, 4, 3)),
    Kind("TR TC kimlik", checked("tr.tckimlik", "[123456789]##########"), "TC kimlik no|kimlik numarası|TCKN|Turkish ID"),
    Kind("IL ID", checked("il.idnr", "#########"), "תעודת זהות|Israeli ID|teudat zehut"),
    Kind("AR CUIT", checked("ar.cuit", "20-########-#", "27-########-#"), "CUIT|CUIL", spelled=True),
    Kind("CL RUT", checked("cl.rut", "1#.###.###-[0123456789K]"), "RUT|RUN", spelled=True),
    Kind("CZ rodné číslo", checked("cz.rc", "%y%m%d/####"), "rodné číslo|birth number", spelled=True),
    Kind("RO CNP", checked("ro.cnp", "[12]%y%m%d40####"), "CNP|cod numeric personal"),
    Kind("GR AMKA", checked("gr.amka", "%d%m%y#####"), "ΑΜΚΑ|AMKA"),
    Kind("DE VAT", checked("de.vat", "DE#########"), "USt-IdNr|VAT number|VAT id"),
    Kind("IT partita IVA", checked("it.iva", "0##########"), "partita IVA|P.IVA|VAT number"),
    *(
        Kind(f"phone {region} {'intl' if form != NATIONAL else 'national'}", _phone(form, region), "phone|phone number|tel|mobile", _PHONE,
             bare=form != NATIONAL, spelled=True)
        for region in REGIONS for form in (INTERNATIONAL, NATIONAL)
    ),
    Kind("phone E.164", _phone(E164, *REGIONS), "phone|phone number|tel", _PHONE, bare=True, spelled=True),
    Kind("e-mail", _email, "email|e-mail|email address", _EMAIL, bare=True),
    Kind("e-mail quoted", _quoted_email, "email|e-mail|email address", _EMAIL, bare=True, spelled=True),
    Kind("BTC bech32", _bech32, "BTC address|bitcoin wallet|wallet", bare=True, spelled=True),
    Kind("ETH", shape("0x" + "[0123456789abcdefABCDEF]" * 40), "ETH address|wallet|ethereum wallet", bare=True),
    Kind("IMEI", checked("imei", "35#############"), "IMEI|IMEI number|device IMEI", (), (2, 6, 6, 1)),
    Kind("VIN", until(_vin, "1HG[BCD][MNP]826[0123456789X]3A######"), "VIN|vehicle identification number|chassis number", _CHASSIS),
    Kind("IPv4", _ip, "IP address|client IP|IP", ("IP-Adresse", "adresse IP", "dirección IP", "indirizzo IP", "endereço IP", "IP-adres", "adres IP"), spelled=True),
    Kind("IPv6", _ip6, "IP address|client IP|IPv6", ("IP-Adresse", "adresse IP", "dirección IP", "indirizzo IP", "endereço IP", "IP-adres", "adres IP"), spelled=True),
    Kind("MAC", _mac, "MAC address|device MAC|MAC", ("MAC-Adresse", "adresse MAC", "dirección MAC", "indirizzo MAC", "endereço MAC", "MAC-adres", "adres MAC"), spelled=True),
    Kind("birth date", _birth_date, "date of birth|DOB|birth date|born on", _BORN, spelled=True),
    Kind("medical record", shape("#######", "########", "MR######", "##-##-####", "H#######"), "MRN|medical record number|patient ID|patient number", _PATIENT, spelled=True),
    Kind("health insurance", shape("@@@#########", "W#########", "#########", "XYZ########"), "member ID|insurance number|health insurance ID|policy number", _INSURANCE),
    Kind("plate", shape("@@## @@@", "@-@@ ####", "@@-###-@@", "#### @@@", "@@@ ####", "#@@@###"), "license plate|number plate|licence plate|plate number", _PLATE, spelled=True),
    Kind("identity card", shape("@@#####@@", "#########", "@########", "@@@######"), "ID card|identity card number|national ID|ID card number", _NATIONAL),
)  # fmt: skip

# --- writing them down ------------------------------------------------------------------------------------------

_SENTENCES = {
    "de": ("Meine {l} ist {v}, bitte prüfen Sie das.", "Guten Tag, {l}: {v}. Vielen Dank!"),
    "fr": ("Bonjour, mon {l} est {v}, merci de vérifier.", "{l} : {v}. Merci beaucoup !"),
    "es": ("Hola, mi {l} es {v}, gracias por revisarlo.", "{l}: {v}. Muchas gracias."),
    "it": ("Buongiorno, il mio {l} è {v}, grazie per il controllo.", "{l}: {v}. Grazie mille!"),
    "pt": ("Olá, o meu {l} é {v}, obrigado por verificar.", "{l}: {v}. Muito obrigado."),
    "nl": ("Hallo, mijn {l} is {v}, kunt u dat controleren?", "{l}: {v}. Alvast bedankt!"),
    "pl": ("Dzień dobry, mój {l} to {v}, proszę sprawdzić.", "{l}: {v}. Dziękuję bardzo!"),
}
_PLAIN = {
    "before": "Hello, my {l} is {v} and I need help.",
    "before, in running text": "Could you check the {l} {v} for me?",
    "after": "{v} is my {l}, can you look it up?",
    "in parentheses": "Please confirm ({l} {v}) by tomorrow.",
    "label in parentheses after": "The record shows {v} ({l}) for this person.",
    "previous line": "Jane Doe\n{L}\n{v}\nLeeds",
    "key: value": "Name: J. Doe\n{L}: {v}\nCity: Leeds",
    "key=value": "name=J. Doe\n{k}={v}\ncity=Leeds",
    "yaml": "customer:\n  name: jd\n  {k}: {v}\n  city: Leeds",
    "xml": "<customer><name>jd</name><{k}>{v}</{k}><city>Leeds</city></customer>",
    "html": "<tr><td>{L}</td><td>{v}</td></tr>",
    "csv": "name,{k},city\nJ. Doe,{v},Leeds",
    "csv, third row": "id;name;{k};city\n1;A. Roe;;York\n2;J. Doe;{v};Leeds",
    "tsv": "name\t{L}\tcity\nJ. Doe\t{v}\tLeeds",
    "markdown table": "| Name | {L} | City |\n|---|---|---|\n| J. Doe | {v} | Leeds |",
    "columns": "Name        {L}        City\nJ. Doe      {v}      Leeds",
    "chat": "Agent: What is your {l}, please?\nCustomer: It's {v}",
    "chat with times": "[10:42] Agent: can I have the {l}?\n[10:43] Customer: sure, {v}",
    "transcript": "AGENT: And your {l}?\nCALLER: Yes, one moment. It is {v}.\nAGENT: Thank you.",
    "form with dots": "Name ............ J. Doe\n{L} ............ {v}",
    "form with lines": "Name: ____J. Doe____\n{L}: ____{v}____",
    "signature": "Best,\nJ.\n--\nAcme Ltd | {L}: {v} | Leeds",
    "sql": "INSERT INTO customers (name, {k}) VALUES ('jd', '{v}');",
    "log": "2024-05-01 12:00:01,113 INFO [web] update {k}={v} status=ok",
    "code": 'customer.{k} = "{v}"  # from the form',
    "python dict": "row = {{'name': 'jd', '{k}': '{v}'}}",
    "quoted": "The {l} is “{v}”.",
    "trailing comma": "Their {l} {v}, as far as I know, changed!",
    "OCR": "NAME :  J DOE\n{U} :  {v}\nCITY :  LEEDS",
    "bold": "**{L}:** {v}",
    "bullet": "- {L}: `{v}`",
    "question": "Is {v} a valid {l}?",
    "hash": "{L} #{v}",
}  # fmt: skip
_BARE = ("Please use {v} for this.", "{v}", "I think it was {v}, right?", "update it to {v}\nthanks")


def _camel(label: str) -> str:
    words = re.findall(r"\w+", label)
    return words[0].lower() + "".join(map(str.capitalize, words[1:]))


def _grouped(value: str, groups: tuple[int, ...], separator: str) -> str:
    pieces: list[str] = []
    for size in groups:
        pieces.append(value[:size])
        value = value[size:]
    return separator.join(filter(None, (*pieces, value)))


def cases(kind: Kind, rng: random.Random) -> Iterator[Case]:
    """Yield a fresh value in every form that suits the kind."""

    def write(form: str, template: str, label: str, value: str) -> Case:
        key = "_".join(re.findall(r"\w+", label.lower()))
        text = template.format(v=value, l=label, L=label[0].upper() + label[1:], U=label.upper(), k=key)
        return Case(kind.name, form, text, value)

    def label() -> str:
        return rng.choice(kind.label.split("|"))

    for form, template in _PLAIN.items():
        yield write(form, template, label(), kind.make(rng))
    for index, template in enumerate(_BARE if kind.bare else ()):
        yield write(f"bare {index}", template, label(), kind.make(rng))
    for language, names in zip(LANGUAGES, kind.labels or (kind.label,) * 7, strict=True):
        name = rng.choice((names or kind.label).split("|"))
        for template in _SENTENCES[language]:
            yield write(language, template, name, kind.make(rng))
    value = kind.make(rng)
    yield Case(kind.name, "json", json.dumps({"name": "jd", _camel(label()): value}), value)
    value = kind.make(rng)
    yield Case(kind.name, "json, indented", json.dumps({"person": {label(): value, "city": "Leeds"}}, indent=2), value)
    value = kind.make(rng)
    yield Case(kind.name, "url", f"https://shop.example/form?{quote(_camel(label()))}={quote(value)}&lang=en", value)
    value = kind.make(rng)
    if value.isdecimal() and value[0] != "0":
        yield Case(kind.name, "json number", json.dumps({"name": "jd", _camel(label()): int(value)}), value)
    if kind.groups:
        for name, separator in (("spaces", " "), ("dashes", "-"), ("dots", ".")):
            value = _grouped(kind.make(rng), kind.groups, separator)
            yield write(name, _PLAIN["before"], label(), value)
            yield write(name, _PLAIN["key: value"], label(), value)
    if not kind.spelled and not kind.make(rng).isdecimal():
        yield write("lower case", _PLAIN["before"], label(), kind.make(rng).lower())
        yield write("lower case", _PLAIN["key=value"], label(), kind.make(rng).lower())


def main() -> None:
    """Print the table."""
    from router.config.schema import PrivacyConfig
    from router.core.types import Sensitivity
    from router.privacy.detector import Detector

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--values", type=int, default=20, help="values per kind and form")
    parser.add_argument("--misses", type=int, default=0, help="print so many misses per kind")
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    detector = Detector(PrivacyConfig.model_validate({"entities": {"PERSON": {"enabled": False}}}), GATES)
    rng = random.Random(7)
    lines: list[str] = []
    total = missed = below = 0
    for kind in KINDS:
        if arguments.only.lower() not in kind.name.lower():
            continue
        made = [case for _ in range(arguments.values) for case in cases(kind, rng)]
        misses = [case for case in made if detector.detect([("", case.text)], [])[0] < Sensitivity.CONFIDENTIAL]
        forms, hits = len({case.form for case in made}), len(made) - len(misses)
        total, missed, below = total + len(made), missed + len(misses), below + (hits < 0.99 * len(made))
        lines.append(f"{kind.name:28} {forms:3} forms  {hits:6}/{len(made):6}  {hits / len(made):7.2%}")
        lines += [f"    {case.form}: {case.text!r}" for case in misses[: arguments.misses]]
    lines.append(f"all: {total - missed}/{total}, {below} of {len(KINDS)} kinds below 99 %")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
