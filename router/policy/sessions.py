"""Remembers which conversations held something that must stay local; never what it was, nor their names in clear."""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict, defaultdict

from router.config.schema import SessionsConfig
from router.core.types import Request


class Sessions:
    """A bounded set of keyed hashes, each with the time until which its conversation is local. Lives in memory only.

    It is kept by key: where there are too many, the key that has most loses its oldest, so that none can push out another's.
    """

    def __init__(self, config: SessionsConfig) -> None:
        self._config = config
        self._secret = secrets.token_bytes(32)
        self._until_s: defaultdict[str, OrderedDict[bytes, float]] = defaultdict(OrderedDict)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def is_local(self, request: Request, now_s: float) -> bool:
        """Say whether the request belongs to a conversation that must stay local; `now_s` is monotonic time."""
        own = self._until_s.get(request.principal.id)
        return own is not None and any(own.get(name, now_s) > now_s for name in self._names(request))

    def keep_local(self, request: Request, now_s: float) -> None:
        """Note that the request's conversation must stay local from now on."""
        own = self._until_s[request.principal.id]
        for name in self._names(request):
            self._count += name not in own
            own[name] = now_s + self._config.ttl_s
            own.move_to_end(name)
        while self._count > self._config.max_sessions:
            max(self._until_s.values(), key=len).popitem(last=False)
            self._count -= 1

    def _names(self, request: Request) -> list[bytes]:
        """Hash each name that the conversation has; another key's conversation of that name is another one."""
        user = request.body.get("user")
        given = {
            "header": request.hints.session,
            "user": user if isinstance(user, str) else None,
            "response": request.conversation,
        }
        return [
            hashlib.blake2b(
                f"{by}\0{request.principal.id}\0{value}".encode(), key=self._secret, digest_size=16
            ).digest()
            for by, value in given.items()
            if value and by in self._config.by
        ]
