"""The ledger's store goes away, or says nothing for seconds: no request fails or waits for it, and nothing is lost."""

from __future__ import annotations

import asyncio
import json
import statistics
from collections.abc import AsyncGenerator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import cast

import httpx
import pytest

from router import bookkeeping
from router.core.types import Limits, Principal
from tests.fakes.cloud import Cloud
from tests.fakes.postgres import Postgres, postgres
from tests.fakes.stack import Stack, cloud_config, running

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

AT_ONCE = 4
WINDOW = 120
"""Requests of one window."""

ROUNDS = 3
"""Odd, so that one window in which the machine was busy with something else decides nothing."""

SLOW_S = 2.0
"""How long at least a slow store is silent; it stays so until its window is over."""

FLOOR_S = SLOW_S / 40
"""How late the system may wake a process that has no core for itself: a request that waited for the store would wait until
the store answers, or gives up."""


def config_with(folder: Path, store: Postgres, cloud: Cloud) -> dict[str, object]:
    (folder / "url").write_text(store.url)
    return {
        **cloud_config(cloud),
        "privacy": {"scan": {"enabled": False}},
        "ledger": {"url": "file:url", "refresh_s": 0.3},
        "record": {"path": "var", "sinks": []},
    }


@pytest.fixture(scope="module")
async def store() -> AsyncGenerator[Postgres]:
    async with postgres() as one:
        yield one


@pytest.fixture(scope="module")
async def stack(store: Postgres, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Stack]:
    folder = tmp_path_factory.mktemp("store")
    async with running(folder, partial(config_with, folder, store), host=None) as one:
        one.cloud.recording = False
        yield one


class Load:
    """Sends requests with a key, some at a time, and adds up what their answers cost."""

    def __init__(self, stack: Stack, key: str) -> None:
        limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        self.http = httpx.AsyncClient(base_url=stack.url, headers=headers, trust_env=False, timeout=30, limits=limits)
        self.failed = 0
        self.answered = 0
        self.paid_usd = Decimal(0)

    async def window(self, requests: int = WINDOW) -> float:
        """Send a window's requests; return the 99th percentile of their times in seconds."""
        body = json.dumps(
            {"model": "ok", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 16}
        ).encode()
        times: list[float] = []
        left = iter(range(requests))
        clock = asyncio.get_running_loop().time

        async def work() -> None:
            for _ in left:
                start_s = clock()
                answer = await self.http.post("/v1/chat/completions", content=body)
                times.append(clock() - start_s)
                if answer.status_code == 200:
                    self.answered += 1
                    self.paid_usd += Decimal(answer.headers["x-router-cost-usd"])
                else:
                    self.failed += 1

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
        return statistics.quantiles(times, n=100)[98]


def left(stack: Stack) -> list[Path]:
    """Files that a router left what it couldn't write in."""
    return [*(stack.folder / "var").glob("ledger-waiting-*.json")]


async def in_store(stack: Stack) -> tuple[int, Decimal]:
    """Requests and dollars that the store has."""
    report = await asyncio.to_thread(bookkeeping.usage, stack.router_file, (), None)
    lines = cast("list[dict[str, object]]", json.loads(bookkeeping.as_json(report)))
    return (cast("int", lines[0]["requests"]), Decimal(str(lines[0]["cost_usd"]))) if lines else (0, Decimal(0))


async def until_whole(stack: Stack, load: Load) -> None:
    async with asyncio.timeout(30):
        while await in_store(stack) != (load.answered, load.paid_usd):
            await asyncio.sleep(0.1)


async def test_requests_neither_fail_nor_wait_while_the_store_is_down_or_slow_and_nothing_is_lost(
    stack: Stack, store: Postgres
) -> None:
    who = Principal(id="loaded", limits=Limits())
    key = await asyncio.to_thread(bookkeeping.create_key, stack.router_file, who)
    load = Load(stack, key)
    async with load.http:
        async with asyncio.timeout(10):
            while (await load.http.get("/v1/models")).status_code != 200:
                await asyncio.sleep(0.05)
        await load.window()  # warms up
        up: list[float] = []
        down: list[float] = []
        slow: list[float] = []
        for _ in range(ROUNDS):
            up.append(await load.window())
            await store.stop()
            down.append(await load.window())
            await store.start()
            up.append(await load.window())
            await store.pause()
            silent = asyncio.create_task(asyncio.sleep(SLOW_S))
            slow.append(await load.window())  # all of it is answered while the store answers nothing
            await silent
            await store.resume()
        assert load.failed == 0
        await until_whole(stack, load)
        # How far windows with the store up lie apart is what this machine does meanwhile: less than that says nothing.
        limit_s = max(1.1 * statistics.median(up), max(up)) + FLOOR_S
        for name, windows in (("down", down), ("slow", slow)):
            assert statistics.median(windows) <= limit_s, (name, up, windows)
        metrics = (await load.http.get("/metrics")).text
        assert "sona_ledger_lost 0.0" in metrics


async def test_a_router_starts_without_its_store_knows_its_keys_and_brings_what_it_counted_later(
    stack: Stack, store: Postgres
) -> None:
    before = await in_store(stack)
    who = Principal(id="later", limits=Limits())
    key = await asyncio.to_thread(bookkeeping.create_key, stack.router_file, who)
    load = Load(stack, key)
    async with load.http:
        async with asyncio.timeout(10):
            while (await load.http.get("/v1/models")).status_code != 200:
                await asyncio.sleep(0.05)
        await store.stop()
        await load.window(40)
        await stack.router.stop()
        assert left(stack)
        await stack.router.start()
        await stack.router.until_ok(f"{stack.url}/ready")
        state = (await load.http.get("/ready")).json()
        assert any("ledger: its store can't be used" in one for one in state["missing"])
        assert "sona_ledger_up 0.0" in (await load.http.get("/metrics")).text
        await load.window(40)
        assert load.failed == 0
        await store.start()
        async with asyncio.timeout(30):
            while (await in_store(stack))[0] != before[0] + 80:
                await asyncio.sleep(0.1)
        assert (await in_store(stack))[1] == before[1] + load.paid_usd
        assert not left(stack)
