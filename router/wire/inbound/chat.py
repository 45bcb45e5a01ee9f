"""Chat completions as callers speak them: the dialect inside, so that nothing is translated."""

from __future__ import annotations

from router.core.types import Delta, JsonObject
from router.wire import openai_chat, sse
from router.wire.dialects import Codec, Decoded, Encoder, Translation
from router.wire.inbound._openai import OpenAIErrors, wants_usage


class _Encoder:
    def __init__(self, body: JsonObject) -> None:
        self._wants_usage = wants_usage(body)

    def whole(self, delta: Delta) -> bytes:
        return delta.payload

    def frames(self, delta: Delta) -> bytes:
        """Leave out the chunk with the usage for a caller that didn't ask for it."""
        return b"" if delta.usage_only and not self._wants_usage else sse.frame(delta.payload)

    def end(self) -> bytes:
        return sse.DONE


class _Codec(OpenAIErrors):
    path = "/v1/chat/completions"

    def decode(self, data: bytes) -> Decoded:
        body, shape = openai_chat.decode(data)
        return Decoded(body=body, model=shape.model, stream=bool(shape.stream))

    def to_chat(self, body: JsonObject) -> Translation:
        return Translation(body=body)

    def encoder(self, body: JsonObject) -> Encoder:
        return _Encoder(body)


CODEC: Codec = _Codec()
