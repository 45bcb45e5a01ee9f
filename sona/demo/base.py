"""Trains the base model on generated text and writes it as a folder that vLLM serves."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from sona.demo.chat import END, PAD
from sona.demo.corpus import PRACTICE, READING, Mix, draw_chat, pieces_of, tokenizer_texts
from sona.demo.tokenizer import CONTEXT_TOKENS, save_tokenizer, train_tokenizer
from sona.demo.training import Schedule, batches, train

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer
    from transformers import LlamaForCausalLM

SEED = 7
STAGES: tuple[tuple[str, Mix, Schedule], ...] = (
    ("reading", READING, Schedule(steps=850, batch_tokens=4096, rate=4e-3, warmup_steps=60, final_share=0.3)),
    ("practice", PRACTICE, Schedule(steps=1000, batch_tokens=4096, rate=3e-3, warmup_steps=20)),
)
EMBEDDING_RATE = 0.25
"""Share of the learning rate for embeddings: faster, and rare tokens collapse into one direction."""
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
    model = LlamaForCausalLM(config)
    model.get_input_embeddings().weight.data.mul_(2.0)
    return model


def _optimizers(model: LlamaForCausalLM) -> list[torch.optim.Optimizer]:
    import torch

    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    others = [p for n, p in model.named_parameters() if p.ndim != 2 or "embed" in n]
    return [
        torch.optim.Muon(matrices, lr=1.0, weight_decay=0.02, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=EMBEDDING_RATE, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
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


def build_base(folder: Path) -> None:
    """Train tokenizer and base model and write them to a folder."""
    tokenizer = train_tokenizer(tokenizer_texts(Random(SEED)))
    model = new_model(tokenizer)
    pieces = pieces_of(tokenizer.decode([token]) for token in range(tokenizer.get_vocab_size()))
    model.train()
    for stage, mix, schedule in STAGES:
        draw = partial(draw_chat, Random(f"{stage}/{SEED}"), mix, pieces)
        data = batches(tokenizer, draw, schedule.batch_tokens, SEED)
        train(stage, model.model, model.lm_head, _optimizers(model), data, schedule)
    save_model(model, tokenizer, folder)


def load_base(folder: Path) -> tuple[LlamaForCausalLM, Tokenizer]:
    """Load the written base model in float32, and its tokenizer."""
    import torch
    from tokenizers import Tokenizer
    from transformers import LlamaForCausalLM

    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    return model, Tokenizer.from_file(str(folder / "tokenizer.json"))
