"""Which adapters' requests may enter the engine now, decided from counts and ages alone: no I/O, no clock, no state.

An engine has a few device slots: so many adapters can be in one batch. Left alone, it lets an adapter keep its slot as
long as requests for it keep coming, so that an adapter that is rarely asked for may wait without end. Here:

- requests of adapters that hold a slot go in at once, so that batches stay full;
- a free slot goes to the adapter whose oldest request has waited longest;
- who has waited past the patience while all slots are held gets the slot of the smallest holder. That holder is closed:
  its running requests end, its new ones wait. Its successor is sent into the engine at once and waits there, so that it
  starts in the very step in which the slot becomes free.

Requests for the base model need no slot and are none of this module's business.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """All requests for one adapter."""

    adapter: str
    waiting: int = 0
    oldest_s: float = math.inf
    """When the first of the waiting came."""
    running: int = 0
    """Requests in the engine, whether computed or queued there."""
    entered_s: float = 0.0
    """When the first of those entered after a time without any."""
    closed: bool = False
    """As the last plan said."""


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What the planner is held to."""

    slots: int
    patience_s: float
    """An adapter whose oldest request has waited longer gets the slot of another."""
    staged: int
    """How many adapters may be sent into the engine before the slot that is drained for them is free."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The answer. Valid until a request comes, enters or ends, and at most until `again_s`."""

    open: tuple[str, ...]
    """Adapters whose waiting requests may enter, the most urgent first."""
    closed: frozenset[str]
    """Adapters in the engine that must drain."""
    again_s: float


def plan(groups: Iterable[Group], rules: Rules, now_s: float) -> Plan:
    """Choose the adapters to let in. `now_s` and the groups' times are of one clock."""
    groups = tuple(groups)
    late_s = now_s - rules.patience_s
    inside = sorted((group for group in groups if group.running), key=lambda one: one.entered_s)
    queue = sorted((group for group in groups if group.waiting and not group.running), key=lambda one: one.oldest_s)
    free = max(0, rules.slots - len(inside))
    entering, queue = queue[:free], queue[free:]
    staged = max(0, len(inside) - rules.slots)
    closed = _still_closed(inside, staged)
    holding = inside[: rules.slots]  # the others are staged: the engine gives a slot to who came first
    holders = sorted((one for one in holding if one.adapter not in closed), key=_first_to_go)
    late = [one for one in queue if one.oldest_s <= late_s]
    successions = list(zip(late[: max(0, rules.slots - staged)], holders, strict=False))
    closed.update(holder.adapter for _, holder in successions)
    entering += [successor for successor, _ in successions[: max(0, rules.staged - staged)]]
    joining = [one for one in inside if one.waiting and one.adapter not in closed]
    again_s = min((one.oldest_s + rules.patience_s for one in queue if one.oldest_s > late_s), default=math.inf)
    return Plan(open=tuple(one.adapter for one in (*entering, *joining)), closed=frozenset(closed), again_s=again_s)


def _first_to_go(group: Group) -> tuple[bool, int, float]:
    """Order holders by what closing them costs; one that drains already goes on."""
    return not group.closed, group.running + group.waiting, group.entered_s


def _still_closed(inside: list[Group], staged: int) -> set[str]:
    """Keep as many closed as wait in the engine for a slot, and no more."""
    closed_first = sorted(inside, key=lambda one: (not one.closed, one.entered_s))
    return {one.adapter for one in closed_first[:staged]}
