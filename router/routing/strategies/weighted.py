"""Weighted: draw the order of candidates by chance, in proportion to their weights."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from router.core.types import Candidate, Features
from router.routing import chance


class Config(BaseModel):
    """No options: the weights stand at the deployments."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Weighted:
    """Efraimidis and Spirakis' weighted order: a candidate's score is u^(1/weight).

    Source: https://doi.org/10.1016/j.ipl.2005.11.003 (2006).
    """

    def rank(self, features: Features, candidates: Sequence[Candidate], seed: float) -> list[float]:
        """Score each candidate; a weight of 0 comes last. Same seed, same order."""
        del features
        if len(candidates) == 1:
            return [1.0 if candidates[0].weight > 0 else -1.0]
        scores: list[float] = []
        for one in candidates:
            draw = chance.draw(seed, one.target.group, one.target.deployment)
            scores.append(draw ** (1.0 / one.weight) if one.weight > 0 else -1.0)
        return scores


def build(config: Config) -> Weighted:
    """Build the strategy."""
    del config
    return Weighted()
