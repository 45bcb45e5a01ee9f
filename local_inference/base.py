"""What is known of the base model's layers, read from its files: the yardstick for every adapter's tensors."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import cast

import msgspec

from local_inference.tensors import BadFile, read_header, read_json

_LAYER = re.compile(r"(?:^|\.)layers\.(\d{1,1000})\.")
_TAIL = re.compile(r"(?:^|\.)(layers\.\d+\..+|embed_tokens|lm_head)$")
_QUANTISED = {"U8", "I8", "I32", "F8_E4M3", "F8_E5M2"}


class BaseFacts(msgspec.Struct, frozen=True, dict=True):
    """Shapes of the base model's weights. Unknown shapes are missing, never guessed."""

    name: str
    shapes: dict[str, tuple[int, int]]
    """Module path -> (out, in); for embeddings (vocabulary, hidden)."""
    layers: int
    alias: str = ""
    """What the host calls the model; adapters may name it so."""

    def shape(self, module: str) -> tuple[int, int] | None:
        """Find a module's shape by its path, whatever wrapper stands before `layers.N.`."""
        found = self.shapes.get(module)
        if found is not None:
            return found
        tail = _TAIL.search(module)
        return self._tails.get(tail.group(1)) if tail else None

    @property
    def modules(self) -> list[str]:
        """Names of the modules that exist, e.g. `q_proj`."""
        return sorted({path.rsplit(".", 1)[-1] for path in self.shapes})

    @cached_property
    def _tails(self) -> dict[str, tuple[int, int]]:
        return {tail.group(1): shape for path, shape in self.shapes.items() if (tail := _TAIL.search(path))}


def layer_of(module: str) -> int | None:
    """Read the layer number out of a module's path."""
    found = _LAYER.search(module)
    return int(found.group(1)) if found else None


def read_base(model: str) -> BaseFacts | None:
    """Read the facts of a model given as a folder or as the name of a hub model on this disk.

    Returns None where its files aren't here (yet) or don't say.
    """
    folder = Path(model) if Path(model).is_dir() else _hub_snapshot(model)
    if folder is None:
        return None
    try:
        config = read_json(folder / "config.json")
    except (OSError, ValueError):
        return None
    if not isinstance(config, dict):
        return None
    facts = _text_config(cast("dict[str, object]", config))
    shapes = _from_config(facts) | _from_weights(folder)
    if not shapes:
        return None
    if "lm_head" not in shapes:  # tied to the embedding
        tied = next((shape for path, shape in shapes.items() if path.endswith("embed_tokens")), None)
        shapes |= {"lm_head": tied} if tied else {}
    layers = max((number for path in shapes if (number := layer_of(path)) is not None), default=-1) + 1
    return BaseFacts(model, shapes, layers)


def _hub_snapshot(model: str) -> Path | None:
    home = Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser()
    cache = Path(os.environ.get("HF_HUB_CACHE", home / "hub"))
    snapshots = (cache / f"models--{model.replace('/', '--')}" / "snapshots").glob("*/config.json")
    return next((path.parent for path in snapshots), None)


def _text_config(config: dict[str, object]) -> dict[str, object]:
    text = config.get("text_config")
    return cast("dict[str, object]", text) if isinstance(text, dict) else config


def _from_weights(folder: Path) -> dict[str, tuple[int, int]]:
    return dict(_weights(folder))


def _weights(folder: Path) -> Iterator[tuple[str, tuple[int, int]]]:
    for path in sorted(folder.glob("*.safetensors")):
        try:
            header = read_header(path)
        except (BadFile, OSError):
            continue
        for name, tensor in header.tensors.items() if header else ():
            if name.endswith(".weight") and len(tensor.shape) == 2 and tensor.dtype not in _QUANTISED:
                yield name.removesuffix(".weight"), (tensor.shape[0], tensor.shape[1])


def _from_config(config: dict[str, object]) -> dict[str, tuple[int, int]]:
    """Derive what Llama-like models have, for checkpoints whose weights are quantised or not safetensors."""
    number = {key: value for key, value in config.items() if isinstance(value, int)}
    hidden, ffn, heads = (number.get(key) for key in ("hidden_size", "intermediate_size", "num_attention_heads"))
    if not hidden or not ffn or not heads or number.get("num_experts") or number.get("num_local_experts"):
        return {}
    head_dim = number.get("head_dim") or hidden // heads
    queries, keys = heads * head_dim, (number.get("num_key_value_heads") or heads) * head_dim
    layer = {
        "self_attn.q_proj": (queries, hidden),
        "self_attn.k_proj": (keys, hidden),
        "self_attn.v_proj": (keys, hidden),
        "self_attn.o_proj": (hidden, queries),
        "mlp.gate_proj": (ffn, hidden),
        "mlp.up_proj": (ffn, hidden),
        "mlp.down_proj": (hidden, ffn),
    }
    count = number.get("num_hidden_layers", 0)
    return {f"model.layers.{index}.{name}": shape for index in range(count) for name, shape in layer.items()}
