"""Why an adapter is turned down: one reason code, a message and a fix each."""

from __future__ import annotations

from router.core.errors import AdapterIncompatible

_MOST_CHARS = 1000


class Rejected(AdapterIncompatible):
    """An adapter that can't be served. `reason` is a stable code, `fix` says what its owner can do."""

    def __init__(self, reason: str, message: str, fix: str) -> None:
        super().__init__(fit_to_show(message))
        self.reason = reason
        self.fix = fix


def fit_to_show(text: str) -> str:
    """Make text with a stranger's names in it fit for logs, terminals and lists: one line, not long, that commands nothing."""
    shown = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text[:_MOST_CHARS])
    return shown if len(text) <= _MOST_CHARS else f"{shown}…"
