"""What the router adds to a call: the same load directly and through it, scan on and off, in one run."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import msgspec
import yaml

from bench.load import Result, body, closed_loop
from tests.fakes.stack import Process, children, free_port

SIZES = (30, 100, 200, 1000, 4000, 32000)
"""Prompt sizes, in words, for the scan."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One measurement; `added_*` is what callers saw minus the direct call in the same run."""

    target: str
    stream: bool
    result: Result
    added_p50_ms: float
    added_p99_ms: float


class ScanRow(msgspec.Struct, frozen=True, kw_only=True):
    """Scan time by prompt size, as the router reports it, and the first call apart from repeats."""

    words: int
    p50_ms: float


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """Resident memory after the load, in MB."""

    router_mb: float
    scan_processes_mb: float


@asynccontextmanager
async def router(folder: Path, cloud_url: str, *, scan: bool) -> AsyncGenerator[tuple[str, Process]]:
    """A router in front of the fake cloud, and nothing local."""
    port = free_port()
    config = {
        "server": {"port": port},
        "providers": {"cloud": {"kind": "openai_compatible", "base_url": cloud_url}},
        "models": {"ok": {"deployments": [{"provider": "cloud", "model": "ok"}]}},
        "privacy": {"scan": {"enabled": scan, "deadline_ms": 5000}},
        "record": {"path": str(folder / f"var-{scan}")},
    }
    file = folder / f"router-{scan}.yaml"
    file.write_text(yaml.safe_dump(config))
    process = Process(folder, f"router-{scan}", "router", "serve", "--config", str(file))
    await process.start()
    try:
        await process.until_ok(f"http://127.0.0.1:{port}/ready")
        yield f"http://127.0.0.1:{port}", process
    finally:
        await process.stop()


@asynccontextmanager
async def cloud(folder: Path) -> AsyncGenerator[str]:
    """The fake cloud in a process of its own."""
    port = free_port()
    process = Process(folder, "cloud", "tests.fakes.cloud", str(port))
    await process.start()
    try:
        async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(20):
            while True:
                with contextlib.suppress(httpx.HTTPError):
                    await client.post(
                        f"http://127.0.0.1:{port}/v1/chat/completions", content=body("ok", 1, stream=False)
                    )
                    break
                await asyncio.sleep(0.05)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        await process.stop()


async def added_latency(folder: Path, *, seconds: float, at_once: tuple[int, ...]) -> tuple[list[Row], Memory]:
    """Measure direct, through the router without and with the scan; 100-word prompts."""
    rows: list[Row] = []
    async with (
        cloud(folder) as cloud_url,
        router(folder, cloud_url, scan=False) as (plain, _),
        router(folder, cloud_url, scan=True) as (scanning, process),
    ):
        targets = (("direct", cloud_url[:-3]), ("router, scan off", plain), ("router, scan on", scanning))
        for stream in (False, True):
            for callers in at_once:
                direct: Result | None = None
                for name, url in targets:
                    say(f"{name}, {'streamed' if stream else 'whole'}, {callers} at a time")
                    data = body("ok", 100, stream=stream)
                    result = await closed_loop(f"{url}/v1/chat/completions", data, at_once=callers, seconds=seconds)
                    direct = direct or result
                    rows.append(
                        Row(
                            target=name,
                            stream=stream,
                            result=result,
                            added_p50_ms=round(result.p50_ms - direct.p50_ms, 3),
                            added_p99_ms=round(result.p99_ms - direct.p99_ms, 3),
                        )
                    )
        memory = Memory(
            router_mb=_rss_mb(process.pid),
            scan_processes_mb=round(sum(_rss_mb(pid) for pid in children(process.pid)), 1),
        )
    return rows, memory


async def scan_times(folder: Path, repeats: int = 15) -> list[ScanRow]:
    """Ask the router to explain prompts of growing size; every one is new, so that no cache helps."""
    rows: list[ScanRow] = []
    async with (
        cloud(folder) as url,
        router(folder, url, scan=True) as (base, _),
        httpx.AsyncClient(trust_env=False, timeout=30) as client,
    ):
        for words in SIZES:
            say(f"scan of {words} words")
            times: list[float] = []
            for number in range(repeats):
                request = msgspec.json.decode(body("ok", words, stream=False))
                request["messages"][0]["content"] += f" number {number}"
                answer = await client.post(f"{base}/v1/route/explain", json=request)
                times.append(answer.json()["scan"]["elapsed_ms"])
            rows.append(ScanRow(words=words, p50_ms=round(sorted(times)[len(times) // 2], 3)))
    return rows


def _rss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return round(int(line.split()[1]) / 1024, 1)
    return 0.0


def say(what: str) -> None:
    """Show what is being measured."""
    load = os.getloadavg()[0]
    print(f"bench: {what} (load {load:.1f})", file=sys.stderr, flush=True)
