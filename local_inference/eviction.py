"""Which adapter's weights to give up when memory is full: the one whose return would cost least, all in all; pure.

An adapter's worth is what its next loads are expected to cost: the time of one load times how often it is asked for,
where old uses count less (half after `HALF_LIFE_USES` further ones). Where counts are too few to tell who is worth less,
age decides. `bench/residency.py` compares this with other policies on traces. Sources of the ideas: GreedyDual-Size-
Frequency, L. Cherkasova, HP Labs TR HPL-98-69, 1998; that uses in quick succession are one (correlated references),
E. O'Neil et al., The LRU-K page replacement algorithm, SIGMOD 1993.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

HALF_LIFE_USES = 1500
REPEATED = 0.25
"""How much a use counts that comes right after one of the same adapter: a burst says little of what comes after it."""
DOUBT = 0.5
"""Counts that differ by less than so many standard deviations may be of adapters that are asked for alike."""
_FORGOTTEN = 2.0**-20
_SWEEP_USES = 10 * HALF_LIFE_USES
_LEAST_MS = 1e-6


class DecayedUse:
    """How often each adapter was asked for of late. Time is counted in uses, so a quiet night changes nothing."""

    def __init__(self, half_life_uses: float = HALF_LIFE_USES) -> None:
        self._decay = 0.5 ** (1 / half_life_uses)
        self._uses = 0
        self._latest = ""
        self._rates: dict[str, tuple[float, int]] = {}

    def used(self, id: str) -> None:
        """Count one use."""
        if id == self._latest and id in self._rates:
            self._rates[id] = (self._rates[id][0] + REPEATED, self._uses)
            return
        self._latest = id
        self._uses += 1
        self._rates[id] = (self.rate(id) + 1.0, self._uses)
        if self._uses % _SWEEP_USES == 0:
            self._rates = {one: self._rates[one] for one in self._rates if self.rate(one) > _FORGOTTEN}

    def rate(self, id: str) -> float:
        """Uses, the older ones counting less; 0 = never asked for."""
        rate, at = self._rates.get(id, (0.0, 0))
        return rate * self._decay ** (self._uses - at)

    def age(self, id: str) -> int:
        """Uses of others since it was asked for."""
        return self._uses - self._rates.get(id, (0.0, 0))[1]

    def forget(self, id: str) -> None:
        """Drop what is known of an adapter that is gone."""
        self._rates.pop(id, None)


def worth(id: str, use: DecayedUse, cost_ms: Mapping[str, float]) -> float:
    """Expected cost of having to load an adapter again."""
    return use.rate(id) * cost_ms.get(id, 1.0)


def victim(among: Iterable[str], use: DecayedUse, cost_ms: Mapping[str, float]) -> str | None:
    """Choose what to give up: of those that may be worth least, the one unused for longest by its cost; of equals the first."""
    ids = tuple(among)
    if not ids:
        return None
    least = min(ids, key=lambda id: worth(id, use, cost_ms))
    rate = use.rate(least)
    may_be_least = (rate + DOUBT * math.sqrt(rate + 1.0)) * cost_ms.get(least, 1.0)
    alike = (id for id in ids if worth(id, use, cost_ms) <= may_be_least)
    return max(alike, key=lambda id: use.age(id) / max(_LEAST_MS, cost_ms.get(id, 1.0)))
