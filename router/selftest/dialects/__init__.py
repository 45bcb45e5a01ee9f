"""How a mock cloud answers in a provider's dialect: one module for each kind, of the same name.

What a new kind needs, and all of it:

- `wants_stream(path, body)`: whether a request asks for a stream,
- `whole(model, text)`: the body of a whole answer that says `text`; `model` is what was asked for,
- `events(model, text)`: the same as the frames of a stream,
- a `base_url` among the provider's options, where its requests go. Any other option that names a host stops the
  self-test, since nothing could replace that host.

What a kind may have beside it, for a provider that also asks another host, like one that gives tokens:

- `redirected(options, url)`: the provider's options with that host replaced by the mock at `url`,
- `beside(path)`: the body that the mock answers with there; None for the paths of the model's own requests.

Where a stream isn't one of server-sent events, `STREAM_TYPE` is its media type.

A provider of a kind without a module here gets a mock that records what it is sent and answers 501.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from router.core.errors import ConfigError
from router.core.plugin import load
from router.core.types import JsonObject, JsonValue


class Dialect(Protocol):
    """What such a module offers."""

    def wants_stream(self, path: str, body: JsonObject) -> bool: ...

    def whole(self, model: str, text: str) -> bytes: ...

    def events(self, model: str, text: str) -> Iterable[bytes]: ...


@runtime_checkable
class AsksAnotherHost(Protocol):
    """What the module of a kind that also asks another host offers beside it."""

    def beside(self, path: str) -> bytes | None: ...

    def redirected(self, options: dict[str, JsonValue], url: str) -> dict[str, JsonValue]: ...


def stream_type(one: Dialect) -> str:
    """Return the media type of a dialect's streams."""
    return str(getattr(one, "STREAM_TYPE", "text/event-stream"))


def dialect(kind: str) -> Dialect | None:
    """Find a kind's dialect; None where there is none yet."""
    try:
        return load("router.selftest.dialects", kind)
    except ConfigError:
        return None
