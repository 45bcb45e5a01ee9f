"""Tags words as person, organisation, place or address: hashed features and three small convolutions, numpy only.

The weights in `weights.npz` come from `train.py`, which shares the features below with this file. What stands in
`weights.sha256.txt` is checked before they are used: a damaged file ends the start rather than finding nothing.
"""

from __future__ import annotations

import hashlib
import io
import re
import zlib
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from router.core.errors import ConfigError

KINDS = ("PERSON", "LOCATION", "ADDRESS", "ORG")
TAGS = ("O", *(f"{prefix}-{kind}" for kind in KINDS for prefix in "BI"))
WEIGHTS = Path(__file__).with_name("weights.npz")

TOKEN = re.compile(r"(?:[^\W\d_]+|\d+|[^\w\s]|_|\n)[^\S\n]*")
"""A word, a number, a sign or a line end, with the blanks behind it: tokens leave nothing of a text out."""
SIZES = (1 << 15, 1 << 13, 1 << 11, 1 << 13, 1 << 14, 1 << 9, 32, 4, 4)
"""Rows of the embedding per feature: word, its beginning, three ends, shape, lists, lists without ending, blanks."""
OFFSETS = tuple(accumulate(SIZES, initial=0))[:-1]
ROWS = sum(SIZES)
REACH = (2, 4)
"""How far the second and third convolution look to each side; the first looks at the next word."""
CACHED = 20_000
"""Words whose vectors are remembered. No text has more: a worker reads pieces of 1,500 characters."""
EAGER = {"PERSON": 1.5, "LOCATION": 1.2, "ADDRESS": 2.4, "ORG": 1.2}
"""What a tag must fall short of `O` by (in logits) not to be given: a missed name is worse than one too many."""
EDGE = "\n"

KNOWN = 0b1011
"""Bits of given names, surnames and plain words: such a word is what it is, in whatever case it may stand."""

Floats = NDArray[np.floating[Any]]
Lists = tuple[frozenset[int], ...]
"""Hashes of given names, surnames, places, plain words and words of companies."""


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
    if word.isdigit():
        return f"9{min(len(word), 6)}"
    if not word.isalpha():
        return word
    case = "A" if word.isupper() else "a" if word.islower() else "Aa" if word[1:].islower() else "x"
    return f"{case}{min(len(word), 8)}{ord(word[0]) >> 8}"


def stems(lower: str) -> tuple[str, ...]:
    """Guess what a word in another grammatical case is in the first one."""
    one, two, three = lower[:-1], lower[:-2], lower[:-3]
    return (
        one, two, three, one + "a", two + "a", two + "i", three + "i", three + "a", two + "y", two + "e" + lower[-2],
    )  # fmt: skip


def features(token: str, lists: Lists) -> tuple[int, ...]:
    """Return one embedding row per feature."""
    word = token.rstrip()[:64] or "\n"
    blanks = 0 if len(word) == len(token) else 1 if len(token) == len(word) + 1 and token[-1] == " " else 2
    if not word.isalpha():
        text = "0" * len(word) if word.isdigit() else word
        rows = (zlib.crc32(text.encode()), 0, 0, 0, 0, zlib.crc32(_shape(word).encode()), 0, 0, blanks)
    else:
        lower = word.lower()
        key = zlib.crc32(lower.encode())
        listed = sum(1 << bit for bit, names in enumerate(lists) if key in names)
        stem = 0
        if not listed & KNOWN and len(lower) > 3:
            keys = [zlib.crc32(each.encode()) for each in stems(lower)]
            stem = (not lists[0].isdisjoint(keys)) + 2 * (not lists[1].isdisjoint(keys))
        parts = (lower[:3], lower[-2:], lower[-3:], lower[-4:], _shape(word))
        rows = (key, *(zlib.crc32(part.encode()) for part in parts), listed, stem, blanks)
    return tuple(offset + row % size for offset, size, row in zip(OFFSETS, SIZES, rows, strict=True))


def _checked(path: Path) -> bytes:
    """Read the weights.

    Raises:
        ConfigError: the file isn't what the trainer wrote.
    """
    try:
        data, wanted = path.read_bytes(), path.with_suffix(".sha256.txt").read_text().strip()
    except (OSError, ValueError) as error:
        raise ConfigError(f"the weights of the name tagger can't be read: {type(error).__name__}") from error
    if hashlib.sha256(data).hexdigest() != wanted:
        raise ConfigError("the weights of the name tagger are damaged: their checksum isn't that of weights.sha256.txt")
    return data


class Tagger:
    """The trained tagger. Not thread-safe: it remembers the words it has seen, at most CACHED of them."""

    def __init__(self, path: Path = WEIGHTS) -> None:
        with np.load(io.BytesIO(_checked(path))) as file:
            self._embedding: Floats = file["embedding"].astype(np.float32) * file["scale"]
            self._weights = [_joined(file[f"w{number}"]) for number in range(3)]
            self._biases = [file[f"b{number}"].astype(np.float32) for number in range(4)]
            self._last: Floats = file["w3"].astype(np.float32)
            self._lists: Lists = tuple(frozenset(file[f"list{n}"].tolist()) for n in range(5))
        self._biases[3] += np.array([0.0, *(EAGER[kind] for kind in KINDS for _ in "BI")], np.float32)
        self._vectors = np.zeros((CACHED, self._weights[0].shape[1]), np.float32)
        self._known: dict[str, int] = {}

    def is_name(self, word: str) -> bool:
        """Say whether a word stands in the lists of given names and surnames."""
        key = name_hash(word)
        return key in self._lists[0] or key in self._lists[1]

    def is_given(self, word: str) -> bool:
        """Say whether a word stands in the list of given names."""
        return name_hash(word) in self._lists[0]

    def is_common(self, word: str) -> bool:
        """Say whether a word is an ordinary one, too."""
        return name_hash(word) in self._lists[3]

    def tag(self, text: str) -> list[Entity]:
        """Return the entities of a text, in order."""
        start = len(text) - len(text.lstrip())
        tokens = TOKEN.findall(text, start)
        if not tokens:
            return []
        logits = self._logits([EDGE, EDGE, *tokens, EDGE, EDGE])[2:-2]
        best = logits.argmax(axis=1)
        tagged = best.nonzero()[0]
        if not len(tagged):
            return []
        rows: Floats = logits[tagged]
        rows -= np.maximum.reduce(rows, axis=1, keepdims=True)
        raised = np.exp(rows, out=rows)
        kinds = np.add.reduce(raised[:, 1:].reshape(len(tagged), len(KINDS), 2), axis=2)
        scores = np.maximum.reduce(kinds / np.add.reduce(raised, axis=1, keepdims=True), axis=1)
        places = list(accumulate(map(len, tokens), initial=start))
        found = zip(tagged.tolist(), best.take(tagged).tolist(), scores.round(4).tolist(), strict=True)
        return _entities([(index, tokens[index].rstrip(), places[index], tag, score) for index, tag, score in found])

    def _indexes(self, tokens: Sequence[str]) -> list[int]:
        known = self._known
        indexes = list(map(known.get, tokens))
        if None not in indexes:
            return indexes  # type: ignore[return-value]
        fresh = list(dict.fromkeys(token for token in tokens if token not in known))
        if len(known) + len(fresh) > CACHED:
            known.clear()
            fresh = list(dict.fromkeys(tokens))
        rows = np.array([features(token, self._lists) for token in fresh])
        first = len(known)
        self._vectors[first : first + len(fresh)] = self._embedding[rows].sum(axis=1) @ self._weights[0]
        known.update(zip(fresh, range(first, first + len(fresh)), strict=True))
        return [known[token] for token in tokens]

    def _logits(self, tokens: Sequence[str]) -> Floats:
        """Return (n, tags) logits of consecutive tokens."""
        layer = _convolved(self._vectors.take(self._indexes(tokens), axis=0), self._biases[0], 1)
        for number, reach in enumerate(REACH, 1):
            layer += _convolved(layer @ self._weights[number], self._biases[number], reach)
        return layer @ self._last + self._biases[3]


def _joined(weights: Floats) -> Floats:
    """Lay the three parts of a convolution, (3, in, out), side by side: what a word adds to others and to itself."""
    return np.hstack(list(weights.astype(np.float32)))


def _convolved(parts: Floats, bias: Floats, reach: int) -> Floats:
    """Add up what each word gets from the one `reach` before it, from itself and from the one `reach` behind it."""
    width = len(bias)
    layer = parts[:, width : 2 * width] + bias
    behind, before = layer[reach:], layer[:-reach]  # by name, since `layer[reach:] += …` would copy it onto itself
    behind += parts[:-reach, :width]
    before += parts[reach:, 2 * width :]
    return np.maximum(layer, 0, out=layer)


def _entities(tagged: list[tuple[int, str, int, int, float]]) -> list[Entity]:
    """Join (index, token, place, tag, probability) of neighbours; the surest of them gives kind and score.

    A name may be tagged one way in its first word and another in its last, so neighbours of different kinds are joined
    too where one of them is a person and no new entity is meant to begin.
    """
    found: list[Entity] = []
    last = -2
    for index, token, place, tag, score in tagged:
        prefix, _, kind = TAGS[tag].partition("-")
        if not token or not token[0].isalnum():
            last = index if index == last + 1 else last
            continue
        before = found[-1] if found and index == last + 1 else None
        joins = prefix == "I" or (before is not None and kind == before.kind == "PERSON")
        if before is not None and joins and (kind == before.kind or "PERSON" in (kind, before.kind)):
            surest = max((before.score, before.kind), (score, kind))
            found[-1] = Entity(surest[1], before.start, place + len(token), surest[0])
        else:
            found.append(Entity(kind, place, place + len(token), score))
        last = index
    return found
