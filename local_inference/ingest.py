"""Decides whether an adapter's files can be served: pure checks on files, before the engine sees any of them."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from pathlib import Path

import msgspec

from local_inference.base import BaseFacts, layer_of
from local_inference.errors import Rejected
from local_inference.peft import LoraConfig, parse_config
from local_inference.tensors import BadFile, Header, Tensor, is_finite, is_zero, read_header, read_json, values

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
MAX_FILES = 1000
MAX_CONFIG_BYTES = 1024 * 1024
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_PICKLES = {".bin", ".pt", ".pth", ".pkl", ".ckpt"}
_LFS = b"version https://git-lfs"
_LINEAR = re.compile(r"(?:base_model\.model\.)?(?P<module>.+)\.lora_(?P<side>[AB])\.weight")
_EMBEDDING = re.compile(r"(?:base_model\.model\.)?(?P<module>.+)\.lora_embedding_(?P<side>[AB])")
_SAVE_AGAIN = "save the adapter again with PEFT's `save_pretrained`"


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine was started for."""

    max_rank: int
    max_bytes: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """Validated facts of an adapter."""

    rank: int
    size_bytes: int
    warnings: tuple[str, ...] = ()


class _Pair(msgspec.Struct):
    """The two factors of one module's update."""

    embedding: bool
    a: Tensor | None = None
    b: Tensor | None = None


def check_name(name: str) -> None:
    """Refuse names that can't be a model name.

    Raises:
        Rejected: bad_name.
    """
    if not _NAME.fullmatch(name) or name in ("base", "local", "auto"):
        raise Rejected(
            "bad_name",
            f"'{name}' can't be an adapter's name",
            "rename the folder: 1 to 64 of a-z 0-9 . _ -, the first a letter or digit; not base, local or auto",
        )


def missing(folder: Path) -> str | None:
    """Say what a copy in progress still lacks; None = complete, or waiting won't help."""
    try:
        read_json(folder / CONFIG)
    except FileNotFoundError:
        return f"waiting for {CONFIG}"
    except (OSError, ValueError):
        return f"waiting for the rest of {CONFIG}, or it isn't valid JSON"
    weights = folder / WEIGHTS
    try:
        size = weights.stat(follow_symlinks=False).st_size
        header = read_header(weights)
    except FileNotFoundError:
        return None if _pickles(folder) else _no_weights(folder)
    except (BadFile, OSError):
        return None
    if header is None:
        return f"waiting for the rest of {WEIGHTS} ({size} bytes so far)"
    if size < header.file_bytes:
        return f"waiting for the rest of {WEIGHTS} ({size} of {header.file_bytes} bytes)"
    return None


def check_folder(folder: Path, limits: Limits) -> None:
    """Refuse what must not even be copied.

    Raises:
        Rejected: symlink, special_file, too_many_files, too_large, pickle_weights.
        OSError: the folder vanished.
    """
    if folder.is_symlink():
        raise _symlink(folder.name)
    entries = sorted(folder.iterdir())
    if len(entries) > MAX_FILES:
        raise Rejected(
            "too_many_files", f"it holds {len(entries)} files, at most {MAX_FILES} are allowed", "keep the adapter only"
        )
    for entry in entries:
        mode = entry.lstat().st_mode
        if stat.S_ISLNK(mode):
            raise _symlink(entry.name)
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise Rejected("special_file", f"'{entry.name}' is not a regular file", "delete it")
    if not (folder / WEIGHTS).exists() and (pickles := _pickles(folder)):
        raise Rejected(
            "pickle_weights",
            f"'{pickles[0]}' is a pickle, which can run code when it is read",
            f"save the adapter as {WEIGHTS}: `save_pretrained(..., safe_serialization=True)`",
        )
    for name, most in ((CONFIG, MAX_CONFIG_BYTES), (WEIGHTS, limits.max_bytes)):
        size = (folder / name).lstat().st_size
        if size > most:
            raise Rejected(
                "too_large",
                f"{name} has {size} bytes, at most {most} are allowed",
                "raise `max_adapter_gib`, or retrain",
            )


def check(folder: Path, base: BaseFacts | None, limits: Limits) -> Manifest:
    """Check a copied adapter whole; `base` None = shapes can't be compared.

    Raises:
        Rejected: each failure with its own reason code.
    """
    try:
        config = parse_config(read_json(folder / CONFIG))
    except ValueError:
        raise Rejected("bad_config", f"{CONFIG} is not valid JSON", _SAVE_AGAIN) from None
    if config.max_rank > limits.max_rank:
        raise _rank_too_high(config.max_rank, limits)
    weights = folder / WEIGHTS
    header = _header(weights)
    pairs, warnings = _pairs(header)
    warnings.extend((*config.warnings, *_base_warnings(config, base)))
    for module, pair in pairs.items():
        warnings.extend(_check_pair(module, pair, config, base, limits))
    _check_values(weights, pairs)
    return Manifest(rank=config.max_rank, size_bytes=header.file_bytes, warnings=tuple(dict.fromkeys(warnings)))


def declared_rank(folder: Path) -> int | None:
    """Read an adapter's rank without judging the rest; None where it can't be read."""
    try:
        return parse_config(read_json(folder / CONFIG)).max_rank
    except (OSError, ValueError, Rejected):
        return None


def _header(path: Path) -> Header:
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(len(_LFS)) == _LFS:
            raise Rejected("lfs_pointer", f"{WEIGHTS} is a Git LFS pointer, not the weights", "run `git lfs pull`")
    try:
        header = read_header(path)
    except BadFile as error:
        raise Rejected("bad_safetensors", f"{WEIGHTS}: {error}", _SAVE_AGAIN) from None
    if header is None or header.file_bytes != size:
        raise Rejected("bad_safetensors", f"{WEIGHTS}: its size doesn't match its header", "copy it again")
    return header


def _pairs(header: Header) -> tuple[dict[str, _Pair], list[str]]:
    """Sort tensors into the A and B of each module."""
    pairs: dict[str, _Pair] = {}
    warnings: list[str] = []
    for name, tensor in header.tensors.items():
        if name.endswith((".embed_tokens.base_layer.weight", ".lm_head.base_layer.weight")):
            warnings.append(f"tensor '{name}' is ignored by the engine: a changed vocabulary isn't served")
            continue
        if "lora_magnitude_vector" in name:
            raise Rejected("dora", f"tensor '{name}' belongs to DoRA", "retrain with `use_dora: false`")
        found = _LINEAR.fullmatch(name) or _EMBEDDING.fullmatch(name)
        if found is None:
            raise Rejected("bad_tensor_name", f"tensor '{name}' is not part of a LoRA", _SAVE_AGAIN)
        pair = pairs.setdefault(found["module"], _Pair(embedding="lora_embedding" in name))
        if found["side"] == "A":
            pair.a = tensor
        else:
            pair.b = tensor
    if not pairs:
        raise Rejected("no_tensors", f"{WEIGHTS} holds no LoRA weights", _SAVE_AGAIN)
    return pairs, warnings


def _check_pair(module: str, pair: _Pair, config: LoraConfig, base: BaseFacts | None, limits: Limits) -> Iterator[str]:
    """Check one module's tensors against each other and the base model; yield warnings."""
    if pair.a is None or pair.b is None:
        side = "B" if pair.b is None else "A"
        raise Rejected("unpaired_tensor", f"module '{module}' has no lora_{side}", _SAVE_AGAIN)
    if ".experts" in module:
        yield "weights of experts are not compared with the base model"
        return
    if len(pair.a.shape) != 2 or len(pair.b.shape) != 2:
        raise Rejected("shape_mismatch", f"module '{module}': LoRA factors must be matrices", _SAVE_AGAIN)
    rank, into = pair.a.shape
    out, other = pair.b.shape
    if rank != other or rank != config.rank_of(module):
        expected = config.rank_of(module)
        raise Rejected(
            "rank_mismatch",
            f"module '{module}': A has rank {rank}, B {other}, {CONFIG} says {expected}",
            f"make `r` in {CONFIG} match the weights",
        )
    if rank > limits.max_rank:
        raise _rank_too_high(rank, limits)
    if base is None:
        yield "the base model's files aren't here, so shapes could not be compared"
        return
    expected = _expected(module, base)
    if pair.embedding:
        expected = (expected[1], expected[0])
    if (out, into) != expected:
        raise Rejected(
            "shape_mismatch",
            f"module '{module}': the adapter maps {into} to {out}, the base model {expected[1]} to {expected[0]}",
            f"use an adapter that was trained on {base.name}",
        )


def _expected(module: str, base: BaseFacts) -> tuple[int, int]:
    shape = base.shape(module)
    if shape is not None:
        return shape
    layer = layer_of(module)
    if layer is not None and layer >= base.layers:
        raise Rejected(
            "layer_out_of_range",
            f"module '{module}' is in layer {layer}, the base model has layers 0 to {base.layers - 1}",
            f"use an adapter that was trained on {base.name}",
        )
    raise Rejected(
        "unknown_module",
        f"the base model has no module '{module}'; it has {', '.join(base.modules)}",
        f"use an adapter that was trained on {base.name}",
    )


def _check_values(path: Path, pairs: dict[str, _Pair]) -> None:
    """Refuse values that aren't numbers, and updates that are zero everywhere."""
    effect = False
    for module, pair in pairs.items():
        zero = False
        for tensor in (pair.a, pair.b):
            assert tensor is not None
            try:
                data = values(path, tensor)
            except BadFile as error:
                raise Rejected(
                    "bad_dtype", f"module '{module}': {error}", "save it as float16, bfloat16 or float32"
                ) from None
            if not is_finite(data):
                raise Rejected("not_finite", f"module '{module}' holds NaN or infinite values", "train it again")
            zero = zero or is_zero(data)
        effect = effect or not zero
    if not effect:
        raise no_effect("all its updates are zero")


def no_effect(why: str) -> Rejected:
    """Make the refusal of an adapter that changes nothing."""
    return Rejected(
        "no_effect",
        f"the adapter changes nothing: {why}",
        "check that training ran and that it was trained on this base model; an untrained adapter is all zeros",
    )


def _rank_too_high(rank: int, limits: Limits) -> Rejected:
    return Rejected(
        "rank_too_high",
        f"the adapter has rank {rank}, the engine was started for at most {limits.max_rank}",
        f"set `engine.max_lora_rank: {rank}` or `auto` and restart the engine host, or train with a lower rank",
    )


def _base_warnings(config: LoraConfig, base: BaseFacts | None) -> tuple[str, ...]:
    named = _last_part(config.base_model or "")
    if not named or base is None or named in (_last_part(base.name), base.alias):
        return ()
    return (f"it names '{named}' as its base model, '{_last_part(base.name)}' is served; the shapes fit",)


def _last_part(name: str) -> str:
    return name.rstrip("/").rsplit("/", 1)[-1]


def _pickles(folder: Path) -> list[str]:
    return sorted(
        entry.name for entry in folder.iterdir() if entry.suffix in _PICKLES and entry.stem.startswith("adapter")
    )


def _no_weights(folder: Path) -> str:
    others = sorted(entry.name for entry in folder.glob("*.safetensors"))
    return f"waiting for {WEIGHTS}" + (f"; found {others[0]}, rename it if that is the adapter" if others else "")


def _symlink(name: str) -> Rejected:
    return Rejected("symlink", f"'{name}' is a symbolic link", "copy the files themselves into the adapter's folder")
