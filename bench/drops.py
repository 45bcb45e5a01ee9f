"""Large adapters dropped into a running engine host under load: when a router can select them, and what takes how long.

`seen` is until the host first looks at the folder; then come the host's own steps (see `AdapterInfo.steps_ms`); `listed`
is from ready at the host until the router's SONA has read the card and the router lists it.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from pathlib import Path

import httpx
import msgspec

from bench.callers import Caller, Steps, draw
from bench.lab import Lab, listing, routed, write_adapter

CALLERS = 16
TARGET_S = 2.0
STEPS = ("seen", "rest", "copy", "check", "queue", "gap", "room", "load", "prove", "listed")


class Drop(msgspec.Struct, frozen=True, kw_only=True):
    """One adapter's way from the folder to the selector."""

    selectable_s: float
    load_ms: float
    steps_ms: dict[str, float]
    engine_step_ms: float
    """Mean length of vLLM's steps meanwhile."""


class Drops(msgspec.Struct, frozen=True, kw_only=True):
    """All of them, and what the callers saw."""

    size_mib: float
    examples: int
    """In each card."""
    each: list[Drop]
    requests: int
    failed: int

    def p95_s(self) -> float:
        """95th percentile of the times until they were selectable, nearest rank."""
        ordered = sorted(one.selectable_s for one in self.each)
        return ordered[-(-95 * len(ordered) // 100) - 1]


CARD = """description: Answers as number {number} of the large adapters does.
keywords: [large, number {number}]
examples: [{examples}]
"""
EXAMPLES = 20


async def drops(running: Lab, folder: Path, *, count: int) -> Drops:
    """Drop adapters of 40 MB one after the other while callers keep the engine busy."""
    names = {name: name for name in await listing(running.url)} | {"base": "base"}
    rng = random.Random(3)
    caller, steps, stop = (
        Caller(running.url, None, names, rng),
        Steps(running.engine_url, running.engine_key),
        asyncio.Event(),
    )

    async def loop() -> None:
        while not stop.is_set():
            await caller.ask(draw("zipf", rng))

    each: list[Drop] = []
    size = 0.0
    async with routed(folder, running.url) as router_url, asyncio.TaskGroup() as group:
        watching = group.create_task(steps.watch())
        for _ in range(CALLERS):
            group.create_task(loop())
        await asyncio.sleep(3)
        for number in range(count):
            made = folder / "made" / f"big{number}"
            size = await asyncio.to_thread(write_adapter, made, rank=512, seed=100 + number)
            examples = ", ".join(f'"Tell me number {number} of {topic}"' for topic in range(EXAMPLES))
            (made / "card.yaml").write_text(CARD.format(number=number, examples=examples))
            each.append(await _drop(running, router_url, made, steps))
        stop.set()
        watching.cancel()
    await caller.close()
    failed = sum(status != 200 for *_, status in caller.answers)
    return Drops(size_mib=round(size, 1), examples=EXAMPLES, each=each, requests=len(caller.answers), failed=failed)


async def _drop(running: Lab, router_url: str, made: Path, steps: Steps) -> Drop:
    started_s = time.perf_counter()
    await asyncio.to_thread(made.rename, running.adapters / made.name)
    at_host = asyncio.create_task(_until_ready(running.url, made.name, wait_s=30.0))
    info, ended_s = await _until_ready(router_url, made.name, wait_s=0.0)
    _, ready_s = await at_host
    own = msgspec.convert(info["steps_ms"], dict[str, float])
    ready_ms = (ready_s - started_s) * 1000
    seen_ms = max(0.0, ready_ms - sum(own.values()))
    listed_ms = max(0.0, (ended_s - started_s) * 1000 - ready_ms)
    await asyncio.sleep(0.3)  # the counter of steps is looked at four times a second
    return Drop(
        selectable_s=round(ended_s - started_s, 2),
        load_ms=round(float(str(info["load_ms"])), 1),
        steps_ms={"seen": round(seen_ms, 1), **own, "listed": round(listed_ms, 1)},
        engine_step_ms=round((ended_s - started_s) * 1000 / max(1.0, steps.between(started_s, ended_s)), 1),
    )


async def _until_ready(url: str, name: str, *, wait_s: float) -> tuple[dict[str, object], float]:
    """Wait until a list has an adapter as ready: by asking again, or, with `wait_s`, by being told of each change.

    Returns what it says, and when.
    """
    revision = -1
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client, asyncio.timeout(60):
        while True:
            query = f"?after={revision}&wait_s={wait_s}" if wait_s else ""
            told = (await client.get(f"{url}/v1/adapters{query}")).json()
            found = next((one for one in told["data"] if one["name"] == name and one["state"] == "ready"), None)
            if found is not None:
                return found, time.perf_counter()
            revision = told["revision"]
            if not wait_s:
                await asyncio.sleep(0.03)


def table(drop: Drops) -> list[str]:
    """The drops as lines of Markdown."""
    lines = [
        "",
        f"{len(drop.each)} adapters of {drop.size_mib} MiB, {drop.examples} examples each, dropped under {CALLERS} callers: "
        f"selectable p95 {drop.p95_s():.2f} s, median {statistics.median(one.selectable_s for one in drop.each):.2f} s; "
        f"{drop.failed} of {drop.requests} requests failed",
        "",
        "| selectable, s | " + " | ".join(f"{step}, ms" for step in STEPS) + " | vLLM's mean step, ms |",
        "|---" * (len(STEPS) + 2) + "|",
    ]
    for one in drop.each:
        cells = " | ".join(f"{one.steps_ms.get(step, 0):.0f}" for step in STEPS)
        lines.append(f"| {one.selectable_s:.2f} | {cells} | {one.engine_step_ms:.0f} |")
    return lines
