"""Cohere's v2 chat dialect: OpenAI's chat completions translated into it, its answers translated back; no I/O.

Source: the v2 types of Cohere's Python SDK 7.3.1, which document https://docs.cohere.com/v2/reference/chat.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from router.core.errors import (
    InvalidRequest,
    RouterError,
    UnsupportedFeature,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from router.core.types import Delta, JsonObject, Usage
from router.wire.outbound import _hub
from router.wire.outbound._hub import Chunks, Counted, Fields, Head, Message, Named, Part, Request, Tool

_WHO = "a Cohere target"
_MAX_STOPS = 5
_MAX_K = 500
_P = (0.01, 0.99)
"""Smallest and largest `p`; 1, which means no nucleus at OpenAI, becomes the largest."""

_OWN = {
    "documents": list[str | dict[str, object]],
    "citation_options": dict[str, object],
    "safety_mode": str,
    "priority": int,
}
"""Cohere's own fields, which a caller may write into a chat request, and their types."""

_KNOWN = frozenset(
    {
        *("messages", "max_tokens", "max_completion_tokens", "temperature", "top_p", "top_k", "seed", "stop", "n"),
        *("frequency_penalty", "presence_penalty", "tools", "tool_choice", "response_format", "logprobs"),
        *("top_logprobs", "reasoning_effort", "thinking", "modalities", "audio", "functions", "web_search_options"),
        *_OWN,
    }
)
_BUDGETS = {"minimal": 512, "low": 1024, "medium": 4096, "high": 16384, "xhigh": 31000, "max": 31000}
"""Reasoning effort -> tokens for thinking. The largest leaves an answer room in 32,000 tokens.

Source: https://docs.cohere.com/docs/reasoning, 2026-11 (recommends at most 31,000); the others are our choice.
"""


def encode_request(body: JsonObject, *, model: str, stream: bool) -> tuple[bytes, tuple[str, ...]]:
    """Encode a chat completion request as a v2 chat request; return it, and the tuning knobs it has no place for.

    Raises:
        InvalidRequest: a field that is needed is missing, or isn't what it should be; `param` names it.
        UnsupportedFeature: it asks for what this dialect can't do; `param` says what.
    """
    request = _hub.read(body)
    _hub.check(request, _WHO)
    dropped = _hub.unknown(body, _KNOWN)
    fields: Fields = {"model": model, "messages": _messages(request.messages, dropped), **_own(body)}
    if limit := request.limit:
        fields["max_tokens"] = limit
    if stops := request.stops:
        if len(stops) > _MAX_STOPS:
            raise UnsupportedFeature(f"{_WHO} takes at most {_MAX_STOPS} stop texts", param="stop")
        fields["stop_sequences"] = stops
    if request.logprobs:
        fields["logprobs"] = True
    fields |= _tools(request, dropped) | _format(request, fields) | _sampling(request, dropped)
    if thinking := _thinking(request, dropped):
        fields["thinking"] = thinking
    fields["stream"] = stream
    return msgspec.json.encode(fields), tuple(sorted(dropped))


def _own(body: JsonObject) -> Fields:
    found: Fields = {}
    for name, kind in _OWN.items():
        value = body.get(name)
        if value is None:
            continue
        try:
            found[name] = msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            raise InvalidRequest(f"invalid request: {error}", param=name) from None
    for index, document in enumerate(found.get("documents") or ()):  # pyright: ignore[reportArgumentType, reportUnknownVariableType] just checked
        if isinstance(document, dict) and not isinstance(document.get("data"), dict):  # pyright: ignore[reportUnknownMemberType]
            raise InvalidRequest("a document is a text, or an object with 'data'", param=f"documents[{index}]")
    return found


def _messages(messages: Sequence[Message], dropped: set[str]) -> list[Fields]:
    out: list[Fields] = []
    for index, message in enumerate(messages):
        where = f"messages[{index}]"
        if message.name:
            dropped.add("messages.name")
        match message.role:
            case "system" | "developer":
                out.append({"role": "system", "content": _content(message.content, where, dropped)})
            case "user":
                out.append({"role": "user", "content": _content(message.content, where, dropped, ("image_url",))})
            case "assistant":
                out.append(_assistant(message, where, dropped))
            case "tool":
                if not message.tool_call_id:
                    raise InvalidRequest("a tool message must say which call it answers", param=f"{where}.tool_call_id")
                if message.is_error:
                    dropped.add("messages.is_error")
                content = _content(message.content, where, dropped, ("document",))
                out.append({"role": "tool", "tool_call_id": message.tool_call_id, "content": content})
            case _:
                raise UnsupportedFeature(
                    f"a message has a role that can't be translated for {_WHO}", param=f"{where}.role"
                )
    return out


def _content(
    content: str | list[Part] | None, where: str, dropped: set[str], kinds: Sequence[str] = ()
) -> str | list[Fields]:
    """Translate content; `kinds` are the parts beside text that may stand there."""
    if content is None or isinstance(content, str):
        return content or ""
    blocks: list[Fields] = []
    for index, part in enumerate(content):
        param = f"{where}.content[{index}]"
        if part.cache_control:
            dropped.add("cache_control")
        if part.type in ("text", "refusal"):
            blocks.append({"type": "text", "text": part.text or part.refusal})
        elif part.type == "image_url" and part.type in kinds:
            blocks.append({"type": "image_url", "image_url": _image(part, f"{param}.image_url")})
        elif part.type == "document" and part.type in kinds:
            if not isinstance((part.document or {}).get("data"), dict):
                raise InvalidRequest("a document must be an object with 'data'", param=f"{param}.document")
            blocks.append({"type": "document", "document": part.document})
        else:
            raise UnsupportedFeature(f"this content part can't be translated for {_WHO}", param=param)
    return blocks


def _image(part: Part, param: str) -> Fields:
    url = part.image_url.url if part.image_url else ""
    if url[:8].lower() != "https://" and url[:11].lower() != "data:image/":
        raise InvalidRequest("an image must be an https URL, or base64 in a data URL", param=param)
    detail = part.image_url.detail if part.image_url else None
    return {"url": url, **({"detail": detail} if detail in ("auto", "low", "high") else {})}


def _assistant(message: Message, where: str, dropped: set[str]) -> Fields:
    """Translate an answer of before: what it said beside its calls is Cohere's plan for them."""
    out: Fields = {"role": "assistant"}
    content = _content(message.content, where, dropped)
    blocks: list[Fields] = content if isinstance(content, list) else []
    if isinstance(content, str) and content:
        blocks = [{"type": "text", "text": content}]
    calls: list[Fields] = []
    for index, made in enumerate(message.tool_calls or ()):
        name, text = _hub.arguments(made, f"{where}.tool_calls[{index}]")
        calls.append(_hub.call(made.id, name, text))
    if calls:
        out["tool_calls"] = calls
        if plan := message.tool_plan or "\n".join(str(block["text"]) for block in blocks):
            out["tool_plan"] = plan
        blocks = []
    if any(block.type != "thinking" for block in message.thinking_blocks or ()):
        dropped.add("messages.thinking_blocks")
    thoughts = message.reasoning_content or "".join(block.thinking for block in message.thinking_blocks or ())
    if thoughts:
        blocks = [{"type": "thinking", "thinking": thoughts}, *blocks]
    if blocks or not calls:
        out["content"] = blocks or ""
    return out


def _tools(request: Request, dropped: set[str]) -> Fields:
    choice = _hub.chosen(request)
    tools = request.tools or []
    if isinstance(choice, Named):
        # There is no way to name a function, but a call can be demanded: of the only one that is left.
        name = choice.name
        tools = [tool for tool in tools if tool.function and tool.function.name == name]
    if not tools:
        return {}
    fields: Fields = {"tools": [_tool(tool, f"tools[{index}]", dropped) for index, tool in enumerate(tools)]}
    strict = [bool(tool.function and tool.function.strict) for tool in tools]
    if all(strict):
        fields["strict_tools"] = True
    elif any(strict):
        dropped.add("tools.strict")
    if choice == "required" or isinstance(choice, Named):
        fields["tool_choice"] = "REQUIRED"
    elif choice == "none":
        fields["tool_choice"] = "NONE"
    return fields


def _tool(tool: Tool, param: str, dropped: set[str]) -> Fields:
    function = tool.function
    if function is None:
        raise UnsupportedFeature("only function tools can be translated", param=param)
    if tool.cache_control:
        dropped.add("cache_control")
    declared: Fields = {"name": function.name, "parameters": {"type": "object", **(function.parameters or {})}}
    if function.description:
        declared["description"] = function.description
    return {"type": "function", "function": declared}


def _format(request: Request, fields: Fields) -> Fields:
    wanted = request.response_format
    if wanted is None or wanted.type == "text":
        return {}
    if wanted.type not in ("json_object", "json_schema"):
        raise UnsupportedFeature(f"this 'response_format' can't be translated for {_WHO}", param="response_format")
    if request.tools or fields.get("documents"):
        # Source: the SDK's note on `response_format`: not in combination with tools or documents.
        raise UnsupportedFeature(f"{_WHO} can't give JSON beside tools or documents", param="response_format")
    schema = wanted.json_schema.schema if wanted.json_schema else wanted.schema
    return {"response_format": {"type": "json_object", **({"json_schema": schema} if schema else {})}}


def _sampling(request: Request, dropped: set[str]) -> Fields:
    fields: Fields = {}
    if request.temperature is not None:
        fields["temperature"] = request.temperature
    if request.top_p is not None:
        fields["p"] = min(max(request.top_p, _P[0]), _P[1])
    if request.top_k is not None:
        fields["k"] = min(max(request.top_k, 0), _MAX_K)
    if request.seed is not None:
        if 0 <= request.seed < 2**63:
            fields["seed"] = request.seed
        else:
            dropped.add("seed")
    for name, value in (
        ("frequency_penalty", request.frequency_penalty),
        ("presence_penalty", request.presence_penalty),
    ):
        if value is None:
            continue
        if value < 0:  # OpenAI's reward for repetition has no counterpart
            dropped.add(name)
        else:
            fields[name] = min(value, 1.0)
    return fields


def _thinking(request: Request, dropped: set[str]) -> Fields | None:
    given, effort = request.thinking, request.reasoning_effort
    if given is not None:
        if given.type == "disabled":
            return {"type": "disabled"}
        budget = given.budget_tokens
        return {"type": "enabled", **({"token_budget": budget} if budget and budget > 0 else {})}
    if effort is None:
        return None
    if effort == "none":
        return {"type": "disabled"}
    budget = _BUDGETS.get(effort)
    if budget is None:
        dropped.add("reasoning_effort")
        return None
    # Thinking counts as output: a quarter is left for the answer.
    limit = request.limit
    return {"type": "enabled", "token_budget": min(budget, max(limit * 3 // 4, 1)) if limit else budget}


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _Call(msgspec.Struct):
    id: str | None = None
    function: _Function | None = None


class _Block(msgspec.Struct):
    type: str | None = None
    text: str | None = None
    thinking: str | None = None


class _Said(msgspec.Struct):
    content: str | list[_Block] | None = None
    tool_plan: str | None = None
    tool_calls: list[_Call] | None = None
    citations: list[Fields] | None = None


class _Tokens(msgspec.Struct):
    input_tokens: float | None = None
    output_tokens: float | None = None


class _Usage(msgspec.Struct):
    tokens: _Tokens | None = None
    cached_tokens: float | None = None


class _Logprob(msgspec.Struct):
    text: str | None = None
    logprobs: list[float] | None = None


class _Answer(msgspec.Struct):
    id: str
    message: _Said
    finish_reason: str | None = None
    usage: _Usage | None = None
    logprobs: list[_Logprob] | None = None


_ANSWER = msgspec.json.Decoder(_Answer)
_FINISH = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
    "ERROR_LIMIT": "length",
    "ERROR_TOXIC": "content_filter",
}
"""Cohere's finish reason -> OpenAI's; every other one is `stop`, but for those that say that it failed."""


def decode_answer(payload: bytes, who: str, model: str, created_s: int) -> Delta:
    """Translate a whole answer into a `chat.completion`. Cohere sends neither `model` nor a time (`created_s`, Unix).

    Raises:
        UpstreamProtocolError: it isn't a v2 chat answer, or doesn't say why it stopped.
        UpstreamUnavailable, UpstreamTimeout: it says that it failed.
    """
    try:
        answer = _ANSWER.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamProtocolError(f"{who}: the answer isn't a chat answer") from None
    finish = _finish(answer.finish_reason, who)
    said = answer.message
    blocks = [_Block(text=said.content)] if isinstance(said.content, str) else said.content or []
    text = (said.tool_plan or "") + "".join(block.text or "" for block in blocks)
    thoughts = "".join(block.thinking or "" for block in blocks)
    calls = [_made(call, who) for call in said.tool_calls or ()]
    message: Fields = {"content": None if calls and not text else text}
    if thoughts:
        message["reasoning_content"] = thoughts
    if calls:
        message["tool_calls"] = calls
    if said.citations:
        message["citations"] = said.citations
    head = Head(id=answer.id, model=model, created_s=created_s)
    return _hub.completion(head, message, finish, _counted(answer.usage), _logprobs(answer.logprobs))


def _finish(reason: str | None, who: str) -> str:
    match reason:
        case None:
            raise UpstreamProtocolError(f"{who}: the answer doesn't say why it ended")
        case "ERROR":
            raise UpstreamUnavailable(f"{who}: the upstream failed while it answered")
        case "TIMEOUT":
            raise UpstreamTimeout(f"{who}: the upstream took too long for its answer")
        case _:
            return _FINISH.get(reason, "stop")


def _made(call: _Call, who: str) -> Fields:
    if not call.id or call.function is None or not call.function.name:
        raise UpstreamProtocolError(f"{who}: a tool call has no id or no name")
    return _hub.call(call.id, call.function.name, call.function.arguments or "{}")


def _counted(usage: _Usage | None) -> Counted | None:
    """Read the tokens that the model saw and made; what is billed is counted otherwise."""
    tokens = usage.tokens if usage else None
    if usage is None or tokens is None or (tokens.input_tokens is None and tokens.output_tokens is None):
        return None
    cached = int(usage.cached_tokens or 0)
    counts = Usage(
        input_tokens=int(tokens.input_tokens or 0),
        output_tokens=int(tokens.output_tokens or 0),
        cached_input_tokens=cached,
    )
    return Counted(counts, {} if usage.cached_tokens is None else {"cached_tokens": cached})


def _logprobs(items: Sequence[_Logprob] | None) -> list[Fields]:
    """Translate log probabilities; a text of several tokens has the sum of theirs, which is its own."""
    return [
        {
            "token": item.text,
            "logprob": sum(item.logprobs),
            "bytes": list(item.text.encode()),
            "top_logprobs": [],
        }
        for item in items or ()
        if item.text is not None and item.logprobs
    ]


class _PieceSaid(msgspec.Struct):
    content: _Block | None = None
    tool_plan: str | None = None
    tool_calls: _Call | None = None
    citations: Fields | None = None


class _PieceDelta(msgspec.Struct):
    message: _PieceSaid | None = None
    finish_reason: str | None = None
    usage: _Usage | None = None
    error: str | None = None


class _Kind(msgspec.Struct):
    type: str


class _Event(msgspec.Struct):
    type: str
    id: str | None = None
    index: int | None = None
    delta: _PieceDelta | None = None
    logprobs: _Logprob | None = None


class _Start(msgspec.Struct):
    id: str | None = None


_KIND = msgspec.json.Decoder(_Kind)
_START = msgspec.json.Decoder(_Start)
_EVENT = msgspec.json.Decoder(_Event)
_HANDLED = frozenset(
    {
        *("content-start", "content-delta", "tool-plan-delta", "citation-start", "message-end"),
        *("tool-call-start", "tool-call-delta", "tool-call-end"),
    }
)


class _OpenCall:
    """A tool call of a stream until it ends."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.streamed = False


class AnswerStream:
    """Translates one stream's events, in order, into `chat.completion.chunk`s.

    Nothing is yielded before the first piece of content, so that a stream that fails at once may still fall back.
    """

    def __init__(self, who: str, model: str, created_s: int) -> None:
        self._who = who
        self._model = model
        self._created_s = created_s
        self._chunks: Chunks | None = None
        self._calls: dict[int, _OpenCall] = {}
        """Calls that haven't ended, by Cohere's index."""
        self._made = 0
        self.finished = False
        """Whether `message-end` was seen; what follows is of no interest."""

    def feed(self, data: bytes) -> list[Delta]:
        """Take one event's data; return the chunks it makes. Events of unknown types make none.

        Raises:
            UpstreamProtocolError: not JSON, of a wrong shape, or out of order.
            UpstreamUnavailable, UpstreamTimeout: the upstream says that it failed.
        """
        try:
            kind = _KIND.decode(data).type
            if kind == "message-start":
                head = Head(id=_START.decode(data).id or "", model=self._model, created_s=self._created_s)
                self._chunks = Chunks(head)
                return []
            if kind not in _HANDLED:
                return []
            event = _EVENT.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise UpstreamProtocolError(f"{self._who}: an event of the stream can't be read") from None
        if self._chunks is None:
            raise UpstreamProtocolError(f"{self._who}: the stream doesn't begin with its message")
        if kind == "message-end":
            return self._end(event.delta, self._chunks)
        fields = self._fields(event, event.delta.message if event.delta else None)
        logprobs = _logprobs([event.logprobs] if event.logprobs else None)
        return [self._chunks.delta(fields, logprobs=logprobs)] if fields else []

    def _fields(self, event: _Event, said: _PieceSaid | None) -> Fields | None:
        match event.type, said:
            case "content-start" | "content-delta", _PieceSaid(content=_Block() as block):
                if block.text:
                    return {"content": block.text}
                return {"reasoning_content": block.thinking} if block.thinking else None
            case "tool-plan-delta", _PieceSaid(tool_plan=str() as plan):
                return {"content": plan} if plan else None
            case "citation-start", _PieceSaid(citations=dict() as citation):
                return {"citations": [citation]}
            case "tool-call-start", _PieceSaid(tool_calls=_Call() as call):
                return self._opened(event.index or 0, call)
            case "tool-call-delta", _PieceSaid(tool_calls=_Call() as call):
                return self._added(event.index or 0, call.function.arguments if call.function else None)
            case "tool-call-end", _:
                return self._closed(event.index or 0)
            case "content-start", _:
                return None
            case _:
                raise UpstreamProtocolError(f"{self._who}: an event of the stream lacks what it is for")

    def _opened(self, index: int, call: _Call) -> Fields:
        opened = self._calls[index] = _OpenCall(self._made)
        self._made += 1
        made = _made(call, self._who)
        begun = call.function.arguments if call.function else None
        opened.streamed = bool(begun)
        function = {"name": call.function.name if call.function else "", "arguments": begun or ""}
        return {"tool_calls": [{"index": opened.number, **made, "function": function}]}

    def _added(self, index: int, text: str | None) -> Fields | None:
        opened = self._calls.get(index)
        if opened is None:
            raise UpstreamProtocolError(f"{self._who}: a piece of a call that never started")
        if not text:
            return None
        opened.streamed = True
        return _hub.piece(opened.number, text)

    def _closed(self, index: int) -> Fields | None:
        """A call whose arguments never came has none: an empty object."""
        opened = self._calls.pop(index, None)
        return None if opened is None or opened.streamed else _hub.piece(opened.number, "{}")

    def _end(self, end: _PieceDelta | None, chunks: Chunks) -> list[Delta]:
        if end is not None and end.error:
            raise _failed(end.finish_reason, self._who)
        finish = _finish(end.finish_reason if end else None, self._who)
        rest = [fields for index in list(self._calls) if (fields := self._closed(index))]
        self.finished = True
        counted = _counted(end.usage if end else None)
        return [
            *(chunks.delta(fields) for fields in rest),
            chunks.delta({}, finish),
            *([chunks.usage(counted)] if counted else []),
        ]


def _failed(reason: str | None, who: str) -> RouterError:
    kind = UpstreamTimeout if reason == "TIMEOUT" else UpstreamUnavailable
    return kind(f"{who}: the upstream reports an error in the stream")
