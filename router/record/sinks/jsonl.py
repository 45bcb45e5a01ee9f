"""One JSON line a request in `decisions.jsonl`, written by a thread of its own so that no request waits."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from pathlib import Path

import msgspec

from router.core.types import Outcome

FILE = "decisions.jsonl"

_log = logging.getLogger(__name__)
_MAX_WAITING = 100_000
"""Outcomes that may wait for a slow disk; beyond, the newest are dropped and counted."""

_BATCH_S = 0.05
"""How long records are collected before they are written; a killed process loses no more than this."""


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
        self._waiting: deque[Outcome] = deque()
        self._some = threading.Event()
        self._closing = threading.Event()
        self._encoder = msgspec.json.Encoder(enc_hook=_plain, decimal_format="string")
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="decision-records", daemon=True)
        self._thread.start()

    def write(self, outcome: Outcome) -> None:
        """See `core.ports.Sink`."""
        if len(self._waiting) >= _MAX_WAITING:
            self.dropped += 1
            return
        self._waiting.append(outcome)
        if not self._some.is_set():
            self._some.set()

    async def aclose(self) -> None:
        """Write what waits, then close."""
        self._closing.set()
        self._some.set()
        await asyncio.to_thread(self._thread.join, 10)

    def _run(self) -> None:
        with self._file:
            while not self._closing.is_set():
                self._some.wait()
                # Waking for every record would take the interpreter from the requests each time.
                self._closing.wait(_BATCH_S)
                self._some.clear()
                self._drain()
            self._drain()

    def _drain(self) -> None:
        while self._waiting:
            count = min(len(self._waiting), 500)
            lines = [self._encoder.encode(self._waiting.popleft()) for _ in range(count)]
            self._append(b"\n".join(lines) + b"\n")

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
