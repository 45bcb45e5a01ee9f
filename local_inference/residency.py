"""Where adapters' weights are, as the engine last told, what they cost to load, and who uses them: a record, no I/O."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Set
from contextlib import asynccontextmanager

from local_inference.eviction import Rehearsal, Uses, worth
from local_inference.ports import Memory
from router.core.errors import AdapterNotReady


class Residency:
    """What is where, how often it is used, and the running requests of each adapter (leases)."""

    def __init__(
        self, *, device_slots: int, host_slots: int, is_pinned: Callable[[str], bool] = lambda id: False
    ) -> None:
        """`is_pinned` says which ids are to be kept in memory, and on the device where a slot is left for others."""
        self.device_slots = device_slots
        self.host_slots = max(host_slots, device_slots)
        self.memory = Memory()
        self.load_ms: dict[str, float] = {}
        """From disk onto the device, as measured."""
        self.activate_ms: dict[str, float] = {}
        """From host memory onto the device, as measured."""
        self._is_pinned = is_pinned
        self._uses = Uses()
        self._host_rehearsal = Rehearsal(self.host_slots)
        self._device_rehearsal = Rehearsal(self.device_slots)
        self._leases: dict[str, set[asyncio.Timeout]] = {}

    def expected(self, id: str) -> None:
        """Note that an adapter is about to come onto the device; what the engine tells next overrides it.

        Where nothing could be chosen to make room, an engine lets the least recently used go.
        """
        memory = self.memory
        host = (*(one for one in memory.host if one != id), id)[-max(1, self.host_slots - memory.unnamed) :]
        device = (*(one for one in memory.device if one != id and one in host), id)[-self.device_slots :]
        self.memory = Memory(host=host, device=device, unnamed=memory.unnamed)

    def told(self, memory: Memory) -> None:
        """Take what the engine says it holds."""
        self.memory = memory

    def touched(self, id: str) -> None:
        """Note that an adapter was loaded or asked for."""
        self._uses.used(id)
        self._host_rehearsal.used(id, self._uses, self.load_ms)
        self._device_rehearsal.used(id, self._uses, self.activate_ms)

    def unloaded(self, id: str) -> None:
        """Note that an adapter is gone for good."""
        for record in (self._uses, self._host_rehearsal, self._device_rehearsal):
            record.forget(id)
        self.load_ms.pop(id, None)
        self.activate_ms.pop(id, None)

    def engine_restarted(self) -> None:
        """Note that everything the engine held is gone. Leases end by themselves; how often it was used still counts."""
        self.memory = Memory()

    def where(self, id: str) -> str:
        """Say `device`, `host` or `disk`."""
        if id in self.memory.device:
            return "device"
        return "host" if id in self.memory.host else "disk"

    def need(self, id: str) -> float:
        """Say how much it would cost to be without an adapter; for what to load first, and what to give up last."""
        return worth(id, self._uses.long, self.load_ms)

    def to_evict(self, id: str) -> str | None:
        """Choose who leaves host memory so that an adapter fits in; None = it is there, or there is room."""
        full = len(self.memory.host) + self.memory.unnamed >= self.host_slots
        if id in self.memory.host or not full:
            return None
        kept = self._kept(self.memory.host, self.host_slots)
        leaving = [id for id in self._idle(self.memory.host) if id not in kept]
        return self._host_rehearsal.rule(leaving, self._uses, self.load_ms) if leaving else None

    def to_vacate(self, id: str) -> str | None:
        """Choose who leaves the device so that an adapter fits in; None = it is there, or there is room or no choice."""
        device = self.memory.device
        idle = self._idle(device)
        if id in device or len(device) < self.device_slots or len(idle) < 2:
            return None
        kept = self._kept(device, self.device_slots)
        leaving = [id for id in idle if id not in kept]
        return self._device_rehearsal.rule(leaving, self._uses, self.activate_ms) if leaving else None

    def to_fetch(self) -> str | None:
        """Choose a pinned adapter that memory lacks, or the device though it has room."""
        memory = self.memory
        pinned = [id for id in self.load_ms if self._is_pinned(id)]
        lost = [id for id in pinned if id not in memory.host]
        if lost and len(pinned) - len(lost) < self.host_slots - 1:
            return lost[0]
        apart = [id for id in pinned if id in memory.host and id not in memory.device]
        there = sum(self._is_pinned(id) for id in memory.device)
        room = len(memory.device) < self.device_slots and there < self.device_slots - 1
        return apart[0] if apart and room else None

    def _kept(self, among: tuple[str, ...], slots: int) -> Set[str]:
        """Pick the pinned ones, those worth most, so many that one slot is left for the others."""
        pinned = sorted((id for id in among if self._is_pinned(id)), key=self.need, reverse=True)
        return dict.fromkeys(pinned[: slots - 1]).keys()

    def _idle(self, among: tuple[str, ...]) -> Set[str]:
        """Pick those that nobody uses, in their order."""
        return dict.fromkeys(id for id in among if not self._leases.get(id)).keys()

    @asynccontextmanager
    async def lease(self, id: str) -> AsyncGenerator[None]:
        """Hold an adapter for one request: it isn't unloaded meanwhile, unless it is revoked.

        Raises:
            AdapterNotReady: it was revoked.
        """
        self.touched(id)
        held = asyncio.timeout(None)
        try:
            async with held:
                leases = self._leases.setdefault(id, set())
                leases.add(held)
                try:
                    yield
                finally:
                    leases.discard(held)
                    if not leases:
                        self._leases.pop(id, None)
        except TimeoutError:
            if not held.expired():
                raise
            raise AdapterNotReady(f"'{id}' was removed while it answered", retry_after_s=1.0) from None

    def leases(self, id: str) -> int:
        """Count the requests that use an adapter now."""
        return len(self._leases.get(id, ()))

    def revoke(self, id: str) -> int:
        """Cut off all requests that use an adapter; return how many."""
        now = asyncio.get_running_loop().time()
        held = tuple(self._leases.get(id, ()))
        for one in held:
            one.reschedule(now)
        return len(held)
