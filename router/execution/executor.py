"""Carries a plan out step by step, under one deadline, up to and past the commit point.

Before the first delta any failure may move to the next step; after it none may: what was sent can't be
taken back, so the stream ends with an explicit error.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from functools import partial

import msgspec

from router.core import clock
from router.core.errors import (
    AdapterNotFound,
    AllTargetsFailed,
    ContextTooLong,
    InternalError,
    NoHealthyTarget,
    Retry,
    RouterError,
    StreamInterrupted,
    UnsupportedFeature,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from router.core.ports import AdapterChooser, Clocks, Notes, Provider
from router.core.types import Attempt, Cleared, Delta, Locality, Plan, Request, Step, Target, Usage
from router.execution.health import HealthMonitor

CLIENT_GONE = "client_closed"
"""Error code of an attempt that ended because the caller went away."""

_PASSING = (UpstreamUnavailable, UpstreamProtocolError)
"""Failures that may be gone a moment later, so that the last step of a plan is worth another try."""

_BACK_OFF_S = (0.05, 0.25)
"""Bounds of the jittered pause before the same step is tried again."""


class Executor:
    """Runs plans. Holds the providers and what is known of their health; everything else comes with the call."""

    def __init__(self, providers: Mapping[str, Provider], health: HealthMonitor, chooser: AdapterChooser) -> None:
        self._providers = providers
        self._health = health
        self._chooser = chooser

    async def execute(
        self, plan: Plan, request: Request, clear: Callable[[Target], Cleared], notes: Notes
    ) -> AsyncGenerator[Delta, None]:
        """Yield the answer of the first step that gives one.

        `clear` is called once an attempt, at the last moment, and alone can permit it.

        Raises:
            RouterError: before the first delta: the cause, if there was one step, else `AllTargetsFailed`;
                after it: `StreamInterrupted`.
        """
        causes: list[RouterError] = []
        window = 0
        for step in plan.steps:
            if step.after is not None or _too_small(step, causes, window) or _is_stand_in(step, plan, causes):
                continue
            for tries_left in range(step.retries, -1, -1):
                if clock.monotonic_s() >= request.deadline_s:
                    raise _timed_out(causes)
                committed = False
                try:
                    async with aclosing(self._attempt(step, request, clear, notes)) as deltas:
                        async for delta in deltas:
                            committed = True
                            yield delta
                    return
                except RouterError as error:
                    if committed:
                        raise StreamInterrupted(f"the answer broke off: {error.message}") from error
                    if error.retry is Retry.NEVER:
                        raise
                    causes.append(error)
                    if isinstance(error, ContextTooLong):
                        window = max(window, step.context_tokens or 0)
                    if not await _pause(error, tries_left, request.deadline_s):
                        break
        raise _exhausted(plan, causes)

    async def _attempt(
        self, step: Step, request: Request, clear: Callable[[Target], Cleared], notes: Notes
    ) -> AsyncGenerator[Delta, None]:
        """Try a step once; if the adapter went away meanwhile, its successor, then the base model if SONA chose."""
        target = await self.resolve(step.target, request, notes)
        while True:
            attempt = _Attempt(self, step, target, request, notes)
            try:
                async with aclosing(attempt.run(clear)) as deltas:
                    async for delta in deltas:
                        yield delta
                return
            except AdapterNotFound:
                successor = _successor(target, request)
                if successor is None:
                    raise
                target = successor

    async def resolve(self, target: Target, request: Request, notes: Notes) -> Target:
        """Let SONA choose the adapter where the plan left it open."""
        if not target.select_adapter:
            return target
        selection = await self._chooser.choose(request)
        notes.selected(selection)
        return msgspec.structs.replace(target, adapter=selection.adapter, select_adapter=False)

    def provider(self, target: Target) -> Provider:
        """Find the provider that serves a target."""
        return self._providers[target.provider]

    @property
    def health(self) -> HealthMonitor:
        return self._health


class _Attempt:
    """One try of one step: its clocks, its breaker, its entry in the record."""

    def __init__(self, executor: Executor, step: Step, target: Target, request: Request, notes: Notes) -> None:
        self._executor = executor
        self._step = step
        self._request = request
        self._notes = notes
        self._started_s = clock.monotonic_s()
        self._ttft_ms: float | None = None
        self._usage: Usage | None = None
        self._target = target

    async def run(self, clear: Callable[[Target], Cleared]) -> AsyncGenerator[Delta, None]:
        """Yield the answer's deltas; note the attempt however it ends."""
        health, deployment = self._executor.health, self._step.target.deployment
        error_code: str | None = InternalError.code
        try:
            cleared = clear(self._target)
            health.begin(deployment, self._step.ttft_s)
            self._notes.calling(self._target)
            async with aclosing(self._timed(cleared)) as deltas:
                async for delta in deltas:
                    if self._ttft_ms is None:
                        self._ttft_ms = self._elapsed_ms()
                        health.answered(deployment, self._ttft_ms)
                    self._usage = delta.usage or self._usage
                    yield delta
            health.finished(deployment, self._elapsed_ms())
            error_code = None
        except RouterError as error:
            error_code = error.code
            health.failed(deployment, error)
            raise
        except (asyncio.CancelledError, GeneratorExit):
            error_code = CLIENT_GONE
            health.released(deployment)
            raise
        finally:
            self._notes.attempted(
                Attempt(
                    target=self._target.label,
                    locality=self._target.locality,
                    elapsed_ms=self._elapsed_ms(),
                    ttft_ms=self._ttft_ms,
                    error_code=error_code,
                    usage=self._usage,
                )
            )

    async def _timed(self, cleared: Cleared) -> AsyncGenerator[Delta, None]:
        """Send under the step's clocks, none of which outlasts the request's deadline.

        The clocks run only while we wait for the upstream: time that the client takes to read is its own.
        """
        step, now = self._step, clock.monotonic_s()
        total_s = min(step.total_s, self._request.deadline_s - now)
        first_s = min(step.ttft_s, total_s) if cleared.stream else total_s
        heard = partial(self._executor.health.heard, self._target.deployment)
        clocks = Clocks(ttft_s=first_s, total_s=total_s, heard=heard)
        loop = asyncio.get_running_loop()
        start_s = loop.time()
        limit_s, which = (first_s, "first token") if cleared.stream else (total_s, "total")
        async with aclosing(self._executor.provider(self._target).send(cleared, clocks)) as deltas:
            while True:
                timer = asyncio.timeout_at(start_s + limit_s)
                try:
                    async with timer:
                        delta = await anext(deltas, None)
                except TimeoutError:
                    if not timer.expired():
                        raise
                    raise UpstreamTimeout(f"{self._target.label}: {which} time of {limit_s:.3g} s is over") from None
                if delta is None:
                    return
                limit_s, which = total_s, "total"
                handed_s = loop.time()
                yield delta
                start_s += loop.time() - handed_s

    def _elapsed_ms(self) -> float:
        return (clock.monotonic_s() - self._started_s) * 1000


def _too_small(step: Step, causes: list[RouterError], window: int) -> bool:
    """Whether the request is known not to fit: one with a window at least as large has refused it for its length."""
    refused = any(isinstance(cause, ContextTooLong) for cause in causes)
    return refused and step.context_tokens is not None and step.context_tokens <= window


def _is_stand_in(step: Step, plan: Plan, causes: list[RouterError]) -> bool:
    """Whether it is the local engine as a last resort, while no cloud failed: what it lacks was only not supported."""
    if step.target.locality is not Locality.LOCAL or plan.steps[0].target.locality is Locality.LOCAL:
        return False
    return bool(causes) and all(isinstance(cause, UnsupportedFeature) for cause in causes)


def _successor(target: Target, request: Request) -> Target | None:
    """What to ask for when an adapter version is gone: the name's current version, then the base model.

    Only where the caller left it open: a version asked for by its name is honoured or refused.
    """
    if target.adapter is None or "@" in request.model:
        return None
    name, _, version = target.adapter.partition("@")
    if version:
        return msgspec.structs.replace(target, adapter=name)
    explicit = request.model.removeprefix("local/") == name
    return None if explicit else msgspec.structs.replace(target, adapter=None)


async def _pause(error: RouterError, tries_left: int, deadline_s: float) -> bool:
    """Wait before the same step is tried again; False = don't, go on."""
    if tries_left <= 0 or not (error.retry is Retry.SAME or isinstance(error, _PASSING)):
        return False
    pause_s = error.retry_after_s if error.retry is Retry.SAME else None
    if pause_s is None:
        pause_s = random.uniform(*_BACK_OFF_S)
    if clock.monotonic_s() + pause_s >= deadline_s:
        return False
    await asyncio.sleep(pause_s)
    return True


def _timed_out(causes: list[RouterError]) -> RouterError:
    seen = f" (before that: {_codes(causes)})" if causes else ""
    return UpstreamTimeout(f"the request's deadline passed before a target answered{seen}")


def _exhausted(plan: Plan, causes: list[RouterError]) -> RouterError:
    """Sum up why no step answered."""
    last = causes[-1]
    if all(step.target.locality is Locality.LOCAL for step in plan.steps):
        if isinstance(last, (UpstreamUnavailable, UpstreamProtocolError)):
            why = f"this request must stay local ({plan.reason}) and the local engine is down: {last.message}"
            return NoHealthyTarget(why, retry_after_s=last.retry_after_s)
        return last
    if len(plan.steps) == 1:
        return last
    if all(isinstance(cause, ContextTooLong | UnsupportedFeature) for cause in causes):
        return last
    waits = [cause.retry_after_s for cause in causes if cause.retry_after_s is not None]
    message = f"every target failed: {_codes(causes)}"
    return AllTargetsFailed(message, causes=tuple(causes), retry_after_s=min(waits) if waits else None)


def _codes(causes: list[RouterError]) -> str:
    return ", ".join(cause.code for cause in causes)
