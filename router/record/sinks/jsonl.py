"""One JSON line a request in `decisions.jsonl`, written by a thread of its own so that no request waits."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import threading
from pathlib import Path

import msgspec

from router.core.types import Outcome

FILE = "decisions.jsonl"

_log = logging.getLogger(__name__)
_MAX_WAITING = 100_000
"""Outcomes that may wait for a slow disk; beyond, the newest are dropped and counted."""


def _plain(value: object) -> object:
    return str(value)


class JsonLines:
    """The sink. Records of one folder are appended; a full disk is logged, and never stops a request."""

    def __init__(self, folder: Path) -> None:
        """Open the file.

        Raises:
            OSError: the folder can't be made or the file not opened.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / FILE).open("ab")
        self._queue: queue.SimpleQueue[Outcome | None] = queue.SimpleQueue()
        self._encoder = msgspec.json.Encoder(enc_hook=_plain, decimal_format="string")
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="decision-records", daemon=True)
        self._thread.start()

    def write(self, outcome: Outcome) -> None:
        """See `core.ports.Sink`."""
        if self._queue.qsize() >= _MAX_WAITING:
            self.dropped += 1
            return
        self._queue.put(outcome)

    async def aclose(self) -> None:
        """Write what waits, then close."""
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join, 10)

    def _run(self) -> None:
        with self._file:
            while (outcome := self._queue.get()) is not None:
                lines = [self._encoder.encode(outcome)]
                last = False
                with contextlib.suppress(queue.Empty):
                    while len(lines) < 1000 and not last:
                        following = self._queue.get_nowait()
                        last = following is None
                        if following is not None:
                            lines.append(self._encoder.encode(following))
                self._append(b"\n".join(lines) + b"\n")
                if last:
                    return

    def _append(self, data: bytes) -> None:
        try:
            self._file.write(data)
            self._file.flush()
        except OSError as error:
            self.dropped += data.count(b"\n")
            _log.error("decision records can't be written: %s", error)


def build(folder: Path) -> JsonLines:
    """Build the sink that writes under `folder`."""
    return JsonLines(folder)
