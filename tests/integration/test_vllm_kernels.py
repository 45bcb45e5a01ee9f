"""The CPU's LoRA arithmetic that replaces vLLM's, against vLLM's own."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed")
COMPARE = textwrap.dedent(
    """
    import importlib, itertools
    import torch
    kernels = importlib.import_module("vllm.lora.ops.torch_ops.lora_ops")
    theirs = {name: getattr(kernels, name) for name in ("bgmv_shrink", "bgmv_expand", "bgmv_expand_slice")}
    ours = importlib.import_module("local_inference.engines._vllm_worker")
    assert kernels.bgmv_shrink is ours.bgmv_shrink
    torch.manual_seed(1)
    tokens, width, rank, out, slots = 13, 24, 8, 40, 3
    for dtype, four, add in itertools.product((torch.float32, torch.bfloat16), (False, True), (False, True)):
        x = torch.randn(tokens, width).to(dtype)
        a = torch.randn(slots, *([1] if four else []), rank, width).to(dtype)
        b = torch.randn(slots, *([1] if four else []), out, rank).to(dtype)
        for indices in (torch.randint(0, slots, (tokens,)), torch.full((tokens,), 2)):
            results = []
            for kernel in (theirs, {name: getattr(ours, name) for name in theirs}):
                low, high, part = torch.zeros(tokens, rank), torch.ones(tokens, out).to(dtype), torch.ones(tokens, 99)
                kernel["bgmv_shrink"](x, a, low, indices, 0.5)
                kernel["bgmv_expand"](low, b, high, indices, add)
                kernel["bgmv_expand_slice"](low, b, part, indices, 7, out, add)
                results.append((low, high, part))
            for their, our in zip(*results):
                assert torch.allclose(their.float(), our.float(), rtol=2e-2, atol=2e-2)
        mixed = torch.tensor([0, -1] * 6 + [1])
        low = torch.ones(tokens, rank)
        ours.bgmv_shrink(x, a, low, mixed)
        assert not low[mixed < 0].any() and low[mixed >= 0].any()
        high = torch.ones(tokens, out)
        ours.bgmv_expand(low, b, high, mixed)
        assert (high[mixed < 0] == 1).all(), "the base model's tokens are left alone"
    """
)


def test_the_sums_are_vllms_and_the_base_model_gets_no_adapter() -> None:
    done = subprocess.run([sys.executable, "-c", COMPARE], timeout=110, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
