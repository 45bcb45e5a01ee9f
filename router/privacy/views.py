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
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import NamedTuple
from urllib.parse import unquote

from router.privacy.layout import layouts


class View(NamedTuple):
    """A text and, unless it is the original itself, the original offset of each of its characters and of its end."""

    text: str
    offsets: list[int] | None = None
    whole: tuple[int, int] | None = None
    """For a view whose characters have no place of their own: the span of the original that all of it stands for."""

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Map a span of the view to the original: all that its characters were made of, and what vanished behind them.

        A span of at least one character never becomes an empty one.
        """
        if self.whole is not None:
            return self.whole
        if self.offsets is None:
            return start, end
        after = bisect_right(self.offsets, self.offsets[max(start, end - 1)])
        return self.offsets[start], self.offsets[min(after, len(self.offsets) - 1)]

    def rewrite(self, expression: re.Pattern[str], change: Callable[[str], str | list[str]]) -> View:
        """Replace each match by a text, or by a list that has one piece for each of its characters.

        Inside a text that changes a match's length every character stands for the whole match.
        """
        pieces: list[str] = []
        offsets: list[int] = []
        done = 0
        for match in expression.finditer(self.text):
            start, end = match.span()
            new = change(match.group())
            if new == match.group():
                continue
            pieces.append(self.text[done:start])
            offsets += self._slice(done, start)
            origins = self._slice(start, end)
            if isinstance(new, list):
                pieces += new
                offsets += (origin for piece, origin in zip(new, origins, strict=True) for _ in piece)
            else:
                pieces.append(new)
                offsets += origins if len(new) == end - start else origins[:1] * len(new)
            done = end
        if not pieces:
            return self
        pieces.append(self.text[done:])
        offsets += self._slice(done, len(self.text) + 1)
        return View("".join(pieces), offsets)

    def _slice(self, start: int, end: int) -> list[int]:
        return list(range(start, end)) if self.offsets is None else self.offsets[start:end]


_INVISIBLE = (
    *range(0x09), *range(0x0E, 0x20), 0x7F, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810), 0x3164, 0xFFA0,
    *range(0xFE00, 0xFE10), *range(0xE0000, 0xE01F0), *range(0x300, 0x370), *range(0x1AB0, 0x1B00),
    *range(0x1DC0, 0x1E00), *range(0x20D0, 0x2100), *range(0xFE20, 0xFE30), *range(0xFFF0, 0xFFFC),
)  # fmt: skip
_DASHES = "‐‑‒–—―−﹘﹣－"
_LOOKALIKES = dict(
    zip("АВЕЅІЈКМНОРСТУХабвеѕіјорсухԁԛԝΑΒΕΖΗΙΚΜΝΟΡΤΥΧοα", "ABESIJKMHOPCTYXabvesijopcyxdqwABEZHIKMNOPTYXoa", strict=True)
)
_TABLE: dict[int, str | None] = {
    **dict.fromkeys(_INVISIBLE),
    **{ord(dash): "-" for dash in _DASHES},
    **dict.fromkeys((0x0B, 0x0C, 0x1680, 0x2800), " "),
    **dict.fromkeys((0x85, 0x2028, 0x2029), "\n"),
}
_LETTERLESS = re.compile("[\u115f\u1160\u3164\uffa0]")
"""Invisible characters that count as letters."""

_RUN = re.compile(r"[^\t\n\r -~]+")
_WORD = re.compile(r"[\w@.+-]+")
_OTHER_SCRIPT = re.compile(r"[Ѐ-ӿԛԝͰ-Ͽ]")
_ASCII_WORD = re.compile(r"[A-Za-z0-9@]")


def _fold(char: str) -> str:
    if char.isdecimal():
        return str(unicodedata.decimal(char))
    plain = unicodedata.normalize("NFKC", char).translate(_TABLE)
    return "" if unicodedata.category(char) == "Cf" else plain


def _plain(run: str) -> str | list[str]:
    """Fold a run of characters beyond ASCII: compatibility forms, digits of other scripts, dashes, invisible ones."""
    if run.isalpha() and unicodedata.is_normalized("NFKC", run) and not _LETTERLESS.search(run):
        return run
    return list(map(_fold, run))


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
    r"(?:%[89A-Fa-f][0-9A-Fa-f]){2,12}|%[0-9A-Fa-f]{2}|&(?:#x?[0-9A-Fa-f]{1,6}|[a-z]{2,8});|\\u[0-9A-Fa-f]{4}|\\x[0-9A-Fa-f]{2}|\\[nrtbf\"'/\\]"
)
_LETTERS = {"n": "\n", "r": "\r", "t": "\t", "b": " ", "f": " "}
_LEVELS = 2
"""How often a text is taken for an escaped one: JSON in JSON is common, deeper is bounded."""


def _unescape(escape: str) -> str:
    if escape[0] == "\\" and len(escape) == 2:
        return _LETTERS.get(escape[1], escape[1])
    if escape[0] == "\\":
        return chr(int(escape[2:], 16))
    return unquote(escape, errors="replace") if escape[0] == "%" else html.unescape(escape)


def _escapes(view: View) -> Iterator[View]:
    """URL, HTML and JSON escapes written out."""
    for _ in range(_LEVELS):
        decoded = view.rewrite(_ESCAPE, _unescape)
        if decoded is view:
            return
        yield View("".join(char if char.isprintable() else " " for char in decoded.text), decoded.offsets)
        view = decoded


_BASE64 = re.compile(
    r"(?<![A-Za-z0-9+/_-])(?:[A-Za-z0-9+/_-]{60,}\r?\n){0,1500}[A-Za-z0-9+/_-]{16,}(?:\r?\n[A-Za-z0-9+/_-]{1,15})?={0,2}"
    r"(?![A-Za-z0-9+/_=-])"
)
_HEX = re.compile(
    r"(?<![A-Za-z0-9])(?:0x)?[0-9A-Fa-f]{2}(?:([ :]?)[0-9A-Fa-f]{2})(?:\1[0-9A-Fa-f]{2}){8,}(?![A-Za-z0-9])"
)
_DIGIT = re.compile("[0-9]")
_LONGEST_DATA = 65_536
"""Longer base64 or hex isn't decoded, nor is what unpacks to more than twice that."""
_LEAST_DATA = 256
"""Shorter runs of letters and digits that don't decode are identifiers, hashes, keys, not data."""


def _unpack(raw: bytes) -> bytes:
    """Unpack gzip or zlib data, or give back what it is."""
    if raw[:2] not in (b"\x1f\x8b", b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda"):
        return raw
    unpacker = zlib.decompressobj(47)
    try:
        text = unpacker.decompress(raw, 2 * _LONGEST_DATA)
    except zlib.error:
        return raw
    return text if unpacker.eof else raw


def _readable(raw: bytes) -> str:
    """Return a text of at least 10 readable characters, or nothing."""
    try:
        text = _unpack(raw).decode()
    except ValueError:
        return ""
    return text if len(text) >= 10 and all(char.isprintable() or char in "\r\n\t" for char in text) else ""


def _unbase64(token: str) -> str:
    """Decode to text, or to nothing."""
    plain = token.translate({45: "+", 95: "/", 61: None, 10: None, 13: None})
    try:
        return _readable(base64.b64decode(plain + "=" * (-len(plain) % 4)))
    except (binascii.Error, ValueError):
        return ""


def _unhex(token: str) -> str:
    try:
        return _readable(bytes.fromhex(token.removeprefix("0x").replace(":", "")))
    except ValueError:
        return ""


def _said(token: str) -> str:
    """Return what data says, twice wrapped or not."""
    if len(token) > _LONGEST_DATA:
        return ""
    text = _said_once(token)
    return _said_once(text.strip()) or text


def _said_once(token: str) -> str:
    return _unhex(token) if _HEX.fullmatch(token) else _unbase64(token)


_KIND = str.maketrans(dict.fromkeys("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "A") | dict.fromkeys("abcdefghijklmnopqrstuvwxyz", "a")
                      | dict.fromkeys("0123456789", "0") | dict.fromkeys("+/_-=: \r\n"))  # fmt: skip


def _is_data(token: str) -> bool:
    """Tell data from a long word, path or number: letters and digits change places all the time, and many differ."""
    if len(token) < _LEAST_DATA or len(set(token)) < 12:
        return False
    kinds = token.translate(_KIND)
    changes = sum(map(str.__ne__, kinds, kinds[1:]))
    return "0" in kinds and len(set(kinds)) > 1 and changes * 5 > len(kinds)


def _tokens(text: str) -> Iterator[tuple[int, int]]:
    """Yield the places of data; lines that are each a hash aren't one piece."""
    for match in _BASE64.finditer(text):
        start, end = match.span()
        lines = match.group().splitlines(keepends=True)
        if len(lines) > 1 and all(_HEX.fullmatch(line.strip()) for line in lines) and len(lines[0]) < 130:
            for line in lines:
                yield start, start + len(line.rstrip())
                start += len(line)
        else:
            yield start, end
    for match in _HEX.finditer(text) if _DIGIT.search(text) else ():  # hex of any text has digits
        yield match.span()


def _data(view: View) -> Iterator[View]:
    """What base64 and hex say, packed or not; what they don't give away is noted by a view without a text."""
    for start, end in dict.fromkeys(_tokens(view.text)):
        token = view.text[start:end]
        text = _said(token)
        if text:
            yield View(_normal(text).text, whole=view.original(start, end))
        elif _is_data(token):
            yield View("", whole=view.original(start, end))


DECODERS: tuple[Callable[[View], Iterator[View]], ...] = (_escapes, _data, layouts)


def views(text: str) -> Iterator[View]:
    """Yield the text in plain characters, then each other reading of it that differs; an empty one can't be read."""
    first = _normal(text)
    yield first
    for decode in DECODERS:
        yield from decode(first)
