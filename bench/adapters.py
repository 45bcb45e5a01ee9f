"""Adapters on the real engine: how long a hot load takes, and from the end of a copy to the first answer."""

from __future__ import annotations

import asyncio
import shutil
import time
from pathlib import Path

import httpx
import msgspec
import yaml

from bench.gateway import say
from tests.fakes.stack import Process, free_port

ROOT = Path(__file__).parent.parent


class HotLoad(msgspec.Struct, frozen=True, kw_only=True):
    """Times of one adapter."""

    adapter: str
    load_ms: float
    """In the engine, as the host reports it."""
    ready_s: float
    """From the end of the copy until it is listed as ready; checks, copy and probe included."""


class Engine(msgspec.Struct, frozen=True, kw_only=True):
    """What starting and hot-loading took."""

    start_s: float
    loads: tuple[HotLoad, ...]


async def hot_loads(folder: Path) -> Engine:
    """Start vLLM on the demo model with an empty folder, then drop the demo adapters in one by one."""
    port = free_port()
    drop = folder / "adapters"
    drop.mkdir()
    settings = yaml.safe_load((ROOT / "configs" / "local.yaml").read_text())
    settings |= {"port": port, "adapters_dir": str(drop), "store_dir": str(folder / "store")}
    settings["engine"]["model"] = str(ROOT / "local_inference" / "models" / "demo")
    (folder / "local.yaml").write_text(yaml.safe_dump(settings))
    host = Process(folder, "host", "local_inference", "--config", str(folder / "local.yaml"))
    say("starting vLLM")
    started = time.perf_counter()
    await host.start()
    try:
        await host.until_ok(f"http://127.0.0.1:{port}/ready")
        start_s = time.perf_counter() - started
        async with httpx.AsyncClient(trust_env=False, base_url=f"http://127.0.0.1:{port}") as client:
            loads = [await _drop(client, one, drop) for one in sorted((ROOT / "adapters").iterdir()) if one.is_dir()]
    finally:
        await host.stop()
    return Engine(start_s=round(start_s, 1), loads=tuple(loads))


async def _drop(client: httpx.AsyncClient, source: Path, drop: Path) -> HotLoad:
    say(f"dropping {source.name}")
    shutil.copytree(source, drop / source.name)
    copied = time.perf_counter()
    async with asyncio.timeout(60):
        while True:
            listing = (await client.get("/v1/adapters")).json()["data"]
            found = next((one for one in listing if one["name"] == source.name), None)
            if found is not None and found["state"] == "ready":
                break
            await asyncio.sleep(0.02)
    return HotLoad(
        adapter=source.name,
        load_ms=round(found["load_ms"] or 0.0, 1),
        ready_s=round(time.perf_counter() - copied, 2),
    )
