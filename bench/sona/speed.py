"""`OPENBLAS_NUM_THREADS=1 python -m bench.sona.speed`: microseconds of each stage of a selection, in made worlds.

Wall time, and the thread's own CPU time: on a machine with neighbours the second tells what the code costs. The vectors
of the made worlds are sums of random word vectors, as wide as the encoder's: 100,000 examples are ready in seconds, and
what is counted after the embedding costs the same.
"""

from __future__ import annotations

import argparse
import os
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterable, Sequence
from itertools import cycle, islice, takewhile
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bench.sona.world import world
from router.core.adapters import AdapterInfo
from sona.distil import DIMS as DISTILLED_DIMS
from sona.embedder import DIMS, LAYER_DIMS, load_embedder
from sona.reading import read
from sona.selector import Selector
from sona.static_table import load_static_table

Floats = NDArray[np.float32]
T = TypeVar("T")

UPDATES_MOST = 1_000
"""So many cards are read as an update; more take minutes while memory is traced."""

TEXT = (
    "please write me a short note about the meeting on Tuesday that we moved because the room was taken and nobody "
    "had asked the office before sending the invitation to all of the guests from the other building in town"
)


class WordVectors:
    """An embedder for the clock: close texts share words. It keeps what it made."""

    version = "word-vectors"

    def __init__(self, dims: int = DIMS, layer_dims: int = LAYER_DIMS) -> None:
        self.dims, self.layer_dims = dims, layer_dims
        self._words: dict[str, Floats] = {}
        self._texts: dict[str, Floats] = {}

    def embed(self, texts: Sequence[str]) -> Floats:
        """See `sona.embedder.Embedder`."""
        return np.stack([self._text(text) for text in texts]) if texts else np.zeros((0, self.dims), np.float32)

    def _text(self, text: str) -> Floats:
        if text not in self._texts:
            total = np.sum([self._word(word) for word in text.lower().split()] or [self._word("")], axis=0)
            self._texts[text] = (total / np.linalg.norm(total)).astype(np.float32)
        return self._texts[text]

    def _word(self, word: str) -> Floats:
        if word not in self._words:
            rng = np.random.default_rng(zlib.crc32(word.encode()))
            self._words[word] = rng.standard_normal(self.dims).astype(np.float32)
        return self._words[word]


Row = tuple[str, list[tuple[float, float]]]
"""A stage, and (wall, CPU) microseconds of each run."""


def stages(count: int, *, examples: int, prompts: int) -> list[Row]:
    """Time the stages of a selection among so many adapters, each over all prompts."""
    made, embedder = world(count, examples=examples, tests=prompts), WordVectors()
    selector, both = Selector(embedder), Selector(embedder, static=WordVectors(DISTILLED_DIMS, DISTILLED_DIMS))
    for one in (selector, both):
        one.update(made.adapters)
    asked = [prompt for prompt, _ in made.inside]
    embedder.embed(asked)
    rows = [
        ("select, prompts seen first", timed(selector.select, asked)),
        ("select, again", timed(selector.select, asked)),
        ("select, a static tier before it", timed(both.select, asked)),
        ("of it: words of the prompt", timed(lambda prompt: read(embedder, [prompt]), asked)),
    ]
    assert selector._state is not None
    snapshot = selector._state.full
    readings = [read(embedder, [prompt])[0] for prompt in asked]
    rows.append(("of it: all scores and the duel", timed(snapshot.score, readings)))
    rows.append(("of that: shared words", timed(snapshot.words, readings)))
    return rows


def updates(count: int, *, examples: int) -> list[str]:
    """Say what it costs to read so many cards, and then one more, and what selections take meanwhile; no embedding."""
    made, embedder = world(count + 1, examples=examples, tests=100), WordVectors()
    asked = [prompt for prompt, _ in made.inside]
    Selector(embedder).update(made.adapters)
    tracemalloc.start()
    selector = Selector(embedder)
    selector.update(made.adapters[:count])
    held, peak = (size / 2**20 for size in tracemalloc.get_traced_memory())
    tracemalloc.stop()
    lines = [f"\n{count} cards with {examples} examples hold {held:.0f} MiB, {peak:.0f} MiB while they are read."]
    selector = Selector(embedder)
    selector.update(made.adapters[:1])
    for name, cards in ((f"{count} cards", made.adapters[:count]), ("One card more", made.adapters)):
        cpu_us, wall_us = meanwhile(selector, cards, asked)
        lines.append(
            f"{name}: {cpu_us / 1e3:.0f} ms of CPU time; 99 of 100 selections meanwhile {wall_us:.0f} µs or less."
        )
    return lines


def meanwhile(selector: Selector, cards: Sequence[AdapterInfo], asked: Sequence[str]) -> tuple[float, float]:
    """Update in one thread and select in another; return the update's CPU time and the selections' p99, microseconds."""
    updated: list[tuple[float, float]] = []
    updating = threading.Thread(target=lambda: updated.extend(timed(selector.update, [cards])))
    updating.start()
    times = timed(selector.select, takewhile(lambda _: updating.is_alive(), cycle(asked)))
    updating.join()
    return updated[0][1], float(np.quantile([wall for wall, _ in times], 0.99))


def embedding(cache: Path, runs: int) -> list[Row]:
    """Time the embedding of texts of 10, 30 and 200 words, and what is read of them."""
    embedder = load_embedder(cache)
    rows: list[Row] = []
    for count in (10, 30, 200):
        text = " ".join(islice(cycle(TEXT.split()), count))
        embedder.embed([text])
        rows.append((f"embedding, {count} words", timed(lambda text: embedder.embed([text]), [text] * runs)))
        rows.append((f"reading, {count} words", timed(lambda text: read(embedder, [text]), [text] * runs)))
    return rows


def tiers(cache: Path) -> list[Row]:
    """Time whole selections by what decided them, embedding included, over prompts of a made world."""
    encoder, made = load_embedder(cache), world(10, examples=20)
    selector = Selector(encoder, static=load_static_table(encoder.token_ids))
    selector.update(made.adapters)
    asked = [prompt for prompt, _ in made.inside] * 3
    by_tier: dict[str, list[str]] = {"static": [], "encoder": []}
    for prompt in asked:
        by_tier[selector.select(prompt).tier].append(prompt)
    return [
        (f"{tier} decides, {len(those) / len(asked):.0%} of the prompts", timed(selector.select, those))
        for tier, those in by_tier.items()
    ]


def timed(action: Callable[[T], object], values: Iterable[T]) -> list[tuple[float, float]]:
    """Return (wall, CPU) microseconds of each."""
    times: list[tuple[float, float]] = []
    for value in values:
        wall, cpu = time.perf_counter_ns(), time.thread_time_ns()
        action(value)
        times.append(((time.perf_counter_ns() - wall) / 1e3, (time.thread_time_ns() - cpu) / 1e3))
    return times


def table(title: str, rows: Sequence[Row]) -> str:
    """Format as Markdown."""
    lines = [f"\n### {title}, µs", "| | p50 | p99 | CPU p50 | CPU p99 |", "|---|---|---|---|---|"]
    for name, times in rows:
        ends = np.quantile(np.array(times), [0.5, 0.99], axis=0)
        lines.append(f"| {name} | {' | '.join(f'{value:.0f}' for value in ends.T.ravel())} |")
    return "\n".join(lines)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.sona.speed", description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="*", default=[10, 100, 1_000, 5_000])
    parser.add_argument("--examples", type=int, default=20)
    parser.add_argument("--prompts", type=int, default=500)
    parser.add_argument("--cache", type=Path, default=Path("var/sona"))
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for size in arguments.sizes:
        rows = stages(size, examples=arguments.examples, prompts=arguments.prompts)
        print(table(f"{size} adapters with {arguments.examples} examples", rows), flush=True)
        if size <= UPDATES_MOST:
            print(*updates(size, examples=arguments.examples), sep="\n", flush=True)
    print(table("Embedding, one core", embedding(arguments.cache, 100)))
    print(table("Selections by tier, 10 adapters, embedding included", tiers(arguments.cache)))


if __name__ == "__main__":
    main()
