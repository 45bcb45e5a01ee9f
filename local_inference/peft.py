"""Reads PEFT's `adapter_config.json`: what an engine can serve of it, as tables of data."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import cast

import msgspec

from local_inference.errors import Rejected

_HARMLESS_INIT = {"gaussian", "eva", "orthogonal", "mica", "lora_ga", "true"}
_SERVED_MODULES = ("classifier", "score")
_SHOWN_CHARS = 80
_MERGE_FIX = "merge it into a plain LoRA with PEFT, or retrain without this option"


class _Unsupported(msgspec.Struct, frozen=True):
    key: str
    used: Callable[[object], bool]
    reason: str
    message: str
    fix: str


def _on(value: object) -> bool:
    return bool(value)


def _biased(value: object) -> bool:
    return value not in (None, "none")


def _saved_modules(value: object) -> bool:
    if not isinstance(value, list):
        return bool(value)
    return any(one not in _SERVED_MODULES for one in cast("list[object]", value))


def _altering_init(value: object) -> bool:
    return isinstance(value, str) and value.lower() not in _HARMLESS_INIT


_UNSUPPORTED = (
    _Unsupported("use_dora", _on, "dora", "DoRA can't be served", "retrain with `use_dora: false`"),
    _Unsupported("lora_bias", _on, "lora_bias", "biases in LoRA layers can't be served", "set `lora_bias: false`"),
    _Unsupported("bias", _biased, "bias", "adapters that train biases can't be served", "retrain with `bias: none`"),
    _Unsupported(
        "modules_to_save",
        _saved_modules,
        "modules_to_save",
        "whole modules saved beside the LoRA weights can't be served",
        "retrain without `modules_to_save`, or add those modules to `target_modules`",
    ),
    _Unsupported(
        "init_lora_weights",
        _altering_init,
        "init_lora_weights",
        "this initialisation changed the base model's own weights",
        "convert it with PEFT's `path_initial_model_for_weight_conversion`",
    ),
    _Unsupported("alora_invocation_tokens", _on, "alora", "Activated LoRA can't be served", _MERGE_FIX),
    _Unsupported("layer_replication", _on, "layer_replication", "replicated layers can't be served", _MERGE_FIX),
    _Unsupported("use_bdlora", _on, "bdlora", "block-diagonal LoRA can't be served", _MERGE_FIX),
    _Unsupported("use_qalora", _on, "qalora", "QALoRA can't be served", _MERGE_FIX),
)
"""Source: vllm/lora/peft_helper.py in 0.32.0; there most of these end as an internal error."""

_KNOWN = {
    *(row.key for row in _UNSUPPORTED),
    *("peft_type", "r", "lora_alpha", "target_modules", "use_rslora", "rank_pattern", "alpha_pattern"),
    *("auto_mapping", "base_model_name_or_path", "revision", "task_type", "inference_mode", "lora_dropout"),
    *("peft_version", "exclude_modules", "layers_to_transform", "layers_pattern", "fan_in_fan_out"),
    *("megatron_config", "megatron_core", "loftq_config", "eva_config", "corda_config", "lora_ga_config"),
    *("runtime_config", "ensure_weight_tying", "qalora_group_size", "is_prompt_learning", "target_parameters"),
}


_NAME = re.compile(r"\^?[\w.]+")
_SOME_LAYERS = ("layers_to_transform", "layers_pattern", "exclude_modules", "target_parameters")


class LoraConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The facts that the checks of the tensors need."""

    rank: int
    rank_pattern: dict[str, int] = {}
    base_model: str | None = None
    targets: tuple[str, ...] = ()
    """`target_modules` that are plain names, such as `q_proj`."""
    some_layers: bool = False
    """Whether it says that only some layers were trained."""
    warnings: tuple[str, ...] = ()

    @property
    def max_rank(self) -> int:
        return max((self.rank, *self.rank_pattern.values()))

    def rank_of(self, module: str) -> int:
        """Look up a module's rank; patterns match its name's end, as in PEFT."""
        for pattern, rank in self.rank_pattern.items():
            name = pattern.removeprefix("^")
            if module == name or module.endswith(f".{name}"):
                return rank
        return self.rank


def parse_config(value: object) -> LoraConfig:
    """Check a decoded `adapter_config.json`.

    Raises:
        Rejected: bad_config, not_lora, or the reason code of an option that can't be served.
    """
    if not isinstance(value, dict):
        raise _bad("it must hold a JSON object")
    config = cast("dict[str, object]", value)
    kind = config.get("peft_type", "LORA")
    if kind != "LORA":
        shown = repr(kind)[:_SHOWN_CHARS] if isinstance(kind, str) else f"a {type(kind).__name__}"
        raise Rejected("not_lora", f"peft_type is {shown}; only LORA can be served", "train or export it as a LoRA")
    for row in _UNSUPPORTED:
        if row.used(config.get(row.key)):
            raise Rejected(row.reason, f"{row.message} (`{row.key}` in adapter_config.json)", row.fix)
    _check_scaling(config)
    patterns = {key: _rank(f"rank_pattern.{key}", rank) for key, rank in _patterns(config, "rank_pattern").items()}
    for key, alpha in _patterns(config, "alpha_pattern").items():
        if not _is_number(alpha):
            raise _bad(f"`alpha_pattern.{key}` must be a number")
    base = config.get("base_model_name_or_path")
    return LoraConfig(
        rank=_rank("r", config.get("r")),
        rank_pattern=patterns,
        base_model=base if isinstance(base, str) else None,
        targets=_targets(config.get("target_modules")),
        some_layers=any(config.get(key) not in (None, [], "", {}) for key in _SOME_LAYERS),
        warnings=tuple(_ignored(config)),
    )


def _patterns(config: dict[str, object], key: str) -> dict[str, object]:
    """Read a mapping from module names.

    PEFT takes any expression as a name, and so does the engine; one from a stranger could run for hours, and PEFT itself
    writes plain names.
    """
    value: object = config.get(key) or None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _bad(f"`{key}` must be an object")
    patterns = cast("dict[str, object]", value)
    for pattern in patterns:
        if _NAME.fullmatch(pattern) is None:
            message = f"`{key}` key '{pattern[:_SHOWN_CHARS]}' is no module name"
            raise Rejected("bad_config", message, "name modules in adapter_config.json, without expressions")
    return patterns


def _check_scaling(config: dict[str, object]) -> None:
    alpha = config.get("lora_alpha")
    if not _is_number(alpha):
        raise _bad("`lora_alpha` must be a number")
    if alpha == 0:
        raise Rejected(
            "no_effect", "adapter_config.json: `lora_alpha` is 0, which turns the adapter off", "set it to `r`"
        )
    targets = config.get("target_modules")
    if not targets or not isinstance(targets, str | list):
        raise _bad("`target_modules` must be a name or a list of names")


def _is_number(value: object) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float can hold
        return False


def _targets(value: object) -> tuple[str, ...]:
    """Pick the plain names; an expression such as `.*_proj` or `all-linear` says nothing that could be compared."""
    named = cast("list[object]", value) if isinstance(value, list) else ()
    return tuple(sorted(name for name in named if isinstance(name, str) and _NAME.fullmatch(name)))


def _rank(key: str, value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    raise _bad(f"`{key}` must be a whole number of at least 1")


def _ignored(config: dict[str, object]) -> list[str]:
    unknown = sorted(
        key for key, value in config.items() if key not in _KNOWN and value not in (None, False, [], {}, "")
    )
    return [f"adapter_config.json: `{key}` is ignored by the engine" for key in unknown]


def _bad(what: str) -> Rejected:
    return Rejected(
        "bad_config", f"adapter_config.json: {what}", "save the adapter again with PEFT's `save_pretrained`"
    )
