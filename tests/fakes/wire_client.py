"""A small, fast HTTP/1.1 client that can also misbehave: lie about lengths, leave in the middle."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from enum import Enum

import httptools

_ENDS = (b"response.completed", b"response.incomplete", b"response.failed", b"message_stop")
"""Events that end a stream in dialects that name theirs."""


class Manner(Enum):
    """How a request is sent."""

    PLAIN = "plain"
    LEAVE_IN_BODY = "leave in body"
    LEAVE_IN_ANSWER = "leave in answer"
    SHORT_LENGTH = "short length"
    LONG_LENGTH = "long length"


class Reply:
    """An answer, as far as it came. `status` 0 = none came."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.complete = False
        self.elapsed_s = 0.0

    @property
    def local(self) -> bool:
        return self.headers.get("x-router-locality") == "local"

    @property
    def error_code(self) -> str | None:
        """The code of an explicit error: a JSON body, or the last event of a stream."""
        text = self.body.rstrip()
        if self.headers.get("content-type", "").startswith("text/event-stream"):
            text = text.rpartition(b"data: ")[2]
        try:
            return str(json.loads(text)["error"]["code"])
        except (ValueError, KeyError, TypeError):
            return None

    @property
    def whole(self) -> bool:
        """A complete answer: JSON, or a stream that is done."""
        if self.status != 200 or not self.complete:
            return False
        streamed = self.headers.get("content-type", "").startswith("text/event-stream")
        text = self.body.rstrip()
        named = text.rpartition(b"event: ")[2].partition(b"\n")[0]
        return not streamed or text.endswith(b"data: [DONE]") or named in _ENDS


class _Parse:
    def __init__(self) -> None:
        self.reply = Reply()
        self.parser = httptools.HttpResponseParser(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.reply.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.reply.status = self.parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        self.reply.body += body

    def on_message_complete(self) -> None:
        self.reply.complete = True


class WireClient:
    """Connections to one server; as many at once as its callers ask for."""

    def __init__(self, port: int, within_s: float) -> None:
        self._port = port
        self._within_s = within_s
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(self, path: str, headers: Mapping[str, str], body: bytes, manner: Manner = Manner.PLAIN) -> Reply:
        """Send one request. Never raises: what didn't come isn't in the reply."""
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        parse = _Parse()
        with contextlib.suppress(OSError, TimeoutError, httptools.HttpParserError, EOFError):
            async with asyncio.timeout(self._within_s):
                await self._exchange(path, headers, body, manner, parse)
        parse.reply.elapsed_s = loop.time() - started_s
        return parse.reply

    async def _exchange(
        self, path: str, headers: Mapping[str, str], body: bytes, manner: Manner, parse: _Parse
    ) -> None:
        reader, writer = await self._connect(fresh=manner is not Manner.PLAIN)
        keep = False
        try:
            length = len(body) + {Manner.SHORT_LENGTH: -len(body) // 2, Manner.LONG_LENGTH: 64}.get(manner, 0)
            lines = [f"POST {path} HTTP/1.1", "host: router", f"content-length: {length}"]
            lines += [f"{name}: {value}" for name, value in headers.items()]
            head = "\r\n".join([*lines, "", ""]).encode("latin-1")
            writer.write(head + (body[: len(body) // 2] if manner is Manner.LEAVE_IN_BODY else body))
            if manner in (Manner.LEAVE_IN_BODY, Manner.LONG_LENGTH):
                await writer.drain()
                await asyncio.sleep(0.02)
                return
            while not parse.reply.complete:
                data = await reader.read(65536)
                if not data:
                    return
                parse.parser.feed_data(data)
                if manner is Manner.LEAVE_IN_ANSWER:
                    return
            keep = manner is Manner.PLAIN and parse.parser.should_keep_alive()
        finally:
            if keep:
                self._idle.append((reader, writer))
            else:
                writer.transport.abort()

    async def _connect(self, *, fresh: bool) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle and not fresh:
            reader, writer = self._idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer
            writer.transport.abort()
        return await asyncio.open_connection("127.0.0.1", self._port, limit=2**20)

    def close(self) -> None:
        """Drop all idle connections."""
        for _, writer in self._idle:
            writer.transport.abort()
        self._idle.clear()
