"""What every dialect that callers speak can do, and how one is found; the dialects themselves stand in `inbound`.

Chat completions are the one dialect inside. A request in another one travels as it is to an upstream that speaks it, and
is translated into a chat request for any other; the chat answer is then translated back. Beside OpenAI's own fields, a
chat request or answer inside may hold what other vendors' clients write too: `reasoning_content` (text of a model's
thinking), `thinking_blocks` (Anthropic's thinking blocks with their signatures, untouched) and `cache_control` (on
content parts and tools).
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import Protocol

import msgspec

from router.core.errors import RouterError
from router.core.types import Delta, Dialect, JsonObject


class Decoded(msgspec.Struct, frozen=True, kw_only=True):
    """A request body that was read and checked."""

    body: JsonObject
    model: str
    stream: bool = False


class Translation(msgspec.Struct, frozen=True, kw_only=True):
    """A request as chat completions, and what that can't say."""

    body: JsonObject
    unsupported: tuple[str, ...] = ()
    """Features that a chat request can't ask for, as names of fields: such a request goes nowhere but to an upstream of its
    own dialect, or is refused."""
    dropped: tuple[str, ...] = ()
    """Tuning knobs without a counterpart; the answer is the same in kind without them."""
    bound: bool = False
    """Only the very model that was asked for can answer, for the request or its answer means nothing to another: vectors are
    of one model's space, token numbers of one model's vocabulary."""


class Encoder(Protocol):
    """Writes one answer for the caller: what an upstream sent in the caller's dialect as it is, chat answers translated."""

    def whole(self, delta: Delta) -> bytes:
        """Return the body of an answer that came whole.

        Raises:
            UpstreamProtocolError: it can't be read.
        """
        ...

    def frames(self, delta: Delta) -> bytes:
        """Return what of a stream this delta makes, as server-sent events; may be empty.

        Raises:
            UpstreamProtocolError: it can't be read.
        """
        ...

    def end(self) -> bytes:
        """Return what ends a stream that is complete."""
        ...


class Codec(Protocol):
    """A dialect as a caller speaks it. Pure: no I/O, no state."""

    path: str
    """Where its requests are sent to."""

    def decode(self, data: bytes) -> Decoded:
        """Read a request body and check its shape; unknown fields are kept as they are.

        Raises:
            InvalidRequest: as `json_body.decode`, or a field is of the wrong type; `param` names it.
        """
        ...

    def to_chat(self, body: JsonObject) -> Translation:
        """Translate a request that `decode` gave, or its masked copy. `body` isn't changed.

        Raises:
            InvalidRequest: a field makes no sense.
        """
        ...

    def encoder(self, body: JsonObject) -> Encoder:
        """Begin the answer to a request that `decode` gave."""
        ...

    def headers(self, headers: dict[str, str]) -> tuple[tuple[str, str], ...]:
        """Pick the request headers (lower-case names) that travel on to an upstream of this dialect.

        Raises:
            InvalidRequest: one of them isn't of the fixed shape that can hold no text.
        """
        ...

    def error(self, error: RouterError) -> bytes:
        """Return an error's body."""
        ...

    def error_frame(self, error: RouterError) -> bytes:
        """Return the event that ends a stream which broke."""
        ...


@cache
def codec(dialect: Dialect) -> Codec:
    """Find the codec of a dialect; its module is imported now."""
    return importlib.import_module(f"router.wire.inbound.{dialect.value}").CODEC
