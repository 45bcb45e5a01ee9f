"""Server-sent events: an incremental parser and the few bytes of framing that we write."""

from __future__ import annotations

import re

import msgspec

from router.core.errors import UpstreamProtocolError

_BOUNDARY = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_LINE_END = re.compile(rb"\r\n|\n|\r")

MAX_EVENT_BYTES = 16 * 1024 * 1024
"""An event larger than this is taken for a broken upstream, so that it can't fill the memory."""

DONE = b"data: [DONE]\n\n"


class Event(msgspec.Struct, frozen=True):
    """One event: its name (None = unnamed) and its data lines joined by newlines."""

    name: bytes | None
    data: bytes


class Parser:
    """Turns arbitrary chunks of bytes into whole events."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[Event]:
        """Take the next bytes; return the events they complete. Comments and empty events are dropped.

        Raises:
            UpstreamProtocolError: an event grows past `MAX_EVENT_BYTES`.
        """
        buffered = self._rest + chunk if self._rest else chunk
        *blocks, self._rest = _BOUNDARY.split(buffered)
        if len(self._rest) > MAX_EVENT_BYTES:
            raise UpstreamProtocolError("the upstream sent an event larger than 16 MiB")
        return [event for block in blocks if (event := _parse(block)) is not None]

    @property
    def incomplete(self) -> bool:
        """Whether bytes of an unfinished event are waiting."""
        return bool(self._rest.strip())


def _parse(block: bytes) -> Event | None:
    name: bytes | None = None
    data: list[bytes] = []
    for line in _LINE_END.split(block):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value
    return Event(name, b"\n".join(data)) if data else None


def frame(payload: bytes) -> bytes:
    """Frame one JSON payload as an unnamed event."""
    return b"data: " + payload + b"\n\n"
