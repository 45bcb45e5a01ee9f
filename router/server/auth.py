"""Who calls: API keys, kept as keyed hashes only, looked up by the full digest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from urllib.parse import urlsplit

from router.config.schema import KeyConfig
from router.core.errors import RecordUnavailable, Unauthenticated
from router.core.types import Principal
from router.providers._http import is_loopback
from router.record.keys import digest
from router.record.ledger import Ledger

ANONYMOUS = Principal(id="anonymous", admin=True)
"""The caller of a router without keys, which listens on loopback only."""

_STORE_S = 1.0
"""After how long it is worth asking again while the store wasn't read yet."""


class Authenticator:
    """Maps `Authorization: Bearer` or `x-api-key` to a principal: one of the configuration's, or one of the ledger's store."""

    def __init__(
        self, keys: Sequence[KeyConfig], secret: bytes, ledger: Ledger | None = None, *, host: str = "127.0.0.1"
    ) -> None:
        """`secret` (32 bytes) is the installation's, with which keys in the store are hashed too; `host` is what the router
        listens on: but for loopback nobody comes in without a key, whatever was found in the store at the start."""
        self._secret = secret
        self._needs_key = not is_loopback(host)
        self._principals = {digest(secret, key.key.get_secret_value()): principal(key) for key in keys}
        self._ids = {one.id for one in self._principals.values()}
        self._ledger = ledger

    def principal(self, authorization: str | None, api_key: str | None = None) -> Principal:
        """Find who a request's headers speak for; where both are there, either may.

        Raises:
            Unauthenticated: keys are configured, and this is none of them.
            RecordUnavailable: whether there are keys isn't known: the store was never read.
        """
        stored = self._ledger.keys if self._ledger is not None else {}
        if not self._needs_key and not self._principals and (self._ledger is None or not self._ledger.has_keys):
            if self._ledger is not None and not self._ledger.is_known:
                message = "the ledger's store can't be read, so nobody knows whether a key is needed; see /ready"
                raise RecordUnavailable(message, retry_after_s=_STORE_S)
            return ANONYMOUS
        scheme, _, token = (authorization or "").partition(" ")
        given = [token if scheme.lower() == "bearer" else "", api_key or ""]
        keys = [key.strip() for key in given if key.strip()]
        if not keys:
            raise Unauthenticated("send your key as 'Authorization: Bearer <key>' or 'x-api-key: <key>'")
        # What is looked up is a keyed hash of the whole key: the time it takes says nothing of any key.
        digests = [digest(self._secret, key) for key in keys]
        known = next((self._principals[one] for one in digests if one in self._principals), None)
        if known is None:  # an id of the configuration's is nobody else's
            known = next((stored[one] for one in digests if one in stored and stored[one].id not in self._ids), None)
        if known is None:
            raise Unauthenticated("this API key is not known to the router")
        return known


def is_foreign_page(headers: Mapping[str, str]) -> bool:
    """Say whether a web page from elsewhere asks, by its headers (lower-case names).

    A router without keys trusts its machine's users, not the web pages they look at: such a page can send requests to
    loopback, and reads the answers too where its own name is made to mean loopback. Pages of this machine's own servers and
    of desktop programs (`app://`, `file://`) are its users' programs. A name without a dot is nobody's on the internet.
    """
    host, origin = headers.get("host"), headers.get("origin")
    asked = None if host is None else _host_of(f"//{host}")
    if asked is not None and not _is_here(asked) and ("." in asked or ":" in asked or not asked):
        return True
    return origin == "null" or (origin is not None and origin.startswith("http") and not _is_here(_host_of(origin)))


@lru_cache(maxsize=256)
def _host_of(url: str) -> str:
    """Return the host of a URL; empty = it is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


@lru_cache(maxsize=256)
def _is_here(host: str) -> bool:
    """Say whether a host is this machine: loopback, a name below `localhost`, or the address that means any of its own."""
    return is_loopback(host) or host == "0.0.0.0" or host.endswith(".localhost")


def principal(key: KeyConfig) -> Principal:
    """Say who the bearer of a key is."""
    return Principal(
        id=key.id,
        tenant=key.tenant,
        allowed_models=key.models,
        max_locality=key.max_locality.level,
        on_sensitive=key.on_sensitive.value if key.on_sensitive else None,
        limits=key.limits,
        admin=key.admin,
    )
