"""Mends vLLM's LoRA arithmetic on CPUs; imported by vLLM's worker process (`--worker-extension-cls`), never by ours.

In a batch that mixes adapters and the base model, vLLM 0.32 marks the base model's tokens with slot -1, which its CPU
kernels take for the last slot: the base model answers with somebody's adapter. Here such tokens get an update of zero.
If a later vLLM has moved these functions, the engine refuses to start rather than answer wrongly.
"""

from __future__ import annotations

import importlib
from typing import Protocol

import torch

from local_inference.engines._vllm_slots import AdapterSlots

_KERNELS = "vllm.lora.ops.torch_ops.lora_ops"
_USERS = ("vllm.lora.ops.torch_ops", "vllm.lora.punica_wrapper.punica_cpu")


class Shrink(Protocol):
    """Multiplies each token by the A of its slot: (tokens, in) to (tokens, rank), in place."""

    def __call__(
        self,
        inputs: torch.Tensor,
        lora_b_weights: torch.Tensor,
        output_tensor: torch.Tensor,
        lora_indices_tensor: torch.Tensor,
        scaling: float = 1.0,
    ) -> None: ...


def masked(shrink: Shrink) -> Shrink:
    """Wrap the kernel so that tokens without a slot get zeros."""

    def bgmv_shrink(
        inputs: torch.Tensor,
        lora_b_weights: torch.Tensor,
        output_tensor: torch.Tensor,
        lora_indices_tensor: torch.Tensor,
        scaling: float = 1.0,
    ) -> None:
        shrink(inputs, lora_b_weights, output_tensor, lora_indices_tensor, scaling)
        output_tensor.masked_fill_((lora_indices_tensor < 0).unsqueeze(1), 0)

    return bgmv_shrink


class WorkerExtension(AdapterSlots):
    """What vLLM mixes into its worker class on a CPU: that it is imported mends the arithmetic."""


def _mend() -> None:
    kernels = importlib.import_module(_KERNELS)
    mended = masked(kernels.bgmv_shrink)
    for module in (kernels, *map(importlib.import_module, _USERS)):
        if not hasattr(module, "bgmv_shrink"):
            raise ImportError(f"{module.__name__} has no bgmv_shrink; this vLLM is newer than this mending knows")
        vars(module)["bgmv_shrink"] = mended


_mend()
