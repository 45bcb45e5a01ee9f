"""The machinery of a campaign: a router with hostile parts, its engine, and the clouds that record what reaches them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from tests.fakes.cloud import Cloud, Engine
from tests.fakes.gates import keep_gates, share_gates
from tests.fakes.stack import ROOT, Process, children, free_port
from tests.leaks.faults import FAULTS, Kind
from tests.leaks.shots import KEYS

DEADLINE_S = 8.0
"""`server.deadline_s` of the routers."""
SCAN_MS = 800


def config(site: Site) -> dict[str, Any]:
    """Make a router's configuration: one model group for each way in which the cloud can behave."""
    plain = [fault.detail for fault in FAULTS if fault.kind is Kind.CLOUD]
    models = {name: {"deployments": [{"provider": "cloud", "model": name}]} for name in ("ok", *plain)}
    for provider in ("refused", "unnamed", "tls", "claude"):
        models[provider] = {"deployments": [{"provider": provider, "model": provider}]}
    models["chain"] = {"deployments": [{"provider": "cloud", "model": "http-502"}], "fallbacks": ["cut", "reset", "ok"]}
    models["dead-chain"] = {
        "deployments": [{"provider": "cloud", "model": "http-503"}], "fallbacks": ["reset", "refused", "http-429"],
    }  # fmt: skip
    endpoints = ["chat", "completions", "embeddings", "responses"]
    key = {"api_key": "env:CLOUD_KEY", "connect_s": 0.5}
    return {
        "server": {"port": site.port, "deadline_s": DEADLINE_S, "keys": [
            {"id": "local", "key": f"file:{site.folder}/local.key"},
            {"id": "mask", "key": f"file:{site.folder}/mask.key", "on_sensitive": "mask"},
            {"id": "block", "key": f"file:{site.folder}/block.key", "on_sensitive": "block"},
            {"id": "narrow", "key": f"file:{site.folder}/narrow.key", "max_locality": "local"},
        ]},
        "local": {"url": site.engine.url.removesuffix("/v1"), "ttft_s": 2, "total_s": 2},
        "providers": {
            "cloud": {"kind": "openai_compatible", "base_url": site.cloud.url, "endpoints": endpoints, **key},
            "refused": {"kind": "openai_compatible", "base_url": f"http://127.0.0.1:{free_port()}/v1", **key},
            "unnamed": {"kind": "openai_compatible", "base_url": "http://cloud.invalid/v1", **key},
            "tls": {"kind": "openai_compatible", "base_url": site.cloud.url.replace("http:", "https:"), **key},
            "claude": {"kind": "anthropic", "base_url": site.cloud.url.removesuffix("/v1"), **key},
        },
        "models": models,
        "routing": {
            "auto": {"strategy": "cost", "among": ["ok"]},
            "ttft_s": 1,
            "total_s": 1,
            "breaker": {"failures": 1_000_000, "error_ratio": 1},
        },
        "privacy": {
            "scan": {"deadline_ms": SCAN_MS},
            "entities": {"EMAIL_ADDRESS": {"on_sensitive": "mask"}, "IBAN_CODE": {"on_sensitive": "block"}},
            "rules": [{"name": "phones-stay", "entities": ["PHONE_NUMBER"], "keys": ["local"], "then": "local"}],
        },
        "sona": {"enabled": False},
        "record": {"path": str(site.folder / "var")},
    }  # fmt: skip


def copy_package(folder: Path) -> Path:
    """Copy the router's package to where a campaign may add to it or break it."""
    folder.mkdir(parents=True)
    shutil.copytree(ROOT / "router", folder / "router", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one tree of settings over another."""
    out = dict(base)
    for name, value in changes.items():
        out[name] = merged(out[name], value) if isinstance(value, dict) and isinstance(out.get(name), dict) else value
    return out


class Site:
    """A router, its engine, its cloud, and a second cloud that nobody may ever call."""

    def __init__(self, folder: Path, changes: Mapping[str, Any] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.changes = changes or {}
        self.cloud, self.trap, self.engine = Cloud(), Cloud(), Engine()
        self.engine.recording = False
        self.port = free_port()
        self.package = folder / "site"
        self.file = folder / "router.yaml"
        self.router = Process(
            folder, "router", "tests.fakes.faulty_router", "--config", str(self.file), cwd=self.package
        )
        self._read: dict[Path, int] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def prepare(self) -> None:
        """Start the servers around the router, and write what it is started with."""
        for server in (self.cloud, self.trap, self.engine):
            await server.start()
        self.cloud.trap_url = self.trap.url.removesuffix("/v1")
        if not self.package.exists():
            copy_package(self.package)
            shutil.copy(
                ROOT / "tests/fakes/hostile_recognizer.py", self.package / "router/privacy/recognizers/hostile.py"
            )
        for name, key in KEYS.items():
            (self.folder / f"{name}.key").write_text(key)
        self.file.write_text(yaml.safe_dump(merged(config(self), self.changes)))

    async def start(self) -> None:
        """Start everything."""
        share_gates(self.folder / "var" / "scan")
        await self.prepare()
        await self.start_router()

    async def start_router(self) -> None:
        """Start the router alone, and wait until it serves."""
        await self.router.start()
        await self.router.until_ok(f"{self.url}/ready")

    async def stop(self) -> None:
        """End everything."""
        with contextlib.suppress(ProcessLookupError, TimeoutError):
            await self.router.stop()
        keep_gates(self.folder / "var" / "scan")
        for server in (self.cloud, self.trap, self.engine):
            await server.stop()

    @property
    def workers(self) -> list[int]:
        """Process ids of the scan workers."""
        return [pid for template in self.templates for pid in children(template)]

    @property
    def templates(self) -> list[int]:
        """Process ids of what the scan workers are forked from."""
        found: list[int] = []
        for pid in children(self.router.pid):
            with contextlib.suppress(OSError):
                parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
                scans = b"router.privacy" in Path(f"/proc/{pid}/cmdline").read_bytes()
                found += [pid] if scans and parent == self.router.pid else []
        return found

    def signal_workers(self, number: signal.Signals) -> int:
        """Send a signal to all scan workers; returns how many got it."""
        sent = 0
        for pid in self.workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
                sent += 1
        return sent

    async def new_records(self) -> list[dict[str, Any]]:
        """Read the decision records since the last call."""
        await asyncio.sleep(0.15)
        lines = self.new_bytes(self.folder / "var" / "decisions.jsonl").splitlines()
        records: list[dict[str, Any]] = []
        for line in lines:
            with contextlib.suppress(msgspec.DecodeError):  # a disk that was full leaves half a line
                records.append(msgspec.json.decode(line))
        return records

    def new_bytes(self, path: Path) -> bytes:
        """Read what a file grew by since the last call."""
        if not path.exists():
            return b""
        with path.open("rb") as file:
            file.seek(self._read.get(path, 0))
            data = file.read()
        self._read[path] = self._read.get(path, 0) + len(data)
        return data

    def fired(self) -> list[str]:
        """Read which faults of stages happened since the last call."""
        return self.new_bytes(self.file.with_suffix(".fired")).decode().split()
