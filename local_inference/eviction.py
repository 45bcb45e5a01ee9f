"""Which adapter's weights to give up when memory is full: the one whose return would cost least, all in all; pure.

An adapter's worth is what its next loads are expected to cost: the time of one load times how often it is asked for,
where old uses count less (half after `HALF_LIFE_USES` further uses of any adapter). `bench/residency.py` compares this
with other policies on traces. Source of the idea: GreedyDual-Size-Frequency, L. Cherkasova, HP Labs TR HPL-98-69, 1998.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

HALF_LIFE_USES = 2000
_FORGOTTEN = 2.0**-20
_SWEEP_USES = 10 * HALF_LIFE_USES


class DecayedUse:
    """How often each adapter was asked for of late. Time is counted in uses, so a quiet night changes nothing."""

    def __init__(self, half_life_uses: float = HALF_LIFE_USES) -> None:
        self._decay = 0.5 ** (1 / half_life_uses)
        self._uses = 0
        self._rates: dict[str, tuple[float, int]] = {}

    def used(self, id: str) -> None:
        """Count one use."""
        self._uses += 1
        self._rates[id] = (self.rate(id) + 1.0, self._uses)
        if self._uses % _SWEEP_USES == 0:
            self._rates = {one: self._rates[one] for one in self._rates if self.rate(one) > _FORGOTTEN}

    def rate(self, id: str) -> float:
        """Uses, the older ones counting less; 0 = never asked for."""
        rate, at = self._rates.get(id, (0.0, 0))
        return rate * self._decay ** (self._uses - at)

    def forget(self, id: str) -> None:
        """Drop what is known of an adapter that is gone."""
        self._rates.pop(id, None)


def worth(id: str, use: DecayedUse, cost_ms: Mapping[str, float]) -> float:
    """Expected cost of having to load an adapter again."""
    return use.rate(id) * cost_ms.get(id, 1.0)


def victim(among: Iterable[str], use: DecayedUse, cost_ms: Mapping[str, float]) -> str | None:
    """Choose what to give up; of equals the first."""
    return min(among, key=lambda id: worth(id, use, cost_ms), default=None)
