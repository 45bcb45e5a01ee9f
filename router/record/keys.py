"""API keys that are kept in the store: as keyed hashes, with what their bearers may do."""

from __future__ import annotations

import hashlib
import hmac
import secrets

import msgspec

from router.core.types import Principal

PREFIX = "sk-sona-"


class StoredKey(msgspec.Struct, frozen=True, kw_only=True):
    """One key as the store has it; the key itself is nowhere."""

    principal: Principal
    digest: str
    """See `digest`; in hex."""
    secret_id: str
    """Which installation's secret it was hashed with; see `fingerprint`."""
    created_unix_s: int
    revoked_unix_s: int | None = None


def new_key() -> str:
    """Make a key nobody can guess: 256 bits of chance."""
    return PREFIX + secrets.token_urlsafe(32)


def digest(secret: bytes, key: str) -> bytes:
    """Hash a key with the installation's secret (32 bytes)."""
    return hmac.new(secret, key.encode(), hashlib.sha256).digest()


def fingerprint(secret: bytes) -> str:
    """Name a secret without telling it: the hash of a fixed text."""
    return hmac.new(secret, b"which secret is this?", hashlib.sha256).hexdigest()[:16]


def bearers(keys: tuple[StoredKey, ...], secret: bytes) -> dict[bytes, Principal]:
    """Return who may come in, by digest: those whose keys weren't revoked and were hashed with this secret."""
    own = fingerprint(secret)
    return {
        bytes.fromhex(key.digest): key.principal for key in keys if key.revoked_unix_s is None and key.secret_id == own
    }
