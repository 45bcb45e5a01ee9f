"""What travels between the router and its scan workers: length-prefixed msgpack frames. Findings come back, never text."""

from __future__ import annotations

import struct
from typing import TypeAlias

import msgspec

from router.core.types import Sensitivity

HEADER = struct.Struct("!I")
"""A frame is the length of its body in 4 bytes, then the body."""


class Job(msgspec.Struct, frozen=True, array_like=True):
    """One scan for a worker."""

    id: int
    deadline_s: float
    """On the monotonic clock, which all processes of a machine share."""
    leaves: list[tuple[str, str]]
    """(key, text)."""
    joints: list[tuple[int, ...]]
    """Indexes of leaves that belong together, in order."""


WireMatch: TypeAlias = tuple[int, bool, int, int, str, float, str]
"""leaf, in_key, start, end, entity, score, recognizer: a `detector.Match`."""


class Reply(msgspec.Struct, frozen=True, array_like=True):
    """What a worker answers. `error` is empty, or why nothing is known: `deadline`, `worker_error`, `worker_died`."""

    id: int
    error: str = ""
    sensitivity: int = Sensitivity.RESTRICTED
    matches: list[WireMatch] = []
    unreadable: bool = False
    """Whether a text holds data that says something and can't be read."""


class Hello(msgspec.Struct, frozen=True):
    """First frame of the template process and of each worker."""

    pid: int
    error: str = ""


WARM_UP = (
    "Patient Jane Example, born 1 May 1980, lives at 12 Station Road, e-mail jane@example.com, phone +1 202 555 0143, "
    "card 4111 1111 1111 1111, IBAN GB82 WEST 1234 5698 7654 32, SSN 856-45-6789, password: q8Zr!vT2mLx9."
)
"""A text that makes every common path run once, so that the first request is as fast as the others."""


def frame(body: bytes) -> bytes:
    """Put the length in front."""
    return HEADER.pack(len(body)) + body
