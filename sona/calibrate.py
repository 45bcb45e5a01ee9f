"""Turns what speaks for the best adapter into a confidence; pure arithmetic, its numbers fitted once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

FLOOR_QUANTILE = 0.9
"""The generic prompts' best scores reach the floor one time out of ten."""
CLEAR = 0.1
"""A score up to here beyond the floor counts more than what lies beyond."""
LEAD_CAP = 3.0
"""The same for the odds over the others."""
RANK_ODDS = 80.0
"""By so much a large step of one in rank changes the logarithm of the odds that it is this adapter and not the other."""
WORDING = 0.35
"""A step of this size counts half, smaller ones less still: how twins' cards happen to be worded makes as much."""
WORDS_STEP = 10.0
"""So much do the prompt's own words, which one card has and the other hasn't, make a step larger: they are no accident."""
LEAST_ODDS = 1e-3
"""Odds that it is another one after all, however far behind all others are."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What a confidence is made of."""

    above: float
    """Score beyond the floor, what a prompt that fits nothing still gets."""
    beyond_generic: float
    """How much more of the prompt its examples explain than generic prompts do."""
    kind: float
    """How far the prompt is of the kind of some adapter's examples, 0..1."""
    nearest_generic: float
    """Cosine to the most similar generic prompt."""
    lead: float
    """Logarithm of the odds that it is this adapter and none of the other best: below zero where another is as good."""
    shown: bool
    """Whether the adapter's card has examples."""
    words: float
    """Cosine of the weighed words: the same lead says more where the card names what the prompt asks for."""


class Weights(NamedTuple):
    """Of two logistic regressions: does the prompt fit the adapter at all, and is it this one and no twin of it?"""

    fits: float
    above: float
    above_capped: float
    beyond_generic: float
    kind: float
    nearest_generic: float
    lead: float
    # The second has no constant: of two that are the same, each gets one half. These change what the capped lead is worth.
    lead_capped: float
    lead_of_kind: float
    lead_of_shown: float
    lead_of_words: float


WEIGHTS = Weights(2.689, 4.999, 7.714, 2.391, 0.148, -5.221, 0.353, 0.452, -0.126, -0.362, 1.162)
"""Fitted together by `bench/sona/fit.py`, which says on what."""


def floor(directions: Floats, common: Floats, generic: Floats) -> float:
    """Say what score a prompt that fits nothing still gets, by (prompts, dims) directions of generic ones."""
    best: Floats = (generic @ directions.T - common).max(axis=1)
    return float(np.quantile(best, FLOOR_QUANTILE))


def lead(one: tuple[float, float], others: Sequence[tuple[float, float]]) -> float:
    """Return the logarithm of the odds for one adapter against all the others together; of each its rank and words."""
    rank, words = one
    return -math.log(LEAST_ODDS + sum(math.exp(_odds(other - rank, shared - words)) for other, shared in others))


def confidence(evidence: Evidence, weights: Weights = WEIGHTS) -> float:
    """Return the share of right choices, 0..1, among those with evidence like this."""
    fits, is_this = sides(evidence)
    return _logistic(_weighed(weights[: len(fits)], fits)) * _logistic(_weighed(weights[len(fits) :], is_this))


def sides(evidence: Evidence) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return what the two regressions weigh, in the order of `Weights`."""
    fits = (
        1.0,
        evidence.above,
        min(evidence.above, CLEAR),
        evidence.beyond_generic,
        evidence.kind,
        evidence.nearest_generic,
    )
    capped = min(evidence.lead, LEAD_CAP)
    is_this = (
        evidence.lead,
        capped,
        capped * evidence.kind,
        capped * float(evidence.shown),
        capped * evidence.words,
    )
    return fits, is_this


def _weighed(weights: Sequence[float], values: Sequence[float]) -> float:
    return sum(weight * value for weight, value in zip(weights, values, strict=True))


def _odds(step: float, words: float) -> float:
    size = abs(step) + WORDS_STEP * abs(words)
    return min(30.0, RANK_ODDS * step * size / (size + WORDING))


def _logistic(odds: float) -> float:
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, odds))))
