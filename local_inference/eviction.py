"""Which adapter's weights to give up when memory is full: rules, and which of them would have cost least of late; no I/O.

No rule is best for all traffic. Where a few adapters are wanted more than others, counts tell whom to keep; where what is
wanted changes with the hour or the job, only age does, and counts cost several times as much; where all are asked for in
turn, age is the worst there is. So all rules are played through on names alone, and the one that would have loaded
least is followed. `bench/residency.py` compares this with other policies on traces. Sources of the ideas: an adapter's worth
as frequency times cost, GreedyDual-Size-Frequency, L. Cherkasova, HP Labs TR HPL-98-69, 1998; uses in quick succession
as one (correlated references), E. O'Neil et al., The LRU-K page replacement algorithm, SIGMOD 1993; following the best of
several simulated policies, R. Gramacy et al., Adaptive caching by refetching, NIPS 2002.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping

LONG_USES = 1500
"""In the long memory a use counts half after so many further ones,"""
SHORT_USES = 300
"""and in the short one after so many."""
JUDGED_LOADS = 200
"""What a rule would have cost counts half after so many uses for which some rule would have loaded: where loads are rare,
few tell little. Half or twice any of these changes what is paid by about a hundredth."""
REPEATED = 0.25
"""How much a use counts that comes right after one of the same adapter: a burst says little of what comes after it."""
DOUBT = 0.5
"""Counts that differ by less than so many standard deviations may be of adapters that are asked for alike."""
BETTER = 0.02
"""By so much less another rule must have cost to be followed instead."""
_DECAY = 0.5 ** (1 / JUDGED_LOADS)
_FORGOTTEN = 2.0**-20
_HEAVIEST = 2.0**60
_LEAST_MS = 1e-6


class DecayedUse:
    """How often each adapter was asked for of late. Time is counted in uses, so a quiet night changes nothing."""

    def __init__(self, half_life_uses: float) -> None:
        self._growth = 2.0 ** (1 / half_life_uses)
        self._weight = 1.0
        """Of a use now. It grows, so that the counts of all others needn't shrink."""
        self._uses = 0
        self._latest = ""
        self._counts: dict[str, float] = {}
        self._at: dict[str, int] = {}

    def used(self, id: str) -> None:
        """Count one use."""
        repeated = id == self._latest and id in self._counts
        if not repeated:
            self._latest = id
            self._uses += 1
            self._weight *= self._growth
        self._counts[id] = self._counts.get(id, 0.0) + (REPEATED if repeated else 1.0) * self._weight
        self._at[id] = self._uses
        if self._weight > _HEAVIEST:
            self._counts = {one: self.rate(one) for one in self._counts if self.rate(one) > _FORGOTTEN}
            self._at = {one: self._at[one] for one in self._counts}
            self._weight = 1.0

    def rate(self, id: str) -> float:
        """Uses, the older ones counting less; 0 = never asked for."""
        return self._counts.get(id, 0.0) / self._weight

    def age(self, id: str) -> int:
        """Uses of others since it was asked for."""
        return self._uses - self._at.get(id, 0)

    def forget(self, id: str) -> None:
        """Drop what is known of an adapter that is gone."""
        self._counts.pop(id, None)
        self._at.pop(id, None)


class Uses:
    """The same uses in a long memory and in a short one."""

    def __init__(self) -> None:
        self.long, self.short = DecayedUse(LONG_USES), DecayedUse(SHORT_USES)

    def used(self, id: str) -> None:
        """Count one use."""
        self.long.used(id)
        self.short.used(id)

    def forget(self, id: str) -> None:
        """Drop what is known of an adapter that is gone."""
        self.long.forget(id)
        self.short.forget(id)


def worth(id: str, use: DecayedUse, cost_ms: Mapping[str, float]) -> float:
    """Expected cost of having to load an adapter again."""
    return use.rate(id) * cost_ms.get(id, 1.0)


Rule = Callable[[Collection[str], Uses, Mapping[str, float]], str]
"""Chooses whom to give up, of one or more; of equals the first."""


def by_age(among: Collection[str], uses: Uses, cost_ms: Mapping[str, float]) -> str:
    """Give up the one unused for longest."""
    del cost_ms
    return max(among, key=uses.long.age)


def by_age_and_cost(among: Collection[str], uses: Uses, cost_ms: Mapping[str, float]) -> str:
    """Give up the one unused for longest by its cost."""
    return max(among, key=lambda id: uses.long.age(id) / max(_LEAST_MS, cost_ms.get(id, 1.0)))


def by_use(among: Collection[str], uses: Uses, cost_ms: Mapping[str, float]) -> str:
    """Of those that may be worth least of late, give up the one unused for longest by its cost."""
    return by_age_and_cost(_may_be_least(among, uses.short, cost_ms), uses, cost_ms)


def by_use_latest_first(among: Collection[str], uses: Uses, cost_ms: Mapping[str, float]) -> str:
    """Of those that may be worth least, give up the one used last by its cost: if all come in turn, it comes again last."""
    least = _may_be_least(among, uses.long, cost_ms)
    return min(least, key=lambda id: uses.long.age(id) * max(_LEAST_MS, cost_ms.get(id, 1.0)))


def _may_be_least(among: Collection[str], use: DecayedUse, cost_ms: Mapping[str, float]) -> Collection[str]:
    worths = {id: worth(id, use, cost_ms) for id in among}
    least = min(worths, key=worths.__getitem__)
    rate = use.rate(least)
    most = (rate + DOUBT * math.sqrt(rate + 1.0)) * cost_ms.get(least, 1.0)
    return [id for id, worth in worths.items() if worth <= most]


RULES: tuple[Rule, ...] = (by_use, by_age_and_cost, by_age, by_use_latest_first)
"""The first is followed until another would have cost less; as long as little is counted it goes by age and cost."""


class Rehearsal:
    """Plays every rule through on names alone, and says which to follow. What is pinned or running doesn't count here."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._inside: list[dict[str, None]] = [{} for _ in RULES]
        self._cost_ms = [0.0 for _ in RULES]
        """Of all loads that a rule would have led to, the older ones counting less."""
        self._followed = 0

    @property
    def rule(self) -> Rule:
        """The rule that would have cost least of late."""
        return RULES[self._followed]

    def used(self, id: str, uses: Uses, cost_ms: Mapping[str, float]) -> None:
        """Play one use, which `uses` has counted."""
        if all(id in inside for inside in self._inside):
            return
        for place, (rule, inside) in enumerate(zip(RULES, self._inside, strict=True)):
            self._cost_ms[place] *= _DECAY
            if id not in inside:
                self._cost_ms[place] += cost_ms.get(id, 1.0)
                if len(inside) >= self._slots:
                    del inside[rule(inside, uses, cost_ms)]
                inside[id] = None
        best = min(range(len(RULES)), key=self._cost_ms.__getitem__)
        if self._cost_ms[best] < (1.0 - BETTER) * self._cost_ms[self._followed]:
            self._followed = best

    def forget(self, id: str) -> None:
        """Drop an adapter that is gone."""
        for inside in self._inside:
            inside.pop(id, None)
