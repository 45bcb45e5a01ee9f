"""The Cohere provider over real HTTP on loopback: keys, errors, and streams that are cut."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import cohere
import pytest
from pydantic import SecretStr, TypeAdapter, ValidationError

from router.core.errors import (
    LocalityViolation,
    RouterError,
    UnsupportedFeature,
    UpstreamAuthFailed,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from router.core.ports import Clocks
from router.core.types import Cleared, Delta, Locality, Target
from router.providers import cohere as provider_module
from router.selftest.dialects import cohere as selftest_dialect
from tests.fakes import values
from tests.fakes.command import CALLS, NAMES, PLAIN, USER, events, fixture, whole
from tests.fakes.folding import fold
from tests.fakes.scripted import Asked, Reply, Scripted, scripted

CLOCKS = Clocks(ttft_s=5, total_s=10)


@asynccontextmanager
async def serving(reply: Reply) -> AsyncGenerator[tuple[Scripted, provider_module.Cohere]]:
    def answer(asked: Asked) -> Reply:
        del asked
        return reply

    async with scripted(answer) as server:
        config = provider_module.Config(base_url=server.url, api_key=SecretStr("co-key"))
        provider = provider_module.build(config, "co")
        try:
            yield server, provider
        finally:
            await provider.aclose()


def sse_reply(*parts: bytes, hang: bool = False) -> Reply:
    return Reply(parts, content_type="text/event-stream", hang=hang)


def cleared(*, stream: bool = False, provider: str = "co", **body: object) -> Cleared:
    target = Target(group="g", deployment="co/x", provider=provider, upstream_model="command-x", locality=Locality.ANY)
    full: Any = {"model": "g", "messages": [USER], **body}
    return values.cleared(target, full, stream=stream)


async def collect(provider: provider_module.Cohere, permit: Cleared) -> list[Delta]:
    return [delta async for delta in provider.send(permit, CLOCKS)]


@pytest.mark.anyio
@pytest.mark.parametrize("name", NAMES)
async def test_the_recorded_answers_are_what_the_vendors_client_reads(name: str) -> None:
    async with scripted(lambda asked: Reply([fixture(f"{name}.json")])) as server:
        async with cohere.AsyncClientV2(api_key="k", base_url=server.url) as client:
            answer = await client.chat(model="m", messages=[{"role": "user", "content": "hi"}])
        assert server.requests[0].path == "/v2/chat"
    assert answer.finish_reason == json.loads(fixture(f"{name}.json"))["finish_reason"]
    TypeAdapter(cohere.V2ChatResponse).validate_json(fixture(f"{name}.json"))
    async with (
        scripted(lambda asked: sse_reply(fixture(f"{name}.sse"))) as server,
        cohere.AsyncClientV2(api_key="k", base_url=server.url) as client,
    ):
        stream = client.chat_stream(model="m", messages=[{"role": "user", "content": "hi"}])
        kinds = [event.type async for event in stream]
    assert kinds == [event["type"] for event in events(f"{name}.sse")]
    for event in events(f"{name}.sse"):
        TypeAdapter(cohere.V2ChatStreamResponse).validate_python(event)


@pytest.mark.anyio
async def test_the_self_tests_mock_speaks_as_the_vendors_client_expects() -> None:
    text = "word by word"
    async with (
        scripted(lambda asked: sse_reply(*selftest_dialect.events("m", text))) as server,
        cohere.AsyncClientV2(api_key="k", base_url=server.url) as client,
    ):
        stream = client.chat_stream(model="m", messages=[{"role": "user", "content": "hi"}])
        said = [event.delta.message.content.text async for event in stream if event.type == "content-delta"]
    assert "".join(said) == text
    TypeAdapter(cohere.V2ChatResponse).validate_json(selftest_dialect.whole("m", text))


@pytest.mark.anyio
async def test_a_whole_answer_comes_back_over_http_and_names_what_was_dropped() -> None:
    async with serving(Reply([fixture("tools.json")])) as (server, provider):
        (delta,) = await collect(provider, cleared(temperature=0.5, user="u"))
    assert json.loads(delta.payload)["choices"][0]["message"]["tool_calls"] == CALLS
    assert delta.dropped == ("user",)
    (asked,) = server.requests
    assert (asked.method, asked.path) == ("POST", "/v2/chat")
    assert asked.headers["authorization"] == "Bearer co-key"
    assert json.loads(asked.body) == {**PLAIN, "temperature": 0.5}


@pytest.mark.anyio
async def test_a_stream_comes_back_over_http_and_its_first_delta_names_what_was_dropped() -> None:
    async with serving(sse_reply(fixture("tools.sse"), hang=True)) as (server, provider):
        deltas = await collect(provider, cleared(stream=True, user="u"))
    assert fold(deltas)["tool_calls"] == CALLS
    assert [delta.dropped for delta in deltas[:2]] == [("user",), ()]
    assert json.loads(server.requests[0].body)["stream"] is True


@pytest.mark.anyio
async def test_closing_the_generator_cancels_the_upstream() -> None:
    head = fixture("text.sse").split(b"event: content-end")[0]
    async with serving(sse_reply(head, hang=True)) as (server, provider):
        async with aclosing(provider.send(cleared(stream=True), CLOCKS)) as deltas:
            assert await anext(deltas)
        await server.left.wait()


@pytest.mark.anyio
@pytest.mark.parametrize("name", NAMES)
async def test_a_stream_cut_at_any_event_or_byte_is_whole_or_an_error(name: str) -> None:
    data = fixture(f"{name}.sse")
    boundaries = [index + 2 for index in range(len(data)) if data[index : index + 2] == b"\n\n"]
    chance = random.Random(name)
    cuts = [*boundaries, *(chance.randrange(len(data)) for _ in range(100))]
    expected = json.loads(whole(name).payload)["choices"][0]["message"]
    for cut in cuts:
        async with serving(sse_reply(data[:cut])) as (_, provider):
            if cut == len(data):
                assert fold(await collect(provider, cleared(stream=True))) == expected
            else:
                with pytest.raises(UpstreamProtocolError):
                    await collect(provider, cleared(stream=True))


@pytest.mark.anyio
async def test_a_stream_that_is_none_is_a_protocol_error() -> None:
    async with serving(Reply([fixture("text.json")])) as (_, provider):
        with pytest.raises(UpstreamProtocolError):
            await collect(provider, cleared(stream=True))


STATUSES: dict[int, type[RouterError]] = {
    400: UpstreamRejected,
    401: UpstreamAuthFailed,
    402: UpstreamAuthFailed,
    403: UpstreamAuthFailed,
    404: UpstreamUnavailable,
    422: UpstreamRejected,
    429: UpstreamRateLimited,
    498: UpstreamAuthFailed,
    499: UpstreamRejected,
    500: UpstreamUnavailable,
    501: UpstreamUnavailable,
    503: UpstreamUnavailable,
    504: UpstreamTimeout,
}


@pytest.mark.anyio
@pytest.mark.parametrize(("status", "kind"), STATUSES.items())
async def test_an_error_status_becomes_our_error(status: int, kind: type[RouterError]) -> None:
    reply = Reply([b'{"id": "x", "message": "SECRET"}'], status=status, headers={"retry-after": "3"})
    async with serving(reply) as (_, provider):
        with pytest.raises(kind) as caught:
            await collect(provider, cleared(stream=True))
    assert type(caught.value) is kind
    assert "SECRET" not in caught.value.message
    if status in (429, 503):
        assert caught.value.retry_after_s == 3


@pytest.mark.anyio
async def test_what_cannot_be_translated_or_is_not_cleared_is_never_sent() -> None:
    async with serving(Reply([fixture("text.json")])) as (server, provider):
        with pytest.raises(UnsupportedFeature):
            await collect(provider, cleared(n=2))
        with pytest.raises(LocalityViolation):
            await collect(provider, cleared(provider="other"))
    assert server.requests == []


def test_an_unknown_key_of_the_configuration_is_refused() -> None:
    with pytest.raises(ValidationError):
        provider_module.Config.model_validate({"base_url": "https://api.cohere.com", "max_tokens": 1})


def test_the_capabilities_are_what_the_translation_can_do() -> None:
    assert frozenset({"tools", "vision", "json_schema", "json_object", "logprobs"}) == provider_module.CAPABILITIES
