"""Mends vLLM's LoRA arithmetic on CPUs; imported by vLLM's worker process (`--worker-extension-cls`), never by ours.

vLLM 0.32's CPU kernels copy a whole adapter matrix for each token. Here tokens of the same slot are multiplied together,
which is the same sum and many times faster. And in a batch that mixes adapters and the base model, vLLM marks the base
model's tokens with slot -1, which its kernels take for the last slot: the base model answers with somebody's adapter. Here
such tokens get no update. If a later vLLM has moved these functions, the engine refuses to start rather than answer
wrongly. Source: vllm/lora/ops/torch_ops/lora_ops.py in 0.32.0.
"""

from __future__ import annotations

import importlib
from typing import cast

import torch

from local_inference.engines._vllm_slots import AdapterSlots

_KERNELS = "vllm.lora.ops.torch_ops.lora_ops"
_USERS = ("vllm.lora.ops.torch_ops", "vllm.lora.punica_wrapper.punica_cpu")


def by_slot(inputs: torch.Tensor, weights: torch.Tensor, slots: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Multiply each token by the matrix of its slot; zeros for slot -1.

    Args:
        inputs: (tokens, in).
        weights: (slots, out, in), or (slots, 1, out, in).
        slots: (tokens,) integers; one for all tokens if there are fewer of them.
        dtype: of the result, (tokens, out).
    """
    matrices = weights.flatten(0, 1) if weights.dim() == 4 else weights
    slots = slots[: inputs.shape[0]]
    inputs = inputs.to(dtype)
    wanted = sorted(set(cast("list[int]", slots.tolist())))  # pyright: ignore[reportUnknownMemberType] torch's
    if len(wanted) == 1 and wanted[0] >= 0:
        return inputs @ matrices[wanted[0]].to(dtype).T
    result = torch.zeros((inputs.shape[0], matrices.shape[1]), dtype=dtype, device=inputs.device)
    for slot in wanted:
        if slot >= 0:
            rows = slots == slot
            result[rows] = inputs[rows] @ matrices[slot].to(dtype).T
    return result


def bgmv_shrink(
    inputs: torch.Tensor,
    lora_b_weights: torch.Tensor,
    output_tensor: torch.Tensor,
    lora_indices_tensor: torch.Tensor,
    scaling: float = 1.0,
) -> None:
    """Multiply each token by the A of its slot: (tokens, in) to (tokens, rank), in place."""
    outputs = by_slot(inputs, lora_b_weights, lora_indices_tensor, output_tensor.dtype)
    output_tensor[:, : outputs.shape[1]] = scaling * outputs


def bgmv_expand(
    inputs: torch.Tensor,
    lora_b_weights: torch.Tensor,
    output_tensor: torch.Tensor,
    lora_indices_tensor: torch.Tensor,
    add_inputs: bool = True,
) -> None:
    """Multiply each token by the B of its slot: (tokens, rank) to (tokens, out), in place."""
    outputs = by_slot(inputs, lora_b_weights, lora_indices_tensor, output_tensor.dtype)
    width = min(outputs.shape[1], output_tensor.shape[1])  # one of them may be padded
    _put(outputs[:, :width], output_tensor[:, :width], add_inputs=add_inputs)


def bgmv_expand_slice(
    inputs: torch.Tensor,
    lora_b_weights: torch.Tensor,
    output_tensor: torch.Tensor,
    lora_indices_tensor: torch.Tensor,
    slice_offset: int,
    slice_size: int,
    add_inputs: bool = True,
) -> None:
    """As `bgmv_expand`, into some columns."""
    outputs = by_slot(inputs, lora_b_weights, lora_indices_tensor, output_tensor.dtype)
    columns = output_tensor[:, slice_offset : slice_offset + slice_size]
    _put(outputs, columns, add_inputs=add_inputs)


def _put(outputs: torch.Tensor, into: torch.Tensor, *, add_inputs: bool) -> None:
    """Add to a view, or write over it."""
    if add_inputs:
        into += outputs
    else:
        into[:] = outputs


class WorkerExtension(AdapterSlots):
    """What vLLM mixes into its worker class on a CPU: that it is imported mends the arithmetic."""


def mend() -> None:
    """Put these kernels in the place of vLLM's, wherever a module has one by name."""
    kernels = importlib.import_module(_KERNELS)
    for module in (kernels, *map(importlib.import_module, _USERS)):
        for kernel in (bgmv_shrink, bgmv_expand, bgmv_expand_slice):
            if not hasattr(module, kernel.__name__):
                raise ImportError(
                    f"{module.__name__} has no {kernel.__name__}; this vLLM is newer than this mending knows"
                )
            vars(module)[kernel.__name__] = kernel


mend()
