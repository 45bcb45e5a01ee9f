"""Generates tagged texts for the tagger: names, organisations and addresses in sentences of our own and in prose.

Not used at run time.
"""

from __future__ import annotations

import importlib
import inspect
import pydoc_data.topics
import random
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple, TypeVar

from faker import Faker

from router.privacy.ner import english, templates
from router.privacy.ner.names import FOREIGN_SCRIPTS, LANGUAGES, Country, countries, inflected, invented, others, places

T = TypeVar("T")
Slot = Callable[[Country], tuple[str, str]]


class Sample(NamedTuple):
    """A text and its entities as (kind, start, end)."""

    text: str
    entities: list[tuple[str, int, int]]


def prose() -> list[str]:
    """Collect English sentences without persons: the documentation of Python and its standard library."""
    texts = list(pydoc_data.topics.topics.values())
    for module in sorted(sys.stdlib_module_names):
        if module.startswith(("_", "idlelib", "lib2to3", "antigravity", "this", "test", "typing")):
            continue
        try:
            loaded = importlib.import_module(module)
        except Exception:  # noqa: BLE001, S112  modules of other platforms don't import
            continue
        things: list[object] = [loaded, *loaded.__dict__.values()]
        for thing in things:
            if (inspect.isclass(thing) or inspect.isroutine(thing) or inspect.ismodule(thing)) and thing.__doc__:
                texts.append(str(thing.__doc__))
    sentences = [part.strip() for text in texts for part in re.split(r"(?<=[.:?])\s+|\n\n", text)]
    own = {sentence for line in english.PROSE.strip().split("\n") for sentence in line.split("|")}
    return sorted({sentence for sentence in sentences if 20 < len(sentence) < 300} | own)


def _table(text: str) -> list[str]:
    """Read templates; a line that begins with a bar is one row of a table."""
    lines = text.strip().replace("\\n", "\n\x00").replace("\\t", "\t").split("\n")
    joined = "\n".join(lines).replace("\n\x00", "\x01").split("\n")
    return [
        part.replace("\x01", "\n")
        for line in joined
        for part in ([line] if line[0] == "|" else line.split("|"))
        if part
    ]


class Generator:
    """Makes samples; the same seed makes the same ones."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        Faker.seed(0)
        self.countries = countries()
        self.places = places()
        self.prose = prose()
        self._jobs = sorted({re.split(r"[,(/]", Faker("en_US").job())[0].strip().lower() for _ in range(3000)})
        technical = sorted({w for s in self.prose for w in re.findall(r"\b[a-z]{3,12}\b", s)})
        self._words = [*technical, *(self._everyday() * 3)]
        self._own_prose = [s for line in english.PROSE.strip().split("\n") for s in line.split("|")]
        self._by_locale = {each.locale: each for each in self.countries}
        self._english = [c for c in self.countries if c.locale in ("en_US", "en_GB", "en_CA", "en_AU", "en_IE")]
        self._invented = {
            each.locale: invented(each.family, 300, self._random) for each in self.countries if len(each.family) > 150
        }
        self._about, self._frames, self._nothing = map(_table, (templates.ABOUT, templates.FRAMES, templates.NOTHING))
        self._addressed = [template for template in self._frames if "{A}" in template]
        self._foreign = {language: _table(text) for language, text in templates.FOREIGN.items()}
        self._wordy = [
            c
            for c in (*self.countries, *map(others, FOREIGN_SCRIPTS))
            if len(c.words) > 90 and c.words != self._english[0].words
        ]
        self._slots: dict[str, Slot] = {
            "P": lambda c: ("PERSON", self._person(c)), "F": lambda c: ("PERSON", self._given(c)),
            "S": lambda c: ("PERSON", self._family(c)), "L": lambda c: ("LOCATION", self._place(c)),
            "A": lambda c: ("ADDRESS", self._address(c)), "O": lambda c: ("ORG", self._organisation(c)),
            "D": lambda c: ("", self._date()), "M": lambda c: ("", self._pick(templates.MONTHS)),
            "N": lambda c: ("", str(self._random.randint(1, 10 ** self._random.randint(1, 5)))),
            "w": lambda c: ("", self._pick(self._words)), "W": lambda c: ("", self._pick(self._words).title()),
            "J": lambda c: ("", self._pick(self._jobs)), "B": lambda c: ("", self._pick(templates.BRANDS)),
            "K": lambda c: ("", "".join(self._pick(self._words).title() for _ in range(2))),
            "X": lambda c: ("", self._technical()), "Z": lambda c: ("", self._clause(self._pick(self._wordy))),
            "U": lambda c: ("", self._address_of_mail(c)), "E": lambda c: ("", self._pick(templates.EPONYMS)), "c": lambda c: ("", self._clause(c)),
            "C": lambda c: ("", self._clause(c).capitalize()),
        }  # fmt: skip
        self._case = False

    def _everyday(self) -> list[str]:
        return sorted({*english.WORDS, *next(each.words for each in self.countries if each.locale == "en_US")})

    def _pick(self, values: Sequence[T]) -> T:
        return self._random.choice(values)

    def _given(self, country: Country) -> str:
        name = self._pick(country.given)
        if self._case:
            return inflected(name, country.locale, self._random)
        return name

    def _family(self, country: Country) -> str:
        pool = self._invented.get(country.locale, country.family) if self._random.random() < 0.2 else country.family
        name = self._pick(pool)
        return inflected(name, country.locale, self._random) if self._case else name

    def _person(self, country: Country) -> str:
        first, last = self._given(country), self._family(country)
        initial = f"{self._pick('ABCDEFGHJKLMNPRSTW')}."
        if country.family_first and self._random.random() < 0.5:
            return f"{last} {first}"
        forms = {
            f"{first} {last}": 66, f"{first} {initial} {last}": 6, f"{last}, {first}": 5, f"{initial} {last}": 4,
            f"{first} {self._given(country)} {last}": 6, f"{first} {last}-{self._family(country)}": 4,
            f"{last} {first}": 3, f"{first} {last} {self._family(country)}": 4, f"{first}-{self._given(country)} {last}": 2,
        }  # fmt: skip
        return self._random.choices(list(forms), list(forms.values()))[0]

    def _place(self, country: Country) -> str:
        return self._pick(self.places if self._random.random() < 0.5 else country.cities)

    def _address(self, country: Country) -> str:
        """Write an address in one of the orders of the world; parts may be missing or on lines of their own."""
        pick, chance = self._pick, self._random.random
        gap = pick((", ", ", ", "\n", " ", ",\n", "\n "))
        number, street = pick(country.numbers), pick(country.streets)
        line = pick((pick(country.addresses), f"{number} {street}", f"{street} {number}", f"{street}, {number}"))
        line = line.replace("\n", gap)
        if chance() < 0.12:
            line = f"{self._random.randint(1, 99999)} {line}"
        if chance() < 0.05:
            return (
                pick(("the corner of ", "corner of ", ""))
                + f"{line} {pick(('and', '&', 'at'))} {pick((street, pick(country.streets)))}"
            )
        if chance() < 0.2:
            unit = pick("Apt|Apt.|Suite|Unit|Flat|Floor|Room|#|No.|Wohnung|Piso|App.|Block|Bldg".split("|"))
            where = f"{unit} {self._random.randint(1, 950)}{pick(('', '', 'A', 'b'))}"
            line = pick((f"{line} {where}", f"{line}, {where}", f"{where}, {line}", f"{line}{gap}{where}"))
        if chance() < 0.04:
            line = pick(("P.O. Box ", "PO Box ", "Postfach ", "Box ")) + str(self._random.randint(10, 9999))
        city, code = self._place(country), pick(country.codes)
        end = pick(
            (
                f"{code} {city}",
                f"{city} {code}",
                f"{city}, {pick(('CA', 'NY', 'TX', 'FL', 'OH', 'WA'))} {code}",
                city,
                f"{city}, {code}",
                "",
            )
        )
        if end and chance() < 0.15:
            end += pick((", ", "\n", " ")) + pick(self.places)
        if end and chance() < 0.08:
            end = end.upper()
        return f"{line}{gap}{end}" if end else line

    def _organisation(self, country: Country) -> str:
        chance = self._random.random()
        if chance < 0.3:
            return self._pick(country.companies).replace("\n", " ")
        if chance < 0.5:
            return self._pick(templates.COMPANIES)
        name = self._family(country) if chance < 0.65 else self._pick(self._words).title()
        if chance > 0.9:
            return name + self._pick(
                ("ly", "ify", "io", "soft", "tech", "ster", "ware", "net", "gen", "pay", "hub", "ex")
            )
        if chance > 0.87:
            return f"{name}-{self._family(country)}"
        return f"{name} {self._pick(templates.SUFFIXES)}"

    def _address_of_mail(self, country: Country) -> str:
        name = self._given(country) + self._pick((".", "", "_", "-")) + self._family(country)
        domain = f"{self._pick(self._words)}.{self._pick(('com', 'org', 'de', 'fr', 'hu', 'co.uk', 'io', 'cy', 'dk'))}"
        return self._pick(
            (
                f"{name}@{domain}",
                f"{name.lower()}@{domain}",
                f"https://www.{domain}/{name}",
                f"@{name}",
                f"www.{name}.com",
            )
        )

    def _date(self) -> str:
        month, day, year = self._pick(templates.MONTHS), self._random.randint(1, 28), self._random.randint(1950, 2026)
        return self._pick(
            (f"{month} {day}", f"{day} {month} {year}", "Monday", "Friday", f"{day}.{day % 12 + 1}.{year}")
        )

    def _technical(self) -> str:
        """Write numbers, lists of them, and what looks like code: none of it is an address."""
        number, word, letter = self._random.randint, self._words, "abcnxyABNRX"
        count = number(1, 8)
        kinds: tuple[Callable[[], str], ...] = (
            lambda: " ".join(str(number(0, 10 ** number(1, 6))) for _ in range(count)),
            lambda: "\n".join(" ".join(str(number(0, 99)) for _ in range(count)) for _ in range(3)),
            lambda: ", ".join(str(number(0, 999)) for _ in range(count)),
            lambda: " ".join(f"{self._pick(letter)}{number(0, 9)}" for _ in range(count)),
            lambda: f"{self._pick(word)}-{self._pick(word)}: {number(0, 99)}px {number(0, 99)}px;",
            lambda: f"{number(1, 9)} ≤ {self._pick(letter)} ≤ 10^{number(2, 9)}",
            lambda: f"{self._pick(letter)} = {number(1, 999)} / {number(1, 99)}",
            lambda: "".join(self._pick("0123456789abcdef") for _ in range(number(6, 32))),
            lambda: f"rgba({number(0, 255)}, {number(0, 255)}, {number(0, 255)}, 0.{number(0, 9)})",
            lambda: f"{number(0, 23)}:{number(10, 59)} {self._pick(('am', 'pm', 'UTC', 'p.m.'))}",
            lambda: f"{number(1, 99)} {self._pick(word)} {self._pick(word)} {number(1, 2000)}",
            lambda: f"-{self._pick(letter)} {number(0, 9)} --{self._pick(word)}={number(0, 99)}",
            lambda: f"{number(1, 9)}. {self._pick(word).title()} {number(1, 99)}%, {number(1, 99)}%",
            lambda: f"{self._pick(word).title()} {number(1, 30)}:{number(1, 30)}-{number(1, 30)}",
            lambda: f"USA {number(0, 9)} Brazil {number(0, 9)}",
        )
        return self._pick(kinds)()

    def _clause(self, country: Country) -> str:
        """Say something without names in the country's language, or in English."""
        count = self._random.randint(3, 9)
        if len(country.words) > 90 and not country.locale.startswith("en"):
            return self._pick((" ", " ", "" if country.locale[:2] in ("zh", "ja", "th") else " ")).join(
                self._random.choices(country.words, k=count)
            )
        if self._random.random() < 0.5:
            return " ".join(self._random.choices(self._words, k=count))
        words = self._sentence().split()
        start = self._random.randint(0, max(len(words) - count, 0))
        return " ".join(words[start : start + count]).lower()

    def fill(self, template: str, country: Country) -> Sample:
        """Fill the slots of a template; all of one sample come from one country."""
        text, entities, done = "", list[tuple[str, int, int]](), 0
        for match in re.finditer(r"\{([PFSLAOBDMNJKEUXZwWcC])\}", template):
            kind, value = self._slots[match.group(1)](country)
            text += template[done : match.start()]
            if kind and not re.match(r"(?:'s|-\{S\}'?s?)? (?:\{E\}|\{S\} \{E\})|-\{S\} \{E\}", template[match.end() :]):
                entities.append((kind, len(text), len(text) + len(value)))
            text += value
            done = match.end()
        return Sample(text + template[done:], entities)

    def _template(self) -> tuple[str, Country]:
        pick, chance = self._random.choice, self._random.random()
        self._case = False
        country = pick(self._english) if self._random.random() < 0.3 else pick(self.countries)
        if chance < 0.05:
            return pick(self._addressed), country
        if chance < 0.24:
            return pick(self._frames), country
        if chance < 0.42:
            return pick(("{P}", "{P}", "{F}", "{T} {S}")).replace(
                "{T}", pick(templates.TITLES)
            ) + self._follow(), country
        if chance < 0.62:
            language = pick(list(self._foreign))
            country = self._by_locale[pick(LANGUAGES[language].split())]
            self._case = country.locale not in ("de_DE", "de_AT", "sv_SE", "nl_NL") and self._random.random() < 0.5
            return pick(self._foreign[language]), country
        if chance < 0.72:
            return self._injected(country), country
        if chance < 0.92:
            return pick(self._nothing), country
        return self._sentence(), country

    def _sentence(self) -> str:
        texts = self._own_prose if self._random.random() < 0.5 else self.prose
        return self._random.choice(texts).replace("{", "(").replace("}", ")")

    def _follow(self) -> str:
        about = self._random.choice(self._about)
        return about if about[0] in ",'" else f" {about}"

    def _injected(self, country: Country) -> str:
        """Put names where a sentence of prose, or of random words, has something else."""
        words = self._sentence().split()
        if self._random.random() < 0.4:
            words = self._clause(country).split()
        for _ in range(self._random.randint(1, 2)):
            place = self._random.randint(0, len(words))
            words[place : place + self._random.randint(0, 2)] = [self._random.choice("{P} {P} {F} {S} {L} {O}".split())]
        return " ".join(words)

    def samples(self, count: int) -> Iterator[Sample]:
        """Yield samples, some joined with others or with prose, some in other letter case, some carelessly typed."""
        for _ in range(count):
            sample = self.fill(*self._template())
            while self._random.random() < 0.3:
                more = self.fill(*self._template())
                gap = self._pick((" ", " ", "\n", ". ", "\n\n", ", "))
                shift = len(sample.text) + len(gap)
                moved = [(kind, start + shift, end + shift) for kind, start, end in more.entities]
                sample = Sample(sample.text + gap + more.text, [*sample.entities, *moved])
            yield self._recased(self._quoted(sample))

    def _quoted(self, sample: Sample) -> Sample:
        """Put a mark in front of each line, as in quotes and lists, now and then."""
        if "\n" not in sample.text or self._random.random() > 0.15:
            return sample
        mark = self._pick((">", "> ", "- ", "* ", "| ", "  ", "\t", "// ", "# ", ">> "))
        places = list(accumulate((1 + len(mark) * (c == "\n") for c in sample.text), initial=0))
        entities = [(kind, places[start], places[end]) for kind, start, end in sample.entities]
        return Sample(sample.text.replace("\n", "\n" + mark), entities)

    def _recased(self, sample: Sample) -> Sample:
        pick = self._random.random()
        text = sample.text.lower() if pick < 0.14 else sample.text.upper() if pick < 0.18 else sample.text
        if 0.18 < pick < 0.24:  # all in lower case but for the names
            kept = {index for _, start, end in sample.entities for index in range(start, end)}
            text = "".join(c if i in kept else c.lower() for i, c in enumerate(sample.text))
        if 0.24 < pick < 0.27:
            text = sample.text[0].upper() + sample.text[1:]
        return Sample(text, sample.entities) if len(text) == len(sample.text) else sample

    def lists(self) -> tuple[set[str], ...]:
        """Collect given names, surnames, places, plain words and company words, in lower case, one word each."""

        def words(values: list[str], least: int = 2) -> set[str]:
            return {word for value in values for word in re.findall(rf"[^\W\d_]{{{least},}}", value.lower())}

        given = {word for each in self.countries for word in words(each.given)}
        family = {word for each in self.countries for word in words(each.family)}
        cities = {word for each in self.countries for word in words(each.cities, 4)} | words(self.places, 3)
        plain = {w for s in self.prose for w in re.findall(r"\b[a-z]{2,}\b", s)} | words(self._jobs)
        plain |= {word for each in self.countries for word in each.words if word.islower()}
        plain |= words([english.PROSE, *english.WORDS])
        return (
            given,
            family,
            cities,
            plain,
            words([*templates.BRANDS, *templates.COMPANIES, *templates.SUFFIXES, *templates.EPONYMS]),
        )
