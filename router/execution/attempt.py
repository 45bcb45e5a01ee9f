"""One try of one target: its place, its clearance, its clocks, and its entry in the record."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from functools import partial

from router.config.schema import CommitConfig
from router.core import clock
from router.core.alarm import Alarm
from router.core.errors import (
    InternalError,
    RouterError,
    UpstreamConnectTimeout,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from router.core.ports import NOTHING, Clocks, Notes, Permit, Provider
from router.core.types import Attempt, Cleared, Delta, Dialect, JsonValue, Request, Step, Target, Usage
from router.execution.commit import Piece, drop, hold
from router.execution.health import HealthMonitor
from router.execution.slots import Slots

CLIENT_GONE = "client_closed"
"""Error code of an attempt that ended because the caller went away."""

HEDGED = "hedged"
"""Error code of an attempt that was given up because another answered first."""

_CHAT = frozenset({Dialect.CHAT})


class LiveAttempt:
    """An attempt under way: `begin` up to the commit point, `next` for each further piece, `close` in any case.

    Reading isn't a generator, for each of a stream's pieces would pass one more, and the first ones may be read by another
    task than the rest.
    """

    def __init__(
        self,
        step: Step,
        target: Target,
        request: Request,
        permit: Permit,
        notes: Notes,
        *,
        provider: Provider,
        health: HealthMonitor,
        slots: Slots,
        commit: CommitConfig,
        asking: Mapping[str, JsonValue] = NOTHING,
        is_hedge: bool = False,
        is_first: bool = True,
        is_question: bool = False,
    ) -> None:
        """`is_first`: none was tried before it, so that it has all of the request's time. `is_question`: what `permit` permits
        is the router's own question about an answer."""
        self.target = target
        self.cleared: Cleared | None = None
        """What was sent; None until it is."""
        self.gate: str | None = None
        """The gate that turned its answer down."""
        self.is_beaten = False
        """Whether another answered first: what ends it from now on is that."""
        self._step = step
        self._request = request
        self._permit = permit
        self._notes = notes
        self._provider = provider
        self._health = health
        self._slots = slots
        self._commit = commit
        self._asking = asking
        self._is_hedge = is_hedge
        self._is_first = is_first
        self._is_question = is_question
        self._has_place = self._is_begun = self._is_over = False
        self._error_code: str | None = None
        self._deltas: AsyncGenerator[Delta, None] | None = None
        self._pending: Piece | None = None
        self._usage: Usage | None = None
        self._pieces = self._chars = 0
        self._reached = True
        self._since_s = self._begun_s = clock.monotonic_s()
        self._queue_ms = self._elapsed_ms = 0.0
        self._ttft_ms: float | None = None

    async def begin(self) -> tuple[Delta, ...]:
        """Send the request; return the first pieces of an answer that has proved itself. Empty = there is none.

        Raises:
            RouterError: no answer came, and nothing is committed.
        """
        step, deployment = self._step, self._step.target.deployment
        try:
            if not self._slots.take(deployment):
                await self._queue()
            self._has_place = True
            if step.gated:
                self.cleared = self._permit(self.target, native=_CHAT, asking=self._asking)
            else:
                self.cleared = self._permit(self.target)
            self._send(self.cleared)
            first = await self._piece()
            if first is None:
                self._end(None)
                return ()
            if step.gated or not self.cleared.stream or (first.content and self._commit.events == 1):
                return (first,)
            held = await hold(first, self._piece, self._commit)
            self._pending = held.pending
            return held.deltas
        except BaseException as error:
            self._end(error)
            raise

    async def next(self) -> Delta | None:
        """Return the next piece; None = the answer is whole.

        Raises:
            RouterError: it broke off.
        """
        try:
            if self._pending is None:
                delta = await self._piece()
            else:
                pending, self._pending = self._pending, None
                delta = await pending
        except BaseException as error:
            self._end(error)
            raise
        if delta is None:
            self._end(None)
        return delta

    async def close(self) -> None:
        """Let go of the upstream, if it isn't over, and note what came of it."""
        cut = None if self._is_over else self._deltas
        if not self._is_over:
            self._end(GeneratorExit())
        try:
            if self._pending is not None:
                await drop(self._pending)
            if cut is not None:
                await cut.aclose()
        finally:
            self._note()

    async def _queue(self) -> None:
        """Wait for a place."""
        started_s = clock.monotonic_s()
        try:
            tenant = self._request.principal.tenant
            await self._slots.wait(self._step.target.deployment, tenant, self._request.deadline_s - started_s)
        finally:
            self._queue_ms = (clock.monotonic_s() - started_s) * 1000

    def _send(self, cleared: Cleared) -> None:
        """Begin to send, under the step's clocks, none of which outlasts the request's deadline."""
        step, deployment = self._step, self._step.target.deployment
        self._begun_s = self._health.begin(deployment, step.ttft_s)
        self._is_begun = True
        if not self._is_question:
            self._notes.calling(self.target)
        self._since_s = now_s = clock.monotonic_s()
        self._total_s = min(step.total_s, self._request.deadline_s - now_s)
        self._first_s = min(step.ttft_s, self._total_s) if cleared.stream else self._total_s
        clocks = Clocks(ttft_s=self._first_s, total_s=self._total_s, heard=partial(self._health.heard, deployment))
        self._alarm = Alarm()
        self._loop = asyncio.get_running_loop()
        self._start_s = self._handed_s = self._loop.time()
        self._deltas = self._provider.send(cleared, clocks)

    async def _piece(self) -> Delta | None:
        """Wait for the next piece. The clocks run only meanwhile: time that the caller takes to read is its own."""
        assert self._deltas is not None
        now_s = self._loop.time()
        self._start_s += now_s - self._handed_s
        until_s = self._start_s + (self._first_s if self._ttft_ms is None else self._total_s)
        if self._ttft_ms is not None and not self._is_whole:
            until_s = min(until_s, now_s + self._step.stall_s)
        self._alarm.set(until_s)
        try:
            delta = await anext(self._deltas, None)
        except asyncio.CancelledError:
            if self._alarm.stop():
                raise self._timeout(now_s) from None
            raise
        self._alarm.stop()
        self._handed_s = self._loop.time()
        if delta is not None:
            if self._ttft_ms is None and (delta.content or delta.finish_reason is not None):
                self._ttft_ms = self._since_ms()
                deployment = self._step.target.deployment
                self._health.answered(deployment, self._ttft_ms, whole=self._is_whole, since_s=self._begun_s)
            self._usage = delta.usage or self._usage
            self._pieces += not delta.usage_only and delta.content
            self._chars += delta.chars
            if delta.usage is None and self._is_whole:
                self._chars += len(delta.payload)  # a whole answer that doesn't say what it used
        return delta

    def _timeout(self, waiting_since_s: float) -> UpstreamTimeout:
        """Say which clock ran out."""
        stall_s = self._step.stall_s
        which, limit_s = "total", self._total_s
        if self._ttft_ms is None and not self._is_whole:
            which, limit_s = "first token", self._first_s
        elif not self._is_whole and waiting_since_s + stall_s < self._start_s + self._total_s:
            which, limit_s = "stall", stall_s
        return UpstreamTimeout(f"{self.target.label}: {which} time of {limit_s:.3g} s is over")

    def _end(self, error: BaseException | None) -> None:
        """It is over; None = it brought a whole answer."""
        if self._is_over:
            return
        self._is_over = True
        self._elapsed_ms = self._since_ms()
        if self._has_place:
            self._slots.give(self._step.target.deployment)
        health, deployment = self._health, self._step.target.deployment
        match error:
            case None:
                self._error_code = None
                health.finished(deployment, self._elapsed_ms, since_s=self._begun_s)
            case RouterError():
                self._error_code = error.code
                self._reached = not isinstance(error, UpstreamConnectTimeout | UpstreamUnreachable)
                if self._is_begun and self._had_too_little(error):
                    health.released(deployment, since_s=self._begun_s)
                elif self._is_begun:
                    health.failed(deployment, error, since_s=self._begun_s)
            case _:
                gone = isinstance(error, asyncio.CancelledError | GeneratorExit)
                left = HEDGED if self.is_beaten else CLIENT_GONE
                self._error_code = left if gone else InternalError.code
                if self._is_begun:
                    waited_ms = self._elapsed_ms if gone and self._ttft_ms is None else None
                    health.released(deployment, since_s=self._begun_s, waited_ms=waited_ms, whole=self._is_whole)

    @property
    def _is_whole(self) -> bool:
        """Whether the answer comes as one piece."""
        return self.cleared is not None and not self.cleared.stream

    def _had_too_little(self, error: RouterError) -> bool:
        """Whether others had used up the request's time, so that being late says nothing of this target."""
        is_late = isinstance(error, UpstreamTimeout) and not isinstance(error, UpstreamConnectTimeout)
        return is_late and not self._is_first and self._total_s < self._step.ttft_s

    def _note(self) -> None:
        """Write the attempt down."""
        if self._is_begun:
            self._alarm.close()
        self._notes.attempted(
            Attempt(
                target=self.target.label,
                group=self.target.group,
                locality=self.target.locality,
                elapsed_ms=self._elapsed_ms,
                ttft_ms=self._ttft_ms,
                error_code=self._error_code,
                usage=self._usage,
                pieces=self._pieces,
                chars=self._chars,
                reached=self._reached,
                sent=self._is_begun,
                queue_ms=self._queue_ms,
                gate=self.gate,
                hedge=self._is_hedge,
                question=self._is_question,
            )
        )

    def _since_ms(self) -> float:
        return (clock.monotonic_s() - self._since_s) * 1000
