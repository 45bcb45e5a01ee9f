"""A recognizer that misbehaves when a text asks for it; put among the router's own, it runs in the real scan workers.

It is copied into `router/privacy/recognizers/` of a copy of the package, so it imports nothing of the tests.
"""

from __future__ import annotations

import contextlib
import os
import stat
import struct
import time
from collections.abc import Callable
from typing import Any

from presidio_analyzer import EntityRecognizer, Pattern, PatternRecognizer

EXAMPLES = ()

SLOW_S = 0.3


def _raise(text: str) -> None:
    raise ValueError(text)


def _no_memory(text: str) -> None:
    raise MemoryError(text)


def _too_deep(text: str) -> None:
    _too_deep(text)


def _slow(text: str) -> None:
    del text
    time.sleep(SLOW_S)


def _hang(text: str) -> None:
    del text
    time.sleep(3600)


def _exit(text: str) -> None:
    """Leave in the middle of a reply."""
    _reply(struct.pack("!I", 500) + text.encode()[:20])
    os._exit(1)


def _garble(text: str) -> None:
    """Say something that is no reply."""
    _reply(struct.pack("!I", 5) + b"\xc1gar" + text[:1].encode())


def _lie(text: str) -> None:
    """Announce a reply that never ends."""
    del text
    _reply(struct.pack("!I", 2**31))


def _clean(text: str) -> None:
    """Answer in the scan's place, for a job that isn't there: `id 0, no error, PUBLIC, no matches`."""
    del text
    _reply(struct.pack("!I", 6) + b"\x95\x00\xa0\x00\x90\xc2")


def _reply(data: bytes) -> None:
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                os.write(int(name), data)


ACTS: dict[str, Callable[[str], None]] = {
    "raise": _raise,
    "memory": _no_memory,
    "deep": _too_deep,
    "slow": _slow,
    "hang": _hang,
    "exit": _exit,
    "garble": _garble,
    "lie": _lie,
    "clean": _clean,
}


class Hostile(EntityRecognizer):
    """Does what a text says behind the word `zzfault`."""

    def load(self) -> None:
        pass

    def analyze(self, text: str, entities: list[str], nlp_artifacts: Any = None) -> list[Any]:
        """Find nothing."""
        del entities, nlp_artifacts
        for name, act in ACTS.items():
            if f"zzfault {name}" in text:
                act(text)
        return []


def build() -> list[EntityRecognizer]:
    """Give the recognizer, and one whose expression needs time without end for `zzfault redos`."""
    expression = r"(?:z|zz|z+)+ q"
    endless = PatternRecognizer("PASSWORD", "endless", patterns=[Pattern("endless", expression, 0.9)])
    return [Hostile(["PERSON"], name="hostile"), endless]
