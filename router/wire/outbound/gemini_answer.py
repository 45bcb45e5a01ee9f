"""Google's generateContent dialect: its answers, whole or streamed, translated into chat completions; no I/O.

What chat completions have no field for stands where Gemini's own chat completions have it, in `extra_content.google`: of
a tool call `thought_signature`, of a message or a delta `thought_signature`, `grounding_metadata`, `citation_metadata`
and `url_context_metadata`. Images that a model makes stand in `images`, as `image_url` parts with data URLs.

Source: as `gemini`.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

import msgspec

from router.core.errors import RouterError, UpstreamAuthFailed, UpstreamFiltered, UpstreamProtocolError
from router.core.types import Delta, Usage

_Fields: TypeAlias = dict[str, object]
Refused: TypeAlias = Callable[[int, bytes], RouterError]
"""Makes our error of an upstream's status and error body."""


_NONE = msgspec.Raw(b"null")


class _Called(msgspec.Struct, rename="camel"):
    name: str
    id: str = ""
    args: msgspec.Raw = msgspec.Raw(b"{}")


class _Blob(msgspec.Struct, rename="camel"):
    mime_type: str
    data: str


class _Part(msgspec.Struct, rename="camel"):
    text: str = ""
    thought: bool = False
    thought_signature: str | None = None
    function_call: _Called | None = None
    inline_data: _Blob | None = None
    executable_code: msgspec.Raw = _NONE
    code_execution_result: msgspec.Raw = _NONE
    file_data: msgspec.Raw = _NONE
    tool_call: msgspec.Raw = _NONE
    tool_response: msgspec.Raw = _NONE


class _Content(msgspec.Struct, rename="camel"):
    parts: list[_Part] = []


class _Token(msgspec.Struct, rename="camel"):
    token: str = ""
    log_probability: float = 0.0


class _Tokens(msgspec.Struct, rename="camel"):
    candidates: list[_Token] = []


class _Logprobs(msgspec.Struct, rename="camel"):
    chosen_candidates: list[_Token] = []
    top_candidates: list[_Tokens] = []


class _Candidate(msgspec.Struct, rename="camel"):
    index: int = 0
    content: _Content | None = None
    finish_reason: str | None = None
    logprobs_result: _Logprobs | None = None
    grounding_metadata: msgspec.Raw = _NONE
    citation_metadata: msgspec.Raw = _NONE
    url_context_metadata: msgspec.Raw = _NONE


class _Modality(msgspec.Struct, rename="camel"):
    modality: str = ""
    token_count: int = 0


class _Counts(msgspec.Struct, rename="camel"):
    """Fields that are missing are zero: that is how protocol buffers are written as JSON."""

    prompt_token_count: int = 0
    cached_content_token_count: int = 0
    candidates_token_count: int = 0
    thoughts_token_count: int = 0
    tool_use_prompt_token_count: int = 0
    total_token_count: int = 0
    prompt_tokens_details: list[_Modality] = []
    candidates_tokens_details: list[_Modality] = []


class _Feedback(msgspec.Struct, rename="camel"):
    block_reason: str | None = None


class _ErrorCode(msgspec.Struct):
    code: int = 500


class _Answer(msgspec.Struct, rename="camel"):
    candidates: list[_Candidate] = []
    prompt_feedback: _Feedback | None = None
    usage_metadata: _Counts | None = None
    model_version: str = ""
    response_id: str = ""
    error: _ErrorCode | None = None


_ANSWER = msgspec.json.Decoder(_Answer)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_WORD = re.compile(r"[A-Z][A-Z_]{0,63}")
_FINISH = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    **dict.fromkeys(
        (
            "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "ESCALATION", "MODEL_ARMOR",
            "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION",
        ),
        "content_filter",
    ),
}  # fmt: skip
"""Finish reasons of an answer that can be given; any other one says that it failed."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an answer before it comes."""

    who: str
    """The provider's name, for errors."""
    model: str
    """The upstream's name of the model, where the answer says none."""
    created_s: int
    """Unix time, for Gemini doesn't send it."""
    choices: int
    refused: Refused


class _Choice:
    """What came so far of one candidate."""

    def __init__(self) -> None:
        self.calls = 0
        self.ids: set[str] = set()
        self.finish: str | None = None
        self.has_begun = False


def decode_answer(payload: bytes, asked: Asked) -> Delta:
    """Translate a whole answer into a `chat.completion`.

    Raises:
        UpstreamProtocolError: it isn't a generateContent answer, doesn't say why it stopped, or stopped because it failed.
        UpstreamFiltered: the prompt was refused.
    """
    answer = _read(payload, asked)
    if not answer.candidates:
        raise UpstreamProtocolError(f"{asked.who}: the answer holds no candidates")
    choices: list[_Fields] = []
    finish = ""
    for candidate in answer.candidates:
        if candidate.finish_reason is None:
            raise UpstreamProtocolError(f"{asked.who}: the answer has no finish reason")
        state = _Choice()
        message = _message(_pieces(candidate, state, asked.who))
        finish = _finish(candidate.finish_reason, state, asked.who)
        choices.append(
            {
                "index": candidate.index,
                "message": message,
                "logprobs": _logprobs(candidate.logprobs_result),
                "finish_reason": finish,
            }
        )
    usage = _usage(answer.usage_metadata)
    completion: _Fields = {
        "id": answer.response_id or f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": asked.created_s,
        "model": answer.model_version or asked.model,
        "choices": choices,
    }
    if usage is not None:
        completion["usage"] = _usage_fields(usage)
    return Delta(payload=msgspec.json.encode(completion), usage=usage, finish_reason=finish)


class AnswerStream:
    """Translates one stream's events, in order, into `chat.completion.chunk`s.

    Gemini marks no end but that of the connection, and sends finish reasons with content. So the finish reasons are given
    out by `end`, when nothing more can come. Nothing is yielded before the first piece of content.
    """

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._id = ""
        self._model = asked.model
        self._counts: _Counts | None = None
        self._choices: dict[int, _Choice] = {}

    def feed(self, data: bytes) -> list[Delta]:
        """Take one event's data; return the chunks it makes.

        Raises:
            UpstreamProtocolError: not JSON, of a wrong shape, or the answer failed.
            UpstreamFiltered: the prompt was refused.
            RouterError: the upstream says that it failed; as for an error status.
        """
        answer = _read(data, self._asked)
        self._id = self._id or answer.response_id or f"chatcmpl-{uuid.uuid4().hex}"
        self._model = answer.model_version or self._model
        self._counts = answer.usage_metadata or self._counts
        deltas: list[Delta] = []
        for candidate in answer.candidates:
            state = self._choices.setdefault(candidate.index, _Choice())
            logprobs = _logprobs(candidate.logprobs_result)
            pieces = _pieces(candidate, state, self._asked.who)
            for piece in pieces or ([_Piece()] if logprobs else []):
                chars = (
                    len(piece.content) + len(piece.reasoning_content) + len(msgspec.json.encode(piece.tool_calls)) - 2
                )
                deltas.append(self._chunk(candidate.index, piece.fields(), logprobs=logprobs, chars=chars))
                logprobs = None
            if candidate.finish_reason is not None:
                state.finish = _finish(candidate.finish_reason, state, self._asked.who)
        return deltas

    def end(self) -> list[Delta]:
        """Say that the upstream closed the stream; return what ends the answer.

        Raises:
            UpstreamProtocolError: a candidate that was asked for isn't complete.
        """
        who = self._asked.who
        finished = [(index, state.finish) for index, state in sorted(self._choices.items()) if state.finish]
        if len(finished) < max(len(self._choices), self._asked.choices):
            raise UpstreamProtocolError(f"{who}: the stream ended before the answer did")
        deltas = [self._chunk(index, {}, finish) for index, finish in finished]
        if (usage := _usage(self._counts)) is not None:
            payload = msgspec.json.encode({**self._head(), "choices": [], "usage": _usage_fields(usage)})
            deltas.append(Delta(payload=payload, usage=usage, usage_only=True))
        return deltas

    def _chunk(
        self,
        index: int,
        delta: _Fields,
        finish: str | None = None,
        *,
        logprobs: _Fields | None = None,
        chars: int = 0,
    ) -> Delta:
        """Encode a chunk; the first one of a choice carries the role. Its usage is what was counted up to here."""
        state = self._choices[index]
        role: _Fields = {} if state.has_begun else {"role": "assistant"}
        state.has_begun = True
        choice: _Fields = {"index": index, "delta": role | delta, "logprobs": logprobs, "finish_reason": finish}
        payload = msgspec.json.encode({**self._head(), "choices": [choice]})
        return Delta(payload=payload, usage=_usage(self._counts), finish_reason=finish, chars=chars)

    def _head(self) -> _Fields:
        return {
            "id": self._id,
            "object": "chat.completion.chunk",
            "created": self._asked.created_s,
            "model": self._model,
        }


def _read(data: bytes, asked: Asked) -> _Answer:
    try:
        answer = _ANSWER.decode(data)
    except _UNREADABLE:
        raise UpstreamProtocolError(f"{asked.who}: the answer isn't a generateContent answer") from None
    if answer.error is not None:
        raise asked.refused(answer.error.code, data)
    reason = answer.prompt_feedback.block_reason if answer.prompt_feedback else None
    if reason is not None and not answer.candidates:
        raise UpstreamFiltered(f"{asked.who} refused the prompt{_code(reason)}")
    return answer


class _Piece(msgspec.Struct, kw_only=True):
    """What one part says; the pieces of a whole answer are added up."""

    content: str = ""
    reasoning_content: str = ""
    tool_calls: list[_Fields] = []
    images: list[_Fields] = []
    google: _Fields = {}

    def add(self, other: _Piece) -> None:
        """Put another piece behind this one."""
        self.content += other.content
        self.reasoning_content += other.reasoning_content
        self.tool_calls += other.tool_calls
        self.images += other.images
        self.google |= other.google

    def fields(self) -> _Fields:
        """What isn't empty, as fields of a message or of a delta."""
        optional: _Fields = {
            "content": self.content,
            "reasoning_content": self.reasoning_content,
            "tool_calls": self.tool_calls,
            "images": self.images,
            "extra_content": {"google": self.google} if self.google else None,
        }
        return {name: value for name, value in optional.items() if value}


def _pieces(candidate: _Candidate, state: _Choice, who: str) -> list[_Piece]:
    """Translate a candidate's parts, in order; parts that say nothing make none."""
    pieces = [_piece(part, state, who) for part in (candidate.content.parts if candidate.content else ())]
    extra = {
        "grounding_metadata": candidate.grounding_metadata,
        "citation_metadata": candidate.citation_metadata,
        "url_context_metadata": candidate.url_context_metadata,
    }
    pieces.append(_Piece(google={name: value for name, value in extra.items() if _is_given(value)}))
    return [piece for piece in pieces if piece.fields()]


def _piece(part: _Part, state: _Choice, who: str) -> _Piece:
    others = (part.executable_code, part.code_execution_result, part.file_data, part.tool_call, part.tool_response)
    blob = part.inline_data
    if any(map(_is_given, others)) or (blob is not None and not blob.mime_type.startswith("image/")):
        raise UpstreamProtocolError(f"{who}: the answer holds a part that chat completions have no place for")
    signed: _Fields = {"thought_signature": part.thought_signature} if part.thought_signature else {}
    if part.function_call is not None:
        call: _Fields = {"index": state.calls, **_call(part.function_call, state, who)}
        return _Piece(tool_calls=[{**call, "extra_content": {"google": signed}} if signed else call])
    if blob is not None:
        url = f"data:{blob.mime_type};base64,{blob.data}"
        return _Piece(images=[{"type": "image_url", "image_url": {"url": url}}], google=signed)
    if part.thought:
        return _Piece(reasoning_content=part.text, google=signed)
    return _Piece(content=part.text, google=signed)


def _is_given(value: msgspec.Raw) -> bool:
    return bytes(value) != b"null"


def _call(called: _Called, state: _Choice, who: str) -> _Fields:
    call_id = called.id
    if not call_id or call_id in state.ids:
        call_id = f"call_{uuid.uuid4().hex[:24]}"
    state.ids.add(call_id)
    state.calls += 1
    arguments = bytes(called.args).decode()
    if not arguments.startswith("{"):
        if arguments != "null":
            raise UpstreamProtocolError(f"{who}: the arguments of a tool call aren't an object")
        arguments = "{}"
    return {"id": call_id, "type": "function", "function": {"name": called.name, "arguments": arguments}}


def _message(pieces: Iterable[_Piece]) -> _Fields:
    whole = _Piece()
    for piece in pieces:
        whole.add(piece)
    for call in whole.tool_calls:
        del call["index"]
    content = None if whole.tool_calls and not whole.content else whole.content
    return {"role": "assistant", **whole.fields(), "content": content}


def _finish(reason: str, state: _Choice, who: str) -> str:
    """Translate a finish reason.

    Raises:
        UpstreamProtocolError: it says that the answer isn't one, like MALFORMED_FUNCTION_CALL or OTHER.
        UpstreamAuthFailed: the account was closed.
    """
    if reason == "PUP_LIMITED_DISABLED":
        raise UpstreamAuthFailed(f"{who}: the account is limited or disabled; check it")
    finish = _FINISH.get(reason)
    if finish is None:
        raise UpstreamProtocolError(f"{who}: the answer failed{_code(reason)}")
    return "tool_calls" if finish == "stop" and state.calls else finish


def _code(reason: str) -> str:
    """Show a reason that is a code and nothing else."""
    return f" ({reason})" if _WORD.fullmatch(reason) else ""


def _logprobs(result: _Logprobs | None) -> _Fields | None:
    if result is None or not result.chosen_candidates:
        return None
    content: list[_Fields] = []
    for index, chosen in enumerate(result.chosen_candidates):
        top = result.top_candidates[index].candidates if index < len(result.top_candidates) else []
        content.append({**_token(chosen), "top_logprobs": [_token(one) for one in top]})
    return {"content": content, "refusal": None}


def _token(token: _Token) -> _Fields:
    return {"token": token.token, "logprob": token.log_probability, "bytes": list(token.token.encode())}


def _usage(counts: _Counts | None) -> Usage | None:
    """Read usage; None where nothing was counted. What tools brought in counts as input, thoughts as output."""
    if counts is None or not (counts.prompt_token_count or counts.candidates_token_count or counts.total_token_count):
        return None
    return Usage(
        input_tokens=counts.prompt_token_count + counts.tool_use_prompt_token_count,
        output_tokens=counts.candidates_token_count + counts.thoughts_token_count,
        cached_input_tokens=counts.cached_content_token_count,
        reasoning_tokens=counts.thoughts_token_count,
        audio_input_tokens=_audio(counts.prompt_tokens_details),
        audio_output_tokens=_audio(counts.candidates_tokens_details),
    )


def _audio(details: Sequence[_Modality]) -> int:
    return sum(detail.token_count for detail in details if detail.modality == "AUDIO")


def _usage_fields(usage: Usage) -> _Fields:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_input_tokens,
            "audio_tokens": usage.audio_input_tokens,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "audio_tokens": usage.audio_output_tokens,
        },
    }
