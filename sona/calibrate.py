"""Turns scores into confidences, by what the scores of unseen rows look like; pure arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sona.profile import FEW_EXAMPLES

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

SLOPE = 11.0
"""Steepness of the confidence around an adapter's centre. Fitted over sets of 1 to 12 adapters, so that confidence is
the share of right choices where about three prompts in four fit some adapter."""
NONE_SPREADS = 2.0
"""A generic prompt's best score stays below the median by this many quartile distances nine times out of ten."""
OWN_SHARE = 0.15
"""How far the centre moves from there towards the adapter's own weakest examples, if these score higher."""
OWN_QUANTILE = 0.2


@dataclass(frozen=True, slots=True)
class Calibration:
    """The score at which each adapter's confidence is one half."""

    centres: Floats

    def confidences(self, scores: Floats) -> Floats:
        """Return confidences in 0..1, monotone in each score."""
        return (1.0 / (1.0 + np.exp(-SLOPE * (scores - self.centres)))).astype(np.float32)


def calibrate(
    unseen: Doubles, labels: NDArray[np.int64], *, examples: NDArray[np.bool_], background: NDArray[np.bool_]
) -> Calibration:
    """Place each adapter's centre by the (rows, adapters) scores that rows get when they are left out."""
    best: Doubles = unseen[background].max(axis=1)
    median, upper = _quantile(best, 0.5), _quantile(best, 0.75)
    floor = median + NONE_SPREADS * (upper - median)
    centres = [_centre(unseen[examples & (labels == adapter), adapter], floor) for adapter in range(unseen.shape[1])]
    return Calibration(centres=np.array(centres, dtype=np.float32))


def _centre(own: Doubles, floor: float) -> float:
    if len(own) < FEW_EXAMPLES:
        return floor
    return floor + OWN_SHARE * max(0.0, _quantile(own, OWN_QUANTILE) - floor)


def _quantile(values: Doubles, share: float) -> float:
    return float(np.quantile(values, share))
