"""A cloud in a process of its own, told through its standard input how to behave: one word a line, answered when it does.

A word is any way of `tests.fakes.cloud`, `as-named` (by the model's name), or `refuse` (nobody listens any more), or `flapping` (well and ill in turn, every
`FLAP_S`). `python -m tests.fakes.cloud_process PORT` runs it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import uvloop

from tests.fakes.cloud import Cloud

ROOT = Path(__file__).parents[2]
FLAP_S = 0.1
_FLAPPING = ("http-500", "ok", "reset", "ok")


class CloudProcess:
    """The other end of the pipe."""

    def __init__(self, port: int, process: asyncio.subprocess.Process) -> None:
        self.port = port
        self._process = process

    async def behave(self, how: str) -> None:
        """Returns when it does."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{how}\n".encode())
        assert (await self._process.stdout.readline()).strip() == how.encode()


@asynccontextmanager
async def cloud_process(port: int) -> AsyncGenerator[CloudProcess]:
    """Start one that behaves well."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.fakes.cloud_process", str(port)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        cloud = CloudProcess(port, process)
        await cloud.behave("as-named")
        yield cloud
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _flap(cloud: Cloud) -> None:
    for mode in itertools.cycle(_FLAPPING):
        cloud.mode = mode
        await asyncio.sleep(FLAP_S)


async def _main(port: int) -> None:
    cloud = Cloud()
    cloud.recording = False
    await cloud.start(port)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    listening, flapping = True, None
    while line := (await reader.readline()).decode().strip():
        if flapping is not None:
            flapping.cancel()
            flapping = None
        if line == "refuse":
            await cloud.stop()
            listening = False
        elif not listening:
            await cloud.start(port)
            listening = True
        if line == "flapping":
            flapping = asyncio.create_task(_flap(cloud))
        elif line != "refuse":
            cloud.mode = None if line == "as-named" else line
        os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    uvloop.run(_main(int(sys.argv[1])))
