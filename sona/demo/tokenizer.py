"""Trains and writes the tokenizer: byte-level BPE in which spaces, digits and signs stand alone.

A word has the same tokens after a space, a quote or a slash, so copying it is plain repetition.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from sona.demo.chat import CHAT_TEMPLATE, END, PAD, ROLE_TOKENS, SPECIAL_TOKENS, Chat

if TYPE_CHECKING:
    from tokenizers import Tokenizer

VOCABULARY = 2048
CONTEXT_TOKENS = 4096
_SPLIT = r"\p{L}+|\p{N}|[^\p{L}\p{N}]"


def train_tokenizer(texts: Iterable[str]) -> Tokenizer:
    """Learn the merges from texts."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [  # pyright: ignore[reportAttributeAccessIssue]
            pre_tokenizers.Split(Regex(_SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()  # pyright: ignore[reportAttributeAccessIssue]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Write the files that transformers and vLLM load offline."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings: dict[str, object] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END,
        "pad_token": PAD,
        "additional_special_tokens": list(ROLE_TOKENS.values()),
        "model_max_length": CONTEXT_TOKENS,
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE)


def encode_chats(tokenizer: Tokenizer, chats: list[Chat]) -> list[tuple[list[int], list[bool]]]:
    """Encode conversations; the flags mark the tokens to learn (texts marked `learn` and their end)."""
    texts = [turn.text.strip() for chat in chats for turn in chat]
    encoded = iter(tokenizer.encode_batch(texts, add_special_tokens=False))
    end = tokenizer.token_to_id(END)
    result: list[tuple[list[int], list[bool]]] = []
    for chat in chats:
        ids: list[int] = []
        learn: list[bool] = []
        for turn in chat:
            body = [*next(encoded).ids, end]
            ids += [tokenizer.token_to_id(ROLE_TOKENS[turn.role]), *body]
            learn += [False, *([turn.learn] * len(body))]
        result.append((ids, learn))
    return result
