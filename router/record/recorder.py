"""Hands finished requests to every sink; a sink that fails never fails a request."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from router.core.ports import Sink
from router.record.trace import Trace

_log = logging.getLogger(__name__)


class Recorder:
    """The list of sinks."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = tuple(sinks)

    def record(self, trace: Trace) -> None:
        """Sum up a finished request and write it to every sink."""
        outcome = trace.outcome()
        for sink in self._sinks:
            try:
                sink.write(outcome)
            except Exception:  # noqa: BLE001 whatever a sink does wrong, the answer is already out
                _log.exception("a record sink failed")

    async def aclose(self) -> None:
        """Flush and close all sinks."""
        for sink in self._sinks:
            await sink.aclose()
