"""A provider that speaks the Responses API, over real HTTP: what is sent, what comes back, and what each failure becomes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import msgspec
import pytest

from router.core.errors import (
    RouterError,
    UpstreamFiltered,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)
from router.core.ports import Clocks
from router.core.types import Cleared, Delta, Dialect
from router.providers.openai_compatible import Config, OpenAICompatible, build
from router.wire.outbound import responses
from tests.fakes import values
from tests.fakes.cloud import Cloud
from tests.fakes.cloud_responses import events, frames, message, response, thought

pytestmark = pytest.mark.anyio

CLOCKS = Clocks(ttft_s=5, total_s=5)
BODY: dict[str, Any] = {"model": "group", "input": "hé", "x_unknown": {"k": [1, None]}, "store": True}


@pytest.fixture
async def cloud() -> AsyncGenerator[Cloud]:
    one = Cloud()
    await one.start()
    yield one
    await one.stop()


@pytest.fixture
async def provider(cloud: Cloud) -> AsyncGenerator[OpenAICompatible]:
    one = build(Config(base_url=cloud.url, endpoints=("chat", "responses")), "cloud")
    yield one
    await one.aclose()


def cleared(model: str, *, stream: bool) -> Cleared:
    to, body = values.target(f"cloud/{model}"), {**BODY, "stream": stream}
    return values.cleared(to, body, stream=stream, dialect=Dialect.RESPONSES)


async def answer(provider: OpenAICompatible, model: str, *, stream: bool) -> list[Delta]:
    async with aclosing(provider.send(cleared(model, stream=stream), CLOCKS)) as deltas:
        return [delta async for delta in deltas]


@pytest.mark.parametrize(
    ("row", "speaks"),
    [
        ({"vendor": "openai"}, True),
        ({"vendor": "openai", "endpoints": ("chat",)}, False),
        ({"base_url": "https://api.example.com/v1"}, False),
        ({"base_url": "http://127.0.0.1:1/v1", "endpoints": ("chat", "responses")}, True),
    ],
)
async def test_only_who_has_it_among_its_endpoints_speaks_it(row: dict[str, Any], speaks: bool) -> None:
    provider = build(Config(**row), "cloud")
    assert (Dialect.RESPONSES in provider.dialects) is speaks
    assert Dialect.CHAT in provider.dialects
    await provider.aclose()


async def test_an_answer_passes_through_byte_for_byte_and_the_request_but_for_model_and_store(
    cloud: Cloud, provider: OpenAICompatible
) -> None:
    payload = msgspec.json.format(msgspec.json.encode(response({"model": "m"}, [message("hé")])), indent=2)
    cloud.payload = payload
    (delta,) = await answer(provider, "ok", stream=False)
    assert delta.payload == payload
    assert (delta.dialect, delta.finish_reason) == (Dialect.RESPONSES, "completed")
    assert delta.usage is not None
    assert (delta.usage.input_tokens, delta.usage.cached_input_tokens, delta.usage.reasoning_tokens) == (100, 3, 2)
    assert msgspec.json.decode(cloud.received[0]) == {**BODY, "stream": False, "model": "ok", "store": False}


async def test_a_stream_comes_event_by_event_with_its_names(cloud: Cloud, provider: OpenAICompatible) -> None:
    sent = events({"model": "ok"}, [thought("x"), message("Hello there")])
    cloud.frames = frames(sent)
    deltas = await answer(provider, "ok", stream=True)
    assert [msgspec.json.decode(delta.payload) for delta in deltas] == sent
    assert [delta.event for delta in deltas] == [event["type"].encode() for event in sent]
    assert [delta.finish_reason for delta in deltas[-2:]] == [None, "completed"]
    assert deltas[-1].usage is not None


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("model", "error"),
    [
        ("http-500", UpstreamUnavailable),
        ("http-429", UpstreamRateLimited),
        ("http-400", UpstreamRejected),
        ("garbage", UpstreamProtocolError),
        ("empty", UpstreamProtocolError),
        ("failed", UpstreamUnavailable),
        ("cut", (UpstreamUnavailable, UpstreamProtocolError)),
    ],
)
async def test_each_failure_is_ours_by_name(
    provider: OpenAICompatible, model: str, error: type[RouterError], stream: bool
) -> None:
    with pytest.raises(error) as caught:
        await answer(provider, model, stream=stream)
    assert "no luck" not in str(caught.value), "an upstream's text may quote a prompt"


@pytest.mark.parametrize("model", ["error-event", "no-finish", "truncated", "wrong-type"])
async def test_a_stream_that_ends_badly_is_an_error_not_an_end(provider: OpenAICompatible, model: str) -> None:
    with pytest.raises((UpstreamUnavailable, UpstreamProtocolError)):
        await answer(provider, model, stream=True)


async def test_nothing_is_handed_on_before_something_of_the_answer_is_there(
    cloud: Cloud, provider: OpenAICompatible
) -> None:
    whole = frames(events({"model": "ok"}, [message("Hello")]))
    handed: list[Delta] = []

    async def read() -> None:
        async with aclosing(provider.send(cleared("ok", stream=True), CLOCKS)) as deltas:
            async for delta in deltas:
                handed.append(delta)

    for cut in (1, 2):
        cloud.frames = [*whole[:cut], b""]
        with pytest.raises((UpstreamUnavailable, UpstreamProtocolError)):
            await read()
        assert handed == []


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("rate_limit_exceeded", UpstreamRateLimited),
        ("invalid_prompt", UpstreamFiltered),
        ("invalid_image_url", UpstreamRejected),
        ("server_error", UpstreamUnavailable),
        (None, UpstreamUnavailable),
    ],
)
async def test_a_failed_response_says_by_its_code_what_it_is(code: str | None, error: type[RouterError]) -> None:
    failed = {**response({}, [], "failed"), "error": {"code": code, "message": "You said: my SSN"} if code else None}
    last = msgspec.json.encode({"type": "response.failed", "response": failed, "sequence_number": 2})
    for read in (
        lambda: responses.whole(msgspec.json.encode(failed), "cloud"),
        lambda: responses.event(last, b"response.failed", "cloud", is_begun=False),
    ):
        with pytest.raises(error) as caught:
            read()
        assert "SSN" not in str(caught.value)
    assert responses.event(last, None, "cloud", is_begun=True).finish_reason == "failed"


@pytest.mark.parametrize("status", ["queued", "in_progress", None])
async def test_an_answer_that_is_not_finished_is_none(status: str | None) -> None:
    with pytest.raises(UpstreamProtocolError):
        responses.whole(msgspec.json.encode({**response({}, []), "status": status}), "cloud")


THOUGHT, SEALED = (
    {"type": "reasoning", "id": "rs_1", "summary": []},
    {"type": "reasoning", "id": "rs_2", "encrypted_content": "x"},
)
CALL = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}"}
SEARCH = {"type": "web_search_call", "id": "ws_1"}


@pytest.mark.parametrize(
    ("body", "changed", "dropped"),
    [
        ({"input": "x"}, {}, ()),
        ({"input": "x", "previous_response_id": "r"}, {"previous_response_id": None}, ()),
        ({"input": "x", "reasoning": {}}, {}, ()),
        ({"input": "x", "reasoning": {"effort": None}}, {}, ()),
        ({"input": "x", "reasoning": {"effort": "low"}, "store": False}, {}, ()),
        ({"input": "x", "reasoning": {"effort": "low"}}, {"include": ["reasoning.encrypted_content"]}, ()),
        ({"input": "x", "reasoning": {"effort": "low"}, "include": ["a"]}, {"include": ["a", "reasoning.encrypted_content"]}, ()),
        ({"input": [SEALED, CALL]}, {"include": ["reasoning.encrypted_content"]}, ()),
        ({"input": [SEALED, CALL], "store": False}, {}, ()),
        (
            {"input": [THOUGHT, CALL, SEARCH], "store": False},
            {"input": [{name: value for name, value in CALL.items() if name != "id"}, SEARCH]},
            ("input.reasoning",),
        ),
    ],
)  # fmt: skip
async def test_a_body_is_changed_only_where_nothing_is_kept_at_the_provider(
    body: dict[str, Any], changed: dict[str, Any], dropped: tuple[str, ...]
) -> None:
    before = msgspec.json.encode(body)
    sent, left_out = responses.upstream_body(body, "up")
    wanted = {**body, "model": "up", "store": False, **changed}
    assert (sent, left_out) == ({name: value for name, value in wanted.items() if value is not None}, dropped)
    assert msgspec.json.encode(body) == before
