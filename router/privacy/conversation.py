"""Tells conversations apart, so that placeholders stay the same within one and tell nothing across two."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict

import msgspec

from router.core.types import JsonValue, Request

MAX_OPENINGS = 10_000
"""Conversations without a name that are remembered; more than these push out the oldest."""

_ENCODER = msgspec.json.Encoder(order="deterministic")


class Conversations:
    """Gives each conversation a key of its own. Nothing but keys and hashes is kept, in memory only.

    A conversation is what the caller names by `x-router-session`; without that, a chain of `previous_response_id`; else all
    requests that begin with the same messages up to the first of the user's. A request without an answer in it begins a
    new conversation.
    """

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._openings: OrderedDict[bytes, bytes] = OrderedDict()

    def key(self, request: Request) -> bytes:
        """Return the key (32 bytes) of the request's conversation."""
        if request.hints.session is not None:
            return self._digest(b"session", request, request.hints.session.encode())
        if request.conversation is None:
            return self._by_opening(request)
        chain = self._digest(b"chain", request, request.conversation.encode())
        return self._openings.get(chain) or self._remember(chain, self._by_opening(request))

    def _by_opening(self, request: Request) -> bytes:
        messages = request.body.get("messages")
        opening, goes_on = _opening(messages if isinstance(messages, list) else [])
        name = self._digest(b"opening", request, _ENCODER.encode(opening))
        if goes_on:
            return self._openings.get(name, name)
        return self._remember(name, secrets.token_bytes(32))

    def _remember(self, name: bytes, key: bytes) -> bytes:
        self._openings[name] = key
        self._openings.move_to_end(name)
        if len(self._openings) > MAX_OPENINGS:
            self._openings.popitem(last=False)
        return key

    def _digest(self, kind: bytes, request: Request, value: bytes) -> bytes:
        owner = request.principal.id.encode()
        return hmac.digest(self._secret, b"\0".join((kind, owner, value)), hashlib.sha256)


def conversation_name(request: Request, secret: bytes) -> str | None:
    """Name the conversation of a request (as chat completions say it), the same in each of its turns; None = it is none.

    It is a hash keyed with `secret` of the caller's key and of `x-router-session`; without that, of how it begins: the messages
    up to the first of the user's. Of a request of the Responses API only that first one counts, for its instructions may change
    from turn to turn.
    """
    if request.hints.session is not None:
        kind, value = b"session", request.hints.session.encode()
    else:
        messages = request.body.get("messages")
        opening, _ = _opening(messages if isinstance(messages, list) else [])
        if not opening:
            return None
        kind, value = b"opening", _ENCODER.encode(opening[-1:] if request.conversation is not None else opening)
    owner = request.principal.id.encode()
    return hashlib.blake2b(b"\0".join((kind, owner, value)), key=secret, digest_size=16).hexdigest()


def _opening(messages: list[JsonValue]) -> tuple[list[JsonValue], bool]:
    """Return the messages up to the first of the user's, and whether an answer follows."""
    roles = [message.get("role") if isinstance(message, dict) else None for message in messages]
    end = roles.index("user") + 1 if "user" in roles else len(roles)
    return [_unmarked(message) for message in messages[:end]], "assistant" in roles[end:]


def _unmarked(message: JsonValue) -> JsonValue:
    """Leave out what a client may set differently from turn to turn: marks for a prompt cache, and a text as a list."""
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(message, dict) or not isinstance(content, list):
        return message
    parts = [
        {name: value for name, value in part.items() if name != "cache_control"} if isinstance(part, dict) else part
        for part in content
    ]
    first = parts[0] if len(parts) == 1 else None
    is_text = isinstance(first, dict) and first.keys() == {"type", "text"}
    return {**message, "content": first["text"] if is_text and isinstance(first, dict) else [*parts]}
