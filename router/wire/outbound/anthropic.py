"""Anthropic's Messages dialect: OpenAI's chat completions translated into it; no I/O. Its answers: `_anthropic_answer`.

Source: the types of Anthropic's Python SDK 2.11.0, which document https://platform.claude.com/docs/en/api/messages.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from router.core.errors import InvalidRequest, UnsupportedFeature
from router.core.types import JsonObject
from router.wire.outbound._anthropic_answer import AnswerStream, NativeStream, decode_answer, read_answer, read_count
from router.wire.outbound._anthropic_parts import attached, image
from router.wire.outbound._hub import Called, Declared, Fields, File, ImageUrl, Named
from router.wire.shapes import convert

__all__ = [
    "AnswerStream",
    "Encoded",
    "NativeStream",
    "decode_answer",
    "encode_request",
    "read_answer",
    "read_count",
    "translate_request",
]


class Encoded(NamedTuple):
    """A request in Anthropic's dialect."""

    payload: bytes
    dropped: tuple[str, ...]
    """Tuning knobs that have no counterpart, and so were left out."""


class _Part(msgspec.Struct):
    type: str
    text: str = ""
    refusal: str = ""
    image_url: ImageUrl | None = None
    file: File | None = None
    cache_control: Fields | None = None


class _ToolCall(msgspec.Struct):
    id: str
    function: Called | None = None


class _Message(msgspec.Struct):
    role: str
    content: str | list[_Part] | None = None
    tool_calls: list[_ToolCall] | None = None
    tool_call_id: str | None = None
    thinking_blocks: list[Fields] | None = None


class _Tool(msgspec.Struct):
    function: Declared | None = None
    cache_control: Fields | None = None


class _ToolChoice(msgspec.Struct):
    function: Named | None = None


class _Schema(msgspec.Struct):
    schema: Fields | None = None


class _Format(msgspec.Struct):
    type: str
    json_schema: _Schema | None = None


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
    response_format: _Format | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    modalities: list[str] | None = None
    audio: Fields | None = None
    functions: list[Fields] | None = None
    web_search_options: Fields | None = None
    reasoning_effort: str | None = None


_NOT_IN_AN_ID = re.compile(r"[^a-zA-Z0-9_-]")
_TOOL_CHOICES = {"auto": "auto", "none": "none", "required": "any"}
_OBJECT = msgspec.json.Decoder(Fields)


_BODY = frozenset(
    (
        "model messages max_tokens max_completion_tokens temperature top_p stop user tools tool_choice "
        "parallel_tool_calls n response_format logprobs top_logprobs modalities audio functions web_search_options "
        "reasoning_effort stream stream_options"
    ).split()
)
"""Fields that are translated, or refused by name where they ask for more than their default."""
_MESSAGE = frozenset("role content tool_calls tool_call_id thinking_blocks refusal annotations".split())
_FIELD = re.compile(r"[a-z][a-z_]{0,39}")


def encode_request(body: JsonObject, *, model: str, stream: bool, default_max_tokens: int) -> bytes:
    """Encode a chat completion request as a Messages request; see `translate_request`."""
    return translate_request(body, model=model, stream=stream, default_max_tokens=default_max_tokens).payload


def translate_request(body: JsonObject, *, model: str, stream: bool, default_max_tokens: int) -> Encoded:
    """Encode a chat completion request as a Messages request; name the tuning knobs that are left out.

    Raises:
        InvalidRequest: a field that is needed is missing, or isn't what it should be; `param` names it.
        UnsupportedFeature: it asks for what this dialect can't do; `param` says what.
    """
    request = convert(body, _Request)
    _check_supported(request)
    dropped = _left_out(body, request)
    limit = request.max_completion_tokens or request.max_tokens
    fields: Fields = {
        "model": model,
        "max_tokens": limit or default_max_tokens,
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
    if request.response_format is not None and request.response_format.type == "json_schema":
        schema = request.response_format.json_schema
        fields["output_config"] = {"format": {"type": "json_schema", "schema": schema.schema if schema else None}}
    thought = _thinking(request, model, limit, default_max_tokens)
    if thought is None and request.reasoning_effort not in (None, "none"):
        dropped["reasoning_effort"] = None
    sampling = _sampling(request.temperature, request.top_p)
    if thought:
        # With thinking, Claude takes neither: "Thinking isn't compatible with temperature … modifications".
        sampling = {}
        output = {**_inner(fields.get("output_config")), **_inner(thought.get("output_config"))}
        fields |= thought | ({"output_config": output} if output else {})
    for name, value in (("temperature", request.temperature), ("top_p", request.top_p)):
        if value is not None and value != 1 and sampling.get(name) != value:
            dropped[name] = None
    return Encoded(msgspec.json.encode(fields | sampling), tuple(dropped))


def _inner(value: object) -> Fields:
    return msgspec.convert(value, Fields) if value is not None else {}


def _left_out(body: JsonObject, request: _Request) -> dict[str, None]:
    """Name what is left out; a name that isn't like one of an API's may be text, and isn't repeated."""

    def known(name: str) -> str:
        return name if _FIELD.fullmatch(name) else "unknown"

    dropped = {known(name): None for name, value in body.items() if name not in _BODY and value is not None}
    messages = body.get("messages")
    for message in messages if isinstance(messages, list) else ():
        signed = isinstance(message, dict) and bool(message.get("thinking_blocks"))
        for name in message if isinstance(message, dict) else ():
            # The text of thinking goes with its signature, if there is one; without, it can't go.
            if name not in _MESSAGE and not (signed and name == "reasoning_content"):
                dropped[f"messages.{known(name)}"] = None
    if any(tool.function is not None and tool.function.strict for tool in request.tools or ()):
        dropped["tools.strict"] = None
    parts = [part for one in request.messages if isinstance(one.content, list) for part in one.content]
    if any(part.image_url is not None and part.image_url.detail not in (None, "auto") for part in parts):
        dropped["image_url.detail"] = None
    return dropped


BUDGET_TOKENS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16_384, "xhigh": 32_000, "max": 32_000}
"""Effort -> budget for thinking, of models that take one."""
LEAST_BUDGET_TOKENS = 1024
_VERSION = re.compile(r"claude-(?:[a-z]+-)?(?P<major>\d{1,2})(?:[-.](?P<minor>\d{1,2}))?(?=$|[^\d.])", re.IGNORECASE)
_ADAPTIVE, _BUDGETED, _XHIGH = (4, 6), (3, 7), (4, 7)
"""The first versions that choose how long to think by effort, that take a budget, and that know `xhigh`."""


def _thinking(request: _Request, model: str, limit: int | None, default_max_tokens: int) -> Fields | None:
    """Translate the effort into what the model takes; None = it takes none, or not in this request.

    Source: https://platform.claude.com/docs/en/build-with-claude/adaptive-thinking and …/extended-thinking (2026): a model
    that is forced to call a tool doesn't think, and one with a budget wants each call of the last turn behind its thinking.
    """
    effort, version = request.reasoning_effort, _VERSION.search(model)
    is_forced = isinstance(request.tool_choice, _ToolChoice) or request.tool_choice == "required"
    if effort not in BUDGET_TOKENS or version is None or is_forced:
        return None
    number = (int(version["major"]), int(version["minor"] or 0))
    if number >= _ADAPTIVE:
        known = {"minimal": "low", "xhigh": "xhigh" if number >= _XHIGH else "high"}
        return {"thinking": {"type": "adaptive"}, "output_config": {"effort": known.get(effort, effort)}}
    turn = next((one for one in reversed(request.messages) if one.role == "assistant"), None)
    if number < _BUDGETED or (turn is not None and turn.tool_calls and not turn.thinking_blocks):
        return None
    budget = BUDGET_TOKENS[effort] if limit is None else min(BUDGET_TOKENS[effort], limit // 2)
    if budget < LEAST_BUDGET_TOKENS:
        return None
    enough = {} if limit is not None else {"max_tokens": budget + default_max_tokens}
    return {**enough, "thinking": {"type": "enabled", "budget_tokens": budget}}


def _check_supported(request: _Request) -> None:
    wanted = {
        "n": (request.n or 1) > 1,
        "response_format": not _can_format(request.response_format),
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


def _can_format(wanted: _Format | None) -> bool:
    """Say whether an answer can be had in this format: as text, or by a schema."""
    if wanted is None or wanted.type == "text":
        return True
    has_schema = wanted.json_schema is not None and wanted.json_schema.schema is not None
    return wanted.type == "json_schema" and has_schema


def _sampling(temperature: float | None, top_p: float | None) -> Fields:
    """Choose one of the two, for models since Opus 4.1 refuse both together; 1 is the default of each.

    Source: https://docs.claude.com/en/api/messages#body-top-p ("alter temperature or top_p, but not both").
    """
    if top_p is not None and top_p < 1 and (temperature is None or temperature >= 1):
        return {"top_p": top_p}
    return {} if temperature is None else {"temperature": min(temperature, 1)}


def _system(messages: Sequence[_Message]) -> list[Fields]:
    blocks: list[Fields] = []
    for index, message in enumerate(messages):
        if message.role in ("system", "developer"):
            blocks += _content(message.content, f"messages[{index}].content", text_only=True)
    return blocks


def _turns(messages: Sequence[_Message]) -> list[Fields]:
    """Translate the conversation; neighbours of one role become one turn, as tool results must share one."""
    turns: list[tuple[str, list[Fields]]] = []
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


def _content(content: str | list[_Part] | None, where: str, *, text_only: bool = False) -> list[Fields]:
    """Translate content; empty texts are left out, for Anthropic refuses them."""
    if content is None or isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    blocks: list[Fields] = []
    for index, part in enumerate(content):
        param = f"{where}[{index}]"
        if part.type in ("text", "refusal"):
            text = part.text or part.refusal
            block: Fields | None = {"type": "text", "text": text} if text else None
        elif part.type == "image_url" and not text_only:
            block = image(part.image_url.url if part.image_url else "", f"{param}.image_url")
        elif part.type == "file" and not text_only and part.file is not None and part.file.file_data:
            block = attached(part.file.file_data, part.file.filename, f"{param}.file.file_data")
        else:
            raise UnsupportedFeature("this content part can't be translated for an Anthropic target", param=param)
        if block is not None:
            blocks.append(_cached(block, part.cache_control))
    return blocks


def _cached(block: Fields, cache_control: Fields | None) -> Fields:
    return {**block, "cache_control": cache_control} if cache_control else block


def _assistant(message: _Message, where: str) -> list[Fields]:
    thoughts = message.thinking_blocks or []
    for index, block in enumerate(thoughts):
        if block.get("type") not in ("thinking", "redacted_thinking"):
            what = "a thinking block must be of type thinking or redacted_thinking"
            raise InvalidRequest(what, param=f"{where}.thinking_blocks[{index}].type")
    # Claude wants them first, and as they came: their signatures are checked.
    blocks = [*thoughts, *_content(message.content, f"{where}.content", text_only=True)]
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


def _tool_result(message: _Message, where: str) -> Fields:
    if not message.tool_call_id:
        raise InvalidRequest("a tool message must say which call it answers", param=f"{where}.tool_call_id")
    block: Fields = {"type": "tool_result", "tool_use_id": _tool_id(message.tool_call_id)}
    content = _content(message.content, f"{where}.content")
    # A mark inside of a result is refused; it belongs to the result.
    # Source: https://github.com/caozhiyuan/copilot-api/issues/241 (May 2026).
    marks = [part.pop("cache_control") for part in content if "cache_control" in part]
    if content:
        block["content"] = content
    return _cached(block, msgspec.convert(marks[-1], Fields)) if marks else block


def _tool_id(call_id: str) -> str:
    """Make an id fit Anthropic's alphabet: a conversation may bring calls that another vendor's model made."""
    return _NOT_IN_AN_ID.sub("_", call_id)


def _tool(tool: _Tool, param: str) -> Fields:
    function = tool.function
    if function is None:
        raise UnsupportedFeature("only function tools can be translated", param=param)
    fields: Fields = {"name": function.name, "input_schema": {"type": "object", **(function.parameters or {})}}
    if function.description:
        fields["description"] = function.description
    return _cached(fields, tool.cache_control)


def _tool_choice(request: _Request) -> Fields | None:
    choice = request.tool_choice
    if isinstance(choice, _ToolChoice):
        if choice.function is None:
            raise UnsupportedFeature("this kind of 'tool_choice' can't be translated", param="tool_choice")
        fields: Fields = {"type": "tool", "name": choice.function.name}
    elif choice is None and request.parallel_tool_calls is not False:
        return None
    elif (choice or "auto") in _TOOL_CHOICES:
        fields = {"type": _TOOL_CHOICES[choice or "auto"]}
    else:
        raise InvalidRequest("'tool_choice' must be auto, none, required or a named function", param="tool_choice")
    if request.parallel_tool_calls is False and fields["type"] != "none":
        fields["disable_parallel_tool_use"] = True
    return fields
