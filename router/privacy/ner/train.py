"""Trains the tagger and writes `weights.npz`: `python -m router.privacy.ner.train`. Needs torch and faker, no data files."""

from __future__ import annotations

import argparse
import random
import sys
import time

import numpy as np
import torch

from router.privacy.ner.model import SIZES, TAGS, TOKEN, WEIGHTS, features, name_hash
from router.privacy.ner.samples import Generator, Sample

WIDTH, HIDDEN = 24, 64
BATCH_TOKENS = 4096


class Net(torch.nn.Module):
    """Embedding of hashed features, two convolutions of width 3, one linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(sum(SIZES), WIDTH)
        torch.nn.init.normal_(self.embedding.weight, std=0.1)
        self.first = torch.nn.Linear(3 * WIDTH * len(SIZES), HIDDEN)
        self.second = torch.nn.Linear(3 * HIDDEN, HIDDEN)
        self.last = torch.nn.Linear(HIDDEN, len(TAGS))
        self.drop = torch.nn.Dropout(0.25)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Map (n, features) rows to (n, tags) logits; samples are parted by rows of padding."""
        layer = self.drop(self.embedding(rows).flatten(1))
        for linear in (self.first, self.second):
            padded = torch.nn.functional.pad(layer, (0, 0, 1, 1))
            layer = torch.relu(linear(torch.cat((padded[:-2], layer, padded[2:]), dim=1)))
        return self.last(layer)


def encode(sample: Sample, lists: tuple[frozenset[int], ...], hide: float) -> tuple[list[tuple[int, ...]], list[int]]:
    """Turn a sample into rows and tags; with chance `hide` a word isn't found in the name lists."""
    rows: list[tuple[int, ...]] = []
    tags: list[int] = []
    nothing: tuple[frozenset[int], ...] = (frozenset(),) * 4
    last = -1
    for match in TOKEN.finditer(sample.text):
        rows.append(features(match.group(), nothing if random.random() < hide else lists))
        index, kind = next(
            ((i, k) for i, (k, start, end) in enumerate(sample.entities) if start <= match.start() < end), (-1, "")
        )
        tags.append(TAGS.index(f"{'I' if index == last else 'B'}-{kind}") if kind else 0)
        last = index
    return rows, tags


def batches(count: int, generator: Generator, lists: tuple[frozenset[int], ...]):  # noqa: ANN201
    """Yield (rows, tags) tensors of about BATCH_TOKENS tokens."""
    rows: list[tuple[int, ...]] = []
    tags: list[int] = []
    gap = [features("\n", lists)] * 2
    for sample in generator.samples(count):
        more_rows, more_tags = encode(sample, lists, 0.15)
        rows += more_rows + gap
        tags += more_tags + [0, 0]
        if len(rows) >= BATCH_TOKENS:
            yield torch.tensor(rows), torch.tensor(tags)
            rows, tags = [], []


def main() -> None:
    """Train, report, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--epochs", type=int, default=4)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    random.seed(0)
    generator = Generator(0)
    lists = tuple(frozenset(name_hash(word) for word in words) for words in generator.lists())
    print("lists", [len(words) for words in lists], "prose", len(generator.prose), file=sys.stderr)
    data = list(batches(arguments.samples, generator, lists))
    held_out = list(batches(3000, Generator(1), lists))
    net = Net()
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, arguments.epochs * len(data))
    start = time.monotonic()
    for epoch in range(arguments.epochs):
        net.train()
        for rows, tags in random.sample(data, len(data)):
            loss = torch.nn.functional.cross_entropy(net(rows), tags)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        net.eval()
        with torch.no_grad():
            right = sum(int((net(rows).argmax(1) == tags).sum()) for rows, tags in held_out)
        print(epoch, f"{right / sum(len(tags) for _, tags in held_out):.4f}", f"{time.monotonic() - start:.0f} s", file=sys.stderr)
    arrays = {"embedding": net.embedding.weight.detach().numpy().astype(np.float16)}
    for number, linear in enumerate((net.first, net.second, net.last)):
        arrays[f"w{number}"] = linear.weight.detach().numpy().T.astype(np.float16)
        arrays[f"b{number}"] = linear.bias.detach().numpy().astype(np.float16)
    for number, names in enumerate(lists):
        arrays[f"list{number}"] = np.array(sorted(names), np.uint32)
    np.savez_compressed(WEIGHTS, **arrays)
    print(WEIGHTS.stat().st_size, "bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
