"""A/B: splits sessions, keys or tenants over model groups (or deployments) by weights; each always gets the same."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from router.core.ports import Misfit, Pool
from router.core.types import Candidate, Features
from router.routing import chance
from router.routing.arms import NEEDS, Unit, is_arm, unit, unknown_arm


class Config(BaseModel):
    """Options of the A/B split."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    split: dict[str, float] = Field(min_length=2)
    """Model group, or deployment as `<provider>/<model>` -> weight."""
    by: Unit = "session"
    """What always gets the same arm; a request whose session isn't known is taken by its key."""
    salt: str = ""
    """Another salt draws independently: change it for a new experiment."""


class SplitTest:
    """Weighted rendezvous hashing: taking an arm away, or changing one's weight, moves as few as can be.

    Source: https://www.snia.org/sites/default/files/SDC15_presentations/dist_sys/Jason_Resch_New_Consistent_Hashings_Rev.pdf
    (2015).
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self.needs = NEEDS.get(config.by, frozenset[str]())

    def rank(self, features: Features, candidates: Sequence[Candidate], seed: float) -> list[float]:
        """Score = u^(1/weight) of the arm's draw; a weight of 0 and what is in no arm come last."""
        drawn = unit(self._config.by, features, seed)
        arms = [(name, self._score(name, weight, drawn)) for name, weight in self._config.split.items()]
        return [max((score for name, score in arms if is_arm(name, one)), default=-1.0) for one in candidates]

    def _score(self, arm: str, weight: float, drawn: str) -> float:
        return chance.draw(self._config.salt, drawn, arm) ** (1.0 / weight) if weight > 0 else -1.0


def build(config: Config) -> SplitTest:
    """Build the strategy."""
    return SplitTest(config)


def check(config: Config, pool: Pool) -> Misfit | None:
    """Every arm must exist, and one of them get something."""
    for name, weight in config.split.items():
        if (wrong := unknown_arm(name, pool, ("split", name))) is not None:
            return wrong
        if weight < 0:
            return Misfit(("split", name), "a weight is 0 or more")
    return None if any(config.split.values()) else Misfit(("split",), "at least one weight must be more than 0")
