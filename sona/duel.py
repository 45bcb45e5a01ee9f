"""Which of a few adapters a prompt belongs to, decided by their examples alone; pure arithmetic.

A ridge regression over the examples of those few, solved for the one prompt. Between near-duplicates only what tells
them apart matters, and no fixed weight for all adapters can know that. It needs no training, so an adapter that was
dropped a moment ago takes part.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from sona.entry import Halves

Floats = NDArray[np.float32]

RIDGE = 0.5
"""Of the rows' mean spread."""
MAX_ROWS = 24
"""Texts of an adapter that take part, those most like the prompt: the cost has a bound."""


def duel(prompt: Floats, sides: Sequence[Halves]) -> Floats:
    """Return (sides,): how much of the prompt each side's rows explain. `prompt` (dims,), rows of `sides` (n, dims)."""
    chosen = [_nearest_rows(prompt, rows) for rows in sides]
    owners = np.repeat(np.arange(len(chosen)), [len(rows) for rows in chosen])
    rows = np.concatenate(chosen)
    middle: Floats = rows.mean(axis=0)
    rows = rows - middle
    gram = rows @ rows.T
    gram[np.diag_indices_from(gram)] += RIDGE * float(np.trace(gram)) / len(gram) + 1e-6
    shares = cast("Floats", np.linalg.solve(gram, rows @ (prompt - middle)))
    return np.bincount(owners, weights=shares, minlength=len(chosen)).astype(np.float32)


def _nearest_rows(prompt: Floats, rows: Halves) -> Floats:
    exact = rows.astype(np.float32)
    if len(exact) <= MAX_ROWS:
        return exact
    return exact[np.sort(np.argsort(-(exact @ prompt), kind="stable")[:MAX_ROWS])]
