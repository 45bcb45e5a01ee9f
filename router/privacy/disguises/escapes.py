"""Characters written as codes: URL, HTML, JSON and source-code escapes, quoted-printable, lists of character codes."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator, Sequence

from router.privacy.view import Traits, View

_ESCAPE = re.compile(
    r"(?=[%&\\U])(?:(?:%[0-9A-Fa-f]{2})+|%u[0-9A-Fa-f]{4}|&(?:#[xX][0-9A-Fa-f]{1,6};?|#[0-9]{1,7};?|[A-Za-z]{2,31};)|\\u\{[0-9A-Fa-f]{1,6}\}"
    r"|\\u[0-9A-Fa-f]{4}|\\U[0-9A-Fa-f]{8}|\\x\{?[0-9A-Fa-f]{2}\}?|\\[0-3]?[0-7]{2}|\\[nrtbf\"'/\\@._-]|\\s[?*+]?|U\+[0-9A-Fa-f]{4,5}[ ,;]?)"
)
_ESCAPE_SIGNS = ("%", "&", "\\", "U+")
_LETTERS = {"n": "\n", "r": "\r", "t": "\t", "b": " ", "f": " "}
_UNPRINTABLE = re.compile(r"[^\n -~]+")
_LEVELS = 3
"""How often a text is taken for an escaped one: JSON in JSON is common, deeper is bounded."""

_SOFT_BREAK = re.compile(r"=\r?\n")
_QUOTED_EACH = re.compile(r"(?:=[0-9A-F]{2})+")
_QUOTED_SIGN = re.compile(r"(?:=[0-9A-Fa-f]{2}){3}|=\r?\n")

_CODE = r"(?:1[01]\d|12[0-6]|3[2-9]|[4-9]\d)"
_CODES = re.compile(
    rf"(?<![\w.])(?P<decimal>{_CODE}(?:[ ,;\n]{{1,3}}{_CODE}){{6,}})(?![\w.])"
    r"|(?P<hex>0x[2-7][0-9A-Fa-f](?:[ ,;\n]{1,3}0x[2-7][0-9A-Fa-f]){6,})(?!\w)"
    r"|(?<![\w.])(?P<octal>0?(?:0[4-7]|1[0-7])[0-7](?:[ ,;\n]{1,3}0?(?:0[4-7]|1[0-7])[0-7]){6,})(?![\w.])"
    r"|(?<!\d)(?P<binary>0[01]{7}(?:[ ,;\n]{0,3}0[01]{7}){6,}|0?[01]{7}(?:[ ,;\n]{1,3}0?[01]{7}){6,})(?!\d)"
    r"|(?P<css>(?:\\[2-7][0-9A-Fa-f] ?){6,})"
    r"|(?P<calls>\bCHR\(\d{2,3}\)(?:[\s.+,&|]{1,5}CHR\(\d{2,3}\))+)",
    re.IGNORECASE,
)
_CODES_SIGN = re.compile(r"\d{2}[ ,;\n]{1,3}\d{2}|0x[2-7]|[01]{7}|[Cc][Hh][Rr]\(|\\[2-7][0-9A-Fa-f] ?\\")
_NUMBERS = bytes(97 if chr(code) in "0123456789 ,;\n" else 32 for code in range(256))
_CODES_PREFIX = re.compile(r"[0Cc](?:[xX]|[Hh][Rr]\()|\\[2-7][0-9A-Fa-f] ?\\")
_NUMBER = re.compile(r"0x[0-9A-Fa-f]{2}|\d+")
_BITS = re.compile(r"[01]{8}")


def _octets(run: str) -> Sequence[str]:
    """Decode `%34%35`: a piece for each character of the run, so that each keeps its place."""
    data = bytes.fromhex(run.replace(run[0], ""))
    try:
        chars = data.decode()
    except UnicodeDecodeError:
        chars = data.decode("latin-1")
        return [piece for char in chars for piece in (char, "", "")]
    return [piece for char in chars for piece in (char, *[""] * (3 * len(char.encode()) - 1))]


def _unescape(escape: str) -> str | Sequence[str]:
    if escape[0] == "%" and escape[1] != "u":
        return _octets(escape)
    if escape[0] == "&":
        return html.unescape(escape)
    if escape.startswith("\\s"):
        return " "
    if escape[0] == "\\" and len(escape) == 2:
        return _LETTERS.get(escape[1], escape[1])
    if escape[0] == "\\" and escape[1] in "0123":
        return chr(int(escape[1:], 8))
    code = int(re.sub(r"[^0-9A-Fa-f]", "", escape[2:]), 16)
    return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else "�"


def _nothing(_match: str) -> str:
    return ""


def _decode(run: str) -> str:
    """Write a list of character codes out."""
    match = _CODES.fullmatch(run)
    if match is None:
        return run
    if match.lastgroup == "binary":
        bits = (
            re.sub("[^01]", "", run)
            if _BITS.match(run)
            else "".join(bits.zfill(8) for bits in re.findall("[01]+", run))
        )
        return "".join(chr(int(byte, 2)) for byte in _BITS.findall(bits))
    if match.lastgroup == "css":
        return bytes.fromhex(run.replace("\\", "")).decode()
    base = 8 if match.lastgroup == "octal" else 0 if match.lastgroup == "hex" else 10
    return "".join(chr(int(number, base)) for number in _NUMBER.findall(run))


def _blank(match: re.Match[str]) -> str:
    """Put a space for each control character; what is merely invisible is left to who folds it away."""
    return "".join(" " if unicodedata.category(char) == "Cc" else char for char in match.group())


def escapes(view: View, _traits: Traits) -> Iterator[View]:
    """Yield it with URL, HTML and source-code escapes written out, once and again."""
    for _ in range(_LEVELS if any(sign in view.text for sign in _ESCAPE_SIGNS) else 0):
        decoded = view.rewrite(_ESCAPE, _unescape)
        if decoded is view:
            return
        view = decoded._replace(text=_UNPRINTABLE.sub(_blank, decoded.text))
        yield view


def quoted_printable(view: View, _traits: Traits) -> Iterator[View]:
    """Yield it with `=34=35` and soft line breaks written out."""
    if "=" not in view.text:
        return
    if _QUOTED_SIGN.search(view.text):
        yield view.rewrite(_SOFT_BREAK, _nothing).rewrite(_QUOTED_EACH, _octets)
    elif view.text.count("=20") > 2:
        yield view.rewrite(_QUOTED_EACH, _octets)


def character_codes(view: View, traits: Traits) -> Iterator[View]:
    """Yield it with lists of character codes written out: `52 53 51`, `0x34,0x35`, `064 065`, `00110100`, `chr(52)+chr(53)`, `\\34 \\35`."""
    if not traits.digits:
        return
    numbers = view.text.encode("ascii", "replace").translate(_NUMBERS)
    if (b"a" * 20 in numbers or _CODES_PREFIX.search(view.text)) and _CODES_SIGN.search(view.text):
        yield view.rewrite(_CODES, _decode)
