"""The engine's scheduler with and without turns, in a model of vLLM's batching: seconds are computed, nothing is measured.

The model: in each step every running request gets one token; a step takes `step_s(batch)`; a waiting request starts if its
adapter has a slot or one is free, first come first served. That is vLLM's rule; how long its steps take was fitted to the
demo model on two cores. With turns, adapters that are closed start nothing. Two runs with the same seed are the same to
the digit.
"""

from __future__ import annotations

import heapq
import math
import random
import statistics
from collections import defaultdict
from collections.abc import Callable
from itertools import accumulate

import msgspec

from local_inference.engines._vllm_scheduler import Turns
from local_inference.scheduler import Rules

ADAPTERS, SLOTS, TOKENS, BASE_SHARE = 8, 2, 32, 0.15
HOST_S = 0.005
"""What passes more between an answer's end and its caller's next request, where a host stands before the engine."""
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


class Lora:
    """As a request names its adapter."""

    def __init__(self, adapter: int) -> None:
        self.lora_int_id = adapter


class Request:
    """One request on its way; adapter None = the base model."""

    def __init__(self, number: int, adapter: int | None, came_s: float) -> None:
        self.request_id = str(number)
        self.adapter = adapter
        self.lora_request = None if adapter is None else Lora(adapter)
        self.num_computed_tokens = 0
        self.came_s = came_s
        self.left = TOKENS


def run(traffic: str, at_once: int, turns: Turns | None, *, seed: int, seconds: float = 40.0) -> Result:
    """Run a closed loop of callers for so many seconds of the model; None = without turns, and no host before it."""
    rng = random.Random(seed)
    weights = list(accumulate(TRAFFIC[traffic]))
    coming: list[tuple[float, int, Request]] = []
    waits = defaultdict[int | None, list[float]](list)
    waiting: list[Request] = []
    running: list[Request] = []
    now_s, made, tokens, steps = 0.0, 0, 0, 0

    def come(when_s: float) -> None:
        nonlocal made
        made += 1
        base = rng.random() < BASE_SHARE
        adapter = None if base else rng.choices(range(ADAPTERS), cum_weights=weights)[0]
        arrives_s = when_s + 0.004 * rng.random() + (HOST_S if turns is not None else 0.0)
        heapq.heappush(coming, (arrives_s, made, Request(made, adapter, arrives_s)))

    for _ in range(at_once):
        come(0.0)
    while now_s < seconds:
        while coming and coming[0][0] <= now_s:
            waiting.append(heapq.heappop(coming)[2])
            if turns is not None:
                turns.came(waiting[-1].request_id, now_s)
        if turns is not None:
            turns.decide(running, waiting, now_s)
        started = _start(waiting, running, turns)
        for one in started:
            waits[one.adapter].append(now_s - one.came_s)
        if turns is not None:
            turns.started([one.request_id for one in started], now_s)
        waiting = [one for one in waiting if one not in started]
        running += started
        if not running:
            now_s = max(now_s + 0.001, coming[0][0] if coming else 0.0)
            continue
        now_s += step_s(len(running))
        steps += 1
        tokens += len(running)
        for one in running:
            one.left -= 1
        ended = [one for one in running if not one.left]
        running = [one for one in running if one.left]
        for _ in ended:
            come(now_s)
        if turns is not None:
            turns.ended([one.request_id for one in ended], now_s)
    of_adapters = {adapter: max(times) for adapter, times in waits.items() if adapter is not None}
    return Result(
        tokens_per_s=tokens / now_s,
        batch=tokens / steps,
        coldest_worst_s=of_adapters.get(ADAPTERS - 1, 0.0),
        worst_s=max(of_adapters.values()),
    )


def _start(waiting: list[Request], running: list[Request], turns: Turns | None) -> list[Request]:
    """Choose who starts: those whose adapter has a slot or gets a free one, and isn't closed."""
    slots = {one.adapter for one in running if one.adapter is not None}
    started: list[Request] = []
    for one in waiting:
        if turns is not None and turns.holds_back(one):
            continue
        if one.adapter is not None and one.adapter not in slots:
            if len(slots) >= SLOTS:
                continue
            slots.add(one.adapter)
        started.append(one)
    return started


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """Medians of several seeds, with turns over without."""

    traffic: str
    at_once: int
    direct_tokens_per_s: float
    tokens_ratio: float
    coldest_ratio: float
    worst_ratio: float


def compare(traffic: str, at_once: int, *, seeds: int = 5, seconds: float = 40.0) -> Cell:
    """Run both."""
    rules = Rules(slots=SLOTS, most_patience_s=math.inf)
    direct = [run(traffic, at_once, None, seed=seed, seconds=seconds) for seed in range(seeds)]
    queued = [run(traffic, at_once, Turns(rules), seed=seed, seconds=seconds) for seed in range(seeds)]

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
