"""Cost: the cheapest candidate for this request first, by its estimated tokens and list prices; above a quality floor if one is
set."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from router.core.ports import Misfit, Pool
from router.core.types import Candidate, Dialect, Features


class Config(BaseModel):
    """Options of the cost strategy."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    expected_output_tokens: int = Field(default=256, ge=1)
    """Assumed length of an answer whose request sets no limit."""
    min_quality: float | None = Field(default=None, ge=0, le=1)
    """What is rated lower, or not at all, is left out; null = no floor."""


_UNKNOWN = -1e30
"""Score of an unknown price: below every known one."""


class Cost:
    """Ranks by expected price; ties by weight; unknown prices last, for unknown isn't free."""

    def __init__(self, config: Config) -> None:
        self._expected = config.expected_output_tokens
        self._min_quality = config.min_quality

    def rank(self, features: Features, candidates: Sequence[Candidate], seed: float) -> list[float | None]:
        """Score = minus the expected cost in US dollars for a million such requests."""
        del seed
        output = min(features.max_output_tokens or self._expected, self._expected)
        if features.dialect is Dialect.EMBEDDINGS:
            output = 0
        scores: list[float | None] = []
        for one in candidates:
            if self._min_quality is not None and (one.quality is None or one.quality < self._min_quality):
                scores.append(None)
                continue
            price = one.price
            if price is None or (price.output_usd is None and output):
                scores.append(_UNKNOWN)
                continue
            cost = features.input_tokens * price.input_usd + output * (price.output_usd or 0)
            scores.append(-float(cost) + min(one.weight, 1e6) * 1e-12)
        return scores


def build(config: Config) -> Cost:
    """Build the strategy."""
    return Cost(config)


def check(config: Config, pool: Pool) -> Misfit | None:
    """A floor that nothing reaches would leave everything out."""
    if config.min_quality is None or any(quality >= config.min_quality for quality in pool.rated.values()):
        return None
    message = f"no deployment here has a 'quality' of {config.min_quality:g} or more; rate one, or lower the floor"
    return Misfit(("min_quality",), message)
