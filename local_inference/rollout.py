"""Whether a new version that takes a share of traffic is kept: a pure function of what was counted."""

from __future__ import annotations

import math
from enum import Enum

import msgspec
from pydantic import BaseModel, ConfigDict, Field


class Rules(BaseModel):
    """How a new version is tried; the section `rollout` of the settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ratio: float = Field(gt=0, lt=1)
    """Part of the requests for the bare name that the new version answers."""
    window_s: float = Field(300.0, ge=0)
    """How long at least."""
    min_requests: int = Field(20, ge=1)
    """How many answers of the new version at least."""


class Tally(msgspec.Struct, frozen=True):
    """What came of a version's requests. What callers did wrong isn't counted."""

    answers: int = 0
    errors: int = 0
    good: int = 0
    bad: int = 0
    """Feedback."""

    @property
    def error_ratio(self) -> float:
        return self.errors / self.answers if self.answers else 0.0

    @property
    def bad_ratio(self) -> float:
        return self.bad / (self.good + self.bad) if self.good + self.bad else 0.0


class Decision(Enum):
    """What to do with the new version."""

    WAIT = "wait"
    PROMOTE = "promote"
    ROLL_BACK = "roll back"


_TWO_SIDED_SIGMA = 2.0
_LEAST_EXCESS = 0.02
"""A difference smaller than this is no reason, however sure it is."""
_EARLY_ANSWERS = 5
"""From so many on a version may be rolled back before the window is over."""


def decide(rules: Rules, elapsed_s: float, new: Tally, old: Tally) -> Decision:
    """Compare the new version with the one it may replace."""
    if new.answers >= _EARLY_ANSWERS and _is_worse(new.error_ratio, new.answers, old.error_ratio):
        return Decision.ROLL_BACK
    votes = new.good + new.bad
    if votes >= _EARLY_ANSWERS and _is_worse(new.bad_ratio, votes, old.bad_ratio):
        return Decision.ROLL_BACK
    if elapsed_s >= rules.window_s and new.answers >= rules.min_requests:
        return Decision.PROMOTE
    return Decision.WAIT


def _is_worse(ratio: float, count: int, usual: float) -> bool:
    """Say whether a ratio lies above the usual one by more than chance would explain."""
    spread = math.sqrt(max(usual * (1 - usual), 0.25 / count) / count)
    return ratio - usual > max(_LEAST_EXCESS, _TWO_SIDED_SIGMA * spread)
