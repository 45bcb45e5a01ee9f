"""Anthropic's Messages."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from router.core.types import JsonObject


def wants_stream(path: str, body: JsonObject) -> bool:
    """Say whether a request asks for a stream."""
    del path
    return body.get("stream") is True


def whole(model: str, text: str) -> bytes:
    """Encode a whole answer."""
    return msgspec.json.encode(_message(model, [{"type": "text", "text": text}], "end_turn"))


def events(model: str, text: str) -> Iterator[bytes]:
    """Yield the frames of a stream, a few characters each, so that anything can be cut in two."""
    yield _event("message_start", message=_message(model, [], None))
    yield _event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    for start in range(0, len(text), 7):
        delta = {"type": "text_delta", "text": text[start : start + 7]}
        yield _event("content_block_delta", index=0, delta=delta)
    yield _event("content_block_stop", index=0)
    yield _event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 10})
    yield _event("message_stop")


def _message(model: str, content: list[dict[str, str]], stop_reason: str | None) -> dict[str, object]:
    usage = {"input_tokens": 10, "output_tokens": 10}
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": stop_reason,
        "usage": usage,
    }


def _event(kind: str, **fields: object) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), msgspec.json.encode({"type": kind, **fields}))
