"""OpenAI's older completions of a prompt: one prompt is one message of a chat, several or tokens are none."""

from __future__ import annotations

import msgspec

from router.core.errors import InvalidRequest, UpstreamProtocolError
from router.core.types import Delta, Dialect, JsonObject, JsonValue
from router.wire import json_body, shapes, sse
from router.wire.dialects import Codec, Decoded, Encoder, Translation
from router.wire.inbound._openai import OpenAIErrors, wants_usage

_MAX_PROMPTS = 2048


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Shape(msgspec.Struct):
    """The fields that are checked, because something here or upstream relies on their type."""

    model: str
    prompt: str | list[str | int | list[int]]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    n: int | None = None
    best_of: int | None = None
    echo: bool | None = None
    logprobs: int | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: str | list[str] | None = None
    suffix: str | None = None


_HARMLESS: dict[str, tuple[JsonValue, ...]] = {
    "suffix": (None, ""),
    "echo": (None, False),
    "best_of": (None, 1),
    "logprobs": (None,),
}
"""Fields that a chat has no place for, and the values that ask for nothing."""

_FIXED = frozenset({"prompt", *_HARMLESS})


class _Encoder:
    def __init__(self, body: JsonObject) -> None:
        self._wants_usage = wants_usage(body)

    def whole(self, delta: Delta) -> bytes:
        return delta.payload if delta.dialect is Dialect.COMPLETIONS else _translated(delta.payload, "message")

    def frames(self, delta: Delta) -> bytes:
        """Leave out the chunk with the usage for a caller that didn't ask for it, and chunks that say nothing."""
        if delta.usage_only and not self._wants_usage:
            return b""
        if delta.dialect is Dialect.COMPLETIONS:
            return sse.frame(delta.payload)
        translated = _translated(delta.payload, "delta")
        return sse.frame(translated) if translated else b""

    def end(self) -> bytes:
        return sse.DONE


def _translated(payload: bytes, holder: str) -> bytes:
    """Write a chat completion, or a chunk of one, as a text completion; empty where a chunk says nothing.

    A model's thinking has no place in a text completion: it stands beside the text, under the name it has in a chat.
    """
    try:
        answer: JsonObject = msgspec.json.decode(payload, type=dict[str, object])  # pyright: ignore[reportAssignmentType] decoded JSON
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamProtocolError("the upstream's answer can't be read") from None
    given = answer.get("choices")
    choices = [_choice(one, holder) for one in (given if isinstance(given, list) else ()) if isinstance(one, dict)]
    said = any(choice["text"] or choice["finish_reason"] or "reasoning_content" in choice for choice in choices)
    if holder == "delta" and choices and not said:
        return b""
    return msgspec.json.encode({**answer, "object": "text_completion", "choices": choices})


def _choice(choice: JsonObject, holder: str) -> JsonObject:
    held = choice.get(holder)
    message: JsonObject = held if isinstance(held, dict) else {}
    text = message.get("content")
    if not isinstance(text, str):
        refusal = message.get("refusal")
        text = refusal if isinstance(refusal, str) else ""
    written: JsonObject = {
        "text": text,
        "index": choice.get("index", 0),
        "logprobs": None,
        "finish_reason": choice.get("finish_reason"),
    }
    if message.get("reasoning_content"):
        written["reasoning_content"] = message["reasoning_content"]
    return written


class _Codec(OpenAIErrors):
    path = "/v1/completions"

    def decode(self, data: bytes) -> Decoded:
        body = json_body.decode(data)
        shape = shapes.convert(body, _Shape)
        shapes.check_model(shape.model)
        _check_prompt(shape.prompt)
        for name, low, high in (("n", 1, 128), ("best_of", 1, 20), ("logprobs", 0, None), ("max_tokens", 0, None)):
            shapes.in_bounds(name, getattr(shape, name), low, high)
        shapes.in_bounds("temperature", shape.temperature, 0, 2)
        shapes.in_bounds("top_p", shape.top_p, 0, 1)
        return Decoded(body=body, model=shape.model, stream=bool(shape.stream))

    def to_chat(self, body: JsonObject) -> Translation:
        """One prompt becomes the user's message; fields of the same name and meaning stay, and so do unknown ones."""
        prompts = _texts(body.get("prompt"))
        unsupported = [name for name, values in _HARMLESS.items() if body.get(name) not in values]
        if prompts is None or len(prompts) > 1:
            unsupported.insert(0, "prompt")
        messages: list[JsonValue] = [{"role": "user", "content": prompt} for prompt in prompts or ()]
        chat: JsonObject = {name: value for name, value in body.items() if name not in _FIXED}
        chat["messages"] = messages
        return Translation(body=chat, unsupported=tuple(unsupported), bound=prompts is None)

    def encoder(self, body: JsonObject) -> Encoder:
        return _Encoder(body)


def _check_prompt(prompt: str | list[str | int | list[int]]) -> None:
    """Check that all items are of one kind, and that there are some."""
    if isinstance(prompt, str):
        return
    if not prompt or len({type(item) for item in prompt}) > 1:
        raise InvalidRequest("'prompt' must be a text, or a list of texts, tokens or lists of tokens", param="prompt")
    if not isinstance(prompt[0], int) and len(prompt) > _MAX_PROMPTS:
        raise InvalidRequest(f"'prompt' holds more than {_MAX_PROMPTS} prompts", param="prompt")


def _texts(prompt: JsonValue) -> list[str] | None:
    """Return the prompts; None if they are tokens, which only the model that they were made for can read."""
    if isinstance(prompt, str):
        return [prompt]
    texts = [item for item in prompt if isinstance(item, str)] if isinstance(prompt, list) else []
    return texts or None


CODEC: Codec = _Codec()
