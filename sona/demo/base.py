"""Trains the base model on generated text and writes it as a folder that vLLM serves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from sona.demo.chat import END, PAD, Chat
from sona.demo.corpus import draw_chat, draw_practice, tokenizer_texts
from sona.demo.tokenizer import CONTEXT_TOKENS, save_tokenizer, train_tokenizer
from sona.demo.training import Schedule, batches, train

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer
    from transformers import LlamaForCausalLM

SEED = 7
READING = Schedule(steps=850, batch_tokens=4096, rate=4e-3, warmup_steps=60)
PRACTICE = Schedule(steps=1000, batch_tokens=4096, rate=3e-3, warmup_steps=20)
HIDDEN = 256
LAYERS = 4


def new_model(tokenizer: Tokenizer) -> LlamaForCausalLM:
    """Make an untrained Llama of about 3.7 million parameters."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(SEED)
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=HIDDEN,
        intermediate_size=704,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        num_key_value_heads=4,
        head_dim=64,
        max_position_embeddings=CONTEXT_TOKENS,
        rms_norm_eps=1e-5,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.token_to_id(END),
        pad_token_id=tokenizer.token_to_id(PAD),
    )
    return LlamaForCausalLM(config)


def _optimizers(model: LlamaForCausalLM) -> list[torch.optim.Optimizer]:
    import torch

    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    others = [p for n, p in model.named_parameters() if p.ndim != 2 or "embed" in n]
    return [
        torch.optim.Muon(matrices, lr=1.0, weight_decay=0.02, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=1.0, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
    ]


def save_model(model: LlamaForCausalLM, tokenizer: Tokenizer, folder: Path) -> None:
    """Write weights (bfloat16), configuration and tokenizer."""
    import torch
    from transformers import GenerationConfig

    model.generation_config = GenerationConfig(
        do_sample=True,
        temperature=0.1,
        max_new_tokens=256,
        eos_token_id=tokenizer.token_to_id(END),
        pad_token_id=tokenizer.token_to_id(PAD),
    )
    for parameter in model.parameters():
        parameter.data = parameter.data.to(torch.bfloat16)
    model.config.dtype = torch.bfloat16
    model.save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)
    save_tokenizer(tokenizer, folder)
    model.float()


def build_base(folder: Path, reading: Schedule = READING, practice: Schedule = PRACTICE) -> None:
    """Train tokenizer and base model and write them to a folder."""
    tokenizer = train_tokenizer(tokenizer_texts(Random(SEED)))
    model = new_model(tokenizer)
    for stage, draw, schedule in (("base", draw_chat, reading), ("practice", draw_practice, practice)):
        _train(model, tokenizer, stage, draw, schedule)
    save_model(model, tokenizer, folder)


def _train(
    model: LlamaForCausalLM,
    tokenizer: Tokenizer,
    stage: str,
    draw: Callable[[Random], Chat],
    schedule: Schedule,
) -> None:
    rng = Random(f"{stage}/{SEED}")
    data = batches(tokenizer, lambda: draw(rng), schedule.batch_tokens, SEED)
    model.train()
    train(stage, model.model, model.lm_head, _optimizers(model), data, schedule)


def load_base(folder: Path) -> tuple[LlamaForCausalLM, Tokenizer]:
    """Load the written base model in float32, and its tokenizer."""
    import torch
    from tokenizers import Tokenizer
    from transformers import LlamaForCausalLM

    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    return model, Tokenizer.from_file(str(folder / "tokenizer.json"))
