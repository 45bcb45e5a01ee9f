"""`python -m bench.sona.tiers --data DIR`: what the static table decides, how often the encoder would choose the same, and
what that costs in right choices. `--fit` prints the numbers of `sona.glance` fitted anew to the same prompts.

Made worlds, and labelled prompts of your own (see `labelled`). An adapter is right, or none where none fits.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.sona.labelled import trials
from bench.sona.methods import CachedEmbedder
from bench.sona.world import world
from router.core.adapters import AdapterInfo
from sona.embedder import OnnxEmbedder, load_embedder
from sona.glance import CLEAR, Glance
from sona.reading import read
from sona.selector import Selector
from sona.static_table import load_static_table

Prompts = list[tuple[str, str]]
"""(prompt, name of the adapter that fits, or nothing)."""
WORLDS = ((10, 20), (30, 20), (100, 20), (100, 0), (300, 8))
SMOOTHING = 0.3


class Set(NamedTuple):
    """One set of adapters, and what was measured of its prompts."""

    name: str
    glances: NDArray[np.float64]
    """(prompts, fields of `Glance`)."""
    agreed: NDArray[np.bool_]
    """Whether the encoder chooses what looks best at first sight."""


def sets(data: Path | None, most: int) -> Iterator[tuple[str, tuple[AdapterInfo, ...], Prompts]]:
    """Yield adapters and prompts, at most so many that fit an adapter and half as many that fit none."""
    for count, examples in WORLDS:
        made = world(count, examples=examples, seed=count)
        yield (
            f"world of {count}, {examples} examples",
            made.adapters,
            [*made.inside, *((one, "") for one in made.outside)],
        )
    for trial in trials(data, {}, examples=20, seeds=1) if data else ():
        rng = Random(1)
        inside, outside = list(trial.inside), [(one, "") for one in trial.outside]
        rng.shuffle(inside)
        rng.shuffle(outside)
        yield trial.name, trial.adapters, inside[:most] + outside[: most // 2]


def measure(name: str, adapters: Sequence[AdapterInfo], prompts: Prompts, encoder: OnnxEmbedder) -> Set:
    """Choose with and without the table, and print how the two differ."""
    cached, table = CachedEmbedder(encoder), load_static_table(encoder.token_ids)
    alone, both = Selector(cached), Selector(cached, static=table)
    for one in (alone, both):
        one.update(adapters)
    chosen = [(alone.select(prompt), both.select(prompt)) for prompt, _ in prompts]
    fits = [label for _, label in prompts]
    right = [[(one.adapter or "").partition("@")[0] for one in row] for row in zip(*chosen, strict=True)]
    shares = [np.mean([one == label for one, label in zip(row, fits, strict=True)]) for row in right]
    static = [(one.adapter, other.adapter) for one, other in chosen if other.tier == "static"]
    same = sum(one == other for one, other in static)
    print(
        f"| {name} | {len(static) / len(prompts):.1%} of {len(prompts)} | {same} of {len(static)} | "
        f"{shares[0]:.3f}, {shares[1]:.3f} |",
        flush=True,
    )
    state, everything = both._state, np.ones(len(adapters), dtype=np.bool_)
    assert state is not None
    assert state.static is not None
    glances: list[Glance] = []
    agreed: list[bool] = []
    for (prompt, _), (selection, _) in zip(prompts, chosen, strict=True):
        reading = read(table, [prompt])[0]
        first, _, glance = state.static.glance(reading, state.full.words(reading), everything)
        glances.append(glance.capped())
        agreed.append(state.full.entries[first.index].profile.adapter == selection.adapter)
    return Set(name, np.array(glances), np.array(agreed))


def fit(measured: Sequence[Set]) -> tuple[float, Glance]:
    """Fit a logistic regression, each set weighed alike."""
    rows = np.concatenate([np.c_[one.glances, np.ones(len(one.glances))] for one in measured])
    agreed = np.concatenate([one.agreed for one in measured]).astype(np.float64)
    worth = np.concatenate([np.full(len(one.agreed), 300 / len(one.agreed)) for one in measured])
    ridge = np.diag([SMOOTHING] * (rows.shape[1] - 1) + [1e-6])
    weights = np.zeros(rows.shape[1])
    for _ in range(50):
        sure = 1 / (1 + np.exp(-np.clip(rows @ weights, -30, 30)))
        slope = rows.T @ (worth * (sure - agreed)) + ridge @ weights
        weights -= np.linalg.solve((rows * (worth * sure * (1 - sure))[:, None]).T @ rows + ridge, slope)
    *rest, constant = weights.tolist()
    return constant, Glance(*rest)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.sona.tiers", description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder of labelled prompts, *.jsonl or *.jsonl.gz")
    parser.add_argument("--most", type=int, default=600, help="prompts of a set that fit some adapter")
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--cache", type=Path, default=Path("var/sona"))
    arguments = parser.parse_args()
    encoder = load_embedder(arguments.cache)
    print(
        f"| table sure from {CLEAR} | it decides | as the encoder would | right: without, with it |\n|---|---|---|---|"
    )
    measured = [measure(*one, encoder) for one in sets(arguments.data, arguments.most)]
    if arguments.fit:
        print(*fit(measured))


if __name__ == "__main__":
    main()
