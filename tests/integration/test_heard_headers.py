"""Every provider hands on the headers of every answer, of errors too: they tell of its rate limits."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, asynccontextmanager

import pytest

from router.core.errors import RouterError
from router.core.plugin import load
from router.core.ports import Clocks
from router.core.types import JsonObject
from tests.fakes.values import cleared, target

pytestmark = pytest.mark.anyio

PROVIDERS: dict[str, dict[str, str]] = {
    "openai_compatible": {"api_key": "k"},
    "anthropic": {"api_key": "k"},
    "gemini": {"api_key": "k"},
    "cohere": {"api_key": "k"},
    "bedrock": {"api_key": "k", "region": "eu-central-1"},
}


@asynccontextmanager
async def answering(status: int) -> AsyncGenerator[str]:
    """An upstream that answers every request with a status and one header, written as some servers do."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 %d X\r\nX-RateLimit-Remaining-Requests: 0\r\ncontent-length: 2\r\n\r\n{}" % status)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("status", [200, 429])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", PROVIDERS)
async def test_a_provider_hands_on_the_headers_of_every_answer(kind: str, stream: bool, status: int) -> None:
    heard: list[dict[str, str]] = []

    def hear(headers: Mapping[str, str]) -> None:
        heard.append(dict(headers))

    body: JsonObject = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    permit = cleared(target("up/m"), body, stream=stream)
    module = load("router.providers", kind)
    async with answering(status) as url:
        settings = module.Config.model_validate({"base_url": url, **PROVIDERS[kind]})
        provider = module.build(settings, "up")
        with contextlib.suppress(RouterError):
            async with aclosing(provider.send(permit, Clocks(ttft_s=5, total_s=5, heard=hear))) as deltas:
                async for _ in deltas:
                    pass
        await provider.aclose()
    assert [headers["x-ratelimit-remaining-requests"] for headers in heard] == ["0"]
