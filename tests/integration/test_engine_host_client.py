"""What the router tells the engine host beside a request: whose it is, and that no cache may share what is sensitive."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing, nullcontext
from types import SimpleNamespace
from typing import cast

import httpx
import msgspec
import pytest
from starlette.routing import Route, Router

from router.core.adapters import AdapterListing
from router.core.errors import LocalityViolation, UnsupportedFeature
from router.core.ports import Clocks
from router.core.types import Cleared, JsonObject, Masking, Principal, ScanReport, ScanStatus, Sensitivity, Verdict
from router.directory import AdapterDirectory
from router.policy.clearance import clear
from router.providers._http import Egress
from router.providers.local import EngineHost
from router.record.feedback import FeedbackBook
from router.record.recent import Recent
from router.routing.candidates import local_target
from router.runtime import Runtime
from router.server.routes.decisions import Feedback, vote
from tests.fakes.cloud import Cloud
from tests.fakes.outcomes import outcome
from tests.fakes.scripted import Asked, Reply, scripted
from tests.fakes.values import request

pytestmark = pytest.mark.anyio


@pytest.fixture
async def cloud() -> AsyncGenerator[Cloud]:
    one = Cloud()
    await one.start()
    yield one
    await one.stop()


def cleared(tenant: str, sensitivity: Sensitivity, **fields: str) -> Cleared:
    body: JsonObject = {"model": "local", "messages": [{"role": "user", "content": "hello"}], **fields}
    report = ScanReport(status=ScanStatus.COMPLETE, sensitivity=sensitivity)
    verdict = Verdict(
        max_locality=local_target().locality, masking=Masking.NONE, rule_id="r", reason="", sensitivity=sensitivity
    )
    return clear(request(body=body, principal=Principal(id="k", tenant=tenant)), report, verdict, local_target(), None)


async def salts(cloud: Cloud, host: EngineHost, *sent: Cleared) -> list[str | None]:
    before = len(cloud.received)
    for one in sent:
        async with aclosing(host.send(one, Clocks(ttft_s=5, total_s=5))) as deltas:
            async for _ in deltas:
                pass
    return [json.loads(body).get("cache_salt") for body in cloud.received[before:]]


async def test_sensitive_requests_share_the_engines_cache_within_their_tenant_alone(cloud: Cloud) -> None:
    host = EngineHost((cloud.url.removesuffix("/v1"),), None, connect_s=2)
    found, nothing = Sensitivity.CONFIDENTIAL, Sensitivity.PUBLIC
    a, again, b, guessed, plain = await salts(
        cloud,
        host,
        cleared("a", found),
        cleared("a", found),
        cleared("b", found),
        cleared("b", found, cache_salt="a"),
        cleared("a", nothing),
    )
    assert a == again
    assert len({a, b, guessed}) == 3
    assert all(len(salt or "") == 64 for salt in (a, b, guessed))
    assert plain is None
    other = EngineHost((cloud.url.removesuffix("/v1"),), None, connect_s=2)
    assert (await salts(cloud, other, cleared("a", found))) != [a], "the key is new at every start"
    await host.aclose()
    await other.aclose()


async def test_what_the_engine_would_have_to_fetch_is_not_sent(cloud: Cloud) -> None:
    host = EngineHost((cloud.url.removesuffix("/v1"),), None, connect_s=2)
    plain = cleared("a", Sensitivity.RESTRICTED)
    for address, sent in (("https://example.com/a.png", False), ("data:image/png;base64,AAAA", True)):
        part: JsonObject = {"type": "image_url", "image_url": {"url": address}}
        body: JsonObject = {"model": "local", "messages": [{"role": "user", "content": [part]}]}
        with nullcontext() if sent else pytest.raises(UnsupportedFeature, match="data:") as caught:
            await salts(cloud, host, msgspec.structs.replace(plain, body=body))
        assert caught is None or address not in str(caught.value)
        assert len(cloud.received) == sent
    await host.aclose()


async def test_the_host_hears_whose_request_it_is(cloud: Cloud) -> None:
    host = EngineHost((cloud.url.removesuffix("/v1"),), None, connect_s=2)
    await salts(cloud, host, cleared("Köln & Co\r\nx: y", Sensitivity.PUBLIC))
    assert cloud.headers[-1]["x-router-tenant"] == "K%C3%B6ln%20%26%20Co%0D%0Ax%3A%20y"
    await host.aclose()


async def test_orders_go_to_the_engine_host_alone(cloud: Cloud) -> None:
    egress = Egress("cloud", cloud.url, {}, connect_s=2, local=False)
    with pytest.raises(LocalityViolation):
        async with egress.post_order("/adapters/x:pin", 1):
            pass
    assert cloud.received == []
    await egress.aclose()


async def test_what_a_caller_thinks_of_an_adapters_answer_is_told_to_the_host(cloud: Cloud) -> None:
    host = EngineHost((cloud.url.removesuffix("/v1"),), None, connect_s=2)
    for target, good in (("local/law@3f2a", False), ("local/base", True), ("openai/gpt", True), (None, True)):
        await vote(host, json.dumps({"target": target, "status": 200}).encode(), good=good)
    await vote(host, None, good=True)
    assert [one.url for one in cloud.requests] == [b"/v1/adapters/law@3f2a:vote?good=false"]
    await host.aclose()


async def test_a_list_that_cannot_be_read_ends_no_following() -> None:
    nested = b'{"revision": 1, "base_model": "b", "data": [], "x": ' + b"[" * 100_000
    wrong = [b"\xff", b'{"revision": 1, "base_model": "\xff", "data": []}', nested]

    def answer(asked: Asked) -> Reply:
        after = int(asked.path.partition("after=")[2].partition("&")[0])
        if after == 1 and wrong:
            return Reply([wrong.pop()])
        listing = AdapterListing(revision=max(1, after + 1), base_model="old" if wrong else "new", data=())
        return Reply([msgspec.json.encode(listing)])

    async with scripted(answer) as server:
        host = EngineHost((server.url,), None, connect_s=2)
        directory = AdapterDirectory(None)
        following = asyncio.create_task(directory.follow(host))
        async with asyncio.timeout(15):
            while directory.listing.base_model != "new":
                await asyncio.sleep(0.02)
        following.cancel()
        await asyncio.wait((following,))
        await host.aclose()


async def test_who_rates_an_answer_again_and_again_has_one_vote(cloud: Cloud) -> None:
    host = EngineHost((cloud.url.removesuffix("/v1"),), None, connect_s=2)
    recent, book = Recent(), FeedbackBook(None, lambda _group, _target, _score: None)
    said = msgspec.structs.replace(outcome(1), decision_id="d", principal_id="nobody", target="local/law@3f2a")
    for sink in (recent, book):
        sink.write(said)
    endpoint = Feedback(cast(Runtime, SimpleNamespace(feedback=book, recent=recent, host=host)))
    router = Router([Route("/{decision}", endpoint, methods=["POST"])])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(router), base_url="http://router") as http:
        for number in range(6):
            assert (await http.post("/d", json={"score": number / 10})).status_code == 200
    assert [one.url for one in cloud.requests] == [b"/v1/adapters/law@3f2a:vote?good=false"]
    await host.aclose()
