"""Rewrites a text the way a reader would see it, so that a disguise doesn't hide what it says; offsets map back.

The first view stands in for the original: it says the same, in plain characters. The others are read beside it.
One more disguise is one more function in `DECODERS`.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import NamedTuple
from urllib.parse import unquote


class View(NamedTuple):
    """A text and, unless it is the original itself, the original offset of each of its characters and of its end."""

    text: str
    offsets: list[int] | None = None
    whole: tuple[int, int] | None = None
    """For a view whose characters have no place of their own: the span of the original that all of it stands for."""

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Map a span of the view to the original; what vanished inside or right behind it belongs to it."""
        if self.whole is not None:
            return self.whole
        return (start, end) if self.offsets is None else (self.offsets[start], self.offsets[end])

    def rewrite(self, expression: re.Pattern[str], change: Callable[[str], str]) -> View:
        """Replace each match; inside a match that changes its length, every character maps to the match's start."""
        pieces: list[str] = []
        offsets: list[int] = []
        done = 0
        for match in expression.finditer(self.text):
            start, end = match.span()
            new = change(match.group())
            if new == match.group():
                continue
            pieces += (self.text[done:start], new)
            offsets += self._slice(done, start)
            offsets += self._slice(start, end) if len(new) == end - start else self._slice(start, start + 1) * len(new)
            done = end
        if not pieces:
            return self
        pieces.append(self.text[done:])
        offsets += self._slice(done, len(self.text) + 1)
        return View("".join(pieces), offsets)

    def _slice(self, start: int, end: int) -> list[int]:
        return list(range(start, end)) if self.offsets is None else self.offsets[start:end]


_INVISIBLE = (
    *range(0x09), *range(0x0E, 0x20), 0x7F, 0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180E,
    *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0x3164, 0xFEFF, 0xFFA0,
    *range(0xFE00, 0xFE10), *range(0xE0000, 0xE01F0), *range(0x300, 0x370),
)  # fmt: skip
_DASHES = "‐‑‒–—―−﹘﹣－"
_LOOKALIKES = dict(
    zip("АВЕЅІЈКМНОРСТУХабвеѕіјорсухԁԛԝΑΒΕΖΗΙΚΜΝΟΡΤΥΧοα", "ABESIJKMHOPCTYXabvesijopcyxdqwABEZHIKMNOPTYXoa", strict=True)
)
_TABLE: dict[int, str | None] = {**dict.fromkeys(_INVISIBLE), **{ord(dash): "-" for dash in _DASHES}}

_RUN = re.compile(r"[^\t\n\r -~]+")
_WORD = re.compile(r"[\w@.+-]+")
_OTHER_SCRIPT = re.compile(r"[Ѐ-ӿԛԝͰ-Ͽ]")
_ASCII_WORD = re.compile(r"[A-Za-z0-9@]")


def _fold(char: str) -> str:
    if char.isdecimal():
        return str(unicodedata.decimal(char))
    return unicodedata.normalize("NFKC", char).translate(_TABLE)


def _plain(run: str) -> str:
    """Fold a run of characters beyond ASCII: compatibility forms, digits of other scripts, dashes, invisible ones."""
    if run.isalpha() and unicodedata.is_normalized("NFKC", run):
        return run
    return "".join(map(_fold, run))


def _latin(word: str) -> str:
    """Replace look-alike letters in a word that mixes scripts; a word all in one script is just foreign."""
    mixed = _OTHER_SCRIPT.search(word) and _ASCII_WORD.search(word)
    return "".join(_LOOKALIKES.get(char, char) for char in word) if mixed else word


def _normal(text: str) -> View:
    view = View(text)
    if text.isascii() and text.isprintable():
        return view
    view = view.rewrite(_RUN, _plain)
    return view.rewrite(_WORD, _latin) if _OTHER_SCRIPT.search(view.text) else view


_ESCAPE = re.compile(
    r"%[0-9A-Fa-f]{2}|&(?:#x?[0-9A-Fa-f]{1,6}|[a-z]{2,8});|\\u[0-9A-Fa-f]{4}|\\x[0-9A-Fa-f]{2}|\\[nrtbf\"'/\\]"
)
_LETTERS = {"n": "\n", "r": "\r", "t": "\t", "b": " ", "f": " "}
_LEVELS = 2
"""How often a text is taken for an escaped one: JSON in JSON is common, deeper is bounded."""


def _unescape(escape: str) -> str:
    if escape[0] == "\\" and len(escape) == 2:
        return _LETTERS.get(escape[1], escape[1])
    if escape[0] == "\\":
        return chr(int(escape[2:], 16))
    return unquote(escape, "latin-1") if escape[0] == "%" else html.unescape(escape)


def _escapes(view: View) -> Iterator[View]:
    """URL, HTML and JSON escapes written out."""
    for _ in range(_LEVELS):
        decoded = view.rewrite(_ESCAPE, _unescape)
        if decoded is view:
            return
        yield View("".join(char if char.isprintable() else " " for char in decoded.text), decoded.offsets)
        view = decoded


_BASE64 = re.compile(r"(?<![A-Za-z0-9+/_=-])[A-Za-z0-9+/_-]{16,}={0,2}(?![A-Za-z0-9+/_=-])")
_LONGEST_BASE64 = 20_000


def _unbase64(token: str) -> str:
    """Decode to text of at least 10 readable characters, or to nothing."""
    try:
        raw = base64.b64decode(token.translate({45: "+", 95: "/", 61: None}) + "=" * (-len(token.rstrip("=")) % 4))
        text = raw.decode()
    except (binascii.Error, ValueError):
        return ""
    return text if len(text) >= 10 and all(char.isprintable() or char in "\r\n\t" for char in text) else ""


def _base64s(view: View) -> Iterator[View]:
    """What base64 tokens say, twice wrapped ones too."""
    for match in _BASE64.finditer(view.text):
        text = _unbase64(match.group()) if len(match.group()) <= _LONGEST_BASE64 else ""
        text = _unbase64(text.strip()) or text
        if text:
            yield View(text, whole=view.original(*match.span()))


DECODERS: tuple[Callable[[View], Iterator[View]], ...] = (_escapes, _base64s)


def views(text: str) -> Iterator[View]:
    """Yield the text in plain characters, then each other reading of it that differs."""
    first = _normal(text)
    yield first
    for decode in DECODERS:
        yield from decode(first)
