"""Hands finished requests to every sink; a sink that fails never fails a request, unless it is required."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from router.core.errors import RecordUnavailable, stack_of
from router.core.ports import Sink, SinkState
from router.record.trace import Trace

_log = logging.getLogger(__name__)


class Recorder:
    """The sinks by their names."""

    def __init__(self, sinks: Mapping[str, Sink]) -> None:
        self._sinks = dict(sinks)

    def admit(self) -> None:
        """Let a request in only if what must be recorded of it can be.

        Raises:
            RecordUnavailable: a required sink can't write.
        """
        for name, sink in self._sinks.items():
            state = sink.state()
            if state.required and state.trouble:
                raise RecordUnavailable(f"the required record '{name}' can't be written; the router's log says why")

    def record(self, trace: Trace) -> None:
        """Sum up a finished request and write it to every sink."""
        outcome = trace.outcome()
        for sink in self._sinks.values():
            try:
                sink.write(outcome)
            except Exception as error:  # noqa: BLE001 whatever a sink does wrong, the answer is already out
                _log.error("a record sink failed\n%s", stack_of(error))

    def states(self) -> dict[str, SinkState]:
        """How each sink is doing, by its name."""
        return {name: sink.state() for name, sink in self._sinks.items()}

    async def aclose(self) -> None:
        """Flush and close all sinks."""
        for sink in self._sinks.values():
            await sink.aclose()
