"""Lets vLLM's processes doze while they wait for each other on a CPU; imported inside vLLM, never by ours.

vLLM's engine and its worker share a buffer, and who waits for the other's message looks at it without pause, until nothing
came for a second. Where the worker computes on the same few cores, that takes a core from its arithmetic and from all
else on the machine. The writer sends a notice with each message anyhow; here the reader waits for that. A notice that
follows another closely can be lost, so it also looks by itself, every millisecond.
Source: vllm/distributed/device_communicators/shm_broadcast.py in 0.32.0.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from typing import Protocol, cast

_MODULE, _CLASS, _WAIT = "vllm.distributed.device_communicators.shm_broadcast", "SpinCondition", "wait"
_DOZE_MS = 1


class Socket(Protocol):
    """What is used of ZeroMQ's."""

    def poll(self, timeout: int) -> int: ...
    def recv(self) -> bytes: ...


class Reader(Protocol):
    """vLLM's `SpinCondition` at the end that reads."""

    last_read: float
    busy_loop_s: float
    local_notify_socket: Socket


Wait = Callable[[Reader, int | None], None]


def doze_between_messages() -> None:
    """Let no reader in this process spin."""
    condition = getattr(importlib.import_module(_MODULE), _CLASS, None)
    if not hasattr(condition, _WAIT):
        raise ImportError(f"{_MODULE}.{_CLASS} has no {_WAIT}; this vLLM is newer than this mending knows")
    setattr(condition, _WAIT, dozing(cast("Wait", getattr(condition, _WAIT))))


def dozing(wait: Wait) -> Wait:
    """Wait as vLLM does, but where it would spin."""

    def doze(reader: Reader, timeout_ms: int | None = None) -> None:
        if time.monotonic() > reader.last_read + reader.busy_loop_s:
            wait(reader, timeout_ms)
        elif reader.local_notify_socket.poll(_DOZE_MS):
            reader.local_notify_socket.recv()

    return doze
