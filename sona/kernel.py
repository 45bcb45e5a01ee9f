"""How alike texts are, by what they mean and by the words they share, as the duel compares them; pure arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sona.reading import Integers, Terms

Floats = NDArray[np.float32]
Fixed = NDArray[np.int16]
Places = NDArray[np.int64]

WORDS_WEIGHT = 0.3
"""Weight of two texts' shared words beside their meaning."""
ONE = 32767
"""What 1.0 is in fixed point. It takes half the memory of 32-bit floats, is as exact for the numbers of unit vectors as
16-bit floats are, and unlike those becomes 32-bit floats by one vector instruction: 20 times as fast."""


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts that prompts are compared with again and again: made once of a card."""

    rows: Fixed
    """(texts, dims), unit length, in fixed point."""
    vocabulary: Integers
    """(terms,): sorted ids of all terms that occur, each once. A term occurs once in a text, with a weight:"""
    owners: Places
    """(occurrences,): in which text,"""
    places: Places
    """(occurrences,): which of the vocabulary,"""
    weights: Floats
    """(occurrences,): with which weight."""

    def meaning(self, prompt: Floats) -> Floats:
        """Return (texts,): the cosine of each to a prompt, unit (dims,)."""
        return (self.rows.astype(np.float32) @ prompt) * np.float32(1 / ONE)

    def shared_words(self, prompt: Terms) -> Floats:
        """Return (texts,): the cosine of each one's weighed words to those of a prompt."""
        asked = np.zeros(len(self.vocabulary), dtype=np.float32)
        ids, weights = prompt
        places, known = _find(self.vocabulary, ids)
        asked[places[known]] = weights[known]
        products = asked[self.places] * self.weights
        return np.bincount(self.owners, weights=products, minlength=len(self.rows)).astype(np.float32)

    def likeness(self, meaning: Floats, terms: Terms) -> Floats:
        """Return (texts,): how alike each is to a prompt, by its cosines and by its weighed terms."""
        return (meaning + WORDS_WEIGHT * self.shared_words(terms)).astype(np.float32, copy=False)

    def words(self, columns: Places, count: int) -> Floats:
        """Return (texts, count): the weights of some terms; `columns` has one for each of the vocabulary, or `count`."""
        words = np.zeros(len(self.rows) * (count + 1), dtype=np.float32)
        words[self.owners * (count + 1) + columns[self.places]] = self.weights
        return words.reshape(len(self.rows), count + 1)[:, :count]


def build_texts(rows: Floats, terms: Sequence[Terms]) -> Texts:
    """Take over unit rows (texts, dims) and each text's weighed terms."""
    ids = np.concatenate([own for own, _ in terms]) if terms else np.zeros(0, dtype=np.int32)
    vocabulary, places = np.unique(ids, return_inverse=True)
    return Texts(
        rows=np.rint(rows * ONE).astype(np.int16),
        vocabulary=vocabulary,
        owners=np.repeat(np.arange(len(terms)), [len(own) for own, _ in terms]),
        places=places,
        weights=np.concatenate([weights for _, weights in terms]) if terms else np.zeros(0, dtype=np.float32),
    )


def gram(some: Texts, others: Texts) -> Floats:
    """Return (some, others): how alike each two are, by meaning and by words."""
    alike: Floats = some.rows.astype(np.float32) @ others.rows.astype(np.float32).T / np.float32(ONE * ONE)
    places, known = _find(others.vocabulary, some.vocabulary)
    count = int(known.sum())
    left, right = np.full(len(some.vocabulary), count), np.full(len(others.vocabulary), count)
    left[known] = right[places[known]] = np.arange(count)
    words: Floats = some.words(left, count) @ others.words(right, count).T
    return (alike + WORDS_WEIGHT * words).astype(np.float32, copy=False)


def _find(among: Integers, ids: Integers) -> tuple[Places, NDArray[np.bool_]]:
    """Say at which place of sorted ids each of others stands, and whether it does at all."""
    if not len(among):
        return np.zeros(len(ids), dtype=np.int64), np.zeros(len(ids), dtype=np.bool_)
    places = np.minimum(np.searchsorted(among, ids), len(among) - 1)
    return places, among[places] == ids
