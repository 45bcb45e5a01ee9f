"""One HTTP exchange over bare ASGI: reading a bounded body, answering, streaming, noticing a caller who left."""

from __future__ import annotations

import asyncio
import math
import random
import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

from starlette.types import Message, Receive, Scope, Send

from router.core.alarm import Alarm
from router.core.errors import RequestTimeout, RequestTooLarge, RouterError
from router.core.types import Locality, Principal

_SANE_ID = re.compile(r"[A-Za-z0-9._:\-]{1,128}")
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_DRAIN_BYTES = 256 * 1024 * 1024
_DRAIN_S = 10.0
"""A refused upload is read and thrown away up to these bounds, so that the caller sees the answer."""

NOBODY = Principal(id="nobody", allowed_models=(), max_locality=Locality.LOCAL)
"""Stands where no guard has said who calls: may ask for nothing."""

_SEND_S = 60.0
"""A caller who takes no byte for so long is gone; nothing may hold an upstream open for ever."""

_WORTH_WAITING_S = 60.0
"""A client isn't asked to try again by itself after longer than this: OpenAI's would not wait so long, and ask at once."""

Headers = Sequence[tuple[str, str]]


class ClientGone(Exception):
    """The caller closed the connection."""


class _Head(NamedTuple):
    """What a request's head says, read once for all who take part in answering it."""

    headers: dict[str, str]
    request_id: str


def _head(scope: Scope) -> _Head:
    known: _Head | None = scope.get("sona.head")
    if known is None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        given = headers.get("x-request-id", "")
        request_id = given if _SANE_ID.fullmatch(given) else f"{random.getrandbits(128):032x}"
        known = scope["sona.head"] = _Head(headers, request_id)
    return known


class Exchange:
    """One request and its answer. Header names are lower-case."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._alarm: Alarm | None = None
        self.headers, self.request_id = _head(scope)
        self.path: str = scope["path"]
        self.principal: Principal = scope.get("sona.principal", NOBODY)
        self.started = False
        self.streaming = False

    async def body(self, limit: int, within_s: float) -> bytes:
        """Read the whole body.

        Raises:
            RequestTooLarge: it is longer than `limit` bytes.
            RequestTimeout: it isn't there `within_s`.
            ClientGone: the caller left before its end.
        """
        length = self.headers.get("content-length", "")
        if length.isdigit() and int(length) > limit:
            await self._drain()
            raise _too_large(limit)
        try:
            async with asyncio.timeout(within_s):
                return await self._read(limit)
        except TimeoutError:
            raise RequestTimeout(f"the request body wasn't complete after {within_s:g} s") from None

    async def _read(self, limit: int) -> bytes:
        chunks: list[bytes] = []
        size = 0
        async for chunk in self._chunks():
            size += len(chunk)
            if size > limit:
                await self._drain()
                raise _too_large(limit)
            chunks.append(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def _chunks(self) -> AsyncIterator[bytes]:
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            yield message.get("body", b"")
            if not message.get("more_body", False):
                return

    async def _drain(self) -> None:
        read = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_S):
                async for chunk in self._chunks():
                    read += len(chunk)
                    if read > _DRAIN_BYTES:
                        return

    @asynccontextmanager
    async def watched(self) -> AsyncGenerator[None]:
        """Cancel what runs inside the block as soon as the caller leaves.

        Raises:
            ClientGone: the caller left.
        """
        task = asyncio.current_task()
        assert task is not None
        gone = False

        async def watch() -> None:
            nonlocal gone
            while (await self._receive())["type"] != "http.disconnect":
                pass
            gone = True
            task.cancel()

        watcher = asyncio.create_task(watch())
        try:
            yield
        except asyncio.CancelledError:
            if not gone:
                raise
            task.uncancel()
            raise ClientGone from None
        finally:
            watcher.cancel()

    async def json(self, status: int, payload: bytes, headers: Headers = ()) -> None:
        """Send a whole JSON answer."""
        await self._start(
            status, [("content-type", "application/json"), ("content-length", str(len(payload))), *headers]
        )
        await self._out({"type": "http.response.body", "body": payload})

    async def error(self, error: RouterError, headers: Headers = (), body: bytes | None = None) -> None:
        """Send an error, in OpenAI's JSON unless `body` is given; clients retry only where we say after how long."""
        extra: list[tuple[str, str]] = []
        if error.retry_after_s is not None:
            extra = [("retry-after", str(max(1, math.ceil(error.retry_after_s))))]
        if error.retry_after_s is None or error.retry_after_s > _WORTH_WAITING_S:
            extra.append(("x-should-retry", "false"))
        await self.json(error.http_status, error.body() if body is None else body, [*headers, *extra])

    async def begin_stream(self, headers: Headers) -> None:
        """Send the head of an event stream."""
        self.streaming = True
        await self._start(
            200,
            [("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache"), *headers],
        )

    async def chunk(self, data: bytes, *, last: bool = False) -> None:
        """Send a piece of the stream."""
        await self._out({"type": "http.response.body", "body": data, "more_body": not last})

    async def _start(self, status: int, headers: Headers) -> None:
        self.started = True
        if self.path.startswith("/v1/messages"):
            headers = [*headers, ("request-id", self.request_id)]  # what Anthropic calls it
        encoded = [(name.encode("latin-1"), _clean(value)) for name, value in headers]
        await self._out({"type": "http.response.start", "status": status, "headers": encoded})

    async def _out(self, message: Message) -> None:
        alarm = self._alarm
        if alarm is None:
            alarm = self._alarm = Alarm()
        alarm.set(asyncio.get_running_loop().time() + _SEND_S)
        is_over = True
        try:
            await self._send(message)
            is_over = not message.get("more_body", message["type"] == "http.response.start")
        except asyncio.CancelledError:
            if alarm.stop():
                raise ClientGone from None
            raise
        finally:
            alarm.stop()
            if is_over:
                alarm.close()
                self._alarm = None


def _clean(value: str) -> bytes:
    """Encode a header's value; characters that a header can't hold become `?`."""
    encoded = value.encode("latin-1", "replace")
    return encoded if value.isprintable() else _CONTROL.sub(b"?", encoded)


def _too_large(limit: int) -> RequestTooLarge:
    return RequestTooLarge(f"the request body is larger than {limit} bytes (server.max_body_bytes)")
