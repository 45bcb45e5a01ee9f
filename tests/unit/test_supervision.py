"""What keeps the engine, and the engine host, alive: it outlives a machine that has no room for a process at the moment."""

from __future__ import annotations

import asyncio
import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from local_inference.engines.fake import Config, FakeEngine
from local_inference.supervisor import EngineState, Supervisor
from router.engine_process import EngineProcess

pytestmark = pytest.mark.anyio


def no_room() -> OSError:
    return OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))


class Cramped(FakeEngine):
    """Can't be started the first time."""

    def __init__(self) -> None:
        super().__init__(Config(kind="fake", start_ms=0))
        self.tries = 0

    async def start(self, progress: Callable[[str], None]) -> None:
        self.tries += 1
        if self.tries == 1:
            raise no_room()
        await super().start(progress)


async def test_an_engine_that_the_machine_has_no_room_for_is_started_again() -> None:
    supervisor = Supervisor(Cramped(), lambda: None)
    running = asyncio.create_task(supervisor.run())
    async with asyncio.timeout(10):
        while supervisor.status.state is not EngineState.RESTARTING:
            await asyncio.sleep(0.01)
        assert "Cannot allocate memory" in supervisor.status.detail
        await supervisor.wait_running()
    running.cancel()
    await asyncio.wait((running,))


class CrampedHost(EngineProcess):
    """Starts other children: one that ends at once, then none, then one that stays."""

    starts = 0

    async def _spawn(self) -> None:
        self.starts += 1
        if self.starts == 2:
            raise no_room()
        work = "pass" if self.starts == 1 else "import time; time.sleep(60)"
        self._process = await asyncio.create_subprocess_exec(sys.executable, "-c", work, start_new_session=True)


async def test_an_engine_host_that_the_machine_has_no_room_for_is_started_again_and_ended_with_the_router() -> None:
    said: list[str] = []
    host = CrampedHost(Path("local.yaml"), said.append)
    await host.start()
    async with asyncio.timeout(20):
        while host.starts < 3:
            await asyncio.sleep(0.05)
    assert any("Cannot allocate memory" in line for line in said)
    await host.stop()
