"""What Google's APIs share: access tokens of a service account, and error answers read by their codes."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Mapping

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from router.core import clock
from router.core.errors import (
    ConfigError,
    ContextTooLong,
    RouterError,
    UpstreamAuthFailed,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)
from router.providers._http import UNREADABLE, Egress, read_bounded, refusal
from router.wire.rate_limits import retry_after_s

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LIFE_S = 3600
"""How long an assertion may be used, and the token that is given for it; the most that Google allows.

Source: https://developers.google.com/identity/protocols/oauth2/service-account (2026-11).
"""

MARGIN_S = 120.0
"""A token is renewed so long before it expires, for a request that takes it must still arrive with it."""

_TOKEN_TIMEOUT_S = 10.0
_MAX_TOKEN_BYTES = 64 * 1024
_NEW_KEY = "make one in the Google Cloud console (IAM, Service Accounts, Keys, JSON) and write credentials: file:PATH"


class TokenRefused(UpstreamAuthFailed):
    """Google says 401: the token or key isn't valid, or not any more."""


# --- error answers ----------------------------------------------------------------------------------------------------


class _Detail(msgspec.Struct, rename="camel"):
    reason: str = ""
    retry_delay: str = ""


class _Error(msgspec.Struct):
    status: str = ""
    details: list[_Detail] = []


class _Envelope(msgspec.Struct):
    error: _Error | None = None


_ERROR: msgspec.json.Decoder[_Envelope | list[_Envelope]] = msgspec.json.Decoder(_Envelope | list[_Envelope])
_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_ACCOUNT = frozenset({"UNAUTHENTICATED", "PERMISSION_DENIED", "FAILED_PRECONDITION"})
"""FAILED_PRECONDITION is about the account too: no billing, or a country that isn't served.

Source: https://ai.google.dev/gemini-api/docs/troubleshooting (2026-11).
"""

_KEY_REASON = re.compile(r"(?:API_KEY|ACCESS_TOKEN|CREDENTIALS|ACCOUNT_STATE|CONSUMER|BILLING|SERVICE)_[A-Z_]+")
"""Reasons of `google.rpc.ErrorInfo` that are about key, account or project.

Source: https://github.com/googleapis/googleapis/blob/master/google/api/error_reason.proto (2026-11).
"""


def google_refusal(who: str, status: int, body: bytes, wait_s: float | None) -> RouterError:
    """Turn an error answer into our error, by its codes, never by words in its text; see `_http.refusal`."""
    error = _error_of(body)
    code = error.status if _CODE.fullmatch(error.status) else ""
    message = f"{who} answered {status}{f' ({code})' if code else ''}"
    if status == 413:
        return ContextTooLong(message)
    refused = f"{who} refused the router's key for it ({status}); check its key, account and project"
    if status == 401 or code == "UNAUTHENTICATED":
        return TokenRefused(refused)
    if status == 429 or code == "RESOURCE_EXHAUSTED":
        return UpstreamRateLimited(message, retry_after_s=_delay_s(error) or wait_s)
    is_key = status < 500 and any(_KEY_REASON.fullmatch(detail.reason) for detail in error.details)
    if status == 403 or code in _ACCOUNT or is_key:
        return UpstreamAuthFailed(refused)
    if code in ("INVALID_ARGUMENT", "OUT_OF_RANGE"):
        return UpstreamRejected(message)
    if code == "CANCELLED":
        return UpstreamUnavailable(message)
    return refusal(who, status, b"", wait_s, local=False)


def _error_of(body: bytes) -> _Error:
    try:
        envelope = _ERROR.decode(body)
    except UNREADABLE:
        return _Error()
    first = envelope if isinstance(envelope, _Envelope) else next(iter(envelope), _Envelope())
    return first.error or _Error()


def _delay_s(error: _Error) -> float | None:
    """Read `google.rpc.RetryInfo`, like `"34.07s"`."""
    for detail in error.details:
        if detail.retry_delay.endswith("s"):
            return retry_after_s({"retry-after": detail.retry_delay[:-1][:17]}, 0)
    return None


# --- access tokens ----------------------------------------------------------------------------------------------------


class _KeyFile(msgspec.Struct):
    type: str
    client_email: str
    private_key: str
    private_key_id: str = ""
    token_uri: str = "https://oauth2.googleapis.com/token"
    project_id: str = ""


class _Token(msgspec.Struct):
    access_token: str
    expires_in: float = LIFE_S


class Account:
    """A service account's key."""

    def __init__(self, text: str) -> None:
        """Read a key file's text.

        Raises:
            ConfigError: it can't be used; says what to do.
        """
        try:
            file = msgspec.json.decode(text, type=_KeyFile)
        except msgspec.ValidationError as error:
            raise ConfigError(f"the credentials aren't a service account's key ({error}); {_NEW_KEY}") from None
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            raise ConfigError(f"the credentials aren't JSON; {_NEW_KEY}") from None
        if file.type != "service_account":
            raise ConfigError(f"the credentials are of another type than service_account; {_NEW_KEY}")
        try:
            key = load_pem_private_key(file.private_key.encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise ConfigError(f"the credentials' private_key can't be read; {_NEW_KEY}") from None
        if not isinstance(key, RSAPrivateKey):
            raise ConfigError(f"the credentials' private_key isn't RSA; {_NEW_KEY}")
        self._key = key
        self._key_id = file.private_key_id
        self.email = file.client_email
        self.token_uri = file.token_uri
        self.project = file.project_id

    def assertion(self, now_s: int) -> str:
        """Sign a claim to be this account, as a JSON web token (RS256, RFC 7519)."""
        header = {"alg": "RS256", "typ": "JWT", **({"kid": self._key_id} if self._key_id else {})}
        claims = {"iss": self.email, "scope": SCOPE, "aud": self.token_uri, "iat": now_s, "exp": now_s + LIFE_S}
        signed = b".".join(_base64url(msgspec.json.encode(part)) for part in (header, claims))
        signature = self._key.sign(signed, PKCS1v15(), hashes.SHA256())
        return (signed + b"." + _base64url(signature)).decode()


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


class Tokens:
    """A service account's access token: fetched when it is needed, kept until shortly before it expires."""

    def __init__(self, name: str, account: Account, *, connect_s: float) -> None:
        """Open no connection yet.

        Raises:
            ConfigError: the account's `token_uri` is no URL, or neither https nor loopback.
        """
        self._name = f"{name}: the token host"
        self._account = account
        self._egress = Egress(
            self._name, account.token_uri, {}, connect_s=connect_s, local=False, refusal=_token_refusal
        )
        self._token: str | None = None
        self._good_until_s = 0.0
        self._fetching = asyncio.Lock()

    async def get(self, refused: str | None = None) -> str:
        """Return a token, but for one that was `refused`. However many ask, one fetches.

        Raises:
            UpstreamAuthFailed: the account's key isn't accepted.
            RouterError: another of the `Upstream…` family; the token host is down or talks nonsense.
        """
        async with self._fetching:
            token = self._token
            if token is None or token == refused or clock.monotonic_s() >= self._good_until_s:
                token = await self._fetch()
            return token

    async def _fetch(self) -> str:
        started_s = clock.monotonic_s()
        form = {"grant_type": GRANT, "assertion": self._account.assertion(int(clock.unix_s()))}
        async with self._egress.post_grant(form, _TOKEN_TIMEOUT_S) as response:
            payload = await read_bounded(response, _MAX_TOKEN_BYTES)
        try:
            token = msgspec.json.decode(payload or b"", type=_Token)
        except UNREADABLE:
            raise UpstreamProtocolError(f"{self._name} sent something else than a token") from None
        if not token.access_token.isascii() or not token.access_token.isprintable() or not token.access_token:
            raise UpstreamProtocolError(f"{self._name} sent a token that can't be one")
        life_s = max(token.expires_in, 0.0)
        self._good_until_s = started_s + life_s - min(MARGIN_S, life_s / 2)
        self._token = token.access_token
        return token.access_token

    async def aclose(self) -> None:
        """Close all connections."""
        await self._egress.aclose()


def _token_refusal(who: str, status: int, headers: Mapping[str, str], body: bytes) -> RouterError:
    """400 and 401 are `invalid_grant` and its like (RFC 6749): the key was deleted, or the clock is wrong."""
    del body
    if status in (400, 401, 403):
        what = "refused the service account's key; make a new one, and check this machine's clock"
        return UpstreamAuthFailed(f"{who} {what}")
    wait_s = retry_after_s(headers, clock.unix_s())
    return UpstreamUnavailable(f"{who} answered {status}", retry_after_s=wait_s or None)
