"""`sona-router simulate` on the log of a real router: the same configuration decides the same, another one says what changes."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest
import yaml

from tests.fakes.stack import Stack, running

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

REQUESTS = 240
SENSITIVE = "My social security number is 536-90-4399, please check my tax return."
HARMLESS = "Why is the sky blue on clear days?"

MODELS: dict[str, object] = {
    name: {"deployments": [{"provider": "cloud", "model": model, "price": {"input": price, "output": price}}]}
    for name, model, price in (("cheap", "ok", 1), ("dear", "echo", 10), ("broken", "http-500", 0.5))
}
MODELS["group"] = {
    "deployments": [
        {"provider": "cloud", "model": "ok", "weight": 3, "price": {"input": 1, "output": 1}},
        {"provider": "cloud", "model": "echo", "weight": 1, "price": {"input": 10, "output": 10}},
    ],
    "fallbacks": ["cheap"],
}
CONFIG: dict[str, object] = {
    "models": MODELS,
    "routing": {
        "auto": {
            "strategy": "cost",
            "among": ["cheap", "dear", "broken"],
            "rules": [{"name": "gold", "tier": "gold", "use": ["dear"]}],
        },
        "retries": 0,
    },
    "privacy": {"scan": {"deadline_ms": 5000}},
}


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Stack]:
    async with running(tmp_path_factory.mktemp("simulate"), CONFIG) as one:
        chance = random.Random(7)
        headers: list[dict[str, str]] = [{}, {}, {"x-router-tier": "gold"}, {"x-router-locality": "local"}]
        async with httpx.AsyncClient(base_url=one.url, trust_env=False, timeout=60) as client:
            for number in range(REQUESTS):
                body = {
                    "model": chance.choice(["auto", "auto", "group", "dear", "local", "nonsense"]),
                    "messages": [{"role": "user", "content": f"{chance.choice([HARMLESS, SENSITIVE])} ({number})"}],
                    "stream": chance.random() < 0.3,
                }
                answer = await client.post("/v1/chat/completions", json=body, headers=chance.choice(headers))
                assert answer.status_code in (200, 404)
        async with asyncio.timeout(10):
            while not one.records.exists() or len(one.records.read_bytes().splitlines()) < REQUESTS:
                await asyncio.sleep(0.05)
        yield one


def simulate(stack: Stack, config: Path) -> dict[str, object]:
    command = ["simulate", "--log", str(stack.records), "--config", str(config), "--json"]
    done = subprocess.run([sys.executable, "-m", "router", *command], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def changed(stack: Stack, **sections: object) -> Path:
    file = stack.folder / "new.yaml"
    file.write_text(yaml.safe_dump({**yaml.safe_load(stack.router_file.read_text()), **sections}))
    return file


async def test_the_same_configuration_makes_every_recorded_decision_again_exactly(stack: Stack) -> None:
    report = simulate(stack, stack.router_file)
    assert report["decisions"] == report["same"]
    assert report["decisions"] + report["unplanned"] == REQUESTS  # type: ignore[operator]
    assert report["unplanned"] > 0, "there were requests for a model that doesn't exist"  # type: ignore[operator]
    assert report["moves"] == []
    total = report["total"]
    assert total["before_usd"] == total["after_usd"] != "0"  # type: ignore[index]


async def test_another_configuration_says_what_would_cost_what_and_stay_where(stack: Stack) -> None:
    routing = {"auto": {"strategy": "cost", "among": ["dear"]}, "retries": 0}
    report = simulate(stack, changed(stack, routing=routing))
    moves = {(move["before"], move["after"]): move for move in report["moves"]}  # type: ignore[attr-defined]
    move = moves[("cloud/http-500", "cloud/echo")]
    assert float(move["after_usd"]) > float(move["before_usd"]), "the dear one costs ten times as much"
    assert report["before_local"] == report["after_local"]


async def test_a_stricter_policy_is_seen_to_refuse(stack: Stack) -> None:
    report = simulate(stack, changed(stack, privacy={"on_sensitive": "block"}))
    assert report["refused"] > 0  # type: ignore[operator]
    assert report["after_local"] < report["before_local"]  # type: ignore[operator]


async def test_people_get_tables_and_a_missing_log_is_said_plainly(stack: Stack) -> None:
    def run(log: Path) -> subprocess.CompletedProcess[str]:
        command = ["simulate", "--log", str(log), "--config", str(stack.router_file)]
        return subprocess.run([sys.executable, "-m", "router", *command], capture_output=True, text=True, check=False)

    shown = run(stack.records.parent)
    assert shown.returncode == 0
    assert "exactly as recorded" in shown.stdout
    missing = run(stack.folder / "nothing.jsonl")
    assert missing.returncode == 2
    assert "can't read it" in missing.stderr
