"""Who calls: API keys, kept as keyed hashes only, looked up by the full digest."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence

from router.config.schema import KeyConfig
from router.core.errors import Unauthenticated
from router.core.types import Principal

ANONYMOUS = Principal(id="anonymous", admin=True)
"""The caller of a router without keys, which listens on loopback only."""


class Authenticator:
    """Maps `Authorization: Bearer` or `x-api-key` to a principal. The hash key is new at every start."""

    def __init__(self, keys: Sequence[KeyConfig]) -> None:
        self._pepper = secrets.token_bytes(32)
        self._principals = {self._digest(key.key.get_secret_value()): principal(key) for key in keys}

    def principal(self, authorization: str | None, api_key: str | None = None) -> Principal:
        """Find who a request's headers speak for; where both are there, either may.

        Raises:
            Unauthenticated: keys are configured, and this is none of them.
        """
        if not self._principals:
            return ANONYMOUS
        scheme, _, token = (authorization or "").partition(" ")
        given = [token if scheme.lower() == "bearer" else "", api_key or ""]
        keys = [key.strip() for key in given if key.strip()]
        if not keys:
            raise Unauthenticated("send your key as 'Authorization: Bearer <key>' or 'x-api-key: <key>'")
        # What is looked up is a keyed hash of the whole key: the time it takes says nothing of any key.
        found = [self._principals.get(self._digest(key)) for key in keys]
        known = next((one for one in found if one is not None), None)
        if known is None:
            raise Unauthenticated("this API key is not known to the router")
        return known

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
        admin=key.admin,
    )
