"""The encoder that is built on this machine against one computed here from the same weights, layer by layer."""

from __future__ import annotations

import importlib
import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from router.core.errors import ConfigError
from sona import embedder as module
from sona.embedder import OnnxEmbedder, load_embedder

Floats = NDArray[np.float32]

SENTENCES = (
    "Turn the date 3 March 2024 into ISO format.",
    "Ünïcode, emoji 🙂 and 日本語 in one line",
    "short",
    "A longer text. " * 200,
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("encoder")


@pytest.fixture(scope="module")
def embedder(cache: Path) -> OnnxEmbedder:
    loaded = load_embedder(cache)
    assert isinstance(loaded, OnnxEmbedder)
    return loaded


def reference(ids: list[int]) -> Floats:
    """BERT in plain numpy, 32 bits throughout."""
    folder = Path(importlib.import_module(module.MODEL_PACKAGE).__file__ or "").parent / "model"
    weights = importlib.import_module("safetensors.numpy").load_file(folder / "model.safetensors")

    def linear(x: Floats, name: str) -> Floats:
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(x: Floats, name: str) -> Floats:
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
        return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def heads(x: Floats) -> Floats:
        return x.reshape(len(ids), 12, 32).transpose(1, 0, 2)

    erf = np.vectorize(math.erf)
    x = weights["embeddings.word_embeddings.weight"][ids] + weights["embeddings.position_embeddings.weight"][: len(ids)]
    x = norm(x + weights["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    for layer in range(6):
        prefix = f"encoder.layer.{layer}"
        query, key, value = (heads(linear(x, f"{prefix}.attention.self.{part}")) for part in ("query", "key", "value"))
        raw = query @ key.transpose(0, 2, 1) / math.sqrt(32)
        shares = np.exp(raw - raw.max(-1, keepdims=True))
        mixed = (shares / shares.sum(-1, keepdims=True) @ value).transpose(1, 0, 2).reshape(len(ids), 384)
        x = norm(linear(mixed, f"{prefix}.attention.output.dense") + x, f"{prefix}.attention.output.LayerNorm")
        inner = linear(x, f"{prefix}.intermediate.dense")
        inner = inner * 0.5 * (1.0 + erf(inner / math.sqrt(2.0)))
        x = norm(linear(inner, f"{prefix}.output.dense") + x, f"{prefix}.output.LayerNorm")
    mean = x.mean(0)
    return mean / np.linalg.norm(mean)


def test_vectors_have_unit_length(embedder: OnnxEmbedder) -> None:
    vectors = embedder.embed(SENTENCES)
    assert vectors.shape == (len(SENTENCES), embedder.dims)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize(("sentence", "cosine"), [(SENTENCES[0], 0.99), (SENTENCES[1], 0.99), ("short", 0.97)])
def test_a_vector_agrees_with_the_encoder_in_full_precision(
    embedder: OnnxEmbedder, sentence: str, cosine: float
) -> None:
    expected = reference(embedder.token_ids(sentence))
    assert float(expected @ embedder.vector(embedder.token_ids(sentence))) >= cosine


def test_a_vector_does_not_depend_on_the_texts_beside_it(embedder: OnnxEmbedder) -> None:
    together = embedder.embed(SENTENCES)
    alone = np.concatenate([embedder.embed([sentence]) for sentence in SENTENCES])
    assert np.array_equal(together, alone)


def test_no_texts_give_no_vectors(embedder: OnnxEmbedder) -> None:
    assert embedder.embed([]).shape == (0, embedder.dims)


def test_an_empty_text_has_a_vector(embedder: OnnxEmbedder) -> None:
    assert np.isfinite(embedder.embed([""])).all()


def test_of_a_long_text_both_ends_are_read(embedder: OnnxEmbedder) -> None:
    ids = embedder.token_ids("alpha " * 500 + "omega " * 500)
    assert len(ids) == module.HEAD_TOKENS + module.TAIL_TOKENS
    assert ids[1] != ids[-2]


def test_threads_get_the_same_vectors(embedder: OnnxEmbedder) -> None:
    expected = embedder.embed(SENTENCES[:3])
    with ThreadPoolExecutor(4) as pool:
        for vectors in pool.map(lambda _: embedder.embed(SENTENCES[:3]), range(12)):
            assert np.array_equal(vectors, expected)


def test_a_second_load_takes_the_cached_file(embedder: OnnxEmbedder, cache: Path) -> None:
    (path,) = cache.iterdir()
    written = path.stat().st_mtime_ns
    assert load_embedder(cache).version == embedder.version
    assert path.stat().st_mtime_ns == written


def test_a_damaged_cache_is_built_again(embedder: OnnxEmbedder, tmp_path: Path) -> None:
    (tmp_path / f"{embedder.version}.onnx").write_bytes(b"not a model")
    again = load_embedder(tmp_path)
    assert np.array_equal(again.embed(["hello"]), embedder.embed(["hello"]))
    assert [path.name for path in tmp_path.iterdir()] == [f"{embedder.version}.onnx"]


def test_a_missing_model_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "MODEL_PACKAGE", "no_such_package")
    with pytest.raises(ConfigError, match="pip install"):
        load_embedder(tmp_path)


def test_selecting_imports_neither_torch_nor_an_http_client(cache: Path) -> None:
    program = (
        "import sys, sona; from pathlib import Path\n"
        "assert not {'numpy', 'onnxruntime'} & set(sys.modules), 'import sona must stay light'\n"
        "from sona.embedder import load_embedder; from sona.selector import Selector\n"
        "assert not {'onnxruntime', 'onnx', 'tokenizers'} & set(sys.modules), 'heavy imports belong to construction'\n"
        "from router.core.adapters import AdapterInfo\n"
        f"selector = Selector(load_embedder(Path({str(cache)!r})))\n"
        "selector.update([AdapterInfo(name='a', version='1', state='ready')]); selector.select('hello')\n"
        "print(*sorted({'torch', 'transformers', 'httpx', 'requests', 'urllib3', 'aiohttp'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")
