"""Tags words as person, place or address with two small convolutions over hashed features; numpy only.

The weights in `weights.npz` come from `train.py`, which shares the features below with this file.
"""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

TAGS = ("O", "B-PERSON", "I-PERSON", "B-LOCATION", "I-LOCATION", "B-ADDRESS", "I-ADDRESS")
WEIGHTS = Path(__file__).with_name("weights.npz")

TOKEN = re.compile(r"[^\W\d_]+|\d+|[^\w\s]|_|\n")
SIZES = (1 << 14, 1 << 12, 1 << 12, 1 << 9, 16)
"""Rows of the embedding per feature: word, first three letters, last three, shape, name lists."""
OFFSETS = tuple(sum(SIZES[:index]) for index in range(len(SIZES)))
CACHED = 20_000
"""Words whose vectors are remembered. No text has more: a worker reads pieces of 1,500 characters."""

Floats = NDArray[np.floating[Any]]


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
    """The trained tagger. Not thread-safe: it remembers the words it has seen, at most CACHED of them."""

    def __init__(self, path: Path = WEIGHTS) -> None:
        with np.load(path) as file:
            self._embedding: Floats = file["embedding"].astype(np.float32)
            first: Floats = file["w0"].astype(np.float32)
            self._bias: Floats = file["b0"].astype(np.float32)
            self._second, self._second_bias = file["w1"].astype(np.float32), file["b1"].astype(np.float32)
            self._last, self._last_bias = file["w2"].astype(np.float32), file["b2"].astype(np.float32)
            self._lists = tuple(frozenset(file[f"list{n}"].tolist()) for n in range(4))
        self._hidden = len(self._bias)
        # What a word adds to the word after it, to itself, and to the word before it: the first layer, word by word.
        self._first = np.hstack(np.split(first, 3))
        self._vectors = np.zeros((CACHED, 3 * self._hidden), np.float32)
        self._known: dict[str, int] = {}

    def is_name(self, word: str) -> bool:
        """Say whether a word stands in the lists of given names and surnames."""
        key = name_hash(word)
        return key in self._lists[0] or key in self._lists[1]

    def is_common(self, word: str) -> bool:
        """Say whether a word is an ordinary English one, too."""
        return name_hash(word) in self._lists[3]

    def tag(self, text: str) -> list[Entity]:
        """Return the entities of a text, in order."""
        tokens = list(TOKEN.finditer(text))
        if not tokens:
            return []
        scores = self._scores(self._layer([match.group() for match in tokens]))
        best = scores.argmax(axis=1)
        tagged = np.flatnonzero(best).tolist()
        return _entities(
            [(index, tokens[index], int(best[index]), float(scores[index, best[index]])) for index in tagged]
        )

    def _index(self, word: str) -> int:
        if len(self._known) >= CACHED:
            self._known.clear()
        rows = features(word[:64], self._lists)
        index = self._known[word] = len(self._known)
        self._vectors[index] = self._embedding[list(rows)].ravel() @ self._first
        return index

    def _layer(self, words: list[str]) -> Floats:
        """Return the first layer, (n, hidden), of consecutive words."""
        if len(self._known) + len(words) >= CACHED:
            self._known.clear()
        known = self._known
        indexes = [known[word] if word in known else self._index(word) for word in words]
        left, here, right = np.split(self._vectors[indexes], 3, axis=1)
        layer = here + self._bias
        layer[1:] += left[:-1]
        layer[:-1] += right[1:]
        return np.maximum(layer, 0, out=layer)

    def _scores(self, layer: Floats) -> Floats:
        """Return (n, tags) probabilities."""
        joined = np.zeros((len(layer), 3 * self._hidden), np.float32)
        joined[1:, : self._hidden] = layer[:-1]
        joined[:, self._hidden : 2 * self._hidden] = layer
        joined[:-1, 2 * self._hidden :] = layer[1:]
        top = np.maximum(joined @ self._second + self._second_bias, 0)
        logits = top @ self._last + self._last_bias
        raised = np.exp(logits - logits.max(axis=1, keepdims=True))
        return raised / raised.sum(axis=1, keepdims=True)


def _entities(tagged: list[tuple[int, re.Match[str], int, float]]) -> list[Entity]:
    """Join (index, token, tag, probability) of neighbouring tokens; the surest of them gives kind and score.

    A name may be tagged one way in its first word and another in its last, so neighbours of different kinds are joined
    too where one of them is a person and no new entity is meant to begin.
    """
    found: list[Entity] = []
    last = -2
    for index, token, tag, score in tagged:
        prefix, _, kind = TAGS[tag].partition("-")
        if not token.group()[0].isalnum():
            last = index if index == last + 1 else last
            continue
        before = found[-1] if found and index == last + 1 else None
        if before is not None and prefix == "I" and (kind == before.kind or "PERSON" in (kind, before.kind)):
            surest = max((before.score, before.kind), (score, kind))
            found[-1] = Entity(surest[1], before.start, token.end(), surest[0])
        else:
            found.append(Entity(kind, token.start(), token.end(), score))
        last = index
    return found
