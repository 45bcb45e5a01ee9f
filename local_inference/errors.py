"""Why an adapter is turned down: one reason code, a message and a fix each."""

from __future__ import annotations

from router.core.errors import AdapterIncompatible


class Rejected(AdapterIncompatible):
    """An adapter that can't be served. `reason` is a stable code, `fix` says what its owner can do."""

    def __init__(self, reason: str, message: str, fix: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.fix = fix
