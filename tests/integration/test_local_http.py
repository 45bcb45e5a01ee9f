"""The client that talks to a real engine, against a small server that misbehaves on a real socket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.types import Message, Receive, Scope, Send

from local_inference.engines._http import HttpEngine
from router.core.errors import UpstreamUnavailable

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Upstream:
    """Answers by path: `/slow` streams for ever, `/cut` ends before its length, anything else echoes."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self.keys: set[bytes] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.keys.add(dict(scope["headers"]).get(b"authorization", b""))
        body = b""
        message: Message = {"more_body": True}
        while message.get("more_body"):
            message = await receive()
            body += message.get("body", b"")
        length = [(b"content-length", b"1000")] if scope["path"] == "/cut" else []
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"x/y"), *length]})
        if scope["path"] == "/slow":
            await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
            await receive()
            self.gone.set()
            return
        if scope["path"] == "/cut":
            await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
            raise ConnectionResetError
        await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def engine_of(upstream: Upstream) -> AsyncGenerator[HttpEngine]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(upstream, lifespan="off", log_level="critical", timeout_graceful_shutdown=1))
    serving = asyncio.create_task(server.serve([listener]))
    engine = HttpEngine(f"http://127.0.0.1:{listener.getsockname()[1]}", "secret")
    try:
        yield engine
    finally:
        await engine.close()
        server.should_exit = True
        await serving


async def test_a_body_goes_and_an_answer_comes_with_the_key() -> None:
    upstream = Upstream()
    async with engine_of(upstream) as engine, engine.send("/echo", b"abc") as answer:
        assert (answer.status, answer.content_type, await answer.read()) == (200, "x/y", b"abc")
    assert upstream.keys == {b"Bearer secret"}


async def test_leaving_the_context_ends_the_engines_work() -> None:
    upstream = Upstream()
    async with engine_of(upstream) as engine:
        async with engine.send("/slow", b"") as answer:
            assert await anext(aiter(answer.chunks())) == b"data: 1\n\n"
        await asyncio.wait_for(upstream.gone.wait(), 2)


async def test_a_cancelled_reader_ends_the_engines_work() -> None:
    upstream = Upstream()
    async with engine_of(upstream) as engine:

        async def read() -> None:
            async with engine.send("/slow", b"") as answer:
                async for _ in answer.chunks():
                    pass

        reading = asyncio.create_task(read())
        await asyncio.sleep(0.2)
        reading.cancel()
        await asyncio.wait_for(upstream.gone.wait(), 2)
        with pytest.raises(asyncio.CancelledError):
            await reading


async def test_a_body_that_breaks_off_is_an_error_after_its_bytes() -> None:
    async with engine_of(Upstream()) as engine, engine.send("/cut", b"") as answer:
        chunks = answer.chunks()
        assert await anext(chunks) == b"data: 1\n\n"
        with pytest.raises(UpstreamUnavailable):
            await anext(chunks)


async def test_an_engine_that_is_not_there_is_unavailable() -> None:
    engine = HttpEngine("http://127.0.0.1:9", "secret")
    with pytest.raises(UpstreamUnavailable):
        async with engine.send("/echo", b""):
            pass
    assert not await engine.is_healthy(1.0)
    await engine.close()
