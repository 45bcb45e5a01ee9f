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
        left = [Ranked(one, ()) for one in sorted(candidates, key=_identity)]
        out: list[Ranked] = []
        for kind, strategy in self._stages:
            kept: list[Ranked] = []
            scores = strategy.rank(features, [item.candidate for item in left], seed)
            for item, score in zip(left, scores, strict=True):
                if score is None:
                    out.append(Ranked(item.candidate, item.scores, f"filtered:{kind}"))
                else:
                    kept.append(Ranked(item.candidate, (*item.scores, score)))
            left = kept
        left.sort(key=_best_first)
        return (*left, *out)


def _best_first(item: Ranked) -> list[float]:
    return [-score for score in item.scores]


def _identity(candidate: Candidate) -> tuple[str, str]:
    return candidate.target.group, candidate.target.deployment
