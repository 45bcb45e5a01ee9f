"""What translators into other dialects share: a chat request as they read it, and the chat answer as they write it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from typing import TypeAlias

import msgspec

from router.core.errors import InvalidRequest, UnsupportedFeature
from router.core.types import Delta, JsonObject, Usage
from router.wire.shapes import convert

Fields: TypeAlias = dict[str, object]
"""A JSON object about to be encoded."""


class ImageUrl(msgspec.Struct):
    url: str
    detail: str | None = None


class File(msgspec.Struct):
    file_data: str | None = None
    filename: str | None = None


class Part(msgspec.Struct):
    """A content part; what is of another type than its fields say is refused by its translator."""

    type: str
    text: str = ""
    refusal: str = ""
    image_url: ImageUrl | None = None
    file: File | None = None
    document: Fields | None = None
    cache_control: Fields | None = None


class Called(msgspec.Struct):
    name: str
    arguments: str = ""


class ToolCall(msgspec.Struct):
    id: str = ""
    function: Called | None = None


class ThinkingBlock(msgspec.Struct):
    """One of Anthropic's `thinking` or `redacted_thinking` blocks."""

    type: str
    thinking: str = ""
    signature: str = ""
    data: str = ""


class Message(msgspec.Struct):
    role: str
    content: str | list[Part] | None = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    is_error: bool | None = None
    reasoning_content: str | None = None
    thinking_blocks: list[ThinkingBlock] | None = None
    tool_plan: str | None = None


class Declared(msgspec.Struct):
    name: str
    description: str | None = None
    parameters: Fields | None = None
    strict: bool | None = None


class Tool(msgspec.Struct):
    function: Declared | None = None
    cache_control: Fields | None = None


class Named(msgspec.Struct):
    name: str


class ToolChoice(msgspec.Struct):
    function: Named | None = None


class JsonSchema(msgspec.Struct):
    name: str | None = None
    description: str | None = None
    schema: Fields | None = None


class ResponseFormat(msgspec.Struct):
    type: str
    json_schema: JsonSchema | None = None
    schema: Fields | None = None


class Thinking(msgspec.Struct):
    """Anthropic's wish for thinking, which some callers write into chat requests."""

    type: str
    budget_tokens: int | None = None


class Request(msgspec.Struct):
    """The fields of a chat request that translators know."""

    messages: list[Message]
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    stop: str | list[str] | None = None
    tools: list[Tool] | None = None
    tool_choice: str | ToolChoice | None = None
    n: int | None = None
    response_format: ResponseFormat | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    reasoning_effort: str | None = None
    thinking: Thinking | None = None
    service_tier: str | None = None
    modalities: list[str] | None = None
    audio: Fields | None = None
    functions: list[Fields] | None = None
    web_search_options: Fields | None = None

    @property
    def limit(self) -> int | None:
        """The longest answer that the caller wants, in tokens."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def stops(self) -> list[str]:
        """The texts that end an answer; empty ones, which end nothing, are left out."""
        given = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return [text for text in given if text]


_MAX_NAMES = 32
_PLAIN = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_OBJECT = msgspec.json.Decoder(Fields)
_ELSEWHERE = frozenset({"model", "stream", "stream_options"})
"""What the translators take from the clearance, not from the body."""


def read(body: JsonObject) -> Request:
    """Read a chat request.

    Raises:
        InvalidRequest: a field is of the wrong type; `param` names it.
    """
    return convert(body, Request)


def unknown(body: JsonObject, known: Set[str]) -> set[str]:
    """Name the fields of a request that a translator doesn't know and that ask for something.

    What isn't a name, and what comes after the first `_MAX_NAMES`, becomes `other`: they go into a header.
    """
    asked = {name for name, value in body.items() if value is not None and value is not False and value not in ([], {})}
    # Calls at once are what every model makes that calls tools: not wanting them is the wish.
    asked ^= {"parallel_tool_calls"} if isinstance(body.get("parallel_tool_calls"), bool) else set()
    names = sorted(asked - known - _ELSEWHERE)
    plain = [name if _PLAIN.fullmatch(name) else "other" for name in names[:_MAX_NAMES]]
    return {*plain, *(["other"] if len(names) > _MAX_NAMES else [])}


def check(request: Request, who: str, *refused: str) -> None:
    """Refuse the features that none of these dialects has, and those named in `refused`.

    Raises:
        UnsupportedFeature: it asks for one of them; `param` says which.
    """
    wanted = {
        "n": (request.n or 1) > 1,
        "modalities": any(kind != "text" for kind in request.modalities or ()),
        "audio": request.audio,
        "functions": request.functions,
        "web_search_options": request.web_search_options is not None,
        "logprobs": request.logprobs and "logprobs" in refused,
        "top_logprobs": request.top_logprobs,
    }
    for param, asked in wanted.items():
        if asked:
            what = "'n' above 1" if param == "n" else f"this '{param}'"
            raise UnsupportedFeature(f"{what} can't be translated for {who}", param=param)


def arguments(call: ToolCall, param: str) -> tuple[str, str]:
    """Return (name, arguments as JSON) of a call that a conversation brings.

    Raises:
        UnsupportedFeature: it isn't a function's.
        InvalidRequest: it has no id, or its arguments aren't a JSON object.
    """
    if call.function is None:
        raise UnsupportedFeature("only calls of function tools can be translated", param=param)
    if not call.id:
        raise InvalidRequest("a tool call must have an id", param=f"{param}.id")
    text = call.function.arguments or "{}"
    try:
        _OBJECT.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        what = "the arguments of a tool call must be a JSON object"
        raise InvalidRequest(what, param=f"{param}.function.arguments") from None
    return call.function.name, text


def chosen(request: Request) -> str | Named | None:
    """Return the choice of tools: auto, none, required, a function, or None where nothing is said.

    Raises:
        InvalidRequest, UnsupportedFeature: it is none of these.
    """
    choice = request.tool_choice
    if isinstance(choice, ToolChoice):
        if choice.function is None:
            raise UnsupportedFeature("this kind of 'tool_choice' can't be translated", param="tool_choice")
        named = choice.function.name
        if not any(tool.function and tool.function.name == named for tool in request.tools or ()):
            raise InvalidRequest("'tool_choice' names a function that isn't among the tools", param="tool_choice")
        return choice.function
    if choice not in (None, "auto", "none", "required"):
        raise InvalidRequest("'tool_choice' must be auto, none, required or a named function", param="tool_choice")
    return choice


class Counted(msgspec.Struct, frozen=True):
    """Usage, and which details of the prompt's tokens the upstream reported: unknown isn't 0."""

    usage: Usage
    details: Mapping[str, int] = {}

    def fields(self) -> Fields:
        """Write it as chat answers do."""
        usage = self.usage
        fields: Fields = {
            "prompt_tokens": usage.input_tokens,
            "completion_tokens": usage.output_tokens,
            "total_tokens": usage.input_tokens + usage.output_tokens,
        }
        return fields | ({"prompt_tokens_details": self.details} if self.details else {})


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What all of an answer's pieces say of it."""

    id: str
    model: str
    created_s: int
    """Unix time."""


def completion(
    head: Head,
    message: Mapping[str, object],
    finish: str,
    counted: Counted | None,
    logprobs: Sequence[Fields] | None = None,
) -> Delta:
    """Write a whole answer; `counted=None` = the upstream didn't say what it used."""
    choice: Fields = {
        "index": 0,
        "message": {"role": "assistant", **message},
        "logprobs": {"content": logprobs, "refusal": None} if logprobs else None,
        "finish_reason": finish,
    }
    answer: Fields = {
        "id": head.id,
        "object": "chat.completion",
        "created": head.created_s,
        "model": head.model,
        "choices": [choice],
    }
    if counted is None:
        return Delta(payload=msgspec.json.encode(answer), finish_reason=finish)
    answer["usage"] = counted.fields()
    return Delta(payload=msgspec.json.encode(answer), usage=counted.usage, finish_reason=finish)


def call(call_id: str, name: str, text: str) -> Fields:
    """Write a tool call; `text` = its arguments as JSON."""
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": text}}


def piece(number: int, text: str) -> Fields:
    """Write what a stream adds to the arguments of call `number`."""
    return {"tool_calls": [{"index": number, "function": {"arguments": text}}]}


def _chars(fields: Mapping[str, object]) -> int:
    """Return the length of the text or arguments that a chunk adds; what else there is counts as short."""
    return sum(len(value) if isinstance(value, str) else len(msgspec.json.encode(value)) for value in fields.values())


class Chunks:
    """Writes one stream's `chat.completion.chunk`s; the first one carries the role."""

    def __init__(self, head: Head) -> None:
        self._head = head
        self._role: Fields = {"role": "assistant"}

    def delta(
        self, fields: Mapping[str, object], finish: str | None = None, logprobs: Sequence[Fields] | None = None
    ) -> Delta:
        """Write a chunk that adds `fields`."""
        choice: Fields = {
            "index": 0,
            "delta": {**self._role, **fields},
            "logprobs": {"content": logprobs, "refusal": None} if logprobs else None,
            "finish_reason": finish,
        }
        self._role = {}
        payload, content = self._chunk([choice]), any(fields.values())
        return Delta(payload=payload, finish_reason=finish, content=content, chars=_chars(fields))

    def usage(self, counted: Counted) -> Delta:
        """Write the chunk that holds usage and no choice."""
        return Delta(payload=self._chunk([], usage=counted.fields()), usage=counted.usage, usage_only=True)

    def _chunk(self, choices: list[Fields], **more: object) -> bytes:
        chunk: Fields = {
            "id": self._head.id,
            "object": "chat.completion.chunk",
            "created": self._head.created_s,
            "model": self._head.model,
            "choices": choices,
        }
        return msgspec.json.encode(chunk | more)
