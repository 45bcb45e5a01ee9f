"""Who calls: API keys, kept as keyed hashes only, looked up by the full digest."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence

from router.config.schema import KeyConfig
from router.core.errors import Unauthenticated
from router.core.types import Principal

ANONYMOUS = Principal(id="anonymous")
"""The caller of a router without keys, which listens on loopback only."""


class Authenticator:
    """Maps `Authorization: Bearer` to a principal. The hash key is new at every start."""

    def __init__(self, keys: Sequence[KeyConfig]) -> None:
        self._pepper = secrets.token_bytes(32)
        self._principals = {self._digest(key.key.get_secret_value()): principal(key) for key in keys}

    def principal(self, authorization: str | None) -> Principal:
        """Find who a request's header speaks for.

        Raises:
            Unauthenticated: keys are configured, and this is none of them.
        """
        if not self._principals:
            return ANONYMOUS
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated("send your key as 'Authorization: Bearer <key>'")
        # What is looked up is a keyed hash of the whole key: the time it takes says nothing of any key.
        found = self._principals.get(self._digest(token.strip()))
        if found is None:
            raise Unauthenticated("this API key is not known to the router")
        return found

    def _digest(self, key: str) -> bytes:
        return hmac.new(self._pepper, key.encode(), hashlib.sha256).digest()


def principal(key: KeyConfig) -> Principal:
    """Say who the bearer of a key is."""
    return Principal(
        id=key.id,
        tenant=key.tenant,
        allowed_models=key.models,
        max_locality=key.max_locality.level,
        on_sensitive=key.on_sensitive.value if key.on_sensitive else None,
    )
