"""Talks to an engine over HTTP on this machine; every failure of the connection becomes UpstreamUnavailable."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType

import aiohttp

from router.core.errors import UpstreamUnavailable

NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_CONNECT_S = 5.0
_IDLE_S = 2.0
"""Shorter than any engine keeps an idle connection: a request never meets one that is just being closed."""
_LARGE_BYTES = 1024 * 1024
"""A body from here on is sent piece by piece, so that nothing else waits for it."""
_FOREIGN = (aiohttp.ClientError, TimeoutError, OSError)
"""What the HTTP client may raise."""


class HttpAnswer:
    """An answer whose body is still on its way."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    @property
    def status(self) -> int:
        return self._response.status

    @property
    def content_type(self) -> str:
        return self._response.headers.get("content-type", "application/json")

    async def read(self) -> bytes:
        try:
            return await self._response.read()
        except _FOREIGN as error:
            raise _gone(error) from None

    async def chunks(self) -> AsyncIterator[bytes]:
        content = self._response.content
        try:
            while chunk := await content.readany():
                yield chunk
        except _FOREIGN as error:
            raise _gone(error) from None


class HttpEngine:
    """A client of one engine's address. Has no time limits of its own: generation takes as long as it takes."""

    def __init__(self, url: str, key: str) -> None:
        """Open no connection yet."""
        self._url = url
        self._headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    @asynccontextmanager
    async def send(self, path: str, body: bytes, headers: Mapping[str, str] = NO_HEADERS) -> AsyncGenerator[HttpAnswer]:
        """Post a body; leaving the context, or being cancelled before it is entered, closes the connection unless the
        answer is over.

        Raises:
            UpstreamUnavailable: the engine can't be reached or breaks off.
        """
        data = body if len(body) < _LARGE_BYTES else io.BytesIO(body)
        try:
            response = await self._connections().post(
                self._url + path, data=data, headers=headers, allow_redirects=False
            )
        except _FOREIGN as error:
            raise _gone(error) from None
        try:
            yield HttpAnswer(response)
        finally:
            response.close()

    async def get(self, path: str) -> bytes:
        """Read a path.

        Raises:
            UpstreamUnavailable: the engine can't be reached, breaks off or answers with an error.
        """
        try:
            async with self._connections().get(self._url + path) as response:
                data = await response.read()
        except _FOREIGN as error:
            raise _gone(error) from None
        if response.status != 200:
            raise UpstreamUnavailable(f"the engine answers {path} with status {response.status}")
        return data

    async def is_healthy(self, timeout_s: float) -> bool:
        """Ask its health route."""
        try:
            async with asyncio.timeout(timeout_s), self._connections().get(self._url + "/health") as response:
                return response.status == 200
        except (*_FOREIGN, UpstreamUnavailable):
            return False

    async def close(self) -> None:
        """Close all connections, also those in use."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

    def _connections(self) -> aiohttp.ClientSession:
        """Make the pool at the first request: it belongs to the event loop that runs then."""
        if self._closed:
            raise UpstreamUnavailable("the engine is not running")
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_S),
                headers=self._headers,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, connect=_CONNECT_S),
            )
        return self._session


def _gone(error: Exception) -> UpstreamUnavailable:
    return UpstreamUnavailable(f"the engine's connection failed ({type(error).__name__})")
