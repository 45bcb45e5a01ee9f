"""Puts candidates in order by the stages of a strategy: each may leave some out, the first that tells two apart decides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from router.core.ports import Strategy
from router.core.types import Candidate, Features


class Ranked(NamedTuple):
    """One candidate and how the stages scored it."""

    candidate: Candidate
    scores: tuple[float, ...]
    excluded: str = ""
    """`filtered:<kind>` of the stage that left it out; empty = none did."""


class Ranking:
    """Strategies by their kinds, applied one after the other."""

    def __init__(self, *stages: tuple[str, Strategy]) -> None:
        self._stages = stages
        self.needs: frozenset[str] = frozenset[str]().union(*(getattr(stage, "needs", ()) for _, stage in stages))
        """What of the features must be found out for it, beyond what stands in the request."""
        self.name = "+".join(kind for kind, _ in stages)

    @property
    def strategies(self) -> tuple[Strategy, ...]:
        """The stages."""
        return tuple(strategy for _, strategy in self._stages)

    def rank(self, features: Features, candidates: Sequence[Candidate], seed: float) -> tuple[Ranked, ...]:
        """Order candidates best first, those that a stage left out last. The order they come in makes no difference."""
        left = sorted(candidates, key=_identity)
        scores: dict[int, tuple[float, ...]] = {id(one): () for one in left}
        out: list[Ranked] = []
        for kind, strategy in self._stages:
            kept: list[Candidate] = []
            for one, score in zip(left, strategy.rank(features, left, seed), strict=True):
                if score is None:
                    out.append(Ranked(one, scores[id(one)], f"filtered:{kind}"))
                else:
                    scores[id(one)] += (score,)
                    kept.append(one)
            left = kept
        ranked = sorted((Ranked(one, scores[id(one)]) for one in left), key=lambda item: tuple(-x for x in item.scores))
        return (*ranked, *out)


def _identity(candidate: Candidate) -> tuple[str, str]:
    return candidate.target.group, candidate.target.deployment
