"""Anthropic's Messages as callers speak it: their requests, read and translated into chat completions.

Their answers are in `_messages_answer`.
Source: the types of Anthropic's Python SDK 2.11.0, which document https://platform.claude.com/docs/en/api/messages.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias, cast

import msgspec

from router.core.errors import InvalidRequest, RouterError
from router.core.types import JsonObject, JsonValue
from router.wire import json_body
from router.wire.dialects import Codec, Decoded, Encoder, Translation
from router.wire.inbound import _messages_answer
from router.wire.shapes import check_model, convert, in_bounds

_Fields: TypeAlias = dict[str, object]
"""A JSON object that is read, or about to be encoded."""

_FIELD = re.compile(r"[a-z][a-z_]{0,39}")
_BILLING = re.compile(r"x-anthropic-billing-header:[^\n]*\n?")
"""What Claude Code puts in front of its system prompt: for Anthropic's books, not for a model, and new in every request.

Source: https://github.com/anthropics/claude-code/issues/68900 (June 2026).
"""

FEATURES = frozenset(("compaction", "container", "context_management", "inference_geo", "mcp_servers", "thread"))
"""Fields that ask for what no chat request can ask for."""
TRANSLATED = frozenset(
    (
        "model messages max_tokens system stream stop_sequences temperature top_p tools tool_choice metadata thinking "
        "output_config output_format"
    ).split()
)
LEAST_MEDIUM_TOKENS, LEAST_HIGH_TOKENS = 4096, 16_384
"""Budgets for thinking from which the effort is `medium`, and `high`."""

_TOOL_CHOICES = {"auto": "auto", "any": "required", "none": "none"}
_EFFORTS = {"low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "xhigh"}


class _Typed(msgspec.Struct):
    type: str


class _Turn(msgspec.Struct):
    role: str
    content: str | list[_Typed]


class _Text(msgspec.Struct):
    text: str
    type: str = ""
    cache_control: _Fields | None = None


class _ToolName(msgspec.Struct):
    name: str | None = None
    type: str | None = None


class _Choice(msgspec.Struct):
    type: str
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class _Metadata(msgspec.Struct):
    user_id: str | None = None


class _Thinking(msgspec.Struct):
    type: str
    budget_tokens: int | None = None


class Shape(msgspec.Struct):
    """The fields that are checked, because something here or upstream relies on their type."""

    model: str
    messages: list[_Turn]
    max_tokens: int | None = None
    system: str | list[_Text] | None = None
    stream: bool | None = None
    stop_sequences: list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    tools: list[_ToolName] | None = None
    tool_choice: _Choice | None = None
    metadata: _Metadata | None = None
    thinking: _Thinking | None = None
    output_config: dict[str, object] | None = None
    output_format: dict[str, object] | None = None


def decode(data: bytes, *, counts_only: bool = False) -> Decoded:
    """Read a request and check its shape. `counts_only` = it asks for a count: it has no limit and no stream.

    Raises:
        InvalidRequest: as `Codec.decode`.
    """
    body = json_body.decode(data)
    shape = convert(body, Shape, "")
    check_model(shape.model)
    if not shape.messages:
        raise InvalidRequest("'messages' is empty; send at least one message", param="messages")
    for index, turn in enumerate(shape.messages):
        if turn.role not in ("user", "assistant", "system"):
            raise InvalidRequest("a message's role must be user, assistant or system", param=f"messages[{index}].role")
    for index, block in enumerate(shape.system if isinstance(shape.system, list) else ()):
        if block.type != "text":
            raise InvalidRequest("the system prompt can hold nothing but text", param=f"system[{index}].type")
    if not counts_only and shape.max_tokens is None:
        raise InvalidRequest("'max_tokens' is missing: how long the answer may be", param="max_tokens")
    in_bounds("temperature", shape.temperature, 0, 1)
    in_bounds("top_p", shape.top_p, 0, 1)
    in_bounds("max_tokens", shape.max_tokens, 0)
    in_bounds("top_k", shape.top_k, 0)
    return Decoded(body=body, model=shape.model, stream=bool(shape.stream) and not counts_only)


class _Message(msgspec.Struct):
    role: str
    content: str | list[_Fields]


class _Tool(msgspec.Struct):
    name: str = ""
    type: str | None = None
    description: str | None = None
    input_schema: _Fields | None = None
    cache_control: _Fields | None = None
    strict: bool | None = None


class _ToolUse(msgspec.Struct):
    id: str
    name: str
    input: _Fields
    cache_control: _Fields | None = None


class _ToolResult(msgspec.Struct):
    tool_use_id: str
    content: str | list[_Fields] | None = None
    is_error: bool | None = None
    cache_control: _Fields | None = None


class _Source(msgspec.Struct):
    type: str
    media_type: str = ""
    data: str = ""
    url: str = ""
    content: str | list[_Fields] | None = None


class _Citations(msgspec.Struct):
    enabled: bool | None = None


class _Attached(msgspec.Struct):
    """An image or a document."""

    source: _Source
    title: str | None = None
    context: str | None = None
    citations: _Citations | None = None
    cache_control: _Fields | None = None


class _Output(msgspec.Struct):
    effort: str | None = None
    format: _Fields | None = None


class _Request(msgspec.Struct):
    messages: list[_Message]
    max_tokens: int | None = None
    system: str | list[_Text] | None = None
    stop_sequences: list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    stream: bool | None = None
    tools: list[_Tool] | None = None
    tool_choice: _Choice | None = None
    metadata: _Metadata | None = None
    thinking: _Thinking | None = None
    output_config: _Output | None = None
    output_format: _Fields | None = None


class _Translator:
    """Translates one request; notes on the way what can't be said. What is newer than this file may be known to Anthropic,
    so it's noted and not refused."""

    def __init__(self) -> None:
        self.unsupported: dict[str, None] = {}
        self.dropped: dict[str, None] = {}

    def chat(self, body: JsonObject) -> _Fields:
        """Return the chat request."""
        request = convert(body, _Request, "")
        messages = self._system(request.system)
        chat: _Fields = {"model": body.get("model"), "messages": messages}
        for index, turn in enumerate(request.messages):
            messages += self._turn(turn, f"messages[{index}]")
        if request.max_tokens:
            chat["max_completion_tokens"] = request.max_tokens
        elif request.max_tokens == 0:
            self.unsupported["max_tokens"] = None
        for name, value in (("temperature", request.temperature), ("top_p", request.top_p)):
            if value is not None:
                chat[name] = value
        if request.stream:
            chat["stream"] = True
        if request.stop_sequences:
            chat["stop"] = [*request.stop_sequences]
        if request.metadata is not None and request.metadata.user_id:
            chat["user"] = request.metadata.user_id
        self._tools(request, chat)
        self._thinking(request, body, chat)
        self._rest(body)
        return chat

    def _system(self, system: str | list[_Text] | None) -> list[_Fields]:
        blocks = [_Text(system)] if isinstance(system, str) else system or []
        parts: list[_Fields] = []
        for block in blocks:
            text = _BILLING.sub("", block.text, count=1) if _BILLING.match(block.text) else block.text
            if text != block.text:
                self.dropped["system.x-anthropic-billing-header"] = None
            if text:
                parts.append(_part({"type": "text", "text": text}, block.cache_control))
        return [{"role": "system", "content": _content(parts)}] if parts else []

    def _turn(self, turn: _Message, where: str) -> list[_Fields]:
        where = f"{where}.content"
        if isinstance(turn.content, str):
            return [{"role": turn.role, "content": turn.content}]
        blocks = [(block, f"{where}[{index}]") for index, block in enumerate(turn.content)]
        if turn.role == "assistant":
            return [self._assistant(blocks)]
        results: list[_Fields] = []
        parts: list[_Fields] = []
        beside: list[_Fields] = []
        for block, place in blocks:
            if block.get("type") == "tool_result":
                message, shown = self._result(block, place)
                results.append(message)
                beside += shown
            else:
                parts += self._parts(block, place)
        # Results stand first in a turn of Anthropic's too. Their pictures come right after them, for chat has no other
        # place for them.
        parts = [*beside, *parts]
        said: list[_Fields] = [{"role": turn.role, "content": _content(parts)}] if parts or not results else []
        return [*results, *said]

    def _assistant(self, blocks: Sequence[tuple[_Fields, str]]) -> _Fields:
        parts: list[_Fields] = []
        calls: list[_Fields] = []
        thoughts: list[_Fields] = []
        unsigned: list[str] = []
        for block, where in blocks:
            match block.get("type"):
                case "text":
                    parts += self._parts(block, where)
                case "thinking" if not block.get("signature") and isinstance(text := block.get("thinking"), str):
                    # Another vendor's model thought this, in a chat: it goes back as it was before it was translated.
                    unsigned.append(text)
                case "thinking" | "redacted_thinking":
                    thoughts.append(block)
                case "tool_use":
                    used = convert(block, _ToolUse, where)
                    if used.cache_control:
                        self.dropped["tool_use.cache_control"] = None
                    arguments = msgspec.json.encode(used.input).decode()
                    function: _Fields = {"name": used.name, "arguments": arguments}
                    calls.append({"id": used.id, "type": "function", "function": function})
                case _:
                    self.unsupported[where] = None
        message: _Fields = {"role": "assistant", "content": None if calls and not parts else _content(parts)}
        if thoughts:
            message["thinking_blocks"] = thoughts
        if unsigned:
            message["reasoning_content"] = "\n\n".join(unsigned)
        if calls:
            message["tool_calls"] = calls
        return message

    def _result(self, block: _Fields, where: str) -> tuple[_Fields, list[_Fields]]:
        """Return the tool's message, and what of its result is no text."""
        result = convert(block, _ToolResult, where)
        inner: list[_Fields] = (
            [{"type": "text", "text": result.content}] if isinstance(result.content, str) else result.content or []
        )
        texts: list[_Fields] = []
        beside: list[_Fields] = []
        for index, one in enumerate(inner):
            for part in self._parts(one, f"{where}.content[{index}]"):
                is_text = part.get("type") == "text"
                (texts if is_text else beside).append(part)
        if result.is_error:
            texts = [{"type": "text", "text": "Error:"}, *texts]
            if len(texts) == 2:
                texts = [{**texts[1], "text": f"Error: {texts[1].get('text')}"}]
        if texts:
            texts[-1] = _part(texts[-1], result.cache_control)
        return {"role": "tool", "tool_call_id": result.tool_use_id, "content": _content(texts)}, beside

    def _parts(self, block: _Fields, where: str) -> list[_Fields]:
        """Translate what a user or a result says or shows."""
        match block.get("type"):
            case "text":
                text = convert(block, _Text, where)
                return [_part({"type": "text", "text": text.text}, text.cache_control)]
            case "image":
                return self._image(convert(block, _Attached, where), where)
            case "document":
                return self._document(convert(block, _Attached, where), where)
            case _:
                self.unsupported[where] = None
                return []

    def _image(self, image: _Attached, where: str) -> list[_Fields]:
        source = image.source
        if source.type not in ("base64", "url"):
            self.unsupported[f"{where}.source"] = None
            return []
        url = source.url if source.type == "url" else f"data:{source.media_type};base64,{source.data}"
        return [_part({"type": "image_url", "image_url": {"url": url}}, image.cache_control)]

    def _document(self, document: _Attached, where: str) -> list[_Fields]:
        source = document.source
        if document.citations is not None and document.citations.enabled:
            self.unsupported[f"{where}.citations"] = None
        about = [text for text in (document.title, document.context) if text]
        if source.type == "base64":
            data = f"data:{source.media_type};base64,{source.data}"
            file: _Fields = {"filename": document.title or "document.pdf", "file_data": data}
            said: list[_Fields] = [{"type": "text", "text": document.context}] if document.context else []
            return [*said, _part({"type": "file", "file": file}, document.cache_control)]
        if source.type == "text" or (source.type == "content" and isinstance(source.content, str)):
            text = source.data if source.type == "text" else source.content
            whole = "\n\n".join([*about, str(text)])
            return [_part({"type": "text", "text": whole}, document.cache_control)]
        if source.type == "content" and isinstance(source.content, list):
            parts: list[_Fields] = [{"type": "text", "text": text} for text in about]
            for index, block in enumerate(source.content):
                parts += self._parts(block, f"{where}.source.content[{index}]")
            if parts:
                parts[-1] = _part(parts[-1], document.cache_control)
            return parts
        self.unsupported[f"{where}.source"] = None
        return []

    def _tools(self, request: _Request, chat: _Fields) -> None:
        tools: list[_Fields] = []
        for index, tool in enumerate(request.tools or ()):
            if tool.type not in (None, "custom"):
                self.unsupported[f"tools[{index}].type"] = None
                continue
            function: _Fields = {"name": tool.name}
            if tool.description:
                function["description"] = tool.description
            function["parameters"] = tool.input_schema or {"type": "object"}
            if tool.strict is not None:
                function["strict"] = tool.strict
            tools.append(_part({"type": "function", "function": function}, tool.cache_control))
        if tools:
            chat["tools"] = tools
        choice = request.tool_choice
        if choice is None or not tools:
            return
        if choice.type == "tool" and choice.name:
            chat["tool_choice"] = {"type": "function", "function": {"name": choice.name}}
        elif choice.type in _TOOL_CHOICES:
            chat["tool_choice"] = _TOOL_CHOICES[choice.type]
        else:
            self.unsupported["tool_choice"] = None
        if choice.disable_parallel_tool_use is not None and choice.type != "none":
            chat["parallel_tool_calls"] = not choice.disable_parallel_tool_use

    def _thinking(self, request: _Request, body: JsonObject, chat: _Fields) -> None:
        output = request.output_config or _Output()
        thinking = request.thinking
        if output.effort is not None:
            if output.effort in _EFFORTS:
                chat["reasoning_effort"] = _EFFORTS[output.effort]
            else:
                self.unsupported["output_config.effort"] = None
        elif thinking is not None and thinking.type == "enabled":
            budget = thinking.budget_tokens or 0
            small = "low" if budget < LEAST_MEDIUM_TOKENS else "medium"
            chat["reasoning_effort"] = "high" if budget >= LEAST_HIGH_TOKENS else small
        wanted = output.format or request.output_format
        if wanted is not None:
            schema = wanted.get("schema")
            if wanted.get("type") == "json_schema" and isinstance(schema, dict):
                named: _Fields = {"name": "answer", "schema": schema, "strict": True}
                chat["response_format"] = {"type": "json_schema", "json_schema": named}
            else:
                self.unsupported["output_config.format" if output.format else "output_format"] = None
        for field, known in (("output_config", {"effort", "format"}), ("thinking", {"type", "budget_tokens"})):
            given = body.get(field)
            for name in given if isinstance(given, dict) else ():
                if name not in known:
                    self._drop(name, f"{field}.")

    def _rest(self, body: JsonObject) -> None:
        for name, value in body.items():
            if name in TRANSLATED or value is None:
                continue
            if name == "context_management" and _clears_thinking(value):
                self.dropped[name] = None
            elif name in FEATURES:
                self.unsupported[name] = None
            else:
                self._drop(name)
        tools = body.get("tools")
        plain = {"name", "type", "description", "input_schema", "cache_control", "strict"}
        for tool in tools if isinstance(tools, list) else ():
            for name in tool if isinstance(tool, dict) and tool.get("type", "custom") in (None, "custom") else ():
                if name not in plain:
                    self._drop(name, "tools.")

    def _drop(self, name: str, before: str = "") -> None:
        """Note a field that is left out; a name that isn't like one of an API's may be text, and isn't repeated."""
        self.dropped[before + (name if _FIELD.fullmatch(name) else "unknown")] = None


def _clears_thinking(value: JsonValue) -> bool:
    """Say whether it only asks for old thinking to be left out of the context, which others than Claude never get."""
    edits = value.get("edits") if isinstance(value, dict) else None
    kinds = [edit.get("type") if isinstance(edit, dict) else None for edit in edits] if isinstance(edits, list) else []
    return all(isinstance(kind, str) and kind.startswith("clear_thinking_") for kind in kinds)


def _part(part: _Fields, cache_control: _Fields | None) -> _Fields:
    return {**part, "cache_control": cache_control} if cache_control else part


def _content(parts: list[_Fields]) -> object:
    """Write a lone text as a string, which every target understands."""
    if not parts:
        return ""
    is_plain = len(parts) == 1 and parts[0].keys() == {"type", "text"}
    return parts[0]["text"] if is_plain else parts


_VERSION = re.compile(r"20(?:2[3-9]|3\d)-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])")
_BETA = re.compile(
    r"(?=.{1,64}$)(?:[a-z][a-z]{0,15}|\d{1,3}[a-z])(?:-(?:[a-z]{1,16}\d{0,2}|\d{1,3}[a-z])){0,6}"
    r"-20(?:2[3-9]|3\d)-?(?:0[1-9]|1[0-2])-?(?:0[1-9]|[12]\d|3[01])"
)
MAX_BETAS = 24


def travelling(headers: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """Pick `anthropic-version` and `anthropic-beta`, the only headers of a caller's that travel on.

    A version is a date since 2023. A beta is up to seven lower-case words and a date since 2023, parted by hyphens, as
    in `context-1m-2025-08-07`; a word may end in two digits, or be up to three digits and a letter. So no number of
    anybody's fits in, nor an e-mail address. Words that somebody makes a beta of do.

    Raises:
        InvalidRequest: one of them is anything else.
    """
    picked: list[tuple[str, str]] = []
    version = headers.get("anthropic-version")
    if version is not None:
        if not _VERSION.fullmatch(version):
            raise InvalidRequest("'anthropic-version' must be a date, e.g. 2023-06-01", param="anthropic-version")
        picked.append(("anthropic-version", version))
    betas = [beta.strip() for beta in headers.get("anthropic-beta", "").split(",") if beta.strip()]
    if len(betas) > MAX_BETAS or not all(map(_BETA.fullmatch, betas)):
        what = f"'anthropic-beta' must be up to {MAX_BETAS} names like 'context-1m-2025-08-07', parted by commas"
        raise InvalidRequest(what, param="anthropic-beta")
    if betas:
        picked.append(("anthropic-beta", ",".join(betas)))
    return tuple(picked)


def to_chat(body: JsonObject) -> Translation:
    """See `Codec.to_chat`. A last turn of the assistant's stays one: whether it is continued is the target's affair.

    A result that is an error begins with `Error:`, pictures in results follow in a message of the user's, for chat has no
    other way to say either.
    """
    translator = _Translator()
    chat = translator.chat(body)
    return Translation(
        body=cast("JsonObject", chat), unsupported=tuple(translator.unsupported), dropped=tuple(translator.dropped)
    )


class _Codec:
    path = "/v1/messages"

    def decode(self, data: bytes) -> Decoded:
        return decode(data)

    def to_chat(self, body: JsonObject) -> Translation:
        return to_chat(body)

    def encoder(self, body: JsonObject) -> Encoder:
        return _messages_answer.AnswerEncoder(body)

    def headers(self, headers: dict[str, str]) -> tuple[tuple[str, str], ...]:
        return travelling(headers)

    def error(self, error: RouterError) -> bytes:
        return _messages_answer.error_body(error)

    def error_frame(self, error: RouterError) -> bytes:
        return _messages_answer.error_frame(error)


CODEC: Codec = _Codec()
