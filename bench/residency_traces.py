"""Traffic over adapters, made from seeds: which adapter each use is of, and what each costs to load."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, cycle, islice

ADAPTERS, USES = 128, 8_000


def zipf(rng: random.Random, exponent: float, uses: int, order: Sequence[int]) -> list[int]:
    """Draw adapters by their place in an order: the first is wanted most."""
    weights = list(accumulate(1 / (place + 1) ** exponent for place in range(len(order))))
    return rng.choices(order, cum_weights=weights, k=uses)


def traces(seed: int = 1, adapters: int = ADAPTERS, uses: int = USES) -> dict[str, list[int]]:
    """Make the traces."""
    rng = random.Random(seed)
    everyone = list(range(adapters))
    made = {
        "uniform": rng.choices(everyone, k=uses),
        "zipf 0.8": zipf(rng, 0.8, uses, everyone),
        "zipf 1.1": zipf(rng, 1.1, uses, everyone),
        "two hot": [rng.randrange(2) if rng.random() < 0.94 else rng.randrange(2, adapters) for _ in range(uses)],
        "loop": [at % adapters for at in range(uses)],
    }
    scanned: list[int] = []
    for _ in range(10):
        scanned += [*zipf(rng, 1.0, uses // 10 - adapters, everyone), *everyone]
    made["scan"] = scanned
    order, drifting = everyone.copy(), list[int]()
    for _ in range(10):
        drifting += zipf(rng, 1.0, uses // 10, order)
        for _ in range(adapters // 6):
            one, other = rng.randrange(adapters), rng.randrange(adapters)
            order[one], order[other] = order[other], order[one]
    made["drifting"] = drifting
    bursts: list[int] = []
    for adapter in zipf(rng, 0.9, uses, everyone):
        bursts += [adapter] * (rng.randint(5, 40) if rng.random() < 0.05 else 1)
    made["bursts"] = list(islice(bursts, uses))
    return made | {name: list(islice(make(rng, everyone), uses)) for name, make in CHANGING.items()}


def _jobs(rng: random.Random, everyone: Sequence[int]) -> Iterator[int]:
    """One job after the other, each with a few adapters of its own, and some strangers."""
    while True:
        hot = rng.sample(everyone, rng.randint(4, 24))
        for _ in range(rng.randint(100, 1000)):
            yield rng.choice(everyone if rng.random() < 0.05 else hot)


def _days(rng: random.Random, everyone: Sequence[int]) -> Iterator[int]:
    """Three shifts of 800 uses, each with favourites of its own, day after day."""
    for order in cycle([rng.sample(everyone, len(everyone)) for _ in range(3)]):
        yield from zipf(rng, 1.0, 800, order)


def _recent(rng: random.Random, everyone: Sequence[int]) -> Iterator[int]:
    """What was used lately is used again: the place in the order of last uses falls off as its inverse square."""
    last = list(everyone)
    while True:
        adapter = last.pop(min(int(rng.paretovariate(1.0)), len(last)) - 1)
        last.insert(0, adapter)
        yield adapter


def _rounds(rng: random.Random, everyone: Sequence[int]) -> Iterator[int]:
    """Rounds of 6 to 96 adapters, five times each."""
    while True:
        yield from rng.sample(everyone, rng.choice((6, 12, 24, 48, 96))) * 5


CHANGING: dict[str, Callable[[random.Random, Sequence[int]], Iterator[int]]] = {
    "jobs": _jobs,
    "days": _days,
    "recent": _recent,
    "rounds": _rounds,
}
"""Traffic in which what is wanted changes; without end."""


def costs_of(kind: str, seed: int = 5, adapters: int = ADAPTERS) -> list[float]:
    """Make what each adapter costs to load: all the same, or spread as ranks from 8 to 64 and their targets spread it."""
    rng = random.Random(seed)
    return [30.0 if kind == "equal" else math.exp(rng.gauss(math.log(30.0), 0.8)) for _ in range(adapters)]
