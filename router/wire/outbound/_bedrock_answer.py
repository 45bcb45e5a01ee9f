"""Answers in Bedrock's Converse dialect, whole or event by event, translated back into chat completions; no I/O.

Source: botocore 1.44's service model of `bedrock-runtime` (2023-09-30).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence

import msgspec

from router.core.errors import (
    RouterError,
    UpstreamAuthFailed,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from router.core.types import Delta, Usage
from router.wire.outbound import _hub
from router.wire.outbound._hub import Chunks, Counted, Fields, Head

_FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
"""Stop reason -> finish reason; every other one is `stop`, but for those in `_MALFORMED`."""
_MALFORMED = frozenset({"malformed_model_output", "malformed_tool_use"})

_ERRORS: Mapping[str, type[RouterError]] = {
    "accessdenied": UpstreamAuthFailed,
    "expiredtoken": UpstreamAuthFailed,
    "unrecognizedclient": UpstreamAuthFailed,
    "invalidsignature": UpstreamAuthFailed,
    "incompletesignature": UpstreamAuthFailed,
    "missingauthenticationtoken": UpstreamAuthFailed,
    "notauthorized": UpstreamAuthFailed,
    "optinrequired": UpstreamAuthFailed,
    "requestexpired": UpstreamAuthFailed,
    "throttling": UpstreamRateLimited,
    "servicequotaexceeded": UpstreamRateLimited,
    "toomanyrequests": UpstreamRateLimited,
    "resourcenotfound": UpstreamUnavailable,
    "modeltimeout": UpstreamTimeout,
    "modelnotready": UpstreamUnavailable,
    "modelerror": UpstreamUnavailable,
    "modelstreamerror": UpstreamUnavailable,
    "internalserver": UpstreamUnavailable,
    "internalfailure": UpstreamUnavailable,
    "serviceunavailable": UpstreamUnavailable,
    "validation": UpstreamRejected,
    "serialization": UpstreamRejected,
}
"""Names of errors, without `Exception` at their end and in lower case, -> ours.

Sources: the service model, and https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html, 2026-11.
"""


def error_named(name: str, who: str, *, retry_after_s: float | None = None) -> RouterError | None:
    """Turn an error's name, as a header, a body or an event says it, into our error; None = it isn't known.

    `name` may come with a namespace before it and a URL behind it: `ns#ThrottlingException:http://…`.
    """
    plain = name.partition(":")[0].rpartition("#")[2]
    kind = _ERRORS.get(plain.lower().removesuffix("exception"))
    if kind is None:
        return None
    if kind is UpstreamAuthFailed:
        return UpstreamAuthFailed(f"{who} refused the router's credentials ({plain}); check them and what they permit")
    return kind(f"{who} answered {plain}", retry_after_s=retry_after_s)


class _ReasoningText(msgspec.Struct):
    text: str = ""
    signature: str | None = None


class _Reasoning(msgspec.Struct):
    reasoningText: _ReasoningText | None = None
    redactedContent: str | None = None


class _ToolUse(msgspec.Struct):
    toolUseId: str
    name: str
    input: msgspec.Raw = msgspec.Raw(b"{}")


class _Text(msgspec.Struct):
    text: str = ""


class _Cited(msgspec.Struct):
    content: list[_Text] = []
    citations: list[Fields] = []


class _Block(msgspec.Struct):
    text: str | None = None
    reasoningContent: _Reasoning | None = None
    toolUse: _ToolUse | None = None
    citationsContent: _Cited | None = None


class _Message(msgspec.Struct):
    content: list[_Block]


class _Output(msgspec.Struct):
    message: _Message


class _Written(msgspec.Struct):
    ttl: str = ""
    inputTokens: int = 0


class _Counts(msgspec.Struct):
    inputTokens: int | None = None
    outputTokens: int | None = None
    cacheReadInputTokens: int | None = None
    cacheWriteInputTokens: int | None = None
    cacheDetails: list[_Written] | None = None


class _Answer(msgspec.Struct):
    output: _Output
    stopReason: str
    usage: _Counts | None = None


_ANSWER = msgspec.json.Decoder(_Answer)


def decode_answer(payload: bytes, who: str, head: Head) -> Delta:
    """Translate a whole answer into a `chat.completion`; `head` is what Converse doesn't say of it.

    Raises:
        UpstreamProtocolError: it isn't a Converse answer, or the model's output made no sense to Bedrock.
    """
    try:
        answer = _ANSWER.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamProtocolError(f"{who}: the answer isn't a Converse answer") from None
    finish = _finish(answer.stopReason, who)
    text: list[str] = []
    thoughts: list[str] = []
    blocks: list[Fields] = []
    calls: list[Fields] = []
    citations: list[Fields] = []
    for block in answer.output.message.content:
        if block.text is not None:
            text.append(block.text)
        if block.citationsContent is not None:
            text += [part.text for part in block.citationsContent.content]
            citations += block.citationsContent.citations
        if (used := block.toolUse) is not None:
            calls.append(_hub.call(used.toolUseId, used.name, bytes(used.input).decode()))
        if (reasoning := block.reasoningContent) is not None:
            said = reasoning.reasoningText
            thoughts.append(said.text if said else "")
            blocks += _thinking_block(said.text if said else "", said and said.signature, reasoning.redactedContent)
    message: Fields = {"content": None if calls and not "".join(text) else "".join(text)}
    more = {
        "reasoning_content": "".join(thoughts),
        "thinking_blocks": blocks,
        "tool_calls": calls,
        "citations": citations,
    }
    message |= {name: value for name, value in more.items() if value}
    return _hub.completion(head, message, finish, _counted(answer.usage))


def _finish(reason: str, who: str) -> str:
    if reason in _MALFORMED:
        raise UpstreamProtocolError(f"{who}: the model's answer was malformed ({reason})")
    return _FINISH.get(reason, "stop")


def _thinking_block(text: str, signature: str | None, redacted: str | None) -> list[Fields]:
    """Write Anthropic's block, which a caller gives back as it is; there is none for thinking without a signature."""
    if redacted is not None:
        try:
            return [{"type": "redacted_thinking", "data": base64.b64decode(redacted, validate=True).decode()}]
        except (binascii.Error, ValueError):
            return []
    return [{"type": "thinking", "thinking": text, "signature": signature}] if signature else []


def _counted(counts: _Counts | None) -> Counted | None:
    """Read usage. Bedrock's input is what was neither read from a cache nor written to one.

    Source: https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html, 2026-11.
    """
    if counts is None or (counts.inputTokens is None and counts.outputTokens is None):
        return None
    read, written = counts.cacheReadInputTokens or 0, counts.cacheWriteInputTokens or 0
    long = sum(one.inputTokens for one in counts.cacheDetails or () if one.ttl == "1h")
    usage = Usage(
        input_tokens=(counts.inputTokens or 0) + read + written,
        output_tokens=counts.outputTokens or 0,
        cached_input_tokens=read,
        cache_write_tokens=written,
        long_cache_write_tokens=min(written, long),
    )
    details: dict[str, int] = {}
    if counts.cacheReadInputTokens is not None:
        details["cached_tokens"] = read
    if counts.cacheWriteInputTokens is not None:
        details["cache_creation_tokens"] = details["cache_write_tokens"] = written
    return Counted(usage, details)


class _Start(msgspec.Struct):
    toolUse: _ToolUse | None = None


class _PieceOfCall(msgspec.Struct):
    input: str = ""


class _PieceOfThought(msgspec.Struct):
    text: str | None = None
    signature: str | None = None
    redactedContent: str | None = None


class _Piece(msgspec.Struct):
    text: str | None = None
    toolUse: _PieceOfCall | None = None
    reasoningContent: _PieceOfThought | None = None
    citation: Fields | None = None


class _Event(msgspec.Struct):
    contentBlockIndex: int = 0
    start: _Start | None = None
    delta: _Piece | None = None
    stopReason: str | None = None
    usage: _Counts | None = None


_EVENT = msgspec.json.Decoder(_Event)
_HANDLED = ("messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata")


class _Open:
    """A block of a stream while it is open."""

    def __init__(self, number: int | None = None) -> None:
        self.number = number
        """Which tool call it is; None = none."""
        self.streamed = False
        self.text: list[str] = []
        self.signature = ""
        self.redacted: list[str] = []

    def thinking(self) -> list[Fields]:
        """The thinking block that it was, if it was one."""
        redacted = _joined(self.redacted)
        return _thinking_block("".join(self.text), self.signature, redacted)


def _joined(pieces: Sequence[str]) -> str | None:
    """Join base64 texts; each piece is complete in itself."""
    if len(pieces) < 2:
        return pieces[0] if pieces else None
    try:
        return base64.b64encode(b"".join(base64.b64decode(piece, validate=True) for piece in pieces)).decode()
    except (binascii.Error, ValueError):
        return ""


class AnswerStream:
    """Translates one stream's events, in order, into `chat.completion.chunk`s.

    Nothing is yielded before the first piece of content, so that a stream that fails at once may still fall back. A
    block of thinking is yielded as `reasoning_content` while it comes, and once more with its signature when it ends.
    """

    def __init__(self, who: str, head: Head) -> None:
        self._who = who
        self._chunks = Chunks(head)
        self._started = False
        self._stopped = False
        self._open: dict[int, _Open] = {}
        self._calls = 0
        self.finished = False
        """Whether `metadata` was seen, the last event."""

    def feed(self, kind: str, name: str, payload: bytes) -> list[Delta]:
        """Take one event: its `:message-type`, its `:event-type` (or that of an exception), its payload.

        Raises:
            UpstreamProtocolError: not JSON, of a wrong shape, or out of order.
            RouterError: the upstream says that it failed.
        """
        if kind != "event":
            why = error_named(name, self._who)
            raise why or UpstreamUnavailable(f"{self._who}: the upstream reports an error in the stream")
        if name not in _HANDLED:
            return []
        try:
            event = _EVENT.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise UpstreamProtocolError(f"{self._who}: an event of the stream can't be read") from None
        if name == "messageStart":
            self._started = True
            return []
        if not self._started:
            raise UpstreamProtocolError(f"{self._who}: the stream doesn't begin with its message")
        match name:
            case "messageStop":
                return self._stop(event)
            case "metadata":
                return self._end(event)
            case "contentBlockStart":
                fields = self._opened(event)
            case "contentBlockDelta":
                fields = self._changed(event)
            case _:
                fields = self._closed(event.contentBlockIndex)
        return [self._chunks.delta(fields)] if fields else []

    def _opened(self, event: _Event) -> Fields | None:
        used = event.start.toolUse if event.start else None
        if used is None:
            self._open[event.contentBlockIndex] = _Open()
            return None
        self._open[event.contentBlockIndex] = _Open(self._calls)
        self._calls += 1
        return {"tool_calls": [{"index": self._calls - 1, **_hub.call(used.toolUseId, used.name, "")}]}

    def _changed(self, event: _Event) -> Fields | None:
        piece = event.delta
        if piece is None:
            raise UpstreamProtocolError(f"{self._who}: an event of the stream lacks what it is for")
        # Blocks of text and of thinking have no start of their own.
        block = self._open.setdefault(event.contentBlockIndex, _Open())
        if piece.toolUse is not None:
            if block.number is None:
                raise UpstreamProtocolError(f"{self._who}: a piece of a call that never started")
            if not piece.toolUse.input:
                return None
            block.streamed = True
            return _hub.piece(block.number, piece.toolUse.input)
        if (thought := piece.reasoningContent) is not None:
            block.signature += thought.signature or ""
            block.redacted += [thought.redactedContent] if thought.redactedContent else []
            block.text.append(thought.text or "")
            return {"reasoning_content": thought.text} if thought.text else None
        if piece.citation is not None:
            return {"citations": [piece.citation]}
        return {"content": piece.text} if piece.text else None

    def _closed(self, index: int) -> Fields | None:
        """A call whose arguments never came has none: an empty object."""
        block = self._open.pop(index, None)
        if block is None:
            return None
        if block.number is not None:
            return None if block.streamed else _hub.piece(block.number, "{}")
        return {"thinking_blocks": blocks} if (blocks := block.thinking()) else None

    def _stop(self, event: _Event) -> list[Delta]:
        if event.stopReason is None or self._stopped:
            raise UpstreamProtocolError(f"{self._who}: the stream is done without a stop reason")
        finish = _finish(event.stopReason, self._who)
        rest = [fields for index in list(self._open) if (fields := self._closed(index))]
        self._stopped = True
        return [*(self._chunks.delta(fields) for fields in rest), self._chunks.delta({}, finish)]

    def _end(self, event: _Event) -> list[Delta]:
        if not self._stopped:
            raise UpstreamProtocolError(f"{self._who}: the stream is done without a stop reason")
        self.finished = True
        counted = _counted(event.usage)
        return [self._chunks.usage(counted)] if counted else []
