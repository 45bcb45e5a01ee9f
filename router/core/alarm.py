"""Ends a wait that takes too long; made for many waits in a row, of which nearly none does."""

from __future__ import annotations

import asyncio


class Alarm:
    """That of one attempt, or of one answer. `asyncio.timeout` would set a timer for every piece of a stream; this one lets its
    timer run on, and sets it anew only when it rings too early.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._at_s = self._rings_s = 0.0
        self._waiting: asyncio.Task[object] | None = None
        self._cancelling = 0
        self._rang = False

    def set(self, at_s: float) -> None:
        """Cancel this task at a time of the event loop's, unless `stop` comes first."""
        self._waiting = task = asyncio.current_task()
        assert task is not None
        self._cancelling = task.cancelling()
        self._at_s = at_s
        self._rang = False
        if self._timer is None or at_s < self._rings_s:  # a timer's own `when` is rounded
            self._start()

    def stop(self) -> bool:
        """The wait is over; say whether it was this that ended it. To be called once for each `set`."""
        task, self._waiting = self._waiting, None
        # As `asyncio.timeout` does it: somebody else may have cancelled the task as well, and then that counts.
        return self._rang and task is not None and task.uncancel() <= self._cancelling

    def close(self) -> None:
        """Let the timer go."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _start(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings_s = self._at_s
        self._timer = self._loop.call_at(self._at_s, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._waiting is None:
            return
        if self._loop.time() < self._at_s:
            self._start()
            return
        self._rang = True
        self._waiting.cancel()
