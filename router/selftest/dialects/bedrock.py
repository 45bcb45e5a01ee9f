"""Amazon Bedrock's Converse and ConverseStream."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from zlib import crc32

import msgspec

from router.core.types import JsonObject, JsonValue

STREAM_TYPE = "application/vnd.amazon.eventstream"
_USAGE = {"inputTokens": 10, "outputTokens": 10, "totalTokens": 20}
_METRICS = {"latencyMs": 1}
_TEXT = 7
"""The type of a header whose value is a text."""


def redirected(options: dict[str, JsonValue], url: str) -> dict[str, JsonValue]:
    """Replace AWS's own credential chain, which would ask whoever has real ones, by made-up keys."""
    del url
    if options.get("credentials") is None:
        return options
    rest = {key: value for key, value in options.items() if key != "credentials"}
    return {**rest, "access_key_id": "made-up", "secret_access_key": "made-up"}


def beside(path: str) -> bytes | None:
    """Encode the answer to a request that is none for the model: there is none, with keys that don't expire."""
    del path
    return None


def wants_stream(path: str, body: JsonObject) -> bool:
    """Say whether a request asks for a stream."""
    del body
    return path.endswith("/converse-stream")


def whole(model: str, text: str) -> bytes:
    """Encode a whole answer."""
    del model  # the dialect doesn't say it
    message = {"role": "assistant", "content": [{"text": text}]}
    answer = {"output": {"message": message}, "stopReason": "end_turn", "usage": _USAGE, "metrics": _METRICS}
    return msgspec.json.encode(answer)


def events(model: str, text: str) -> Iterator[bytes]:
    """Yield the frames of a stream, a few characters each, so that anything can be cut in two."""
    del model
    yield event("messageStart", {"role": "assistant"})
    for start in range(0, len(text), 7):
        yield event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": text[start : start + 7]}})
    yield event("contentBlockStop", {"contentBlockIndex": 0})
    yield event("messageStop", {"stopReason": "end_turn"})
    yield event("metadata", {"usage": _USAGE, "metrics": _METRICS})


def event(name: str, fields: object) -> bytes:
    """Frame one event."""
    return frame({":event-type": name, ":message-type": "event"}, msgspec.json.encode(fields))


def frame(headers: dict[str, str], payload: bytes) -> bytes:
    """Frame one message: lengths, a checksum of them, headers, payload, a checksum of it all.

    Source: https://docs.aws.amazon.com/transcribe/latest/dg/event-stream.html, 2026-11.
    """
    head = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", _TEXT, len(value)) + value.encode()
        for name, value in {**headers, ":content-type": "application/json"}.items()
    )
    prelude = struct.pack("!II", 16 + len(head) + len(payload), len(head))
    message = prelude + struct.pack("!I", crc32(prelude)) + head + payload
    return message + struct.pack("!I", crc32(message))
