"""Which adapters must give their slot up, decided from counts and ages alone: no I/O, no clock, no state.

An engine has a few device slots: so many adapters can be in one batch. Left alone, it starts requests in the order they
came, but those of an adapter that holds a slot at once, so that an adapter keeps its slot as long as requests for it keep
coming, and one that is rarely asked for may wait without end. Here, who has waited past the patience gets the slot of the
smallest holder: that one is closed, so that its running requests end and its new ones wait. All else stays as it is, for
full batches are what an engine is fast by.

Patience is longer with more adapters waiting: where all are asked for alike, everybody's turn comes by itself, and to
close a holder early only makes batches small.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import msgspec

PATIENCE = 0.75
"""Times an answer takes that an adapter waits for each turn before its own. Shorter makes batches too small, longer lets
rare adapters wait for nothing: see `bench/scheduling_model.py`."""


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """All requests in the engine for one adapter."""

    adapter: int
    running: int = 0
    waiting: int = 0
    oldest_s: float = math.inf
    """When the first of the waiting came; minus infinity = it goes before all others."""


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for all."""

    slots: int
    most_patience_s: float
    """An adapter whose oldest request has waited longer gets the slot of another, whatever an answer takes; and who is
    closed has so long to end."""

    def patience_s(self, waiting: int, answer_s: float) -> float:
        """Patience while so many adapters wait for a slot and an answer takes so long."""
        return min(self.most_patience_s, PATIENCE * answer_s * (1 + waiting / self.slots))


def closed(
    groups: Iterable[Group], rules: Rules, before: frozenset[int], answer_s: float, now_s: float
) -> frozenset[int]:
    """Say which adapters that run may start no further request now; `before` were closed last time.

    `answer_s` is what an answer takes, infinite if nobody knows. `now_s` and the groups' times are of one clock.
    """
    groups = tuple(groups)
    holders = [one for one in groups if one.running]
    waiting = [one for one in groups if one.waiting and not one.running]
    late_s = now_s - rules.patience_s(len(waiting), answer_s)
    late = sum(one.oldest_s <= late_s for one in waiting)
    free = rules.slots - len(holders)
    order = sorted(holders, key=lambda one: (one.adapter not in before, one.running + one.waiting, one.adapter))
    return frozenset(one.adapter for one in order[: max(0, late - free)])


def overdue(closed_since_s: Mapping[int, float], rules: Rules, now_s: float) -> frozenset[int]:
    """Say which of the closed adapters have had their time: their running requests give way."""
    return frozenset(adapter for adapter, since_s in closed_since_s.items() if now_s - since_s >= rules.most_patience_s)
