"""The only way out: an HTTP client that sends nothing without a clearance, and speaks our errors.

Bound to one base URL at construction: no caller, body or redirect can name another host.
"""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Protocol
from urllib.parse import urlencode, urlsplit

import msgspec
from pyreqwest import exceptions as foreign
from pyreqwest.client import Client, ClientBuilder
from pyreqwest.request import RequestBuilder
from pyreqwest.response import Response

from router.core import clock
from router.core.errors import (
    AdapterIncompatible,
    AdapterNotFound,
    AdapterNotReady,
    ConfigError,
    ContextTooLong,
    InternalError,
    LocalityViolation,
    Overloaded,
    RouterError,
    SlotsExhausted,
    UpstreamAuthFailed,
    UpstreamConnectTimeout,
    UpstreamFiltered,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
    UpstreamUnreachable,
)
from router.core.ports import ignored
from router.core.types import Cleared, Locality
from router.wire.rate_limits import retry_after_s

MAX_ERROR_BYTES = 64 * 1024
"""How much of an upstream's error body is read."""

MAX_ANSWER_BYTES = 256 * 1024 * 1024
"""A whole answer larger than this is taken for a broken upstream."""

IDLE_S = 30.0
"""How long an idle connection is kept: less than most servers do, or a request meets one that is being closed."""

_TRANSLATED: tuple[tuple[type[foreign.PyreqwestError], type[RouterError], str], ...] = (
    (foreign.ConnectTimeoutError, UpstreamConnectTimeout, "connect time is over"),
    (foreign.RequestTimeoutError, UpstreamTimeout, "the connection timed out"),
    (foreign.ConnectError, UpstreamUnreachable, "can't connect"),
    (foreign.NetworkError, UpstreamUnavailable, "the connection broke"),
    (foreign.TransportError, UpstreamUnavailable, "the connection failed"),
    (foreign.DecodeError, UpstreamProtocolError, "the answer can't be decoded"),
    (foreign.RedirectError, UpstreamProtocolError, "the upstream redirects"),
    (foreign.StatusError, UpstreamProtocolError, "the upstream answered with an error status"),
    (foreign.ClientClosedError, UpstreamUnavailable, "the router is shutting down"),
    (foreign.RequestPanicError, InternalError, "the HTTP client failed"),
    (foreign.BuilderError, InternalError, "the HTTP client refused the request"),
    (foreign.RequestError, UpstreamUnavailable, "the request failed"),
    (foreign.PyreqwestError, UpstreamUnavailable, "the request failed"),
)
"""Foreign exception -> ours, most specific first. A test walks the foreign tree: none is unmapped."""


def translate(error: foreign.PyreqwestError, who: str) -> RouterError:
    """Turn an exception of the HTTP client into one of ours. Its own text, which may hold a URL, is dropped."""
    for kind, ours, what in _TRANSLATED:
        if isinstance(error, kind):
            return ours(f"{who}: {what}")
    return InternalError(f"{who}: {type(error).__name__}")


Refusal = Callable[[str, int, Mapping[str, str], bytes], RouterError | None]
"""A vendor's own way to read (who, status, headers by lower-case name, body) of an error answer; None = as any other's."""

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding an upstream's bytes may raise."""


class Sender(Protocol):
    """What sends a cleared request: an `Egress`, or a choice of several."""

    def post(
        self,
        path: str,
        body: bytes,
        cleared: Cleared,
        headers: Mapping[str, str] | None = None,
        heard: Callable[[Mapping[str, str]], None] = ignored,
    ) -> AbstractAsyncContextManager[Response]:
        """See `Egress.post`."""
        ...

    async def reachable(self, timeout_s: float) -> bool:
        """See `Egress.reachable`."""
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...


def host_of(url: str) -> str:
    """Read the host out of a base URL.

    Raises:
        ConfigError: no request could be sent there, or the URL holds credentials.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname if parts.scheme in ("http", "https") and parts.port != 0 else None
    except ValueError:  # brackets or a port that are none
        parts = host = None
    if parts is None or not host:
        raise ConfigError(f"'{url}' is not a URL; write http(s)://host[:port]/path")
    if parts.username or parts.password:
        raise ConfigError("a URL must not hold credentials; use 'api_key'")
    return host


class Egress:
    """Connections to one upstream."""

    def __init__(
        self,
        name: str,
        base_url: str,
        headers: Mapping[str, str],
        *,
        connect_s: float,
        local: bool,
        refusal: Refusal | None = None,
    ) -> None:
        """Open no connection yet. `local` marks the engine host, the only one text may reach uncleared of policy.

        `refusal` reads error answers of an upstream that doesn't write them as OpenAI does.

        Raises:
            ConfigError: the base URL isn't http(s), or holds credentials.
        """
        host = host_of(base_url)
        self._name = name
        self._base = base_url.rstrip("/")
        self._local = local
        self._own_refusal = refusal
        builder = (
            ClientBuilder()
            .connect_timeout(timedelta(seconds=connect_s))
            .follow_redirects(False)
            .pool_max_idle_per_host(256)
            .pool_idle_timeout(timedelta(seconds=IDLE_S))
            .tcp_nodelay(True)
            .user_agent("sona-router")
            .default_headers(dict(headers))
        )
        if local or is_loopback(host):
            builder = builder.no_proxy()
        self._client: Client = builder.build()

    def post(
        self,
        path: str,
        body: bytes,
        cleared: Cleared,
        headers: Mapping[str, str] | None = None,
        heard: Callable[[Mapping[str, str]], None] = ignored,
    ) -> AbstractAsyncContextManager[Response]:
        """Send a cleared request; the response's body is still to be read. Leaving the block cancels it.

        `heard` gets the headers of every answer, of errors too; the client makes their names lower-case.

        Raises:
            LocalityViolation: no clearance, or one for another target.
            RouterError: the upstream can't be reached or answers with an error status.
        """
        self._check(cleared)
        request = self._client.post(self._base + path).header("content-type", "application/json").body_bytes(body)
        if headers:
            request = request.headers(dict(headers))
        if cleared.stream:
            # By default the client holds an answer back until 64 KiB of it are there.
            request = request.streamed_read_buffer_limit(0)
        return self._sent(request, heard=heard)

    def get(
        self, path: str, timeout_s: float, accepted: frozenset[int] = frozenset()
    ) -> AbstractAsyncContextManager[Response]:
        """Ask for a resource; holds no text of any request, so it needs no clearance.

        Raises:
            RouterError: the upstream can't be reached or answers with an error status that isn't `accepted`.
        """
        request = self._client.get(self._base + path).timeout(timedelta(seconds=timeout_s))
        return self._sent(request, accepted)

    def post_order(self, path: str, timeout_s: float) -> AbstractAsyncContextManager[Response]:
        """Order the engine host to do something that stands in the path alone; it holds no text of any request.

        Raises:
            LocalityViolation: this isn't the engine host.
            RouterError: it can't be reached or refuses.
        """
        if not self._local:
            raise LocalityViolation(f"{self._name}: orders are for the engine host alone")
        return self._sent(self._client.post(self._base + path).timeout(timedelta(seconds=timeout_s)))

    def post_grant(self, form: Mapping[str, str], timeout_s: float) -> AbstractAsyncContextManager[Response]:
        """Trade the router's own credentials for a token at the base URL; holds nothing of any request, so it needs no
        clearance.

        Raises:
            RouterError: the upstream can't be reached or answers with an error status.
        """
        request = self._client.post(self._base).header("content-type", "application/x-www-form-urlencoded")
        return self._sent(request.body_bytes(urlencode(form).encode()).timeout(timedelta(seconds=timeout_s)))

    @asynccontextmanager
    async def _sent(
        self,
        request: RequestBuilder,
        accepted: frozenset[int] = frozenset(),
        heard: Callable[[Mapping[str, str]], None] = ignored,
    ) -> AsyncGenerator[Response]:
        """Send a request, and speak our errors as long as the answer is read."""
        try:
            async with request.build_streamed() as response:
                heard(response.headers)
                if response.status >= 400 and response.status not in accepted:
                    raise await self._refusal(response)
                if 300 <= response.status < 400:
                    raise UpstreamProtocolError(f"{self._name}: the upstream redirects; set base_url to where it is")
                yield response
        except foreign.PyreqwestError as error:
            raise translate(error, self._name) from None

    async def reachable(self, timeout_s: float) -> bool:
        """Say whether the upstream answers at all, whatever it answers; sends nothing of any request."""
        try:
            async with self._client.head(self._base).timeout(timedelta(seconds=timeout_s)).build_streamed():
                return True
        except foreign.PyreqwestError:
            return False

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.close()

    def _check(self, cleared: Cleared) -> None:
        # Pyright proves it where types are known; this holds where they aren't.
        if not isinstance(cleared, Cleared):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise LocalityViolation(f"{self._name}: nothing is sent without a clearance")
        if cleared.target.provider != self._name or (cleared.target.locality is Locality.LOCAL) != self._local:
            raise LocalityViolation(f"{self._name}: the clearance is for {cleared.target.label}")

    async def _refusal(self, response: Response) -> RouterError:
        body = await read_bounded(response, MAX_ERROR_BYTES)
        headers = response.headers
        own = self._own_refusal and self._own_refusal(self._name, response.status, headers, body or b"")
        if own is not None:
            return own
        wait_s = retry_after_s(headers, clock.unix_s())
        return refusal(self._name, response.status, body or b"", wait_s, local=self._local)


async def read_bounded(response: Response, limit: int) -> bytes | None:
    """Read a whole body; None if it is longer than `limit` bytes."""
    reader = response.body_reader
    chunks: list[bytes] = []
    size = 0
    while (chunk := await reader.read_chunk()) is not None:
        size += len(chunk)
        if size > limit:
            return None
        chunks.append(bytes(chunk))
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


class _ErrorBody(msgspec.Struct):
    message: str | None = None
    type: str | None = None
    code: str | int | None = None


class _ErrorEnvelope(msgspec.Struct):
    error: _ErrorBody | str | None = None


_ERROR = msgspec.json.Decoder(_ErrorEnvelope)
_TOO_LONG = ("context_length_exceeded", "string_above_max_length")
_FILTERED = ("content_filter", "content_policy_violation")
_LOCAL_CODES: Mapping[str, type[RouterError]] = {
    kind.code: kind for kind in (AdapterNotReady, SlotsExhausted, AdapterNotFound, AdapterIncompatible)
}


def refusal(who: str, status: int, body: bytes, wait_s: float | None, *, local: bool) -> RouterError:
    """Turn an upstream's error answer into our error, by status and code, never by words in its text.

    `wait_s` is what its headers ask to wait.

    The upstream's text isn't shown, for it may quote the prompt or a key; the local engine host's is ours.
    """
    error = _error_of(body)
    code = str(error.code or error.type or "")
    text = f": {error.message}" if local and error.message else (f" ({code[:64]})" if code else "")
    message = f"{who} answered {status}{text}"
    if local and code in _LOCAL_CODES:
        return _LOCAL_CODES[code](error.message or message, retry_after_s=wait_s)
    if code in _TOO_LONG or status == 413:
        return ContextTooLong(message)
    if code in _FILTERED:
        return UpstreamFiltered(message)
    if status in (401, 402, 403, 407):
        return UpstreamAuthFailed(f"{who} refused the router's key for it ({status}); check its api_key and account")
    if status == 429:
        return UpstreamRateLimited(message, retry_after_s=wait_s)
    if status == 404:
        return UpstreamUnavailable(f"{who} doesn't know the model or path (404); check base_url and model")
    if status == 408:
        return UpstreamTimeout(message)
    if status in (503, 529):
        return (
            Overloaded(message, retry_after_s=wait_s) if local else UpstreamUnavailable(message, retry_after_s=wait_s)
        )
    return UpstreamUnavailable(message) if status >= 500 else UpstreamRejected(message)


def _error_of(body: bytes) -> _ErrorBody:
    try:
        error = _ERROR.decode(body).error
    except UNREADABLE:
        return _ErrorBody()
    return error if isinstance(error, _ErrorBody) else _ErrorBody(message=error)


def is_loopback(host: str) -> bool:
    """Whether a host name is this machine's loopback."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
