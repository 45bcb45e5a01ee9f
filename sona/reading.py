"""A text as the selector sees it: what it means (a vector) and how it is put (weighed terms), its instruction first."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sona.embedder import Embedder
from sona.text import instruction, term_weights

Floats = NDArray[np.float32]
Integers = NDArray[np.int32]
Terms = tuple[Integers, Floats]
"""Sorted ids of terms, each once, and their weights."""

TERM_SPACE = 1 << 18
"""Terms are known by a hash of this size: arrays instead of dictionaries, and no order in which they were met."""

INSTRUCTION_SHARE = 0.4
"""How much a text's instruction counts beside the whole, so that pasted text doesn't drown it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One text. The same text always reads the same, whatever was read with it."""

    vector: Floats
    """(dims,), unit length."""
    terms: Terms


def read(embedder: Embedder, texts: Sequence[str]) -> list[Reading]:
    """Read texts in order. Blocking: it embeds each text, and the instruction of one that brings something along."""
    instructions = {text: found for text in texts if (found := instruction(text)) is not None}
    wholes = embedder.embed(texts)
    asked = dict(zip(instructions, embedder.embed(tuple(instructions.values())), strict=True))
    return [
        Reading(_blend(whole, asked[text]) if text in asked else whole, read_terms(text, instructions.get(text)))
        for text, whole in zip(texts, wholes, strict=True)
    ]


def reread(embedder: Embedder, text: str, terms: Terms) -> Reading:
    """Read a text with another embedder; its terms are known."""
    whole, asked = embedder.embed([text])[0], instruction(text)
    return Reading(whole if asked is None else _blend(whole, embedder.embed([asked])[0]), terms)


def read_terms(text: str, asked: str | None) -> Terms:
    """Weigh a text's words, those of its instruction `asked` twice."""
    if asked is None:
        return hashed(term_weights(text))
    terms = {term: (1.0 - INSTRUCTION_SHARE) * weight for term, weight in term_weights(text).items()}
    for term, weight in term_weights(asked).items():
        terms[term] = terms.get(term, 0.0) + INSTRUCTION_SHARE * weight
    return hashed(terms)


def hashed(weights: Mapping[str, float]) -> Terms:
    """Give terms their ids; two terms of one id count as one."""
    summed: dict[int, float] = {}
    for term, weight in weights.items():
        id = zlib.crc32(term.encode()) % TERM_SPACE
        summed[id] = summed.get(id, 0.0) + weight
    ids = sorted(summed)
    return np.array(ids, dtype=np.int32), np.array([summed[id] for id in ids], dtype=np.float32)


def merge_terms(parts: Sequence[Terms]) -> Terms:
    """Add up the terms of several texts, scaled to length one."""
    ids, places = np.unique(np.concatenate([ids for ids, _ in parts]), return_inverse=True)
    weights = np.bincount(places, weights=np.concatenate([own for _, own in parts]), minlength=len(ids))
    length = float(np.linalg.norm(weights))
    return ids, (weights / length if length > 0.0 else weights).astype(np.float32)


def _blend(whole: Floats, asked: Floats) -> Floats:
    vector = (1.0 - INSTRUCTION_SHARE) * whole + INSTRUCTION_SHARE * asked
    return (vector / max(float(np.linalg.norm(vector)), 1e-9)).astype(np.float32)
