"""Adapters without meaning for the demo model, as many and as large as a measurement needs, and a host that has them."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import numpy as np
import psutil
import yaml
from safetensors.numpy import save_file

from tests.fakes.stack import Process, free_port

ROOT = Path(__file__).parent.parent
MODEL = ROOT / "local_inference" / "models" / "demo"
HIDDEN, FFN, LAYERS = 256, 704, 4
SHAPES = {
    "self_attn.q_proj": (HIDDEN, HIDDEN),
    "self_attn.k_proj": (HIDDEN, HIDDEN),
    "self_attn.v_proj": (HIDDEN, HIDDEN),
    "self_attn.o_proj": (HIDDEN, HIDDEN),
    "mlp.gate_proj": (FFN, HIDDEN),
    "mlp.up_proj": (FFN, HIDDEN),
    "mlp.down_proj": (HIDDEN, FFN),
}
"""Module -> (out, in), of the demo model."""


def write_adapter(folder: Path, *, rank: int, seed: int, modules: tuple[str, ...] = tuple(SHAPES)) -> float:
    """Write a random adapter; return the size of its weights in MiB."""
    rng = np.random.default_rng(seed)
    tensors = {}
    for layer in range(LAYERS):
        for module in modules:
            out, into = SHAPES[module]
            prefix = f"base_model.model.model.layers.{layer}.{module}"
            tensors[f"{prefix}.lora_A.weight"] = rng.normal(0, 0.05, (rank, into)).astype(np.float32)
            tensors[f"{prefix}.lora_B.weight"] = rng.normal(0, 0.05, (out, rank)).astype(np.float32)
    folder.mkdir(parents=True)
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": "demo",
        "r": rank,
        "lora_alpha": rank,
        "bias": "none",
        "target_modules": sorted(module.partition(".")[2] for module in modules),
    }
    save_file(tensors, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return (folder / "adapter_model.safetensors").stat().st_size / 2**20


class Lab:
    """A running engine host, and its vLLM, which can be asked past it."""

    def __init__(self, folder: Path, url: str, process: Process) -> None:
        self.adapters = folder / "adapters"
        self.url = url
        self.process = process
        server = next(one for one in self.children() if "vllm.entrypoints" in str(one.cmdline()[2:4]))
        command = server.cmdline()
        self.engine_url = f"http://127.0.0.1:{command[command.index('--port') + 1]}"
        self.engine_key = server.environ()["VLLM_API_KEY"]

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def host_mb(self) -> float:
        return psutil.Process(self.process.pid).memory_info().rss / 2**20


@asynccontextmanager
async def lab(folder: Path, engine: dict[str, object], **settings: object) -> AsyncGenerator[Lab]:
    """Serve the adapters that lie in `folder/adapters` with vLLM on the demo model; yield once all are ready."""
    port = free_port()
    base = yaml.safe_load((ROOT / "configs" / "local.yaml").read_text())
    base |= {"port": port, "adapters_dir": "adapters", "store_dir": "store", **settings}
    base["engine"] |= {"model": str(MODEL), **engine}
    (folder / "adapters").mkdir(exist_ok=True)
    (folder / "local.yaml").write_text(yaml.safe_dump(base))
    process = Process(folder, "host", "local_inference", "--config", str(folder / "local.yaml"))
    await process.start()
    try:
        await process.until_ok(f"http://127.0.0.1:{port}/ready")
        yield Lab(folder, f"http://127.0.0.1:{port}", process)
    finally:
        await process.stop()


@asynccontextmanager
async def routed(folder: Path, host_url: str) -> AsyncGenerator[str]:
    """Put a router before a running host; yield its address once it is ready."""
    port = free_port()
    config = {"server": {"port": port}, "local": {"url": host_url}, "record": {"path": str(folder / "var")}}
    (folder / "router.yaml").write_text(yaml.safe_dump(config))
    process = Process(folder, "router", "router", "serve", "--config", str(folder / "router.yaml"))
    await process.start()
    try:
        await process.until_ok(f"http://127.0.0.1:{port}/ready")
        yield f"http://127.0.0.1:{port}"
    finally:
        await process.stop()


async def listing(url: str) -> dict[str, dict[str, object]]:
    """Ask for the adapters, by name."""
    async with httpx.AsyncClient(trust_env=False) as client:
        return {one["name"]: one for one in (await client.get(f"{url}/v1/adapters")).json()["data"]}
