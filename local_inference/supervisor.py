"""Keeps the engine alive: starts it, says how far it is, restarts it with back-off when it ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from enum import StrEnum

import msgspec

from local_inference.ports import Engine
from router.core.clock import monotonic_s
from router.core.errors import Overloaded, UpstreamUnavailable

_log = logging.getLogger(__name__)
_FIRST_DELAY_S, _LONGEST_DELAY_S = 0.5, 30.0
_SAID_EVERY_S = 10
_HEALTHY_AFTER_S = 60.0
"""Having run this long, the next end counts as the first again."""


class EngineState(StrEnum):
    """What the engine is doing."""

    STARTING = "starting"
    RUNNING = "running"
    RESTARTING = "restarting"


class EngineStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The engine's state, for how long, and the phase or the last error."""

    state: EngineState
    since_s: float
    detail: str = ""
    restarts: int = 0


class Supervisor:
    """Owns the engine's life. `on_down` is called as soon as it has ended."""

    def __init__(self, engine: Engine, on_down: Callable[[], None]) -> None:
        self._engine = engine
        self._on_down = on_down
        self._up = asyncio.Event()
        self._failures = 0
        self._said = 0
        self.status = EngineStatus(state=EngineState.STARTING, since_s=monotonic_s())

    @property
    def running(self) -> bool:
        return self._up.is_set()

    async def wait_running(self) -> None:
        await self._up.wait()

    def check(self) -> None:
        """Refuse work while there is no engine.

        Raises:
            Overloaded: it starts or restarts; says since when.
        """
        if not self.running:
            seconds = monotonic_s() - self.status.since_s
            detail = f", {self.status.detail}" if self.status.detail else ""
            raise Overloaded(f"the engine is {self.status.state.value} ({seconds:.0f} s{detail})", retry_after_s=2.0)

    async def run(self) -> None:
        """Start, wait for the end, start again; until cancelled, then stop the engine."""
        try:
            while True:
                started_s = monotonic_s()
                try:
                    await self._engine.start(self._progress)
                    reason = await self._serve(started_s)
                except UpstreamUnavailable as error:
                    reason = error.message
                except OSError as error:  # no memory, process or disk is left, perhaps only for now
                    reason = f"it can't be started: {error.strerror or type(error).__name__}"
                self._up.clear()
                self._on_down()
                await self._engine.stop()
                await self._back_off(reason)
        finally:
            self._up.clear()
            await self._engine.stop()

    async def _serve(self, started_s: float) -> str:
        self._set(EngineState.RUNNING, "")
        _log.info("engine ready seconds=%.1f", monotonic_s() - started_s)
        self._up.set()
        up_s = monotonic_s()
        reason = await self._engine.wait_exit()
        if monotonic_s() - up_s > _HEALTHY_AFTER_S:
            self._failures = 0
        return reason

    async def _back_off(self, reason: str) -> None:
        delay_s = min(_FIRST_DELAY_S * 2**self._failures, _LONGEST_DELAY_S)
        self._failures += 1
        self.status = msgspec.structs.replace(self.status, restarts=self.status.restarts + 1)
        self._set(EngineState.RESTARTING, reason.partition("\n")[0])
        _log.error("engine ended, restart in %.1f s: %s", delay_s, reason)
        await asyncio.sleep(delay_s)

    def _progress(self, phase: str) -> None:
        seconds = monotonic_s() - self.status.since_s
        tens = int(seconds) // _SAID_EVERY_S
        if phase != self.status.detail or tens != self._said:
            _log.info("engine: %s, %d s …", phase, int(seconds))
        self._said = tens
        self.status = msgspec.structs.replace(self.status, detail=phase)

    def _set(self, state: EngineState, detail: str) -> None:
        self.status = msgspec.structs.replace(self.status, state=state, detail=detail, since_s=monotonic_s())
