"""What is put between the characters of a value: markup, quotes and plus signs, any sign after each character or group."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from router.privacy.view import Change, Traits, View

_TAG = r"</?[A-Za-z][^<>]{0,100}>"
_BLOCK = r"(?P<block>\s{0,3}(?:</?(?:td|th|tr|br|p|li|div|dd|dt)\b[^<>]{0,100}>\s{0,3})+)"
_INLINE = (
    rf"(?<=[\w@.+-])(?:{_TAG}|<!--[^<>]{{0,100}}-->|\[/?[A-Za-z]{{1,10}}(?:=[^\[\]\n]{{0,40}})?\]){{1,6}}(?=[\w@.+-])"
)
_PAIR = r"(?:\*\*|__|~~|``)*"
_SIGN = (
    r"[*_~`\"'\\](?:"
    rf"(?:(?<=\*)\*|(?<=_)_|(?<=~)~|(?<=`)`)(?:(?<=\w..){_PAIR}(?=[\w@.+-])|(?<=[@.+-]..){_PAIR}(?=\w))"
    r"|(?<=\w[`*])(?=\w)|(?<=[\w@.+-][\"'])\s{0,3}(?:\+|\.|&|\|\|)?\s{0,3}[\"'](?=[\w@.+-])|(?<=\w\\)\r?\n\s{0,40}(?=\w))"
)
_CONCAT = re.compile(r"\bconcat(?:enate)?\(\s?['\"][^()\n]{3,300}['\"]\s?\)", re.IGNORECASE)
_COMMA = re.compile(r"(?<=[\"'])\s?,\s?(?=[\"'])")
"""A sign first, then what must stand before it: so most characters are passed over at once."""
_MARKUP = re.compile(rf"(?=[\s<\[*_~`\"'\\])(?:{_BLOCK}|{_INLINE}|{_SIGN})", re.IGNORECASE)
_SIGNS = re.compile(_SIGN)
_TAG_SIGN = re.compile(r"[<\[][A-Za-z/!]")

_SPACED = re.compile(
    r"(?<![^\W_])(?P<first>[^\W_])(?P<sign>[^\w@]{1,5}|_{1,3}|\s?\S\s?)(?=[^\W_@])(?:[\w@.+-](?P=sign)){5,}[^\W_](?![^\W_])"
)
_SPACED_WIDE = re.compile(r"(?<!\S)(?:\S {1,3}){7,}\S(?!\S)")
_GROUPED = re.compile(
    r"(?<![\w.])(?P<start>\d{1,6}|[A-Za-z]{2}\d{2})(?P<sign>_{1,3}|(?!%25)[^\w\n]{1,12}|\n{1,2})"
    r"(?=\d|[A-Za-z0-9]{4})(?:[A-Za-z0-9]{1,6}(?P=sign)){1,12}[A-Za-z0-9]{1,6}(?!\w)"
)
_NO_NUMBER = re.compile(r"(?i:[0-9A-F]{2}(?::[0-9A-F]{2}){5}|(?=[0-9%]*[A-F])[0-9A-F]{2}(?:%[0-9A-F]{2})+)")
"""A network card's address and the escapes of a URL, which aren't numbers in groups."""
_USUAL = frozenset(("-", ".", ",", ", ", ": "))
"""Signs between groups that the recognizers know themselves, or that lists have."""
LEAST_DIGITS = 9
"""Of a number in groups: shorter ones are dates."""
MOST_DIGITS, MOST_JOINED = 34, 11
"""Of a number in groups, and of one that is closed up: longer ones would be cards by chance."""


def _unmark(mark: str) -> str:
    return " " if "<" in mark and re.match(r"\s*</?(?:td|th|tr|br|p|li|div|dd|dt)\b", mark, re.IGNORECASE) else ""


def _plus(call: str) -> str:
    """Write the arguments of a call that joins them with the sign that others join with."""
    return _COMMA.sub("+", call)


def markup(view: View, _traits: Traits) -> Iterator[View]:
    """Yield it without the markup in words: tags, comments, emphasis, `"41" + "11"`, a backslash at the end of a line."""
    if "oncat" in view.text or "ONCAT" in view.text:
        view = view.rewrite(_CONCAT, _plus)
    yield view.rewrite(
        _MARKUP if ("<" in view.text or "[/" in view.text) and _TAG_SIGN.search(view.text) else _SIGNS, _unmark
    )


def _unspaced(view: View) -> Iterator[Change]:
    for match in _SPACED.finditer(view.text):
        text, sign = match.group(), match["sign"]
        if sign.isalnum():
            continue
        yield *match.span(), _without(text, sign)


def _without(text: str, sign: str) -> Sequence[str]:
    """Give a piece for each character, empty for those of the sign."""
    step = 1 + len(sign)
    return [char if place % step == 0 else "" for place, char in enumerate(text)]


def _narrow(run: str) -> Sequence[str]:
    """Close up `m y  c a r d`: one space goes, of more one stays."""
    return [
        char if char != " " else " " if run[place - 1] != " " and run[place + 1] == " " else ""
        for place, char in enumerate(run)
    ]


def spaced_out(view: View, traits: Traits) -> Iterator[View]:
    """Yield it with characters closed up that one sign sets apart: `4 5 3 9`, `4/5/3/9`, one to a line, `["4","5"]`."""
    if traits.apart:
        yield view.replace(_unspaced(view))
        if "  " in view.text:
            yield view.rewrite(_SPACED_WIDE, _narrow)


def _groups(view: View) -> Iterator[tuple[re.Match[str], int]]:
    """Yield numbers in groups, and how many digits they have."""
    for match in _GROUPED.finditer(view.text):
        text = match.group()
        if _NO_NUMBER.fullmatch(text):
            continue
        digits = sum(map(str.isdigit, text))
        if match["sign"] not in _USUAL and match["sign"].strip(" ") and digits >= LEAST_DIGITS:
            yield match, digits


def grouped(view: View, traits: Traits) -> Iterator[View]:
    """Yield it with spaces between groups of digits that one other sign parts: `4539_5787`, `856/45/6789`."""
    if traits.digits:
        groups = list(_groups(view))
        for sign, most in ((" ", MOST_DIGITS), ("", MOST_JOINED)) if groups else ():
            yield view.replace(
                (*match.span(), match.group().replace(match["sign"], sign))
                for match, digits in groups
                if digits <= most
            )
