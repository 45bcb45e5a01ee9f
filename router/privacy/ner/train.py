"""Trains the tagger and writes `weights.npz`: `python -m router.privacy.ner.train`. Needs faker and torch, no data files.

One core and a few minutes; the same weights from the same seed. Not used at run time.
"""

# pyright: reportUnknownMemberType=false
# torch leaves many of its own types open

from __future__ import annotations

import argparse
import hashlib
import logging
import math
import os
import random
import sys
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from router.core.clock import monotonic_s
from router.privacy.ner.model import EDGE, OFFSETS, REACH, ROWS, SIZES, TAGS, TOKEN, WEIGHTS, features, name_hash
from router.privacy.ner.samples import Generator, Sample

WIDTH, HIDDEN = 32, 64
BATCH = 6144
RATE = 4e-3
HIDE = (0.35, 0.1, 0.1, 0.1, 0.1, 0.05, 0.22, 0.22, 0.0)
"""Chance per feature that a word is seen without it, so that none is leant on too much."""
NOTHING = ROWS
"""A row that stays zero."""

logger = logging.getLogger(__name__)


class Data(NamedTuple):
    """Tokens one after the other, as numbers of distinct ones, and their tags."""

    tokens: Tensor
    tags: Tensor

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield pieces in any order."""
        starts = list(range(0, len(self.tokens) - BATCH + 1, BATCH))
        for start in random.sample(starts, len(starts)):
            yield self.tokens[start : start + BATCH], self.tags[start : start + BATCH]


class Net(nn.Module):
    """What `model.Tagger` does, to be trained."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.zeros(ROWS + 1, WIDTH))
        self.convolutions = [
            nn.Conv1d(size, HIDDEN, 3, padding=reach, dilation=reach)
            for size, reach in zip((WIDTH, HIDDEN, HIDDEN), (1, *REACH), strict=True)
        ]
        self.registered = nn.ModuleList(self.convolutions)
        self.last = nn.Linear(HIDDEN, len(TAGS))
        with torch.no_grad():
            self.embedding[:ROWS].normal_(0, 0.01)

    def forward(self, rows: Tensor) -> Tensor:
        """Map (n, features) rows to (n, tags) logits."""
        words = functional.embedding_bag(rows, self.embedding, mode="sum", padding_idx=NOTHING)
        words = functional.dropout(words, 0.1, self.training)
        layer = torch.relu(self.convolutions[0](words.T))
        for convolution in self.convolutions[1:]:
            layer = layer + torch.relu(convolution(functional.dropout(layer, 0.1, self.training)))
        return self.last(layer.T)


class Vocabulary:
    """Numbers the distinct tokens and knows the features of each."""

    def __init__(self, generator: Generator) -> None:
        self.lists = tuple(frozenset(map(name_hash, words)) for words in generator.lists())
        self._numbers: dict[str, int] = {}
        self._rows: list[tuple[int, ...]] = []

    def number(self, token: str) -> int:
        """Return a token's number."""
        if token not in self._numbers:
            self._numbers[token] = len(self._rows)
            self._rows.append(features(token, self.lists))
        return self._numbers[token]

    def rows(self) -> Tensor:
        """Return the features of all tokens."""
        return torch.tensor(self._rows)

    def encode(self, sample: Sample) -> tuple[list[int], list[int]]:
        """Return numbers and tags of the tokens of a sample."""
        numbers, tags, last, entity = [self.number(EDGE)] * 2, [0, 0], -1, 0
        for match in TOKEN.finditer(sample.text):
            numbers.append(self.number(match.group()))
            while entity < len(sample.entities) and sample.entities[entity][2] <= match.start():
                entity += 1
            inside = entity < len(sample.entities) and sample.entities[entity][1] <= match.start()
            prefix = "I" if entity == last else "B"
            tags.append(TAGS.index(f"{prefix}-{sample.entities[entity][0]}") if inside else 0)
            last = entity if inside else -1
        return numbers, tags


def collect(generator: Generator, vocabulary: Vocabulary, count: int) -> Data:
    """Generate and encode samples."""
    tokens, tags = np.zeros(count * 64, np.int32), np.zeros(count * 64, np.int64)
    place = 0
    for sample in generator.samples(count):
        more, more_tags = vocabulary.encode(sample)
        more, more_tags = more[:64], more_tags[:64]
        tokens[place : place + len(more)], tags[place : place + len(more)] = more, more_tags
        place += len(more)
    return Data(torch.from_numpy(tokens[:place]), torch.from_numpy(tags[:place]))


def hidden(rows: Tensor) -> Tensor:
    """Leave out features by chance; a word that isn't seen in the lists counts as in none."""
    gone = torch.rand(rows.shape) < torch.tensor(HIDE)
    instead = torch.tensor([OFFSETS[i] if i in (6, 7) else NOTHING for i in range(len(SIZES))])
    return torch.where(gone, instead, rows)


def accuracy(net: Net, data: Data, table: Tensor) -> float:
    """Return the share of tokens, of those in entities or taken for such, that are tagged right."""
    net.eval()
    right = total = 0
    with torch.no_grad():
        for tokens, tags in data.batches():
            best = net(table[tokens]).argmax(dim=1)
            asked = (best > 0) | (tags > 0)
            right, total = right + int((best == tags)[asked].sum()), total + int(asked.sum())
    net.train()
    return right / total


def save(net: Net, vocabulary: Vocabulary) -> None:
    """Write the weights, the embedding in whole steps of a scale per column, and their checksum."""
    embedding = net.embedding.detach()[:ROWS].numpy()
    scale = np.abs(embedding).max(axis=0) / 127
    arrays: dict[str, np.ndarray] = {"embedding": np.rint(embedding / scale).astype(np.int8), "scale": scale}
    for number, convolution in enumerate(net.convolutions):
        arrays[f"w{number}"] = convolution.weight.detach().permute(2, 1, 0).numpy().astype(np.float16)
        assert convolution.bias is not None
        arrays[f"b{number}"] = convolution.bias.detach().numpy()
    arrays |= {"w3": net.last.weight.detach().T.numpy().astype(np.float16), "b3": net.last.bias.detach().numpy()}
    arrays |= {f"list{n}": np.array(sorted(names), np.uint32) for n, names in enumerate(vocabulary.lists)}
    np.savez_compressed(WEIGHTS, allow_pickle=False, **arrays)
    WEIGHTS.with_suffix(".sha256.txt").write_text(hashlib.sha256(WEIGHTS.read_bytes()).hexdigest() + "\n")
    logger.info("%d bytes", WEIGHTS.stat().st_size)


def fix_hashes() -> None:
    """Begin anew with hashes that are the same in every run: Faker draws from sets."""
    if sys.flags.hash_randomization:
        os.execve(sys.executable, sys.orig_argv, {**os.environ, "PYTHONHASHSEED": "0"})


def main() -> None:
    """Train, report, save."""
    fix_hashes()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=450_000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    torch.manual_seed(arguments.seed)
    random.seed(arguments.seed)
    start_s = monotonic_s()
    generator = Generator(arguments.seed)
    vocabulary = Vocabulary(generator)
    data = collect(generator, vocabulary, arguments.samples)
    held_out = collect(Generator(arguments.seed + 1), vocabulary, 5000)
    table = vocabulary.rows()
    logger.info("%d tokens, %d distinct, %.0f s", len(data.tokens), len(table), monotonic_s() - start_s)
    net = Net()
    optimizer = torch.optim.Adam(net.parameters(), RATE, betas=(0.9, 0.99))
    steps, step = arguments.epochs * (len(data.tokens) // BATCH), 0
    for epoch in range(arguments.epochs):
        for tokens, tags in data.batches():
            for group in optimizer.param_groups:
                group["lr"] = RATE * (0.51 + 0.49 * math.cos(math.pi * step / steps))
            loss = functional.cross_entropy(net(hidden(table[tokens])), tags, label_smoothing=0.02)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
        share = accuracy(net, held_out, table)
        logger.info("epoch %d: %.4f of tokens right, %.0f s", epoch, share, monotonic_s() - start_s)
    save(net, vocabulary)


if __name__ == "__main__":
    main()
