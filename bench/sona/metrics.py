"""What a selection is worth: pure functions of confidences and of what was right."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Bools = NDArray[np.bool_]


def auroc(inside: Doubles, outside: Doubles) -> float:
    """Probability that a prompt that fits some adapter scores above one that fits none; ties count half."""
    above = (inside[:, None] > outside[None, :]).mean()
    return float(above + 0.5 * (inside[:, None] == outside[None, :]).mean())


def calibration_error(confidences: Doubles, right: Bools, bins: int = 10) -> float:
    """Expected calibration error: how far confidence and share of right choices lie apart, by bins of equal width."""
    places = np.minimum((confidences * bins).astype(int), bins - 1)
    inside = [places == place for place in range(bins) if (places == place).any()]
    return float(sum(mask.mean() * abs(confidences[mask].mean() - right[mask].mean()) for mask in inside))


def answered(confidences: Doubles, right: Bools, threshold: float) -> tuple[float, float]:
    """Return (coverage, accuracy on what is answered) where less than the threshold is left to the base model."""
    taken = confidences >= threshold
    return float(taken.mean()), float(right[taken].mean()) if taken.any() else 1.0


def at_coverage(confidences: Doubles, right: Bools, coverage: float) -> float:
    """Return the accuracy on the surest part of the prompts, of size `coverage`."""
    order = np.argsort(-confidences, kind="stable")
    return float(right[order[: max(1, round(len(order) * coverage))]].mean())


def curve(confidences: Doubles, right: Bools) -> list[tuple[float, float]]:
    """Return (coverage, accuracy) of all thresholds, in twenty steps of coverage."""
    order = np.argsort(-confidences, kind="stable")
    hits = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    steps = [max(1, round(len(order) * step / 20)) for step in range(1, 21)]
    return [(round(count / len(order), 3), round(float(hits[count - 1]), 4)) for count in steps]
