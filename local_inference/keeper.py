"""Keeps the engine's memory as the eviction policy wants it, and what is known of it true; the owner around both."""

from __future__ import annotations

import asyncio
import logging

from local_inference.ports import Engine
from local_inference.residency import Residency
from local_inference.supervisor import Supervisor
from router.core.errors import UpstreamError, UpstreamUnavailable

_log = logging.getLogger(__name__)
_INTERVAL_S = 0.25
"""The engine is asked at most this often, and only after something was asked of it."""


class Keeper:
    """Asks the engine what it holds, and makes room before it would make some itself, by age alone."""

    def __init__(self, engine: Engine, residency: Residency, supervisor: Supervisor) -> None:
        self._engine = engine
        self._residency = residency
        self._supervisor = supervisor
        self._stale = asyncio.Event()
        self._change = asyncio.Lock()
        self.evictions = 0

    def stale(self) -> None:
        """Note that the engine's memory may have changed."""
        self._stale.set()

    async def run(self) -> None:
        """Refresh what is known until cancelled."""
        while True:
            await self._stale.wait()
            await self._supervisor.wait_running()
            await self.refresh()
            await self._fetch_pinned()
            await asyncio.sleep(_INTERVAL_S)

    async def refresh(self) -> None:
        """Ask the engine now; if it is gone, nothing changes."""
        self._stale.clear()
        try:
            self._residency.told(await self._engine.memory())
        except UpstreamUnavailable:
            return  # the supervisor notices, and says that all is gone

    def loaded(self, id: str, load_ms: float) -> None:
        """Note what a load cost, and that the adapter is on the device now."""
        self._residency.load_ms[id] = load_ms
        self._residency.expected(id)
        self.stale()

    async def measure(self, id: str) -> None:
        """Measure what the way from host memory to the device costs."""
        try:
            activate_ms = await self._engine.activation_ms(id)
        except UpstreamError:
            return  # the engine went, or can't say
        if activate_ms is not None:
            self._residency.activate_ms[id] = activate_ms
        self.stale()

    async def make_room(self, id: str) -> None:
        """See to it that loading or activating an adapter pushes out what is worth least."""
        residency = self._residency
        if residency.where(id) == "device":
            return
        async with self._change:
            if residency.where(id) == "device":
                return  # another request for it was here meanwhile
            for choose, from_host in ((residency.to_evict, True), (residency.to_vacate, False)):
                if (chosen := choose(id)) is not None:
                    await self._evict(chosen, from_host=from_host)
            residency.expected(id)
        self.stale()

    async def _fetch_pinned(self) -> None:
        """Bring a pinned adapter back that went: pinned only now, or pushed out where nothing else could go."""
        id = self._residency.to_fetch()
        if id is None:
            return
        await self.make_room(id)
        try:
            await self._engine.fetch(id)
        except UpstreamError as error:
            _log.info("pinned adapter not fetched id=%s: %s", id, error.message)
            return
        _log.info("pinned adapter fetched id=%s", id)
        self.stale()

    async def _evict(self, id: str, *, from_host: bool) -> None:
        try:
            await self._engine.evict(id, from_host=from_host)
        except UpstreamError as error:  # then the engine makes room itself
            _log.info("adapter not evicted id=%s: %s", id, error.message)
            return
        self.evictions += 1
        await self.refresh()
