"""What the codecs of OpenAI's dialects share: no header of a caller's travels, and errors are in OpenAI's JSON."""

from __future__ import annotations

from router.core.errors import RouterError
from router.core.types import Delta, JsonObject
from router.wire import sse


class OpenAIErrors:
    """Part of a `Codec`."""

    def headers(self, headers: dict[str, str]) -> tuple[tuple[str, str], ...]:
        """See `Codec`."""
        del headers
        return ()

    def error(self, error: RouterError) -> bytes:
        """See `Codec`."""
        return error.body()

    def error_frame(self, error: RouterError) -> bytes:
        """See `Codec`."""
        return sse.frame(error.body())


class AsItIs:
    """An `Encoder` of answers that are never streamed, and only come from who speaks the caller's dialect."""

    def whole(self, delta: Delta) -> bytes:
        """See `Encoder`."""
        return delta.payload

    def frames(self, delta: Delta) -> bytes:
        """See `Encoder`."""
        del delta
        return b""

    def end(self) -> bytes:
        """See `Encoder`."""
        return b""


def wants_usage(body: JsonObject) -> bool:
    """Say whether a caller asked for the chunk with the usage."""
    options = body.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True
