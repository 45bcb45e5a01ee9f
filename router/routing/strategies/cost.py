"""Cost: the cheapest candidate for this request first, by its estimated tokens and list prices."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from router.core.types import Candidate, Features


class Config(BaseModel):
    """Options of the cost strategy."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    expected_output_tokens: int = Field(256, ge=1)
    """Assumed length of an answer whose request sets no limit."""


_UNKNOWN = -1e30
"""Score of an unknown price: below every known one."""


class Cost:
    """Ranks by expected price; ties by weight; unknown prices last, for unknown isn't free."""

    def __init__(self, config: Config) -> None:
        self._expected = config.expected_output_tokens

    def rank(self, features: Features, candidates: Sequence[Candidate], seed: float) -> list[float]:
        """Score = minus the expected cost in US dollars for a million such requests."""
        del seed
        output = min(features.max_output_tokens or self._expected, self._expected)
        scores: list[float] = []
        for one in candidates:
            if one.price is None:
                scores.append(_UNKNOWN)
                continue
            cost = features.input_tokens * one.price.input_usd + output * one.price.output_usd
            scores.append(-float(cost) + min(one.weight, 1e6) * 1e-12)
        return scores


def build(config: Config) -> Cost:
    """Build the strategy."""
    return Cost(config)
