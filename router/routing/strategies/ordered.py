"""Ordered: candidates in the order in which the configuration names them."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from router.core.types import Candidate, Features


class Config(BaseModel):
    """No options."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Ordered:
    """The first that is available answers; the others stand in for it."""

    def rank(self, features: Features, candidates: Sequence[Candidate], seed: float) -> list[float]:
        """Score by position."""
        del features, seed
        return [-float(one.order) for one in candidates]


def build(config: Config) -> Ordered:
    """Build the strategy."""
    del config
    return Ordered()
