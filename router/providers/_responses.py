"""Reads what an upstream of the Responses API answers: bytes as they are, complete or an error; no request is made here."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from router.core.errors import UpstreamProtocolError, UpstreamUnavailable
from router.core.types import Delta
from router.providers import _reading
from router.providers._http import Answer
from router.wire.outbound import responses


async def whole(response: Answer, name: str) -> Delta:
    """Read a whole answer.

    Raises:
        UpstreamError: it is cut, too large, not a finished response, or one that failed.
    """
    return responses.whole(await _reading.whole(response, name), name)


async def stream(response: Answer, name: str) -> AsyncGenerator[Delta, None]:
    """Read a stream's events up to the one that ends the response.

    The first events, which only say that it begins, are held back until something of the answer comes: an upstream that
    fails at once has then committed the router to nothing.

    The event that says that a response failed after it began is handed on, and then raised: the attempt failed.

    Raises:
        UpstreamError: not an event stream, it ends before the response does, says that it failed, or breaks.
    """
    held: list[Delta] = []
    is_begun = False
    async for event in _reading.events(response, name):
        if event.data == b"[DONE]":
            continue
        delta = responses.event(event.data, event.name, name, is_begun=is_begun)
        if not is_begun and delta.event in responses.PRELUDE:
            held.append(delta)
            continue
        is_begun = True
        for earlier in held:
            yield earlier
        held.clear()
        yield delta
        if delta.finish_reason == responses.FAILED:
            raise UpstreamUnavailable(f"{name}: the upstream says that the response failed")
        if delta.finish_reason is not None:
            return
    raise UpstreamProtocolError(f"{name}: the stream ended before the response did")
