"""A tiny random Llama with a byte-level tokenizer, and LoRA adapters for it, written by numpy in milliseconds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

HIDDEN, LAYERS, HEADS, KV_HEADS, HEAD_DIM, FFN = 128, 2, 2, 1, 64, 256
SPECIALS = ("<|begin|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>")
VOCAB = 256 + len(SPECIALS)
CHAT_TEMPLATE = (
    "{{ '<|begin|>' }}{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
SHAPES = {
    "self_attn.q_proj": (HEADS * HEAD_DIM, HIDDEN),
    "self_attn.k_proj": (KV_HEADS * HEAD_DIM, HIDDEN),
    "self_attn.v_proj": (KV_HEADS * HEAD_DIM, HIDDEN),
    "self_attn.o_proj": (HIDDEN, HEADS * HEAD_DIM),
    "mlp.gate_proj": (FFN, HIDDEN),
    "mlp.up_proj": (FFN, HIDDEN),
    "mlp.down_proj": (HIDDEN, FFN),
}
"""Module -> (out, in) of each layer's linear weights."""

Tensors = dict[str, NDArray[np.float32]]


def write_model(folder: Path, seed: int = 0) -> Path:
    """Write a servable checkpoint: config, weights, tokenizer, chat template."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    tensors: Tensors = {
        "model.embed_tokens.weight": _random(rng, (VOCAB, HIDDEN), 0.5),
        "lm_head.weight": _random(rng, (VOCAB, HIDDEN), 0.2),
        "model.norm.weight": np.ones(HIDDEN, np.float32),
    }
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}"
        tensors |= {f"{prefix}.{name}.weight": _random(rng, shape, 0.1) for name, shape in SHAPES.items()}
        tensors |= {
            f"{prefix}.{name}.weight": np.ones(HIDDEN, np.float32)
            for name in ("input_layernorm", "post_attention_layernorm")
        }
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    _dump(folder / "config.json", _config())
    _dump(folder / "generation_config.json", {"bos_token_id": 256, "eos_token_id": 257})
    _dump(folder / "tokenizer.json", _tokenizer())
    _dump(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": SPECIALS[0],
            "eos_token": SPECIALS[1],
            "pad_token": SPECIALS[1],
            "model_max_length": 2048,
            "chat_template": CHAT_TEMPLATE,
        },
    )
    return folder


def adapter_tensors(rank: int = 4, seed: int = 1, scale: float = 0.2, layers: int = LAYERS) -> Tensors:
    """Make the tensors of an adapter that visibly changes the model's answers."""
    rng = np.random.default_rng(seed)
    tensors: Tensors = {}
    for layer in range(layers):
        for name in ("self_attn.q_proj", "self_attn.v_proj", "mlp.down_proj"):
            out, into = SHAPES[name]
            prefix = f"base_model.model.model.layers.{layer}.{name}"
            tensors[f"{prefix}.lora_A.weight"] = _random(rng, (rank, into), scale)
            tensors[f"{prefix}.lora_B.weight"] = _random(rng, (out, rank), scale)
    return tensors


def adapter_config(rank: int = 4, **changes: object) -> dict[str, object]:
    """Make PEFT's `adapter_config.json` for such an adapter."""
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": "tiny",
        "r": rank,
        "lora_alpha": 2 * rank,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": ["q_proj", "v_proj", "down_proj"],
        "inference_mode": True,
        **changes,
    }


def write_adapter(
    folder: Path,
    *,
    rank: int = 4,
    seed: int = 1,
    tensors: Tensors | None = None,
    card: str | None = None,
    **changes: object,
) -> Path:
    """Write an adapter folder as PEFT would; `changes` go into its configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    _dump(folder / "adapter_config.json", adapter_config(rank, **changes))
    save_file(tensors if tensors is not None else adapter_tensors(rank, seed), folder / "adapter_model.safetensors")
    if card is not None:
        (folder / "card.yaml").write_text(card)
    return folder


def _random(rng: np.random.Generator, shape: tuple[int, ...], scale: float) -> NDArray[np.float32]:
    return (rng.standard_normal(shape) * scale).astype(np.float32)


def _dump(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1))


def _config() -> dict[str, object]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": HIDDEN,
        "intermediate_size": FFN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "head_dim": HEAD_DIM,
        "vocab_size": VOCAB,
        "max_position_embeddings": 2048,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "hidden_act": "silu",
        "tie_word_embeddings": False,
        "bos_token_id": 256,
        "eos_token_id": 257,
        "torch_dtype": "float32",
    }


def _byte_alphabet() -> list[str]:
    """List GPT-2's printable stand-in for each of the 256 bytes."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    spare = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(spare)) for byte in range(256)]


def _tokenizer() -> dict[str, object]:
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": 256 + index,
                "content": token,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
            for index, token in enumerate(SPECIALS)
        ],
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": {symbol: index for index, symbol in enumerate(_byte_alphabet())},
            "merges": [],
        },
    }
