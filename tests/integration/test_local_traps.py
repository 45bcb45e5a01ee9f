"""Traps of vLLM that cost others their answers or their engine, and that nothing dropped into the folder may spring."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from local_inference.engines.vllm import Config, VllmEngine
from local_inference.ports import EngineDeps
from tests.fakes.engine_host import serving, until
from tests.fakes.engine_tiny_model import adapter_tensors, write_adapter, write_model

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_a_new_version_has_a_new_name_and_a_new_path_so_that_no_cached_prefix_is_stale(tmp_path: Path) -> None:
    """A reload under the same name answers from the old weights' cache (vllm#42125)."""
    write_adapter(tmp_path / "adapters" / "legal")
    async with serving(tmp_path) as running:
        await running.state("legal", "ready")
        write_adapter(running.adapters / "legal", seed=2)

        async def two() -> bool:
            return len(running.engine.loaded) == 2

        await until(two)
        assert len(set(running.engine.loaded.values())) == 2


async def test_what_is_wrong_never_reaches_the_engine_where_it_could_push_out_a_good_one(tmp_path: Path) -> None:
    """A load that fails may evict an adapter that serves; another model's adapter may load without an error."""
    write_model(tmp_path / "model")
    write_adapter(tmp_path / "adapters" / "good")
    small = {name: (t[:, :64] if "lora_A" in name else t[:64]).copy() for name, t in adapter_tensors().items()}
    flawed = adapter_tensors()
    next(iter(flawed.values()))[0, 0] = np.inf
    async with serving(tmp_path, {"model": "model"}) as running:
        asked: list[str] = []
        load = running.engine.load

        async def watched(name: str, path: Path) -> None:
            asked.append(name)
            await load(name, path)

        running.engine.load = watched  # type: ignore[method-assign]
        write_adapter(running.adapters / "small", tensors=small)
        write_adapter(running.adapters / "flawed", tensors=flawed)
        write_adapter(running.adapters / "wide", rank=64)
        write_adapter(running.adapters / "dora", use_dora=True)
        for name, code in (
            ("small", "shape_mismatch"), ("flawed", "not_finite"), ("wide", "rank_too_high"), ("dora", "dora")
        ):  # fmt: skip
            assert (await running.state(name, "quarantined")).reason == code
        assert "engine.max_lora_rank: 64" in str((await running.state("wide", "quarantined")).fix)
        write_adapter(running.adapters / "fine", seed=3)
        await running.state("fine", "ready")
        assert [name.partition("@")[0] for name in asked] == ["fine"]


async def test_the_engine_reads_a_copy_of_its_own_by_an_absolute_path(tmp_path: Path) -> None:
    """A file deleted while it is registered ends the engine; a relative path is taken for a hub's name and fetched."""
    write_adapter(tmp_path / "adapters" / "legal")
    async with serving(tmp_path) as running:
        await running.state("legal", "ready")
        path = next(iter(running.engine.loaded.values()))
        assert path.is_absolute()
        assert path.parent == tmp_path / "var" / "store"
        (running.adapters / "legal" / "adapter_config.json").write_text("{")
        (running.adapters / "legal" / "adapter_model.safetensors").unlink()
        assert (path / "adapter_model.safetensors").stat().st_mode & 0o222 == 0
        assert (await running.ask("legal")).status_code == 200
        shutil.rmtree(running.adapters / "legal")

        async def unloaded() -> bool:
            return not running.engine.loaded and not path.exists()

        await until(unloaded, 10)


def test_vllm_gets_no_key_of_a_cloud_but_what_the_configuration_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "AWS_PROFILE", "SONA_ENGINE_KEY"):
        monkeypatch.setenv(name, "secret")
    config = Config(kind="vllm", model=str(tmp_path), environment=("AWS_PROFILE", "NOT_SET"))
    environment = VllmEngine(config, EngineDeps(log_path=tmp_path / "log"))._environment("the-key")
    assert [name for name, value in environment.items() if value == "secret"] == ["AWS_PROFILE"]


def test_vllm_listens_on_loopback_with_a_key_and_fetches_nothing(tmp_path: Path) -> None:
    """Its routes that load adapters are open to whoever reaches them, and its key guards only /v1."""
    engine = VllmEngine(
        Config(kind="vllm", model=str(tmp_path), max_lora_rank=16), EngineDeps(log_path=tmp_path / "log")
    )
    arguments = engine._arguments(1234)
    environment = engine._environment("the-key")
    assert arguments[arguments.index("--host") + 1] == "127.0.0.1"
    assert environment["VLLM_API_KEY"] == "the-key"
    assert not any("the-key" in argument for argument in arguments)
    assert environment["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] == "1"
    assert environment["HF_HUB_OFFLINE"] == "1"
    assert arguments[arguments.index("--allowed-media-domains") + 1].endswith(".invalid")
    assert "--allowed-local-media-path" not in arguments
