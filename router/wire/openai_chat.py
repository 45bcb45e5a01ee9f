"""OpenAI's chat completions dialect: checks a request's shape, reads what matters of an answer."""

from __future__ import annotations

import msgspec

from router.core.errors import InvalidRequest
from router.core.types import JsonObject, Usage
from router.wire import json_body, openai_usage, shapes


class _Part(msgspec.Struct):
    type: str


class _Function(msgspec.Struct):
    name: str
    arguments: str = ""


class _ToolCall(msgspec.Struct):
    id: str | None = None
    function: _Function | None = None


class _Message(msgspec.Struct):
    role: str
    content: str | list[_Part] | None = None
    name: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class Shape(msgspec.Struct):
    """The fields that are checked, because something here or upstream relies on their type."""

    model: str
    messages: list[_Message]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    n: int | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: str | list[str] | None = None
    tools: list[dict[str, object]] | None = None
    tool_choice: str | dict[str, object] | None = None
    response_format: dict[str, object] | None = None
    logprobs: bool | None = None


def decode(data: bytes) -> tuple[JsonObject, Shape]:
    """Decode a request body and check its shape; unknown fields are kept as they are.

    Raises:
        InvalidRequest: as `json_body.decode`, or a field is of the wrong type; `param` names it.
    """
    body = json_body.decode(data)
    shape = shapes.convert(body, Shape)
    shapes.check_model(shape.model)
    if not shape.messages:
        raise InvalidRequest("'messages' is empty; send at least one message", param="messages")
    for name, low, high in (("n", 1, 128), ("max_tokens", 1, None), ("max_completion_tokens", 1, None)):
        shapes.in_bounds(name, getattr(shape, name), low, high)
    shapes.in_bounds("temperature", shape.temperature, 0, 2)
    shapes.in_bounds("top_p", shape.top_p, 0, 1)
    return body, shape


_MISSING = msgspec.Raw()


class _Choice(msgspec.Struct):
    index: int | None = None
    finish_reason: str | None = None
    usage: msgspec.Raw = _MISSING
    """Moonshot's place for it in a stream."""


class _Beside(msgspec.Struct):
    usage: msgspec.Raw = _MISSING


class _Answer(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: msgspec.Raw = _MISSING
    x_groq: _Beside | None = None
    """Groq's place for it in a stream."""
    error: msgspec.Raw = _MISSING
    object: str | None = None


_ANSWER = msgspec.json.Decoder(_Answer)
_NONE: frozenset[int] = frozenset()
_FIRST = frozenset({0})


class Facts(msgspec.Struct, frozen=True):
    """What the router needs to know of an answer or a chunk."""

    usage: Usage | None
    finish_reason: str | None
    choices: int | None
    """How many choices it holds; None = the field is missing."""
    error: bool
    said: frozenset[int] = frozenset()
    """Indexes of the choices it holds."""
    finished: frozenset[int] = frozenset()
    """Indexes of those that have a finish reason."""


def facts(payload: bytes, *, reasoning_beside: bool = False) -> Facts:
    """Read usage, finish reason and error of one `chat.completion` or `chat.completion.chunk`.

    `reasoning_beside` as in `openai_usage.read`.

    Raises:
        msgspec.DecodeError: not JSON, or not of that shape.
    """
    answer = _ANSWER.decode(payload)
    choices = answer.choices or ()
    finish = usage = None
    if answer.usage is not _MISSING:
        usage = openai_usage.read(answer.usage, reasoning_beside=reasoning_beside)
    if usage is None and answer.x_groq is not None:
        usage = openai_usage.read(answer.x_groq.usage, reasoning_beside=reasoning_beside)
    for choice in choices:
        finish = choice.finish_reason or finish
        if usage is None and choice.usage is not _MISSING:
            usage = openai_usage.read(choice.usage, reasoning_beside=reasoning_beside)
    has_error = answer.error is not _MISSING and bytes(answer.error) != b"null"
    count = None if answer.choices is None else len(answer.choices)
    if len(choices) == 1 and not choices[0].index:  # as nearly every event of a stream
        return Facts(usage, finish, count, has_error, _FIRST, _FIRST if finish is not None else _NONE)
    said = frozenset(choice.index or 0 for choice in choices)
    finished = frozenset(choice.index or 0 for choice in choices if choice.finish_reason is not None)
    return Facts(usage, finish, count, has_error, said, finished)


class _Framing(msgspec.Struct):
    delta: dict[str, object] | None = None
    text: str | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Framing] | None = None


_CHUNK = msgspec.json.Decoder(_Chunk)


def has_content(payload: bytes) -> bool:
    """Say whether a chunk, of chat or of the older completions, holds more of an answer than its frame: a role, empty text.

    What isn't known counts as content.
    """
    try:
        choices = _CHUNK.decode(payload).choices or ()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return True
    return any(
        bool(choice.text) or any(value for name, value in (choice.delta or {}).items() if name != "role")
        for choice in choices
    )


def instruction_text(body: JsonObject, limit: int = 8_000) -> str:
    """Join what tells the task: the system text and the last user message, each cut to `limit` characters."""
    system, user = "", ""
    messages = body.get("messages")
    for message in messages if isinstance(messages, list) else ():
        if not isinstance(message, dict):
            continue
        if message.get("role") == "user":
            user = text_of(message.get("content"))
        elif message.get("role") in ("system", "developer"):
            system = text_of(message.get("content"))
    return f"{system[:limit]}\n{_ends(user, limit)}".strip()


def text_of(content: object) -> str:
    """Join the text of a message's content: a string, or the text parts of a list."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts: list[str] = []
    for part in content:  # pyright: ignore[reportUnknownVariableType] decoded JSON
        text = part.get("text") if isinstance(part, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        if isinstance(text, str):
            parts.append(text)
    return "\n".join(parts)


def _ends(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit // 2]}\n{text[-limit // 2 :]}"
