"""vLLM's scheduler, but that no adapter waits for a slot without end; called by vLLM (`--scheduler-cls`).

From outside, steps pass before the end of an answer is heard of, and a slot would stay empty meanwhile. Inside, the rule
of `local_inference.scheduler` is asked before every step, with exact counts, and vLLM starts what it allows in that step.
vLLM asks `_handle_blocked_waiting_request` of each waiting request whether it may start; that is where adapters that are
closed say no. Requests that have to give way are preempted as vLLM itself does where memory is short, but they go
behind those that wait; what they have computed is mostly still cached when they go on. If a later vLLM has moved this, the engine refuses to start rather than let adapters starve.
Source: vllm/v1/core/sched/scheduler.py, vllm/config/scheduler.py in 0.32.0.
"""

from __future__ import annotations

import importlib
import math
import os
import time
from collections.abc import Iterable, Iterator, Sequence, Set
from typing import Protocol, cast

from local_inference.ports import SPARE_SLOTS
from local_inference.scheduler import Group, Rules, closed, overdue

PATIENCE_VARIABLE = "SONA_ADAPTER_PATIENCE_S"
"""Environment variable with the longest patience, in seconds."""
URGENT = "urgent-"
"""Begins the id of a request (`X-Request-Id`) that goes before all others."""
_SMOOTHING = 0.1
"""Weight of the newest answer in the mean time that answers take."""


class Lora(Protocol):
    @property
    def lora_int_id(self) -> int: ...


class Request(Protocol):
    """vLLM's request."""

    @property
    def request_id(self) -> str: ...
    @property
    def lora_request(self) -> Lora | None: ...
    @property
    def num_computed_tokens(self) -> int: ...


class Queue(Protocol):
    """vLLM's queue of requests that wait."""

    def __iter__(self) -> Iterator[Request]: ...
    def __len__(self) -> int: ...
    def remove_request(self, request: Request) -> None: ...
    def prepend_request(self, request: Request) -> None: ...
    def add_request(self, request: Request) -> None: ...


class Begun(Protocol):
    req_id: str


class Output(Protocol):
    """What vLLM's scheduler says of a step."""

    scheduled_new_reqs: list[Begun]


class SchedulerConfig(Protocol):
    async_scheduling: bool | None


class LoraConfig(Protocol):
    max_loras: int


class VllmConfig(Protocol):
    scheduler_config: SchedulerConfig
    lora_config: LoraConfig


class Scheduler:
    """What is used of vLLM's scheduler: for the type checker alone."""

    waiting: Queue
    running: list[Request]
    finished_req_ids: Set[str]
    requires_kv_delivery: bool

    def __init__(self, *, vllm_config: VllmConfig, **rest: object) -> None: ...

    def schedule(self, throttle_prefills: bool = False) -> Output: ...

    def add_request(self, request: Request) -> None: ...

    def _handle_blocked_waiting_request(self, request: Request) -> bool: ...

    def _preempt_request(self, request: Request, timestamp: float, drop_stale_output: bool) -> None: ...


class Turns:
    """What is known of the requests in an engine, and which adapters are closed; the owner around the pure rule."""

    def __init__(self, rules: Rules) -> None:
        self.closed: frozenset[int] = frozenset()
        self.overdue: frozenset[int] = frozenset()
        self._closed_since_s: dict[int, float] = {}
        self._rules = rules
        self._callers: set[int] = set()
        """Adapters in the next step, but for those that are being proven."""
        self._came_s: dict[str, float] = {}
        self._started_s: dict[str, float] = {}
        self._answer_s = math.inf

    def came(self, request_id: str, now_s: float) -> None:
        """A request was sent to the engine."""
        self._came_s.setdefault(request_id, -math.inf if URGENT in request_id else now_s)

    def started(self, request_ids: Iterable[str], now_s: float) -> None:
        """Requests are computed from now on."""
        for request_id in request_ids:
            self._started_s[request_id] = now_s

    def ended(self, request_ids: Iterable[str], now_s: float) -> None:
        """Requests are answered, or given up."""
        for request_id in request_ids:
            self._came_s.pop(request_id, None)
            started_s = self._started_s.pop(request_id, None)
            if started_s is not None:
                took_s, mean_s = now_s - started_s, self._answer_s
                self._answer_s = took_s if mean_s == math.inf else mean_s + _SMOOTHING * (took_s - mean_s)

    def gave_way(self, request_ids: Iterable[str], now_s: float) -> None:
        """Requests are computed no more for now, and wait anew."""
        for request_id in request_ids:
            self._came_s[request_id] = now_s
            self._started_s.pop(request_id, None)  # how long it takes in all says nothing of answers

    def rest(self) -> None:
        """Nobody waits."""
        self._close(frozenset(), 0.0)

    def decide(self, running: Sequence[Request], waiting: Iterable[Request], now_s: float) -> None:
        """Choose who is closed in the next step."""
        counts: dict[int, list[float]] = {}
        """Adapter -> running, waiting, when the oldest of the waiting came."""
        for request in running:
            if request.lora_request is not None and URGENT not in request.request_id:
                counts.setdefault(request.lora_request.lora_int_id, [0, 0, math.inf])[0] += 1
        self._callers = set(counts)
        for request in waiting:
            if request.lora_request is not None and URGENT not in request.request_id:
                count = counts.setdefault(request.lora_request.lora_int_id, [0, 0, math.inf])
                count[1] += 1
                count[2] = min(count[2], self._came_s.get(request.request_id, now_s))
        groups = (
            Group(adapter=adapter, running=int(now), waiting=int(later), oldest_s=oldest_s)
            for adapter, (now, later, oldest_s) in counts.items()
        )
        self._close(closed(groups, self._rules, self.closed, self._answer_s, now_s), now_s)
        self._callers -= self.overdue

    def _close(self, adapters: frozenset[int], now_s: float) -> None:
        self.closed = adapters
        self._closed_since_s = {adapter: self._closed_since_s.get(adapter, now_s) for adapter in adapters}
        self.overdue = overdue(self._closed_since_s, self._rules, now_s)

    def gives_way(self, request: Request) -> bool:
        """Whether a running request must be preempted now."""
        lora = request.lora_request
        return lora is not None and lora.lora_int_id in self.overdue and URGENT not in request.request_id

    def holds_back(self, request: Request) -> bool:
        """Whether a waiting request may not start now. One that was computed in part goes on: it holds memory."""
        lora = request.lora_request
        return lora is not None and lora.lora_int_id in self.closed and not request.num_computed_tokens

    def has_slot(self, request: Request) -> bool:
        """Whether a slot is left for a waiting request, which then takes it; callers leave the spare one free."""
        lora = request.lora_request
        if lora is None or URGENT in request.request_id or lora.lora_int_id in self._callers:
            return True
        if len(self._callers) >= self._rules.slots:
            return False
        self._callers.add(lora.lora_int_id)
        return True


def with_turns(base: type[Scheduler]) -> type[Scheduler]:
    """Extend a scheduler of vLLM's."""
    for needed in (_MAY_START, _PREEMPT):
        if not hasattr(base, needed):
            raise RuntimeError(f"vLLM's scheduler has no {needed} any more: adapters would starve; use vLLM 0.32")

    class WithTurns(base):
        def __init__(self, *, vllm_config: VllmConfig, **rest: object) -> None:
            super().__init__(vllm_config=vllm_config, **rest)
            most_s = float(os.environ.get(PATIENCE_VARIABLE, "10"))
            slots = vllm_config.lora_config.max_loras - SPARE_SLOTS
            self._turns = Turns(Rules(slots=slots, most_patience_s=most_s))

        def schedule(self, throttle_prefills: bool = False) -> Output:
            now_s = time.monotonic()
            self._turns.ended(self.finished_req_ids, now_s)
            if len(self.waiting):
                self._turns.decide(self.running, self.waiting, now_s)
                self._preempt(now_s)
            else:
                self._turns.rest()
            output = super().schedule(throttle_prefills)
            self._turns.started((one.req_id for one in output.scheduled_new_reqs), now_s)
            return output

        def _preempt(self, now_s: float) -> None:
            giving = [request for request in self.running if self._turns.gives_way(request)]
            for request in giving:
                self.running.remove(request)
                self._preempt_request(request, now_s, drop_stale_output=self.requires_kv_delivery)
                self.waiting.remove_request(request)  # from the front, where it would get the slot back at once
                self.waiting.add_request(request)
            self._turns.gave_way((request.request_id for request in giving), now_s)

        def add_request(self, request: Request) -> None:
            self._turns.came(request.request_id, time.monotonic())
            super().add_request(request)
            if URGENT in request.request_id and request in self.waiting:
                self.waiting.remove_request(request)
                self.waiting.prepend_request(request)

        def _handle_blocked_waiting_request(self, request: Request) -> bool:
            may_start = not self._turns.holds_back(request) and self._turns.has_slot(request)
            return may_start and super()._handle_blocked_waiting_request(request)

    return WithTurns


_MAY_START, _PREEMPT = "_handle_blocked_waiting_request", "_preempt_request"


def scheduler(*, vllm_config: VllmConfig, **rest: object) -> Scheduler:
    """Make the scheduler: what vLLM calls where it would call its own class."""
    name = "async_scheduler" if vllm_config.scheduler_config.async_scheduling else "scheduler"
    module = importlib.import_module(f"vllm.v1.core.sched.{name}")
    own = "AsyncScheduler" if vllm_config.scheduler_config.async_scheduling else "Scheduler"
    base = cast("type[Scheduler]", getattr(module, own))
    return with_turns(base)(vllm_config=vllm_config, **rest)
