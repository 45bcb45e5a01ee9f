"""National numbers that Presidio doesn't know: shape, a word that names them near by, and python-stdnum's checksum."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from typing import NamedTuple, cast

from router.privacy.engine import Expression
from router.privacy.recognizers._checked import Checked

EXAMPLES = (
    ("Mon numéro de sécurité sociale est 1 85 05 78 006 084 91", "1 85 05 78 006 084 91"),
    ("Mijn BSN is 111222333", "111222333"),
    ("meu CPF é 390.533.447-05", "390.533.447-05"),
    ("AHV-Nummer 756.9217.0769.85", "756.9217.0769.85"),
    ("マイナンバー 1234 5678 9018", "1234 5678 9018"),
    ("order 111222333", None),
    ("1 85 05 78 006 084 91 is here", "1 85 05 78 006 084 91"),
    ("1 85 05 78 006 084 92 is here", None),
)


class Kind(NamedTuple):
    """One national number."""

    entity: str
    module: str
    """Module of `stdnum` that checks it; empty = the shape must do."""
    expression: str
    context: str
    """Words that name it, comma-separated."""
    sure: str = ""
    """A form in which it's known without such a word: its checksum and the shape together are hardly met by chance."""


S = r"[ .\-/]?"
KINDS = (
    Kind("FR_NIR", "fr.nir", "",
         "sécurité sociale,securite sociale,nir,insee,numéro de sécu,social security,carte vitale,ssn",
         rf"[1-478]{S}\d\d{S}\d\d{S}(?:\d\d|2[AB]){S}\d{{3}}{S}\d{{3}}{S}\d\d"),
    Kind("NL_BSN", "nl.bsn", r"\d{4}[ .-]?\d{2}[ .-]?\d{3}|\d{3}[ .-]\d{3}[ .-]\d{3}|\d{3}[ .-]\d{2}[ .-]\d{4}",
         "bsn,burgerservicenummer,sofinummer,sofi-nummer,citizen service number"),
    Kind("BE_NATIONAL_NUMBER", "be.nn", r"\d\d[ .]?\d\d[ .]?\d\d[ .-]?\d{3}[ .-]?\d\d",
         "rijksregisternummer,registre national,numéro national,national number,niss,insz,nationaal nummer",
         r"\d\d\.\d\d\.\d\d-\d{3}\.\d\d"),
    Kind("BR_CPF", "br.cpf", r"\d{3}\.?\d{3}\.?\d{3}[-.]?\d\d", "cpf,cadastro de pessoas físicas,contribuinte", r"\d{3}\.\d{3}\.\d{3}-\d\d"),
    Kind("BR_CNPJ", "br.cnpj", r"\d\d\.?\d{3}\.?\d{3}/?\d{4}-?\d\d", "cnpj"),
    Kind("MX_RFC", "", r"[A-ZÑ&]{3,4}[ -]?\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])[ -]?[A-Z0-9]{3}",
         "rfc,registro federal de contribuyentes,registro federal"),
    Kind("IN_PAN", "", r"[A-Z]{3}[ABCFGHLJPT][A-Z]\d{4}[A-Z]", "permanent account number,pan,income tax"),
    Kind("PL_NIP", "pl.nip", r"\d{3}[ .-]?\d{3}[ .-]?\d\d[ .-]?\d\d", "nip,identyfikacji podatkowej,numer podatkowy,tax id"),
    Kind("US_MBI", "", "", "medicare,mbi,beneficiary",
         "[1-9][AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\\d[ -]?[AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\\d[ -]?[AC-HJKMNP-RT-Y]{2}\\d\\d"),
    Kind("IT_FISCAL_CODE", "it.codicefiscale", "", "codice fiscale,cf",
         "[A-Z]{6}[ .-]?[0-9LMNP-V]{2}[A-EHLMPRST][0-9LMNP-V]{2}[ .-]?[A-Z][0-9LMNP-V]{3}[ .-]?[A-Z]"),
    Kind("MX_CURP", "mx.curp", "", "curp,clave única,registro de población", r"[A-Z]{4}\d{6}[HMX][A-Z]{5}[A-Z0-9]\d"),
    Kind("CN_RIC", "cn.ric", "", "身份证,居民身份证,公民身份,resident identity,chinese id,id card,id number,national id",
         r"[1-8]\d{5}[ -]?(?:19|20)\d{6}[ -]?\d{3}[\dX]"),
    Kind("CH_AHV", "ch.ssn", "", "ahv,avs,ahv-nummer,ahvn13,sozialversicherungsnummer,navs,social security",
         r"756[. -]?\d{4}[. -]?\d{4}[. -]?\d\d"),
    Kind("AT_VNR", "at.vnr", r"\d{4}[ -]?\d{6}", "sozialversicherungsnummer,svnr,sv-nummer,versicherungsnummer,vsnr"),
    Kind("DK_CPR", "", r"(?:0[1-9]|[12]\d|3[01])(?:0[1-9]|1[0-2])\d\d[- ]?\d{4}", "cpr,cpr-nummer,personnummer,cpr-nr"),
    Kind("NO_FNR", "no.fodselsnummer", r"\d{6}[ -]?\d{5}", "fødselsnummer,personnummer,fodselsnummer,fnr"),
    Kind("PT_NIF", "pt.nif", r"[1-35-9]\d{2}[ .]?\d{3}[ .]?\d{3}", "nif,contribuinte,número de contribuinte,identificação fiscal"),
    Kind("JP_MY_NUMBER", "jp.in_", r"\d{4}[ -]?\d{4}[ -]?\d{4}", "マイナンバー,個人番号,my number,individual number"),
    Kind("ZA_ID_NUMBER", "za.idnr", r"\d{6}[ .-]?\d{4}[ .-]?\d{3}", "id number,identity number,south african id,rsa id,identity,national id"),
    Kind("IE_PPS", "ie.pps", r"\d{7}[A-W][ABHWTX]?", "pps,ppsn,pps number,personal public service"),
    Kind("IL_ID", "il.idnr", r"\d{8,9}", "תעודת זהות,teudat zehut,israeli id,israel id"),
    Kind("RO_CNP", "ro.cnp", r"[1-9]\d{12}", "cnp,cod numeric personal"),
    Kind("CZ_RC", "cz.rc", r"\d{6}/?\d{3,4}", "rodné číslo,rodne cislo,rodného čísla,birth number"),
    Kind("HR_OIB", "hr.oib", r"\d{11}", "oib,osobni identifikacijski"),
    Kind("BG_EGN", "bg.egn", r"\d{10}", "егн,egn,единен граждански номер"),
    Kind("EE_IK", "ee.ik", r"[1-6]\d{10}", "isikukood,personal code"),
    Kind("LT_AK", "lt.asmens", r"[1-6]\d{10}", "asmens kodas,asmens kodą,personal code"),
    Kind("GR_AMKA", "gr.amka", r"\d{11}", "αμκα,amka"),
    Kind("CL_RUT", "cl.rut", r"\d{1,2}\.?\d{3}\.?\d{3}-?[\dK]", "rut,run,rol único"),
    Kind("AR_CUIT", "ar.cuit", r"\d\d[ -]?\d{8}[ -]?\d", "cuit,cuil"),
    Kind("CO_NIT", "co.nit", r"\d{1,3}\.?\d{3}\.?\d{3}-?\d", "nit,cédula,cedula,cédula de ciudadanía"),
    Kind("EC_CI", "ec.ci", r"\d{10}", "cédula,cedula,cédula de identidad"),
    Kind("PE_CUI", "pe.cui", r"\d{8}-?[\dA-K]?", "dni,cui,documento nacional de identidad"),
    Kind("MY_NRIC", "my.nric", r"\d{6}-?\d\d-?\d{4}", "mykad,nric,kad pengenalan,ic number,no ic"),
    Kind("ID_NIK", "id.nik", r"\d{16}", "nik,nomor induk kependudukan,ktp"),
    Kind("TW_NIC", "", r"[A-Z][12]\d{8}", "身分證,身份證,national id,taiwan id"),
    Kind("HK_ID", "", r"[A-Z]{1,2}\d{6}\(?[\dA]\)?", "hkid,身份證,hong kong id,identity card"),
)  # fmt: skip


_JOINTS = re.compile(r"[ .\-/]")


def _check(module: str) -> Callable[[str], bool] | None:
    if not module:
        return None
    is_valid = cast(Callable[[str], bool], importlib.import_module(f"stdnum.{module}").is_valid)
    return lambda text: is_valid(_JOINTS.sub("", text))


def _patterns(kind: Kind) -> list[Expression]:
    alone = [Expression("sure", kind.sure, 0.5)] if kind.sure else []
    named = [Expression("named", kind.expression, 0.1 if kind.sure else 0.5)] if kind.expression else []
    return [
        Expression(each.name, rf"(?<![A-Za-z0-9_.])(?:{each.regex})(?![A-Za-z0-9_])", each.score)
        for each in alone + named
    ]


def build() -> list[Checked]:
    """Give one recognizer per number."""
    return [
        Checked(kind.entity, kind.entity.lower(), _patterns(kind), kind.context.split(","), _check(kind.module))
        for kind in KINDS
    ]
