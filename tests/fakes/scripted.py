"""An HTTP server on loopback that answers every request as a function says, and keeps what it was sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

import msgspec


class Asked(msgspec.Struct, frozen=True):
    """One request as it came in."""

    method: str
    path: str
    """As it stands in the request's line, percent signs and all."""
    headers: dict[str, str]
    body: bytes


class Reply(msgspec.Struct, frozen=True):
    """What is sent back, piece by piece. The body ends with the connection, so that a cut one looks like any other."""

    pieces: Sequence[bytes]
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = {}
    hang: bool = False
    """Hold the line when all is sent, until the client leaves."""


class Scripted:
    """The server."""

    def __init__(self, answer: Callable[[Asked], Reply]) -> None:
        self.answer = answer
        self.requests: list[Asked] = []
        self.left = asyncio.Event()
        """Set when a client goes away while it is held."""
        self._tasks: set[asyncio.Task[None] | None] = set()
        self._server: asyncio.Server | None = None
        self.url = ""

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        await asyncio.wait_for(asyncio.gather(*(task for task in self._tasks if task)), 5)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.current_task())
        try:
            await self._answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.left.set()
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        method, path, _ = lines[0].split(" ")
        self.requests.append(asked := Asked(method, path, headers, body))
        reply = self.answer(asked)
        named = {"content-type": reply.content_type, "connection": "close", **reply.headers}
        head = [f"HTTP/1.1 {reply.status} X", *(f"{name}: {value}" for name, value in named.items()), "", ""]
        writer.write("\r\n".join(head).encode())
        for piece in reply.pieces:
            writer.write(piece)
            await writer.drain()
        if reply.hang:
            await reader.read()
            self.left.set()


@asynccontextmanager
async def scripted(answer: Callable[[Asked], Reply]) -> AsyncGenerator[Scripted]:
    """Start one, and end it."""
    server = Scripted(answer)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
