"""The training loop that the base model and the adapters share."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sona.demo.chat import Chat
from sona.demo.tokenizer import encode_chats

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer

Encoded = tuple[list[int], list[bool]]
POOL = 1536
"""Conversations drawn at a time and sorted by length, so that batches hold little padding."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast to train."""

    steps: int
    batch_tokens: int
    rate: float
    warmup_steps: int
    final_share: float = 0.05

    def rate_at(self, step: int) -> float:
        """Give the learning rate of a step: linear warm-up, then cosine."""
        if step < self.warmup_steps:
            return self.rate * (step + 1) / self.warmup_steps
        done = (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
        return self.rate * (self.final_share + (1 - self.final_share) * 0.5 * (1 + math.cos(math.pi * done)))


def batches(
    tokenizer: Tokenizer, draw: Callable[[], Chat], tokens: int, seed: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield endless `(ids, labels)` int64 pairs of shape `(n, length)`; label -100 is not learnt."""
    import torch

    order = torch.Generator().manual_seed(seed)
    while True:
        pool = encode_chats(tokenizer, [draw() for _ in range(POOL)])
        pool.sort(key=lambda item: len(item[0]))
        groups: list[list[Encoded]] = [[]]
        for item in pool:
            if (len(groups[-1]) + 1) * len(item[0]) > tokens and groups[-1]:
                groups.append([])
            groups[-1].append(item)
        for index in torch.randperm(len(groups), generator=order).tolist():
            yield _padded(groups[index])


def _padded(group: list[Encoded]) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    longest = max(len(ids) for ids, _ in group)
    ids = torch.zeros((len(group), longest), dtype=torch.int64)
    labels = torch.full_like(ids, -100)
    for row, (tokens, learn) in enumerate(group):
        ids[row, : len(tokens)] = torch.tensor(tokens)
        wanted = [token if flag else -100 for token, flag in zip(tokens, learn, strict=True)]
        labels[row, : len(tokens)] = torch.tensor(wanted)
    return ids, labels


def loss_of(body: torch.nn.Module, head: torch.nn.Module, ids: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Compute the mean cross entropy of the labelled tokens; `body` gives hidden states, `head` logits."""
    import torch

    with torch.autocast("cpu", torch.bfloat16):
        hidden = body(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
        wanted = labels[:, 1:]
        mask = wanted != -100
        logits = head(hidden[mask])
    return torch.nn.functional.cross_entropy(logits.float(), wanted[mask])


def train(
    title: str,
    body: torch.nn.Module,
    head: torch.nn.Module,
    optimizers: list[torch.optim.Optimizer],
    data: Iterator[tuple[torch.Tensor, torch.Tensor]],
    schedule: Schedule,
) -> float:
    """Train in place, print progress, return the mean loss of the last 50 steps."""
    import torch

    scales = [group["lr"] for optimizer in optimizers for group in optimizer.param_groups]
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    parameters = [parameter for group in groups for parameter in group["params"]]
    started, seen, recent = time.monotonic(), 0, list[float]()
    for step in range(schedule.steps):
        for group, scale in zip(groups, scales, strict=True):
            group["lr"] = scale * schedule.rate_at(step)
        ids, labels = next(data)
        loss = loss_of(body, head, ids, labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        seen += ids.numel()
        recent = [*recent[-49:], float(loss.detach())]
        if step % 20 == 19 or step == schedule.steps - 1:
            spent = time.monotonic() - started
            mean = sum(recent) / len(recent)
            speed = f"{seen / spent:.0f} tokens/s {spent:.0f} s"
            print(f"{title}: step {step + 1}/{schedule.steps} loss {mean:.4f} {speed}", flush=True)
    return sum(recent) / len(recent)
