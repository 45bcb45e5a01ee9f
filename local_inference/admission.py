"""The queue in front of the engine: lets requests in as far as fairness says, and refuses in time.

Up to `seats` requests are in the engine: twice what it computes at once, so that its batch is full though requests for
adapters without a slot wait there too; which of those may start is the engine's matter. Who waits here can still be
ordered, refused and cancelled. When the wait to be expected is longer than `max_wait_s`, a request is refused at once
with the time after which to try again; one that has waited that long is refused then.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import msgspec

from router.core.clock import monotonic_s
from router.core.errors import Overloaded, RouterError, SlotsExhausted

_SMOOTHING = 0.1
"""Weight of the newest request in the mean time that requests spend in the engine."""
_CAUTION = 1.5
"""A wait is reckoned so much longer than the mean says: who is let into the queue should be answered, not refused late.
Where the engine's pace wavers by a third within seconds, 1.25 refuses eight times as many late, and answers 0.5 % more."""
_RARE = 4.0
"""After so many times the wait for a gap without one, it isn't waited for: it would delay, and not be found."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What the queue is held to."""

    slots: int
    """Adapters that the engine computes at once."""
    batch: int
    """Requests that it computes at once."""
    seats: int
    """Requests that may be in the engine at once."""
    max_wait_s: float
    max_waiting: int


class Ticket:
    """One request on its way through the queue."""

    __slots__ = ("adapter", "admitted", "since_s", "tenant", "urgent")

    def __init__(self, adapter: str | None, tenant: str, since_s: float, *, urgent: bool) -> None:
        self.adapter = adapter
        self.tenant = tenant
        self.since_s = since_s
        self.urgent = urgent
        """Before all others, whether or not there is a seat, and never refused."""
        self.admitted: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class QueueFacts(msgspec.Struct, frozen=True, kw_only=True):
    """How full it is."""

    running: int
    waiting: int
    seats: int
    expected_wait_s: float
    admitted: int
    """Since the start; so are the next two."""
    refused: int
    expired: int


class Admission:
    """The owner of the queue; all methods run on the event loop. `clock` gives seconds that only grow."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = monotonic_s) -> None:
        self.limits = limits
        self._clock = clock
        self._waiting: list[Ticket] = []
        """Oldest first."""
        self._running: Counter[str | None] = Counter()
        self._of_tenant: Counter[str] = Counter()
        self._service_s: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._idle_until_s = -math.inf
        """When something last was in the engine after a moment of nothing."""
        self._counts = Counter[str]()

    @property
    def running(self) -> int:
        """Requests in the engine."""
        return self._running.total()

    def facts(self) -> QueueFacts:
        """Tell how full the queue is."""
        return QueueFacts(
            running=self.running,
            waiting=len(self._waiting),
            seats=self.limits.seats,
            expected_wait_s=self._expected_s(len(self._waiting)),
            admitted=self._counts["admitted"],
            refused=self._counts["refused"],
            expired=self._counts["expired"],
        )

    @asynccontextmanager
    async def turn(self, adapter: str | None, tenant: str = "", *, urgent: bool = False) -> AsyncGenerator[None]:
        """Wait for a place in the engine and hold it; None = the base model. Cancelling gives it up at any time.

        `urgent` is the host's own work, which callers wait for.

        Raises:
            Overloaded: too much is waiting, or waited too long; says when to try again.
            SlotsExhausted: as above, and it is the adapters' slots that are short.
        """
        ticket = Ticket(adapter, tenant, self._clock(), urgent=urgent)
        if not urgent:
            self._refuse_if_full(ticket)
        self._waiting.append(ticket)
        self._dispatch()
        try:
            await ticket.admitted
        except BaseException:
            self._leave(ticket)
            raise
        entered_s = self._clock()
        try:
            yield
            self._learn(self._clock() - entered_s)  # what was cut short says nothing of how long answers take
        finally:
            self._leave(ticket)

    async def gap(self, timeout_s: float) -> bool:
        """Wait until nothing is in the engine; False = the time is over, or such moments are too rare to wait for."""
        if self._idle.is_set():
            return True
        if self._clock() - self._idle_until_s > _RARE * timeout_s:
            return False
        try:
            await asyncio.wait_for(self._idle.wait(), timeout_s)
        except TimeoutError:
            return False
        return True

    def _refuse_if_full(self, ticket: Ticket) -> None:
        if self.running < self.limits.seats:
            return  # it needn't wait, however few may
        own = sum(one.tenant == ticket.tenant for one in self._waiting)
        tenants = {ticket.tenant, *(one.tenant for one in self._waiting)}
        ahead = min(len(self._waiting), own * len(tenants))  # turns go round the tenants
        expected_s = self._expected_s(ahead)
        if len(self._waiting) >= self.limits.max_waiting or expected_s > self.limits.max_wait_s:
            self._counts["refused"] += 1
            raise self._refusal(ticket, f"the expected wait is {expected_s:.0f} s", expected_s)

    def _refusal(self, ticket: Ticket, why: str, expected_s: float) -> RouterError:
        inside = sum(adapter is not None for adapter in self._running)
        short_of_slots = ticket.adapter is not None and inside > self.limits.slots
        kind = SlotsExhausted if short_of_slots else Overloaded
        what = "more adapters are asked for than fit at once" if short_of_slots else "too many requests are waiting"
        return kind(f"{what}: {why}", retry_after_s=max(1.0, min(expected_s, self.limits.max_wait_s) / 2))

    def _expected_s(self, ahead: int) -> float:
        """Reckon a wait, here and in the engine: `seats` requests take a mean time there together."""
        inside = max(0, self.running - self.limits.batch)
        return (_CAUTION * ahead + inside) / self.limits.seats * (self._service_s or 0.0)

    def _dispatch(self) -> None:
        """Expire, let in; and come back when the next one's time is over."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        # One that was cancelled a moment ago is still in the list: its task hasn't run since.
        self._waiting = [one for one in self._waiting if not one.admitted.done()]
        now_s = self._clock()
        self._expire(now_s)
        while self._waiting:
            chosen = min(self._waiting, key=self._turn_of)
            if self.running >= self.limits.seats and not chosen.urgent:
                break
            self._admit(chosen)
        if ends := [one.since_s + self.limits.max_wait_s for one in self._waiting if not one.urgent]:
            wait_s = max(0.0, min(ends) - now_s) + 0.001
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._dispatch)

    def _turn_of(self, ticket: Ticket) -> tuple[bool, int, float]:
        """Sort tickets: those of the tenant with the fewest requests in the engine, then the oldest."""
        return (not ticket.urgent, self._of_tenant[ticket.tenant], ticket.since_s)

    def _admit(self, ticket: Ticket) -> None:
        self._waiting.remove(ticket)
        self._running[ticket.adapter] += 1
        self._of_tenant[ticket.tenant] += 1
        self._counts["admitted"] += 1
        if self._idle.is_set():
            self._idle.clear()
            self._idle_until_s = self._clock()
        ticket.admitted.set_result(None)

    def _expire(self, now_s: float) -> None:
        for ticket in [one for one in self._waiting if now_s - one.since_s >= self.limits.max_wait_s]:
            if ticket.urgent:
                continue
            self._waiting.remove(ticket)
            self._counts["expired"] += 1
            waited_s = now_s - ticket.since_s
            ticket.admitted.set_exception(self._refusal(ticket, f"waited {waited_s:.0f} s", waited_s))

    def _leave(self, ticket: Ticket) -> None:
        if ticket in self._waiting:
            self._waiting.remove(ticket)
        elif ticket.admitted.done() and not ticket.admitted.cancelled() and ticket.admitted.exception() is None:
            self._free(ticket)
        self._dispatch()

    def _free(self, ticket: Ticket) -> None:
        self._running[ticket.adapter] -= 1
        if not self._running[ticket.adapter]:
            del self._running[ticket.adapter]
        self._of_tenant[ticket.tenant] -= 1
        if not self._of_tenant[ticket.tenant]:
            del self._of_tenant[ticket.tenant]
        if not self._running:
            self._idle.set()

    def _learn(self, elapsed_s: float) -> None:
        mean_s = self._service_s
        self._service_s = elapsed_s if mean_s is None else mean_s + _SMOOTHING * (elapsed_s - mean_s)
