"""The scan's processes: a template that loads everything once, and workers forked from it in milliseconds.

The template listens on a control socket: each message is `F` with a socket attached; it forks a worker that serves
that socket. It ends when the router's end closes; its workers end with it.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import socket
import sys
from io import BufferedIOBase
from pathlib import Path

import msgspec

from router.config.schema import PrivacyConfig
from router.privacy.protocol import HEADER, WARM_UP, Hello, Job, Reply, Setup, frame

FORK = b"F"
UNWANTED = frozenset(("torch", "transformers", "stanza", "gliner", "huggingface_hub"))
"""Packages that Presidio imports where they happen to be installed, and that the scan has no use for."""
NEEDED = {
    "transformers": frozenset(("torch", "transformers", "huggingface_hub")),
    "gliner": frozenset(("torch", "transformers", "huggingface_hub", "gliner")),
}
"""Those that an engine for names can't do without."""
_PR_SET_PDEATHSIG = 1


def main(control_fd: int) -> None:
    """Be the template process: load, report, fork on demand until the router is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control = socket.socket(fileno=control_fd)
    with control.makefile("rb") as stream:
        setup = msgspec.msgpack.decode(_receive(stream), type=Setup)
    config = PrivacyConfig.model_validate_json(setup.config)
    unwanted = UNWANTED - NEEDED.get(config.names.engine, frozenset())
    sys.modules.update(dict.fromkeys(unwanted))  # type: ignore[arg-type]  None makes an import fail
    try:
        server = Server(config, None if setup.folder is None else Path(setup.folder))
    except Exception as error:  # noqa: BLE001  whatever it is, the router must hear of it and not start
        _send(control, msgspec.msgpack.encode(Hello(os.getpid(), f"{type(error).__name__}: {error}")))
        return
    gc.collect()
    gc.freeze()
    _send(control, msgspec.msgpack.encode(Hello(os.getpid(), kit=server.kit)))
    workers: set[int] = set()
    while True:
        command, sockets, _, _ = socket.recv_fds(control, 1, 1)
        if command != FORK:
            break
        workers -= _ended(workers)
        pid = os.fork()
        if pid == 0:
            _become_worker(control, sockets[0], server)
        workers.add(pid)
        os.close(sockets[0])
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _become_worker(control: socket.socket, fd: int, server: Server) -> None:
    """Serve one socket; never returns."""
    try:
        control.close()
        _die_with_parent()
        server.serve(socket.socket(fileno=fd))
    finally:
        os._exit(0)


def _ended(workers: set[int]) -> set[int]:
    """Collect the workers that have ended; until then nobody else can get their process id."""
    return {pid for pid in workers if os.waitpid(pid, os.WNOHANG)[0] == pid}


def _die_with_parent() -> None:
    """Have Linux kill this worker when the template dies; elsewhere its socket's end must do."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Server:
    """Answers scan jobs, one after the other."""

    def __init__(self, config: PrivacyConfig, folder: Path | None = None) -> None:
        from router.privacy.detector import Detector
        from router.privacy.engine import DeadlinePassed

        self._detector = Detector(config, folder)
        self._passed = DeadlinePassed
        self._decode = msgspec.msgpack.Decoder(Job).decode
        self.answer(msgspec.msgpack.encode(Job(0, float("inf"), [WARM_UP])))

    @property
    def kit(self) -> msgspec.Raw:
        """What the router needs to read short texts alone; nil if it can't."""
        return msgspec.Raw(msgspec.msgpack.encode(self._detector.kit))

    def serve(self, connection: socket.socket) -> None:
        """Answer until the other end closes."""
        _send(connection, msgspec.msgpack.encode(Hello(os.getpid())))
        with connection.makefile("rb") as stream:
            while body := _receive(stream):
                _send(connection, self.answer(body))

    def answer(self, body: bytes) -> bytes:
        """Scan one job. Whatever goes wrong becomes an error code: a reply never holds text."""
        job = self._decode(body)
        try:
            self._detector.deadline.at_s = job.deadline_s
            found = [self._detector.read(unit) for unit in job.units]
        except self._passed:
            return msgspec.msgpack.encode(Reply(job.id, "deadline"))
        except Exception:  # noqa: BLE001  fail closed, and keep its message, which may quote text, in here
            return msgspec.msgpack.encode(Reply(job.id, "worker_error"))
        return msgspec.msgpack.encode(Reply(job.id, "", found))


def _receive(stream: BufferedIOBase) -> bytes:
    """Read one frame; empty at the end of the stream."""
    header = stream.read(HEADER.size)
    return stream.read(HEADER.unpack(header)[0]) if len(header) == HEADER.size else b""


def _send(connection: socket.socket, body: bytes) -> None:
    connection.sendall(frame(body))
