"""Anthropic's answers, whole and streamed: translated into chat completions, or only read on their way through; no I/O.

Source: the types of Anthropic's Python SDK 2.11.0, which document https://platform.claude.com/docs/en/api/messages.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import msgspec

from router.core.errors import UpstreamProtocolError, UpstreamUnavailable
from router.core.types import Delta, Dialect, Usage

_Fields: TypeAlias = dict[str, object]
"""A JSON object about to be encoded."""


class _Typed(msgspec.Struct):
    type: str


class _OutputDetails(msgspec.Struct):
    thinking_tokens: int | None = None


class _Written(msgspec.Struct):
    ephemeral_1h_input_tokens: int | None = None


class _Counts(msgspec.Struct):
    input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_creation: _Written | None = None
    output_tokens: int | None = None
    output_tokens_details: _OutputDetails | None = None


class _Block(msgspec.Struct):
    type: str
    text: str = ""
    thinking: str = ""
    signature: str = ""
    data: str = ""
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
    signature: str = ""
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
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
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
    except _UNREADABLE:
        raise UpstreamProtocolError(f"{who}: the answer isn't a Messages answer") from None
    if answer.stop_reason is None:
        raise UpstreamProtocolError(f"{who}: the answer has no stop reason")
    text = "".join(block.text for block in answer.content if block.type == "text")
    thinking = "".join(block.thinking for block in answer.content if block.type == "thinking")
    calls = [_call(block) for block in answer.content if block.type == "tool_use"]
    message: _Fields = {"role": "assistant", "content": None if calls and not text else text}
    if thinking:
        message["reasoning_content"] = thinking
    if thoughts := [thought for block in answer.content if (thought := _thought(block))]:
        message["thinking_blocks"] = thoughts
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


def _thought(block: _Block) -> _Fields | None:
    """Return a thinking block as chat inside holds it; one without a signature is of no use in the next request."""
    if block.type == "redacted_thinking":
        return {"type": "redacted_thinking", "data": block.data}
    if block.type != "thinking" or not block.signature:
        return None
    return {"type": "thinking", "thinking": block.thinking, "signature": block.signature}


def _call(block: _Block, arguments: str | None = None) -> _Fields:
    function = {"name": block.name, "arguments": bytes(block.input).decode() if arguments is None else arguments}
    return {"id": block.id, "type": "function", "function": function}


def _usage(*reports: _Counts) -> Usage:
    """Read usage; of several reports of one stream the largest count, since each is cumulative."""

    def most(counts: Iterable[int | None]) -> int:
        return max((count or 0 for count in counts), default=0)

    cached = most(report.cache_read_input_tokens for report in reports)
    created = most(report.cache_creation_input_tokens for report in reports)
    written = [report.cache_creation for report in reports if report.cache_creation]
    long = most(one.ephemeral_1h_input_tokens for one in written)
    details = [report.output_tokens_details for report in reports if report.output_tokens_details]
    return Usage(
        input_tokens=most(report.input_tokens for report in reports) + cached + created,
        output_tokens=most(report.output_tokens for report in reports),
        cached_input_tokens=cached,
        cache_write_tokens=created,
        long_cache_write_tokens=min(long, created),
        reasoning_tokens=most(detail.thinking_tokens for detail in details),
    )


def _usage_fields(usage: Usage) -> _Fields:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_input_tokens,
            "cache_creation_tokens": usage.cache_write_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


class _OpenCall:
    """A tool call of a stream while its block is open."""

    def __init__(self, number: int, block: _Block) -> None:
        self.number = number
        self.input = bytes(block.input).decode()
        self.streamed = False


class _OpenThought:
    """A thinking block of a stream while it is open."""

    def __init__(self, block: _Block) -> None:
        self.block = block

    def add(self, change: _Change) -> None:
        self.block.thinking += change.thinking
        self.block.signature += change.signature


class AnswerStream:
    """Translates one stream's events, in order, into `chat.completion.chunk`s.

    A thinking block's text comes in pieces as `reasoning_content`, and when it ends whole, with its signature, as
    `thinking_blocks`. Nothing is yielded before the first piece of content, so that a stream that fails at once may still fall back.
    """

    def __init__(self, who: str, created_s: int) -> None:
        self._who = who
        self._created_s = created_s
        self._start: _Answer | None = None
        self._reports: list[_Counts] = []
        self._blocks: dict[int, _OpenCall | _OpenThought | None] = {}
        """Started blocks by their index; None = neither a tool call nor thinking."""
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
        except _UNREADABLE:
            raise UpstreamProtocolError(f"{self._who}: an event of the stream can't be read") from None
        if event.type == "error":
            raise _reported(self._who, event.error)
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
        if not fields:
            return []
        change = event.delta or _Change()
        chars = len(change.text) + len(change.thinking) + len(change.partial_json)
        # The prompt's tokens are known from the start: a stream that is cut is billed by them.
        usage = _usage(*self._reports) if self._role else None
        return [Delta(payload=self._chunk(start, fields), usage=usage, chars=chars)]

    def _opened(self, index: int, block: _Block) -> _Fields | None:
        self._blocks[index] = None
        if block.type in ("thinking", "redacted_thinking"):
            self._blocks[index] = _OpenThought(block)
        if block.type != "tool_use":
            return _text_fields(block.text, block.thinking)
        call = self._blocks[index] = _OpenCall(self._calls, block)
        self._calls += 1
        return {"tool_calls": [{"index": call.number, **_call(block, "")}]}

    def _changed(self, index: int, change: _Change) -> _Fields | None:
        if index not in self._blocks:
            raise UpstreamProtocolError(f"{self._who}: a piece of a block that never started")
        open_block = self._blocks[index]
        if isinstance(open_block, _OpenCall) and change.partial_json:
            open_block.streamed = True
            return _arguments(open_block.number, change.partial_json)
        if isinstance(open_block, _OpenThought):
            open_block.add(change)
        return _text_fields(change.text, change.thinking)

    def _closed(self, index: int) -> _Fields | None:
        """A call whose arguments never came has those it started with, by default an empty object."""
        open_block = self._blocks.get(index)
        if isinstance(open_block, _OpenThought):
            thought = _thought(open_block.block)
            return None if thought is None else {"thinking_blocks": [thought]}
        if open_block is None or open_block.streamed:
            return None
        return _arguments(open_block.number, open_block.input)

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


class NativeStream:
    """Reads one stream's events, in order, that travel on as they are.

    The first is held back until the second comes, so that a stream that fails at once may still fall back.
    """

    def __init__(self, who: str) -> None:
        self._who = who
        self._reports: list[_Counts] = []
        self._held: list[Delta] = []
        self._begun = False
        self._stop_reason: str | None = None
        self.finished = False
        """Whether `message_stop` was seen; what follows is of no interest."""

    def feed(self, data: bytes, name: bytes | None) -> list[Delta]:
        """Take one event; return those to pass on now.

        Raises:
            UpstreamProtocolError: not JSON, without its message in front, or done without a stop reason.
            UpstreamUnavailable: the upstream says that it failed.
        """
        data = data.replace(b"\n", b" ")  # only white space: line ends in strings are escaped
        try:
            kind = _KIND.decode(data).type
            event = _NATIVE.decode(data) if kind in ("message_start", "message_delta", "error") else None
            chars = _SAID.decode(data).delta.chars if kind == "content_block_delta" else 0
        except _UNREADABLE:
            raise UpstreamProtocolError(f"{self._who}: an event of the stream can't be read") from None
        usage: Usage | None = None
        finish: str | None = None
        if event is not None and kind == "error":
            raise _reported(self._who, event.error)
        if event is not None:
            report = event.usage or (event.message.usage if event.message else None)
            self._reports += [report] if report else []
            usage = _usage(*self._reports) if self._reports else None
            self._stop_reason = (event.delta.stop_reason if event.delta else None) or self._stop_reason
        if kind == "message_delta" and self._stop_reason is not None:
            finish = _FINISH.get(self._stop_reason, "stop")
        if kind == "message_stop" and self._stop_reason is None:
            raise UpstreamProtocolError(f"{self._who}: the stream is done without a stop reason")
        self.finished = kind == "message_stop"
        delta = Delta(
            payload=data,
            dialect=Dialect.MESSAGES,
            event=name or kind.encode(),
            usage=usage,
            finish_reason=finish,
            chars=chars,
            content=kind not in _FRAME,
        )
        return self._passed(delta, kind)

    def _passed(self, delta: Delta, kind: str) -> list[Delta]:
        if kind == "message_start" and not self._begun:
            self._begun = True
            self._held.append(delta)
            return []
        if kind == "ping" and (self._held or not self._begun):
            self._held.append(delta)
            return []
        if not self._begun:
            raise UpstreamProtocolError(f"{self._who}: the stream doesn't begin with its message")
        held, self._held = self._held, []
        return [*held, delta]


_FRAME = frozenset(("message_start", "ping", "content_block_start"))
"""Events that hold nothing of the answer yet."""


class _Begun(msgspec.Struct):
    usage: _Counts | None = None


class _Stopped(msgspec.Struct):
    stop_reason: str | None = None


class _NativeEvent(msgspec.Struct):
    message: _Begun | None = None
    delta: _Stopped | None = None
    usage: _Counts | None = None
    error: _Error | None = None


class _Piece(msgspec.Struct):
    text: str = ""
    thinking: str = ""
    partial_json: str = ""

    @property
    def chars(self) -> int:
        return len(self.text) + len(self.thinking) + len(self.partial_json)


class _Said(msgspec.Struct):
    delta: _Piece


class _NativeAnswer(msgspec.Struct):
    type: str
    usage: _Counts
    stop_reason: str | None = None


class _Count(msgspec.Struct):
    input_tokens: int


_NATIVE = msgspec.json.Decoder(_NativeEvent)
_SAID = msgspec.json.Decoder(_Said)
_NATIVE_ANSWER = msgspec.json.Decoder(_NativeAnswer)
_COUNT = msgspec.json.Decoder(_Count)


def read_answer(payload: bytes, who: str) -> Delta:
    """Read a whole answer that travels on as it is.

    Raises:
        UpstreamProtocolError: it isn't a Messages answer, or doesn't say why it stopped.
    """
    try:
        answer = _NATIVE_ANSWER.decode(payload)
    except _UNREADABLE:
        raise UpstreamProtocolError(f"{who}: the answer isn't a Messages answer") from None
    if answer.type != "message" or answer.stop_reason is None:
        raise UpstreamProtocolError(f"{who}: the answer has no stop reason")
    finish = _FINISH.get(answer.stop_reason, "stop")
    return Delta(payload=payload, dialect=Dialect.MESSAGES, usage=_usage(answer.usage), finish_reason=finish)


def read_count(payload: bytes, who: str) -> Delta:
    """Read a count of tokens, which travels on as it is.

    Raises:
        UpstreamProtocolError: it is none.
    """
    try:
        _COUNT.decode(payload)
    except _UNREADABLE:
        raise UpstreamProtocolError(f"{who}: the answer isn't a count of tokens") from None
    return Delta(payload=payload, dialect=Dialect.COUNT_TOKENS, finish_reason="stop")


def _reported(who: str, error: _Error | None) -> UpstreamUnavailable:
    why = f" ({error.type[:64]})" if error and error.type else ""
    return UpstreamUnavailable(f"{who}: the upstream reports an error in the stream{why}")
