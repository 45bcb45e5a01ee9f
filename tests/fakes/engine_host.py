"""An engine host on a real socket, in this process, with the fake engine; and the few calls that tests make."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import msgspec
import uvicorn
import yaml

from local_inference.engines.fake import FakeEngine
from local_inference.host import Host
from local_inference.server import create_app
from local_inference.settings import load
from router.core.adapters import AdapterInfo, AdapterListing

BOUND_S = 5.0
"""How long a probe may take to find what it looks for; on a busy machine it needs seconds."""


class Running:
    """A host that serves, and a client of it."""

    def __init__(self, host: Host, http: httpx.AsyncClient, root: Path) -> None:
        self.host = host
        self.http = http
        self.adapters = root / "adapters"

    @property
    def engine(self) -> FakeEngine:
        assert isinstance(self.host.engine, FakeEngine)
        return self.host.engine

    async def ask(self, model: str, text: str = "hello there", **fields: object) -> httpx.Response:
        body = {"model": model, "messages": [{"role": "user", "content": text}], **fields}
        return await self.http.post("/v1/chat/completions", json=body)

    async def listing(self) -> AdapterListing:
        return msgspec.json.decode((await self.http.get("/v1/adapters")).content, type=AdapterListing)

    async def infos(self, name: str) -> list[AdapterInfo]:
        return [info for info in (await self.listing()).data if info.name == name]

    async def state(self, name: str, state: str, timeout_s: float = BOUND_S) -> AdapterInfo:
        """Wait until some version of an adapter is in a state."""

        async def found() -> AdapterInfo | None:
            return next((info for info in await self.infos(name) if info.state == state), None)

        return await until(found, timeout_s)


async def until(probe: Callable[[], Awaitable[AdapterInfo | bool | None]], timeout_s: float = BOUND_S) -> AdapterInfo:
    """Wait until a probe finds something."""
    async with asyncio.timeout(timeout_s):
        while not (found := await probe()):
            await asyncio.sleep(0.02)
    return found  # pyright: ignore[reportReturnType] probes that say True are not read


@asynccontextmanager
async def serving(root: Path, engine: dict[str, object] | None = None, **settings: object) -> AsyncGenerator[Running]:
    """Serve the adapters in `root/adapters`; yield once the host is ready."""
    facts = {"adapters_dir": "adapters", "store_dir": "var/store", "poll_s": 0.1, "model_name": "tiny", **settings}
    path = root / "local.yaml"
    path.write_text(yaml.safe_dump({**facts, "engine": {"kind": "fake", **(engine or {})}}))
    host = Host(load(path))
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(create_app(host), lifespan="off", log_level="warning", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    tasks = [asyncio.create_task(host.run()), asyncio.create_task(server.serve([listener]))]
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        async with httpx.AsyncClient(base_url=url, timeout=15.0, trust_env=False) as http:
            running = Running(host, http, root)

            async def up() -> bool:
                assert not tasks[0].done(), tasks[0].exception()
                return server.started and (host.readiness().ready or "start_ms" in (engine or {}))

            await until(up)
            yield running
    finally:
        server.should_exit = True
        await tasks[1]
        tasks[0].cancel()
        await asyncio.gather(tasks[0], return_exceptions=True)
