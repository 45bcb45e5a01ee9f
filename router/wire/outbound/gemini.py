"""Google's generateContent dialect: chat completions translated into its requests; no I/O. Answers: `gemini_answer`.

Source: the types of Google's Python SDK google-genai 3.6.1, which document
https://ai.google.dev/api/generate-content (2026-11).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

import msgspec

from router.core.errors import InvalidRequest, UnsupportedFeature
from router.core.types import JsonObject, JsonValue
from router.wire.outbound import gemini_media as media
from router.wire.outbound._hub import Called, Declared, Fields, Named
from router.wire.shapes import convert

MAX_STOPS = 5
"""Source: https://ai.google.dev/api/generate-content#generationconfig (2026-11)."""

MAX_CHOICES = 8
"""Source: https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference (2026-11)."""

NOT_OURS = "skip_thought_signature_validator"
"""Signature of a call that Gemini didn't make or whose signature is lost: without any, Gemini 3 refuses the conversation.

Source: https://ai.google.dev/gemini-api/docs/thought-signatures (2026-11), on histories that come from other models.
"""

_BUDGETS = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576}
"""Thinking tokens of Gemini 2.5. Source: https://ai.google.dev/gemini-api/docs/openai#thinking (2026-11)."""

_LEAST_BUDGET = 128
"""Of Gemini 2.5 Pro, which can't stop thinking. Source: https://ai.google.dev/gemini-api/docs/thinking (2026-11)."""

_LEVELS = {"minimal": "MINIMAL", "low": "LOW", "medium": "MEDIUM", "high": "HIGH"}
"""Thinking levels of Gemini 3 and later. Source: as `_BUDGETS`."""

_NEWEST = (99, 0)
_NAMED_VERSION = re.compile(r"(?:^|/)gemini-(?:(\d{1,3})(?:\.(\d{1,3}))?(?![\d.]))?")
_FIELD = re.compile(r"[a-z][a-z0-9_]{0,63}")
_OBJECT = msgspec.json.Decoder(Fields)
_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY"}
_INT32 = range(-(2**31), 2**31)

_DROPPED = frozenset(
    {
        "logit_bias", "user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "service_tier", "store",
        "metadata", "verbosity", "prediction", "min_p", "top_a", "typical_p", "repetition_penalty", "length_penalty",
    }
)  # fmt: skip
"""Tuning knobs without a counterpart here: the answer is the same in kind without them."""

_HANDLED = frozenset(
    {
        "model", "messages", "stream", "stream_options", "tools", "tool_choice", "parallel_tool_calls", "temperature",
        "top_p", "top_k", "max_tokens", "max_completion_tokens", "stop", "seed", "presence_penalty", "frequency_penalty",
        "n", "logprobs", "top_logprobs", "response_format", "reasoning_effort", "modalities", "web_search_options",
        "extra_body",
    }
)  # fmt: skip


class _GoogleExtra(msgspec.Struct):
    thought_signature: str | None = None


class _Extra(msgspec.Struct):
    google: _GoogleExtra | None = None


class _ToolCall(msgspec.Struct):
    id: str
    function: Called | None = None
    extra_content: _Extra | None = None


class _Message(msgspec.Struct):
    role: str
    content: str | list[media.Part] | None = None
    refusal: str | None = None
    name: str | None = None
    tool_calls: list[_ToolCall] | None = None
    tool_call_id: str | None = None
    extra_content: _Extra | None = None
    reasoning_content: str | None = None
    thinking_blocks: list[Fields] | None = None
    audio: Fields | None = None
    function_call: Fields | None = None


class _Tool(msgspec.Struct):
    function: Declared | None = None
    cache_control: Fields | None = None


class _NamedTool(msgspec.Struct):
    function: Named | None = None


class _Allowed(msgspec.Struct):
    mode: str
    tools: list[_NamedTool]


class _ToolChoice(msgspec.Struct):
    function: Named | None = None
    allowed_tools: _Allowed | None = None


class _Schema(msgspec.Struct):
    schema: Fields | None = None


class _Format(msgspec.Struct):
    type: str
    json_schema: _Schema | None = None


class _Thinking(msgspec.Struct):
    include_thoughts: bool | None = None
    thinking_budget: int | None = None
    thinking_level: str | None = None


class _GoogleBody(msgspec.Struct):
    thinking_config: _Thinking | None = None


class _ExtraBody(msgspec.Struct):
    """Google's own extension of chat completions. Source: https://ai.google.dev/gemini-api/docs/openai (2026-11)."""

    google: _GoogleBody | None = None


class _Request(msgspec.Struct):
    messages: list[_Message]
    tools: list[_Tool] | None = None
    tool_choice: str | _ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    n: int | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    response_format: _Format | None = None
    reasoning_effort: str | None = None
    modalities: list[str] | None = None
    web_search_options: Fields | None = None
    extra_body: _ExtraBody | None = None


class Encoded(msgspec.Struct, frozen=True, kw_only=True):
    """A request in Gemini's dialect."""

    payload: bytes
    choices: int
    """How many candidates it asks for."""
    dropped: tuple[str, ...]
    """Names of the tuning knobs that were left out, sorted."""


def _unknown(value: JsonValue, shape: type[msgspec.Struct]) -> bool:
    """Say whether an object, or one in it, holds a key that its shape doesn't name."""
    inner = {"google": _GoogleBody, "thinking_config": _Thinking}
    return isinstance(value, dict) and any(
        name not in shape.__struct_fields__ or (name in inner and _unknown(item, inner[name]))
        for name, item in value.items()
    )


def encode_request(body: JsonObject, *, model: str) -> Encoded:
    """Encode a chat completion request as a generateContent request. `model` decides what its generation can do.

    Raises:
        InvalidRequest: a field that is needed is missing, or isn't what it should be; `param` names it.
        UnsupportedFeature: it asks for what this dialect can't do; `param` says what.
    """
    if _unknown(body.get("extra_body"), _ExtraBody):
        raise UnsupportedFeature("this field of 'extra_body' can't be translated", param="extra_body")
    request = convert(body, _Request)
    dropped = {name for name in _DROPPED if body.get(name) not in (None, False, [], {})}
    _check_supported(body, request)
    generation = version(model)
    conversation = _Conversation(request.messages, generation, dropped)
    fields: Fields = {"contents": conversation.contents}
    if conversation.system:
        fields["systemInstruction"] = {"parts": conversation.system}
    fields |= _tools(request, dropped)
    if config := _generation_config(request, model, generation, dropped):
        fields["generationConfig"] = config
    payload = msgspec.json.encode(fields)
    return Encoded(payload=payload, choices=request.n or 1, dropped=tuple(sorted(dropped)))


def version(model: str) -> tuple[int, int]:
    """Read a model's generation from its name: (2, 5) of `gemini-2.5-pro`; the newest where a Gemini's says none.

    Models that aren't Geminis are (0, 0).
    """
    found = _NAMED_VERSION.search(model)
    if found is None:
        return (0, 0)
    return _NEWEST if found[1] is None else (int(found[1]), int(found[2] or 0))


def _check_supported(body: JsonObject, request: _Request) -> None:
    for name, value in body.items():
        if name in _HANDLED or name in _DROPPED or value in (None, [], {}):
            continue
        param = name if _FIELD.fullmatch(name) else None
        raise UnsupportedFeature("a field of the request can't be translated for a Gemini target", param=param)
    if any(kind != "text" for kind in request.modalities or ()):
        raise UnsupportedFeature("a Gemini target is asked for text only", param="modalities")
    if (request.n or 1) > MAX_CHOICES:
        raise UnsupportedFeature(f"'n' above {MAX_CHOICES} can't be asked of a Gemini target", param="n")
    if request.top_logprobs and not request.logprobs:
        raise InvalidRequest("'top_logprobs' needs 'logprobs'", param="top_logprobs")


class _Conversation:
    """The messages in Gemini's turns; neighbours of one role become one, as results of parallel calls must share one."""

    def __init__(self, messages: Sequence[_Message], generation: tuple[int, int], dropped: set[str]) -> None:
        self._generation = generation
        self._dropped = dropped
        self._called: dict[str, str] = {}
        """Name of the function by the call's id."""
        self._turns: list[tuple[str, list[Fields]]] = []
        self.system: list[Fields] = []
        for index, message in enumerate(messages):
            self._add(message, f"messages[{index}]")
        if not self._turns:
            raise UnsupportedFeature("a Gemini target needs a message besides the system's", param="messages")

    @property
    def contents(self) -> list[Fields]:
        """The turns as they are sent: results first, in the order of their calls."""
        order = {call_id: number for number, call_id in enumerate(self._called)}

        def place(part: Fields) -> int:
            result = cast("Fields", part.get("functionResponse", {}))
            return order.get(str(result.get("id")), len(order))

        return [
            {"role": role, "parts": sorted(parts, key=place) if role == "user" else parts}
            for role, parts in self._turns
        ]

    def _add(self, message: _Message, where: str) -> None:
        self._note_dropped(message)
        match message.role:
            case "system" | "developer":
                self.system += self._content(message, where, text_only=True)
                return
            case "user":
                role, parts = "user", self._content(message, where)
            case "assistant":
                role, parts = "model", self._assistant(message, where)
            case "tool":
                role, parts = "user", [self._result(message, where)]
            case _:
                what = "a message has a role that can't be translated for a Gemini target"
                raise UnsupportedFeature(what, param=f"{where}.role")
        if self._turns and self._turns[-1][0] == role:
            self._turns[-1][1].extend(parts)
        elif parts:
            self._turns.append((role, parts))

    def _note_dropped(self, message: _Message) -> None:
        left_out = {
            "messages.name": message.name and message.role != "tool",
            "messages.reasoning_content": message.reasoning_content,
            "messages.thinking_blocks": message.thinking_blocks,
        }
        self._dropped |= {name for name, value in left_out.items() if value}

    def _content(self, message: _Message, where: str, *, text_only: bool = False) -> list[Fields]:
        """Translate content; empty texts are left out, for Gemini refuses them."""
        content, parts = message.content, list[Fields]()
        if content is None or isinstance(content, str):
            return [_text(content)] if content else parts
        for index, part in enumerate(content):
            param = f"{where}.content[{index}]"
            if part.type in ("text", "refusal"):
                text = part.text or part.refusal
                parts += [_text(text)] if text else []
            elif text_only:
                raise UnsupportedFeature("this content part can't be translated for a Gemini target", param=param)
            else:
                parts.append(media.encode(part, param, by_url=self._generation > (2, 0), dropped=self._dropped))
            if part.cache_control:
                self._dropped.add("cache_control")
        return parts

    def _assistant(self, message: _Message, where: str) -> list[Fields]:
        for name, value in (("audio", message.audio), ("function_call", message.function_call)):
            if value:
                raise UnsupportedFeature("this can't be translated for a Gemini target", param=f"{where}.{name}")
        parts = self._content(message, where, text_only=True)
        if message.refusal and not parts:
            parts.append(_text(message.refusal))
        if signature := _signature(message.extra_content, f"{where}.extra_content"):
            last = parts.pop() if parts else _text("")
            parts.append({**last, "thoughtSignature": signature})
        for index, call in enumerate(message.tool_calls or ()):
            parts.append(self._call(call, f"{where}.tool_calls[{index}]", is_first=index == 0))
        return parts

    def _call(self, call: _ToolCall, where: str, *, is_first: bool) -> Fields:
        if call.function is None:
            raise UnsupportedFeature("only calls of function tools can be translated", param=where)
        name, arguments = call.function.name, call.function.arguments or "{}"
        if not _is_object(arguments):
            what = "the arguments of a tool call must be a JSON object"
            raise InvalidRequest(what, param=f"{where}.function.arguments")
        self._called[call.id] = name
        part: Fields = {"functionCall": {"id": call.id, "name": name, "args": msgspec.Raw(arguments.encode())}}
        signature = _signature(call.extra_content, f"{where}.extra_content")
        if signature is None and is_first and self._generation >= (3, 0):
            signature = NOT_OURS
        return part if signature is None else {**part, "thoughtSignature": signature}

    def _result(self, message: _Message, where: str) -> Fields:
        call_id = message.tool_call_id
        if not call_id:
            raise InvalidRequest("a tool message must say which call it answers", param=f"{where}.tool_call_id")
        name = self._called.get(call_id) or message.name
        if not name:
            what = "a tool message answers a call that isn't in the conversation before it"
            raise InvalidRequest(what, param=f"{where}.tool_call_id")
        text, others = "", list[Fields]()
        for part in self._content(message, where):
            if isinstance(piece := part.get("text"), str):
                text += piece
            elif "inlineData" in part and self._generation >= (3, 0):
                others.append(part)
            else:
                raise UnsupportedFeature("a tool's result can't hold this for this model", param=f"{where}.content")
        whole = msgspec.Raw(text.encode()) if _is_object(text) else {"result": text}
        response: Fields = {"id": call_id, "name": name, "response": whole}
        return {"functionResponse": {**response, "parts": others} if others else response}


def _text(text: str) -> Fields:
    return {"text": text}


def _is_object(text: str) -> bool:
    """Whether a text is a JSON object that may be sent as it is written."""
    try:
        _OBJECT.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _signature(extra: _Extra | None, param: str) -> str | None:
    """Read a thought signature where Gemini's own chat completions have it; it goes back untouched."""
    signature = extra.google.thought_signature if extra and extra.google else None
    if not signature:
        return None
    try:
        base64.b64decode(signature.translate({0x2D: "+", 0x5F: "/"}), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidRequest("a thought signature must be base64, as it came", param=param) from None
    return signature


def _tools(request: _Request, dropped: set[str]) -> Fields:
    tools: list[Fields] = []
    config: Fields = {}
    declared = [_declaration(tool, f"tools[{index}]", dropped) for index, tool in enumerate(request.tools or ())]
    if declared:
        mode, names = _choice(request.tool_choice)
        if names is not None and mode == "AUTO":
            # Gemini takes names with ANY only: where none must be called, the others aren't declared.
            declared = [one for one in declared if one["name"] in names]
        elif names is not None:
            config = {"mode": mode, "allowedFunctionNames": names}
        elif mode is not None:
            config = {"mode": mode}
        if request.parallel_tool_calls is False:
            dropped.add("parallel_tool_calls")
    if declared:
        tools.append({"functionDeclarations": declared})
    if request.web_search_options is not None:
        tools.append({"googleSearch": {}})
        dropped |= {f"web_search_options.{name}" for name in _search_knobs(request.web_search_options)}
    fields: Fields = {"tools": tools} if tools else {}
    return {**fields, "toolConfig": {"functionCallingConfig": config}} if config else fields


def _search_knobs(options: Mapping[str, object]) -> Iterable[str]:
    for name, value in options.items():
        if name not in ("search_context_size", "user_location"):
            what = "this option of a web search can't be translated for a Gemini target"
            raise UnsupportedFeature(what, param="web_search_options")
        if value is not None:
            yield name


def _declaration(tool: _Tool, param: str, dropped: set[str]) -> Fields:
    function = tool.function
    if function is None:
        raise UnsupportedFeature("only function tools can be translated", param=param)
    if function.strict:
        dropped.add("tools.function.strict")
    if tool.cache_control:
        dropped.add("cache_control")
    fields: Fields = {"name": function.name}
    if function.description:
        fields["description"] = function.description
    if function.parameters:
        fields["parametersJsonSchema"] = function.parameters
    return fields


def _choice(choice: str | _ToolChoice | None) -> tuple[str | None, list[str] | None]:
    """Return (mode, names of the only functions that may be called), None where nothing is said."""
    if choice is None:
        return None, None
    if isinstance(choice, str):
        if choice not in _MODES:
            raise InvalidRequest("'tool_choice' must be auto, none, required or a named function", param="tool_choice")
        return _MODES[choice], None
    if choice.function is not None:
        return "ANY", [choice.function.name]
    allowed = choice.allowed_tools
    if allowed is None or allowed.mode not in ("auto", "required"):
        raise UnsupportedFeature("this kind of 'tool_choice' can't be translated", param="tool_choice")
    names: list[str] = []
    for tool in allowed.tools:
        if tool.function is None:
            raise UnsupportedFeature("only function tools can be translated", param="tool_choice")
        names.append(tool.function.name)
    return _MODES[allowed.mode], names


def _generation_config(request: _Request, model: str, generation: tuple[int, int], dropped: set[str]) -> Fields:
    stops = [request.stop] if isinstance(request.stop, str) else request.stop or []
    stops = [stop for stop in stops if stop]
    if len(stops) > MAX_STOPS:
        raise UnsupportedFeature(f"a Gemini target takes {MAX_STOPS} stop sequences at most", param="stop")
    seed = request.seed
    if seed is not None and seed not in _INT32:
        dropped.add("seed")
        seed = None
    fields: Fields = {
        "temperature": request.temperature,
        "topP": request.top_p,
        "topK": request.top_k,
        "maxOutputTokens": request.max_completion_tokens or request.max_tokens,
        "stopSequences": stops or None,
        "seed": seed,
        "presencePenalty": request.presence_penalty,
        "frequencyPenalty": request.frequency_penalty,
        "candidateCount": request.n if (request.n or 1) > 1 else None,
        "responseLogprobs": True if request.logprobs else None,
        "logprobs": request.top_logprobs or None,
        "thinkingConfig": _thinking(request, model, generation, dropped) or None,
        **_format(request.response_format),
    }
    return {name: value for name, value in fields.items() if value is not None}


def _format(wanted: _Format | None) -> Fields:
    if wanted is None or wanted.type == "text":
        return {}
    if wanted.type not in ("json_object", "json_schema"):
        raise UnsupportedFeature("this 'response_format' can't be asked of a Gemini target", param="response_format")
    schema = wanted.json_schema.schema if wanted.type == "json_schema" and wanted.json_schema else None
    return {"responseMimeType": "application/json", "responseJsonSchema": schema}


def _thinking(request: _Request, model: str, generation: tuple[int, int], dropped: set[str]) -> Fields:
    """Say how much to think: what Google's own extension says, else by effort as the model's generation takes it."""
    said = request.extra_body.google.thinking_config if request.extra_body and request.extra_body.google else None
    if said is not None:
        if said.thinking_level is not None and said.thinking_level.lower() not in _LEVELS:
            raise InvalidRequest("'thinking_level' must be minimal, low, medium or high", param="extra_body")
        fields: Fields = {
            "includeThoughts": said.include_thoughts,
            "thinkingBudget": said.thinking_budget,
            "thinkingLevel": said.thinking_level and said.thinking_level.upper(),
        }
        return {name: value for name, value in fields.items() if value is not None}
    effort = request.reasoning_effort
    shown: Fields = {} if effort == "none" else {"includeThoughts": True}
    if effort is None:
        return {}
    if effort not in ("none", "minimal", "low", "medium", "high", "xhigh", "max"):
        raise InvalidRequest("'reasoning_effort' isn't one that is known", param="reasoning_effort")
    is_pro = "-pro" in model
    can = "high" if effort in ("xhigh", "max") else effort
    if generation < (2, 5) or can != effort or (effort == "none" and (is_pro or generation >= (3, 0))):
        dropped.add("reasoning_effort")
    if generation < (2, 5):
        return {}
    if generation < (3, 0):
        budget = max(_BUDGETS[can], _LEAST_BUDGET) if is_pro else _BUDGETS[can]
        return {"thinkingBudget": budget, **shown}
    least = "low" if is_pro else "minimal"
    can = least if can in ("none", "minimal") else can
    # Gemini 3 Pro knows low and high only; its successors know medium too.
    can = "high" if can == "medium" and is_pro and generation == (3, 0) else can
    return {"thinkingLevel": _LEVELS[can], **shown}
