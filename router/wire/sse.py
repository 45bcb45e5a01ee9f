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
    """Turns arbitrary chunks of bytes into whole events. Linear in what it is fed, however it is cut."""

    def __init__(self) -> None:
        self._waiting: list[bytes] = []
        self._size = 0
        self._tail = b""

    def feed(self, chunk: bytes) -> list[Event]:
        """Take the next bytes; return the events they complete. Comments and empty events are dropped.

        Raises:
            UpstreamProtocolError: an event grows past `MAX_EVENT_BYTES`.
        """
        # A boundary is at most four bytes long, so a new one shows in the last three waiting bytes and the new ones.
        if _BOUNDARY.search(self._tail + chunk) is None:
            self._hold(chunk)
            return []
        *blocks, rest = _BOUNDARY.split(b"".join([*self._waiting, chunk]))
        self._waiting, self._size, self._tail = [], 0, b""
        self._hold(rest)
        return [event for block in blocks if (event := _parse(block)) is not None]

    @property
    def incomplete(self) -> bool:
        """Whether bytes of an unfinished event are waiting."""
        return bool(b"".join(self._waiting).strip())

    def _hold(self, data: bytes) -> None:
        if data:
            self._waiting.append(data)
            self._size += len(data)
            self._tail = (self._tail + data[-3:])[-3:]
        if self._size > MAX_EVENT_BYTES:
            raise UpstreamProtocolError("the upstream sent an event larger than 16 MiB")


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


def frame(payload: bytes, event: bytes | None = None) -> bytes:
    """Frame one JSON payload, as an event with a name or without."""
    name = b"event: " + event + b"\n" if event else b""
    return name + b"data: " + payload + b"\n\n"
