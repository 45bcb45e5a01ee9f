"""Command line: `python -m local_inference --config FILE`."""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import uvicorn

from local_inference import doctor
from local_inference.host import Host
from local_inference.server import create_app
from local_inference.settings import Loaded, Settings, load
from router.core.errors import ConfigError

_PR_SET_PDEATHSIG = 1
_GRACEFUL_S = 2
_KEEP_ALIVE_S = 75
"""Longer than callers keep idle connections, so that none is closed under a request of theirs."""


def main() -> int:
    """Serve until SIGTERM or SIGINT; exit code 2 = the configuration must not start. `doctor` only looks at folders."""
    if sys.argv[1:2] == ["doctor"]:
        return doctor.main(sys.argv[2:])
    parser = argparse.ArgumentParser(
        prog="python -m local_inference",
        description="Serve a model and hot-loaded adapters. See also: python -m local_inference doctor --help.",
    )
    parser.add_argument("--config", type=Path, required=True, help="YAML file, see configs/local.yaml")
    parser.add_argument("--port", type=int, help="listen here instead of on the file's port")
    parser.add_argument("--api-key", metavar="env:NAME", help="the key to ask for, instead of the file's")
    parser.add_argument("--exit-with-parent", type=int, metavar="PID", help="stop when this process, the parent, ends")
    arguments = parser.parse_args()
    if arguments.exit_with_parent is not None:
        _exit_with_parent(arguments.exit_with_parent)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    logging.getLogger("watchfiles").setLevel(logging.WARNING)
    code = 0
    try:
        loaded = load(arguments.config, port=arguments.port, api_key=arguments.api_key)
        listener = _listen(loaded.settings)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(loaded, listener))
    except* ConfigError as errors:
        for error in errors.exceptions:
            sys.stderr.write(f"error: {error}\n")
        code = 2
    return code


class _Server(uvicorn.Server):
    """Tells of a signal to stop as soon as it comes."""

    def __init__(self, config: uvicorn.Config, on_stop: Callable[[], object]) -> None:
        super().__init__(config)
        self._on_stop = on_stop

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self._on_stop()


async def _serve(loaded: Loaded, listener: socket.socket) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _ignore)  # uvicorn takes over; what it raises again at its end is absorbed here
    loop = asyncio.get_running_loop()
    host = Host(loaded)
    config = uvicorn.Config(
        create_app(host),
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=_GRACEFUL_S,
        timeout_keep_alive=_KEEP_ALIVE_S,
    )
    server = _Server(config, lambda: loop.call_soon_threadsafe(host.close_soon))
    address, port = listener.getsockname()[:2]
    sys.stdout.write(f"engine host on http://{address}:{port}\n")
    sys.stdout.flush()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(host.run())
        await server.serve([listener])
        running.cancel()


def _listen(settings: Settings) -> socket.socket:
    """Take the port before anything slow starts."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        raise ConfigError(
            f"can't listen on {settings.host}:{settings.port}: {error.strerror}; choose another `port`, or 0 for any"
        ) from None
    listener.set_inheritable(False)
    listener.listen(2048)  # from here on callers wait instead of being refused
    return listener


def _ignore(number: int, frame: FrameType | None) -> None:
    pass


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.Loop


def _exit_with_parent(pid: int) -> None:
    """Ask Linux for SIGTERM when the parent ends, or end now if it has already; elsewhere this does nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != pid:  # it may rightly be 1, in a container
            raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
