"""The router's side of the scan workers: spreads jobs, replaces the dead and the stuck, knows nothing of detection."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import cast

import msgspec

from router.core.clock import monotonic_s
from router.core.errors import ConfigError
from router.privacy.protocol import HEADER, Hello, Job, Reply, frame

WATCH_S = 0.05
GRACE_S = 0.1
"""A worker that holds a job this long (or its own allowance again) past its deadline is stuck and gets killed."""
RESTART_S = 1.0
"""Pause before a template process that died is started again."""

WORKER_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1",
}  # fmt: skip
"""One thread per process, and no engine asks the network for anything."""


class _Pending:
    """A job on its way."""

    def __init__(self, job: Job, body: bytes) -> None:
        self.job = job
        self.body = body
        self.stuck_s = job.deadline_s + max(GRACE_S, job.deadline_s - monotonic_s())
        self.reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

    def settle(self, reply: Reply) -> None:
        if not self.reply.done():
            self.reply.set_result(reply)


class _Worker(asyncio.Protocol):
    """One worker's socket; jobs are answered in the order they were sent."""

    def __init__(self, lost: Callable[[_Worker], None]) -> None:
        self._lost = lost
        self._buffer = bytearray()
        self._decode = msgspec.msgpack.Decoder(Reply).decode
        self.transport: asyncio.Transport | None = None
        self.pid: int | None = None
        self.pending: dict[int, _Pending] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it

    def send(self, pending: _Pending) -> None:
        """Queue a job."""
        assert self.transport is not None
        self.pending[pending.job.id] = pending
        self.transport.write(frame(pending.body))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= HEADER.size:
            end = HEADER.size + HEADER.unpack_from(self._buffer)[0]
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[HEADER.size : end])
            del self._buffer[:end]
            if self.pid is None:
                self.pid = msgspec.msgpack.decode(body, type=Hello).pid
                continue
            reply = self._decode(body)
            self.pending.pop(reply.id).settle(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost(self)

    @property
    def stuck(self) -> bool:
        """Whether the job in hand is long past its deadline."""
        return any(monotonic_s() > head.stuck_s for head in list(self.pending.values())[:1])

    def kill(self) -> None:
        """End the process, whatever it does; `connection_lost` follows."""
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        elif self.transport is not None:
            self.transport.abort()


class Pool:
    """N worker processes, forked from one template process that has everything loaded."""

    def __init__(self, config: bytes, workers: int) -> None:
        self._config = config
        self._size = workers
        self._workers: list[_Worker] = []
        self._template: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._forks: set[asyncio.Task[None]] = set()
        self._backlog: list[_Pending] = []
        self._closing = False

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids of the workers that have reported."""
        return tuple(worker.pid for worker in self._workers if worker.pid is not None)

    @property
    def ready(self) -> bool:
        """Whether a job would find a worker."""
        return bool(self._workers)

    async def start(self) -> None:
        """Start the template, fork the workers, then watch over both.

        Raises:
            ConfigError: the template can't load what the configuration asks for.
        """
        await self._start_template()
        self._keeper = asyncio.create_task(self._keep(), name="scan-pool")

    async def aclose(self) -> None:
        """End every process; jobs on their way are answered `worker_died`."""
        self._closing = True
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, *self._forks, return_exceptions=True)
        for worker in list(self._workers):
            worker.kill()
        while self._workers:
            await asyncio.sleep(0.005)
        for pending in self._backlog:
            pending.settle(Reply(pending.job.id, "worker_died"))
        await self._end_template()

    async def run(self, job: Job) -> Reply:
        """Have the least-loaded worker do a job; the reply comes by its deadline, if only to say `deadline`."""
        pending = _Pending(job, msgspec.msgpack.encode(job))
        self._dispatch(pending)
        try:
            async with asyncio.timeout(max(job.deadline_s - monotonic_s(), 0)):
                return await pending.reply
        except TimeoutError:
            return Reply(job.id, "deadline")

    def _dispatch(self, pending: _Pending) -> None:
        if self._workers:
            min(self._workers, key=lambda worker: len(worker.pending)).send(pending)
        elif self._forks:
            self._backlog.append(pending)
        else:
            pending.settle(Reply(pending.job.id, "worker_died"))

    def _lost(self, worker: _Worker) -> None:
        """Fail the job the worker died on, fork a new worker, and hand it the jobs that waited behind."""
        self._workers.remove(worker)
        for head in list(worker.pending.values())[:1]:
            head.settle(Reply(head.job.id, "worker_died"))
        self._backlog += list(worker.pending.values())[1:]
        if not self._closing:
            task = asyncio.create_task(self._refork())
            self._forks.add(task)
            task.add_done_callback(self._forks.discard)

    async def _refork(self) -> None:
        with contextlib.suppress(OSError):  # the template is gone too; `_keep` sees to it
            await self._fork()
        waiting, self._backlog = self._backlog, []
        for pending in waiting:
            if self._workers:
                self._dispatch(pending)
            else:
                pending.settle(Reply(pending.job.id, "worker_died"))

    async def _fork(self) -> None:
        """Have the template fork a worker; jobs may be sent to it before it runs."""
        if self._control is None:
            raise OSError("no template process")
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(self._control, [b"F"], [theirs.fileno()])
            except OSError:
                ours.close()
                raise
        ours.setblocking(False)
        loop = asyncio.get_running_loop()
        _, worker = await loop.create_unix_connection(lambda: _Worker(self._lost), sock=ours)
        self._workers.append(worker)

    async def _start_template(self) -> None:
        ours, theirs = socket.socketpair()
        program = (
            f"import sys; sys.path[:] = {sys.path!r}; from router.privacy.worker import main; main({theirs.fileno()})"
        )
        with theirs:
            self._template = subprocess.Popen(  # noqa: ASYNC220  returns at once; a child watcher would buy nothing
                [sys.executable, "-c", program],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                env={**os.environ, **WORKER_ENVIRONMENT},
            )
        ours.setblocking(False)
        self._control = ours
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_sendall(ours, frame(self._config))
            hello = msgspec.msgpack.decode(await _receive(ours), type=Hello)
        except (OSError, EOFError) as error:
            raise ConfigError("privacy: the scan's worker process ended while it was starting") from error
        if hello.error:
            raise ConfigError(f"privacy: the scan can't start: {hello.error}")
        for _ in range(self._size):
            await self._fork()
        while any(worker.pid is None for worker in self._workers):
            await asyncio.sleep(0.001)

    async def _end_template(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        while self._template is not None and self._template.poll() is None:
            await asyncio.sleep(0.01)
        self._template = None

    async def _keep(self) -> None:
        """Kill stuck workers; bring the template back if it died."""
        while True:
            await asyncio.sleep(WATCH_S)
            for worker in [worker for worker in self._workers if worker.stuck]:
                worker.kill()
            if self._template is not None and self._template.poll() is not None:
                await self._end_template()
            if self._template is None:
                try:
                    await self._start_template()
                except (ConfigError, OSError):
                    await self._end_template()
                    await asyncio.sleep(RESTART_S)


async def _receive(connection: socket.socket) -> bytes:
    """Read one frame.

    Raises:
        EOFError: the other end closed before.
    """
    loop = asyncio.get_running_loop()
    data = b""
    while len(data) < HEADER.size or len(data) < HEADER.size + HEADER.unpack_from(data)[0]:
        more = await loop.sock_recv(connection, 4096)
        if not more:
            raise EOFError
        data += more
    return data[HEADER.size :]
