"""What the engine host's configuration accepts, and what it says about the rest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from local_inference.host import sized
from local_inference.settings import load
from router.core.errors import ConfigError
from tests.fakes.engine_tiny_model import write_adapter

FAKE = "engine: {kind: fake}\n"


def config(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "local.yaml"
    path.write_text(text)
    return path


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    text = "adapters_dir: here\nengine: {kind: vllm, model: model}\n"
    loaded = load(config(tmp_path, text))
    assert loaded.settings.adapters_dir == tmp_path / "here"
    assert loaded.settings.store_dir == tmp_path.parent / "var" / "store"
    assert loaded.engine.model == str(tmp_path / "model")


def test_a_hub_name_stays_as_it_is(tmp_path: Path) -> None:
    assert load(config(tmp_path, "engine: {kind: vllm, model: org/name}\n")).engine.model == "org/name"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (FAKE + "prot: 1\n", r"local.yaml:2: prot: unknown key; did you mean 'port'"),
        ("port: 70000\n" + FAKE, r"local.yaml:1: port: "),
        ("engine: {kind: fake, max_lora: 4}\n", r":1: engine.max_lora: unknown key; did you mean 'max_loras'"),
        ("engine:\n  kind: fkae\n", r":2: engine.kind: .*'fkae'; did you mean 'fake'"),
        ("engine: {kind: vllm, model: ./nowhere}\n", r"engine.model: there is no folder"),
        ("engine: {kind: vllm}\n", r"engine.model: "),
        ("adapters_dir: a\nstore_dir: a/b\nengine: {kind: fake}\n", r":2: store_dir: .*outside"),
        ("engine: {kind: vllm, model: a/b, max_lora_rank: 20}\n", r"engine.max_lora_rank: .*8, 16, 32"),
        ("port: 1\n", r"engine: "),
        ("port: [\n", r"local.yaml:\d+: not valid YAML"),
        ("- a\n", r"must hold settings"),
        ("host: 0.0.0.0\n" + FAKE, r":1: host: .*can be reached from other machines.*api_key: env:NAME"),
        ("api_key: secret\n" + FAKE, r":1: api_key: write `env:NAME`"),
        ("api_key: env:NO_SUCH_NAME\n" + FAKE, r":1: api_key: 'NO_SUCH_NAME' is empty or not set"),
        ("api_key: file:no-such-file\n" + FAKE, r":1: api_key: 'no-such-file' can't be read"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_key(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        load(config(tmp_path, text))
    assert "secret" not in str(caught.value)


def test_a_key_from_the_environment_or_a_file_opens_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGINE_KEY", "k1")
    (tmp_path / "key").write_text("k2\n")
    for source, value in (("env:ENGINE_KEY", "k1"), ("file:key", "k2")):
        settings = load(config(tmp_path, f"host: 0.0.0.0\napi_key: {source}\n{FAKE}")).settings
        assert settings.api_key is not None
        assert settings.api_key.get_secret_value() == value
        assert value not in repr(settings)


@pytest.mark.parametrize(("rank", "chosen"), [(None, 16), (4, 16), (17, 32), (300, 320), (9999, 16)])
def test_the_largest_rank_in_the_folder_sizes_the_engine(tmp_path: Path, rank: int | None, chosen: int) -> None:
    if rank is not None:
        write_adapter(tmp_path / "adapters" / "a", r=rank)
    loaded = load(config(tmp_path, "adapters_dir: adapters\n" + FAKE))
    assert sized(loaded.engine, loaded.settings).max_lora_rank == chosen


def test_the_command_ends_with_2_on_a_mistake(tmp_path: Path) -> None:
    path = config(tmp_path, "prot: 1\n")
    done = subprocess.run(
        [sys.executable, "-m", "local_inference", "--config", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {path}:1: ")


def test_the_shipped_configuration_is_valid() -> None:
    root = Path(__file__).parents[2]
    if not (root / "local_inference" / "models" / "demo").exists():
        pytest.skip("the demo model is not in this checkout")
    assert load(root / "configs" / "local.yaml").engine.kind == "vllm"
