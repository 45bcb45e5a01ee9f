"""Which of a few adapters a prompt belongs to, if any, decided by their examples alone; pure arithmetic.

A ridge regression over the examples of those few and over generic prompts, solved for the one prompt. Between
near-duplicates only what tells them apart matters, and no fixed weight for all adapters can know that. It needs no
training, so an adapter that was dropped a moment ago takes part. What texts have in common doesn't depend on the
prompt: it comes in ready.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from sona.kernel import Texts
from sona.reading import Terms

Floats = NDArray[np.float32]
Places = NDArray[np.int64]

RIDGE = 0.5
"""Of the rows' mean spread."""
MAX_ROWS = 24
"""Texts of a side that take part, those most like the prompt: the cost has a bound."""


class Contender(NamedTuple):
    """Texts that speak for one answer, and such that speak against it: for none."""

    texts: Texts
    positives: int
    """The first so many speak for it."""
    meaning: Floats
    """(texts,): cosine of the prompt to each."""


def duel(terms: Terms, contenders: Sequence[Contender], gram: Callable[[int, int], Floats]) -> Floats:
    """Return (contenders,): how much of a prompt of such weighed terms the texts of each explain.

    The last contender stands for none: it has no positive texts of its own, and gets what speaks against any. `gram`
    says how alike the texts of two contenders are, by their places.
    """
    chosen, sides = _choose(contenders)
    asked = [one.texts.likeness(one.meaning, terms)[places] for one, places in zip(contenders, chosen, strict=True)]
    return shares(_assemble(chosen, gram), np.concatenate(asked), sides, len(contenders))


def shares(gram: Floats, asked: Floats, sides: Places, count: int) -> Floats:
    """Return (count,): the weights of a ridge regression for one prompt, summed by side.

    `gram` (rows, rows) and `asked` (rows,) are products of the rows with each other and with the prompt; they are moved
    here to where the rows' mean is the origin. `sides` (rows,) says whom a row speaks for.
    """
    means: Floats = gram.mean(axis=0)
    away = means - means.mean()
    around = gram - means - away[:, None]
    prompt = asked - asked.mean() - away
    around.reshape(-1)[:: len(around) + 1] += RIDGE * around.trace() / len(around) + np.float32(1e-6)
    weights = cast("Floats", np.linalg.solve(around, prompt))
    return np.bincount(sides, weights=weights, minlength=count).astype(np.float32)


def _choose(contenders: Sequence[Contender]) -> tuple[list[Places], Places]:
    """Pick the texts of each contender that take part, and say of all, in order, for which side they speak."""
    chosen = [_nearest(one.meaning[: one.positives]) for one in contenders]
    sides = [np.full(len(places), side) for side, places in enumerate(chosen)]
    none = len(contenders) - 1
    opposed = [side for side, one in enumerate(contenders) if len(one.meaning) > one.positives]
    picked = _nearest(np.concatenate([contenders[side].meaning[contenders[side].positives :] for side in opposed]))
    start = 0
    for side in opposed:
        one = contenders[side]
        end = start + len(one.meaning) - one.positives
        places = picked[(picked >= start) & (picked < end)] - (start - one.positives)
        chosen[side] = np.concatenate([chosen[side], places])
        sides[side] = np.concatenate([sides[side], np.full(len(places), none)])
        start = end
    return chosen, np.concatenate(sides)


def _nearest(meaning: Floats) -> Places:
    if len(meaning) <= MAX_ROWS:
        return np.arange(len(meaning))
    return np.sort(np.argsort(-meaning, kind="stable")[:MAX_ROWS])


def _assemble(chosen: Sequence[Places], gram: Callable[[int, int], Floats]) -> Floats:
    """Return (rows, rows): how alike the chosen texts of all contenders are."""
    ends = [0, *accumulate(len(places) for places in chosen)]
    whole = np.empty((ends[-1], ends[-1]), dtype=np.float32)
    spans = [slice(start, end) for start, end in pairwise(ends)]
    for left, rows in enumerate(chosen):
        for right in range(left, len(chosen)):
            block = gram(left, right).take(rows, axis=0).take(chosen[right], axis=1)
            whole[spans[left], spans[right]] = block
            whole[spans[right], spans[left]] = block.T
    return whole
