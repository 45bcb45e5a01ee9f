"""Decides whether an adapter's weights fit the base model and the engine: pure checks on a copy that nobody else writes."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from local_inference.base import BaseFacts, layer_of
from local_inference.errors import Rejected
from local_inference.ingest import MAX_CONFIG_BYTES, SAVE_AGAIN, Limits
from local_inference.peft import LoraConfig, parse_config
from local_inference.places import CONFIG, WEIGHTS
from local_inference.ports import RANKS
from local_inference.tensors import (
    BadFile,
    Header,
    HeaderTooLarge,
    Tensor,
    TooManyTensors,
    open_regular,
    read_header,
    read_json,
    value_facts,
)

_LFS = b"version https://git-lfs"
_LINEAR = re.compile(r"(?:base_model\.model\.)?(?P<module>.+)\.lora_(?P<side>[AB])\.weight")
_EMBEDDING = re.compile(r"(?:base_model\.model\.)?(?P<module>.+)\.lora_embedding_(?P<side>[AB])")
_OTHER_TOWERS = re.compile(r"visi|visual|audio|image|encoder")
"""Parts of a model beside its language model; their layers have numbers of their own."""
_SHOWN_LAYERS = 5


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


def check(folder: Path, base: BaseFacts | None, limits: Limits) -> Manifest:
    """Check a copied adapter whole; `base` None = shapes can't be compared.

    Raises:
        Rejected: each failure with its own reason code.
    """
    try:
        config = parse_config(read_json(folder / CONFIG, MAX_CONFIG_BYTES))
    except ValueError:
        raise Rejected("bad_config", f"{CONFIG} is not valid JSON", SAVE_AGAIN) from None
    if config.max_rank > limits.max_rank:
        raise _rank_too_high(config.max_rank, limits)
    weights = folder / WEIGHTS
    header = _header(weights)
    pairs, warnings = _pairs(header)
    warnings.extend((*config.warnings, *_base_warnings(config, base)))
    for module, pair in pairs.items():
        warnings.extend(_check_pair(module, pair, config, base, limits))
    warnings.extend(_check_coverage(pairs, config, base))
    warnings.extend(_check_values(weights, pairs))
    return Manifest(rank=config.max_rank, size_bytes=header.file_bytes, warnings=tuple(dict.fromkeys(warnings)))


def declared_rank(folder: Path) -> int | None:
    """Read an adapter's rank without judging the rest; None where it can't be read."""
    try:
        return parse_config(read_json(folder / CONFIG, MAX_CONFIG_BYTES)).max_rank
    except (OSError, ValueError, Rejected):
        return None


def _header(path: Path) -> Header:
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(len(_LFS)) == _LFS:
            raise Rejected("lfs_pointer", f"{WEIGHTS} is a Git LFS pointer, not the weights", "run `git lfs pull`")
    try:
        header = read_header(path)
    except HeaderTooLarge as error:
        raise Rejected("header_too_large", f"{WEIGHTS}: {error}", SAVE_AGAIN) from None
    except TooManyTensors as error:
        raise Rejected("too_many_tensors", f"{WEIGHTS}: {error}", "train fewer modules") from None
    except BadFile as error:
        raise Rejected("bad_safetensors", f"{WEIGHTS}: {error}", SAVE_AGAIN) from None
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
            raise Rejected("bad_tensor_name", f"tensor '{name[:200]}' is not part of a LoRA", SAVE_AGAIN)
        pair = pairs.setdefault(found["module"], _Pair(embedding="lora_embedding" in name))
        if found["side"] == "A":
            pair.a = tensor
        else:
            pair.b = tensor
    if not pairs:
        raise Rejected("no_tensors", f"{WEIGHTS} holds no LoRA weights", SAVE_AGAIN)
    return pairs, warnings


def _check_pair(module: str, pair: _Pair, config: LoraConfig, base: BaseFacts | None, limits: Limits) -> Iterator[str]:
    """Check one module's tensors against each other and the base model; yield warnings."""
    if pair.a is None or pair.b is None:
        side = "B" if pair.b is None else "A"
        raise Rejected("unpaired_tensor", f"module '{module}' has no lora_{side}", SAVE_AGAIN)
    if ".experts" in module:
        yield "weights of experts are not compared with the base model"
        return
    if len(pair.a.shape) != 2 or len(pair.b.shape) != 2:
        raise Rejected("shape_mismatch", f"module '{module}': LoRA factors must be matrices", SAVE_AGAIN)
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
        f"the base model has no module '{module[:200]}'; it has {', '.join(base.modules)}",
        f"use an adapter that was trained on {base.name}",
    )


def _check_coverage(pairs: Mapping[str, _Pair], config: LoraConfig, base: BaseFacts | None) -> Iterator[str]:
    """Compare what was to be trained with what is there; a part of the layers alone is another adapter than was trained."""
    trained = _layers_by_module(pairs)
    endings = {ending for module in pairs for ending in _endings(module)}
    for target in config.targets:
        if target.removeprefix("^") not in endings:
            yield f"adapter_config.json: `target_modules` names '{target}', but no tensor belongs to it"
    if base is None or config.some_layers:
        return
    there = _layers_by_module(dict.fromkeys(base.shapes))
    for target in config.targets:
        lacking = sorted(there.get(target, set()) - trained[target]) if target in trained else []
        if lacking:
            shown = ", ".join(map(str, lacking[:_SHOWN_LAYERS])) + (", …" if len(lacking) > _SHOWN_LAYERS else "")
            raise Rejected(
                "incomplete_layers",
                f"'{target}' is trained in {len(trained[target])} of {len(there[target])} layers; missing: {shown}",
                f"copy the whole file; if layers were left out on purpose, name the others in `layers_to_transform` of {CONFIG}",
            )


def _endings(module: str) -> Iterator[str]:
    """Yield a module's path from each of its parts on: all names by which PEFT finds it."""
    yield module
    while "." in module:
        module = module.partition(".")[2]
        yield module


def _layers_by_module(paths: Mapping[str, object]) -> dict[str, set[int]]:
    """Module name such as `q_proj` -> numbers of the language model's layers that have it."""
    found: defaultdict[str, set[int]] = defaultdict(set)
    for path in paths:
        layer = layer_of(path)
        if layer is not None and not _OTHER_TOWERS.search(path):
            found[path.rsplit(".", 1)[-1]].add(layer)
    return dict(found)


def _check_values(path: Path, pairs: Mapping[str, _Pair]) -> list[str]:
    """Refuse values that aren't numbers, and updates that are zero everywhere; warn of some that are."""
    idle: list[str] = []
    with open_regular(path) as file:
        for module, pair in pairs.items():
            zero = False
            for tensor in (pair.a, pair.b):
                assert tensor is not None
                try:
                    facts = value_facts(file, tensor)
                except BadFile as error:
                    raise Rejected(
                        "bad_dtype", f"module '{module}': {error}", "save it as float16, bfloat16 or float32"
                    ) from None
                if not facts.finite:
                    raise Rejected("not_finite", f"module '{module}' holds NaN or infinite values", "train it again")
                zero = zero or facts.zero
            if zero:
                idle.append(module)
    if len(idle) == len(pairs):
        raise no_effect("all its updates are zero")
    return [f"{len(idle)} of {len(pairs)} modules change nothing: their updates are zero"] if idle else []


def no_effect(why: str) -> Rejected:
    """Make the refusal of an adapter that changes nothing."""
    return Rejected(
        "no_effect",
        f"the adapter changes nothing: {why}",
        "check that training ran and that it was trained on this base model; an untrained adapter is all zeros",
    )


def _rank_too_high(rank: int, limits: Limits) -> Rejected:
    fitting = next((one for one in RANKS if one >= rank), None)
    setting = f"set `engine.max_lora_rank: {fitting}` or `auto` and restart the engine host, or "
    return Rejected(
        "rank_too_high",
        f"the adapter has rank {_shown(rank)}, the engine was started for at most {limits.max_rank}",
        f"{setting if fitting else ''}train with a rank of at most {limits.max_rank if fitting else RANKS[-1]}",
    )


def _shown(rank: int) -> str:
    return str(rank) if rank < 10**6 else "over a million"


def _base_warnings(config: LoraConfig, base: BaseFacts | None) -> tuple[str, ...]:
    named = _last_part(config.base_model or "")
    if not named or base is None or named in (_last_part(base.name), base.alias):
        return ()
    return (f"it names '{named}' as its base model, '{_last_part(base.name)}' is served; the shapes fit",)


def _last_part(name: str) -> str:
    return name.rstrip("/").rsplit("/", 1)[-1]
