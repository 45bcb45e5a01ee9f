"""Providers over real HTTP: what each failure becomes, and that nothing leaves without a clearance."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec
import pytest
from aiohttp import client_exceptions

from router.core.errors import (
    ConfigError,
    InternalError,
    LocalityViolation,
    RouterError,
    UpstreamAuthFailed,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)
from router.core.ports import Clocks
from router.core.types import Cleared, Delta, Locality
from router.providers._http import FOREIGN, Egress, translate
from router.providers.openai_compatible import Config, OpenAICompatible, build
from tests.fakes.cloud import Cloud
from tests.fakes.values import target

pytestmark = pytest.mark.anyio

CLOCKS = Clocks(ttft_s=5, total_s=5)


@pytest.fixture
async def cloud() -> AsyncGenerator[Cloud]:
    one = Cloud()
    await one.start()
    yield one
    await one.stop()


@pytest.fixture
async def provider(cloud: Cloud) -> AsyncGenerator[OpenAICompatible]:
    one = build(Config(base_url=cloud.url, api_key="sk-secret", optional=False), "cloud")  # pyright: ignore[reportArgumentType]
    yield one
    await one.aclose()


def cleared(model: str, *, stream: bool) -> Cleared:
    body = {"model": "group", "messages": [{"role": "user", "content": "hé"}], "x_unknown": {"k": [1, None]}}
    if stream:
        body["stream"] = True
    return Cleared(
        request_id="r",
        body=body,
        stream=stream,
        target=target(f"cloud/{model}"),
        rule_id="",
        ruleset="t",
        leaves=1,
        scanned_bytes=9,
    )


async def answer(provider: OpenAICompatible, model: str, *, stream: bool) -> list[Delta]:
    async with aclosing(provider.send(cleared(model, stream=stream), CLOCKS)) as deltas:
        return [delta async for delta in deltas]


async def test_a_whole_answer_passes_through_byte_for_byte(cloud: Cloud, provider: OpenAICompatible) -> None:
    (delta,) = await answer(provider, "ok", stream=False)
    assert msgspec.json.decode(delta.payload)["system_fingerprint"] == "fp_1"
    assert delta.usage is not None
    assert delta.usage.input_tokens == 100


async def test_only_the_model_changes_on_the_way_and_the_key_is_ours(cloud: Cloud, provider: OpenAICompatible) -> None:
    await answer(provider, "ok", stream=False)
    assert msgspec.json.decode(cloud.received[0]) == {**cleared("ok", stream=False).body, "model": "ok"}
    assert cloud.headers[0]["authorization"] == "Bearer sk-secret"


async def test_a_stream_comes_event_by_event_with_usage_last(cloud: Cloud, provider: OpenAICompatible) -> None:
    deltas = await answer(provider, "ok", stream=True)
    assert len(deltas) == 19
    assert deltas[-1].usage_only
    assert deltas[-2].finish_reason == "stop"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("model", "error"),
    [
        ("http-500", UpstreamUnavailable),
        ("http-429", UpstreamRateLimited),
        ("http-400", UpstreamRejected),
        ("http-401", UpstreamAuthFailed),
        ("garbage", UpstreamProtocolError),
        ("empty", UpstreamProtocolError),
        ("cut", (UpstreamUnavailable, UpstreamProtocolError)),
    ],
)
async def test_each_failure_is_ours_by_name(
    provider: OpenAICompatible, model: str, error: type[RouterError], stream: bool
) -> None:
    with pytest.raises(error) as caught:
        await answer(provider, model, stream=stream)
    assert "sk-secret" not in str(caught.value)
    assert "no luck" not in str(caught.value), "an upstream's text may quote a prompt"


@pytest.mark.parametrize("model", ["error-event", "no-finish"])
async def test_a_stream_that_ends_badly_is_an_error_not_an_end(provider: OpenAICompatible, model: str) -> None:
    with pytest.raises((UpstreamUnavailable, UpstreamProtocolError)):
        await answer(provider, model, stream=True)


async def test_a_stream_without_an_end_mark_is_complete_only_if_every_choice_is(
    cloud: Cloud, provider: OpenAICompatible
) -> None:
    def said(index: int, finish: str | None = None) -> bytes:
        choice = {"index": index, "delta": {"content": "x"}, "finish_reason": finish}
        return b"data: " + msgspec.json.encode({"choices": [choice]}) + b"\n\n"

    async def ask(*frames: bytes) -> int:
        cloud.events = [*frames]
        one = cleared("ok", stream=True)
        two = msgspec.structs.replace(one, body={**one.body, "n": 2})
        async with aclosing(provider.send(two, CLOCKS)) as deltas:
            return len([delta async for delta in deltas])

    assert await ask(said(0), said(1), said(1, "stop"), said(0, "stop")) == 4
    assert await ask(said(0, "stop"), b"data: [DONE]\n\n") == 1, "what the upstream calls complete is"
    for cut in ((said(0), said(1), said(0, "stop")), (said(0, "stop"),)):
        with pytest.raises(UpstreamProtocolError):
            await ask(*cut)


async def test_an_error_event_is_the_upstream_s_error_not_bad_json(provider: OpenAICompatible) -> None:
    with pytest.raises(UpstreamUnavailable):
        await answer(provider, "error-event", stream=True)


async def test_retry_after_is_read(provider: OpenAICompatible) -> None:
    with pytest.raises(UpstreamRateLimited) as caught:
        await answer(provider, "http-429", stream=False)
    assert caught.value.retry_after_s == 1


async def test_nothing_is_sent_without_a_clearance_or_with_one_for_another_target(cloud: Cloud) -> None:
    egress = Egress("cloud", cloud.url, {}, connect_s=1, local=False)
    for bad in (
        None,
        "cleared",
        msgspec.structs.replace(cleared("ok", stream=False), target=target("other/ok")),
        msgspec.structs.replace(cleared("ok", stream=False), target=target("cloud/ok", Locality.LOCAL)),
    ):
        with pytest.raises(LocalityViolation):
            async with egress.post("/chat/completions", b"secret", bad):  # pyright: ignore[reportArgumentType]
                pass
    assert cloud.received == []
    await egress.aclose()


async def test_a_refused_connection_is_upstream_unavailable() -> None:
    provider = build(Config(base_url="http://127.0.0.1:9/v1"), "cloud")
    with pytest.raises(UpstreamUnavailable):
        await answer(provider, "ok", stream=False)
    await provider.aclose()


@pytest.mark.parametrize("url", ["ftp://x", "x", "http://user:pass@host/v1", ""])
def test_a_base_url_that_can_not_be_is_refused_at_start(url: str) -> None:
    with pytest.raises(ConfigError):
        build(Config(base_url=url), "cloud")


def test_every_exception_of_the_http_client_becomes_one_of_ours() -> None:
    kinds = {kind for _, kind in inspect.getmembers(client_exceptions, inspect.isclass) if issubclass(kind, Exception)}
    here = {kind for kind in kinds if kind.__module__ == client_exceptions.__name__}
    foreign = {kind for kind in here if not kind.__name__.startswith("WS")}  # no web socket is opened
    assert len(foreign) > 15
    for kind in foreign | {TimeoutError, ConnectionResetError, OSError}:
        assert issubclass(kind, FOREIGN), f"{kind.__name__} would pass as a fault of ours"
        ours = translate(kind.__new__(kind), "cloud")
        assert isinstance(ours, RouterError)
        assert not isinstance(ours, InternalError) or issubclass(kind, client_exceptions.InvalidURL)


async def test_a_stream_is_not_held_back_until_it_is_long(cloud: Cloud, provider: OpenAICompatible) -> None:
    cloud.token_s = 0.05
    loop = asyncio.get_running_loop()
    times: list[float] = []
    async with aclosing(provider.send(cleared("ok", stream=True), CLOCKS)) as deltas:
        async for _ in deltas:
            times.append(loop.time())
    assert times[-1] - times[0] > 10 * 0.05


async def test_closing_a_stream_cancels_it_upstream(cloud: Cloud, provider: OpenAICompatible) -> None:
    cloud.token_s = 0.05
    async with aclosing(provider.send(cleared("ok", stream=True), CLOCKS)) as deltas:
        await anext(deltas)
    async with asyncio.timeout(5):
        while not cloud.cancelled:
            await asyncio.sleep(0.01)


async def test_the_machine_s_proxy_is_used_but_for_what_is_here(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"127.0.0.1:{cloud.port}")
    monkeypatch.setenv("no_proxy", "near.invalid")
    egress = Egress("cloud", "http://far.invalid/v1", {}, connect_s=1, local=False)
    async with egress.post("/chat/completions", b'{"model": "ok"}', cleared("ok", stream=False)) as answer:
        assert answer.status == 200
    assert cloud.requests[-1].url == b"http://far.invalid/v1/chat/completions"
    await egress.aclose()
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1")
    with pytest.raises(ConfigError, match=r"far\.invalid in no_proxy"):
        Egress("cloud", "http://far.invalid/v1", {}, connect_s=1, local=False)
    for url, local in (("http://near.invalid", False), ("http://127.0.0.1:1", False), ("http://host.invalid", True)):
        await Egress("cloud", url, {}, connect_s=1, local=local).aclose()
