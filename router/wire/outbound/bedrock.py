"""Amazon Bedrock's Converse dialect: a chat request translated into it; its answers are read by `_bedrock_answer`. No I/O.

Source: botocore 1.44's service model of `bedrock-runtime` (2023-09-30), whose shapes are named here as there.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence

import msgspec

from router.core.errors import InvalidRequest, UnsupportedFeature
from router.core.types import JsonObject
from router.wire.outbound import _bedrock_models, _hub
from router.wire.outbound._bedrock_answer import AnswerStream, decode_answer
from router.wire.outbound._bedrock_models import Family
from router.wire.outbound._hub import Fields, Message, Named, Part, Request, ThinkingBlock, Tool

__all__ = ["AnswerStream", "decode_answer", "encode_request"]

_WHO = "a Bedrock target"
_KNOWN = frozenset(
    {
        *("messages", "max_tokens", "max_completion_tokens", "temperature", "top_p", "top_k", "stop", "n", "tools"),
        *("tool_choice", "response_format", "logprobs", "top_logprobs", "reasoning_effort", "thinking", "modalities"),
        *("audio", "functions", "web_search_options", "service_tier"),
    }
)
_IMAGES = {"image/png": "png", "image/jpeg": "jpeg", "image/jpg": "jpeg", "image/gif": "gif", "image/webp": "webp"}
_DOCUMENTS = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
}
_NOT_IN_AN_ID = re.compile(r"[^a-zA-Z0-9_.:-]")
_NOT_IN_A_TITLE = re.compile(r"[^A-Za-z0-9()\[\]-]+")
_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_MAX_ID, _MAX_TITLE, _MAX_STOPS = 64, 190, 2500
_TIERS = ("default", "flex", "priority")


class _Talk:
    """Turns messages into Converse's; what has no place there is added to `dropped`."""

    def __init__(self, model: str, dropped: set[str]) -> None:
        self._family = _bedrock_models.family(model)
        self._caches = _bedrock_models.caches(model)
        self._dropped = dropped
        self._titles: set[str] = set()
        self.called: dict[str, None] = {}
        """Names of the functions that the conversation calls, in order."""

    def system(self, messages: Sequence[Message]) -> list[Fields]:
        blocks: list[Fields] = []
        for index, message in enumerate(messages):
            if message.role in ("system", "developer"):
                blocks += self._content(message.content, f"messages[{index}].content")
        return blocks

    def turns(self, messages: Sequence[Message]) -> list[Fields]:
        """Translate the conversation; neighbours of one role become one turn, for turns must alternate."""
        turns: list[tuple[str, list[Fields]]] = []
        for index, message in enumerate(messages):
            where = f"messages[{index}]"
            if message.name:
                self._dropped.add("messages.name")
            match message.role:
                case "system" | "developer":
                    continue
                case "user":
                    role, blocks = "user", self._content(message.content, f"{where}.content", media=True)
                case "assistant":
                    role, blocks = "assistant", self._assistant(message, where)
                case "tool":
                    role, blocks = "user", self._result(message, where)
                case _:
                    what = f"a message has a role that can't be translated for {_WHO}"
                    raise UnsupportedFeature(what, param=f"{where}.role")
            if turns and turns[-1][0] == role:
                turns[-1][1].extend(blocks)
            elif blocks:
                turns.append((role, blocks))
        if not turns:
            raise UnsupportedFeature(f"{_WHO} needs a message besides the system's", param="messages")
        return [{"role": role, "content": blocks} for role, blocks in turns]

    def cache_point(self, mark: Fields | None) -> list[Fields]:
        """Translate `cache_control` into the block that follows what is to be cached."""
        if not mark:
            return []
        if not self._caches:
            self._dropped.add("cache_control")
            return []
        longer = mark.get("ttl") == "1h" and self._family is not Family.NOVA
        return [{"cachePoint": {"type": "default", **({"ttl": "1h"} if longer else {})}}]

    def _content(self, content: str | list[Part] | None, where: str, *, media: bool = False) -> list[Fields]:
        """Translate content; blank texts are left out, for Bedrock refuses them."""
        if content is None or isinstance(content, str):
            return [{"text": content}] if content and content.strip() else []
        blocks: list[Fields] = []
        for index, part in enumerate(content):
            if (block := self._part(part, f"{where}[{index}]", media=media)) is not None:
                blocks.append(block)
                blocks += self.cache_point(part.cache_control)
        return blocks

    def _part(self, part: Part, param: str, *, media: bool) -> Fields | None:
        if part.type in ("text", "refusal"):
            text = part.text or part.refusal
            return {"text": text} if text.strip() else None
        if part.type == "image_url" and media:
            return {"image": _image(part, f"{param}.image_url")}
        if part.type == "file" and media:
            return {"document": self._document(part, f"{param}.file")}
        raise UnsupportedFeature(f"this content part can't be translated for {_WHO}", param=param)

    def _document(self, part: Part, param: str) -> Fields:
        file = part.file
        if file is None or file.file_data is None:
            raise UnsupportedFeature(f"{_WHO} takes a file's data, not its id", param=param)
        kind, data = _data_url(file.file_data, param)
        if kind not in _DOCUMENTS:
            known = ", ".join(sorted({*_DOCUMENTS.values()}))
            raise InvalidRequest(f"a file must be base64 in a data URL of one of the types {known}", param=param)
        name = (file.filename or "document").rpartition(".")[0] or file.filename or "document"
        return {"format": _DOCUMENTS[kind], "name": self._title(name), "source": {"bytes": data}}

    def _title(self, name: str) -> str:
        """Make a document's name fit Bedrock's alphabet, and differ from the others'."""
        title = base = _NOT_IN_A_TITLE.sub(" ", name).strip()[:_MAX_TITLE].strip() or "document"
        number = 1
        while title in self._titles:
            number += 1
            title = f"{base} ({number})"
        self._titles.add(title)
        return title

    def _assistant(self, message: Message, where: str) -> list[Fields]:
        blocks = self._thoughts(message)
        blocks += self._content(message.content, f"{where}.content")
        for index, made in enumerate(message.tool_calls or ()):
            param = f"{where}.tool_calls[{index}]"
            name, text = _hub.arguments(made, param)
            _check_name(name, f"{param}.function.name")
            self.called[name] = None
            used: Fields = {"toolUseId": _tool_id(made.id), "name": name, "input": msgspec.Raw(text.encode())}
            blocks.append({"toolUse": used})
        return blocks

    def _thoughts(self, message: Message) -> list[Fields]:
        """Give thinking back as it came; Claude takes only what it signed."""
        if message.thinking_blocks:
            return [block for each in message.thinking_blocks if (block := self._thought(each)) is not None]
        if not message.reasoning_content:
            return []
        if self._family in (Family.CLAUDE, Family.OPAQUE):
            self._dropped.add("messages.reasoning_content")
            return []
        return [{"reasoningContent": {"reasoningText": {"text": message.reasoning_content}}}]

    def _thought(self, block: ThinkingBlock) -> Fields | None:
        if block.type == "redacted_thinking" and block.data:
            return {"reasoningContent": {"redactedContent": base64.b64encode(block.data.encode()).decode()}}
        if block.type == "thinking" and block.signature:
            return {"reasoningContent": {"reasoningText": {"text": block.thinking, "signature": block.signature}}}
        self._dropped.add("messages.thinking_blocks")
        return None

    def _result(self, message: Message, where: str) -> list[Fields]:
        if not message.tool_call_id:
            raise InvalidRequest("a tool message must say which call it answers", param=f"{where}.tool_call_id")
        content = self._content(message.content, f"{where}.content", media=True)
        result: Fields = {
            "toolUseId": _tool_id(message.tool_call_id),
            "content": [block for block in content if "cachePoint" not in block],
        }
        if message.is_error:
            result["status"] = "error"
        # A mark can't stand within a result; it caches as much behind it.
        return [{"toolResult": result}, *[block for block in content if "cachePoint" in block][-1:]]


def encode_request(body: JsonObject, *, model: str) -> tuple[bytes, tuple[str, ...]]:
    """Encode a chat completion request as a Converse request; return it, and the tuning knobs it has no place for.

    Converse and ConverseStream take the same body; the model stands in the path.

    Raises:
        InvalidRequest: a field that is needed is missing, or isn't what it should be; `param` names it.
        UnsupportedFeature: it asks for what this dialect can't do; `param` says what.
    """
    request = _hub.read(body)
    _hub.check(request, _WHO, "logprobs")
    dropped = _hub.unknown(body, _KNOWN)
    talk = _Talk(model, dropped)
    fields: Fields = {"messages": talk.turns(request.messages)}
    if system := talk.system(request.messages):
        fields["system"] = system
    choice = _hub.chosen(request)
    native_none = choice == "none" and _bedrock_models.family(model) is Family.CLAUDE
    if tools := _tools(request, talk, choice, native_none=native_none):
        fields["toolConfig"] = tools
    tuning = _bedrock_models.tune(
        request, body.get("thinking"), choice, model=model, resumes=_resumes(request.messages), dropped=dropped
    )
    if native_none and tools:
        tuning.more["tool_choice"] = {"type": "none"}
    limits: Fields = {"maxTokens": tuning.max_tokens, "temperature": tuning.temperature, "topP": tuning.top_p}
    if len(stops := request.stops) > _MAX_STOPS:
        raise UnsupportedFeature(f"{_WHO} takes at most {_MAX_STOPS} stop texts", param="stop")
    limits["stopSequences"] = stops or None
    if inference := {name: value for name, value in limits.items() if value is not None}:
        fields["inferenceConfig"] = inference
    if tuning.more:
        fields["additionalModelRequestFields"] = tuning.more
    if output := _format(request) | ({"effort": tuning.effort} if tuning.effort else {}):
        fields["outputConfig"] = output
    if request.service_tier in _TIERS:
        fields["serviceTier"] = {"type": request.service_tier}
    elif request.service_tier not in (None, "auto"):
        dropped.add("service_tier")
    return msgspec.json.encode(fields), tuple(sorted(dropped))


def _tools(request: Request, talk: _Talk, choice: str | Named | None, *, native_none: bool) -> Fields:
    """Translate the tools and their choice; a conversation with calls needs tools, whatever the caller sends."""
    tools = request.tools or []
    if choice == "none" and tools and not native_none:
        if talk.called:
            raise UnsupportedFeature(f"{_WHO} can't be kept from calling tools that it called", param="tool_choice")
        tools = []
    specs: list[Fields] = []
    for index, tool in enumerate(tools):
        specs.append({"toolSpec": _tool(tool, f"tools[{index}]")})
        specs += talk.cache_point(tool.cache_control)
    if not specs:
        specs = [{"toolSpec": {"name": name, "inputSchema": {"json": {"type": "object"}}}} for name in talk.called]
        return {"tools": specs} if specs else {}
    fields: Fields = {"tools": specs}
    if isinstance(choice, Named):
        fields["toolChoice"] = {"tool": {"name": choice.name}}
    elif choice in ("auto", "required"):
        fields["toolChoice"] = {"auto" if choice == "auto" else "any": {}}
    return fields


def _tool(tool: Tool, param: str) -> Fields:
    function = tool.function
    if function is None:
        raise UnsupportedFeature("only function tools can be translated", param=param)
    _check_name(function.name, f"{param}.function.name")
    spec: Fields = {
        "name": function.name,
        "inputSchema": {"json": {"type": "object", **(function.parameters or {})}},
    }
    if function.description:
        spec["description"] = function.description
    if function.strict:
        spec["strict"] = True
    return spec


def _check_name(name: str, param: str) -> None:
    if _TOOL_NAME.fullmatch(name) is None:
        what = f"{_WHO} takes names of functions of up to 64 letters, digits, hyphens and underscores"
        raise UnsupportedFeature(what, param=param)


def _tool_id(call_id: str) -> str:
    """Make an id fit Bedrock's alphabet and length: a conversation may bring calls that another vendor's model made."""
    fitting = _NOT_IN_AN_ID.sub("_", call_id)
    if len(fitting) <= _MAX_ID:
        return fitting
    return f"{fitting[:40]}_{hashlib.sha256(call_id.encode()).hexdigest()[:20]}"


def _resumes(messages: Sequence[Message]) -> bool:
    """Whether tool calls without their thinking stand behind the last user message."""
    for message in reversed(messages):
        if message.role == "user":
            return False
        if message.role == "assistant" and message.tool_calls:
            return not any(block.signature or block.data for block in message.thinking_blocks or ())
    return False


def _format(request: Request) -> Fields:
    wanted = request.response_format
    if wanted is None or wanted.type == "text":
        return {}
    given = wanted.json_schema
    if wanted.type != "json_schema":
        raise UnsupportedFeature(f"{_WHO} gives JSON by a schema only", param="response_format")
    if given is None or given.schema is None:
        raise InvalidRequest("'response_format' needs a schema", param="response_format.json_schema.schema")
    schema: Fields = {"schema": msgspec.json.encode(given.schema).decode()}
    if given.name:
        schema["name"] = given.name
    if given.description:
        schema["description"] = given.description
    return {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}}}


def _image(part: Part, param: str) -> Fields:
    url = part.image_url.url if part.image_url else ""
    if url[:8].lower() == "https://":
        raise UnsupportedFeature(f"{_WHO} fetches no images; send it as a data URL", param=param)
    kind, data = _data_url(url, param)
    if kind not in _IMAGES:
        raise InvalidRequest("an image must be base64 in a data URL of type png, jpeg, gif or webp", param=param)
    return {"format": _IMAGES[kind], "source": {"bytes": data}}


def _data_url(url: str, param: str) -> tuple[str, str]:
    """Split a data URL into its media type and its base64.

    Raises:
        InvalidRequest: it isn't one, or holds nothing, or no base64.
    """
    head, _, data = url.partition(",")
    head = head.lower()
    if not (head.startswith("data:") and head.endswith(";base64") and data):
        raise InvalidRequest("it must be base64 in a data URL", param=param)
    try:
        binascii.a2b_base64(data, strict_mode=True)
    except (binascii.Error, ValueError):
        raise InvalidRequest("it isn't valid base64", param=param) from None
    return head.removeprefix("data:").partition(";")[0], data
