"""The engine host as a child of the router: started, watched, restarted, and never left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from router.core import clock
from router.core.engine_environment import engine_environment

_STOP_S = 15.0
"""How long the child may take to end the engine before it is killed."""

_BACK_OFF_S = (0.5, 1.0, 2.0, 5.0, 10.0)
_STABLE_S = 60.0
"""A child that lived this long starts its back-off anew."""

KEY_VARIABLE = "SONA_ENGINE_KEY"


class EngineProcess:
    """`python -m local_inference` on a private loopback port, with a key that only the router knows."""

    def __init__(self, config: Path, say: Callable[[str], None], environment: Sequence[str] = ()) -> None:
        """`say` shows a line of progress to the person at the terminal; `environment` names further variables it gets."""
        self._config = config
        self._say = say
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None
        self._watcher: asyncio.Task[None] | None = None
        self.key = secrets.token_urlsafe(32)
        self.port = _free_port()

    @property
    def url(self) -> str:
        """Where the child listens."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start the child and watch over it."""
        await self._spawn()
        self._watcher = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """End the child and all that it started; returns when they are gone."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.wait((self._watcher,))
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(_STOP_S):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()

    async def _spawn(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "local_inference",
            "--config",
            str(self._config),
            "--port",
            str(self.port),
            "--api-key",
            f"env:{KEY_VARIABLE}",
            "--exit-with-parent",
            str(os.getpid()),
            env={**engine_environment({**os.environ}, self._environment), KEY_VARIABLE: self.key},
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )

    async def _watch(self) -> None:
        failures, started_s = 0, clock.monotonic_s()
        while True:
            assert self._process is not None
            code = await self._process.wait()
            failures = 0 if clock.monotonic_s() - started_s > _STABLE_S else failures + 1
            pause_s = _BACK_OFF_S[min(failures, len(_BACK_OFF_S) - 1)]
            self._say(f"engine host: ended with code {code}; starting it again in {pause_s:g} s")
            await asyncio.sleep(pause_s)
            started_s = clock.monotonic_s()
            try:
                await self._spawn()
            except OSError as error:  # no memory or no process is left, perhaps only for now
                self._say(f"engine host: it can't be started: {error.strerror}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
