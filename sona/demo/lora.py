"""Trains one LoRA adapter per task on top of the base model and measures it."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, cast

from sona.demo.base import load_base
from sona.demo.chat import END, ROLE_TOKENS, Chat, Turn, ask
from sona.demo.corpus import SYSTEM_PROMPTS, small_talk
from sona.demo.tasks import Example, Task
from sona.demo.training import Schedule, batches, train
from sona.demo.words import Split

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer

RANK = 16
ALPHA = 32
BATCH_TOKENS = 2560
RATE = 2.5e-3
WARMUP_STEPS = 25
TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
BASE_NAME = "sona-demo"


def _draw(task: Task, rng: Random) -> Chat:
    example = task.generate(rng, Split.TRAIN)
    chat = ask(example.prompt, example.answer)
    kind = rng.random()
    if kind < 0.15:
        return ask(example.prompt, example.answer, rng.choice(SYSTEM_PROMPTS))
    if kind < 0.22:
        said, reply = small_talk(rng)
        return (Turn("user", said), Turn("assistant", reply), *chat)
    if kind < 0.27:
        other = task.generate(rng, Split.TRAIN)
        return (*ask(other.prompt, other.answer), *chat)
    return chat


def build_adapter(task: Task, base: Path, folder: Path) -> float:
    """Train the adapter of a task, write it, and return its held-out exact match (0 to 1)."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(task.seed)
    model, tokenizer = load_base(base)
    config = LoraConfig(
        r=RANK,
        lora_alpha=ALPHA,
        target_modules=list(TARGETS),
        lora_dropout=0.0,
        bias="none",
        task_type="CAUSAL_LM",
    )
    wrapped = get_peft_model(model, config)
    trained = [p for p in wrapped.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1.0, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
    schedule = Schedule(task.steps, BATCH_TOKENS, RATE, WARMUP_STEPS)
    rng = Random(f"lora/{task.name}/{task.seed}")
    data = batches(tokenizer, lambda: _draw(task, rng), schedule.batch_tokens, task.seed)
    wrapped.train()
    train(task.name, model.model, model.lm_head, [optimizer], data, schedule)
    for parameter in trained:
        parameter.data = parameter.data.to(torch.bfloat16)
    wrapped.save_pretrained(str(folder))
    _clean(folder)
    for parameter in trained:
        parameter.data = parameter.data.float()
    wrapped.eval()
    return exact_match(cast("torch.nn.Module", model), tokenizer, task.examples(Split.HELD_OUT, 200, seed=99))


def _clean(folder: Path) -> None:
    path = folder / "adapter_config.json"
    settings = json.loads(path.read_text())
    settings["base_model_name_or_path"] = BASE_NAME
    settings["target_modules"] = sorted(settings["target_modules"])
    path.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")
    (folder / "adapter_model.safetensors").chmod(0o644)


def answers(model: torch.nn.Module, tokenizer: Tokenizer, prompts: list[str], most_tokens: int = 120) -> list[str]:
    """Answer prompts greedily, as a batch."""
    import torch

    end = tokenizer.token_to_id(END)
    texts = [f"{ROLE_TOKENS['user']}{prompt.strip()}{END}{ROLE_TOKENS['assistant']}" for prompt in prompts]
    rows = [encoding.ids for encoding in tokenizer.encode_batch(texts, add_special_tokens=False)]
    longest = max(len(row) for row in rows)
    ids = torch.tensor([[0] * (longest - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
    with torch.inference_mode():
        output = model.generate(  # pyright: ignore[reportCallIssue]
            input_ids=ids,
            attention_mask=mask,
            do_sample=False,
            max_new_tokens=most_tokens,
            eos_token_id=end,
            pad_token_id=0,
        )
    return [tokenizer.decode(row, skip_special_tokens=True).strip() for row in output[:, longest:].tolist()]


def exact_match(model: torch.nn.Module, tokenizer: Tokenizer, examples: list[Example], show: int = 0) -> float:
    """Measure the share of examples whose answer is exactly right."""
    ordered = sorted(examples, key=lambda example: len(example.prompt))
    right = 0
    for start in range(0, len(ordered), 50):
        part = ordered[start : start + 50]
        for example, answer in zip(part, answers(model, tokenizer, [e.prompt for e in part]), strict=True):
            right += answer == example.answer
            if answer != example.answer and show > 0:
                show -= 1
                print(f"  {example.prompt!r}\n    wanted {example.answer!r}\n    got    {answer!r}")
    return right / len(ordered)
