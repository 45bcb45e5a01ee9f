"""Remembers which conversations held something that must stay local; never what it was, nor their names in clear."""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict

from router.config.schema import SessionsConfig
from router.core.types import Request


class Sessions:
    """A bounded set of keyed hashes, each with the time until which its conversation is local. Lives in memory only."""

    def __init__(self, config: SessionsConfig) -> None:
        self._config = config
        self._secret = secrets.token_bytes(32)
        self._until_s: OrderedDict[bytes, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._until_s)

    def is_local(self, request: Request, now_s: float) -> bool:
        """Say whether the request belongs to a conversation that must stay local; `now_s` is monotonic time."""
        return any(self._until_s.get(name, now_s) > now_s for name in self._names(request))

    def keep_local(self, request: Request, now_s: float) -> None:
        """Note that the request's conversation must stay local from now on."""
        for name in self._names(request):
            self._until_s[name] = now_s + self._config.ttl_s
            self._until_s.move_to_end(name)
        while self._until_s and len(self._until_s) > self._config.max_sessions:
            self._until_s.popitem(last=False)

    def _names(self, request: Request) -> list[bytes]:
        """Hash each name the caller gave the conversation; another key's conversation of that name is another one."""
        user = request.body.get("user")
        given = {"header": request.hints.session, "user": user if isinstance(user, str) else None}
        return [
            hashlib.blake2b(
                f"{by}\0{request.principal.id}\0{value}".encode(), key=self._secret, digest_size=16
            ).digest()
            for by, value in given.items()
            if value and by in self._config.by
        ]
