"""What travels between the router and its scan workers: length-prefixed msgpack frames. Findings come back, never text."""

from __future__ import annotations

import struct
from typing import TypeAlias

import msgspec

HEADER = struct.Struct("!I")
"""A frame is the length of its body in 4 bytes, then the body."""


class Setup(msgspec.Struct, frozen=True):
    """What a template process is told first."""

    config: bytes
    """A `PrivacyConfig` as JSON."""
    folder: str | None = None
    """Where it may keep what takes long to compile."""


class Unit(msgspec.Struct, frozen=True, array_like=True):
    """Texts that are read together; what is found in them depends on nothing else."""

    texts: list[tuple[str, str]]
    """(key, text)."""
    joints: list[tuple[int, ...]] = []
    """Indexes of texts that belong together, in order."""
    is_seam: bool = False
    """Whether it holds only the edges of messages, each of which is a unit of its own. A text of a joint is then read in
    the joint alone, and what stands by itself, such as a name, isn't looked for again."""

    @property
    def chars(self) -> int:
        """How long the texts are together."""
        return sum(len(key) + len(text) for key, text in self.texts)


class Job(msgspec.Struct, frozen=True, array_like=True):
    """One scan for a worker."""

    id: int
    deadline_s: float
    """On the monotonic clock, which all processes of a machine share."""
    units: list[Unit]


WireMatch: TypeAlias = tuple[int, bool, int, int, str, float, str]
"""leaf, in_key, start, end, entity, score, recognizer: a `detector.Match`."""


class Found(msgspec.Struct, frozen=True, array_like=True):
    """What is in one unit, qualifiers included."""

    matches: list[WireMatch]
    unreadable: str = ""
    """Why that isn't all: `data` that says something and can't be read, or more `hits` than are counted."""


class Reply(msgspec.Struct, frozen=True, array_like=True):
    """What a worker answers: an error or one result per unit, in order.

    `error` says why nothing is known: `deadline`, `worker_error`, `worker_died`, `overloaded`.
    """

    id: int
    error: str = ""
    found: list[Found] = []


class Hello(msgspec.Struct, frozen=True):
    """First frame of the template process and of each worker."""

    pid: int
    error: str = ""
    kit: msgspec.Raw = msgspec.Raw(b"\xc0")
    """From the template: a `direct.Kit`, or nil if the router can't read short texts alone. It is large."""


WARM_UP = Unit([("", (
    "Patient Jane Example, born 1 May 1980, lives at 12 Station Road, e-mail jane@example.com, phone +1 202 555 0143, "
    "card 4111 1111 1111 1111, IBAN GB82 WEST 1234 5698 7654 32, SSN 856-45-6789, password: q8Zr!vT2mLx9."
))])  # fmt: skip
"""A text that makes every common path run once, so that the first request is as fast as the others."""


def frame(body: bytes) -> bytes:
    """Put the length in front."""
    return HEADER.pack(len(body)) + body
