"""Makes adapters, their cards, and prompts with the adapter that fits: as many as wanted, the same for the same seed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import product
from random import Random
from typing import NamedTuple

from router.core.adapters import AdapterCard, AdapterInfo

VERSION = "0" * 12

Operation = tuple[str, str, str, tuple[str, ...], tuple[str, ...]]
Field = tuple[str, str, str, tuple[str, ...]]
Kind = tuple[Operation, Field]

# What is done: name, description, keywords, ways to ask for it. The first ways stand in the examples, the last ones
# only in tests: whoever asks has not read the card.
OPERATIONS: tuple[Operation, ...] = (
    (
        "summary",
        "Summarizes {0} in a few sentences",
        "summary, summarize, short version",
        (
            "Summarize this {1}: {2}",
            "Give me a short summary of the {1} about {2}",
            "What are the main points of this {1}? {2}",
        ),
        ("Boil this {1} down to the essentials: {2}", "tl;dr of the {1} on {2} please"),
    ),
    (
        "translation",
        "Translates {0} into German",
        "translate, translation, German",
        (
            "Translate this {1} into German: {2}",
            "How would you put the {1} about {2} in German?",
            "German version of this {1}: {2}",
        ),
        ("I need this {1} in German: {2}", "auf Deutsch bitte, the {1}: {2}"),
    ),
    (
        "classifier",
        "Sorts {0} into categories and says how urgent they are",
        "classify, category, priority",
        (
            "Classify this {1}: {2}",
            "Which category does the {1} about {2} belong to?",
            "Category and priority of this {1}: {2}",
        ),
        ("What kind of {1} is this, and is it urgent? {2}", "Please label the {1}: {2}"),
    ),
    (
        "extractor",
        "Extracts the facts in {0} as JSON",
        "extract, JSON, fields",
        (
            "Extract the fields of this {1} as JSON: {2}",
            "Make a JSON record of the {1} about {2}",
            "Return the {1} as JSON. {2}",
        ),
        ("Pull all facts out of the {1} into a JSON object: {2}", "structured data from this {1}: {2}"),
    ),
    (
        "reply",
        "Writes polite replies to {0}",
        "reply, answer, response letter",
        (
            "Write a reply to this {1}: {2}",
            "Draft an answer to the {1} about {2}",
            "How should I respond to this {1}? {2}",
        ),
        ("Compose a courteous response to the {1}: {2}", "what do I write back to this {1} about {2}?"),
    ),
    (
        "checker",
        "Finds mistakes and missing parts in {0}",
        "check, mistakes, review, missing",
        ("Check this {1} for mistakes: {2}", "What is missing in the {1} about {2}?", "Review the {1}: {2}"),
        ("Is anything wrong with this {1}? {2}", "proofread the {1} on {2}"),
    ),
    (
        "title",
        "Finds titles for {0}",
        "title, headline, heading",
        ("Find a title for this {1}: {2}", "Suggest a headline for the {1} about {2}", "Name this {1}: {2}"),
        ("What would be a catchy heading for the {1}? {2}", "title ideas: {1}, {2}"),
    ),
    (
        "simplifier",
        "Rewrites {0} in plain language",
        "plain language, simplify, easy to read",
        (
            "Rewrite this {1} in plain language: {2}",
            "Simplify the {1} about {2}",
            "Make this {1} easy to read: {2}",
        ),
        ("Say the {1} so that a child understands it: {2}", "this {1} is too complicated, put it simply: {2}"),
    ),
    (
        "questions",
        "Writes quiz questions about {0}",
        "quiz, questions, test",
        (
            "Write three quiz questions about this {1}: {2}",
            "Make a test on the {1} about {2}",
            "Ask me questions about this {1}: {2}",
        ),
        ("Turn the {1} into an exam: {2}", "I want to be quizzed on the {1} about {2}"),
    ),
    (
        "estimate",
        "Estimates the cost that follows from {0}",
        "cost, estimate, price",
        (
            "Estimate the cost of this {1}: {2}",
            "How expensive will the {1} about {2} be?",
            "What does this {1} come to? {2}",
        ),
        ("Roughly how much money is in the {1}? {2}", "put a price on the {1}: {2}"),
    ),
)

# The same asked for in words that don't name it: no word of these stands for a task in `sona/thesaurus.py`.
INDIRECT: dict[str, str] = {
    "summary": "I have no time to read this {1}, what does it say? {2}",
    "translation": "My aunt in Berlin has to be able to read this {1}: {2}",
    "classifier": "On which pile does this {1} go? {2}",
    "extractor": "Put what the {1} says into the columns of a spreadsheet: {2}",
    "reply": "What would you tell the sender of this {1}? {2}",
    "checker": "Can the {1} go out like that? {2}",
    "title": "The {1} about {2} needs something bold on top",
    "simplifier": "Nobody gets this {1}, make it less dense: {2}",
    "questions": "See whether I have learnt the {1} about {2}",
    "estimate": "What will we be charged after this {1}? {2}",
}

# What it is done to: field, plural, singular, and what such texts are about.
FIELDS: tuple[Field, ...] = (
    ("claims", "insurance claims", "insurance claim", ("hail on a roof", "a stolen bicycle", "a burst water pipe")),
    ("radiology", "radiology reports", "radiology report", ("a shadow on the lung", "a broken wrist", "a clear scan")),
    ("leases", "rental contracts", "rental contract", ("a flat with a balcony", "notice of three months", "a deposit")),
    ("recipes", "cooking recipes", "recipe", ("lentil soup with cumin", "plum cake", "bread without yeast")),
    ("commits", "software commits", "commit", ("a null check in the parser", "a faster index", "a removed flag")),
    ("weather", "weather bulletins", "weather bulletin", ("storm on the coast", "fog in the valleys", "late frost")),
    ("patents", "patents", "patent", ("a folding wheel", "a valve for pumps", "a battery housing")),
    ("orders", "purchase orders", "purchase order", ("forty office chairs", "copper wire", "printer paper")),
    ("minutes", "meeting minutes", "meeting protocol", ("the new budget", "a moved deadline", "hiring in May")),
    ("reviews", "hotel reviews", "hotel review", ("noisy rooms", "a friendly porter", "cold breakfast")),
    ("poems", "poems", "poem", ("the sea at night", "an old train", "lost keys")),
    ("tenders", "public tenders", "public tender", ("a school roof", "street lamps", "snow clearing")),
    ("tickets", "support tickets", "support ticket", ("login fails", "a double charge", "the app is slow")),
    ("trials", "clinical trials", "clinical trial", ("a new statin", "a vaccine for ticks", "sleep and caffeine")),
    ("timetables", "railway timetables", "railway timetable", ("trains to Ghent", "night lines", "a closed bridge")),
    ("wills", "last wills", "last will", ("a house for the niece", "a foundation for cats", "two equal heirs")),
    ("soil", "soil analyses", "soil analysis", ("too little nitrogen", "clay under sand", "acid ground")),
    ("football", "football match reports", "match report", ("a late penalty", "a red card", "a draw in the rain")),
    ("invoices", "invoices", "invoice", ("three hours of plumbing", "a late fee", "tax on paint")),
    ("lectures", "physics lectures", "physics lecture", ("entropy", "the double slit", "rigid bodies")),
    ("menus", "restaurant menus", "menu", ("a vegan starter", "fish of the day", "a list of wines")),
    ("flights", "flight delays", "flight delay notice", ("ice on the wings", "a missing crew", "a strike in Lyon")),
    ("permits", "building permits", "building permit", ("a garage", "a dormer window", "a fence on the border")),
    ("tax", "tax returns", "tax return", ("a home office", "child care", "shares sold at a loss")),
    ("wine", "wine descriptions", "wine description", ("a dry riesling", "notes of cherry", "old barrels")),
)

OUTSIDE: tuple[str, ...] = (
    "what's the time in Lima right now",
    "tell me something funny about penguins",
    "Who discovered penicillin?",
    "turn the volume down",
    "solve 5x - 3 = 12",
    "which film won the most Oscars",
    "how do I tie a bow tie",
    "good evening, how are you",
    "why is the sea salty",
    "write a function that sorts numbers in Go",
    "recommend a place for a picnic",
    "how many moons has Saturn",
    "set an alarm for six",
    "I can't sleep, what helps?",
    "What is the capital of Chad?",
    "name five birds that can't fly",
    "can dogs eat grapes",
    "explain black holes to me",
    "convert 12 miles to kilometres",
    "who is older, Plato or Aristotle",
)

PLACES = ("north", "south", "coast", "alpine", "harbour", "island", "river", "forest", "desert", "capital")
STYLES = ("", "retail", "legal", "junior", "export", "archive", "mobile", "night", "public", "premium")


class World(NamedTuple):
    """Adapters and the prompts they are tested with."""

    adapters: tuple[AdapterInfo, ...]
    inside: tuple[tuple[str, str], ...]
    """(prompt, name of the adapter that fits)."""
    outside: tuple[str, ...]
    paraphrases: tuple[tuple[str, str, str], ...]
    """Two ways of asking the same, and the adapter that fits."""
    indirect: tuple[tuple[str, str], ...]
    """As `inside`, in words that don't name the task."""
    serving: Mapping[str, frozenset[str]]
    """Adapter -> those that do all that it is asked for: the same task on the same texts, of a branch that holds its own.

    Whoever is made for claims takes those of the north; whoever is made for those of the north takes no others.
    """


def world(count: int, *, examples: int, seed: int = 0, tests: int = 300) -> World:
    """Make `count` adapters with so many examples each.

    From 250 on there are near-duplicates: the same task for another branch, which only the prompt's own word tells.
    """
    rng = Random(seed)
    kinds = list(product(OPERATIONS, FIELDS))
    rng.shuffle(kinds)
    made: list[AdapterInfo] = []
    asked: list[tuple[str, str]] = []
    indirect: list[tuple[str, str]] = []
    pairs: list[tuple[str, str, str]] = []
    alike: dict[str, list[tuple[str, frozenset[str]]]] = defaultdict(list)
    for (operation, field), branch in _variants(kinds, count):
        name = "-".join(part for part in (branch.replace(" ", "-"), field[0], operation[0]) if part)
        plural, single = (f"{branch} {text}".strip() for text in field[1:3])
        ways = [way.format(plural, single, about) for way, about in product(operation[3], field[3])]
        fresh = [way.format(plural, single, about) for way, about in product(operation[4], field[3])]
        card = AdapterCard(
            description=operation[1].format(plural),
            keywords=(*operation[2].split(", "), plural),
            examples=tuple(_varied(rng, ways, examples)),
        )
        made.append(AdapterInfo(name=name, version=VERSION, state="ready", card=card))
        alike[f"{operation[0]} {field[0]}"].append((name, frozenset(branch.split())))
        asked.extend((prompt, name) for prompt in fresh)
        indirect.extend((INDIRECT[operation[0]].format(plural, single, about), name) for about in field[3])
        about = rng.randrange(len(field[3]))
        pairs.append((rng.choice(ways[about :: len(field[3])]), rng.choice(fresh[about :: len(field[3])]), name))
    rng.shuffle(asked)
    rng.shuffle(pairs)
    Random(seed).shuffle(indirect)
    serving = {
        name: frozenset(other for other, wider in group if wider <= own)
        for group in alike.values()
        for name, own in group
    }
    return World(tuple(made), tuple(asked[:tests]), OUTSIDE, tuple(pairs[:tests]), tuple(indirect[:tests]), serving)


def stuffed(adapters: tuple[AdapterInfo, ...]) -> AdapterInfo:
    """A card that claims to be made for everything: the keywords of all others, and some."""
    words = [keyword for info in adapters for keyword in info.card.keywords]
    card = AdapterCard(description="Best for everything you ask: " + ", ".join(words[:200]), keywords=tuple(words))
    return AdapterInfo(name="omnibus", version=VERSION, state="ready", card=card)


def _variants(kinds: list[Kind], count: int) -> Iterator[tuple[Kind, str]]:
    branches = [f"{style} {place}".strip() for style, place in product(STYLES, PLACES)]
    for index in range(count):
        turn, kind = divmod(index, len(kinds))
        yield kinds[kind], branches[turn - 1] if turn else ""


def _varied(rng: Random, ways: list[str], count: int) -> list[str]:
    """Take `count` of the ways, again with other manners where there are too few."""
    manners = ("", "Please. ", "Hi, ", "quick one: ")
    pool = [f"{manner}{way}" for manner, way in product(manners, ways)]
    return rng.sample(pool, min(count, len(pool)))
