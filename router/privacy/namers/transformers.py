"""Names by a token-classification model of the transformers library."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from router.privacy.namers._named import Named, NameRecognizer, loaded, package

LEAST = 0.5
OVERLAP = 64
"""Tokens that two windows of a text share which is longer than the model reads at once."""
WINDOW = 512


def build(model: Path) -> list[NameRecognizer]:
    """Load the model and its tokenizer.

    Raises:
        ConfigError: transformers or torch isn't installed, or the folder holds no token-classification model.
    """
    transformers, torch = package("transformers"), package("torch")
    torch.set_num_threads(1)

    def load() -> Any:
        tokenizer = transformers.AutoTokenizer.from_pretrained(model, local_files_only=True)
        tokenizer.model_max_length = min(tokenizer.model_max_length, WINDOW)
        weights = transformers.AutoModelForTokenClassification.from_pretrained(model, local_files_only=True)
        return transformers.pipeline(
            "token-classification", model=weights, tokenizer=tokenizer, aggregation_strategy="simple",
            stride=min(OVERLAP, tokenizer.model_max_length // 4), device=-1,
        )  # fmt: skip

    tagger = loaded(model, load)

    def find(text: str) -> Iterator[Named]:
        for entity in tagger(text):
            if entity["score"] >= LEAST:
                yield entity["entity_group"], entity["start"], entity["end"], float(entity["score"])

    return [NameRecognizer("transformers", find)]
