"""OpenAI's Responses API as an upstream speaks it: what a request that travels as it is must lose, and what an answer says.

Nothing is kept at the provider: what the caller wants kept is in the router's own store, which also expands
`previous_response_id` before the scan. Source: the types of OpenAI's Python SDK 3.52.0 (2026-11-29) and
https://platform.openai.com/docs/guides/reasoning#encrypted-reasoning-items.
"""

from __future__ import annotations

import msgspec

from router.core.errors import (
    RouterError,
    UpstreamFiltered,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)
from router.core.types import Delta, Dialect, JsonObject, JsonValue, Usage

_ENCRYPTED = "reasoning.encrypted_content"
_LOST = "input.reasoning"

PRELUDE = frozenset((b"response.created", b"response.queued", b"response.in_progress"))
"""Events that come before anything of the answer: while there is nothing else, another target may still answer."""

_ADDED = b".added"
"""How events end that announce an item, or a part of one, of which nothing is there yet."""

FAILED = "failed"
"""Finish reason of a response that failed after something of it was there."""

_FINAL = frozenset(("response.completed", "response.incomplete", "response.failed"))
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _InputDetails(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _OutputDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None


class _Error(msgspec.Struct):
    code: str | None = None


class _Response(msgspec.Struct):
    status: str | None = None
    output: list[msgspec.Raw] | None = None
    error: _Error | None = None
    usage: _Usage | None = None


class _Event(msgspec.Struct):
    type: str
    response: msgspec.Raw = msgspec.Raw()
    delta: msgspec.Raw = msgspec.Raw()
    """What is added to a text or to arguments: a string."""


_RESPONSE = msgspec.json.Decoder(_Response)
_EVENT = msgspec.json.Decoder(_Event)


def upstream_body(body: JsonObject, model: str) -> tuple[JsonObject, tuple[str, ...]]:
    """Return the body that is sent in place of a cleared one, and the names of what was left out of it.

    `model` is the upstream's name, `store` is false. Thinking that the provider doesn't keep must travel encrypted: it is
    asked for where the caller counts on its being kept and the model is seen to think, by `reasoning` or earlier
    thinking (other models refuse the wish). Thinking that came without can't be read by the provider, and is left out;
    with it go the ids of the items that would refer to it.
    """
    sent: JsonObject = {**body, "model": model, "store": False}
    sent.pop("previous_response_id", None)
    given = body.get("input")
    items = given if isinstance(given, list) else []
    thinks = _has_settings(body.get("reasoning")) or any(_is_thought(item) for item in items)
    if thinks and body.get("store") is not False:
        include = body.get("include")
        wanted = include if isinstance(include, list) else []
        sent["include"] = wanted if _ENCRYPTED in wanted else [*wanted, _ENCRYPTED]
    kept = [item for item in items if not (_is_thought(item) and not _is_encrypted(item))]
    if len(kept) == len(items):
        return sent, ()
    sent["input"] = [_without_id(item) for item in kept]
    return sent, (_LOST,)


def whole(payload: bytes, name: str) -> Delta:
    """Read a whole answer.

    Raises:
        UpstreamError: it isn't a response, isn't finished, or says that it failed.
    """
    response = _response(payload, name)
    if response.status not in ("completed", "incomplete") or response.output is None:
        raise _failure(response, name)
    return Delta(
        payload=payload, dialect=Dialect.RESPONSES, usage=_usage(response.usage), finish_reason=response.status
    )


def event(payload: bytes, named: bytes | None, name: str, *, is_begun: bool) -> Delta:
    """Read one event of a stream; the last one has a finish reason.

    Raises:
        UpstreamError: it isn't an event, or says that the answer failed: that before anything of it came (`is_begun`),
            for afterwards the event is how the answer ends.
    """
    try:
        one = _EVENT.decode(payload)
    except _UNREADABLE:
        raise UpstreamProtocolError(f"{name}: an event of the stream isn't one of a response") from None
    if one.type == "error":
        raise UpstreamUnavailable(f"{name}: the upstream reports an error in the stream")
    if one.type not in _FINAL:
        kind, chars = one.type.encode(), max(0, len(bytes(one.delta)) - 2)
        content = kind not in PRELUDE and not kind.endswith(_ADDED)
        return Delta(payload=payload, dialect=Dialect.RESPONSES, event=named or kind, content=content, chars=chars)
    response = _response(bytes(one.response), name)
    if one.type == "response.failed" and not is_begun:
        raise _failure(response, name)
    return Delta(
        payload=payload,
        dialect=Dialect.RESPONSES,
        event=named or one.type.encode(),
        usage=_usage(response.usage),
        finish_reason=one.type.removeprefix("response."),
    )


def _response(payload: bytes, name: str) -> _Response:
    try:
        return _RESPONSE.decode(payload)
    except _UNREADABLE:
        raise UpstreamProtocolError(f"{name}: the answer isn't a response") from None


def _failure(response: _Response, name: str) -> RouterError:
    """Say by its code why a response failed; the upstream's text, which may quote the prompt, isn't shown."""
    code = response.error.code if response.error is not None else None
    if code is None and response.status != "failed":
        return UpstreamProtocolError(f"{name}: the answer isn't a finished response")
    message = f"{name}: the upstream says that the response failed ({(code or 'no code')[:64]})"
    if code == "rate_limit_exceeded":
        return UpstreamRateLimited(message)
    if code == "invalid_prompt":  # its policy refused the prompt
        return UpstreamFiltered(message)
    if code is not None and "image" in code:
        return UpstreamRejected(message)
    return UpstreamUnavailable(message)


def _usage(usage: _Usage | None) -> Usage | None:
    if usage is None or (usage.input_tokens is None and usage.output_tokens is None):
        return None
    read, written = usage.input_tokens_details, usage.output_tokens_details
    return Usage(
        input_tokens=usage.input_tokens or 0,
        output_tokens=usage.output_tokens or 0,
        cached_input_tokens=(read.cached_tokens or 0) if read else 0,
        cache_write_tokens=(read.cache_write_tokens or 0) if read else 0,
        reasoning_tokens=(written.reasoning_tokens or 0) if written else 0,
    )


def _has_settings(reasoning: JsonValue) -> bool:
    return isinstance(reasoning, dict) and any(value is not None for value in reasoning.values())


def _is_thought(item: JsonValue) -> bool:
    return isinstance(item, dict) and item.get("type") == "reasoning"


def _is_encrypted(item: JsonValue) -> bool:
    return isinstance(item, dict) and bool(item.get("encrypted_content"))


def _without_id(item: JsonValue) -> JsonValue:
    if not isinstance(item, dict) or item.get("type") not in ("message", "function_call", None):
        return item
    return {name: value for name, value in item.items() if name != "id"}
