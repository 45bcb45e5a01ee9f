"""What the scheduler promises whatever comes: nobody starves, and nobody is stopped for one who isn't late."""

from __future__ import annotations

import math
from collections import deque

from hypothesis import given, settings
from hypothesis import strategies as st

from local_inference.engines._vllm_scheduler import URGENT, Turns
from local_inference.ports import SPARE_SLOTS
from local_inference.scheduler import Group, Rules, closed, overdue

ADAPTERS = tuple(range(8))
NOW_S = 100.0
groups = st.lists(
    st.builds(
        lambda adapter, running, waiting, oldest: Group(
            adapter=adapter, running=running, waiting=waiting, oldest_s=oldest if waiting else math.inf
        ),
        st.sampled_from(ADAPTERS),
        st.integers(0, 5),
        st.integers(0, 5),
        st.floats(0, NOW_S),
    ),
    unique_by=lambda group: group.adapter,
    max_size=len(ADAPTERS),
)
rules = st.builds(Rules, slots=st.integers(1, 4), most_patience_s=st.floats(0, 50))
before = st.frozensets(st.sampled_from(ADAPTERS))
answers = st.one_of(st.just(math.inf), st.floats(0.01, 50))


def _late(given_groups: list[Group], given_rules: Rules, answer_s: float) -> list[Group]:
    waiting = [one for one in given_groups if one.waiting and not one.running]
    patience_s = given_rules.patience_s(len(waiting), answer_s)
    return [one for one in waiting if one.oldest_s <= NOW_S - patience_s]


@given(groups, rules, before, answers)
def test_as_many_holders_are_closed_as_late_ones_find_no_slot(
    given_groups: list[Group], given_rules: Rules, were: frozenset[int], answer_s: float
) -> None:
    chosen = closed(given_groups, given_rules, were, answer_s, NOW_S)
    holders = {one.adapter for one in given_groups if one.running}
    late = len(_late(given_groups, given_rules, answer_s))
    assert chosen <= holders
    assert len(chosen) == min(len(holders), max(0, late - (given_rules.slots - len(holders))))


@given(groups, rules, before, answers)
def test_who_is_closed_stays_so_before_another_is(
    given_groups: list[Group], given_rules: Rules, were: frozenset[int], answer_s: float
) -> None:
    chosen = closed(given_groups, given_rules, were, answer_s, NOW_S)
    holders = {one.adapter for one in given_groups if one.running}
    assert chosen <= were or were & holders <= chosen


@given(groups, rules, before, answers)
def test_the_order_of_the_facts_says_nothing(
    given_groups: list[Group], given_rules: Rules, were: frozenset[int], answer_s: float
) -> None:
    forwards, backwards = (
        closed(facts, given_rules, were, answer_s, NOW_S) for facts in (given_groups, given_groups[::-1])
    )
    assert forwards == backwards


class Lora:
    def __init__(self, adapter: int) -> None:
        self.lora_int_id = adapter


class Request:
    """One that the model of the engine computes."""

    def __init__(self, request_id: str, adapter: int, came: int) -> None:
        self.request_id = request_id
        self.lora_request = Lora(adapter)
        self.num_computed_tokens = 0
        self.came = came
        self.left = 0


class Engine:
    """vLLM's rule, one step a second: first come first served among those with a slot, or for whom one is free."""

    def __init__(self, given_rules: Rules, answer_steps: int) -> None:
        self.turns = Turns(given_rules)
        self.slots = given_rules.slots
        self.answer_steps = answer_steps
        self.waiting: deque[Request] = deque()
        self.running: list[Request] = []
        self.now = self.made = 0
        self.worst_wait = 0

    def ask(self, adapter: int, mark: str = "") -> None:
        self.made += 1
        request = Request(f"{mark}{self.made}", adapter, self.now)
        self.turns.came(request.request_id, self.now)
        (self.waiting.appendleft if mark else self.waiting.append)(request)

    def step(self) -> None:
        self.turns.decide(self.running, self.waiting, self.now)
        giving = [one for one in self.running if self.turns.gives_way(one)]
        self.running = [one for one in self.running if one not in giving]
        self.waiting.extend(giving)
        self.turns.gave_way([one.request_id for one in giving], self.now)
        slots = {one.lora_request.lora_int_id for one in self.running}
        left: deque[Request] = deque()
        for one in self.waiting:
            adapter = one.lora_request.lora_int_id
            full = adapter not in slots and len(slots) == self.slots + SPARE_SLOTS
            if self.turns.holds_back(one) or not self.turns.has_slot(one) or full:
                left.append(one)
                continue
            slots.add(adapter)
            one.left = one.left or self.answer_steps
            self.worst_wait = max(self.worst_wait, self.now - one.came)
            self.turns.started([one.request_id], self.now)
            self.running.append(one)
        self.waiting = left
        callers = {one.lora_request.lora_int_id for one in self.running if URGENT not in one.request_id}
        assert len(callers) <= self.slots, "the spare slot isn't the callers'"
        self.now += 1
        for one in self.running:
            one.left -= 1
        self.turns.ended([one.request_id for one in self.running if not one.left], self.now)
        self.running = [one for one in self.running if one.left]


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 3),
    st.integers(0, 20),
    st.integers(1, 10),
    st.lists(st.sampled_from([*ADAPTERS, *([0, 1] * 20)]), min_size=300, max_size=300),
)
def test_nobody_starves_whoever_else_keeps_coming(slots: int, patience: int, steps: int, traffic: list[int]) -> None:
    engine = Engine(Rules(slots=slots, most_patience_s=patience), steps)
    for adapter in traffic:
        engine.ask(adapter)
        engine.ask(engine.now % 2)
        engine.step()
    # Each of the others in line before it costs at most the rest of one tenancy and one of its own.
    bound = patience + 2 * (steps + 1) * (len(ADAPTERS) + slots)
    assert engine.worst_wait <= bound
    for _ in range(bound):
        engine.step()
    assert not engine.waiting, "all that came was started"


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 3), st.integers(1, 20), st.integers(50, 10_000), st.sets(st.sampled_from(ADAPTERS), min_size=4))
def test_nobody_waits_for_an_answer_without_end(slots: int, patience: int, steps: int, adapters: set[int]) -> None:
    engine = Engine(Rules(slots=slots, most_patience_s=patience), steps)
    for adapter in adapters:
        engine.ask(adapter)
    first = {id(one) for one in engine.waiting}
    # In its turn each waits out its patience, and then those of the others: until they give way.
    bound = 2 * (patience + 1) * len(adapters)
    for _ in range(bound):
        engine.step()
    begun = {id(one) for one in (*engine.running, *engine.waiting) if one.left}
    assert first <= begun or steps < bound
    while engine.waiting or engine.running:
        engine.step()
    assert engine.now <= 2 * steps * len(adapters) + bound, "who gave way came to its end"


def test_who_gave_way_waits_anew_and_goes_on_where_it_was() -> None:
    engine = Engine(Rules(slots=1, most_patience_s=5), 100)
    engine.ask(0)
    engine.step()
    engine.ask(1)
    long = engine.running[0]
    for _ in range(12):
        engine.step()
    assert [one.lora_request.lora_int_id for one in engine.running] == [1]
    assert list(engine.waiting) == [long]
    left = long.left
    assert 0 < left < 100
    while long not in engine.running:
        engine.step()
    assert long.left == left - 1


def test_only_who_was_closed_for_the_longest_patience_gives_way() -> None:
    given_rules = Rules(slots=1, most_patience_s=5)
    assert overdue({1: 0.0, 2: 4.0, 3: 5.0}, given_rules, 9.5) == {1, 2}


def test_without_patience_a_favourite_keeps_its_slot_for_ever() -> None:
    engine = Engine(Rules(slots=1, most_patience_s=math.inf), 3)
    engine.answer_steps = 1000
    engine.ask(0)
    engine.step()
    engine.ask(1)
    for _ in range(500):
        engine.ask(0)
        engine.step()
    assert [one.lora_request.lora_int_id for one in engine.waiting] == [1], "the fault that patience mends"


def test_who_goes_before_all_starts_in_the_next_step_and_closes_nobody() -> None:
    engine = Engine(Rules(slots=1, most_patience_s=math.inf), 3)
    for adapter in (0, 1, 2):
        engine.ask(adapter)
    engine.step()
    engine.ask(3, URGENT)
    engine.ask(0)
    engine.step()
    assert sorted(one.lora_request.lora_int_id for one in engine.running) == [0, 0, 3]
    assert not engine.turns.closed


def test_one_that_was_computed_in_part_goes_on_though_its_adapter_is_closed() -> None:
    turns = Turns(Rules(slots=1, most_patience_s=0))
    running, again, late = Request("a", 0, 0), Request("b", 0, 0), Request("c", 1, 0)
    for one in (running, again, late):
        turns.came(one.request_id, 0)
    turns.decide([running], [again, late], 5)
    assert turns.closed == {0}
    assert turns.holds_back(again)
    again.num_computed_tokens = 4
    assert not turns.holds_back(again)
