"""Translates a Responses request into chat completions, and says what those can't ask for; no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator

from router.core.errors import InvalidRequest
from router.core.types import JsonObject, JsonValue
from router.wire.dialects import Translation

_SAME = (
    "model stream temperature top_p user safety_identifier prompt_cache_key prompt_cache_retention service_tier"
).split()
"""Fields that chat completions have too, under the same name."""

_KEPT_HERE = frozenset(("store", "metadata"))
"""Fields that the router itself serves: answers are kept in its own store, and metadata stands in the answer."""

_ITSELF = frozenset(
    (
        "input instructions tools tool_choice parallel_tool_calls text reasoning max_output_tokens top_logprobs include "
        "truncation background conversation prompt moderation previous_response_id"
    ).split()
)
"""Fields that are translated one by one."""

_HOSTED = frozenset(
    (
        "web_search web_search_preview file_search code_interpreter computer computer_use computer_use_preview mcp "
        "image_generation local_shell shell apply_patch custom namespace tool_search programmatic_tool_calling"
    ).split()
)
"""Types of tools that a refusal may name; any other is `tools`, since a caller can write anything there."""

_ITEMS = frozenset(
    (
        "item_reference custom_tool_call custom_tool_call_output web_search_call file_search_call computer_call "
        "computer_call_output code_interpreter_call image_generation_call local_shell_call local_shell_call_output "
        "shell_call shell_call_output apply_patch_call apply_patch_call_output mcp_call mcp_list_tools "
        "mcp_approval_request mcp_approval_response compaction compaction_trigger tool_search_call tool_search_output "
        "additional_tools program program_output"
    ).split()
)
"""Types of items that a refusal may name."""

_LOGPROBS = "message.output_text.logprobs"
_MODES = ("none", "auto", "required")
_FIELD = re.compile(r"[a-z][a-z0-9_]{0,40}")


def to_chat(body: JsonObject) -> Translation:
    """Translate a request that was decoded. `body` isn't changed.

    Raises:
        InvalidRequest: an item or a tool makes no sense; `param` names it.
    """
    return _Request(body).translation()


class _Request:
    """One request under translation."""

    def __init__(self, body: JsonObject) -> None:
        self._body = body
        self._chat: JsonObject = {}
        self._unsupported: dict[str, None] = {}
        self._dropped: dict[str, None] = {}

    def translation(self) -> Translation:
        body = self._body
        self._chat = {name: body[name] for name in _SAME if body.get(name) is not None}
        self._chat["messages"] = [*_system(body.get("instructions")), *self._messages()]
        self._tools()
        self._text()
        self._reasoning()
        self._limits()
        for name in ("conversation", "prompt", "moderation", "previous_response_id"):
            if body.get(name) is not None:
                self._unsupported[name] = None
        if body.get("background") is True:
            self._unsupported["background"] = None
        for name, value in body.items():
            if name not in _SAME and name not in _ITSELF and name not in _KEPT_HERE and value is not None:
                # The name may be anything, and is shown in a header.
                self._dropped[name if _FIELD.fullmatch(name) else "unknown field"] = None
        return Translation(body=self._chat, unsupported=tuple(self._unsupported), dropped=tuple(self._dropped))

    # Input

    def _messages(self) -> list[JsonValue]:
        given = self._body.get("input")
        if isinstance(given, str):
            return [{"role": "user", "content": given}]
        talk = _Talk()
        for index, item in enumerate(given if isinstance(given, list) else []):
            if isinstance(item, dict):
                self._item(item, f"input[{index}]", talk)
        talk.close()
        if talk.lost:
            self._dropped["input.reasoning"] = None
        return talk.messages

    def _item(self, item: JsonObject, where: str, talk: _Talk) -> None:
        kind = item.get("type")
        if kind == "message" or (kind is None and "role" in item):
            self._message(item, where, talk)
        elif kind == "function_call":
            function: JsonObject = {
                "name": _text_of(item, "name", where),
                "arguments": _text_of(item, "arguments", where),
            }
            talk.call({"id": _text_of(item, "call_id", where), "type": "function", "function": function})
        elif kind == "function_call_output":
            content = self._output(item.get("output"), where)
            talk.say({"role": "tool", "tool_call_id": _text_of(item, "call_id", where), "content": content})
        elif kind == "reasoning":
            self._thought(item, talk)
        elif kind is None:
            raise InvalidRequest(f"'{where}' has neither 'type' nor 'role'", param=where)
        else:
            self._unsupported[str(kind) if kind in _ITEMS else "input"] = None

    def _message(self, item: JsonObject, where: str, talk: _Talk) -> None:
        role, content = item.get("role"), item.get("content")
        if not isinstance(role, str):
            raise InvalidRequest(f"'{where}.role' is missing", param=f"{where}.role")
        if not isinstance(content, str | list):
            raise InvalidRequest(f"'{where}.content' must be a text or a list of parts", param=f"{where}.content")
        if role == "assistant":
            talk.answer(*self._answer(content, f"{where}.content"))
            return
        parts = content if isinstance(content, str) else self._parts(content, f"{where}.content")
        talk.say({"role": role, "content": parts})

    def _answer(self, content: str | list[JsonValue], where: str) -> tuple[str | None, str | None]:
        """Return the text and the refusal of an assistant's message."""
        if isinstance(content, str):
            return content, None
        texts: list[str] = []
        refusals: list[str] = []
        for part, at in _objects(content, where):
            match part.get("type"):
                case "output_text" | "input_text":
                    texts.append(_text_of(part, "text", at))
                case "refusal":
                    refusals.append(_text_of(part, "refusal", at))
                case _:
                    self._unsupported["input.content"] = None
        return "".join(texts) if texts or not refusals else None, "".join(refusals) if refusals else None

    def _parts(self, content: list[JsonValue], where: str) -> str | list[JsonValue]:
        """Translate the parts of a message; one text alone becomes a plain text, which every engine reads."""
        parts: list[JsonValue] = []
        for part, at in _objects(content, where):
            translated = self._part(part, at)
            if translated is not None:
                cache = part.get("cache_control")
                parts.append(translated if cache is None else {**translated, "cache_control": cache})
        only = parts[0] if len(parts) == 1 else None
        if isinstance(only, dict) and only.get("type") == "text" and "cache_control" not in only:
            return str(only["text"])
        return parts

    def _part(self, part: JsonObject, where: str) -> JsonObject | None:
        kind = part.get("type")
        if kind in ("input_text", "output_text"):
            return {"type": "text", "text": _text_of(part, "text", where)}
        if kind == "refusal":
            return {"type": "refusal", "refusal": _text_of(part, "refusal", where)}
        if kind == "input_image" and isinstance(part.get("image_url"), str):
            detail = part.get("detail")
            return {"type": "image_url", "image_url": {"url": part["image_url"], **_given(detail=detail)}}
        if kind == "input_file" and part.get("file_url") is None:
            names = ("file_id", "file_data", "filename")
            return {"type": "file", "file": {name: part[name] for name in names if part.get(name) is not None}}
        if kind == "input_audio" and isinstance(part.get("input_audio"), dict):
            return {"type": "input_audio", "input_audio": part["input_audio"]}
        known = kind in ("input_image", "input_file", "input_audio")
        self._unsupported[f"input.content.{kind}" if known else "input.content"] = None
        return None

    def _output(self, output: JsonValue, where: str) -> str | list[JsonValue]:
        """Translate what a tool gave; chat completions take only text from tools."""
        if isinstance(output, str):
            return output
        if not isinstance(output, list):
            raise InvalidRequest(f"'{where}.output' must be a text or a list of parts", param=f"{where}.output")
        texts = [part for part, _ in _objects(output, where) if part.get("type") in ("input_text", "output_text")]
        if len(texts) < len(output):
            self._unsupported["function_call_output.output"] = None
        return self._parts([*texts], f"{where}.output")

    def _thought(self, item: JsonObject, talk: _Talk) -> None:
        """Keep what can be read of a model's thinking, and another vendor's blocks of it."""
        content, summary, blocks = item.get("content"), item.get("summary"), item.get("thinking_blocks")
        pieces = _texts(content) or _texts(summary)
        if not pieces and not isinstance(blocks, list):
            if item.get("encrypted_content") is not None:
                self._dropped["input.reasoning.encrypted_content"] = None
            return
        talk.think("\n\n".join(pieces), blocks if isinstance(blocks, list) else [])

    # Everything else

    def _tools(self) -> None:
        tools: list[JsonValue] = []
        given = self._body.get("tools")
        for tool, where in _objects(given if isinstance(given, list) else [], "tools"):
            kind = tool.get("type")
            if kind == "function":
                names = ("name", "description", "parameters", "strict")
                function: JsonObject = {name: tool[name] for name in names if tool.get(name) is not None}
                function["name"] = _text_of(tool, "name", where)
                cache = tool.get("cache_control")
                tools.append({"type": "function", "function": function, **_given(cache_control=cache)})
            else:
                self._unsupported[f"tools.{kind}" if isinstance(kind, str) and kind in _HOSTED else "tools"] = None
        choice = self._body.get("tool_choice")
        if isinstance(choice, str):
            if choice not in _MODES:
                raise InvalidRequest(
                    f"'tool_choice' must be one of {', '.join(_MODES)}, or an object", param="tool_choice"
                )
            self._chat["tool_choice"] = choice
        elif isinstance(choice, dict) and choice.get("type") == "function":
            self._chat["tool_choice"] = {
                "type": "function",
                "function": {"name": _text_of(choice, "name", "tool_choice")},
            }
        elif isinstance(choice, dict) and choice.get("type") == "allowed_tools":
            tools = self._allowed(choice, tools)
        elif isinstance(choice, dict):
            self._unsupported["tool_choice"] = None
        if not tools:
            self._chat.pop("tool_choice", None)
            return
        self._chat["tools"] = tools
        if self._body.get("parallel_tool_calls") is not None:
            self._chat["parallel_tool_calls"] = self._body["parallel_tool_calls"]

    def _allowed(self, choice: JsonObject, tools: list[JsonValue]) -> list[JsonValue]:
        """Leave only the tools that may be called: to the model that is the same."""
        given = choice.get("tools")
        if not isinstance(given, list):
            raise InvalidRequest("'tool_choice.tools' must be a list", param="tool_choice.tools")
        named = [tool for tool, _ in _objects(given, "tool_choice.tools")]
        if any(tool.get("type") != "function" for tool in named):
            self._unsupported["tool_choice"] = None
        mode = choice.get("mode", "auto")
        if mode not in ("auto", "required"):
            raise InvalidRequest("'tool_choice.mode' must be auto or required", param="tool_choice.mode")
        self._chat["tool_choice"] = mode
        names = {name for tool in named if isinstance(name := tool.get("name"), str)}
        return [tool for tool in tools if isinstance(tool, dict) and _name(tool.get("function")) in names]

    def _text(self) -> None:
        text = self._body.get("text")
        for name, value in text.items() if isinstance(text, dict) else ():
            if name == "verbosity" and value is not None:
                self._chat["verbosity"] = value
            elif name == "format" and isinstance(value, dict):
                self._format(value)
            elif value is not None:
                self._unsupported["text"] = None

    def _format(self, wanted: JsonObject) -> None:
        kind = wanted.get("type")
        if kind == "json_schema":
            names = ("name", "description", "schema", "strict")
            schema: JsonObject = {name: wanted[name] for name in names if wanted.get(name) is not None}
            schema["name"] = _text_of(wanted, "name", "text.format")
            self._chat["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif kind == "json_object":
            self._chat["response_format"] = {"type": "json_object"}
        elif kind != "text":
            self._unsupported["text.format"] = None

    def _reasoning(self) -> None:
        reasoning = self._body.get("reasoning")
        for name, value in reasoning.items() if isinstance(reasoning, dict) else ():
            if name == "effort" and value is not None:
                self._chat["reasoning_effort"] = value
            elif value is not None:
                self._dropped[f"reasoning.{name}" if _FIELD.fullmatch(name) else "reasoning"] = None

    def _limits(self) -> None:
        body, include = self._body, self._body.get("include")
        wanted = include if isinstance(include, list) else []
        if body.get("max_output_tokens") is not None:
            self._chat["max_completion_tokens"] = body["max_output_tokens"]
        if body.get("top_logprobs") is not None or _LOGPROBS in wanted:
            self._chat["logprobs"] = True
        if body.get("top_logprobs") is not None:
            self._chat["top_logprobs"] = body["top_logprobs"]
        if any(name != _LOGPROBS for name in wanted):
            self._dropped["include"] = None
        if body.get("truncation") not in (None, "disabled"):
            self._dropped["truncation"] = None


class _Talk:
    """The messages so far. What a model thought, said and called in one turn is one message of a chat."""

    def __init__(self) -> None:
        self.messages: list[JsonValue] = []
        self.lost = False
        """Whether there was thinking that no message could hold."""
        self._turn: JsonObject | None = None
        """The assistant's message that may still grow."""
        self._thought: list[str] = []
        self._blocks: list[JsonValue] = []

    def say(self, message: JsonObject) -> None:
        """Add somebody else's message, or a tool's."""
        self.close()
        self._turn = None
        self.messages.append(message)

    def think(self, text: str, blocks: list[JsonValue]) -> None:
        """Note thinking, which belongs to what is said or called next."""
        if text:
            self._thought.append(text)
        self._blocks += blocks

    def answer(self, text: str | None, refusal: str | None) -> None:
        """Add what the model said: to the calls of the same turn, else as a new message."""
        turn = self._turn
        if turn is None or turn.get("content") is not None or "refusal" in turn:
            turn = self._begin()
        turn["content"] = text
        if refusal is not None:
            turn["refusal"] = refusal
        self._attach(turn)

    def call(self, call: JsonObject) -> None:
        """Add a call to the turn."""
        turn = self._turn or self._begin()
        calls = turn.setdefault("tool_calls", [])
        assert isinstance(calls, list)
        calls.append(call)
        self._attach(turn)

    def _begin(self) -> JsonObject:
        self._turn = {"role": "assistant", "content": None}
        self.messages.append(self._turn)
        return self._turn

    def _attach(self, turn: JsonObject) -> None:
        if self._thought:
            before = turn.get("reasoning_content")
            earlier = [before] if isinstance(before, str) else []
            turn["reasoning_content"] = "\n\n".join([*earlier, *self._thought])
        if self._blocks:
            blocks = turn.get("thinking_blocks")
            turn["thinking_blocks"] = [*(blocks if isinstance(blocks, list) else []), *self._blocks]
        self._thought, self._blocks = [], []

    def close(self) -> None:
        """Nothing more is said in this turn: thinking that waits for it is lost."""
        if self._thought or self._blocks:
            self.lost = True
        self._thought, self._blocks = [], []


def _system(instructions: JsonValue) -> list[JsonValue]:
    return [{"role": "system", "content": instructions}] if isinstance(instructions, str) and instructions else []


def _objects(items: list[JsonValue], where: str) -> Iterator[tuple[JsonObject, str]]:
    """Yield each item and its place.

    Raises:
        InvalidRequest: one of them isn't an object.
    """
    for index, item in enumerate(items):
        if not isinstance(item, dict):
            raise InvalidRequest(f"'{where}[{index}]' must be an object", param=f"{where}[{index}]")
        yield item, f"{where}[{index}]"


def _text_of(item: JsonObject, name: str, where: str) -> str:
    value = item.get(name)
    if not isinstance(value, str):
        raise InvalidRequest(f"'{where}.{name}' must be a text", param=f"{where}.{name}")
    return value


def _texts(parts: JsonValue) -> list[str]:
    found = [part.get("text") for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    return [text for text in found if isinstance(text, str) and text]


def _given(**fields: JsonValue) -> JsonObject:
    """Return the fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


def _name(function: JsonValue) -> JsonValue:
    return function.get("name") if isinstance(function, dict) else None
