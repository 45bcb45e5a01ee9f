"""Canary: a share of the traffic goes to a new model group (or deployment) that must prove itself; see `router.routing.canary`."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field, field_validator

from router.core.ports import Misfit, Pool
from router.core.types import Candidate, Features
from router.routing import chance
from router.routing.arms import NEEDS, Unit, is_arm, unit, unknown_arm
from router.routing.canary import Terms


class Config(BaseModel):
    """Options of the canary strategy."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    stable: str
    """What answers now: a model group, or a deployment as `<provider>/<model>`."""
    canary: str
    """What is to take its place."""
    steps: tuple[float, ...] = Field(default=(5, 25, 50, 100), min_length=1)
    """Percent of traffic, growing. After the last it stays there."""
    by: Unit = "request"
    """What always gets the same of the two, as long as the share stays."""
    window_s: float = Field(default=1800.0, gt=0)
    """How long each step lasts at least."""
    min_requests: int = Field(default=100, ge=2)
    """How many each of the two must have had in a step, before anything is decided."""
    max_error_ratio_increase: float = Field(default=0.02, ge=0, le=1)
    """By how much its share of failures may be larger than the stable one's."""
    max_ttft_factor: float = Field(default=1.5, ge=1)
    """How many times the stable one's time to the first token its own may be."""
    min_feedback_ratio: float = Field(default=0.9, ge=0)
    """How much of the stable one's mean feedback its own must reach."""
    min_feedback: int = Field(default=20, ge=2)
    """How many ratings each must have, before they count."""
    trial: str = ""
    """Another name begins at the first step again, whatever came of the last."""

    @field_validator("steps")
    @classmethod
    def _growing(cls, steps: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0 < step <= 100 for step in steps) or list(steps) != sorted(set(steps)):
            raise ValueError("steps are percent of traffic, more than 0 and at most 100, each more than the one before")
        return steps

    @property
    def terms(self) -> Terms:
        """The same as the state machine knows it."""
        given = self.model_dump(exclude={"steps", "by"})
        return Terms(step_ratios=tuple(step / 100 for step in self.steps), **given)


class Canary:
    """Draws which of the two comes first; the other stands in for it, but for a canary that was rolled back."""

    def __init__(self, config: Config) -> None:
        self.terms = config.terms
        self._by: Unit = config.by
        self.needs = NEEDS.get(config.by, frozenset[str]())

    def rank(self, features: Features, candidates: Sequence[Candidate], seed: float) -> list[float | None]:
        """Score 1 for the drawn, 0 for the other, -1 for what is neither."""
        terms = self.terms
        ratios = [one.traffic_ratio for one in candidates if is_arm(terms.canary, one)]
        known = [ratio for ratio in ratios if ratio is not None]
        share = known[0] if known else terms.step_ratios[0]
        drawn = chance.draw(terms.trial, unit(self._by, features, seed), terms.canary) < share
        scores: list[float | None] = []
        for one in candidates:
            if is_arm(terms.canary, one):
                scores.append(None if share <= 0 else float(drawn))
            else:
                scores.append(float(not drawn) if is_arm(terms.stable, one) else -1.0)
        return scores


def build(config: Config) -> Canary:
    """Build the strategy."""
    return Canary(config)


def check(config: Config, pool: Pool) -> Misfit | None:
    """Both must exist, and be two."""
    if config.stable == config.canary:
        return Misfit(("canary",), "the canary and the stable one must be two")
    return unknown_arm(config.stable, pool, ("stable",)) or unknown_arm(config.canary, pool, ("canary",))
