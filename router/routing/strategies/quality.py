"""Quality: the candidate whose answers are best first, as the configuration rates them; under a cost ceiling if one is set."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field

from router.core.ports import Misfit, Pool
from router.core.types import Candidate, Features
from router.routing.estimate import expected_cost_usd


class Config(BaseModel):
    """Options of the quality strategy."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    max_cost_usd: Decimal | None = Field(default=None, ge=0)
    """What a request is expected to cost more at, or has no known price at, is left out; null = no ceiling."""


class Quality:
    """Ranks by the quality that the configuration gives; what isn't rated comes last."""

    def __init__(self, config: Config) -> None:
        self._max_cost_usd = config.max_cost_usd

    def rank(self, features: Features, candidates: Sequence[Candidate], seed: float) -> list[float | None]:
        """Score = the quality, 0..1; -1 = not rated."""
        del seed
        return [
            (-1.0 if one.quality is None else one.quality) if self._affords(features, one) else None
            for one in candidates
        ]

    def _affords(self, features: Features, candidate: Candidate) -> bool:
        if self._max_cost_usd is None:
            return True
        cost_usd = expected_cost_usd(features, candidate.price)
        return cost_usd is not None and cost_usd <= self._max_cost_usd


def build(config: Config) -> Quality:
    """Build the strategy."""
    return Quality(config)


def check(config: Config, pool: Pool) -> Misfit | None:
    """Without a rating there is nothing to rank by."""
    del config
    if pool.rated:
        return None
    return Misfit((), "no deployment here has a 'quality'; give at least one of them a number from 0 to 1")
