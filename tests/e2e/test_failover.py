"""Two providers in one plan under load, while one of them goes through all that happens to providers: no request fails."""

from __future__ import annotations

import asyncio
import itertools
import json
import statistics
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.fakes.cloud import WORDS
from tests.fakes.cloud_process import CloudProcess, cloud_process
from tests.fakes.stack import Stack, free_port, running
from tests.fakes.wire_client import Reply, WireClient

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

AT_ONCE = 64
PHASES = ("ok", "refuse", "hang", "http-500", "http-429", "slow", "flapping", "ok")
REQUESTS = 250
"""Of each phase; half of them streamed. 2,000 in all."""

SLOW_S = 2.0
"""How long an answer of the slow provider takes, at most."""

MOST_TIMES = 5.0
"""So many times as long as usual may the median request take while one provider is ill."""

TEXT = " ".join(["word"] * WORDS)

ROUTING: dict[str, object] = {
    "ttft_s": 3.0,
    "stall_s": 5.0,
    "total_s": 5.0,
    "breaker": {"failures": 3, "cooldown_s": 0.3, "max_cooldown_s": 2.0},
    "health": {"window_s": 6.0},
    "hedge": {"enabled": True, "budget_ratio": 0.5, "min_ms": 100},
}


class Pair(NamedTuple):
    """A router and the two providers of its only model."""

    stack: Stack
    ill: CloudProcess
    well: CloudProcess


@pytest.fixture(scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Pair]:
    async with AsyncExitStack() as stack:
        clouds = [await stack.enter_async_context(cloud_process(free_port())) for _ in range(2)]
        names = ("ill", "well")
        config: dict[str, object] = {
            "local": None,
            "providers": {
                name: {"kind": "openai_compatible", "base_url": f"http://127.0.0.1:{cloud.port}/v1", "api_key": "env:CLOUD_KEY"}
                for name, cloud in zip(names, clouds, strict=True)
            },
            "models": {
                "pair": {"deployments": [{"provider": name, "model": "ok"} for name in names]},
                "cheap": {
                    "deployments": [{"provider": "well", "model": "small"}],
                    "fallbacks": ["dear"],
                    "cascade": {"gates": [{"kind": "length", "max_chars": 10}]},
                },
                "busy": {
                    "deployments": [{"provider": "well", "model": "slow", "concurrency": 1, "queue": 0}],
                    "fallbacks": ["dear"],
                },
                "dear": {"deployments": [{"provider": "well", "model": "large"}]},
            },
            "routing": ROUTING,
            "privacy": {"scan": {"deadline_ms": 10_000}},
        }  # fmt: skip
        folder: Path = tmp_path_factory.mktemp("failover")
        yield Pair(await stack.enter_async_context(running(folder, config, None)), *clouds)


async def ask(client: WireClient, model: str, text: str, *, stream: bool) -> Reply:
    body = {"model": model, "messages": [{"role": "user", "content": text}], "stream": stream}
    return await client.ask("/v1/chat/completions", {"content-type": "application/json"}, json.dumps(body).encode())


async def send(client: WireClient, count: int) -> list[Reply]:
    """Send so many requests, `AT_ONCE` at a time, every other one streamed."""
    numbers = iter(range(count))
    replies: list[Reply] = []

    async def caller() -> None:
        for number in numbers:
            text = f"Why is the sky blue? Reason number {number}."
            replies.append(await ask(client, "pair", text, stream=number % 2 == 1))

    await asyncio.gather(*(caller() for _ in range(AT_ONCE)))
    return replies


async def recover(pair: Pair, client: WireClient) -> list[Reply]:
    """Let the ill one be well until it gets its share of the traffic again, so that each phase begins alike.

    What comes back is how it is when both are well, on this machine and just now.
    """
    await pair.ill.behave("ok")
    async with asyncio.timeout(30):
        while True:
            replies = await send(client, AT_ONCE)
            if sum(reply.headers["x-router-target"].startswith("ill/") for reply in replies) >= AT_ONCE // 4:
                return replies
            await asyncio.sleep(0.1)


def said(reply: Reply) -> str:
    """The answer's text."""
    if "event-stream" not in reply.headers["content-type"]:
        return json.loads(reply.body)["choices"][0]["message"]["content"]
    events = [line[6:] for line in reply.body.split(b"\n") if line.startswith(b"data: {")]
    choices = itertools.chain.from_iterable(json.loads(event)["choices"] for event in events)
    return "".join(choice["delta"].get("content") or "" for choice in choices)


async def test_no_request_fails_whatever_one_of_two_providers_does(pair: Pair) -> None:
    client = WireClient(pair.stack.port, within_s=30)
    await send(client, AT_ONCE)  # connections, and the first scans
    slower: dict[str, float] = {}
    table = [
        f"{'phase':>10}{'p50 ms':>9}{'usual':>9}{'p99 ms':>9}{'worst':>9}{'mean lost':>11}{'tries':>7}{'the other':>11}"
    ]
    for phase in PHASES:
        usual_ms = sorted(reply.elapsed_s * 1000 for reply in await recover(pair, client))
        await pair.ill.behave(phase)
        replies = await send(client, REQUESTS)
        failed = [(reply.status, reply.error_code) for reply in replies if not reply.whole]
        assert not failed, (phase, failed)
        assert {said(reply) for reply in replies} == {TEXT}, "no text is lost, and none comes twice"
        times_ms = sorted(reply.elapsed_s * 1000 for reply in replies)
        tries = statistics.fmean(int(reply.headers["x-router-attempts"]) for reply in replies)
        other = statistics.fmean(reply.headers["x-router-target"].startswith("well/") for reply in replies)
        median_ms, healthy_ms = statistics.median(times_ms), statistics.median(usual_ms)
        lost_ms = statistics.fmean(times_ms) - statistics.fmean(usual_ms)
        table.append(
            f"{phase:>10}{median_ms:9.0f}{healthy_ms:9.0f}{times_ms[-REQUESTS // 100]:9.0f}{times_ms[-1]:9.0f}"
            f"{lost_ms:11.0f}{tries:7.2f}{other:11.0%}"
        )
        slower[phase] = (median_ms - (SLOW_S * 1000 if phase == "slow" else 0)) / healthy_ms
    client.close()
    shown = "\n".join(["", *table, ""])
    sys.stdout.write(shown)
    assert all(times < MOST_TIMES for times in slower.values()), f"the median request took too long{shown}"


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_a_gate_turns_down_gives_way_to_another_model_s(pair: Pair, stream: bool) -> None:
    client = WireClient(pair.stack.port, within_s=30)
    reply = await ask(client, "cheap", "Why is the sky blue?", stream=stream)
    client.close()
    assert said(reply) == TEXT
    assert reply.headers["x-router-target"] == "well/large"
    assert reply.headers["x-router-reason"] == "fallback:gate_length"
    assert reply.headers["x-router-attempts"] == "2"


async def test_who_finds_no_place_is_answered_by_the_next_target(pair: Pair) -> None:
    client = WireClient(pair.stack.port, within_s=30)
    replies = await asyncio.gather(*(ask(client, "busy", "Why is the sky blue?", stream=True) for _ in range(2)))
    client.close()
    assert all(said(reply) == TEXT for reply in replies)
    assert sorted(reply.headers["x-router-reason"] for reply in replies) == ["explicit", "fallback:deployment_busy"]
