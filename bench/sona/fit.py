"""`python -m bench.sona.fit --data DIR --cards FILE`: fits what SONA's confidence is made of, and prints it.

On made worlds of 10 to 5,000 adapters and on labelled prompts, whole and in part: few adapters of them, few examples,
none. Worlds and draws have other seeds than those that `python -m bench.sona` measures. Each family of sets counts as
`FAMILIES` says, however many prompts it has.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from bench.sona.labelled import Trial, described_cards, trials
from bench.sona.methods import CachedEmbedder
from bench.sona.world import OUTSIDE, world
from router.core.adapters import AdapterInfo
from sona.calibrate import Weights, sides
from sona.embedder import load_embedder
from sona.profile import build_profile
from sona.reading import read
from sona.selector import evidence
from sona.tier import Tier

Doubles = NDArray[np.float64]

FIRST_DRAW = 10
"""Draws and worlds before it are measured on."""
DRAWS = 3
MOST_PROMPTS = 250
"""Of a set, for each of what fits and what doesn't."""
FAMILIES = {
    "known sources": 1.0,
    "unseen sources": 40.0,
    "by split": 2.0,
    "few examples": 0.3,
    "no examples": 0.5,
    "few adapters": 0.5,
    "made, cards alone": 40.0,
    "made, with examples": 6.0,
    "indirect, cards alone": 4.0,
    "indirect, with examples": 1.3,
}
"""How much each counts. Where prompts are put as no example is, and where there are only cards, a wrong confidence costs
most: nothing else warns. Indirect are prompts of made worlds whose words don't name the task."""
INDIRECT_MOST = 1_000
"""Adapters of worlds that are asked so."""
WORLDS = ((10, 4), (30, 2), (100, 2), (300, 2), (1_000, 2), (5_000, 1))
"""Adapters, and how many worlds of so many."""
STEPS = 3_000
STEP = 0.03
SHRINKAGE = 2e-3


class Case(NamedTuple):
    """What one prompt gives: both sides' values, and whether the best is right."""

    fits: tuple[float, ...]
    is_this: tuple[float, ...]
    right: bool


def labelled_sets(folder: Path, cards: Path) -> Iterator[tuple[str, Trial]]:
    """Yield (family, set)."""
    for known in ({}, described_cards(cards)):
        for trial in trials(folder, known, examples=20, seeds=DRAWS, first=FIRST_DRAW):
            if known and not known.keys() & {info.name for info in trial.adapters}:
                continue
            yield trial.name.partition(", ")[2], trial
            yield "few examples", _with_examples(trial, 4)
            if known.keys() >= {info.name for info in trial.adapters}:
                yield "no examples", _with_examples(trial, 0)
            for count, examples in ((1, 20), (2, 12), (4, 20), (5, 12), (5, 4)):
                yield "few adapters", _with_examples(_part(trial, count), examples)


def made_sets() -> Iterator[tuple[str, Trial]]:
    """Yield (family, set)."""
    for size, count in WORLDS:
        for seed in range(FIRST_DRAW, FIRST_DRAW + count):
            for examples in (0, 4, 20) if size <= 100 else (0, 4) if size < 5_000 else (0,):
                made = world(size, examples=examples, seed=seed)
                told = "with examples" if examples else "cards alone"
                yield f"made, {told}", Trial(str(size), made.adapters, made.inside, OUTSIDE)
                if size <= INDIRECT_MOST and examples <= 4:
                    yield f"indirect, {told}", Trial(str(size), made.adapters, made.indirect, OUTSIDE)


def cases(trial: Trial, embedder: CachedEmbedder) -> list[Case]:
    """Let SONA choose for the prompts of a set."""
    tier = Tier(embedder)
    snapshot = tier.build("", [build_profile(info) for info in trial.adapters])
    rng = Random(0)
    asked = [*trial.inside, *((prompt, "") for prompt in trial.outside)]
    inside, outside = ([one for one in asked if bool(one[1]) is fits] for fits in (True, False))
    result: list[Case] = []
    for prompt, name in (one for some in (inside, outside) for one in rng.sample(some, min(MOST_PROMPTS, len(some)))):
        scores = snapshot.score(read(embedder, [prompt])[0])
        found = snapshot.entries[scores.best[0].index].profile.adapter.partition("@")[0]
        fits, is_this = sides(evidence(snapshot, scores, 0))
        result.append(Case(fits, is_this, found == name))
    return result


def fit(sets: Sequence[tuple[str, str, list[Case]]]) -> Weights:
    """Maximize the likelihood of what was right, by Adam; (family, group, cases), groups of a family count alike."""
    every = [case for *_, some in sets for case in some]
    families = [family for family, _, some in sets for _ in some]
    groups = [f"{family} {group}" for family, group, some in sets for _ in some]
    sizes, of_family = _counts(groups), {name: len({g for g in groups if g.startswith(name)}) for name in FAMILIES}
    counts = np.array([FAMILIES[f] / of_family[f] / sizes[g] for f, g in zip(families, groups, strict=True)])
    counts /= counts.sum()
    fits, is_this = (np.array([case[place] for case in every]) for place in (0, 1))
    right = np.array([case.right for case in every], dtype=np.float64)
    spread = np.concatenate([fits.std(axis=0), is_this.std(axis=0)])
    constant = spread < 1e-9
    spread[constant] = 1.0
    split = fits.shape[1]
    fits, is_this = fits / spread[:split], is_this / spread[split:]
    weights, slow, square = (np.zeros(len(spread)) for _ in range(3))
    for step in range(1, STEPS + 1):
        one, two = _logistic(fits @ weights[:split]), _logistic(is_this @ weights[split:])
        both = np.clip(one * two, 1e-6, 1 - 1e-6)
        pull = counts * (both - right) / (1 - both)
        gradient = np.concatenate([fits.T @ (pull * (1 - one)), is_this.T @ (pull * (1 - two))])
        gradient += SHRINKAGE * weights * ~constant
        slow, square = 0.9 * slow + 0.1 * gradient, 0.99 * square + 0.01 * gradient**2
        rate = STEP * (1 - (step - 1) / STEPS)
        weights -= rate * (slow / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.99**step)) + 1e-9)
    return Weights(*(round(float(value), 3) for value in weights / spread))


def _counts(names: Sequence[str]) -> dict[str, int]:
    return {name: names.count(name) for name in set(names)}


def _logistic(odds: Doubles) -> Doubles:
    return 1.0 / (1.0 + np.exp(-np.clip(odds, -30.0, 30.0)))


def _with_examples(trial: Trial, count: int) -> Trial:
    return trial._replace(adapters=tuple(_trimmed(info, count) for info in trial.adapters))


def _trimmed(info: AdapterInfo, count: int) -> AdapterInfo:
    card = msgspec.structs.replace(info.card, examples=info.card.examples[:count])
    return msgspec.structs.replace(info, card=card)


def _part(trial: Trial, count: int) -> Trial:
    """Take some adapters; what the others are for fits none."""
    rng = Random(f"{trial.name} {count}")
    picked = rng.sample(trial.adapters, count)
    names = {info.name for info in picked}
    others = [prompt for prompt, name in trial.inside if name not in names]
    return Trial(
        trial.name,
        tuple(picked),
        tuple(one for one in trial.inside if one[1] in names),
        (*rng.sample(trial.outside, min(100, len(trial.outside))), *rng.sample(others, min(60, len(others)))),
    )


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.sona.fit", description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of labelled prompts")
    parser.add_argument("--cards", type=Path, default=Path(__file__).with_name("cards12.json"))
    parser.add_argument("--cache", type=Path, default=Path("var/sona"))
    arguments = parser.parse_args()
    cached = CachedEmbedder(load_embedder(arguments.cache))
    sets = [
        (
            family,
            f"{place} {trial.name}" if family in ("few adapters", "few examples") else trial.name,
            cases(trial, cached),
        )
        for place, (family, trial) in enumerate([*labelled_sets(arguments.data, arguments.cards), *made_sets()])
    ]
    print(fit(sets))


if __name__ == "__main__":
    main()
