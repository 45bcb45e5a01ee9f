"""What the scheduler promises whatever comes: work goes on, nobody starves, slots suffice."""

from __future__ import annotations

import math
from collections import Counter, deque

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from local_inference.scheduler import Group, Plan, Rules, plan

ADAPTERS = tuple("abcdefgh")
groups = st.lists(
    st.builds(
        lambda adapter, waiting, oldest, running, entered, closed: Group(
            adapter=adapter,
            waiting=waiting,
            oldest_s=oldest if waiting else math.inf,
            running=running,
            entered_s=entered,
            closed=closed and running > 0,
        ),
        st.sampled_from(ADAPTERS),
        st.integers(0, 5),
        st.floats(0, 100),
        st.integers(0, 5),
        st.floats(0, 100),
        st.booleans(),
    ),
    unique_by=lambda group: group.adapter,
    max_size=len(ADAPTERS),
)
rules = st.builds(Rules, slots=st.integers(1, 4), patience_s=st.floats(0, 50), staged=st.integers(0, 4))


def answer(given_groups: list[Group], given_rules: Rules, now_s: float = 100.0) -> Plan:
    return plan(given_groups, given_rules, now_s)


@given(groups, rules)
def test_work_goes_on_wherever_a_slot_is_free(given_groups: list[Group], given_rules: Rules) -> None:
    chosen = answer(given_groups, given_rules)
    inside = {one.adapter for one in given_groups if one.running}
    wanting = {one.adapter for one in given_groups if one.waiting}
    free = given_rules.slots - len(inside)
    assert len(set(chosen.open) - inside) >= min(free, len(wanting - inside))
    if free >= len(wanting - inside):
        assert set(chosen.open) == wanting, "with room for all, all may go in"


@given(groups, rules)
def test_only_those_who_wait_are_let_in_and_no_more_than_can_be_staged(
    given_groups: list[Group], given_rules: Rules
) -> None:
    chosen = answer(given_groups, given_rules)
    inside = {one.adapter for one in given_groups if one.running}
    assert set(chosen.open) <= {one.adapter for one in given_groups if one.waiting}
    assert len(set(chosen.open)) == len(chosen.open)
    most = max(len(inside), given_rules.slots + given_rules.staged)
    assert len(inside | set(chosen.open)) <= most
    assert not chosen.closed & set(chosen.open)


@given(groups, rules)
def test_as_many_are_closed_as_others_wait_for_their_slots(given_groups: list[Group], given_rules: Rules) -> None:
    chosen = answer(given_groups, given_rules)
    inside = {one.adapter for one in given_groups if one.running}
    assert chosen.closed <= inside
    staged = max(0, len(inside | set(chosen.open)) - given_rules.slots)
    late = {one.adapter for one in given_groups if one.waiting and one.oldest_s <= 100.0 - given_rules.patience_s}
    outside = len(late - inside - set(chosen.open)) if given_rules.staged < given_rules.slots else 0
    assert staged <= len(chosen.closed) <= staged + outside, "who may not be staged gets a slot that is drained first"


@given(groups, rules)
def test_a_slot_that_is_drained_for_somebody_who_waits_outside_stays_the_same(
    given_groups: list[Group], given_rules: Rules
) -> None:
    given_rules = msgspec.structs.replace(given_rules, staged=0)
    inside = sum(one.running > 0 for one in given_groups)
    if inside > given_rules.slots:
        return
    first = answer(given_groups, given_rules)
    again = [msgspec.structs.replace(one, closed=one.adapter in first.closed) for one in given_groups]
    assert answer(again, given_rules).closed == first.closed


@given(groups, rules)
def test_nobody_is_closed_for_one_who_is_not_late(given_groups: list[Group], given_rules: Rules) -> None:
    fresh = [one for one in given_groups if not one.waiting or one.oldest_s > 100.0 - given_rules.patience_s]
    inside = sum(one.running > 0 for one in fresh)
    chosen = answer(fresh, given_rules)
    if inside <= given_rules.slots:
        assert not chosen.closed
    waits_on = [one for one in fresh if one.waiting and not one.running and one.adapter not in chosen.open]
    assert (chosen.again_s < math.inf) == bool(waits_on), "time alone will make them late"


class Engine:
    """A model of the engine: slots for adapters, one step at a time, first come first served among those with a slot."""

    def __init__(self, given_rules: Rules, answer_steps: int) -> None:
        self.rules = given_rules
        self.answer_steps = answer_steps
        self.queues: dict[str, deque[int]] = {adapter: deque() for adapter in ADAPTERS}
        self.inside: deque[list[str | int]] = deque()
        """[adapter, steps left, when it came]; steps left is 0 for one that has no slot yet."""
        self.entered: dict[str, int] = {}
        self.closed: frozenset[str] = frozenset()
        self.now = 0
        self.worst_wait = 0

    def admit(self) -> None:
        while True:
            running = Counter(str(one[0]) for one in self.inside)
            facts = [
                Group(
                    adapter=adapter,
                    waiting=len(queue),
                    oldest_s=queue[0] if queue else math.inf,
                    running=running[adapter],
                    entered_s=self.entered.get(adapter, 0),
                    closed=adapter in self.closed,
                )
                for adapter, queue in self.queues.items()
            ]
            chosen = plan(facts, self.rules, self.now)
            self.closed = chosen.closed
            if not chosen.open:
                return
            for adapter in chosen.open[:1]:
                if not running[adapter]:
                    self.entered[adapter] = self.now
                while self.queues[adapter]:
                    self.inside.append([adapter, 0, self.queues[adapter].popleft()])

    def step(self) -> None:
        self.admit()
        computed = {str(one[0]) for one in self.inside if one[1]}
        for one in self.inside:
            adapter = str(one[0])
            if not one[1] and (adapter in computed or len(computed) < self.rules.slots):
                computed.add(adapter)
                one[1] = self.answer_steps + 1
                self.worst_wait = max(self.worst_wait, self.now - int(one[2]))
        assert len(computed) <= self.rules.slots
        for one in self.inside:
            one[1] = int(one[1]) - 1 if one[1] else 0
        self.inside = deque(one for one in self.inside if one[1] != 1)
        self.now += 1


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 3),
    st.integers(0, 20),
    st.integers(1, 10),
    st.lists(st.sampled_from([*ADAPTERS, *("ab" * 20)]), min_size=300, max_size=300),
)
def test_nobody_starves_whoever_else_keeps_coming(slots: int, patience: int, steps: int, traffic: list[str]) -> None:
    engine = Engine(Rules(slots=slots, patience_s=patience, staged=slots), steps)
    for adapter in traffic:
        engine.queues[adapter].append(engine.now)
        engine.queues["ab"[engine.now % 2]].append(engine.now)
        engine.step()
    # Each of the others in line before it costs at most the rest of one tenancy and one of its own.
    bound = patience + 2 * (steps + 1) * (len(ADAPTERS) + slots)
    assert engine.worst_wait <= bound
    for _ in range(bound):
        engine.step()
    assert not any(engine.queues.values()), "all that came was let in"


def test_without_patience_a_favourite_keeps_its_slot_for_ever() -> None:
    engine = Engine(Rules(slots=1, patience_s=math.inf, staged=1), 3)
    engine.queues["b"].append(0)
    engine.queues["a"].extend((0, 0))
    for _ in range(500):
        engine.queues["a"].append(engine.now)
        engine.step()
    assert engine.queues["b"], "the fault that patience mends"
