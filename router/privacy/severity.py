"""How sensitive each entity type is, and what a set of findings adds up to. Pure: no Presidio, no text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from router.config.schema import PrivacyConfig
from router.core.errors import ConfigError
from router.core.plugin import kinds, nearest
from router.core.types import Sensitivity

PUBLIC, INTERNAL, CONFIDENTIAL, RESTRICTED = Sensitivity

QUALIFIER = "QUALIFIER"
"""Pseudo entity: a word that makes a name near it sensitive (diagnosis, dismissal, debt…). Never reported."""

REACH, SHORT_REACH = 120, 30
"""Characters between a name and a qualifier up to which it counts; the short one is for WEAK qualifiers."""

WEAK = 0.5
"""Score of a qualifier that is as common in the news as in private life: arrested, divorce, lives in."""

FULL_NAME = 0.5
"""Least score of a name that tells one person from others; `Anna` alone scores less."""

RECOGNIZERS = "router.privacy.recognizers"
"""Package of the recognizer plug-ins."""

NAMERS = "router.privacy.namers"
EXTRACTORS = "router.privacy.extractors"
"""Package of the engines that find names beside the built-in one."""

BUILTIN = "builtin"
"""The engine that is always there."""


class Rule(NamedTuple):
    """How one entity type counts."""

    sensitivity: Sensitivity
    min_score: float = 0.4
    needs_context: bool = False
    """One of its context words must stand near: the shape, even with a checksum, is too common alone."""
    on: bool = True
    """Whether it is looked for when the configuration doesn't name it."""


class Span(NamedTuple):
    """One match in the text that is scanned; offsets in characters, end exclusive."""

    entity: str
    start: int
    end: int
    score: float
    recognizer: str


def _rules() -> dict[str, Rule]:
    groups: dict[Rule, str] = {
        Rule(RESTRICTED): "CREDIT_CARD IBAN_CODE US_SSN US_ITIN UK_NINO IT_FISCAL_CODE FI_PERSONAL_IDENTITY_CODE "
        "SECRET PASSWORD MEDICAL_RECORD BANK_ACCOUNT PASSPORT HEALTH_INSURANCE US_PRESCRIPTION_NUMBER "
        "FR_NIR BE_NATIONAL_NUMBER BR_CPF MX_CURP CN_RIC CH_AHV",
        Rule(RESTRICTED, 0.5): "US_MBI ES_NIF ES_NIE SG_NRIC_FIN KR_RRN KR_FRN DE_SOCIAL_SECURITY",
        Rule(RESTRICTED, 0.4, needs_context=True): "PL_PESEL SE_PERSONNUMMER IN_AADHAAR IN_PAN DE_TAX_ID DE_TAX_NUMBER "
        "DE_PASSPORT DE_ID_CARD DE_HEALTH_INSURANCE AU_TFN AU_MEDICARE CA_SIN NG_NIN TH_TNIN TR_NATIONAL_ID UK_NHS "
        "ZA_ID_NUMBER PH_UMID PH_TIN ES_PASSPORT IN_PASSPORT IN_VOTER IT_PASSPORT IT_IDENTITY_CARD KR_PASSPORT "
        "PH_PASSPORT UK_PASSPORT US_PASSPORT ZA_PASSPORT NL_BSN "
        "AT_VNR DK_CPR NO_FNR PT_NIF JP_MY_NUMBER IE_PPS IL_ID RO_CNP CZ_RC HR_OIB BG_EGN EE_IK LT_AK "
        "GR_AMKA CL_RUT AR_CUIT CO_NIT EC_CI PE_CUI TW_NIC HK_ID MY_NRIC ID_NIK",
        Rule(
            CONFIDENTIAL
        ): "EMAIL_ADDRESS PHONE_NUMBER STREET_ADDRESS DATE_OF_BIRTH MAC_ADDRESS NATIONAL_ID PERSONAL_ID TAX_ID VEHICLE_ID "
        "CRYPTO UK_DRIVING_LICENCE US_CLAIM_NUMBER US_PRIOR_AUTHORIZATION_NUMBER US_REFERRAL_NUMBER",
        Rule(
            CONFIDENTIAL, 0.4, needs_context=True
        ): "IP_ADDRESS US_DRIVER_LICENSE ABA_ROUTING_NUMBER MEDICAL_LICENSE US_NPI "
        "DE_FUEHRERSCHEIN DE_KFZ IT_DRIVER_LICENSE KR_DRIVER_LICENSE ZA_DRIVER_LICENSE ZA_LICENSE_PLATE "
        "ZA_TRAFFIC_REGISTER_NUMBER TR_LICENSE_PLATE UK_VEHICLE_REGISTRATION IN_VEHICLE_REGISTRATION "
        "NG_VEHICLE_REGISTRATION ZA_INCOME_TAX_NUMBER US_PROVIDER_TAX_ID DE_LANR "
        "BR_CNPJ MX_RFC PL_NIP AU_ABN KR_BRN IN_GSTIN DE_VAT_ID IT_VAT_CODE ZA_VAT_NUMBER",
        Rule(INTERNAL): "PERSON LOCATION ORGANIZATION",
        Rule(INTERNAL, 0.4, needs_context=True): "AU_ACN SG_UEN ZA_COMPANY_REGISTRATION "
        "DE_HANDELSREGISTER SE_ORGANISATIONSNUMMER DE_BSNR CA_POSTAL_CODE "
        "UK_POSTCODE DE_PLZ",
        Rule(INTERNAL, 0.5, on=False): "URL UUID DATE_TIME",
        Rule(PUBLIC): QUALIFIER,
    }
    return {entity: rule for rule, entities in groups.items() for entity in entities.split()}


DEFAULTS = _rules()
"""Every entity type there is, with its default rule."""


_PREFIXES = (
    "AR AT AU BE BG BR CA CH CL CN CO CZ DE DK EC EE ES FI FR GR HK HR ID IE IL IN IT JP KR LT MX MY NG NL NO PE PH PL PT RO SE SG TH TR TW"
    " UK US ZA"
)
COUNTRIES = {prefix.replace("UK", "GB").lower(): prefix for prefix in _PREFIXES.split()}
"""Code of each country that has numbers of its own, and what the names of their entity types start with."""
_ELSEWHERE = {"ABA_ROUTING_NUMBER": "us", "MEDICAL_LICENSE": "us"}
"""Entity types of one country whose names don't say so."""


def country(entity: str) -> str | None:
    """Name the country that an entity type belongs to; None = to no single one."""
    prefix = entity.partition("_")[0]
    return _ELSEWHERE.get(entity) or next((code for code, start in COUNTRIES.items() if start == prefix), None)


def rules(config: PrivacyConfig) -> dict[str, Rule]:
    """Lay the configuration over the defaults; entity types that are off are left out.

    Types of a country that `countries` doesn't name are off too, unless `entities` names them. A `min_score` below the
    default one also lifts the need for a context word: whoever sets it wants the bare shape.

    Raises:
        ConfigError: an entity type or a country that doesn't exist; names the nearest. Or a type that is set and left out.
    """
    for code in config.countries or ():
        if code not in COUNTRIES:
            raise ConfigError(f"privacy.countries: unknown country '{code}'{nearest(code, sorted(COUNTRIES))}")
    wanted = {None, *(COUNTRIES if config.countries is None else config.countries)}
    known = sorted(DEFAULTS.keys() - {QUALIFIER})
    for section, names in (("entities", config.entities), ("only", config.only or ())):
        for entity in names:
            if entity not in known:
                raise ConfigError(f"privacy.{section}: unknown entity type '{entity}'{nearest(entity, known)}")
    only = None if config.only is None else {*config.only, QUALIFIER}
    merged: dict[str, Rule] = {}
    for entity, rule in DEFAULTS.items():
        own = config.entities.get(entity)
        if only is not None and entity not in only:
            if own is not None:
                raise ConfigError(f"privacy.entities.{entity}: privacy.only leaves it out; add it there")
        elif own is None and (only is not None or (rule.on and country(entity) in wanted)):
            merged[entity] = rule
        elif own is not None and own.enabled:
            merged[entity] = Rule(
                rule.sensitivity if own.sensitivity is None else own.sensitivity.level,
                rule.min_score if own.min_score is None else own.min_score,
                rule.needs_context and (own.min_score is None or own.min_score >= rule.min_score),
            )
    return merged


def validate(config: PrivacyConfig) -> None:
    """Check every name in the configuration without importing a recognizer.

    Raises:
        ConfigError: an unknown entity type or recognizer; names the nearest.
    """
    active = rules(config)
    known = sorted(DEFAULTS.keys() - {QUALIFIER})
    for section, entries in (("rules", config.rules), ("combinations", config.combinations)):
        for entry in entries:
            for entity in entry.entities:
                if entity not in known:
                    message = f"unknown entity type '{entity}'{nearest(entity, known)}"
                    raise ConfigError(f"privacy.{section}.{entry.name}: {message}")
                if entity not in active:
                    message = f"'{entity}' is off, so this never applies; add it under privacy.entities"
                    raise ConfigError(f"privacy.{section}.{entry.name}: {message}")
    names = kinds(RECOGNIZERS)
    for name in config.recognizers or ():
        if name not in names:
            raise ConfigError(f"privacy.recognizers: unknown recognizer '{name}'{nearest(name, names)}")
    readers = kinds(EXTRACTORS)
    for name in config.extractors:
        if name not in readers:
            raise ConfigError(f"privacy.extractors: unknown extractor '{name}'{nearest(name, readers)}")
    engines = [BUILTIN, *kinds(NAMERS)]
    if config.names.engine not in engines:
        raise ConfigError(
            f"privacy.names.engine: unknown engine '{config.names.engine}'{nearest(config.names.engine, engines)}"
        )
    if config.names.engine != BUILTIN and config.names.model is None:
        raise ConfigError(f"privacy.names.model: '{config.names.engine}' needs the folder of a model on this machine")


def is_full_name(span: Span) -> bool:
    """Say whether it is a name that tells one person from others."""
    return span.entity == "PERSON" and span.score >= FULL_NAME


def is_telling_word(span: Span) -> bool:
    """Say whether it is a qualifier that isn't weak."""
    return span.entity == QUALIFIER and span.score > WEAK


def _reach(span: Span) -> int:
    return SHORT_REACH if span.entity == QUALIFIER and span.score <= WEAK else REACH


def judge(spans: Sequence[Span], by_entity: dict[str, Rule]) -> Sensitivity:
    """Say how sensitive the text is that holds these spans: the worst of them, or a name with a qualifier near it.

    A name alone is as sensitive as its rule says; a name beside a qualifier or beside anything of
    CONFIDENTIAL or more is RESTRICTED.
    """
    worst = max((by_entity[span.entity].sensitivity for span in spans), default=PUBLIC)
    names = list(filter(is_full_name, spans))
    if not names or worst is RESTRICTED:
        return worst
    qualifiers = [
        span
        for span in spans
        if span.entity == QUALIFIER or (span.entity != "PERSON" and by_entity[span.entity].sensitivity >= CONFIDENTIAL)
    ]
    return RESTRICTED if _meet(names, qualifiers) else worst


def _meet(names: list[Span], qualifiers: list[Span]) -> bool:
    """Say whether a name lies within reach of a qualifier: one sweep over both, in the order of the text.

    Widened by its reach, a qualifier must overlap a name. Of two sets of intervals some two overlap if, where one begins,
    one of the other set hasn't ended.
    """
    starts = [(span.start, 0, span.end) for span in names]
    starts += ((span.start - _reach(span), 1, span.end + _reach(span)) for span in qualifiers)
    ends = [float("-inf"), float("-inf")]
    for start, side, end in sorted(starts):
        if ends[1 - side] >= start:
            return True
        ends[side] = max(ends[side], end)
    return False
