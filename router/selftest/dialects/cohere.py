"""Cohere's v2 chat."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from router.core.types import JsonObject

_USAGE = {
    "billed_units": {"input_tokens": 8, "output_tokens": 10},
    "tokens": {"input_tokens": 10, "output_tokens": 10},
}


def wants_stream(path: str, body: JsonObject) -> bool:
    """Say whether a request asks for a stream."""
    del path
    return body.get("stream") is True


def whole(model: str, text: str) -> bytes:
    """Encode a whole answer."""
    del model  # the dialect doesn't say it
    message = {"role": "assistant", "content": [{"type": "text", "text": text}]}
    return msgspec.json.encode({"id": "c-1", "finish_reason": "COMPLETE", "message": message, "usage": _USAGE})


def events(model: str, text: str) -> Iterator[bytes]:
    """Yield the frames of a stream, a few characters each, so that anything can be cut in two."""
    del model
    yield _event("message-start", id="c-1", delta={"message": {"role": "assistant"}})
    yield _event("content-start", index=0, delta={"message": {"content": {"type": "text", "text": ""}}})
    for start in range(0, len(text), 7):
        content = {"text": text[start : start + 7]}
        yield _event("content-delta", index=0, delta={"message": {"content": content}})
    yield _event("content-end", index=0)
    yield _event("message-end", id="c-1", delta={"finish_reason": "COMPLETE", "usage": _USAGE})


def _event(kind: str, **fields: object) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), msgspec.json.encode({"type": kind, **fields}))
