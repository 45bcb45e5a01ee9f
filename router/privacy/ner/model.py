"""Tags words as person, place or address with two small convolutions over hashed features; numpy only.

The weights in `weights.npz` come from `train.py`, which shares the features below with this file.
"""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

TAGS = ("O", "B-PERSON", "I-PERSON", "B-LOCATION", "I-LOCATION", "B-ADDRESS", "I-ADDRESS")
WEIGHTS = Path(__file__).with_name("weights.npz")

TOKEN = re.compile(r"[^\W\d_]+|\d+|[^\w\s]|_|\n")
SIZES = (1 << 14, 1 << 12, 1 << 12, 1 << 9, 16)
"""Rows of the embedding per feature: word, first three letters, last three, shape, name lists."""
OFFSETS = tuple(sum(SIZES[:index]) for index in range(len(SIZES)))
CACHED = 50_000
"""Words whose features are remembered."""

Floats = NDArray[np.float32]


class Entity(NamedTuple):
    """One tagged stretch of the text; offsets in characters, end exclusive."""

    kind: str
    start: int
    end: int
    score: float


def name_hash(word: str) -> int:
    """Hash a word for the name lists."""
    return zlib.crc32(word.lower().encode())


def _shape(word: str) -> str:
    kind = "A" if word.isupper() else "a" if word.islower() else "Aa" if word[:1].isupper() else "x"
    if word.isdigit():
        return f"9{min(len(word), 6)}"
    return word if not word.isalpha() else f"{kind}{min(len(word), 8)}"


def features(word: str, lists: tuple[frozenset[int], ...]) -> tuple[int, ...]:
    """Return one embedding row per feature. `lists` are hashes of given names, surnames, places and plain words."""
    lower = word.lower()
    key = name_hash(word)
    listed = sum(1 << bit for bit, names in enumerate(lists) if key in names)
    texts = (lower if not word.isdigit() else "0" * len(word), lower[:3], lower[-3:], _shape(word))
    hashed = [zlib.crc32(text.encode()) % size for text, size in zip(texts, SIZES, strict=False)]
    return tuple(offset + row for offset, row in zip(OFFSETS, (*hashed, listed), strict=True))


class Tagger:
    """The trained tagger. Not thread-safe: it remembers words."""

    def __init__(self, path: Path = WEIGHTS) -> None:
        with np.load(path) as file:
            self._embedding: Floats = file["embedding"].astype(np.float32)
            self._layers = [(file[f"w{n}"].astype(np.float32), file[f"b{n}"].astype(np.float32)) for n in range(3)]
            self._lists = tuple(frozenset(file[f"list{n}"].tolist()) for n in range(4))
        self._known: dict[str, tuple[int, ...]] = {}

    def _rows(self, word: str) -> tuple[int, ...]:
        rows = self._known.get(word)
        if rows is None:
            if len(self._known) >= CACHED:
                self._known.clear()
            rows = self._known[word] = features(word[:64], self._lists)
        return rows


    def tag(self, text: str) -> list[Entity]:
        """Return the entities of a text, in order."""
        tokens = [(match.group(), match.start(), match.end()) for match in TOKEN.finditer(text)]
        if not tokens:
            return []
        rows = np.array([self._rows(word) for word, _, _ in tokens])
        scores = self._scores(rows)
        best = scores.argmax(axis=1)
        return _entities(tokens, best.tolist(), scores[np.arange(len(tokens)), best].tolist())

    def _scores(self, rows: NDArray[np.int64]) -> Floats:
        """Return (n, tags) probabilities for (n, features) embedding rows."""
        layer: Floats = self._embedding[rows].reshape(len(rows), -1)
        for weight, bias in self._layers[:2]:
            padded = np.pad(layer, ((1, 1), (0, 0)))
            layer = np.maximum(np.hstack((padded[:-2], layer, padded[2:])) @ weight + bias, 0)
        weight, bias = self._layers[2]
        logits = layer @ weight + bias
        raised = np.exp(logits - logits.max(axis=1, keepdims=True))
        return raised / raised.sum(axis=1, keepdims=True)


def _entities(tokens: list[tuple[str, int, int]], tags: list[int], scores: list[float]) -> list[Entity]:
    found: list[Entity] = []
    kind = ""
    for (_, start, end), tag, score in zip(tokens, tags, scores, strict=True):
        prefix, _, name = TAGS[tag].partition("-")
        if not name:
            kind = ""
        elif prefix == "I" and name == kind:
            last = found[-1]
            found[-1] = Entity(kind, last.start, end, min(last.score, score))
        else:
            kind = name
            found.append(Entity(kind, start, end, score))
    return found
