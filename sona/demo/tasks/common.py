"""What every task of the demo shares: the shape of an example and helpers to vary phrasing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from sona.demo.phrases import lines
from sona.demo.words import Split


@dataclass(frozen=True, slots=True)
class Example:
    """A prompt and the only answer that counts as correct."""

    prompt: str
    answer: str


@dataclass(frozen=True, slots=True)
class Task:
    """A checkable skill that one adapter adds to the base model."""

    name: str
    title: str
    description: str
    keywords: tuple[str, ...]
    negative_examples: tuple[str, ...]
    generate: Callable[[Random, Split], Example]
    seed: int
    steps: int
    """How many batches the adapter trains on."""

    def examples(self, split: Split, count: int, seed: int = 0) -> list[Example]:
        """Make `count` examples with distinct prompts, the same for the same arguments."""
        rng = Random(f"{self.name}/{split}/{seed}")
        found: dict[str, Example] = {}
        while len(found) < count:
            example = self.generate(rng, split)
            found.setdefault(example.prompt, example)
        return list(found.values())


def pick(rng: Random, split: Split, train: Sequence[str], held_out: Sequence[str]) -> str:
    """Choose a phrasing: train ones while training, either kind half the time when held out."""
    if split is Split.HELD_OUT and held_out and rng.random() < 0.5:
        return rng.choice(held_out)
    return rng.choice(train)


def lower_first(text: str) -> str:
    """Make the first letter small."""
    return text[:1].lower() + text[1:]


def upper_first(text: str) -> str:
    """Make the first letter a capital."""
    return text[:1].upper() + text[1:]


_POLITE = lines(r"""
please {}
can you {}?
could you {}?
could you please {}?
I need to {}
I want to {}
{}, please
{} please
help me {}
I'd like to {}
{}. thanks
hi, {}
hey, can you {}
""")
_POLITE_HELD_OUT = lines(r"""
would you {}?
hello, please {}
kindly {}
{}, thank you
can you please {}
""")


def request(rng: Random, split: Split, imperative: str) -> str:
    """Dress an imperative ("list the files") as people type it: bare, polite, with or without capitals."""
    text = lower_first(imperative)
    if rng.random() < 0.4:
        text = pick(rng, split, _POLITE, _POLITE_HELD_OUT).format(text)
    if rng.random() < 0.65:
        text = upper_first(text)
    if text[-1].isalnum() and rng.random() < 0.35:
        text += "."
    return text


def listing(rng: Random, parts: Sequence[str]) -> str:
    """Join words as in a sentence: "a", "a and b", "a, b and c", "a, b, c"."""
    if len(parts) == 1:
        return parts[0]
    if rng.random() < 0.4:
        return ", ".join(parts)
    last = rng.choice((" and ", " and ", ", and ")) if len(parts) > 2 else " and "
    return ", ".join(parts[:-1]) + last + parts[-1]


def quoted(rng: Random, text: str, share: float = 0.3) -> str:
    """Put quotation marks around some values."""
    if rng.random() >= share:
        return text
    mark = rng.choice(("'", '"'))
    return f"{mark}{text}{mark}"
