"""A PostgreSQL server for tests: a cluster of its own in a temporary folder, which can be ended, started and frozen."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.fakes.stack import START_S, children, free_port

USER = "postgres"
"""Superuser of the cluster, and the account it runs under where tests run as root, which PostgreSQL refuses."""

SETTINGS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off", "max_connections=40")
"""What a cluster that nobody needs tomorrow can do without."""


def programs() -> Path:
    """Folder of `initdb` and `postgres`: the newest of Debian's, else what the path leads to."""
    folders = [found.parent for found in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if folders:
        return max(folders, key=lambda folder: float(folder.parent.name))
    found = shutil.which("initdb")
    if found is None:
        raise RuntimeError("these tests need PostgreSQL: apt-get install --no-install-recommends postgresql")
    return Path(found).resolve().parent


class Postgres:
    """A server; it keeps its port and its data when it is ended and started again."""

    def __init__(self, folder: Path) -> None:
        self._programs = programs()
        self._folder = folder
        self._data = folder / "data"
        self._log = folder / "postgres.log"
        self._port = free_port()
        self._server: asyncio.subprocess.Process | None = None
        self.url = f"postgresql://{USER}@127.0.0.1:{self._port}/postgres"

    async def make(self) -> None:
        """Make the cluster."""
        if os.geteuid() == 0:
            shutil.chown(self._folder, USER, USER)
        options = ("--no-sync", "--no-instructions", "--auth=trust", "--encoding=UTF8", "--locale=C")
        made = await self._run("initdb", *options, f"--username={USER}", f"--pgdata={self._data}")
        if await made.wait() != 0:
            raise RuntimeError(f"initdb failed: {self._log.read_text()[-2000:]}")

    async def start(self) -> None:
        """Start the server, and wait until it takes connections."""
        settings = [f"--{setting}" for setting in SETTINGS]
        where = ("-D", str(self._data), "-k", str(self._folder), "-h", "127.0.0.1", "-p", str(self._port))
        self._server = await self._run("postgres", *where, *settings)
        async with asyncio.timeout(START_S):
            while await (await self._run("pg_isready", "-h", "127.0.0.1", "-p", str(self._port))).wait() != 0:
                if self._server.returncode is not None:
                    raise RuntimeError(f"postgres ended: {self._log.read_text()[-2000:]}")
                await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """End the server at once, connections too; without effect on one that has ended."""
        if self._server is None or self._server.returncode is not None:
            return
        await self.resume()
        self._server.send_signal(signal.SIGINT)  # "fast": roll back, disconnect, end
        await self._server.wait()

    async def pause(self) -> None:
        """Freeze all its processes: the port takes connections, and nothing ever answers."""
        self._signal(signal.SIGSTOP)

    async def resume(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._server is not None
        # The parent first, so that a frozen one has no new children meanwhile.
        for pid in (self._server.pid, *children(self._server.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    async def _run(self, program: str, *arguments: str) -> asyncio.subprocess.Process:
        account = USER if os.geteuid() == 0 else None
        with self._log.open("ab") as out:
            return await asyncio.create_subprocess_exec(
                self._programs / program,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=self._folder,
                user=account,
                group=account,
                extra_groups=() if account else None,
            )


@asynccontextmanager
async def postgres() -> AsyncGenerator[Postgres]:
    """Make and start a cluster; end it and remove its folder.

    The folder isn't one of pytest's: those are closed to the account that the server runs under.
    """
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        server = Postgres(Path(folder))
        await server.make()
        try:
            await server.start()
            yield server
        finally:
            await server.stop()
