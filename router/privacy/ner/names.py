"""Names, places, streets and companies by country, drawn from Faker once; names in Latin letters where it has others.

Not used at run time.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import NamedTuple

from faker import Faker
from faker.providers.date_time import Provider as Countries

from router.privacy.ner import templates

LOCALES = (
    "en_US en_GB en_IE en_AU en_CA en_IN en_NZ en_NG en_KE en_PK en_PH en_TH de_DE de_AT de_CH fr_FR fr_BE fr_CA es_ES es_MX es_AR es_CO "
    "es_CL it_IT pt_BR pt_PT nl_NL nl_BE pl_PL cs_CZ sk_SK sl_SI hr_HR hu_HU ro_RO sv_SE no_NO da_DK fi_FI et_EE lt_LT lv_LV tr_TR az_AZ "
    "uz_UZ id_ID fil_PH sq_AL is_IS yo_NG ha_NG ig_NG tw_GH zu_ZA vi_VN ga_IE ru_RU uk_UA bg_BG el_GR ja_JP zh_CN"
).split()
LANGUAGES = {
    "de": "de_DE de_AT de_CH", "fr": "fr_FR fr_BE fr_CA", "es": "es_ES es_MX es_AR es_CO", "it": "it_IT", "pt": "pt_BR pt_PT",
    "nl": "nl_NL nl_BE", "pl": "pl_PL", "other": "cs_CZ sk_SK hr_HR hu_HU ro_RO sv_SE fi_FI lt_LT tr_TR ru_RU uk_UA bg_BG el_GR",
}  # fmt: skip
"""Languages of the templates and the countries their names are from."""

FOREIGN_SCRIPTS = "ar_AA bn_BD el_GR fa_IR he_IL hi_IN hy_AM ja_JP ka_GE ko_KR ru_RU ta_IN th_TH uk_UA vi_VN zh_CN zh_TW tr_TR id_ID".split()
"""Countries whose words stand in texts without names."""

_CYRILLIC = "абвгдеёжзийклмнопрстуфхцчшщъыьэюяіїєґ"
_LATIN = "a b v g d e e zh z i y k l m n o p r s t u f kh ts ch sh shch . y . e yu ya i yi ye g".split()
_GREEK = "αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋ"
_GREEK_LATIN = "a v g d e z i th i k l m n x o p r s s t y f ch ps o a e i i o y o i y".split()
_TO_LATIN = {
    ord(a): b.strip(".") for a, b in (*zip(_CYRILLIC, _LATIN, strict=True), *zip(_GREEK, _GREEK_LATIN, strict=True))
}

ENDINGS: dict[str, tuple[tuple[str, str], ...]] = {
    "pl": (
        ("ski", "skiego skiemu skim"), ("cki", "ckiego ckiemu ckim"), ("ska", "skiej ską"), ("cka", "ckiej cką"), ("ek", "ka kowi kiem"), ("ka", "ki ce kę ką"),
        ("ra", "ry rze rę rą"), ("ta", "ty cie tę tą"), ("na", "ny nie nę ną"), ("ia", "ii i ię ią"), ("a", "y ę ą ie"), ("ł", "ła łowi łem le"), ("i", "iego iemu im"),
        ("r", "ra rowi rem rze"), ("", "a owi em ie"),
    ),
    "cs": (("ová", "ové ovou"), ("ek", "ka kovi kem"), ("a", "y ě u ou ovi"), ("ý", "ého ému ým"), ("", "a ovi em u")),
    "ru": (("ий", "ия ию ием"), ("ая", "ой ую"), ("ова", "овой ову"), ("ева", "евой еву"), ("ина", "иной ину"), ("а", "ы е у ой"), ("я", "и е ю ей"), ("ь", "я ю ем"), ("й", "я ю ем"), ("", "а у ом е ым")),
    "fi": (("nen", "sen selle sta sella"), ("", "n lle lta lla a ssa n")),
    "hu": (("a", "ának át ával ánál"), ("e", "ének ét ével"), ("", "nak nek t val vel hoz ért")),
    "tr": (("", "in e i den nin ye yi le"),),
    "lt": (("as", "o ui ą u e"), ("is", "io iui į iu i"), ("ė", "ės ei ę e"), ("a", "os ai ą a")),
    "de": (("s", "'"), ("", "s")),
}  # fmt: skip
"""Endings of a language's names in other cases than the first: what is replaced, and by what."""
CASES = {
    "pl_PL": "pl", "cs_CZ": "cs", "sk_SK": "cs", "hr_HR": "cs", "sl_SI": "cs", "ru_RU": "ru", "uk_UA": "ru", "bg_BG": "ru",
    "fi_FI": "fi", "et_EE": "fi", "hu_HU": "hu", "tr_TR": "tr", "lt_LT": "lt", "de_DE": "de", "de_AT": "de", "sv_SE": "de", "nl_NL": "de",
}  # fmt: skip


class Country(NamedTuple):
    """What one country's people, places and companies are called."""

    locale: str
    given: list[str]
    family: list[str]
    cities: list[str]
    streets: list[str]
    numbers: list[str]
    codes: list[str]
    addresses: list[str]
    companies: list[str]
    words: list[str]
    family_first: bool = False


def inflected(word: str, locale: str, choose: random.Random) -> str:
    """Put a name in another grammatical case, roughly as the country's language does."""
    for ending, others in ENDINGS.get(CASES.get(locale, ""), ()):
        if word.endswith(ending) and len(word) > len(ending) + 2:
            other = choose.choice(others.split())
            return word[: len(word) - len(ending)] + other
    return word


def _draw(method: Callable[[], str], count: int) -> list[str]:
    return sorted({method().strip() for _ in range(count)} - {""})


def _latin(words: list[str]) -> list[str]:
    return sorted({word.lower().translate(_TO_LATIN).title() for word in words})


def _words(faker: Faker) -> list[str]:
    lorem = next(provider for provider in faker.get_providers() if "lorem" in type(provider).__module__)
    return sorted(set(getattr(lorem, "word_list", ())))


def others(locale: str) -> Country:
    """Draw only the words of a country."""
    return Country(locale, [], [], [], [], [], [], [], [], _words(Faker(locale)))


def country(locale: str) -> Country:
    """Draw a country's names."""
    faker = Faker(locale)
    first, last = faker.first_name, faker.last_name
    if locale in ("ja_JP", "zh_CN"):
        first, last = faker.first_romanized_name, faker.last_romanized_name
    return Country(
        locale, _draw(first, 3000), _draw(last, 4000), _draw(faker.city, 600), _draw(faker.street_name, 400),
        _draw(faker.building_number, 100), _draw(faker.postcode, 200), _draw(faker.street_address, 400),
        _draw(faker.company, 200), _words(faker), locale in ("hu_HU", "vi_VN", "zh_CN"),
    )  # fmt: skip


def countries() -> list[Country]:
    """Draw all countries, and add those whose names Faker has in other letters only."""
    found = [country(locale) for locale in LOCALES]
    by_locale = {each.locale: each for each in found}
    for locale in ("ru_RU", "uk_UA", "bg_BG", "el_GR"):
        each = by_locale[locale]
        found.append(
            each._replace(
                locale="en_" + locale[-2:],
                given=_latin(each.given),
                family=_latin(each.family),
                cities=_latin(each.cities),
            )
        )
    english = by_locale["en_US"]
    chosen = random.Random(0)
    arabic = english._replace(locale="ar", given=templates.ARABIC, family=templates.ARABIC_FAMILY)
    korean_given = sorted(
        {a + chosen.choice(("-", "", " ")) + b.lower() for a in templates.KOREAN for b in templates.KOREAN}
    )
    korean = english._replace(locale="ko", given=korean_given, family=templates.KOREAN_FAMILY, family_first=True)
    chinese = english._replace(locale="zh", given=templates.CHINESE, family=templates.CHINESE_FAMILY, family_first=True)
    return [*found, arabic, arabic, korean, chinese]


def places() -> list[str]:
    """Return countries and their capitals, and a thousand cities of the world."""
    faker = Faker("en_US")
    cities = {faker.location_on_land()[2] for _ in range(6000)}
    states = {name for each in Countries.countries for name in (each.name, each.capital)}
    return sorted(
        cities | states | {"USA", "UK", "Europe", "Asia", "Africa", "England", "Scotland", "Wales", "Bavaria", "Texas"}
    )


def invented(names: list[str], count: int, choose: random.Random) -> list[str]:
    """Make up names letter by letter, each after two others, as they follow each other in real ones."""
    follows: dict[str, list[str]] = {}
    for name in names:
        padded = f"^^{name}$"
        for index in range(len(padded) - 2):
            follows.setdefault(padded[index : index + 2], []).append(padded[index + 2])
    made: list[str] = []
    while len(made) < count:
        text = "^^"
        while not text.endswith("$") and len(text) < 16:
            text += choose.choice(follows[text[-2:]])
        word = text[2:].rstrip("$")
        if re.fullmatch(r"\w{3,12}", word):
            made.append(word)
    return made
