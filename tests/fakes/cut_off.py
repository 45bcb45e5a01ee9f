"""A router and its engine host in a network namespace without routes: starts, asks, and says in JSON what came of it.

`python -m tests.fakes.cut_off FOLDER`, inside such a namespace; its loopback is brought up here. Where a cloud comes up
later, it does so on that loopback.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import socket
import struct
import sys
import time
from pathlib import Path

import httpx

from tests.fakes.cloud import Cloud
from tests.fakes.stack import FAKE_HOST, Stack, free_port

SENSITIVE = "My social security number is 536-90-4399, please fill in the form."
HARMLESS = "What is the capital of France?"
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1


def bring_up_loopback() -> None:
    """As `ip link set lo up`, which not every machine has."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        state = fcntl.ioctl(one, _SIOCGIFFLAGS, struct.pack("16sh14x", b"lo", 0))
        flags = struct.unpack("16sh14x", state)[1] | _IFF_UP
        fcntl.ioctl(one, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags))


def config(port: int) -> dict[str, object]:
    """Two clouds: one by a name that only the internet knows, one where a cloud may come up on loopback."""
    price = {"price": {"input": 1, "output": 2}}
    return {
        "providers": {
            "far": {"kind": "openai_compatible", "base_url": "https://api.openai.com/v1", "api_key": "env:CLOUD_KEY"},
            "near": {
                "kind": "openai_compatible",
                "base_url": f"http://127.0.0.1:{port}/v1",
                "api_key": "env:CLOUD_KEY",
            },
        },
        "models": {
            "far": {"deployments": [{"provider": "far", "model": "gpt-4o-mini"}]},
            "near": {"deployments": [{"provider": "near", "model": "ok", **price}]},
        },
        "routing": {"auto": {"among": ["near", "far"]}, "offline": {"probe_s": 0.3}, "breaker": {"cooldown_s": 0.5}},
        "record": {"path": "var"},
    }


async def visit(folder: Path) -> dict[str, object]:
    """Start, serve, decide, record, recover."""
    cloud = Cloud()
    stack = Stack(folder, cloud, config(port := free_port()), FAKE_HOST)
    started_s = time.monotonic()
    try:
        await stack.start()
        start_s = time.monotonic() - started_s
        async with httpx.AsyncClient(base_url=stack.url, trust_env=False, timeout=60) as client:

            async def ask(text: str, path: str = "/v1/chat/completions") -> httpx.Response:
                return await client.post(path, json={"model": "auto", "messages": [{"role": "user", "content": text}]})

            asked_s = time.monotonic()
            answers = [await ask(text) for text in (SENSITIVE, HARMLESS, *[HARMLESS] * 8)]
            serve_s = time.monotonic() - asked_s
            explained = (await ask(HARMLESS, "/v1/route/explain")).json()
            ready = await client.get("/ready")
            await cloud.start(port)
            back = [await ask(HARMLESS)]
            recovering_s = time.monotonic()
            while back[-1].headers["x-router-locality"] != "cloud" and time.monotonic() - recovering_s < 60:
                await asyncio.sleep(0.05)
                back.append(await ask(HARMLESS))
    finally:
        await stack.stop()
        if cloud.port:
            await cloud.stop()
    records = [json.loads(line) for line in stack.records.read_text().splitlines()]
    assert stack.host is not None
    return {
        "start_s": start_s,
        "serve_s": serve_s,
        "statuses": [answer.status_code for answer in answers],
        "localities": [answer.headers["x-router-locality"] for answer in answers],
        "reasons": [answer.headers["x-router-reason"] for answer in answers],
        "explained": explained["decision"]["reason"],
        "ready": [ready.status_code, ready.json()["missing"]],
        "recovered": back[-1].headers["x-router-locality"],
        "asked": len(answers) + len(back),
        "recorded": len(records),
        "reasons_recorded": [record["reason"] for record in records],
        "log": stack.router.log.read_text() + stack.host.log.read_text(),
    }


if __name__ == "__main__":
    bring_up_loopback()
    sys.stdout.write(json.dumps(asyncio.run(visit(Path(sys.argv[1])))))
