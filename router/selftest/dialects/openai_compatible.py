"""OpenAI's chat completions."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from router.core.types import JsonObject

_USAGE = {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20}


def wants_stream(path: str, body: JsonObject) -> bool:
    """Say whether a request asks for a stream."""
    del path
    return body.get("stream") is True


def whole(model: str, text: str) -> bytes:
    """Encode a whole answer."""
    message = {"role": "assistant", "content": text}
    return _encoded(model, "chat.completion", [{"index": 0, "message": message, "finish_reason": "stop"}], _USAGE)


def events(model: str, text: str) -> Iterator[bytes]:
    """Yield the frames of a stream, a few characters each, so that anything can be cut in two."""
    yield _chunk(model, {"role": "assistant", "content": ""})
    for start in range(0, len(text), 7):
        yield _chunk(model, {"content": text[start : start + 7]})
    yield _chunk(model, {}, "stop")
    yield b"data: " + _encoded(model, "chat.completion.chunk", [], _USAGE) + b"\n\n"
    yield b"data: [DONE]\n\n"


def _chunk(model: str, delta: dict[str, str], finish: str | None = None) -> bytes:
    choices: list[object] = [{"index": 0, "delta": delta, "finish_reason": finish}]
    return b"data: " + _encoded(model, "chat.completion.chunk", choices, None) + b"\n\n"


def _encoded(model: str, kind: str, choices: list[object], usage: dict[str, int] | None) -> bytes:
    answer = {"id": "chatcmpl-1", "object": kind, "created": 1, "model": model, "choices": choices, "usage": usage}
    return msgspec.json.encode(answer)
