"""What SONA reads of a text: its ends, its instruction, its words; knows no adapter and no model."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from sona.thesaurus import task_of

WINDOW_CHARS = 2048
"""Characters read at each end, so that the cost of a text has a bound."""

EDGE_WORDS = 40
"""Of a longer text, the words that are counted at each end: instructions stand there, pasted text in between."""

LONG_WORDS = 40
"""From here on a text is expected to hold more than its instruction."""
PART_WORDS = 20
"""Words kept of a line or sentence that may be the instruction."""
MARKED_WORDS = 3
"""Words that a line needs for its colon or question mark to mean something: `Answer:` says nothing."""

SHAPE_CHARS = 8
"""Of a compound's shape, so much counts."""

TASK_WEIGHT = 3.0
"""Weight of the task that words ask for, beside such a word's own. With prompts of sources that no example shows, names
alone as cards, none gives 0.79 right, 2 gives 0.80, 3 gives 0.82; 4 gains no more with 150 intents, and loses there."""

_AROUND = ".,:;!?\"'()"
_CONTRACTION = "a'a"
_DIGITS = re.compile(r"\d+")
_LETTERS = re.compile(r"[^\W\d_]+")
_TOKEN = re.compile(r"[^\W\d_]+|\d+|[^\w\s]")
_COMPOUND = re.compile(r"\w[^\w\s]+\w")
_PART_END = re.compile(r"(?<=[.!?:])\s+|\n+")


def window(text: str) -> str:
    """Cut out the middle of a text that is too long to matter whole."""
    if len(text) <= 2 * WINDOW_CHARS:
        return text
    return f"{text[:WINDOW_CHARS]} {text[-WINDOW_CHARS:]}"


def instruction(text: str) -> str | None:
    """Guess which words of a text say what to do with the rest; None where it says it whole.

    Of a short text, a sentence that ends in a colon or a question mark, if another doesn't. In a long one, instructions
    stand first or last: best a part that ends in a colon or a question mark, else a short line of its
    own, else the first and the last sentence.
    """
    text = window(text).strip()
    parts = [part for part in _PART_END.split(text) if part.strip()]
    if len(text.split()) <= LONG_WORDS:
        return _marked(parts)
    ends = (_first(parts[0]), _last(parts[-1]))
    lines = [line for line in text.splitlines() if line.strip()]
    marked = [part for part in ends if part[-1] in ":?" and len(part.split()) >= MARKED_WORDS]
    short = [line for line in (lines[0], lines[-1]) if len(lines) > 1 and len(line.split()) <= PART_WORDS]
    return " ".join(dict.fromkeys(marked or short or ends))


def term_weights(text: str) -> dict[str, float]:
    """Return the words, word pairs and tasks of a text's two ends, weighed by 1 + log(count), of length one in all."""
    counts = Counter(_terms(_edges(window(text))))
    weights = {term: 1.0 + math.log(count) for term, count in counts.items()}
    tasks = Counter(task for term, count in counts.items() if (task := task_of(term)) is not None for _ in range(count))
    weights |= {task: TASK_WEIGHT * (1.0 + math.log(count)) for task, count in tasks.items()}
    length = math.sqrt(sum(weight * weight for weight in weights.values()))
    return {term: weight / length for term, weight in weights.items()}


def _marked(parts: Sequence[str]) -> str | None:
    """Return the first or last part if it asks for something and something else doesn't."""
    if all(part.rstrip()[-1] in ":?" for part in parts):
        return None
    ends = (part for part in (parts[0], parts[-1]) if part.rstrip()[-1] in ":?")
    return next((part for part in ends if len(part.split()) >= MARKED_WORDS), None)


def _edges(text: str) -> str:
    words = text.split()
    if len(words) <= 2 * EDGE_WORDS:
        return text
    return " ".join([*words[:EDGE_WORDS], "|", *words[-EDGE_WORDS:]])


def _first(part: str) -> str:
    return " ".join(part.split()[:PART_WORDS])


def _last(part: str) -> str:
    return " ".join(part.split()[-PART_WORDS:])


def _terms(text: str) -> Iterator[str]:
    """Yield lower-case words, signs, their neighbours in pairs, and shapes; all numbers are the same term."""
    tokens = ["#" if token.isdigit() else token for token in _TOKEN.findall(text.lower())]
    yield from tokens
    for first, second in pairwise(tokens):
        yield f"{first} {second}"
    for word in text.split():
        bare = word.strip(_AROUND)
        if _COMPOUND.search(bare) and (shape := _shape(bare)) != _CONTRACTION:
            yield f"<{shape}>"


def _shape(compound: str) -> str:
    """Reduce a file name, path, date or address to how it is put: `notes.txt` to `a.a`, whatever it names."""
    return _LETTERS.sub("a", _DIGITS.sub("#", compound))[:SHAPE_CHARS]
