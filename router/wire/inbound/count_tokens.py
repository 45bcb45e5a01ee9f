"""Anthropic's count of a messages request's tokens, as callers ask for it: only Anthropic answers it, or this process."""

from __future__ import annotations

from router.core.errors import RouterError
from router.core.types import JsonObject
from router.wire.dialects import Codec, Decoded, Encoder, Translation
from router.wire.inbound import _messages_answer, messages
from router.wire.inbound._openai import AsItIs


class _Codec:
    path = "/v1/messages/count_tokens"

    def decode(self, data: bytes) -> Decoded:
        return messages.decode(data, counts_only=True)

    def to_chat(self, body: JsonObject) -> Translation:
        """A chat request has no way to ask for a count: the translation is for what reads texts and needs."""
        translation = messages.to_chat(body)
        return Translation(body=translation.body, unsupported=("count_tokens", *translation.unsupported))

    def encoder(self, body: JsonObject) -> Encoder:
        del body
        return AsItIs()

    def headers(self, headers: dict[str, str]) -> tuple[tuple[str, str], ...]:
        return messages.travelling(headers)

    def error(self, error: RouterError) -> bytes:
        return _messages_answer.error_body(error)

    def error_frame(self, error: RouterError) -> bytes:
        return _messages_answer.error_frame(error)


CODEC: Codec = _Codec()
