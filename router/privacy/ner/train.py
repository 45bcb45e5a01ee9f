"""Trains the tagger and writes `weights.npz`: `python -m router.privacy.ner.train`. Needs faker, no data files.

Plain numpy with its own Adam: ten minutes on one core, the same weights from the same seed. Not used at run time.
"""

from __future__ import annotations

import argparse
import logging
import random
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from router.core.clock import monotonic_s
from router.privacy.ner.model import SIZES, TAGS, TOKEN, WEIGHTS, Floats, features, name_hash
from router.privacy.ner.samples import Generator, Sample

WIDTH, HIDDEN = 24, 48
BATCH_TOKENS = 4096
RATE, KEEP = 3e-3, 0.75
Rows = NDArray[np.int64]
Lists = tuple[frozenset[int], ...]

logger = logging.getLogger(__name__)


class Net:
    """Embedding of hashed features, two convolutions of width 3, one linear layer; parameters by name."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        shapes = {
            "w0": (3 * WIDTH * len(SIZES), HIDDEN), "w1": (3 * HIDDEN, HIDDEN), "w2": (HIDDEN, len(TAGS)),
        }  # fmt: skip
        self.parameters: dict[str, Floats] = {
            name: self._random.normal(0, (2 / shape[0]) ** 0.5, shape).astype(np.float32)
            for name, shape in shapes.items()
        }
        for name, shape in shapes.items():
            self.parameters[name.replace("w", "b")] = np.zeros(shape[1], np.float32)
        self.parameters["embedding"] = self._random.normal(0, 0.1, (sum(SIZES), WIDTH)).astype(np.float32)
        self._moments = {name: (np.zeros_like(p), np.zeros_like(p)) for name, p in self.parameters.items()}
        self._steps = 0

    def forward(self, rows: Rows, *, train: bool = False) -> tuple[Floats, list[Floats]]:
        """Map (n, features) rows to (n, tags) probabilities; also return what `backward` needs."""
        layer: Floats = self.parameters["embedding"][rows].reshape(len(rows), -1)
        drop: Floats = np.ones_like(layer)
        if train:
            drop = (self._random.random(layer.shape, np.float32) < KEEP).astype(np.float32) / KEEP
        inputs: list[Floats] = [drop]
        layer = layer * drop
        for number in range(2):
            padded = np.pad(layer, ((1, 1), (0, 0)))
            inputs.append(np.hstack((padded[:-2], layer, padded[2:])))
            layer = np.maximum(inputs[-1] @ self.parameters[f"w{number}"] + self.parameters[f"b{number}"], 0)
        inputs.append(layer)
        logits = layer @ self.parameters["w2"] + self.parameters["b2"]
        raised = np.exp(logits - logits.max(axis=1, keepdims=True))
        return raised / raised.sum(axis=1, keepdims=True), inputs

    def learn(self, rows: Rows, tags: Rows, rate: float) -> None:
        """Take one Adam step on a batch."""
        probabilities, (drop, first, second, top) = self.forward(rows, train=True)
        slope = probabilities.copy()
        slope[np.arange(len(tags)), tags] -= 1
        slope /= len(tags)
        gradients: dict[str, Floats] = {"w2": top.T @ slope, "b2": slope.sum(axis=0)}
        slope = (slope @ self.parameters["w2"].T) * (top > 0)
        for number, taken in ((1, second), (0, first)):
            gradients |= {f"w{number}": taken.T @ slope, f"b{number}": slope.sum(axis=0)}
            before, here, after = np.hsplit(slope @ self.parameters[f"w{number}"].T, 3)
            slope = here
            slope[:-1] += before[1:]
            slope[1:] += after[:-1]
            slope *= drop if number == 0 else _positive(second)
        gradients["embedding"] = _scatter(rows, slope.reshape(-1, WIDTH))
        self._adam(gradients, rate)

    def _adam(self, gradients: dict[str, Floats], rate: float) -> None:
        self._steps += 1
        scale = rate * (1 - 0.999**self._steps) ** 0.5 / (1 - 0.9**self._steps)
        for name, gradient in gradients.items():
            mean, square = self._moments[name]
            mean += 0.1 * (gradient - mean)
            square += 0.001 * (gradient * gradient - square)
            self.parameters[name] -= scale * mean / (np.sqrt(square) + 1e-8)


def _positive(joined: Floats) -> NDArray[np.bool_]:
    """Where the layer was above zero that stands in the middle of three joined ones."""
    return np.hsplit(joined, 3)[1] > 0


def _scatter(rows: Rows, slopes: Floats) -> Floats:
    """Add up the slopes of each embedding row."""
    order = np.argsort(rows.ravel(), kind="stable")
    sorted_rows = rows.ravel()[order]
    starts = np.flatnonzero(np.r_[True, sorted_rows[1:] != sorted_rows[:-1]])
    total = np.zeros((sum(SIZES), WIDTH), np.float32)
    total[sorted_rows[starts]] = np.add.reduceat(slopes[order], starts, axis=0)
    return total


def encode(sample: Sample, lists: Lists, hide: float) -> tuple[list[tuple[int, ...]], list[int]]:
    """Turn a sample into rows and tags; with chance `hide` a word isn't found in the name lists."""
    rows: list[tuple[int, ...]] = []
    tags: list[int] = []
    nothing: Lists = (frozenset[int](),) * len(lists)
    last = -1
    for match in TOKEN.finditer(sample.text):
        rows.append(features(match.group(), nothing if random.random() < hide else lists))
        index, kind = next(
            ((i, k) for i, (k, start, end) in enumerate(sample.entities) if start <= match.start() < end), (-1, "")
        )
        tags.append(TAGS.index(f"{'I' if index == last else 'B'}-{kind}") if kind else 0)
        last = index
    return rows, tags


def batches(count: int, generator: Generator, lists: Lists) -> Iterator[tuple[Rows, Rows]]:
    """Yield (rows, tags) of about BATCH_TOKENS tokens, samples parted by line ends."""
    rows: list[tuple[int, ...]] = []
    tags: list[int] = []
    gap = [features("\n", lists)] * 2
    for sample in generator.samples(count):
        more_rows, more_tags = encode(sample, lists, 0.15)
        rows += more_rows + gap
        tags += [*more_tags, 0, 0]
        if len(rows) >= BATCH_TOKENS:
            yield np.array(rows), np.array(tags)
            rows, tags = [], []


def main() -> None:
    """Train, report, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=80_000)
    parser.add_argument("--epochs", type=int, default=3)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    random.seed(0)
    generator = Generator(0)
    lists = tuple(frozenset(name_hash(word) for word in words) for words in generator.lists())
    logger.info("lists %s, prose %d", [len(words) for words in lists], len(generator.prose))
    data = list(batches(arguments.samples, generator, lists))
    held_out = list(batches(3000, Generator(1), lists))
    net = Net(0)
    start_s, step, steps = monotonic_s(), 0, arguments.epochs * len(data)
    for epoch in range(arguments.epochs):
        for rows, tags in random.sample(data, len(data)):
            net.learn(rows, tags, RATE * (0.5 + 0.5 * np.cos(np.pi * step / steps)))
            step += 1
        right = sum(int((net.forward(rows)[0].argmax(axis=1) == tags).sum()) for rows, tags in held_out)
        share = right / sum(len(tags) for _, tags in held_out)
        logger.info("epoch %d: %.4f of tokens right, %.0f s", epoch, share, monotonic_s() - start_s)
    arrays = {name: parameter.astype(np.float16) for name, parameter in net.parameters.items()}
    arrays |= {f"list{number}": np.array(sorted(names), np.uint32) for number, names in enumerate(lists)}
    np.savez_compressed(WEIGHTS, allow_pickle=False, **arrays)
    logger.info("%d bytes", WEIGHTS.stat().st_size)


if __name__ == "__main__":
    main()
