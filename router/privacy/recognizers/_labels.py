"""How people put a label beside a value: the grammar that the recognizers of labelled numbers share."""

from __future__ import annotations

import regex

from router.privacy.engine import Expression

_BETWEEN = {" ": r"[\s_.-]{0,2}", "'": "['’_]?"}


def any_of(words: str) -> str:
    """Give the expression of words separated by `|`, as a tree: each character is compared once, not once per word.

    A space stands for any usual joint of two words (`driver_license`, `driver-license`, `driverlicense`).
    """
    return _tree(frozenset(filter(None, words.split("|"))))


def _tree(words: frozenset[str]) -> str:
    branches: dict[str, set[str]] = {}
    for word in words - {""}:
        branches.setdefault(word[0], set()).add(word[1:])
    options = [
        _BETWEEN.get(first, regex.escape(first)) + _tree(frozenset(rest)) for first, rest in sorted(branches.items())
    ]
    if not options:
        return ""
    whole = options[0] if len(options) == 1 and "" not in words else f"(?:{'|'.join(options)})"
    return whole + ("?" if "" in words else "")


GAP = r"[\s_.-]{0,2}"
NOUN = any_of(
    "number|numbers|num|nummer|numer|numero|numéro|número|numeru|numărul|numarası|no|nr|nro|n°|nº|№|#|id|ids|identifier|identification|ident"
    "|identifikations|identyfikator|code|kod|codice|código|kennung|details|reference|ref|information"
)
"""Words that make a label one of a number."""
OF = r"(?:(?:of|de|del|da|do|di|della|du|la|le|el|van|van de|d['’]|dell['’]|l['’])[\s_]{0,2}){0,3}"
START, END = r"(?<![^\W_])", r"(?:(?=[是为為はが은는])|(?![^\W\d_]))"
_BE = (
    r"is|was|are|isn't|it's|has|been|reads|now|still|ist|war|lautet|est|es|è|é|era|to|jest|wynosi|nr|no|number|nummer|on file"
    r"|under|este|är|er|on|adalah|là"
)
LINK = (
    r"(?:(?:\.\s?)?[^\w\s.!?$€£<]{1,4}+|[ \t]{1,40}+|\r?\n|[._]{2,60}+|_|\.(?=\s?(?:[A-Z]?\d|ist?\b))|</?\w{1,12}[^<>\n]{0,40}>"
    rf"|(?:{_BE})(?!\w)|[是为為はが은는]){{0,9}}+"
)
"""What stands between a label and its value: a colon, a tag, dots, a line's end, a verb."""
_MINE = r"(?:(?:not|a|an|the|my|your|his|her|their|our|valid|this|new|old|correct)\s){0,3}"
_SAID = r"(?:[^\d?]|\[?\d\d:\d\d(?::\d\d)?\]?){0,90}?"


def labelled(labels: tuple[str, ...], token: str) -> list[Expression]:
    """Give the patterns of a value with one of these labels before it, behind it, or in the question that it answers."""
    value = rf"(?P<value>{token})"
    label = rf"(?:{'|'.join(labels)})"
    behind = rf"(?:['\"”]?\s(?:is|=|as|are|was|being)\s|['\"”]?\s?[(\[]|['\"”]?\s(?=a\s)){_MINE}"
    return [
        *(Expression("before", rf"{START}{each}{END}{LINK}{value}", 0.7) for each in labels),
        Expression("behind", rf"(?<![\w.,-]){value}{behind}{START}{label}{END}", 0.6),
        Expression("asked", rf"{START}{label}{END}[^\d\n?]{{0,40}}\?{_SAID}(?<![\w.,-]){value}", 0.6),
    ]
