"""Sticky: the deployment that answered the conversation last first, so that prompt caches and tool loops stay put."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from router.core.types import Candidate, Features


class Config(BaseModel):
    """No options: `routing.session_ttl_s` says for how long."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Sticky:
    """Prefers, and leaves nothing out: where that deployment is down, or nothing is known, the next stage decides."""

    needs = frozenset({"stuck"})

    def rank(self, features: Features, candidates: Sequence[Candidate], seed: float) -> list[float]:
        """Score 1 for the deployment that answered last, else 0."""
        del seed
        stuck = features.stuck
        return [1.0 if stuck is not None and one.target.deployment == stuck else 0.0 for one in candidates]


def build(config: Config) -> Sticky:
    """Build the strategy."""
    del config
    return Sticky()
