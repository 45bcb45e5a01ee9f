"""What vLLM's workers tell of adapters in memory and do with them; imported by its worker processes, never by ours.

vLLM mixes `AdapterSlots` into its worker class (`--worker-extension-cls`); `_vllm_admin` calls the methods over vLLM's
own RPC. They run between two steps of the engine. vLLM keeps two LRU caches: adapters in host memory, and those of them
that are on the device. Its own calls list the first and free both; these here see and free the second alone.
Source: vllm/lora/model_manager.py and vllm/utils/cache.py in 0.32.0.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Protocol


class Cache(Protocol):
    """vLLM's LRU cache, keyed by its number of an adapter."""

    @property
    def order(self) -> Mapping[int, None]:
        """Keys, least recently used first."""
        ...

    def pop(self, key: int, default: None) -> object: ...


class Manager(Protocol):
    """Owner of the two caches."""

    _registered_adapters: Cache
    _active_adapters: Cache

    def activate_adapter(self, lora_id: int) -> bool: ...


class WorkerManager(Protocol):
    _adapter_manager: Manager


class Runner(Protocol):
    lora_manager: WorkerManager


class AdapterSlots:
    """Mixed into vLLM's worker; its methods' names must not be among the worker's own."""

    model_runner: Runner

    def adapter_slots(self) -> dict[str, list[int]]:
        """List the numbers of adapters in host memory and of those on the device, least recently used first."""
        manager = self._slot_manager()
        return {"host": list(manager._registered_adapters.order), "device": list(manager._active_adapters.order)}  # pyright: ignore[reportPrivateUsage]

    def free_adapter_slot(self, number: int) -> bool:
        """Take an adapter off the device; it stays in host memory. False = it wasn't there."""
        active = self._slot_manager()._active_adapters  # pyright: ignore[reportPrivateUsage]
        if number not in active.order:
            return False
        active.pop(number, None)
        return True

    def time_adapter_slot(self, number: int) -> float:
        """Move an adapter that is in host memory to the device anew; return how long that took, in ms."""
        manager = self._slot_manager()
        self.free_adapter_slot(number)
        started_s = time.perf_counter()
        manager.activate_adapter(number)
        return (time.perf_counter() - started_s) * 1000

    def _slot_manager(self) -> Manager:
        return self.model_runner.lora_manager._adapter_manager  # pyright: ignore[reportPrivateUsage]
