"""A whole router for tests: its own process, an engine host of its own, and clouds that record what they get."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import httpx
import yaml

from tests.fakes.cloud import Cloud
from tests.fakes.gates import keep_gates, share_gates

ROOT = Path(__file__).parents[2]
START_S = 240.0
"""How long a process may take until it is ready; generous, for slow machines."""

ENVIRONMENT = {"CLOUD_KEY": "sk-test-cloud-key-0001", "HF_HUB_OFFLINE": "1"}


PORTS = range(10_000, 32_768)
"""Below those that the system gives to whoever asks for any, so that nothing takes a port before its owner has started."""


def free_port() -> int:
    """Choose a port by chance, since other test processes choose at the same time."""
    while True:
        port = PORTS[secrets.randbelow(len(PORTS))]
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Process:
    """A child process whose output is kept."""

    def __init__(self, folder: Path, name: str, *arguments: str, cwd: Path | None = None) -> None:
        self.log = folder / f"{name}.log"
        self._arguments = arguments
        self._cwd = cwd
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self.log.open("ab") as out:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                *self._arguments,
                stdout=out,
                stderr=out,
                stdin=asyncio.subprocess.DEVNULL,
                cwd=self._cwd,
                env={**os.environ, **ENVIRONMENT, **({"PYTHONPATH": str(ROOT)} if self._cwd else {})},
            )

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def wait(self) -> int:
        assert self._process is not None
        return await self._process.wait()

    async def stop(self, number: signal.Signals = signal.SIGTERM, within_s: float = 30.0) -> int:
        """End it; returns its exit code."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)
        try:
            async with asyncio.timeout(within_s):
                return await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
            raise

    async def until_ok(self, url: str) -> None:
        """Wait for a 200."""
        assert self._process is not None
        async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(START_S):
            while True:
                if self._process.returncode is not None:
                    raise RuntimeError(f"{self._arguments[0]} ended: {self.log.read_text()[-2000:]}")
                with contextlib.suppress(httpx.HTTPError):
                    if (await client.get(url, timeout=2)).status_code == 200:
                        return
                await asyncio.sleep(0.05)


def children(pid: int) -> list[int]:
    """All descendants of a process."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in task.read_text().split():
                found += [int(child), *children(int(child))]
    return found


class Stack:
    """Addresses and handles of a running whole."""

    def __init__(self, folder: Path, cloud: Cloud, config: dict[str, object], host: dict[str, object] | None) -> None:
        self.folder = folder
        self.cloud = cloud
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.records = folder / "var" / "decisions.jsonl"
        share_gates(folder / "var" / "scan")
        self.adapters = folder / "adapters"
        self.adapters.mkdir(exist_ok=True)
        self.router_file = folder / "router.yaml"
        self.host: Process | None = None
        if host is not None:
            host_file = folder / "host.yaml"
            self.host_port = free_port()
            host = {"port": self.host_port, "adapters_dir": "adapters", "store_dir": "var/store", **host}
            host_file.write_text(yaml.safe_dump(host))
            self.host = Process(folder, "host", "local_inference", "--config", str(host_file))
            config = {"local": {"url": f"http://127.0.0.1:{self.host_port}"}, **config}
        server = {**cast("dict[str, object]", config.get("server", {})), "port": self.port}
        self.router_file.write_text(yaml.safe_dump({**config, "server": server}))
        self.router = Process(folder, "router", "router", "serve", "--config", str(self.router_file))

    async def start(self) -> None:
        if self.host is not None:
            await self.host.start()
        await self.router.start()
        if self.host is not None:
            await self.host.until_ok(f"http://127.0.0.1:{self.host_port}/ready")
        await self.router.until_ok(f"{self.url}/ready")

    async def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError, TimeoutError):
            await self.router.stop()
        keep_gates(self.folder / "var" / "scan")
        if self.host is not None:
            with contextlib.suppress(ProcessLookupError, TimeoutError):
                await self.host.stop()


CLOUD_MODES = ("ok", "http-500", "http-429", "http-400", "http-401", "hang", "cut", "garbage", "empty", "error-event",
               "no-finish", "flaky", "slow")  # fmt: skip


def cloud_config(cloud: Cloud) -> dict[str, object]:
    """Providers and model groups: one group for each way in which the cloud can behave."""
    models: dict[str, object] = {
        mode: {"deployments": [{"provider": "cloud", "model": mode, "price": {"input": 1, "output": 2}}]}
        for mode in CLOUD_MODES
    }
    models |= {
        name: {"deployments": [{"provider": "claude", "model": "claude"}]} for name in ("claude", "claude-group")
    }
    base = cloud.url.removesuffix("/v1")
    return {
        "providers": {
            "cloud": {
                "kind": "openai_compatible",
                "base_url": cloud.url,
                "api_key": "env:CLOUD_KEY",
                "endpoints": ["chat", "completions", "embeddings"],
            },
            "claude": {"kind": "anthropic", "base_url": base, "api_key": "env:CLOUD_KEY"},
        },
        "models": models,
        "routing": {"auto": {"strategy": "cost", "among": ["ok"]}},
        "record": {"path": "var"},
    }


FAKE_HOST: dict[str, object] = {"engine": {"kind": "fake"}}


@asynccontextmanager
async def running(
    folder: Path,
    config: dict[str, object] | Callable[[Cloud], dict[str, object]] | None = None,
    host: dict[str, object] | None = FAKE_HOST,
) -> AsyncGenerator[Stack]:
    """Start cloud, engine host (None = none) and router; end them all. `config` may need to know the cloud's address."""
    cloud = Cloud()
    await cloud.start()
    changes = config(cloud) if callable(config) else config or {}
    stack = Stack(folder, cloud, {**cloud_config(cloud), **changes}, host)
    try:
        await stack.start()
        yield stack
    finally:
        await stack.stop()
        await cloud.stop()
