"""Talks to an engine over HTTP on this machine; every failure of the connection becomes UpstreamUnavailable."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from types import MappingProxyType

from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import PyreqwestError
from pyreqwest.response import Response

from router.core.errors import UpstreamUnavailable

NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_CONNECT = timedelta(seconds=5)
_IDLE = timedelta(seconds=2)
"""Shorter than any engine keeps an idle connection: a request never meets one that is just being closed."""


class HttpAnswer:
    """An answer whose body is still on its way."""

    def __init__(self, response: Response) -> None:
        self._response = response

    @property
    def status(self) -> int:
        return self._response.status

    @property
    def content_type(self) -> str:
        return self._response.get_header("content-type") or "application/json"

    async def read(self) -> bytes:
        try:
            return bytes(await self._response.bytes())
        except PyreqwestError as error:
            raise _gone(error) from None

    async def chunks(self) -> AsyncIterator[bytes]:
        reader = self._response.body_reader
        try:
            while (chunk := await reader.read_chunk()) is not None:
                yield bytes(chunk)
        except PyreqwestError as error:
            raise _gone(error) from None


class HttpEngine:
    """A client of one engine's address. Has no time limits of its own: generation takes as long as it takes."""

    def __init__(self, url: str, key: str) -> None:
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        builder = ClientBuilder().base_url(url).default_headers(headers).connect_timeout(_CONNECT)
        builder = builder.pool_idle_timeout(_IDLE)
        self._client: Client = builder.no_proxy().follow_redirects(False).build()

    @asynccontextmanager
    async def send(self, path: str, body: bytes, headers: Mapping[str, str] = NO_HEADERS) -> AsyncGenerator[HttpAnswer]:
        """Post a body; leaving the context closes the connection if the answer isn't over.

        Raises:
            UpstreamUnavailable: the engine can't be reached or breaks off.
        """
        # With its default buffer of 64 KiB the client reads ahead that much before it hands an answer over.
        post = self._client.post(path).headers(dict(headers)).body_bytes(body)
        request = post.streamed_read_buffer_limit(0).build_streamed()
        try:
            response = await request.__aenter__()
        except PyreqwestError as error:
            raise _gone(error) from None
        try:
            yield HttpAnswer(response)
        finally:
            await request.__aexit__(None, None, None)

    async def get(self, path: str) -> bytes:
        """Read a path.

        Raises:
            UpstreamUnavailable: the engine can't be reached, breaks off or answers with an error.
        """
        try:
            response = await self._client.get(path).build().send()
            data = bytes(await response.bytes())
        except PyreqwestError as error:
            raise _gone(error) from None
        if response.status != 200:
            raise UpstreamUnavailable(f"the engine answers {path} with status {response.status}")
        return data

    async def is_healthy(self, timeout_s: float) -> bool:
        """Ask its health route."""
        try:
            response = await self._client.get("/health").timeout(timedelta(seconds=timeout_s)).build().send()
        except PyreqwestError:
            return False
        return response.status == 200

    async def close(self) -> None:
        await self._client.close()


def _gone(error: PyreqwestError) -> UpstreamUnavailable:
    return UpstreamUnavailable(f"the engine's connection failed ({type(error).__name__})")
