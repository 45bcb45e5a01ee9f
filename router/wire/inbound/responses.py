"""OpenAI's Responses API as callers speak it: its requests' shape and its errors; `responses_request` and
`responses_answer` translate.

Source: the types of OpenAI's Python SDK 3.52.0 (2026-11-29), which document
https://platform.openai.com/docs/api-reference/responses.
"""

from __future__ import annotations

import msgspec

from router.core.errors import InvalidRequest, RouterError
from router.core.types import JsonObject
from router.wire import json_body, sse
from router.wire.dialects import Codec, Decoded, Encoder, Translation
from router.wire.inbound._openai import OpenAIErrors
from router.wire.inbound.responses_answer import ResponsesEncoder
from router.wire.inbound.responses_request import to_chat
from router.wire.shapes import check_model, convert, in_bounds


class _Item(msgspec.Struct):
    type: str | None = None
    role: str | None = None


class _Reasoning(msgspec.Struct):
    effort: str | None = None
    summary: str | None = None
    generate_summary: str | None = None


class _Format(msgspec.Struct):
    name: str | None = None
    description: str | None = None
    schema: dict[str, object] | None = None
    strict: bool | None = None


class _Tool(msgspec.Struct):
    name: str | None = None
    description: str | None = None
    parameters: dict[str, object] | None = None
    strict: bool | None = None


class _Text(msgspec.Struct):
    format: _Format | None = None
    verbosity: str | None = None


class _Shape(msgspec.Struct):
    """The fields that are checked, because something here or upstream relies on their type, or the answer repeats them."""

    model: str
    input: str | list[_Item] | None = None
    instructions: str | None = None
    previous_response_id: str | None = None
    store: bool | None = None
    stream: bool | None = None
    background: bool | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_logprobs: int | None = None
    parallel_tool_calls: bool | None = None
    tools: list[_Tool] | None = None
    tool_choice: str | dict[str, object] | None = None
    text: _Text | None = None
    reasoning: _Reasoning | None = None
    metadata: dict[str, str] | None = None
    max_tool_calls: int | None = None
    prompt_cache_key: str | None = None
    safety_identifier: str | None = None
    truncation: str | None = None
    user: str | None = None
    include: list[str] | None = None
    prompt: dict[str, object] | None = None
    conversation: str | dict[str, object] | None = None


class _Codec(OpenAIErrors):
    path = "/v1/responses"

    def decode(self, data: bytes) -> Decoded:
        body = json_body.decode(data)
        shape = convert(body, _Shape)
        _check(shape)
        return Decoded(body=body, model=shape.model, stream=bool(shape.stream))

    def to_chat(self, body: JsonObject) -> Translation:
        return to_chat(body)

    def encoder(self, body: JsonObject) -> Encoder:
        return ResponsesEncoder(body)

    def error_frame(self, error: RouterError) -> bytes:
        return error_frame(error, 0)


def error_frame(error: RouterError, sequence_number: int) -> bytes:
    """Return the event that ends a stream which broke.

    The error stands in it twice: flat, as the SDK's type has it, and under `error`, where the SDK looks for what to raise.
    """
    fields = {"code": error.code, "message": error.message, "param": error.param}
    event = {"type": "error", **fields, "error": {"type": error.type, **fields}, "sequence_number": sequence_number}
    return sse.frame(msgspec.json.encode(event), b"error")


def _check(shape: _Shape) -> None:
    check_model(shape.model)
    # An empty list is nothing to answer; an empty text is the caller's own affair.
    nothing = shape.input is None or shape.input == []
    if nothing and shape.previous_response_id is None and shape.prompt is None and shape.conversation is None:
        raise InvalidRequest("'input' is missing or empty; send a text or a list of items", param="input")
    in_bounds("max_output_tokens", shape.max_output_tokens, 1)
    in_bounds("temperature", shape.temperature, 0, 2)
    in_bounds("top_p", shape.top_p, 0, 1)
    in_bounds("top_logprobs", shape.top_logprobs, 0, 20)


CODEC: Codec = _Codec()
