"""Measures SONA: milliseconds by prompt length, milliseconds of an update, accuracy on a file of labelled prompts.

    python -m bench.select_adapter [FILE.jsonl[.gz]] [--examples N] [--seeds N] [--cards CARDS.json]

A row of FILE is {"prompt", "adapter" (null = none fits), "source" (optional)}. Each adapter gets N example prompts.
"in-source" draws them from a random choice of an adapter's sources and tests on other rows of these; "cross-source"
draws them from one source and tests on all others. CARDS maps adapter names to {"description", "keywords"}.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from router.core.types import AdapterCard, AdapterInfo, Selection
from sona.embedder import Embedder, load_embedder
from sona.selector import Selector

Floats = NDArray[np.float32]
Pools = dict[str, dict[str, list[str]]]
"""Prompts by adapter (empty name = none fits) and source."""

TEXT = (
    "please write me a short note about the meeting on Tuesday that we moved because the room was taken and nobody "
    "had asked the office before sending the invitation to all of the guests from the other building in town"
)


class Trial(NamedTuple):
    """One draw: example prompts by adapter, and prompts to test on with the adapter that fits."""

    examples: dict[str, list[str]]
    tests: list[tuple[str, str]]
    none: list[str]


class CachedEmbedder:
    """Embeds each text once, for accuracy runs that meet the same prompts many times."""

    def __init__(self, embedder: Embedder) -> None:
        self.dims = embedder.dims
        self.version = embedder.version
        self._embedder = embedder
        self._known: dict[str, Floats] = {}

    def embed(self, texts: Sequence[str]) -> Floats:
        for text in texts:
            if text not in self._known:
                self._known[text] = self._embedder.embed([text])[0]
        return np.stack([self._known[text] for text in texts]) if texts else np.zeros((0, self.dims), np.float32)


def ready(name: str, card: AdapterCard) -> AdapterInfo:
    return AdapterInfo(name=name, version="0" * 12, state="ready", card=card)


def words(count: int) -> str:
    return " ".join(islice(cycle(TEXT.split()), count))


def median_ms(action: Callable[[], object], repeats: int) -> float:
    times: list[float] = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def measure_speed(embedder: Embedder) -> dict[str, float]:
    cards = [
        ready(f"task-{number}", AdapterCard(description=words(12), examples=tuple(words(8 + i) for i in range(10))))
        for number in range(12)
    ]
    selector = Selector(embedder)
    start = time.perf_counter()
    selector.update(cards)
    result = {"first update, 12 adapters": (time.perf_counter() - start) * 1e3}
    start = time.perf_counter()
    extra = AdapterCard(description="One more", examples=tuple(f"do the new thing with {i}" for i in range(10)))
    selector.update([*cards, ready("new", extra)])
    result["update, one adapter more"] = (time.perf_counter() - start) * 1e3
    for count in (5, 30, 100, 200, 1000, 20000):
        text = words(count)
        result[f"select, {count} words"] = median_ms(lambda text=text: selector.select(text), 50)
    return result


def read_pools(path: Path) -> Pools:
    content = path.read_bytes()
    text = gzip.decompress(content) if path.suffix == ".gz" else content
    pools: Pools = defaultdict(lambda: defaultdict(list))
    for line in text.splitlines():
        row = json.loads(line)
        pools[row["adapter"] or ""][row.get("source", "")].append(row["prompt"])
    return pools


def draw(pools: Pools, rng: Random, examples: int, *, cross: bool, tests: int = 60) -> Trial:
    trial = Trial({}, [], [prompt for prompts in pools[""].values() for prompt in prompts])
    for name in sorted(name for name in pools if name):
        sources = sorted(pools[name])
        used = rng.sample(sources, 1 if cross else rng.randint(1, len(sources)))
        pool = [prompt for source in used for prompt in pools[name][source]]
        rng.shuffle(pool)
        trial.examples[name] = pool[:examples]
        held = pool[examples:]
        if cross:
            held = [prompt for source in sources if source not in used for prompt in pools[name][source]]
            rng.shuffle(held)
        trial.tests.extend((prompt, name) for prompt in held[:tests])
    return trial


def auroc(positive: Floats, negative: Floats) -> float:
    """Probability that a positive scores above a negative; ties count half."""
    above = (positive[:, None] > negative[None, :]).mean()
    return float(above + 0.5 * (positive[:, None] == negative[None, :]).mean())


def score(trial: Trial, cards: dict[str, AdapterCard], embedder: Embedder) -> dict[str, float]:
    # A threshold of 0 makes the selector name its best guess; the default threshold is applied here.
    selector = Selector(embedder, min_confidence=0.0)
    threshold = Selector(embedder).min_confidence
    selector.update(
        [
            ready(
                name, AdapterCard(description=cards[name].description, keywords=cards[name].keywords, examples=tuple(e))
            )
            for name, e in trial.examples.items()
        ]
    )
    picked: list[Selection] = [selector.select(prompt) for prompt, _ in trial.tests]
    right = np.array([p.adapter == f"{name}@{'0' * 12}" for p, (_, name) in zip(picked, trial.tests, strict=True)])
    fits = np.array([p.confidence for p in picked], dtype=np.float32)
    none = np.array([selector.select(prompt).confidence for prompt in trial.none], dtype=np.float32)
    return {
        "accuracy": float(right.mean()),
        "auroc": auroc(fits, none),
        "kept": float((fits >= threshold).mean()),
        "right and kept": float((right & (fits >= threshold)).mean()),
        "false": float((none >= threshold).mean()),
    }


def measure_accuracy(arguments: argparse.Namespace, embedder: Embedder) -> dict[str, dict[str, float]]:
    pools = read_pools(arguments.file)
    raw = json.loads(arguments.cards.read_text(encoding="utf-8")) if arguments.cards else {}
    cards = {
        name: AdapterCard(
            description=raw.get(name, {}).get("description", ""), keywords=tuple(raw.get(name, {}).get("keywords", ()))
        )
        for name in pools
    }
    table: dict[str, dict[str, float]] = {}
    for label, cross in (("in-source", False), ("cross-source", True)):
        trials = [draw(pools, Random(seed), arguments.examples, cross=cross) for seed in range(arguments.seeds)]
        results = [score(trial, cards, embedder) for trial in trials if trial.tests]
        if results:
            table[label] = {key: statistics.mean(result[key] for result in results) for key in results[0]}
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--examples", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--cards", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("var/sona"))
    arguments = parser.parse_args()

    start = time.perf_counter()
    embedder = load_embedder(arguments.cache)
    result: dict[str, object] = {"load_ms": (time.perf_counter() - start) * 1e3}
    speed = measure_speed(embedder)
    accuracy = measure_accuracy(arguments, CachedEmbedder(embedder)) if arguments.file else {}
    result |= {"speed_ms": speed, "accuracy": accuracy}
    folder = Path("bench/results")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "select_adapter.json").write_text(json.dumps(result, indent=1) + os.linesep, encoding="utf-8")
    for label, value in speed.items():
        print(f"{label:28} {value:8.2f} ms")
    for label, row in accuracy.items():
        print(f"{label:14}", "  ".join(f"{key} {value:.3f}" for key, value in row.items()))


if __name__ == "__main__":
    main()
