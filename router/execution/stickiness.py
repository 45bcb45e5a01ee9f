"""Remembers which deployment answered each conversation last; hashes and names of deployments only, in memory only."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from router.core import clock

MAX_SESSIONS = 100_000
"""Conversations that are remembered; with more, the key that has most of them loses its oldest."""


class _Stuck(NamedTuple):
    deployment: str
    until_s: float


class Stickiness:
    """A bounded table, kept by key so that none can push out another's. Lives on the event loop; no locks needed."""

    def __init__(
        self, ttl_s: float, max_sessions: int = MAX_SESSIONS, now_s: Callable[[], float] = clock.monotonic_s
    ) -> None:
        self._ttl_s, self._max_sessions, self._now_s = ttl_s, max_sessions, now_s
        self._by_key: dict[str, OrderedDict[str, _Stuck]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def deployment(self, key: str, session: str) -> str | None:
        """Name the deployment that answered a key's conversation last; None = none did, or it is too long ago."""
        own = self._by_key.get(key)
        found = own.get(session) if own is not None else None
        return found.deployment if found is not None and found.until_s > self._now_s() else None

    def answered(self, key: str, session: str, deployment: str) -> None:
        """Note that a deployment answered a key's conversation, whole."""
        now_s = self._now_s()
        own = self._by_key.setdefault(key, OrderedDict())
        self._count += session not in own
        own[session] = _Stuck(deployment, now_s + self._ttl_s)
        own.move_to_end(session)
        oldest = next(iter(own))
        if own[oldest].until_s <= now_s:
            self._drop(key, oldest)
        while self._count > self._max_sessions:
            key = max(self._by_key, key=lambda name: len(self._by_key[name]))
            self._drop(key, next(iter(self._by_key[key])))

    def _drop(self, key: str, session: str) -> None:
        own = self._by_key[key]
        del own[session]
        self._count -= 1
        if not own:
            del self._by_key[key]
