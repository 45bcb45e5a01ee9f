"""Carries a plan out step by step, under one deadline, up to and past the commit point.

Before the first delta any failure may move to the next step; after it none may: what was sent can't be
taken back, so the stream ends with an explicit error.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from router.config.schema import RoutingConfig
from router.core import clock
from router.core.errors import (
    AdapterNotFound,
    InternalError,
    PolicyBlocked,
    Retry,
    RouterError,
    StreamInterrupted,
    UnsupportedFeature,
    UpstreamRejected,
    UpstreamTimeout,
)
from router.core.ports import NOTHING, AdapterChooser, Notes, Permit, Provider
from router.core.types import Cleared, Delta, JsonObject, JsonValue, Plan, Request, Step, Target
from router.execution.allowance import Allowance
from router.execution.attempt import LiveAttempt
from router.execution.cascade import Cascade
from router.execution.exhausted import codes, exhausted
from router.execution.fold import fold, without_logprobs
from router.execution.gates import Asked
from router.execution.health import HealthMonitor
from router.execution.hedge import race
from router.execution.retry import pause_s
from router.execution.sequence import Failed, Move, following
from router.execution.slots import Slots

_RETRY_BURST = 10.0
_HEDGE_BURST = 2.0
"""How many there may be in a row after a quiet time."""

_LATE = UpstreamTimeout("it is late")
"""What the first target of a hedge is taken to fail with, to find the second."""

_NO_CASCADES: Mapping[str, Cascade] = MappingProxyType({})


class Executor:
    """Runs plans. Holds the providers and what is known of their health; everything else comes with the call."""

    def __init__(
        self,
        providers: Mapping[str, Provider],
        health: HealthMonitor,
        chooser: AdapterChooser,
        routing: RoutingConfig = RoutingConfig(),  # noqa: B008 immutable
        *,
        slots: Slots | None = None,
        cascades: Mapping[str, Cascade] = _NO_CASCADES,
        engine: Target | None = None,
    ) -> None:
        """`cascades` by what a plan calls them, `engine` is the local engine's base model, if there is one."""
        self._providers = providers
        self.health = health
        self.slots = slots or Slots()
        self.routing = routing
        self.cascades = cascades
        self.retries = Allowance(routing.retry.budget_ratio, _RETRY_BURST)
        self.hedges = Allowance(routing.hedge.budget_ratio, _HEDGE_BURST)
        self._chooser = chooser
        self._engine = engine

    async def execute(self, plan: Plan, request: Request, permit: Permit, notes: Notes) -> AsyncGenerator[Delta, None]:
        """Yield the answer of the first step that gives one which the plan's gates accept.

        `permit` is called once an attempt, at the last moment, and alone can permit it.

        Raises:
            RouterError: before the first delta: the cause, if there was one step, else `AllTargetsFailed`;
                after it: `StreamInterrupted`.
        """
        self.retries.earn()
        self.hedges.earn()
        run = _Run(self, plan, request, permit, notes)
        move: Move | None = Move(0)
        while move is not None and not run.is_late():
            answer = await run.answer(move)
            if answer is None:
                move = await run.following()
                continue
            try:
                for delta in answer.pieces:
                    yield delta
                while (delta := await answer.attempt.next()) is not None:
                    yield without_logprobs((delta,))[0] if answer.strips else delta
            except RouterError as error:
                raise StreamInterrupted(f"the answer broke off: {error.message}") from error
            finally:
                await answer.attempt.close()
            return
        for delta in run.last_resort(is_late=move is not None):
            yield delta

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
    def judge(self) -> Target | None:
        """The engine here, for questions about answers; None = there is none, or it isn't well."""
        engine = self._engine
        return engine if engine is not None and self.health.health(engine.deployment).available else None


class _Answer(NamedTuple):
    """An answer that may be given: its first pieces, and where the others come from."""

    attempt: LiveAttempt
    pieces: Sequence[Delta]
    strips: bool = False
    """Whether the others hold log-probabilities that the caller didn't ask for."""


class _TurnedDown(NamedTuple):
    """A whole answer that a gate didn't accept: better than none."""

    cleared: Cleared
    pieces: Sequence[Delta]


class _Run:
    """One plan, as far as it was carried out."""

    def __init__(self, executor: Executor, plan: Plan, request: Request, permit: Permit, notes: Notes) -> None:
        self.executor = executor
        self.steps = plan.steps
        self.request = request
        self.permit = permit
        self.notes = notes
        self._plan = plan
        self._failed: list[Failed] = []
        self._kept: _TurnedDown | None = None

    def is_late(self) -> bool:
        """Whether the request's deadline has passed."""
        return clock.monotonic_s() >= self.request.deadline_s

    @property
    def has_tried(self) -> bool:
        """Whether a try is over."""
        return bool(self._failed)

    async def answer(self, move: Move) -> _Answer | None:
        """Try a step; None = it brought no answer to give."""
        step = self.steps[move.step]
        if step.gated:
            return await self._checked(move.step)
        if step.hedge_after_ms is not None and not move.is_retry:
            second = self._beside(move.step)
            if second is not None:
                return await self._raced(move.step, second, step.hedge_after_ms / 1000)
        tried = _Try(self, move.step)
        try:
            pieces = await tried.begin()
        except RouterError as error:
            await tried.close()
            self._failed.append(Failed(move.step, error))
            return None
        except BaseException:
            await tried.close()
            raise
        return _Answer(tried.attempt, pieces)

    async def following(self) -> Move | None:
        """Find what to try next, and wait where that is the same step; None = there is nothing."""
        max_s = self.executor.routing.retry.max_s
        move = following(self.steps, self._failed, max_s)
        if move is not None and move.is_retry and not await self._pause():
            return following(self.steps, self._failed, max_s, may_retry=False)
        return move

    def last_resort(self, *, is_late: bool) -> Sequence[Delta]:
        """Return an answer that was turned down, if there is one: it beats none.

        Raises:
            RouterError: there is none; it says why no step answered.
        """
        errors = [one.error for one in self._failed if one.error is not None]
        is_refused = any(isinstance(error, InternalError | PolicyBlocked) for error in errors)
        if self._kept is not None and not is_refused:
            self.notes.answering(self._kept.cleared)
            return self._kept.pieces
        if is_late:
            seen = f" (before that: {codes(errors)})" if errors else ""
            raise UpstreamTimeout(f"the request's deadline passed before a target answered{seen}")
        raise exhausted(self._plan, errors)

    async def _pause(self) -> bool:
        """Wait before the same step is tried again; False = it isn't, for want of time or because too much was."""
        last, retries = self._failed[-1], self.executor.retries
        assert last.error is not None
        tries = sum(one.step == last.step for one in self._failed)
        wait_s = pause_s(last.error, tries, self.executor.routing.retry, random.random())
        if clock.monotonic_s() + wait_s >= self.request.deadline_s:
            return False
        # An engine that asks to wait for an adapter isn't in trouble.
        if last.error.retry is not Retry.SAME and not retries.spend():
            return False
        await asyncio.sleep(wait_s)
        return True

    def _beside(self, step: int) -> int | None:
        """Return the step that may be started beside one that is late: what would come next if it failed."""
        move = following(self.steps, [*self._failed, Failed(step, _LATE)], 0.0, may_retry=False)
        return move.step if move is not None and not self.steps[move.step].gated else None

    async def _raced(self, step: int, second: int, after_s: float) -> _Answer | None:
        """Try a step, and another beside it if it is late."""
        won = await race(_Try(self, step), _Try(self, second, is_hedge=True), after_s, self.executor.hedges.spend)
        self._failed += [Failed(one.step, error) for one, error in won.failed]
        if won.winner is None:
            return None
        attempt = won.winner.attempt
        if attempt.cleared is not None:
            self.notes.answering(attempt.cleared)
        return _Answer(attempt, won.pieces)

    async def _checked(self, step: int) -> _Answer | None:
        """Try a step whose answer must pass the gates: all of it is read before any of it is given."""
        cascade = self.executor.cascades[self._plan.cascade or ""]
        asking = cascade.asking(self.request.body)
        tried = _Try(self, step, asking)
        try:
            pieces, gate = await self._judged(tried, cascade)
        except RouterError as error:
            await tried.close()
            lacks = asking and isinstance(error, UpstreamRejected)  # perhaps for what the gates ask
            self._failed.append(Failed(step, UnsupportedFeature(error.message) if lacks else error))
            return None
        except BaseException:
            await tried.close()
            raise
        if asking:
            pieces = without_logprobs(pieces)
        attempt = tried.attempt
        if gate is None or attempt.cleared is None:
            return _Answer(attempt, pieces, strips=bool(asking))
        attempt.gate = gate
        await attempt.close()
        self._kept = _TurnedDown(attempt.cleared, pieces)
        self._failed.append(Failed(step))
        return None

    async def _judged(self, tried: _Try, cascade: Cascade) -> tuple[Sequence[Delta], str | None]:
        """Read a whole answer; return it with the gate that turns it down. Of one that grows too large, return the beginning,
        accepted: the rest follows as it comes."""
        pieces = [*await tried.begin()]
        size = sum(len(piece.payload) for piece in pieces)
        while size <= cascade.most_bytes and (piece := await tried.attempt.next()) is not None:
            pieces.append(piece)
            size += len(piece.payload)
        if size > cascade.most_bytes:
            return pieces, None
        cleared = tried.attempt.cleared
        assert cleared is not None
        asked = Asked(body=cleared.body, ask=self._ask)
        return pieces, await cascade.turned_down(pieces, asked)

    async def _ask(self, question: JsonObject, within_s: float) -> str | None:
        """See `Asked.ask`; the request's deadline bounds this too.

        Raises:
            LocalityViolation: the engine isn't on this machine; nothing was sent.
        """
        executor, engine = self.executor, self.executor.judge
        if engine is None or within_s <= 0 or self.is_late():
            return None
        attempt = LiveAttempt(
            Step(target=engine, ttft_s=2 * within_s, total_s=within_s),
            engine,
            self.request,
            partial(self.permit, question=question),
            self.notes,
            provider=executor.provider(engine),
            health=executor.health,
            slots=executor.slots,
            commit=executor.routing.commit,
            is_first=False,  # being late for a gate says nothing of the engine
            is_question=True,
        )
        try:
            pieces = [*await attempt.begin()]
            while (piece := await attempt.next()) is not None:
                pieces.append(piece)
        except InternalError:
            raise
        except RouterError:
            return None
        finally:
            await attempt.close()
        answers = fold(pieces)
        return answers[0].text if answers else None


class _Try:
    """One try of a step: an attempt, and where an adapter went away meanwhile, one with what takes its place."""

    def __init__(
        self, run: _Run, step: int, asking: Mapping[str, JsonValue] = NOTHING, *, is_hedge: bool = False
    ) -> None:
        self.step = step
        self._run = run
        self._asking = asking
        self._is_hedge = is_hedge
        self._attempt: LiveAttempt | None = None

    @property
    def attempt(self) -> LiveAttempt:
        """The one under way; there is none before `begin`."""
        assert self._attempt is not None
        return self._attempt

    async def begin(self) -> tuple[Delta, ...]:
        """See `LiveAttempt.begin`."""
        run, executor = self._run, self._run.executor
        step = run.steps[self.step]
        target = await executor.resolve(step.target, run.request, run.notes)
        while True:
            self._attempt = LiveAttempt(
                step,
                target,
                run.request,
                run.permit,
                run.notes,
                provider=executor.provider(target),
                health=executor.health,
                slots=executor.slots,
                commit=executor.routing.commit,
                asking=self._asking,
                is_hedge=self._is_hedge,
                is_first=not run.has_tried,
            )
            try:
                return await self._attempt.begin()
            except AdapterNotFound:
                successor = _successor(target, run.request)
                if successor is None:
                    raise
                await self.close()
                target = successor

    def beaten(self) -> None:
        """See `hedge.Contender`."""
        if self._attempt is not None:
            self._attempt.is_beaten = True

    async def close(self) -> None:
        """Close the attempt, if there is one."""
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            await attempt.close()


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
