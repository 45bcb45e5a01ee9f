"""What the router knows of its clouds, through the real server: breakers, rate limits, refused keys, and no cloud at all."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from statistics import median
from typing import NamedTuple

import httpx
import pytest

from tests.fakes.cloud import Cloud, Engine
from tests.fakes.stack import Stack, running

pytestmark = pytest.mark.anyio

COOLDOWN_S = 0.5
PROBE_S = 0.3
_SAMPLE = re.compile(r"^(sona_\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)


class Site(NamedTuple):
    """A router between two clouds and an engine host."""

    stack: Stack
    one: Cloud
    two: Cloud
    client: httpx.AsyncClient

    async def ask(self, model: str, *, stream: bool = False, text: str = "What is the capital?") -> httpx.Response:
        body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": text}]}
        return await self.client.post("/v1/chat/completions", json=body)

    async def metrics(self) -> dict[tuple[str, str | None], float]:
        """Read all samples at one moment, by name and by labels as they are written."""
        text = (await self.client.get("/metrics")).text
        return {(one[1], one[2]): float(one[3]) for one in _SAMPLE.finditer(text) if one[2] or one[1]}

    async def metric(self, name: str, labels: str | None = None) -> float | None:
        """Read one sample; None = there is none."""
        return (await self.metrics()).get((name, labels))

    async def breaker(self, deployment: str) -> str:
        """Read the state, as the metrics show it."""
        seen = await self.metrics()
        states = [
            state
            for state in ("closed", "open", "half-open")
            if seen[("sona_breaker_state", f'deployment="{deployment}",state="{state}"')]
        ]
        assert len(states) == 1, states
        is_open = seen[("sona_breaker_open", f'deployment="{deployment}"')]
        assert is_open == (0 if states == ["closed"] else 1)
        return states[0]


async def until(holds: Callable[[], Awaitable[bool]], within_s: float = 20.0) -> None:
    async with asyncio.timeout(within_s):
        while not await holds():
            await asyncio.sleep(0.02)


@pytest.fixture(scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Site]:
    two, engine = Cloud(), Engine()
    await two.start()
    await engine.start()

    def config(one: Cloud) -> dict[str, object]:
        groups = ("whole", "streamed", "callers", "limited", "keyed", "far")
        prices = {"price": {"input": 1, "output": 2}}
        return {
            "local": {"url": engine.url.removesuffix("/v1")},
            "providers": {
                name: {"kind": "openai_compatible", "base_url": cloud.url, "api_key": "env:CLOUD_KEY"}
                for name, cloud in (("one", one), ("two", two))
            },
            "models": {
                **{name: {"deployments": [{"provider": "one", "model": name, **prices}]} for name in groups},
                "other": {"deployments": [{"provider": "two", "model": "other", **prices}]},
            },
            "routing": {
                "retries": 0,
                "auto": {"among": ["far", "other"]},
                "breaker": {"failures": 3, "cooldown_s": COOLDOWN_S},
                "offline": {"probe_s": PROBE_S},
            },
            "sona": {"enabled": False},
        }

    folder: Path = tmp_path_factory.mktemp("health")
    async with (
        running(folder, config, host=None) as stack,
        httpx.AsyncClient(base_url=stack.url, trust_env=False, timeout=60) as client,
    ):
        yield Site(stack, stack.cloud, two, client)
    await two.stop()
    await engine.stop()


@pytest.mark.parametrize(("model", "mode", "stream"), [("whole", "http-500", False), ("streamed", "error-event", True)])
async def test_a_breaker_is_seen_to_open_to_half_open_and_to_close(
    site: Site, model: str, mode: str, stream: bool
) -> None:
    name = f"one/{model}"
    assert "word" in (await site.ask(model, stream=stream)).text
    assert await site.breaker(name) == "closed"
    site.one.mode = mode
    for _ in range(3):
        assert await site.breaker(name) == "closed"
        await site.ask(model, stream=stream)
    assert await site.breaker(name) == "open"
    received = len(site.one.received)
    answer = await site.ask(model, stream=stream)
    assert answer.headers["x-router-locality"] == "local", "what is open is not asked"
    assert len(site.one.received) == received

    async def half_open() -> bool:
        return await site.breaker(name) == "half-open"

    await until(half_open)
    await site.ask(model, stream=stream)
    assert await site.breaker(name) == "open", "the probe failed"
    site.one.mode = None
    await until(half_open)
    answer = await site.ask(model, stream=stream)
    assert answer.headers["x-router-locality"] == "cloud"
    assert await site.breaker(name) == "closed"
    assert await site.metric("sona_deployment_in_flight", f'deployment="{name}"') == 0


async def test_a_thousand_errors_of_callers_leave_the_breaker_closed(site: Site) -> None:
    site.one.mode = "http-400"
    try:
        for batch in range(50):
            answers = await asyncio.gather(*(site.ask("callers", stream=bool(batch % 2)) for _ in range(20)))
            assert {answer.status_code for answer in answers} == {400}
            assert await site.breaker("one/callers") == "closed" if batch % 10 == 0 else True
    finally:
        site.one.mode = None
    assert await site.breaker("one/callers") == "closed"
    assert await site.metric("sona_deployment_error_ratio", 'deployment="one/callers"') == 0
    assert (await site.ask("callers")).headers["x-router-locality"] == "cloud"


async def test_a_deployment_with_nothing_left_is_not_called_until_its_reset(site: Site) -> None:
    site.one.more_headers = b"X-RateLimit-Remaining-Requests: 0\r\nX-RateLimit-Reset-Requests: 1.5s\r\n"
    assert (await site.ask("limited")).headers["x-router-locality"] == "cloud"
    site.one.more_headers = b""
    limited = 'deployment="one/limited"'
    assert await site.metric("sona_deployment_rate_limited", limited) == 1
    received = len(site.one.received)
    asked = 0
    while await site.metric("sona_deployment_rate_limited", limited):
        before = len(site.one.received)
        answer = await site.ask("limited")
        asked += 1
        if len(site.one.received) > before:
            assert answer.headers["x-router-locality"] == "cloud"
            break
    assert asked > 1
    assert len(site.one.received) <= received + 1
    assert await site.metric("sona_deployment_rate_limited", limited) == 0
    assert (await site.ask("limited")).headers["x-router-locality"] == "cloud"


async def test_a_refused_key_is_an_alert_and_named_by_ready(site: Site) -> None:
    site.one.mode = "http-401"
    try:
        assert (await site.ask("keyed")).headers["x-router-locality"] == "local"
        assert await site.metric("sona_provider_key_refused", 'provider="one"') == 1
        ready = await site.client.get("/ready")
        assert ready.status_code == 200
        assert "provider one: it refuses the router's key" in ready.json()["missing"]
    finally:
        site.one.mode = None
    assert (await site.ask("keyed")).headers["x-router-locality"] == "cloud"
    assert await site.metric("sona_provider_key_refused", 'provider="one"') == 0
    assert site.stack.router.log.read_text().count("refuses the router's key") == 1


async def test_without_the_internet_local_is_decided_at_once_and_traffic_comes_back_by_steps(site: Site) -> None:
    ports = site.one.port, site.two.port
    assert (await site.ask("auto")).headers["x-router-locality"] == "cloud"
    assert await site.metric("sona_online") == 1
    await site.one.stop()
    await site.two.stop()
    first = await site.ask("auto")
    assert first.headers["x-router-locality"] == "local"
    answers = [await site.ask("auto", text=f"What is the capital of country {number}?") for number in range(60)]
    assert {answer.headers["x-router-reason"] for answer in answers} == {"offline"}
    assert {answer.headers["x-router-attempts"] for answer in answers} == {"1"}
    overhead_ms = sorted(float(answer.headers["x-router-overhead-ms"]) for answer in answers)
    assert median(overhead_ms) < 5, overhead_ms
    ready = await site.client.get("/ready")
    assert ready.status_code == 200
    assert any("no cloud can be connected to" in what for what in ready.json()["missing"])
    assert await site.metric("sona_online") == 0

    await site.one.start(ports[0])
    await site.two.start(ports[1])
    seen: list[float | None] = []

    async def back() -> bool:
        seen.append(await site.metric("sona_online"))
        return seen[-1] == 1

    await until(back)
    assert list(dict.fromkeys(seen)) == [0, 0.1, 0.25, 0.5, 1]
    answer = await site.ask("auto")
    assert answer.headers["x-router-locality"] == "cloud"
    assert (await site.client.get("/ready")).json()["missing"] == []
    assert {site.one.probed, site.two.probed} != {0}
