"""Reads PEFT's `adapter_config.json`: what an engine can serve of it, as tables of data."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import cast

import msgspec

from local_inference.errors import Rejected

_HARMLESS_INIT = {"gaussian", "eva", "orthogonal", "mica", "lora_ga", "true"}
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
    return bool(value) and not (isinstance(value, list) and set(cast("list[object]", value)) <= {"classifier", "score"})


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
    *("runtime_config", "ensure_weight_tying", "qalora_group_size", "is_prompt_learning"),
}


_NAME = re.compile(r"\^?[\w.]+")


class LoraConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The facts that the checks of the tensors need."""

    rank: int
    rank_pattern: dict[str, int] = {}
    base_model: str | None = None
    warnings: tuple[str, ...] = ()

    @property
    def max_rank(self) -> int:
        return max((self.rank, *self.rank_pattern.values()))

    def rank_of(self, module: str) -> int:
        """Look up a module's rank; patterns match its name's end, as in PEFT."""
        for pattern, rank in self.rank_pattern.items():
            # PEFT takes any expression here; one from a stranger could run for hours, and PEFT itself writes names.
            if _NAME.fullmatch(pattern) is None:
                message = f"`rank_pattern` key '{pattern[:80]}' is no module name"
                raise Rejected("bad_config", message, "name modules in adapter_config.json, without expressions")
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
        raise Rejected("not_lora", f"peft_type is {kind!r}; only LORA can be served", "train or export it as a LoRA")
    for row in _UNSUPPORTED:
        if row.used(config.get(row.key)):
            raise Rejected(row.reason, f"{row.message} (`{row.key}` in adapter_config.json)", row.fix)
    _check_scaling(config)
    patterns = _patterns(config)
    base = config.get("base_model_name_or_path")
    return LoraConfig(
        rank=_rank("r", config.get("r")),
        rank_pattern=patterns,
        base_model=base if isinstance(base, str) else None,
        warnings=tuple(_ignored(config)),
    )


def _patterns(config: dict[str, object]) -> dict[str, int]:
    value: object = config.get("rank_pattern") or None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _bad("`rank_pattern` must be an object")
    return {key: _rank(f"rank_pattern.{key}", rank) for key, rank in cast("dict[str, object]", value).items()}


def _check_scaling(config: dict[str, object]) -> None:
    alpha = config.get("lora_alpha")
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not math.isfinite(alpha):
        raise _bad("`lora_alpha` must be a number")
    targets = config.get("target_modules")
    if not targets or not isinstance(targets, str | list):
        raise _bad("`target_modules` must be a name or a list of names")


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
