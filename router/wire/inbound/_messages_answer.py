"""Answers as callers of Anthropic's Messages get them: native ones as they are, chat completions translated; and errors.

Source: the types of Anthropic's Python SDK 2.11.0; https://platform.claude.com/docs/en/build-with-claude/streaming and
https://platform.claude.com/docs/en/api/errors, read through them.
"""

from __future__ import annotations

import re
from collections import deque
from typing import TypeAlias

import msgspec

from router.core.errors import RouterError, UpstreamProtocolError
from router.core.types import Delta, Dialect, JsonObject
from router.wire import sse
from router.wire.openai_chat import text_of

_Fields: TypeAlias = dict[str, object]
"""A JSON object that is read, or about to be encoded."""

_STOP_REASONS = {
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
"""Finish reason -> stop reason; every other one is `end_turn`."""
_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
_NOT_IN_AN_ID = re.compile(r"[^a-zA-Z0-9_-]")
_OBJECT = msgspec.json.Decoder(dict[str, object])
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def error_body(error: RouterError) -> bytes:
    """Encode an error in Anthropic's shape; our `code`, and `param` where there is one, stand beside its type."""
    default = "invalid_request_error" if error.http_status < 500 else "api_error"
    inner: _Fields = {
        "type": _ERROR_TYPES.get(error.http_status, default),
        "message": error.message,
        "code": error.code,
    }
    if error.param is not None:
        inner["param"] = error.param
    return msgspec.json.encode({"type": "error", "error": inner, "request_id": error.request_id})


def error_frame(error: RouterError) -> bytes:
    """Encode the event that ends a stream which broke."""
    return sse.frame(error_body(error), b"error")


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _Call(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Said(msgspec.Struct):
    """A message, or a chunk's delta."""

    content: str | list[_Fields] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None
    function_call: _Function | None = None
    thinking_blocks: list[_Fields] | None = None

    @property
    def text(self) -> str:
        return text_of(self.content) + (self.refusal or "")

    @property
    def thinking(self) -> str:
        return self.reasoning_content or self.reasoning or ""

    @property
    def calls(self) -> list[_Call]:
        legacy = [] if self.function_call is None else [_Call(index=0, function=self.function_call)]
        return [*(self.tool_calls or []), *legacy]


class _Choice(msgspec.Struct):
    message: _Said | None = None
    delta: _Said | None = None
    finish_reason: str | None = None
    stop_reason: str | int | None = None
    """vLLM's: the stop sequence that ended the answer."""


class _PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None
    cache_creation_tokens: int | None = None
    cache_write_tokens: int | None = None
    """OpenAI's own name for them."""


class _CompletionDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None


class _Completion(msgspec.Struct):
    """A whole chat completion, or a chunk of one."""

    id: str = ""
    model: str = ""
    choices: list[_Choice] = []
    usage: _Usage | None = None


_COMPLETION = msgspec.json.Decoder(_Completion)


def _read(payload: bytes) -> _Completion:
    try:
        return _COMPLETION.decode(payload)
    except _UNREADABLE:
        raise UpstreamProtocolError("the upstream's answer isn't a chat completion") from None


def _usage(usage: _Usage | None) -> _Fields:
    """Count as Anthropic does: input without what was read from a cache or written to one. Unknown counts are null."""
    if usage is None:
        return {"input_tokens": None, "output_tokens": None}
    prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
    read = prompt.cached_tokens if prompt is not None else None
    written = prompt.cache_creation_tokens if prompt is not None else None
    if written is None and prompt is not None:
        written = prompt.cache_write_tokens
    total = usage.prompt_tokens
    counts: _Fields = {
        "input_tokens": None if total is None else max(0, total - (read or 0) - (written or 0)),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "output_tokens": usage.completion_tokens,
    }
    if completion is not None and completion.reasoning_tokens is not None:
        counts["output_tokens_details"] = {"thinking_tokens": completion.reasoning_tokens}
    return counts


def _tool_id(call: _Call, number: int) -> str:
    """Make an id of Anthropic's alphabet; one that is missing is made up."""
    return _NOT_IN_AN_ID.sub("_", call.id or "") or f"toolu_{number}"


class _Block:
    """A content block of a stream: what of it is said already, and what waits."""

    def __init__(self, kind: str, call: _Call | None = None, number: int = 0, data: _Fields | None = None) -> None:
        self.kind = kind
        self.id = _tool_id(call, number) if call is not None else ""
        self.name = ""
        self.data = data
        """Of a block that comes as a whole."""
        self.waiting: list[_Fields] = []
        """Deltas."""
        self.sealed = False
        """Whether its signature is there, so that nothing more belongs to it."""
        self.index = -1
        """Its place in the answer, once it is begun."""
        self._arguments: list[str] = []

    def add(self, piece: str) -> None:
        match self.kind:
            case "tool_use":
                self._arguments.append(piece)
                self.waiting.append({"type": "input_json_delta", "partial_json": piece})
            case "thinking":
                self.waiting.append({"type": "thinking_delta", "thinking": piece})
            case _:
                self.waiting.append({"type": "text_delta", "text": piece})

    def seal(self, signature: str) -> None:
        self.sealed = True
        self.waiting.append({"type": "signature_delta", "signature": signature})

    @property
    def start(self) -> _Fields:
        match self.kind:
            case "tool_use":
                return {"type": "tool_use", "id": self.id, "name": self.name, "input": {}}
            case "thinking":
                return {"type": "thinking", "thinking": "", "signature": ""}
            case "text":
                return {"type": "text", "text": ""}
            case _:
                return self.data or {}

    @property
    def can_start(self) -> bool:
        return self.kind != "tool_use" or bool(self.name)

    @property
    def is_complete(self) -> bool:
        """Say whether nothing more can belong to it, now that another block has begun."""
        if self.kind != "tool_use":
            return True
        if not self._arguments or not self._arguments[-1].rstrip().endswith("}"):
            return False
        try:
            _OBJECT.decode("".join(self._arguments))
        except _UNREADABLE:
            return False
        return True


class AnswerEncoder:
    """See `Encoder`.

    Blocks of a stream come one after another, as Anthropic's do: while the arguments of one call aren't complete, what
    belongs to a later block waits. Thinking is shown to callers who asked for it, as only they expect such blocks.
    """

    def __init__(self, body: JsonObject) -> None:
        """Begin the answer to a request of this dialect."""
        thinking = body.get("thinking")
        kind = thinking.get("type") if isinstance(thinking, dict) else None
        self._shows_thinking = isinstance(kind, str) and kind != "disabled"
        stops = body.get("stop_sequences")
        given = stops if isinstance(stops, list) else []
        self._stops: frozenset[str] = frozenset(one for one in given if isinstance(one, str))
        self._is_native = False
        self._begun = False
        self._queue: deque[_Block] = deque()
        """Blocks that aren't ended; the first is the one that is being said."""
        self._calls: dict[int, _Block] = {}
        self._count = 0
        self._finish: _Choice | None = None
        self._usage: _Usage | None = None

    def whole(self, delta: Delta) -> bytes:
        """See `Encoder`."""
        if delta.dialect is not Dialect.CHAT:
            return delta.payload
        answer = _read(delta.payload)
        choice = answer.choices[0] if answer.choices else None
        if choice is None or choice.message is None:
            raise UpstreamProtocolError("the upstream's answer holds no message")
        said = choice.message
        content: list[object] = []
        if self._shows_thinking:
            content += said.thinking_blocks or []
            if not content and said.thinking:
                content.append({"type": "thinking", "thinking": said.thinking, "signature": ""})
        if said.text:
            content.append({"type": "text", "text": said.text})
        cut = choice.finish_reason == "length"
        content += [_tool_use(call, number, cut=cut) for number, call in enumerate(said.calls)]
        message = self._message(answer, content) | self._stop(choice, has_calls=bool(said.calls))
        return msgspec.json.encode(message | {"usage": _usage(answer.usage)})

    def frames(self, delta: Delta) -> bytes:
        """See `Encoder`."""
        if delta.dialect is not Dialect.CHAT:
            self._is_native = True
            return sse.frame(delta.payload, delta.event)
        chunk = _read(delta.payload)
        events: list[bytes] = []
        if not self._begun:
            self._begun = True
            # Counts are cumulative: what is known of them comes with the end.
            usage: _Fields = {"input_tokens": 0, "output_tokens": 0}
            stop: _Fields = {"stop_reason": None, "stop_sequence": None}
            message = self._message(chunk, []) | stop | {"usage": usage}
            events.append(_event("message_start", message=message))
        self._usage = chunk.usage or self._usage
        choice = chunk.choices[0] if chunk.choices else None
        if choice is not None:
            if choice.delta is not None:
                self._take(choice.delta)
            if choice.finish_reason is not None:
                self._finish = choice
        return b"".join([*events, *self._said(final=False)])

    def end(self) -> bytes:
        """See `Encoder`."""
        if self._is_native:
            return b""
        events = self._said(final=True)
        stop = self._stop(self._finish or _Choice(), has_calls=bool(self._calls))
        events.append(_event("message_delta", delta=stop, usage=_usage(self._usage)))
        events.append(_event("message_stop"))
        return b"".join(events)

    def _message(self, answer: _Completion, content: list[object]) -> _Fields:
        return {
            "id": answer.id or "msg_0",
            "type": "message",
            "role": "assistant",
            "model": answer.model,
            "content": content,
        }

    def _stop(self, choice: _Choice, *, has_calls: bool) -> _Fields:
        reason = _STOP_REASONS.get(choice.finish_reason or "", "tool_use" if has_calls else "end_turn")
        matched = choice.stop_reason if reason == "end_turn" and choice.stop_reason in self._stops else None
        return {"stop_reason": "stop_sequence" if matched else reason, "stop_sequence": matched}

    def _take(self, said: _Said) -> None:
        """Note what a chunk says, each piece with its block."""
        if self._shows_thinking:
            if said.thinking:
                self._last("thinking").add(said.thinking)
            for block in said.thinking_blocks or ():
                self._thought(block)
        if said.text:
            self._last("text").add(said.text)
        for call in said.calls:
            number = len(self._calls) if call.index is None else call.index
            block = self._calls.get(number)
            if block is None:
                block = self._calls[number] = _Block("tool_use", call, number)
                self._queue.append(block)
            function = call.function or _Function()
            block.name = block.name or function.name or ""
            if not function.arguments:
                continue
            if block in self._queue:
                block.add(function.arguments)
            elif function.arguments.strip():
                raise UpstreamProtocolError("the upstream goes on with a tool call that was complete")

    def _thought(self, block: _Fields) -> None:
        """Take a thinking block that has ended; its text came before, piece by piece, unless none was sent that way."""
        signature, text = block.get("signature"), block.get("thinking")
        if block.get("type") != "thinking":
            self._queue.append(_Block("whole", data=block))
        elif isinstance(signature, str) and signature:
            tail = self._last("thinking")
            if not tail.waiting and tail.index < 0 and isinstance(text, str) and text:
                tail.add(text)
            tail.seal(signature)

    def _last(self, kind: str) -> _Block:
        """Return the last block if it is of this kind and open, else a new one."""
        if not self._queue or self._queue[-1].kind != kind or self._queue[-1].sealed:
            self._queue.append(_Block(kind))
        return self._queue[-1]

    def _said(self, *, final: bool) -> list[bytes]:
        """Say what can be said by now; `final` ends all blocks.

        Raises:
            UpstreamProtocolError: a tool call ends without a name.
        """
        events: list[bytes] = []
        while self._queue:
            block = self._queue[0]
            if not block.can_start:
                if final:
                    raise UpstreamProtocolError("the upstream calls a tool without a name")
                break
            if block.index < 0:
                block.index = self._count
                self._count += 1
                events.append(_event("content_block_start", index=block.index, content_block=block.start))
            events += [_event("content_block_delta", index=block.index, delta=delta) for delta in block.waiting]
            block.waiting.clear()
            if not final and (len(self._queue) == 1 or not block.is_complete):
                break
            events.append(_event("content_block_stop", index=block.index))
            self._queue.popleft()
        return events


def _tool_use(call: _Call, number: int, *, cut: bool) -> _Fields:
    """Translate a call; the arguments of one that was `cut` by the limit may be no JSON, and are then left out.

    Raises:
        UpstreamProtocolError: it has no name, or its arguments are no object.
    """
    function = call.function or _Function()
    if not function.name:
        raise UpstreamProtocolError("the upstream calls a tool without a name")
    used: object = {}
    try:
        used = _OBJECT.decode(function.arguments or "{}")
    except _UNREADABLE:
        if not cut:
            raise UpstreamProtocolError("the upstream calls a tool with arguments that are no JSON object") from None
    return {"type": "tool_use", "id": _tool_id(call, number), "name": function.name, "input": used}


def _event(kind: str, **fields: object) -> bytes:
    return sse.frame(msgspec.json.encode({"type": kind, **fields}), kind.encode())
