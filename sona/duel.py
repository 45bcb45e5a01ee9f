"""Which of a few adapters a prompt belongs to, if any, decided by their examples alone; pure arithmetic.

A ridge regression over the examples of those few and over generic prompts, solved for the one prompt. Between
near-duplicates only what tells them apart matters, and no fixed weight for all adapters can know that. It needs no
training, so an adapter that was dropped a moment ago takes part.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from sona.reading import Terms

Floats = NDArray[np.float32]
Rows = NDArray[np.float16] | NDArray[np.float32]

RIDGE = 0.5
"""Of the rows' mean spread."""
MAX_ROWS = 24
"""Texts of a side that take part, those most like the prompt: the cost has a bound."""
WORDS_WEIGHT = 0.3
"""Weight of two texts' shared words beside their meaning."""


class Side(NamedTuple):
    """Texts that speak for one answer."""

    rows: Rows
    """(texts, dims), unit length."""
    terms: Sequence[Terms]
    """Of each row, weighed, of length one."""


def duel(prompt: Floats, terms: Terms, sides: Sequence[Side]) -> Floats:
    """Return (sides,): how much of the prompt, unit (dims,) and its weighed terms, each side's rows explain."""
    chosen = [_nearest(prompt, side) for side in sides]
    owners = np.repeat(np.arange(len(chosen)), [len(side.rows) for side in chosen])
    words = _words([terms, *(own for side in chosen for own in side.terms)])
    whole = np.concatenate([prompt[None], *(side.rows.astype(np.float32) for side in chosen)])
    whole = np.concatenate([whole, math.sqrt(WORDS_WEIGHT) * words], axis=1).astype(np.float32)
    middle: Floats = whole[1:].mean(axis=0)
    asked, rows = whole[0] - middle, whole[1:] - middle
    gram = rows @ rows.T
    gram[np.diag_indices_from(gram)] += RIDGE * float(np.trace(gram)) / len(gram) + 1e-6
    shares = cast("Floats", np.linalg.solve(gram, rows @ asked))
    return np.bincount(owners, weights=shares, minlength=len(chosen)).astype(np.float32)


def _nearest(prompt: Floats, side: Side) -> Side:
    exact = side.rows.astype(np.float32)
    if len(exact) <= MAX_ROWS:
        return Side(exact, side.terms)
    places = np.sort(np.argsort(-(exact @ prompt), kind="stable")[:MAX_ROWS])
    return Side(exact[places], [side.terms[place] for place in places.tolist()])


def _words(terms: Sequence[Terms]) -> Floats:
    """Return (texts, distinct terms)."""
    ids, places = np.unique(np.concatenate([ids for ids, _ in terms]), return_inverse=True)
    owners = np.repeat(np.arange(len(terms)), [len(own) for own, _ in terms])
    words = np.zeros((len(terms), len(ids)), dtype=np.float32)
    words[owners, places] = np.concatenate([weights for _, weights in terms])
    return words
