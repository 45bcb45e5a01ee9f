"""What SONA reads of a text, and the word features of it; knows no adapter and no model."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

EDGE_WORDS = 40
"""Of a longer text, the words kept at each end: that is where instructions stand, and pasted text in between."""

WINDOW_CHARS = 2048
"""Characters read at each end, so that the cost of a text has a bound."""

_TOKEN = re.compile(r"[^\W\d_]+|\d+|[^\w\s]")


def window(text: str) -> str:
    """Cut out the middle of a text that is too long to matter whole."""
    if len(text) <= 2 * WINDOW_CHARS:
        return text
    return f"{text[:WINDOW_CHARS]} {text[-WINDOW_CHARS:]}"


def term_weights(text: str) -> dict[str, float]:
    """Return the words and word pairs of a text's two ends, each with 1 + log(count)."""
    counts = Counter(_terms(_edges(window(text))))
    return {term: 1.0 + math.log(count) for term, count in counts.items()}


def _edges(text: str) -> str:
    words = text.split()
    if len(words) <= 2 * EDGE_WORDS:
        return text
    return " ".join([*words[:EDGE_WORDS], "|", *words[-EDGE_WORDS:]])


def _terms(text: str) -> Iterator[str]:
    """Yield lower-case words, signs and their neighbours in pairs; all numbers are the same term."""
    tokens = ["#" if token.isdigit() else token for token in _TOKEN.findall(text.lower())]
    yield from tokens
    for first, second in pairwise(tokens):
        yield f"{first} {second}"
