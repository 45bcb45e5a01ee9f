"""Turns what speaks for the best adapter into a confidence; pure arithmetic, its numbers fitted once."""

from __future__ import annotations

import math
from collections.abc import Sequence

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
RANK_ODDS = 19.0
"""By so much a step of one in rank changes the logarithm of the odds that it is this adapter and not the other."""
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
    lead: float
    """Logarithm of the odds that it is this adapter and none of the other best: below zero where another is as good."""


# Two logistic regressions: does the prompt fit the adapter at all, and is it this one and no twin of it? Fitted
# together over sets of 1 to 1,000 adapters, from prompts of known and of unseen sources, with 0 to 20 examples each and
# about two prompts of three fitting some adapter; each family of sets weighed alike.
_FITS = 0.904
_ABOVE = 4.693
_ABOVE_CAPPED = 10.563
_BEYOND_GENERIC = 2.308
_KIND_FITS = 1.949
_IS_THIS = 0.288
_LEAD = 0.552
_LEAD_CAPPED = 0.584
_KIND_IS_THIS = -0.562


def floor(directions: Floats, common: Floats, generic: Floats) -> float:
    """Say what score a prompt that fits nothing still gets, by (prompts, dims) directions of generic ones."""
    best: Floats = (generic @ directions.T - common).max(axis=1)
    return float(np.quantile(best, FLOOR_QUANTILE))


def lead(rank: float, others: Sequence[float]) -> float:
    """Turn ranks into the logarithm of the odds for one adapter against all the others together."""
    return -math.log(LEAST_ODDS + sum(math.exp(min(30.0, RANK_ODDS * (other - rank))) for other in others))


def confidence(evidence: Evidence) -> float:
    """Return the share of right choices, 0..1, among those with evidence like this."""
    fits = (
        _FITS
        + _ABOVE * evidence.above
        + _ABOVE_CAPPED * min(evidence.above, CLEAR)
        + _BEYOND_GENERIC * evidence.beyond_generic
        + _KIND_FITS * evidence.kind
    )
    is_this = (
        _IS_THIS + _LEAD * evidence.lead + _LEAD_CAPPED * min(evidence.lead, LEAD_CAP) + _KIND_IS_THIS * evidence.kind
    )
    return _logistic(fits) * _logistic(is_this)


def _logistic(odds: float) -> float:
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, odds))))
