"""A text as the selector sees it: what it means (a vector) and how it is put (weighed terms), its instruction first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sona.embedder import Embedder
from sona.text import instruction, term_weights

Floats = NDArray[np.float32]

INSTRUCTION_SHARE = 0.4
"""How much the instruction of a long text counts beside the whole, so that pasted text doesn't drown it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One text. The same text always reads the same, whatever was read with it."""

    vector: Floats
    """(dims,), unit length."""
    terms: Mapping[str, float]


def read(embedder: Embedder, texts: Sequence[str]) -> list[Reading]:
    """Read texts in order. Blocking: it embeds each text, and the instruction of each long one."""
    instructions = {text: found for text in texts if (found := instruction(text)) is not None}
    wholes = embedder.embed(texts)
    asked = dict(zip(instructions, embedder.embed(tuple(instructions.values())), strict=True))
    return [
        _blend(text, instructions[text], whole, asked[text]) if text in asked else Reading(whole, term_weights(text))
        for text, whole in zip(texts, wholes, strict=True)
    ]


def _blend(text: str, asked: str, whole_vector: Floats, asked_vector: Floats) -> Reading:
    vector = (1.0 - INSTRUCTION_SHARE) * whole_vector + INSTRUCTION_SHARE * asked_vector
    terms = {term: (1.0 - INSTRUCTION_SHARE) * weight for term, weight in term_weights(text).items()}
    for term, weight in term_weights(asked).items():
        terms[term] = terms.get(term, 0.0) + INSTRUCTION_SHARE * weight
    return Reading((vector / np.linalg.norm(vector)).astype(np.float32), terms)
