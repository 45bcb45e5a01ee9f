"""Who leaves closes the connection to the upstream, before its answer's head comes and after: at a bare socket that notices."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import pytest

from local_inference.engines._http import HttpEngine
from router.core.errors import RouterError
from router.core.types import Cleared
from router.providers._http import Egress
from tests.fakes.values import target

pytestmark = pytest.mark.anyio

ANSWER_S = 8.0
"""How long the upstream would take for its answer."""
SOON_S = ANSWER_S / 4
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
EVENT = b"9\r\ndata: 1\n\n\r\n"
END = b"0\r\n\r\n"


class Upstream:
    """Reads one request after the other, says at once what `begins` holds, and would say the rest much later."""

    def __init__(self, begins: bytes = b"", rests: bytes = b"", takes_s: float = ANSWER_S) -> None:
        self.begins = begins
        self.rests = rests
        self.takes_s = takes_s
        self.asked = asyncio.Event()
        self.left = asyncio.Event()
        self.connections = 0
        self.received = b""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        listening = asyncio.create_task(self._listen(reader))
        try:
            while not listening.done():
                asked = asyncio.create_task(self.asked.wait())
                await asyncio.wait((asked, listening), return_when=asyncio.FIRST_COMPLETED)
                asked.cancel()
                if listening.done():
                    return
                writer.write(self.begins)
                await asyncio.wait((listening,), timeout=self.takes_s)
                self.asked.clear()
                writer.write(self.rests)
        finally:
            self.left.set()
            listening.cancel()
            writer.close()

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(65536):
            self.received += data
            if self.received.endswith(b"hello"):
                self.asked.set()


@asynccontextmanager
async def listening(upstream: Upstream) -> AsyncGenerator[str]:
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


Ask = Callable[[], Coroutine[None, None, bytes]]
Side = Callable[..., AbstractAsyncContextManager[Ask]]


@asynccontextmanager
async def router_side(url: str, *, stream: bool) -> AsyncGenerator[Ask]:
    """What the router asks clouds and engine hosts with."""
    egress = Egress("cloud", url, {}, connect_s=1, local=False)
    cleared = Cleared(
        request_id="r",
        body={},
        stream=stream,
        target=target("cloud/m"),
        rule_id="",
        ruleset="t",
        leaves=1,
        scanned_bytes=9,
    )

    async def ask() -> bytes:
        async with egress.post("/x", b"hello", cleared) as answer:
            parts = b""
            while (chunk := await answer.chunk()) is not None:
                parts += chunk
            return parts

    try:
        yield ask
    finally:
        await egress.aclose()


@asynccontextmanager
async def host_side(url: str, *, stream: bool) -> AsyncGenerator[Ask]:
    """What the engine host asks vLLM with."""
    engine = HttpEngine(url, "key")

    async def ask() -> bytes:
        async with engine.send("/x", b"hello") as answer:
            return b"".join([part async for part in answer.chunks()]) if stream else await answer.read()

    try:
        yield ask
    finally:
        await engine.close()


SIDES = pytest.mark.parametrize("side", [router_side, host_side])
KINDS = pytest.mark.parametrize("stream", [False, True])


@SIDES
@KINDS
@pytest.mark.parametrize("begins", [b"", HEAD, HEAD + EVENT], ids=["before the head", "after it", "in the body"])
async def test_who_is_cancelled_closes_the_connection(side: Side, stream: bool, begins: bytes) -> None:
    upstream = Upstream(begins)
    async with listening(upstream) as url, side(url, stream=stream) as ask:
        asking = asyncio.create_task(ask())
        await asyncio.wait_for(upstream.asked.wait(), 5)
        await asyncio.sleep(0.05)  # what the upstream begins with is on its way
        asking.cancel()
        await asyncio.wait_for(upstream.left.wait(), SOON_S)
        with pytest.raises(asyncio.CancelledError):
            await asking


@SIDES
@KINDS
async def test_a_deadline_before_the_head_closes_the_connection(side: Side, stream: bool) -> None:
    upstream = Upstream()
    async with listening(upstream) as url, side(url, stream=stream) as ask:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await ask()
        await asyncio.wait_for(upstream.left.wait(), SOON_S)


@SIDES
async def test_who_stays_gets_the_answer_and_the_connection_is_kept(side: Side) -> None:
    upstream = Upstream(HEAD + EVENT, END, takes_s=0.01)
    async with listening(upstream) as url, side(url, stream=True) as ask:
        assert [await ask() for _ in range(3)] == [b"data: 1\n\n"] * 3
        assert upstream.connections == 1
        assert not upstream.left.is_set()


async def test_only_the_request_that_is_left_is_closed() -> None:
    upstream = Upstream(HEAD, EVENT + END, takes_s=0.5)
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(listening(upstream))
        ask = await stack.enter_async_context(router_side(url, stream=True))
        staying = [asyncio.create_task(ask()) for _ in range(4)]
        leaving = [asyncio.create_task(ask()) for _ in range(4)]
        await asyncio.sleep(0.2)
        for task in leaving:
            task.cancel()
        assert await asyncio.gather(*staying) == [b"data: 1\n\n"] * 4


async def test_a_body_of_several_megabytes_goes_whole_and_leaving_it_half_sent_closes_the_connection() -> None:
    stuck = asyncio.Event()

    async def unread(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        stuck.set()
        while await reader.read(65536):  # slower than it is sent
            await asyncio.sleep(0.05)
        closed.set()
        writer.close()

    closed = asyncio.Event()
    server = await asyncio.start_server(unread, "127.0.0.1", 0, limit=1024)
    engine = HttpEngine(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", "key")

    async def ask() -> None:
        async with engine.send("/x", b"a" * 30_000_000):
            pass

    asking = asyncio.create_task(ask())
    await asyncio.wait_for(stuck.wait(), 5)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await asyncio.wait_for(closed.wait(), ANSWER_S)
    await engine.close()
    server.close()

    upstream = Upstream(HEAD + EVENT, END, takes_s=0.01)
    async with listening(upstream) as url:
        other = HttpEngine(url, "key")
        async with other.send("/x", b"a" * 3_000_000 + b"hello") as answer:
            assert await answer.read() == b"data: 1\n\n"
        assert upstream.received.count(b"a" * 1000) == 3000
        await other.close()


async def test_who_is_closed_asks_nobody_any_more() -> None:
    upstream = Upstream(HEAD + EVENT, END)
    async with listening(upstream) as url:
        for side in (router_side, host_side):
            async with side(url, stream=False) as ask:
                pass
            with pytest.raises(RouterError):
                await ask()
    assert upstream.connections == 0
