"""A cloud that speaks OpenAI's chat completions over real HTTP, records every byte it gets, and fails on demand.

How it behaves is chosen by the model's name, so that one process serves tests and load: `ok`, `slow`,
`http-500`, `http-429`, `http-400`, `http-401`, `hang`, `cut`, `garbage`, `empty`, `error-event`, `no-finish`,
`flaky` (every other request fails). `python -m tests.fakes.cloud PORT` runs it alone.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from collections.abc import Callable
from typing import ClassVar, cast

import httptools
import uvloop

WORDS = 16
"""Words (and chunks) in an answer."""


def completion(model: str, text: str, **message: object) -> bytes:
    """A whole answer."""
    return json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": model,
            "system_fingerprint": "fp_1",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": text, **message},
                    "finish_reason": "tool_calls" if "tool_calls" in message else "stop",
                }
            ],
            "usage": {"prompt_tokens": 100, "completion_tokens": WORDS, "total_tokens": 100 + WORDS},
        }
    ).encode()


def chunk(model: str, delta: dict[str, object], finish: str | None = None) -> bytes:
    """One event of a stream."""
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    data = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": model, "choices": choices}
    return b"data: " + json.dumps(data).encode() + b"\n\n"


def usage_chunk(model: str) -> bytes:
    usage = {"prompt_tokens": 100, "completion_tokens": WORDS, "total_tokens": 100 + WORDS}
    data = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": model}
    return b"data: " + json.dumps({**data, "choices": [], "usage": usage}).encode() + b"\n\n"


class Cloud:
    """State shared by all connections of one server."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        """Body of every request."""
        self.headers: list[dict[str, str]] = []
        self.recording = True
        self.down = False
        """While true every request gets a 500, whatever its model."""
        self.answer: Callable[[dict[str, object]], str] | None = None
        """Text of an answer from the request's body; None = a fixed text."""
        self.payload: bytes | None = None
        """A whole answer to give instead."""
        self.cancelled = 0
        """Answers whose reader left before their end."""
        self.count = itertools.count(1)
        self.token_s = 0.0
        """Pause before each chunk."""
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self, port: int = 0) -> None:
        """Listen on loopback."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and drop all connections: to its clients the machine is gone."""
        assert self._server is not None
        self._server.close()
        for connection in list(_Connection.alive.get(id(self), ())):
            connection.drop()
        await asyncio.sleep(0)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"


class _Connection(asyncio.Protocol):
    alive: ClassVar[dict[int, set[_Connection]]] = {}

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._parser = httptools.HttpRequestParser(self)
        self._body: list[bytes] = []
        self._headers: dict[str, str] = {}
        self._task: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's isn't a subclass
        self.alive.setdefault(id(self._cloud), set()).add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.alive[id(self._cloud)].discard(self)
        if self._task is not None and not self._task.done():
            self._cloud.cancelled += 1
            self._task.cancel()

    def drop(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode().lower()] = value.decode()

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        body, self._body = b"".join(self._body), []
        headers, self._headers = self._headers, {}
        if self._cloud.recording:
            self._cloud.received.append(body)
            self._cloud.headers.append(headers)
        self._task = asyncio.ensure_future(self._answer(body))

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _whole(self, status: int, payload: bytes, extra: bytes = b"") -> None:
        head = b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n" % (status, len(payload))
        self._write(head + extra + b"\r\n" + payload)

    def _error(self, status: int, code: str, extra: bytes = b"") -> None:
        error = {"error": {"message": "no luck", "type": "x", "code": code}}
        self._whole(status, json.dumps(error).encode(), extra)

    async def _answer(self, data: bytes) -> None:
        body = json.loads(data) if data else {}
        mode = str(body.get("model", "ok"))
        number = next(self._cloud.count)
        if self._cloud.down or mode == "http-500" or (mode == "flaky" and number % 2):
            self._error(500, "server_error")
        elif mode == "http-429":
            self._error(429, "rate_limit_exceeded", b"retry-after: 1\r\n")
        elif mode == "http-400":
            self._error(400, "invalid_value")
        elif mode == "http-401":
            self._error(401, "invalid_api_key")
        elif mode == "hang":
            await asyncio.sleep(3600)
        elif mode == "garbage":
            self._whole(200, b"<html>surprise</html>")
        elif body.get("stream"):
            await self._stream(body, mode)
        else:
            await self._complete(body, mode)

    def _text(self, body: dict[str, object]) -> str:
        return self._cloud.answer(body) if self._cloud.answer else " ".join(["word"] * WORDS)

    async def _complete(self, body: dict[str, object], mode: str) -> None:
        payload = self._cloud.payload or completion(mode, self._text(body))
        if mode == "slow":
            await asyncio.sleep(1)
        if mode == "cut":
            head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(payload)
            self._write(head + payload[: len(payload) // 2])
            self._close()
            return
        self._whole(200, b"" if mode == "empty" else payload)

    async def _stream(self, body: dict[str, object], mode: str) -> None:
        self._write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        words = self._text(body).split(" ")
        events = [chunk(mode, {"role": "assistant", "content": ""})]
        events += [chunk(mode, {"content": word if index == 0 else f" {word}"}) for index, word in enumerate(words)]
        if mode == "cut":
            events = [*events[: len(events) // 2], b""]
        elif mode == "empty":
            events = []
        elif mode == "error-event":
            events = [*events[:3], b'data: {"error": {"message": "no luck", "code": "server_error"}}\n\n']
        elif mode != "no-finish":
            events.append(chunk(mode, {}, "stop"))
            options = body.get("stream_options")
            if isinstance(options, dict) and options.get("include_usage"):
                events.append(usage_chunk(mode))
            events.append(b"data: [DONE]\n\n")
        for event in events:
            if event == b"":
                self._close()
                return
            if self._cloud.token_s or mode == "slow":
                await asyncio.sleep(self._cloud.token_s or 0.1)
            self._write(b"%x\r\n%b\r\n" % (len(event), event))
        self._write(b"0\r\n\r\n")


async def _main(port: int) -> None:
    cloud = Cloud()
    cloud.recording = False
    await cloud.start(port)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_main(int(sys.argv[1])))
