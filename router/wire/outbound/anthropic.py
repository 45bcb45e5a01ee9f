"""Anthropic's Messages dialect: OpenAI's chat completions translated into it, its answers translated back; no I/O.

Source: the types of Anthropic's Python SDK 2.11.0, which document https://platform.claude.com/docs/en/api/messages.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import msgspec

from router.core.errors import InvalidRequest, UnsupportedFeature, UpstreamProtocolError, UpstreamUnavailable
from router.core.types import Delta, JsonObject, Usage

_Fields: TypeAlias = dict[str, object]
"""A JSON object about to be encoded."""


class _ImageUrl(msgspec.Struct):
    url: str


class _Part(msgspec.Struct):
    type: str
    text: str = ""
    refusal: str = ""
    image_url: _ImageUrl | None = None
    cache_control: _Fields | None = None


class _Called(msgspec.Struct):
    name: str
    arguments: str = ""


class _ToolCall(msgspec.Struct):
    id: str
    function: _Called | None = None


class _Message(msgspec.Struct):
    role: str
    content: str | list[_Part] | None = None
    tool_calls: list[_ToolCall] | None = None
    tool_call_id: str | None = None


class _Declared(msgspec.Struct):
    name: str
    description: str | None = None
    parameters: _Fields | None = None


class _Tool(msgspec.Struct):
    function: _Declared | None = None
    cache_control: _Fields | None = None


class _Named(msgspec.Struct):
    name: str


class _ToolChoice(msgspec.Struct):
    function: _Named | None = None


class _Typed(msgspec.Struct):
    type: str


class _Request(msgspec.Struct):
    messages: list[_Message]
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: str | list[str] | None = None
    user: str | None = None
    tools: list[_Tool] | None = None
    tool_choice: str | _ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    n: int | None = None
    response_format: _Typed | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    modalities: list[str] | None = None
    audio: _Fields | None = None
    functions: list[_Fields] | None = None
    web_search_options: _Fields | None = None


_PATH = re.compile(r" - at `\$\.?(.*?)`$")
_NOT_IN_AN_ID = re.compile(r"[^a-zA-Z0-9_-]")
_IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_TOOL_CHOICES = {"auto": "auto", "none": "none", "required": "any"}
_OBJECT = msgspec.json.Decoder(_Fields)


def encode_request(body: JsonObject, *, model: str, stream: bool, default_max_tokens: int) -> bytes:
    """Encode a chat completion request as a Messages request. Tuning knobs without a counterpart are dropped.

    Raises:
        InvalidRequest: a field that is needed is missing, or isn't what it should be; `param` names it.
        UnsupportedFeature: it asks for what this dialect can't do; `param` says what.
    """
    try:
        request = msgspec.convert(body, _Request)
    except msgspec.ValidationError as error:
        path = _PATH.search(str(error))
        raise InvalidRequest(f"invalid request: {error}", param=path.group(1) if path else None) from None
    _check_supported(request)
    fields: _Fields = {
        "model": model,
        "max_tokens": request.max_completion_tokens or request.max_tokens or default_max_tokens,
        "messages": _turns(request.messages),
    }
    if system := _system(request.messages):
        fields["system"] = system
    if request.tools:
        fields["tools"] = [_tool(tool, f"tools[{index}]") for index, tool in enumerate(request.tools)]
        if choice := _tool_choice(request):
            fields["tool_choice"] = choice
    if request.stop:
        fields["stop_sequences"] = [request.stop] if isinstance(request.stop, str) else request.stop
    if request.user:
        fields["metadata"] = {"user_id": request.user}
    if stream:
        fields["stream"] = True
    return msgspec.json.encode(fields | _sampling(request.temperature, request.top_p))


def _check_supported(request: _Request) -> None:
    wanted = {
        "n": (request.n or 1) > 1,
        "response_format": request.response_format is not None and request.response_format.type != "text",
        "logprobs": request.logprobs,
        "top_logprobs": request.top_logprobs,
        "modalities": any(kind != "text" for kind in request.modalities or ()),
        "audio": request.audio,
        "functions": request.functions,
        "web_search_options": request.web_search_options is not None,
    }
    for param, asked in wanted.items():
        if asked:
            what = "'n' above 1" if param == "n" else f"this '{param}'"
            raise UnsupportedFeature(f"{what} can't be translated for an Anthropic target", param=param)


def _sampling(temperature: float | None, top_p: float | None) -> _Fields:
    """Choose one of the two, for models since Opus 4.1 refuse both together; 1 is the default of each.

    Source: https://docs.claude.com/en/api/messages#body-top-p ("alter temperature or top_p, but not both").
    """
    if top_p is not None and top_p < 1 and (temperature is None or temperature >= 1):
        return {"top_p": top_p}
    return {} if temperature is None else {"temperature": min(temperature, 1)}


def _system(messages: Sequence[_Message]) -> list[_Fields]:
    blocks: list[_Fields] = []
    for index, message in enumerate(messages):
        if message.role in ("system", "developer"):
            blocks += _content(message.content, f"messages[{index}].content", text_only=True)
    return blocks


def _turns(messages: Sequence[_Message]) -> list[_Fields]:
    """Translate the conversation; neighbours of one role become one turn, as tool results must share one."""
    turns: list[tuple[str, list[_Fields]]] = []
    for index, message in enumerate(messages):
        where = f"messages[{index}]"
        match message.role:
            case "system" | "developer":
                continue
            case "user":
                role, blocks = "user", _content(message.content, f"{where}.content")
            case "assistant":
                role, blocks = "assistant", _assistant(message, where)
            case "tool":
                role, blocks = "user", [_tool_result(message, where)]
            case _:
                raise UnsupportedFeature(
                    "a message has a role that can't be translated for an Anthropic target", param=f"{where}.role"
                )
        if turns and turns[-1][0] == role:
            turns[-1][1].extend(blocks)
        elif blocks:
            turns.append((role, blocks))
    if not turns:
        raise UnsupportedFeature("an Anthropic target needs a message besides the system's", param="messages")
    return [{"role": role, "content": blocks} for role, blocks in turns]


def _content(content: str | list[_Part] | None, where: str, *, text_only: bool = False) -> list[_Fields]:
    """Translate content; empty texts are left out, for Anthropic refuses them."""
    if content is None or isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    blocks: list[_Fields] = []
    for index, part in enumerate(content):
        param = f"{where}[{index}]"
        if part.type in ("text", "refusal"):
            text = part.text or part.refusal
            block: _Fields | None = {"type": "text", "text": text} if text else None
        elif part.type == "image_url" and not text_only:
            block = _image(part.image_url, f"{param}.image_url")
        else:
            raise UnsupportedFeature("this content part can't be translated for an Anthropic target", param=param)
        if block is not None:
            blocks.append(_cached(block, part.cache_control))
    return blocks


def _cached(block: _Fields, cache_control: _Fields | None) -> _Fields:
    return {**block, "cache_control": cache_control} if cache_control else block


def _image(image: _ImageUrl | None, param: str) -> _Fields:
    url = image.url if image else ""
    if url[:8].lower() == "https://":
        return {"type": "image", "source": {"type": "url", "url": url}}
    head, _, data = url.partition(",")
    head = head.lower()
    media_type = head.removeprefix("data:").partition(";")[0].replace("image/jpg", "image/jpeg")
    if not (head.startswith("data:") and head.endswith(";base64") and media_type in _IMAGE_TYPES and data):
        known = ", ".join(_IMAGE_TYPES)
        raise InvalidRequest(f"an image must be an https URL, or base64 in a data URL of type {known}", param=param)
    return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}


def _assistant(message: _Message, where: str) -> list[_Fields]:
    blocks = _content(message.content, f"{where}.content", text_only=True)
    for index, call in enumerate(message.tool_calls or ()):
        param = f"{where}.tool_calls[{index}]"
        if call.function is None:
            raise UnsupportedFeature("only calls of function tools can be translated", param=param)
        arguments = call.function.arguments or "{}"
        try:
            _OBJECT.decode(arguments)
        except (msgspec.DecodeError, RecursionError):
            what = "the arguments of a tool call must be a JSON object"
            raise InvalidRequest(what, param=f"{param}.function.arguments") from None
        used = msgspec.Raw(arguments.encode())
        blocks.append({"type": "tool_use", "id": _tool_id(call.id), "name": call.function.name, "input": used})
    return blocks


def _tool_result(message: _Message, where: str) -> _Fields:
    if not message.tool_call_id:
        raise InvalidRequest("a tool message must say which call it answers", param=f"{where}.tool_call_id")
    block: _Fields = {"type": "tool_result", "tool_use_id": _tool_id(message.tool_call_id)}
    if content := _content(message.content, f"{where}.content"):
        block["content"] = content
    return block


def _tool_id(call_id: str) -> str:
    """Make an id fit Anthropic's alphabet: a conversation may bring calls that another vendor's model made."""
    return _NOT_IN_AN_ID.sub("_", call_id)


def _tool(tool: _Tool, param: str) -> _Fields:
    function = tool.function
    if function is None:
        raise UnsupportedFeature("only function tools can be translated", param=param)
    fields: _Fields = {"name": function.name, "input_schema": {"type": "object", **(function.parameters or {})}}
    if function.description:
        fields["description"] = function.description
    return _cached(fields, tool.cache_control)


def _tool_choice(request: _Request) -> _Fields | None:
    choice = request.tool_choice
    if isinstance(choice, _ToolChoice):
        if choice.function is None:
            raise UnsupportedFeature("this kind of 'tool_choice' can't be translated", param="tool_choice")
        fields: _Fields = {"type": "tool", "name": choice.function.name}
    elif choice is None and request.parallel_tool_calls is not False:
        return None
    elif (choice or "auto") in _TOOL_CHOICES:
        fields = {"type": _TOOL_CHOICES[choice or "auto"]}
    else:
        raise InvalidRequest("'tool_choice' must be auto, none, required or a named function", param="tool_choice")
    if request.parallel_tool_calls is False and fields["type"] != "none":
        fields["disable_parallel_tool_use"] = True
    return fields


class _OutputDetails(msgspec.Struct):
    thinking_tokens: int | None = None


class _Counts(msgspec.Struct):
    input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens: int | None = None
    output_tokens_details: _OutputDetails | None = None


class _Block(msgspec.Struct):
    type: str
    text: str = ""
    thinking: str = ""
    id: str = ""
    name: str = ""
    input: msgspec.Raw = msgspec.Raw(b"{}")


class _Answer(msgspec.Struct):
    id: str
    model: str
    content: list[_Block]
    usage: _Counts
    stop_reason: str | None = None


class _Change(msgspec.Struct):
    type: str = ""
    text: str = ""
    thinking: str = ""
    partial_json: str = ""
    stop_reason: str | None = None


class _Error(msgspec.Struct):
    type: str = ""


class _Event(msgspec.Struct):
    type: str
    message: _Answer | None = None
    index: int = 0
    content_block: _Block | None = None
    delta: _Change | None = None
    usage: _Counts | None = None
    error: _Error | None = None


_ANSWER = msgspec.json.Decoder(_Answer)
_KIND = msgspec.json.Decoder(_Typed)
_EVENT = msgspec.json.Decoder(_Event)
_FINISH = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
"""Stop reason -> finish reason; every other one is `stop`."""


def decode_answer(payload: bytes, who: str, created_s: int) -> Delta:
    """Translate a whole answer into a `chat.completion`. `created_s` is Unix time, for Anthropic doesn't send it.

    Raises:
        UpstreamProtocolError: it isn't a Messages answer, or doesn't say why it stopped.
    """
    try:
        answer = _ANSWER.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise UpstreamProtocolError(f"{who}: the answer isn't a Messages answer") from None
    if answer.stop_reason is None:
        raise UpstreamProtocolError(f"{who}: the answer has no stop reason")
    text = "".join(block.text for block in answer.content if block.type == "text")
    thinking = "".join(block.thinking for block in answer.content if block.type == "thinking")
    calls = [_call(block) for block in answer.content if block.type == "tool_use"]
    message: _Fields = {"role": "assistant", "content": None if calls and not text else text}
    if thinking:
        message["reasoning_content"] = thinking
    if calls:
        message["tool_calls"] = calls
    finish, usage = _FINISH.get(answer.stop_reason, "stop"), _usage(answer.usage)
    completion: _Fields = {
        "id": answer.id,
        "object": "chat.completion",
        "created": created_s,
        "model": answer.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        "usage": _usage_fields(usage),
    }
    return Delta(payload=msgspec.json.encode(completion), usage=usage, finish_reason=finish)


def _call(block: _Block, arguments: str | None = None) -> _Fields:
    function = {"name": block.name, "arguments": bytes(block.input).decode() if arguments is None else arguments}
    return {"id": block.id, "type": "function", "function": function}


def _usage(*reports: _Counts) -> Usage:
    """Read usage; of several reports of one stream the largest count, since each is cumulative."""

    def most(counts: Iterable[int | None]) -> int:
        return max((count or 0 for count in counts), default=0)

    cached = most(report.cache_read_input_tokens for report in reports)
    created = most(report.cache_creation_input_tokens for report in reports)
    details = [report.output_tokens_details for report in reports if report.output_tokens_details]
    return Usage(
        input_tokens=most(report.input_tokens for report in reports) + cached + created,
        output_tokens=most(report.output_tokens for report in reports),
        cached_input_tokens=cached,
        reasoning_tokens=most(detail.thinking_tokens for detail in details),
    )


def _usage_fields(usage: Usage) -> _Fields:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_input_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


class _OpenCall:
    """A tool call of a stream while its block is open."""

    def __init__(self, number: int, block: _Block) -> None:
        self.number = number
        self.input = bytes(block.input).decode()
        self.streamed = False


class AnswerStream:
    """Translates one stream's events, in order, into `chat.completion.chunk`s.

    Nothing is yielded before the first piece of content, so that a stream that fails at once may still fall back.
    """

    def __init__(self, who: str, created_s: int) -> None:
        self._who = who
        self._created_s = created_s
        self._start: _Answer | None = None
        self._reports: list[_Counts] = []
        self._blocks: dict[int, _OpenCall | None] = {}
        """Started blocks by their index; None = not a tool call."""
        self._calls = 0
        self._stop_reason: str | None = None
        self._role: _Fields = {"role": "assistant"}
        self.finished = False
        """Whether `message_stop` was seen; what follows is of no interest."""

    def feed(self, data: bytes) -> list[Delta]:
        """Take one event's data; return the chunks it makes. Events of unknown types make none.

        Raises:
            UpstreamProtocolError: not JSON, of a wrong shape, or out of order.
            UpstreamUnavailable: the upstream says that it failed.
        """
        try:
            kind = _KIND.decode(data).type
            if kind not in _HANDLED:
                return []
            event = _EVENT.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise UpstreamProtocolError(f"{self._who}: an event of the stream can't be read") from None
        if event.type == "error":
            why = f" ({event.error.type[:64]})" if event.error and event.error.type else ""
            raise UpstreamUnavailable(f"{self._who}: the upstream reports an error in the stream{why}")
        if event.message is not None:
            self._start = event.message
            self._reports.append(event.message.usage)
            return []
        if self._start is None:
            raise UpstreamProtocolError(f"{self._who}: the stream doesn't begin with its message")
        return self._content(event, self._start)

    def _content(self, event: _Event, start: _Answer) -> list[Delta]:
        match event.type, event.content_block, event.delta:
            case "content_block_start", _Block() as block, _:
                fields = self._opened(event.index, block)
            case "content_block_delta", _, _Change() as change:
                fields = self._changed(event.index, change)
            case "content_block_stop", _, _:
                fields = self._closed(event.index)
            case "message_delta", _, _Change() as change:
                self._stop_reason = change.stop_reason or self._stop_reason
                self._reports += [event.usage] if event.usage else []
                return []
            case "message_stop", _, _:
                return self._end(start)
            case _:
                raise UpstreamProtocolError(f"{self._who}: an event of the stream lacks what it is for")
        return [Delta(payload=self._chunk(start, fields))] if fields else []

    def _opened(self, index: int, block: _Block) -> _Fields | None:
        self._blocks[index] = None
        if block.type != "tool_use":
            return _text_fields(block.text, block.thinking)
        call = self._blocks[index] = _OpenCall(self._calls, block)
        self._calls += 1
        return {"tool_calls": [{"index": call.number, **_call(block, "")}]}

    def _changed(self, index: int, change: _Change) -> _Fields | None:
        if index not in self._blocks:
            raise UpstreamProtocolError(f"{self._who}: a piece of a block that never started")
        call = self._blocks[index]
        if call is None or not change.partial_json:
            return _text_fields(change.text, change.thinking)
        call.streamed = True
        return _arguments(call.number, change.partial_json)

    def _closed(self, index: int) -> _Fields | None:
        """A call whose arguments never came has those it started with, by default an empty object."""
        call = self._blocks.get(index)
        return None if call is None or call.streamed else _arguments(call.number, call.input)

    def _end(self, start: _Answer) -> list[Delta]:
        if self._stop_reason is None:
            raise UpstreamProtocolError(f"{self._who}: the stream is done without a stop reason")
        self.finished = True
        finish, usage = _FINISH.get(self._stop_reason, "stop"), _usage(*self._reports)
        return [
            Delta(payload=self._chunk(start, {}, finish), finish_reason=finish),
            Delta(payload=self._chunk(start, None, usage=usage), usage=usage, usage_only=True),
        ]

    def _chunk(
        self, start: _Answer, delta: _Fields | None, finish: str | None = None, usage: Usage | None = None
    ) -> bytes:
        """Encode a chunk; `delta=None` makes one without a choice. The first one made carries the role."""
        choices: list[_Fields] = []
        if delta is not None:
            choices.append({"index": 0, "delta": self._role | delta, "logprobs": None, "finish_reason": finish})
            self._role = {}
        chunk: _Fields = {
            "id": start.id,
            "object": "chat.completion.chunk",
            "created": self._created_s,
            "model": start.model,
            "choices": choices,
        }
        if usage is not None:
            chunk["usage"] = _usage_fields(usage)
        return msgspec.json.encode(chunk)


_HANDLED = frozenset(
    {
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "error",
    }
)


def _text_fields(text: str, thinking: str) -> _Fields | None:
    if text:
        return {"content": text}
    return {"reasoning_content": thinking} if thinking else None


def _arguments(number: int, piece: str) -> _Fields:
    return {"tool_calls": [{"index": number, "function": {"arguments": piece}}]}
