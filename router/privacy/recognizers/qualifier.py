"""Words that make a name near them sensitive: health, debt, crime, faith, love, union… Nothing is reported for them alone."""

from __future__ import annotations

import re
from collections.abc import Iterable

from router.privacy.recognizers._qualifiers import STRONG, WEAK
from router.privacy.severity import QUALIFIER, Span
from router.privacy.severity import WEAK as WEAK_SCORE
from router.privacy.sieve import distinct

EXAMPLES = (
    ("My neighbour Joanna Miller has been diagnosed with bipolar disorder", "Joanna Miller"),
    ("Our employee Wojciech Zieliński was fired for theft", "Wojciech Zieliński"),
    ("nobody was fired, said the diagnosis", None),
)

STRONG_SCORE = 1.0
"""Above any name's, so that a word that is taken for a part of the name still counts."""


def _trie(words: Iterable[str]) -> str:
    """Write words as one expression that looks at each letter once; `*` is any run of letters, a blank any gap."""
    heads: dict[str, set[str]] = {}
    for word in words:
        heads.setdefault(word[:1], set()).add(word[1:])
    ends = heads.pop("", None)
    pieces = [_letter(head) + _trie(tails) for head, tails in sorted(heads.items())]
    if not pieces:
        return ""
    body = pieces[0] if len(pieces) == 1 and ends is None else f"(?:{'|'.join(pieces)})"
    return f"{body}?" if ends is not None else body


def _letter(letter: str) -> str:
    return {"*": r"[^\W_]*", " ": r"[\s_-]{1,3}", "'": "['’]", "-": "[ -]?"}.get(letter) or re.escape(letter)


def _expression(tables: Iterable[str]) -> re.Pattern[str]:
    return re.compile(rf"(?<![^\W_]){_trie(_split(tables))}(?![^\W_])")


def _split(tables: Iterable[str]) -> set[str]:
    return {word.strip() for table in tables for word in re.split(r"[|\n]", table)} - {""}


def _signs(tables: Iterable[str]) -> tuple[str, ...]:
    """Give an expression for the words of each first letter: all of them in one would be too long for the gate."""
    heads: dict[str, list[str]] = {}
    for word in sorted(_split(tables)):
        heads.setdefault(word[0], []).append(word)
    return tuple(rf"(?<![^\W_])(?:{_trie(words)})(?![^\W_])" for words in heads.values())


def lower(text: str) -> str:
    """Put a text in lower case and keep its length."""
    small = text.lower()
    return small if len(small) == len(text) else "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


class _Qualifiers:
    """One pass per text over all words at once: a thousand alternatives are too many for a pattern of Presidio."""

    name = "qualifier"
    entities = (QUALIFIER,)
    signs = _signs([*STRONG.values(), WEAK])

    def __init__(self) -> None:
        self._expressions = ((_expression(STRONG.values()), STRONG_SCORE), (_expression([WEAK]), WEAK_SCORE))

    def find(self, text: str) -> list[Span]:
        """Find the words."""
        small = lower(text)
        return distinct(
            Span(QUALIFIER, *match.span(), score, self.name)
            for expression, score in self._expressions
            for match in expression.finditer(small)
        )


def build() -> list[_Qualifiers]:
    """Give the finder."""
    return [_Qualifiers()]
