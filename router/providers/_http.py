"""The only way out: an HTTP client that sends nothing without a clearance, and speaks our errors.

Bound to one base URL at construction: no caller, body or redirect can name another host.
"""

from __future__ import annotations

import io
import ipaddress
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import msgspec
from yarl import URL

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

_MAX_HEADER_BYTES = 64 * 1024
_LARGE_BYTES = 1024 * 1024
"""A body from here on is sent piece by piece, so that nothing else waits for it."""
_JSON = {"content-type": "application/json"}
_FORM = {"content-type": "application/x-www-form-urlencoded"}

FOREIGN = (aiohttp.ClientError, TimeoutError, OSError)
"""What the HTTP client may raise."""

_TRANSLATED: tuple[tuple[type[Exception], type[RouterError], str], ...] = (
    (aiohttp.ConnectionTimeoutError, UpstreamConnectTimeout, "connect time is over"),
    (TimeoutError, UpstreamTimeout, "the connection timed out"),
    (aiohttp.ClientConnectorError, UpstreamUnreachable, "can't connect"),
    (aiohttp.ClientConnectionError, UpstreamUnavailable, "the connection broke"),
    (aiohttp.ClientPayloadError, UpstreamUnavailable, "the answer broke off, or can't be decoded"),
    (aiohttp.ClientHttpProxyError, UpstreamUnreachable, "the proxy refused to connect"),
    (aiohttp.ClientResponseError, UpstreamProtocolError, "the answer is not HTTP as it should be"),
    (aiohttp.InvalidURL, InternalError, "the HTTP client refused the request"),
    (aiohttp.ClientError, UpstreamUnavailable, "the request failed"),
    (OSError, UpstreamUnavailable, "the connection failed"),
)
"""Foreign exception -> ours, most specific first. A test walks the foreign tree: none is unmapped."""


def translate(error: Exception, who: str) -> RouterError:
    """Turn an exception of the HTTP client into one of ours. Its own text, which may hold a URL, is dropped."""
    for kind, ours, what in _TRANSLATED:
        if isinstance(error, kind):
            return ours(f"{who}: {what}")
    return InternalError(f"{who}: {type(error).__name__}")


class Answer:
    """An upstream's answer whose body is still to be read."""

    def __init__(self, response: aiohttp.ClientResponse, who: str) -> None:
        self._response = response
        self._who = who
        self.status = response.status
        self.headers: Mapping[str, str] = {name.lower(): response.headers[name] for name in response.headers}
        """By lower-case names; of several of one name the first."""

    async def chunk(self) -> bytes | None:
        """Read what has come of the body; None = it is over.

        Raises:
            RouterError: the connection breaks.
        """
        try:
            return await self._response.content.readany() or None
        except FOREIGN as error:
            raise translate(error, self._who) from None

    def close(self) -> None:
        """Close the connection, unless the answer is over: then others may use it."""
        self._response.close()


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
    ) -> AbstractAsyncContextManager[Answer]:
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
        self._headers = {"user-agent": "sona-router", "accept-encoding": "gzip, deflate", **headers}
        self._connect_s = connect_s
        self._proxy = None if local or is_loopback(host) else _proxy(self._base)
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    def post(
        self,
        path: str,
        body: bytes,
        cleared: Cleared,
        headers: Mapping[str, str] | None = None,
        heard: Callable[[Mapping[str, str]], None] = ignored,
    ) -> AbstractAsyncContextManager[Answer]:
        """Send a cleared request; the response's body is still to be read. Leaving the block cancels it.

        `heard` gets the headers of every answer, of errors too; the client makes their names lower-case.

        Raises:
            LocalityViolation: no clearance, or one for another target.
            RouterError: the upstream can't be reached or answers with an error status.
        """
        self._check(cleared)
        return self._sent("POST", path, body=body, headers={**_JSON, **(headers or {})}, heard=heard)

    def get(
        self, path: str, timeout_s: float, accepted: frozenset[int] = frozenset()
    ) -> AbstractAsyncContextManager[Answer]:
        """Ask for a resource; holds no text of any request, so it needs no clearance.

        Raises:
            RouterError: the upstream can't be reached or answers with an error status that isn't `accepted`.
        """
        return self._sent("GET", path, timeout_s=timeout_s, accepted=accepted)

    def post_order(self, path: str, timeout_s: float) -> AbstractAsyncContextManager[Answer]:
        """Order the engine host to do something that stands in the path alone; it holds no text of any request.

        Raises:
            LocalityViolation: this isn't the engine host.
            RouterError: it can't be reached or refuses.
        """
        if not self._local:
            raise LocalityViolation(f"{self._name}: orders are for the engine host alone")
        return self._sent("POST", path, timeout_s=timeout_s)

    def post_grant(self, form: Mapping[str, str], timeout_s: float) -> AbstractAsyncContextManager[Answer]:
        """Trade the router's own credentials for a token at the base URL; holds nothing of any request, so it needs no
        clearance.

        Raises:
            RouterError: the upstream can't be reached or answers with an error status.
        """
        return self._sent("POST", "", body=urlencode(form).encode(), headers=_FORM, timeout_s=timeout_s)

    @asynccontextmanager
    async def _sent(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        accepted: frozenset[int] = frozenset(),
        heard: Callable[[Mapping[str, str]], None] = ignored,
    ) -> AsyncGenerator[Answer]:
        """Send a request, and speak our errors as long as the answer is read."""
        answer = await self._asked(method, path, body, headers, timeout_s)
        try:
            heard(answer.headers)
            if answer.status >= 400 and answer.status not in accepted:
                raise await self._refusal(answer)
            if 300 <= answer.status < 400:
                raise UpstreamProtocolError(f"{self._name}: the upstream redirects; set base_url to where it is")
            yield answer
        finally:
            answer.close()

    async def _asked(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Answer:
        """Send a request and wait for the answer's head; who is cancelled meanwhile leaves a closed connection."""
        try:
            response = await self._connections().request(
                method,
                URL(self._base + path, encoded=True),
                data=body if body is None or len(body) < _LARGE_BYTES else io.BytesIO(body),
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=timeout_s, connect=self._connect_s),
            )
        except FOREIGN as error:
            raise translate(error, self._name) from None
        return Answer(response, self._name)

    def _connections(self) -> aiohttp.ClientSession:
        """Make the pool at the first request: it belongs to the event loop that runs then."""
        if self._closed:
            raise UpstreamUnavailable(f"{self._name}: the router is shutting down")
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_S),
                headers=self._headers,
                cookie_jar=aiohttp.DummyCookieJar(),
                proxy=self._proxy,
                max_line_size=_MAX_HEADER_BYTES,
                max_field_size=_MAX_HEADER_BYTES,
            )
        return self._session

    async def reachable(self, timeout_s: float) -> bool:
        """Say whether the upstream answers at all, whatever it answers; sends nothing of any request."""
        try:
            (await self._asked("HEAD", "", timeout_s=timeout_s)).close()
        except RouterError:
            return False
        return True

    async def aclose(self) -> None:
        """Close all connections."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

    def _check(self, cleared: Cleared) -> None:
        # Pyright proves it where types are known; this holds where they aren't.
        if not isinstance(cleared, Cleared):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise LocalityViolation(f"{self._name}: nothing is sent without a clearance")
        if cleared.target.provider != self._name or (cleared.target.locality is Locality.LOCAL) != self._local:
            raise LocalityViolation(f"{self._name}: the clearance is for {cleared.target.label}")

    async def _refusal(self, response: Answer) -> RouterError:
        body = await read_bounded(response, MAX_ERROR_BYTES)
        headers = response.headers
        own = self._own_refusal and self._own_refusal(self._name, response.status, headers, body or b"")
        if own is not None:
            return own
        wait_s = retry_after_s(headers, clock.unix_s())
        return refusal(self._name, response.status, body or b"", wait_s, local=self._local)


async def read_bounded(answer: Answer, limit: int) -> bytes | None:
    """Read a whole body; None if it is longer than `limit` bytes."""
    chunks: list[bytes] = []
    size = 0
    while (chunk := await answer.chunk()) is not None:
        size += len(chunk)
        if size > limit:
            return None
        chunks.append(chunk)
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


def _proxy(base_url: str) -> str | None:
    """Find the proxy that this machine's settings name for a URL, as other programs do.

    Raises:
        ConfigError: it is of a kind that can't be used.
    """
    scheme, host = urlsplit(base_url)[:2]
    found = None if proxy_bypass(host) else getproxies().get(scheme) or getproxies().get("all")
    if not found:
        return None
    url = found if "://" in found else f"http://{found}"
    if urlsplit(url).scheme not in ("http", "https"):
        raise ConfigError(
            f"the proxy that the environment names for {scheme} is no HTTP proxy; name one, or {host} in no_proxy"
        )
    return url


def is_loopback(host: str) -> bool:
    """Whether a host name is this machine's loopback."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
