"""Turns what speaks for the best adapter into a confidence; pure arithmetic, its numbers fitted once."""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

FLOOR_QUANTILE = 0.9
"""The generic prompts' best scores reach the floor one time out of ten."""
LEAD_CAP = 0.15
"""A lead up to here counts more than what lies beyond."""
LEAD_MOST = 0.4
"""And no more from here on: to lead over one that negative examples rule out says nothing."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What a confidence is made of."""

    above: float
    """Score beyond the floor, what a prompt that fits nothing still gets."""
    lead: float
    """Distance to the best of the others; where there is none, to the floor. Negative where the examples overruled."""
    words: float
    beyond_generic: float
    """How much more of the prompt its examples explain than generic prompts do."""
    beyond_others: float
    """How much more than those of the best other adapter do, or than nothing."""
    examples: int
    adapters: int


# A logistic regression, fitted over sets of 1 to 150 adapters with 0, 3 and 20 examples each, from prompts of known
# and of unseen sources, each set weighed alike, with two or more prompts of three fitting some adapter.
_CONSTANT = 0.72
_ABOVE = 6.058
_LEAD = 4.426
_LEAD_CAPPED = 5.55
_WORDS = 1.233
_BEYOND_GENERIC = 2.584
_BEYOND_OTHERS = 1.628
_FEW = 0.202
_ADAPTERS = -0.436


def floor(directions: Floats, common: Floats, generic: Floats) -> float:
    """Say what score a prompt that fits nothing still gets, by (prompts, dims) directions of generic ones."""
    best: Floats = (generic @ directions.T - common).max(axis=1)
    return float(np.quantile(best, FLOOR_QUANTILE))


def confidence(evidence: Evidence) -> float:
    """Return the share of right choices, 0..1, among those with evidence like this."""
    raw = (
        _CONSTANT
        + _ABOVE * evidence.above
        + _LEAD * min(evidence.lead, LEAD_MOST)
        + _LEAD_CAPPED * min(evidence.lead, LEAD_CAP)
        + _WORDS * evidence.words
        + _BEYOND_GENERIC * evidence.beyond_generic
        + _BEYOND_OTHERS * evidence.beyond_others
        + _FEW / (1 + evidence.examples)
        + _ADAPTERS * math.log(max(1, evidence.adapters))
    )
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, raw))))
