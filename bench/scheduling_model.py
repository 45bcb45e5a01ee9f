"""The scheduler before a model of vLLM's batching, against the model alone: seconds are computed, nothing is measured.

The model: in each step every running request gets one token; a step takes `step_s(batch)`; a request waiting in the
engine starts if its adapter has a slot or one is free, first come first served. That is vLLM's rule; how long its steps
take was fitted to the demo model on two cores. Two runs with the same seed are the same to the digit.
"""

from __future__ import annotations

import heapq
import math
import random
import statistics
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from itertools import accumulate

import msgspec

from local_inference.admission import PATIENCE
from local_inference.scheduler import Group, Rules, plan

ADAPTERS, SLOTS, TOKENS, BASE_SHARE = 8, 2, 32, 0.1
TRAFFIC = {
    "uniform": [1.0] * ADAPTERS,
    "zipf": [1 / (rank + 1) ** 1.1 for rank in range(ADAPTERS)],
    "two-hot": [47.0, 47.0, *([1.0] * (ADAPTERS - 2))],
}
Step = Callable[[int], float]


def step_s(batch: int) -> float:
    """Time of one step with so many requests."""
    return 0.010 + 0.00045 * batch


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What callers of the model saw."""

    tokens_per_s: float
    batch: float
    """Requests in a step, on average."""
    coldest_worst_s: float
    worst_s: float
    """Longest wait for the first token of any adapter."""


class Request:
    """One request on its way; adapter None = the base model."""

    def __init__(self, adapter: int | None, came_s: float) -> None:
        self.adapter = adapter
        self.came_s = came_s
        self.left = TOKENS


class Queue:
    """Requests before the engine, let in as the scheduler says; without rules all go in at once."""

    def __init__(self, rules: Rules | None) -> None:
        self._rules = rules
        self._waiting: dict[int, deque[Request]] = defaultdict(deque)
        self._running = Counter[int]()
        self._entered_s: dict[int, float] = {}
        self._closed: frozenset[str] = frozenset()

    def enter(self, come: list[Request], now_s: float) -> list[Request]:
        """Take what came; return what enters the engine."""
        if self._rules is None:
            return come
        entering = [one for one in come if one.adapter is None]
        for one in come:
            if one.adapter is not None:
                self._waiting[one.adapter].append(one)
        while True:
            chosen = plan(self._groups(), self._rules, now_s)
            self._closed = chosen.closed
            if not chosen.open:
                return entering
            for adapter in map(int, chosen.open):
                if not self._running[adapter]:
                    self._entered_s[adapter] = now_s
                self._running[adapter] += len(self._waiting[adapter])
                entering += self._waiting.pop(adapter)

    def ended(self, request: Request) -> None:
        """Note that an answer is over."""
        if request.adapter is not None:
            self._running[request.adapter] -= 1

    def _groups(self) -> list[Group]:
        return [
            Group(
                adapter=str(adapter),
                waiting=len(waiting := self._waiting.get(adapter, deque())),
                oldest_s=waiting[0].came_s if waiting else math.inf,
                running=self._running[adapter],
                entered_s=self._entered_s.get(adapter, 0.0),
                closed=str(adapter) in self._closed,
            )
            for adapter in range(ADAPTERS)
        ]


def run(traffic: str, at_once: int, rules: Rules | None, *, seed: int, seconds: float = 40.0) -> Result:
    """Run a closed loop of callers for so many seconds of the model."""
    rng = random.Random(seed)
    weights = list(accumulate(TRAFFIC[traffic]))
    coming: list[tuple[float, int, Request]] = []
    queue, waits = Queue(rules), defaultdict[int | None, list[float]](list)
    waiting: deque[Request] = deque()
    running: list[Request] = []
    now_s, made, tokens, steps = 0.0, 0, 0, 0

    def come(when_s: float) -> None:
        nonlocal made
        made += 1
        base = rng.random() < BASE_SHARE
        adapter = None if base else rng.choices(range(ADAPTERS), cum_weights=weights)[0]
        arrives_s = when_s + 0.004 * rng.random()
        heapq.heappush(coming, (arrives_s, made, Request(adapter, arrives_s)))

    for _ in range(at_once):
        come(0.0)
    while now_s < seconds:
        come_now: list[Request] = []
        while coming and coming[0][0] <= now_s:
            come_now.append(heapq.heappop(coming)[2])
        waiting.extend(queue.enter(come_now, now_s))
        waiting = _start(waiting, running, waits, now_s)
        if not running:
            now_s = max(now_s + 0.001, coming[0][0] if coming else 0.0)
            continue
        now_s += step_s(len(running))
        steps += 1
        tokens += len(running)
        for one in running:
            one.left -= 1
        for one in [one for one in running if not one.left]:
            running.remove(one)
            queue.ended(one)
            come(now_s)
    of_adapters = {adapter: max(times) for adapter, times in waits.items() if adapter is not None}
    return Result(
        tokens_per_s=tokens / now_s,
        batch=tokens / steps,
        coldest_worst_s=of_adapters.get(ADAPTERS - 1, 0.0),
        worst_s=max(of_adapters.values()),
    )


def _start(
    waiting: deque[Request], running: list[Request], waits: dict[int | None, list[float]], now_s: float
) -> deque[Request]:
    """Let those in whose adapter has a slot or gets a free one, as vLLM does; return who waits on."""
    slots = {one.adapter for one in running if one.adapter is not None}
    left: deque[Request] = deque()
    for one in waiting:
        if one.adapter is not None and one.adapter not in slots and len(slots) >= SLOTS:
            left.append(one)
            continue
        if one.adapter is not None:
            slots.add(one.adapter)
        waits[one.adapter].append(now_s - one.came_s)
        running.append(one)
    return left


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """Medians of several seeds, the scheduler's over the model's alone."""

    traffic: str
    at_once: int
    direct_tokens_per_s: float
    tokens_ratio: float
    coldest_ratio: float
    worst_ratio: float


def compare(traffic: str, at_once: int, *, seeds: int = 5, seconds: float = 40.0) -> Cell:
    """Run both; patience is what the host would have learnt."""
    direct = [run(traffic, at_once, None, seed=seed, seconds=seconds) for seed in range(seeds)]
    answer_s = TOKENS * step_s(round(statistics.median(one.batch for one in direct)))
    rules = Rules(slots=SLOTS, patience_s=PATIENCE * answer_s, staged=SLOTS)
    queued = [run(traffic, at_once, rules, seed=seed, seconds=seconds) for seed in range(seeds)]

    def ratio(of: Callable[[Result], float]) -> float:
        return round(statistics.median(map(of, queued)) / statistics.median(map(of, direct)), 3)

    return Cell(
        traffic=traffic,
        at_once=at_once,
        direct_tokens_per_s=round(statistics.median(one.tokens_per_s for one in direct), 1),
        tokens_ratio=ratio(lambda one: one.tokens_per_s),
        coldest_ratio=ratio(lambda one: one.coldest_worst_s),
        worst_ratio=ratio(lambda one: one.worst_s),
    )


def main() -> None:
    """Print the table."""
    print("| traffic | at a time | direct tokens/s | tokens/s | coldest's worst wait | anybody's worst wait |")
    print("|---|---|---|---|---|---|")
    for traffic in TRAFFIC:
        for at_once in (16, 64):
            one = compare(traffic, at_once)
            print(
                f"| {traffic} | {at_once} | {one.direct_tokens_per_s:,.0f} | {one.tokens_ratio:.2f} "
                f"| {one.coldest_ratio:.2f} | {one.worst_ratio:.2f} |"
            )


if __name__ == "__main__":
    main()
