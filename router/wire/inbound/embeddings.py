"""OpenAI's embeddings as callers speak them: a vector is of one model's space, so nothing is translated or stood in for."""

from __future__ import annotations

from typing import Literal

import msgspec

from router.core.errors import InvalidRequest
from router.core.types import JsonObject
from router.wire import json_body, shapes
from router.wire.dialects import Codec, Decoded, Encoder, Translation
from router.wire.inbound._openai import AsItIs, OpenAIErrors

MAX_INPUTS = 2048
"""Source: https://platform.openai.com/docs/api-reference/embeddings/create (2026-11-29)"""


class _Shape(msgspec.Struct):
    """The fields that are checked, because something here or upstream relies on their type."""

    model: str
    input: str | list[str | int | list[int]]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = None
    user: str | None = None


class _Codec(OpenAIErrors):
    path = "/v1/embeddings"

    def decode(self, data: bytes) -> Decoded:
        body = json_body.decode(data)
        shape = shapes.convert(body, _Shape)
        shapes.check_model(shape.model)
        shapes.in_bounds("dimensions", shape.dimensions, 1)
        _check_input(shape.input)
        return Decoded(body=body, model=shape.model)

    def to_chat(self, body: JsonObject) -> Translation:
        """A chat can't ask for a vector. What is kept names the caller's conversation."""
        kept = {name: body[name] for name in ("model", "user") if name in body}
        return Translation(body={**kept, "messages": []}, unsupported=("input",), bound=True)

    def encoder(self, body: JsonObject) -> Encoder:
        del body
        return AsItIs()


def _check_input(given: str | list[str | int | list[int]]) -> None:
    """Check that there is something to embed, all of one kind."""
    items = [given] if isinstance(given, str) else given
    if not items or any(item in ("", []) for item in items) or len({type(item) for item in items}) > 1:
        message = "'input' must be a text that isn't empty, or a list of such texts, tokens or lists of tokens"
        raise InvalidRequest(message, param="input")
    if not isinstance(items[0], int) and len(items) > MAX_INPUTS:
        raise InvalidRequest(f"'input' holds more than {MAX_INPUTS} texts", param="input")


CODEC: Codec = _Codec()
