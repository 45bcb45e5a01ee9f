"""Reads what upstreams answer, whole, in chunks or event by event; every failure is one of our errors. Sends nothing."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from router.core.errors import UpstreamProtocolError
from router.providers._http import MAX_ANSWER_BYTES, Answer, read_bounded
from router.wire import sse

SSE = "text/event-stream"


async def whole(answer: Answer, name: str) -> bytes:
    """Read a whole body.

    Raises:
        UpstreamProtocolError: it is longer than `MAX_ANSWER_BYTES`.
    """
    payload = await read_bounded(answer, MAX_ANSWER_BYTES)
    if payload is None:
        raise UpstreamProtocolError(f"{name}: the answer is larger than {MAX_ANSWER_BYTES} bytes")
    return payload


async def chunks(answer: Answer, name: str, content_type: str) -> AsyncGenerator[bytes, None]:
    """Yield a stream's bytes as they come.

    Raises:
        UpstreamProtocolError: it isn't of this content type.
        RouterError: the connection breaks.
    """
    _check_type(answer, name, content_type)
    while (chunk := await answer.chunk()) is not None:
        yield chunk


def _check_type(answer: Answer, name: str, content_type: str) -> None:
    given = answer.headers.get("content-type", "")
    if not given.startswith(content_type):
        raise UpstreamProtocolError(f"{name}: a stream was asked for, the upstream sent '{given[:40]}'")


async def events(answer: Answer, name: str, parser: sse.Parser | None = None) -> AsyncGenerator[sse.Event, None]:
    """Yield a stream's server-sent events; `parser` is for who must know afterwards whether one was incomplete.

    Raises:
        RouterError: as `chunks`.
    """
    parser = parser or sse.Parser()
    _check_type(answer, name, SSE)
    while (chunk := await answer.chunk()) is not None:  # not over `chunks`: every event would pass one more generator
        for event in parser.feed(chunk):
            yield event
