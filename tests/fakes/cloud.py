"""A cloud that speaks OpenAI's chat completions, completions, embeddings and responses, and Anthropic's Messages, over real HTTP, records every byte it gets,
and fails on demand.

How it behaves is chosen by the model's name, so that one process serves tests and load: `ok`, `slow`, `http-500` (any
status), `http-429-bare` (without Retry-After), `hang`, `hang-body`, `cut`, `garbage`, `wrong-type`, `truncated`,
`empty`, `error-event`, `no-finish`, `flaky` (every other request fails), `bad-gzip`, `gzip-bomb`, `redirect`,
`huge-header`, `drip`, `echo`, `reset`; of responses also `failed`, `failed-late`, `incomplete`. `python -m tests.fakes.cloud PORT` runs it alone.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import itertools
import json
import random
import struct
import sys
from collections.abc import Callable
from typing import ClassVar, NamedTuple, cast

import httptools
import uvloop

from tests.fakes import cloud_responses
from tests.fakes.cloud_responses import Items

WORDS = 16
"""Words (and chunks) in an answer."""

_BOMB = gzip.compress(b" " * 32_000_000, 9)
_CODES = {500: "server_error", 429: "rate_limit_exceeded", 400: "invalid_value", 401: "invalid_api_key"}


def completion(model: str, text: str, **message: object) -> bytes:
    """A whole answer; `message` adds to its message, or changes it."""
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


def pieces(message: dict[str, object]) -> list[dict[str, object]]:
    """Cut a message into the deltas of a stream; the pieces of several calls come mixed."""
    found: list[dict[str, object]] = [{"role": "assistant", "content": ""}]
    for field in ("reasoning_content", "content", "refusal"):
        text = str(message.get(field) or "")
        found += ({field: text[start : start + 4]} for start in range(0, len(text), 4))
    calls = cast("list[dict[str, dict[str, str]]]", message.get("tool_calls") or [])
    for index, call in enumerate(calls):
        begun = {**call, "function": {**call["function"], "arguments": ""}}
        found.append({"tool_calls": [{"index": index, **begun}]})
    for start in range(0, max((len(call["function"]["arguments"]) for call in calls), default=0), 4):
        for index, call in enumerate(calls):
            piece = call["function"]["arguments"][start : start + 4]
            if piece:
                found.append({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    return found


def usage_chunk(model: str) -> bytes:
    usage = {"prompt_tokens": 100, "completion_tokens": WORDS, "total_tokens": 100 + WORDS}
    data = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": model}
    return b"data: " + json.dumps({**data, "choices": [], "usage": usage}).encode() + b"\n\n"


class Received(NamedTuple):
    """One request as it came over the wire."""

    url: bytes
    headers: dict[str, str]
    body: bytes

    @property
    def everything(self) -> bytes:
        """Address, header values and body, one a line."""
        values = "\n".join(f"{name}: {value}" for name, value in self.headers.items())
        return b"\n".join([self.url, values.encode(), self.body])


class Cloud:
    """State shared by all connections of one server."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        """Body of every request."""
        self.headers: list[dict[str, str]] = []
        self.requests: list[Received] = []
        """The same, with the address."""
        self.recording = True
        self.mode: str | None = None
        """How to behave whatever the model's name says."""
        self.trap_url = ""
        """Where `redirect` points to."""
        self.down = False
        """While true every request gets a 500, whatever its model."""
        self.answer: Callable[[dict[str, object]], str] | None = None
        """Text of an answer from the request's body; None = a fixed text."""
        self.respond: Callable[[dict[str, object]], Items] | None = None
        """Output items of a response from the request's body; None = a message with the text."""
        self.turn: Callable[[dict[str, object]], dict[str, object]] | None = None
        """A chat answer's message from the request's body, in place of the text."""
        self.frames: list[bytes] | None = None
        """What a stream sends instead; an empty one closes the connection."""
        self.payload: bytes | None = None
        """A whole answer to give instead."""
        self.events: list[bytes] | None = None
        """A stream's frames to give instead."""
        self.cut: int | None = None
        """After how many bytes of a stream's frames the connection is closed."""
        self.more_headers = b""
        """Lines that the head of every answer gets too."""
        self.probed = 0
        """HEAD requests, which are answered, but recorded nowhere else."""
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

    async def get(self, url: bytes) -> bytes:
        """Answer a request without a body."""
        del url
        return b"{}"


class Engine(Cloud):
    """The same in the place of an engine host, with no adapters."""

    async def get(self, url: bytes) -> bytes:
        """Say that it is ready, or list the adapters; news never come."""
        if url == b"/ready":
            return b'{"ready":true}'
        if b"after=-1" not in url:
            await asyncio.sleep(20)
        return b'{"revision":1,"base_model":"tiny","data":[],"object":"list"}'


class _Connection(asyncio.Protocol):
    alive: ClassVar[dict[int, set[_Connection]]] = {}

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._parser = httptools.HttpRequestParser(self)
        self._body: list[bytes] = []
        self._headers: dict[str, str] = {}
        self._url = b""
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
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:  # TLS, most likely
            self.drop()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode().lower()] = value.decode()

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        body, self._body = b"".join(self._body), []
        headers, self._headers = self._headers, {}
        url, self._url = self._url, b""
        if self._parser.get_method() == b"GET":
            self._task = asyncio.ensure_future(self._get(url))
            return
        if self._parser.get_method() == b"HEAD":
            self._cloud.probed += 1
            self._write(b"HTTP/1.1 404 X\r\ncontent-length: 2\r\n\r\n")
            return
        if self._cloud.recording:
            self._cloud.received.append(body)
            self._cloud.headers.append(headers)
            self._cloud.requests.append(Received(url, headers, body))
        self._task = asyncio.ensure_future(self._answer(url, body))

    async def _get(self, url: bytes) -> None:
        self._whole(200, await self._cloud.get(url))

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            if data.startswith(b"HTTP/1.1 "):
                data = data.replace(b"\r\n", b"\r\n" + self._cloud.more_headers, 1)
            self._transport.write(data)

    def _whole(self, status: int, payload: bytes, extra: bytes = b"") -> None:
        head = b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n" % (status, len(payload))
        self._write(head + extra + b"\r\n" + payload)

    def _error(self, status: int, code: str, extra: bytes = b"") -> None:
        error = {"error": {"message": "no luck", "type": "x", "code": code}}
        self._whole(status, json.dumps(error).encode(), extra)

    async def _answer(self, url: bytes, data: bytes) -> None:
        body = json.loads(data) if data else {}
        mode = self._cloud.mode or str(body.get("model", "ok"))
        number = next(self._cloud.count)
        if self._cloud.down or (mode == "flaky" and number % 2):
            self._error(500, "server_error")
        elif mode.startswith("http-"):
            status = int(mode[5:8])
            self._error(status, _CODES.get(status, "x"), b"retry-after: 1\r\n" if mode == "http-429" else b"")
        elif mode == "hang":
            await asyncio.sleep(3600)
        elif mode == "hang-body":
            self._write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 99\r\n\r\n")
            await asyncio.sleep(3600)
        elif mode == "reset":
            self.drop()
        elif mode == "garbage":
            self._whole(200, b"<html>surprise</html>")
        elif mode == "redirect":
            self._error(307, "x", f"location: {self._cloud.trap_url}{url.decode()}\r\n".encode())
        elif mode == "huge-header":
            self._whole(200, completion(mode, "x"), b"x-huge: " + b"y" * 500_000 + b"\r\n")
        elif mode in ("bad-gzip", "gzip-bomb"):
            payload = b"\x1f\x8bnonsense" if mode == "bad-gzip" else _BOMB
            self._whole(200, payload, b"content-encoding: gzip\r\n")
        elif url.partition(b"?")[0].endswith(b"/embeddings"):
            self._embeddings(body)
        elif url.partition(b"?")[0].endswith(b"/completions") and b"/chat/" not in url:
            self._old(body)
        elif url.endswith(b"/messages/count_tokens"):
            self._whole(200, b'{"input_tokens": 4711}')
        elif url.endswith(b"/responses"):
            await self._responses(body, mode)
        elif url.endswith(b"/messages"):
            self._messages(body)
        elif body.get("stream") and mode != "wrong-type":
            await self._stream(body, mode)
        else:
            await self._complete(body, mode)

    async def _responses(self, body: dict[str, object], mode: str) -> None:
        text = self._text(body)
        output = self._cloud.respond(body) if self._cloud.respond else [cloud_responses.message(text)]
        if body.get("stream") and mode != "wrong-type":
            frames = self._cloud.frames
            await self._send(cloud_responses.stream(body, output, mode) if frames is None else frames, mode)
            return
        status = mode if mode in ("failed", "incomplete") else "completed"
        payload = json.dumps(cloud_responses.response(body, output, status)).encode()
        await self._complete(body, mode, payload)

    def _embeddings(self, body: dict[str, object]) -> None:
        """Make one vector for each text, of its length."""
        texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
        vectors = [[float(len(str(text))), -0.5, 1e-7] for text in texts]
        if body.get("encoding_format") == "base64":
            written: list[object] = [base64.b64encode(struct.pack("<3f", *vector)).decode() for vector in vectors]
        else:
            written = list(vectors)
        data = [{"object": "embedding", "index": at, "embedding": one} for at, one in enumerate(written)]
        usage = {"prompt_tokens": 7 * len(texts), "total_tokens": 7 * len(texts)}
        self._whole(200, json.dumps({"object": "list", "data": data, "model": body["model"], "usage": usage}).encode())

    def _old(self, body: dict[str, object]) -> None:
        """Complete a prompt, in OpenAI's older way."""
        text = self._cloud.answer(body) if self._cloud.answer else "word word"
        usage = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
        head = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": body.get("model")}

        def choice(piece: str, finish: str | None) -> dict[str, object]:
            return {"text": piece, "index": 0, "logprobs": None, "finish_reason": finish}

        if not body.get("stream"):
            self._whole(200, json.dumps({**head, "choices": [choice(text, "stop")], "usage": usage}).encode())
            return
        pieces = [choice(text[at : at + 7], None) for at in range(0, len(text), 7)]
        events: list[dict[str, object]] = [{**head, "choices": [one]} for one in [*pieces, choice("", "stop")]]
        options = body.get("stream_options")
        if isinstance(options, dict) and options.get("include_usage"):
            events.append({**head, "choices": [], "usage": usage})
        self._events([*(json.dumps(one) for one in events), "[DONE]"])

    def _events(self, payloads: list[str]) -> None:
        self._frames(self._cloud.events or [f"data: {payload}\n\n".encode() for payload in payloads])

    def _messages(self, body: dict[str, object]) -> None:
        text = self._cloud.answer(body) if self._cloud.answer else "word word"
        usage = {"input_tokens": 9, "output_tokens": 2}
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "usage": usage}
        if not body.get("stream"):
            content = [{"type": "text", "text": text}]
            whole = {**message, "content": content, "stop_reason": "end_turn", "stop_sequence": None}
            self._whole(200, self._cloud.payload or json.dumps(whole).encode())
            return
        start = {**message, "content": [], "stop_reason": None, "stop_sequence": None}
        half = len(text) // 2
        events: list[dict[str, object]] = [
            {"type": "message_start", "message": start},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text[:half]}},
            {"type": "ping"},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text[half:]}},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": usage},
            {"type": "message_stop"},
        ]
        lines = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]
        self._frames(self._cloud.events or lines)

    def _frames(self, frames: list[bytes]) -> None:
        """Send a stream at once, or what the cut leaves of it."""
        data = b"".join(frames)
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n" % len(data)
        self._write(head + data[: self._cloud.cut])
        if self._cloud.cut is not None and self._cloud.cut < len(data):
            self._close()

    def _text(self, body: dict[str, object]) -> str:
        if body.get("model") == "echo":
            return json.dumps(body)
        return self._cloud.answer(body) if self._cloud.answer else " ".join(["word"] * WORDS)

    async def _complete(self, body: dict[str, object], mode: str, payload: bytes | None = None) -> None:
        turn = self._cloud.turn(body) if self._cloud.turn and payload is None else None
        said = completion(mode, "", **turn) if turn is not None else completion(mode, self._text(body))
        payload = self._cloud.payload or payload or said
        if mode == "slow":
            await asyncio.sleep(1)
        if mode == "cut":
            head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(payload)
            self._write(head + payload[: random.randrange(len(payload))])
            self._close()
            return
        if mode == "drip":
            head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(payload)
            for start in range(0, len(payload), 100):
                self._write((head if start == 0 else b"") + payload[start : start + 100])
                await asyncio.sleep(0.02)
            return
        cut = {"empty": 0, "truncated": len(payload) - 9}.get(mode, len(payload))
        self._whole(200, payload[:cut])

    async def _stream(self, body: dict[str, object], mode: str) -> None:
        if self._cloud.events is not None:
            self._frames(self._cloud.events)
            return
        words = self._text(body).split(" ")
        events = [chunk(mode, {"role": "assistant", "content": ""})]
        turn = self._cloud.turn(body) if self._cloud.turn else None
        events += [chunk(mode, {"content": word if index == 0 else f" {word}"}) for index, word in enumerate(words)]
        if turn is not None:
            events = [chunk(mode, piece) for piece in pieces(turn)]
        if mode == "cut":
            events = [*events[: random.randrange(len(events))], b""]
        elif mode == "empty":
            events = []
        elif mode == "truncated":
            events = [*events[:3], b'data: {"choices": [{"ind\n\n']
        elif mode == "error-event":
            events = [*events[:3], b'data: {"error": {"message": "no luck", "code": "server_error"}}\n\n']
        elif mode != "no-finish":
            events.append(chunk(mode, {}, "tool_calls" if turn and "tool_calls" in turn else "stop"))
            options = body.get("stream_options")
            if isinstance(options, dict) and options.get("include_usage"):
                events.append(usage_chunk(mode))
            events.append(b"data: [DONE]\n\n")
        await self._send(events if self._cloud.frames is None else self._cloud.frames, mode)

    async def _send(self, events: list[bytes], mode: str) -> None:
        if self._cloud.cut is not None:
            self._frames(events)
            return
        self._write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        for event in events:
            if event == b"":
                self._close()
                return
            if self._cloud.token_s or mode in ("slow", "drip"):
                await asyncio.sleep(self._cloud.token_s or (0.1 if mode == "slow" else 0.02))
            self._write(b"%x\r\n%b\r\n" % (len(event), event))
        self._write(b"0\r\n\r\n")


async def _main(port: int) -> None:
    cloud = Cloud()
    cloud.recording = False
    await cloud.start(port)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_main(int(sys.argv[1])))
