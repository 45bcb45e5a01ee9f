"""Places at deployments that take only so many attempts at a time, and the short, fair queues for them."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, defaultdict, deque
from collections.abc import Mapping

import msgspec

from router.config.schema import ModelConfig
from router.core.errors import DeploymentBusy


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """How many attempts a deployment takes, and how many may wait for how long."""

    concurrency: int
    queue: int
    queue_s: float


def limits(models: Mapping[str, ModelConfig]) -> dict[str, Limit]:
    """Read the limits of all deployments that have one; one that stands in several groups has the least of them."""
    found: dict[str, Limit] = {}
    for row in (row for model in models.values() for row in model.deployments):
        name = f"{row.provider}/{row.model}"
        if row.concurrency is not None and (name not in found or row.concurrency < found[name].concurrency):
            found[name] = Limit(concurrency=row.concurrency, queue=row.queue, queue_s=row.queue_s)
    return found


class Slots:
    """Lives on the event loop; no locks needed. What has no limit is only counted."""

    def __init__(self, limits: Mapping[str, Limit] | None = None) -> None:
        """`limits` by deployment."""
        self._limits = dict(limits or {})
        self._in_flight: defaultdict[str, int] = defaultdict(int)
        self._queues = {deployment: _Queue() for deployment in self._limits}

    def in_flight(self, deployment: str) -> int:
        """How many attempts are under way there."""
        return self._in_flight.get(deployment, 0)

    def queued(self, deployment: str) -> int:
        """How many wait for a place there."""
        queue = self._queues.get(deployment)
        return len(queue) if queue is not None else 0

    def take(self, deployment: str) -> bool:
        """Take a place if one is free and nobody waits for it."""
        limit = self._limits.get(deployment)
        if limit is not None and (self._in_flight[deployment] >= limit.concurrency or self._queues[deployment]):
            return False
        self._in_flight[deployment] += 1
        return True

    async def wait(self, deployment: str, tenant: str, patience_s: float) -> None:
        """Take a place when one gets free: tenants take turns, each tenant's requests go in the order they came.

        Raises:
            DeploymentBusy: too many wait already, or none got free in time.
        """
        limit, queue = self._limits[deployment], self._queues[deployment]
        within_s = min(limit.queue_s, patience_s)
        if len(queue) >= limit.queue or within_s <= 0:
            raise DeploymentBusy(f"{deployment}: {self._state(deployment)}", retry_after_s=limit.queue_s)
        place = queue.join(tenant)
        try:
            async with asyncio.timeout(within_s):
                await place
        except TimeoutError:
            if self._has(place):
                return
            message = f"{deployment}: no place got free within {within_s:.3g} s; {self._state(deployment)}"
            raise DeploymentBusy(message, retry_after_s=limit.queue_s) from None
        except asyncio.CancelledError:
            if self._has(place):
                self.give(deployment)
            raise
        finally:
            queue.leave(tenant, place)

    def give(self, deployment: str) -> None:
        """Give a place back; who waits longest of the tenant whose turn it is gets it."""
        queue = self._queues.get(deployment)
        if queue is None or not queue.pass_on():
            self._in_flight[deployment] -= 1

    def _state(self, deployment: str) -> str:
        limit = self._limits[deployment]
        return f"{limit.concurrency} attempts under way, {self.queued(deployment)} waiting"

    @staticmethod
    def _has(place: asyncio.Future[None]) -> bool:
        """Whether it was given after all, in the moment in which the wait for it ended."""
        return place.done() and not place.cancelled()


class _Queue:
    """Who waits for one deployment."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        """By tenant, in the order in which it is their turn."""

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def join(self, tenant: str) -> asyncio.Future[None]:
        """Stand in line; the future is done when the place is there."""
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(tenant, deque()).append(place)
        return place

    def leave(self, tenant: str, place: asyncio.Future[None]) -> None:
        """Give up; nothing happens to who has got the place."""
        line = self._waiting.get(tenant)
        if line is not None and place in line:
            line.remove(place)
            if not line:
                del self._waiting[tenant]

    def pass_on(self) -> bool:
        """Give a place to the next; False = nobody waits."""
        while self._waiting:
            tenant, line = self._waiting.popitem(last=False)
            place = line.popleft()
            if line:
                self._waiting[tenant] = line  # behind the others now
            if not place.done():
                place.set_result(None)
                return True
        return False
