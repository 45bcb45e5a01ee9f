"""Where adapters' weights are, as far as can be told from outside the engine, and who uses them: a pure record.

An engine keeps the `host_slots` least recently left adapters in memory and the last `device_slots` of them on the
device. Unloading makes it forget a name only; the weights stay until others push them out, so they still count here.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Generator
from contextlib import contextmanager


class Residency:
    """An LRU of the engine's slots, and the number of running requests of each adapter (leases)."""

    def __init__(self, *, device_slots: int, host_slots: int) -> None:
        self._device_slots = device_slots
        self._host_slots = max(host_slots, device_slots)
        self._order: OrderedDict[str, None] = OrderedDict()
        self._leases: Counter[str] = Counter()
        self._ghosts = 0

    def touched(self, id: str) -> None:
        """Note that an adapter was loaded or asked for."""
        self._order[id] = None
        self._order.move_to_end(id)
        while len(self._order) > self._host_slots:
            self._order.popitem(last=False)

    def unloaded(self, id: str) -> None:
        """Note that the engine forgot the name; the weights stay where they are in the order."""
        if id in self._order:
            self._ghosts += 1
            self._order = OrderedDict((f"{id}#{self._ghosts}" if key == id else key, None) for key in self._order)

    def engine_restarted(self) -> None:
        """Note that everything the engine held is gone. Leases end by themselves."""
        self._order.clear()

    def where(self, id: str) -> str:
        """Say `device`, `host` or `disk`."""
        if id not in self._order:
            return "disk"
        newer = list(reversed(self._order)).index(id)
        return "device" if newer < self._device_slots else "host"

    @contextmanager
    def lease(self, id: str) -> Generator[None]:
        """Hold an adapter for one request: it isn't unloaded meanwhile."""
        self.touched(id)
        self._leases[id] += 1
        try:
            yield
        finally:
            self._leases[id] -= 1
            if not self._leases[id]:
                del self._leases[id]

    def leases(self, id: str) -> int:
        """Count the requests that use an adapter now."""
        return self._leases[id]
