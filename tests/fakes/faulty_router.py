"""The router with faults built in: a request calls for one by the header `x-test-fault`, and it happens to that one alone.

`python -m tests.fakes.faulty_router --config FILE`. Every injected exception quotes what it was called with, so that
whatever prints an exception's message prints a prompt. Each fault that happens appends its name to `FILE.fired`.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import sys
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from router import compose
from router.config.load import load
from router.core import clock
from router.server.app import create_app

HEADER = b"x-test-fault"
JUMP_S = 40_000_000.0
STAGES = {
    "judge": ("router.policy.judge", "Judge.verdict"),
    "clear": ("router.pipeline", "clear"),
    "mask": ("router.pipeline", "mask"),
    "unmask": ("router.privacy.unmasking", "Unmasker.restore"),
    "scan": ("router.privacy.scanner", "Scanner.scan"),
    "pool": ("router.privacy.pool", "Pool.run"),
    "plan": ("router.routing.planner", "Planner.plan"),
    "features": ("router.pipeline", "features"),
    "execute": ("router.execution.executor", "Executor.execute"),
    "provider": ("router.execution.executor", "Executor.provider"),
    "encode": ("router.providers.openai_compatible", "upstream_body"),
    "decode": ("router.wire.openai_chat", "decode"),
    "trace": ("router.record.trace", "Trace.scanned"),
    "headers": ("router.record.trace", "Trace.headers"),
    "outcome": ("router.record.trace", "Trace.outcome"),
    "sink": ("router.record.sinks.jsonl", "JsonLines.write"),
    "facts": ("router.wire.openai_chat", "facts"),
}
"""Fault -> the function that raises when it is called."""


class Injected(Exception):
    """A fault on demand."""


class Faults:
    """Which fault the request in hand asked for."""

    def __init__(self, log: Path) -> None:
        self._wanted: ContextVar[str] = ContextVar("wanted", default="")
        self.body: ContextVar[list[bytes]] = ContextVar("body")
        """What the request in hand has sent so far."""
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def want(self, name: str) -> None:
        """Note what the request of this task asks for."""
        self._wanted.set(name)

    def due(self, name: str) -> bool:
        """Say whether a fault is wanted here and now; once a request."""
        if self._wanted.get() != name:
            return False
        self._wanted.set("")
        os.write(self._log, name.encode() + b"\n")
        return True

    def wrap(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Make a function that raises if the fault is wanted."""

        def faulty(*args: Any, **kwargs: Any) -> Any:
            if self.due(name):
                # A sink isn't given the text, so it can't quote it.
                raise Injected(repr(args) if name == "sink" else f"{args!r} {self.body.get([])!r}")
            return function(*args, **kwargs)

        return faulty

    def install(self) -> None:
        """Put each stage's fault in its place."""
        for name, (module, path) in STAGES.items():
            *outer, attribute = path.split(".")
            holder = importlib.import_module(module)
            for part in outer:
                holder = getattr(holder, part)
            setattr(holder, attribute, self.wrap(name, getattr(holder, attribute)))
        unix_s = clock.unix_s
        clock.unix_s = lambda: unix_s() - (JUMP_S if self.due("clock") else 0.0)


class Listener:
    """Reads what a request asks for, in front of the router."""

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self._app = app
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        chunks: list[bytes] = []
        self._faults.want(dict(scope["headers"]).get(HEADER, b"").decode())
        self._faults.body.set(chunks)

        async def reading() -> Message:
            message = await receive()
            chunks.append(message.get("body", b"")[:100_000])
            return message

        await self._app(scope, reading, send)


async def main(file: Path) -> None:
    """Serve until SIGTERM."""
    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
    faults = Faults(file.with_suffix(".fired"))
    config, source = load(file)
    faults.install()
    runtime = compose.build(config, source, engine=compose.engine_host(config))
    async with runtime.running():
        settings = uvicorn.Config(
            Listener(create_app(runtime), faults),
            port=config.server.port,
            lifespan="off",
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=20,
        )
        await uvicorn.Server(settings).serve()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[sys.argv.index("--config") + 1])))
