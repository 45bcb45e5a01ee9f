"""Reads what upstreams answer, whole, in chunks or event by event; every failure is one of our errors. Sends nothing."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from pyreqwest import exceptions as foreign
from pyreqwest.response import Response, ResponseBodyReader

from router.core.errors import UpstreamProtocolError
from router.providers._http import MAX_ANSWER_BYTES, read_bounded, translate
from router.wire import sse

SSE = "text/event-stream"


async def whole(response: Response, name: str) -> bytes:
    """Read a whole body.

    Raises:
        UpstreamProtocolError: it is longer than `MAX_ANSWER_BYTES`.
    """
    payload = await read_bounded(response, MAX_ANSWER_BYTES)
    if payload is None:
        raise UpstreamProtocolError(f"{name}: the answer is larger than {MAX_ANSWER_BYTES} bytes")
    return payload


async def chunks(response: Response, name: str, content_type: str) -> AsyncGenerator[bytes, None]:
    """Yield a stream's bytes as they come.

    Raises:
        UpstreamProtocolError: it isn't of this content type.
        RouterError: the connection breaks.
    """
    reader = _reader(response, name, content_type)
    while True:
        try:
            chunk = await reader.read_chunk()
        except foreign.PyreqwestError as error:
            raise translate(error, name) from None
        if chunk is None:
            return
        yield bytes(chunk)


def _reader(response: Response, name: str, content_type: str) -> ResponseBodyReader:
    given = response.get_header("content-type") or ""
    if not given.startswith(content_type):
        raise UpstreamProtocolError(f"{name}: a stream was asked for, the upstream sent '{given[:40]}'")
    return response.body_reader


async def events(response: Response, name: str, parser: sse.Parser | None = None) -> AsyncGenerator[sse.Event, None]:
    """Yield a stream's server-sent events; `parser` is for who must know afterwards whether one was incomplete.

    Raises:
        RouterError: as `chunks`.
    """
    parser = parser or sse.Parser()
    reader = _reader(response, name, SSE)
    while True:  # not over `chunks`: every event would pass one more generator
        try:
            chunk = await reader.read_chunk()
        except foreign.PyreqwestError as error:
            raise translate(error, name) from None
        if chunk is None:
            return
        for event in parser.feed(bytes(chunk)):
            yield event
