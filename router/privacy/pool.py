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
from router.privacy.protocol import HEADER, Hello, Job, Reply, Setup, frame

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


BIG_CHARS = 20_000
"""A bigger job never goes to the first of several workers, so that small ones always find one."""
JOB_S, CHAR_S = 0.0001, 5e-7
"""Time that a job takes, and each of its characters at first; what they do take is learnt, within MOST_CHAR_S."""
MOST_CHAR_S = 5e-6
LEARNING = 0.1


class _Pending:
    """A job on its way."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.body = msgspec.msgpack.encode(job)
        self.chars = len(self.body)
        """Its size, which tells how long it takes."""
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
        self.queued_chars = 0
        self._char_s = CHAR_S
        self._free_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it

    def send(self, pending: _Pending) -> None:
        """Queue a job."""
        assert self.transport is not None
        if not self.pending:
            self._free_s = monotonic_s()
        self.pending[pending.job.id] = pending
        self.queued_chars += pending.chars
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
            pending = self.pending.pop(reply.id)
            self.queued_chars -= pending.chars
            self._learn(pending)
            pending.settle(reply)

    def _learn(self, done: _Pending) -> None:
        """Note how long a job took."""
        now_s = monotonic_s()
        char_s = min(max(now_s - self._free_s - JOB_S, 0.0) / done.chars, MOST_CHAR_S)
        self._char_s += LEARNING * (char_s - self._char_s)
        self._free_s = now_s

    def has_time(self, pending: _Pending) -> bool:
        """Say whether a job would be done in time behind those that wait; no job takes longer than it may."""
        if not self.pending:
            return True
        now_s = monotonic_s()
        last = next(reversed(self.pending.values()))
        wait_s = min(
            len(self.pending) * JOB_S + self.queued_chars * self._char_s, max(last.job.deadline_s - now_s, 0.0)
        )
        return now_s + wait_s + JOB_S + pending.chars * self._char_s < pending.job.deadline_s

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

    def __init__(self, setup: Setup, workers: int, max_queue: int) -> None:
        self._setup = msgspec.msgpack.encode(setup)
        self._size = workers
        self._max_queue = max_queue
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

    async def start(self) -> msgspec.Raw:
        """Start the template, fork the workers, then watch over both; return the template's `kit`.

        Raises:
            ConfigError: the template can't load what the configuration asks for.
        """
        hello = await self._start_template()
        self._keeper = asyncio.create_task(self._keep(), name="scan-pool")
        return hello.kit

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
        """Have the least-loaded worker do a job; the reply comes by its deadline, if only to say `deadline`.

        A job that finds too many before it, or couldn't be done in time, is answered `overloaded` at once.
        """
        pending = _Pending(job)
        self._dispatch(pending)
        try:
            async with asyncio.timeout(max(job.deadline_s - monotonic_s(), 0)):
                return await pending.reply
        except TimeoutError:
            return Reply(job.id, "deadline")

    def _dispatch(self, pending: _Pending) -> None:
        waiting = len(self._backlog) + sum(len(worker.pending) for worker in self._workers)
        if waiting >= self._max_queue:
            pending.settle(Reply(pending.job.id, "overloaded"))
        elif self._workers:
            lane = (pending.chars > BIG_CHARS and self._workers[1:]) or self._workers
            worker = min(lane, key=lambda worker: (worker.queued_chars, len(worker.pending)))
            if worker.has_time(pending):
                worker.send(pending)
            else:
                pending.settle(Reply(pending.job.id, "overloaded"))
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
        backlog, self._backlog = self._backlog, []
        for pending in backlog:
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

    async def _start_template(self) -> Hello:
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
            await loop.sock_sendall(ours, frame(self._setup))
            hello = msgspec.msgpack.decode(await _receive(ours), type=Hello)
        except (OSError, EOFError) as error:
            raise ConfigError("privacy: the scan's worker process ended while it was starting") from error
        if hello.error:
            raise ConfigError(f"privacy: the scan can't start: {hello.error}")
        for _ in range(self._size):
            await self._fork()
        while any(worker.pid is None for worker in self._workers):
            await asyncio.sleep(0.001)
        return hello

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


async def _receive(connection: socket.socket) -> bytearray:
    """Read one frame.

    Raises:
        EOFError: the other end closed before.
    """
    length = HEADER.unpack(await _exactly(connection, HEADER.size))[0]
    return await _exactly(connection, length)


async def _exactly(connection: socket.socket, length: int) -> bytearray:
    loop = asyncio.get_running_loop()
    data = bytearray(length)
    left = memoryview(data)
    while left:
        size = await loop.sock_recv_into(connection, left)
        if not size:
            raise EOFError
        left = left[size:]
    return data
