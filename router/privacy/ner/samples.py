"""Generates tagged sentences for the tagger: names and addresses from Faker's lists, in sentences of our own."""

from __future__ import annotations

import importlib
import inspect
import pydoc_data.topics
import random
import re
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

from faker import Faker

LOCALES = (
    "en_US en_US en_US en_GB en_IE en_AU en_CA en_IN en_NZ en_NG de_DE de_AT de_CH fr_FR fr_BE fr_CA es_ES "
    "es_MX es_AR es_CO it_IT pt_BR pt_PT nl_NL nl_BE pl_PL cs_CZ sk_SK sl_SI hr_HR hu_HU ro_RO sv_SE no_NO "
    "da_DK fi_FI et_EE lt_LT lv_LV tr_TR az_AZ id_ID fil_PH sq_AL is_IS yo_NG zu_ZA vi_VN ga_IE"
).split()

SENTENCES = """
{P} called this morning about the invoice.|My name is {P} and I live in {L}.|Please write a letter to {P}.
I met {P} and {P} at the conference in {L}.|{P} was born in {L}.|Can you schedule a meeting with {P} on {D}?
Dear {P},\nthank you for your message.|Best regards,\n{P}|From: {P}\nTo: {P}\nSubject: {W}|Customer: {P}\nAddress: {A}
{P} lives at {A}.|Ship the parcel to {A}.|Our employee {P} was fired for theft.|Write a reference for {P} who worked for me.
The patient, {P}, has been diagnosed with diabetes.|{P}'s husband works for {O}.|I am {P}, the manager of {O}.
The witness, {P}, lives in {L}.|Tell {F} that I will be late.|{F} and {F} went to {L} to buy apples.|{F} has {N} marbles and gives {N} to {F}.
How do I get from {L} to {L}?|What is the weather in {L} on {D}?|The flight from {L} to {L} is late.|He moved to {L} in {N}.
{P}, CEO of {O}, said that {w} {w} {w}.|According to {P}, the {w} {w} is wrong.|Summarise the career of {P}.|Who is {P}?
Contact {P} ({N}) for details.|Name: {P}\nCity: {L}\nPhone: {N}|{P} - {O} - {L}|Employee {P} earned {N} last year.
The chairman Mr. {S} resigned.|Mrs. {S} asked Dr. {S} for help.|I asked Prof. {P} about the exam.|Sincerely, {P}
Please transfer the money to {P}.|{P} owes me money.|My neighbour {P} at {A} is noisy.|my boss {P} is angry with me
Billing address: {P}\n{A}|Deliver to:\n{P}\n{A}|I want to visit {L} and {L} next year.|{L} is the capital of a country.|Where is {L}?
The office at {A} is closed.|We will meet at {A} on {D}.|Is {P} right about the {w}?|Does {P} know {P}?|Ask {F} about it.
{"name": "{P}", "city": "{L}"}|"author": "{P}"|<name>{P}</name>|name,city\n{P},{L}|{F} bought {N} {w} for ${N} and {F} bought {N} more.|{F} needs {N} {w} for {M}.|{F}'s {w} has {N} {w}.|{F} is {N} years old.|assigned_to: {P}|{N} | {P} | {L}
Mein Name ist {P} und ich wohne in {L}.|Sehr geehrte Frau {S}, vielen Dank.|Herr {S} aus {L} hat angerufen.|Die Adresse ist {A}.
Je m'appelle {P} et j'habite à {L}.|Bonjour {F}, merci pour votre message.|M. {S} habite {A}.|Madame {P} est née à {L}.
Me llamo {P} y vivo en {L}.|El señor {S} vive en {A}.|Hola {F}, gracias.|Mi chiamo {P} e abito a {L}.|Il signor {S} abita in {A}.
Meu nome é {P} e moro em {L}.|O senhor {P} mora em {A}.|Mijn naam is {P} en ik woon in {L}.|Mevrouw {S} woont op {A}.
Nazywam się {P} i mieszkam w {L}.|Pan {P} mieszka na {A}.|Jag heter {P} och bor i {L}.|Minun nimeni on {P}.|Benim adım {P}.
{w} {w} {P} {w} {w}.|the {w} of {P} is {w}|{P} {w} {w} {w}|{w} {w} {w} {P}|{P}: {w} {w}|- {P}\n- {P}\n- {P}
"""
NEGATIVES = """
{W} {W} is a {w} of {w}.|The {W} {W} of {O} is {w}.|How does {W} work in Python?|On {D} the {W} {W} was released.
Explain {W} {W} and {W} {W}.|# {W} {W}\n{w} {w} {w}|{O} and {O} merged in {N}.|May I ask a question about {w}?
Will you help me with the {W}?|class {W}{W}(Base):\n    def {w}(self): return {N}|import {w}\nfrom {w} import {W}
SELECT {W}, {W} FROM {W} WHERE {w} = {N};|In {M} we {w} the {w}.|Mark the {w} with a {w}.|Rose prices are up; hope is not.
Write a {w} about {W} {W}.|{W} {W} {W}|Monday, Tuesday and Wednesday are {w}.|The {W} Award, the {W} Prize|Bank of {W}
A. {W} {w} {w}\nB. {W} {w}\nC. {W}\nD. {W} {w} {w}|Q: What is a {w}? A: A {w}.|Step {N}: {W} the {w}.|{O} announced a new {w}.
English, French and German are languages.|The Bill was passed. The Grant was given. Frank talk helps.|I am a Christian Democrat.
You are a helpful assistant.|Translate this to Spanish: {w} {w} {w}|Act as a {W} {W}.|Dear Sir or Madam,|Hello World
{W}: {w} {w}; {W}: {w}|Please summarise the following article about {W} {W}.|Best regards|Yours sincerely,|To Whom It May Concern
The {w} costs ${N} and the {w} {N}% more.|How many {w} are in {N} {w}?|{N} {w}, {N} {w} and {N} {w}|In {N}, {N} {w} were {w}.
It takes {N} {w} to {w} the {w} and {N} minutes to {w}.|{w} = {N}
{w} = {N}|[{N}, {N}, {N}]|{w}({N}, '{W}')|{N}. {W} {w}
{N}. {W} {w}
{W} {N} {w} {w} {N} {W} {N}|{W} M{N} and {W}{N}|v{N}.{N} of {W}|{w}{N}{w}{N}|x^{N} + {N}y = {N}|Each {w} weighs {N} pounds and is {N} feet tall.
The {W} of {W} and {W} in {W} {W}: A {W}|{W} {W}
{W} {W}
{W} {W}|- {W} {W}: {w}
- {W} {W}: {w}|{W}-{W} {w} ({W})|'{W} {W} {N}ML', '{N} {W} {W}'
"""
MONTHS = ("January February March April May June July August September October November December").split()
SUFFIXES = ("Inc", "Ltd", "Corp", "LLC", "GmbH", "Group", "Bank", "Industries", "University", "Foundation", "Hospital")
TITLES = ("Mr.", "Mrs.", "Ms.", "Dr.", "Mr", "Prof.")


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
    return sorted({sentence for sentence in sentences if 20 < len(sentence) < 300})


class Generator:
    """Makes samples; the same seed makes the same ones."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        Faker.seed(seed)
        self._fakers = [Faker(locale) for locale in LOCALES]
        self.prose = prose()
        self._words = sorted({w for s in self.prose for w in re.findall(r"\b[a-z]{3,12}\b", s)})
        self._positive = [s for line in SENTENCES.strip().split("\n") for s in line.split("|")]
        self._negative = [s for line in NEGATIVES.strip().split("\n") for s in line.split("|")]
        self._slots: dict[str, Callable[[Faker], tuple[str, str]]] = {
            "P": lambda f: ("PERSON", self._person(f)), "F": lambda f: ("PERSON", f.first_name()),
            "S": lambda f: ("PERSON", f.last_name()), "L": lambda f: ("LOCATION", self._place(f)),
            "A": lambda f: ("ADDRESS", self._address(f)), "O": lambda f: ("", self._organisation(f)),
            "D": lambda f: ("", f"{self._random.choice(MONTHS)} {self._random.randint(1, 31)}"),
            "M": lambda f: ("", self._random.choice(MONTHS)), "N": lambda f: ("", str(self._random.randint(1, 99999))),
            "w": lambda f: ("", self._random.choice(self._words)),
            "W": lambda f: ("", self._random.choice(self._words).title()),
        }  # fmt: skip

    def _person(self, faker: Faker) -> str:
        first, last = faker.first_name(), faker.last_name()
        pick = self._random.random()
        if pick < 0.65:
            return f"{first} {last}"
        if pick < 0.72:
            return f"{first} {self._random.choice('ABCDEFGHJKLMNPRSTW')}. {last}"
        if pick < 0.78:
            return f"{last}, {first}"
        if pick < 0.84:
            return f"{self._random.choice(TITLES)} {last}"
        return f"{first} {faker.first_name()} {last}" if pick < 0.9 else f"{first} {last}-{faker.last_name()}"

    def _place(self, faker: Faker) -> str:
        return self._random.choice((faker.city, faker.city, faker.country))().strip()

    def _address(self, faker: Faker) -> str:
        street = faker.street_address().replace("\n", self._random.choice((", ", "\n")))
        return street if self._random.random() < 0.4 else f"{street}, {faker.postcode()} {faker.city()}"

    def _organisation(self, faker: Faker) -> str:
        name = faker.last_name() if self._random.random() < 0.5 else self._random.choice(self._words).title()
        return f"{name} {self._random.choice(SUFFIXES)}"

    def fill(self, template: str) -> Sample:
        """Fill the slots of a template; all of one sample come from one country."""
        faker = self._random.choice(self._fakers)
        text, entities, done = "", list[tuple[str, int, int]](), 0
        for match in re.finditer(r"\{([PFSLAODMNwW])\}", template):
            kind, value = self._slots[match.group(1)](faker)
            text += template[done : match.start()]
            if kind:
                entities.append((kind, len(text), len(text) + len(value)))
            text += value
            done = match.end()
        return Sample(text + template[done:], entities)

    def samples(self, count: int) -> Iterator[Sample]:
        """Yield samples: half with names, the rest prose and look-alikes; some joined, some in other letter case."""
        for _ in range(count):
            pick = self._random.random()
            if pick < 0.55:
                sample = self.fill(self._random.choice(self._positive))
            elif pick < 0.75:
                sample = self.fill(self._random.choice(self._negative))
            else:
                sample = Sample(self._random.choice(self.prose), [])
            if self._random.random() < 0.3:
                head = self._random.choice(self.prose) + self._random.choice((" ", "\n"))
                sample = Sample(head + sample.text, [(k, s + len(head), e + len(head)) for k, s, e in sample.entities])
            yield self._recased(sample)

    def _recased(self, sample: Sample) -> Sample:
        pick = self._random.random()
        text = sample.text.lower() if pick < 0.08 else sample.text.upper() if pick < 0.12 else sample.text
        return Sample(text, sample.entities) if len(text) == len(sample.text) else sample

    def lists(self) -> tuple[set[str], set[str], set[str], set[str]]:
        """Collect given names, surnames, places and plain words, in lower case, one word each."""
        given, family, places = set[str](), set[str](), set[str]()
        for faker in self._fakers:
            for _ in range(4000):
                given.update(re.findall(r"[^\W\d_]+", faker.first_name().lower()))
                family.update(re.findall(r"[^\W\d_]+", faker.last_name().lower()))
            for _ in range(1000):
                places.update(re.findall(r"[^\W\d_]{3,}", f"{faker.city()} {faker.country()}".lower()))
        words = {w.lower() for s in self.prose for w in re.findall(r"\b[a-z]+\b", s)}
        return given, family, places, words
