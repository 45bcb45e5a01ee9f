"""Records on their way to something slow: taken at once, written in batches by one thread, never lost unseen."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from router.core.errors import stack_of
from router.core.ports import SinkState

_log = logging.getLogger(__name__)

Record = TypeVar("Record")

BATCH_S = 0.05
"""How long records are collected before they are written; a killed process loses no more than this."""

BATCH_RECORDS = 500
"""The most that is written at once."""

MAX_WAITING = 100_000
"""Records that may wait for a slow or full disk; beyond, the newest are counted as lost."""

_RETRY_S = 0.5
_TICK_S = 1.0


class Outbox(Generic[Record]):
    """A bounded queue and the thread that empties it. What can't be written waits and is tried again."""

    def __init__(
        self,
        name: str,
        write: Callable[[Sequence[Record]], None],
        *,
        tick: Callable[[], None] | None = None,
        close: Callable[[], None],
        required: bool = False,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        """`write`, `tick` and `close` run in the thread alone and may raise OSError. `write` takes a batch wholly or
        not at all; `tick` is called every second or oftener."""
        self._name, self._write, self._tick, self._close = name, write, tick, close
        self._required, self._max_waiting = required, max_waiting
        self._waiting: deque[Record] = deque()
        self._some, self._closing = threading.Event(), threading.Event()
        self._trouble = ""
        self._lost = 0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, record: Record) -> None:
        """Take one record; returns at once."""
        if len(self._waiting) >= self._max_waiting:
            self._lost += 1
            return
        self._waiting.append(record)
        if not self._some.is_set():
            self._some.set()

    @property
    def lost(self) -> int:
        """Records that found the queue full, since the start."""
        return self._lost

    def state(self) -> SinkState:
        """See `core.ports.Sink`."""
        full = "" if len(self._waiting) < self._max_waiting else "records come faster than they can be written"
        trouble = self._trouble or full
        return SinkState(trouble=trouble, waiting=len(self._waiting), lost=self._lost, required=self._required)

    async def aclose(self) -> None:
        """Write what waits, then close."""
        self._closing.set()
        self._some.set()
        await asyncio.to_thread(self._thread.join, 10)

    def _run(self) -> None:
        while not self._closing.is_set():
            self._some.wait(_RETRY_S if self._trouble else _TICK_S)
            # Waking for every record would take the interpreter from the requests each time.
            self._closing.wait(BATCH_S)
            self._some.clear()
            self._try(self._drain)
        self._try(self._drain)
        if self._waiting:
            _log.error("%s: %d records are lost: they could not be written", self._name, len(self._waiting))
        self._try(self._close)

    def _drain(self) -> None:
        while self._waiting:
            batch = [self._waiting[index] for index in range(min(len(self._waiting), BATCH_RECORDS))]
            self._write(batch)
            for _ in batch:
                self._waiting.popleft()
        if self._tick is not None:
            self._tick()

    def _try(self, work: Callable[[], None]) -> None:
        try:
            work()
        except OSError as error:
            if not self._trouble:
                _log.error("%s can't be written, records wait: %s", self._name, error.strerror or error)
            self._trouble = error.strerror or "it can't be written"
        except Exception as error:  # noqa: BLE001 whatever it is, the thread must live, and what waits be tried again
            if not self._trouble:
                _log.error("%s can't be written by a bug of the router\n%s", self._name, stack_of(error))
            self._trouble = "a bug of the router; its log says where"
        else:
            if self._trouble:
                _log.warning("%s can be written again", self._name)
            self._trouble = ""
