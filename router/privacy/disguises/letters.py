"""Characters that look like others: compatibility forms, digits of other scripts, invisible ones, homoglyphs."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from router.privacy.view import View

_INVISIBLE = (
    *range(0x09), *range(0x0E, 0x20), 0x7F, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810), 0x3164, 0xFFA0,
    *range(0xFE00, 0xFE10), *range(0xE0000, 0xE01F0), *range(0x300, 0x370), *range(0x1AB0, 0x1B00),
    *range(0x1DC0, 0x1E00), *range(0x20D0, 0x2100), *range(0xFE20, 0xFE30), *range(0xFFF0, 0xFFFC),
)  # fmt: skip
_DASHES = "‐‑‒–—―−﹘﹣－⁃➖⸺⸻ー"
_ENCLOSED = (0x1F130, 0x1F150, 0x1F170, 0x1F1E6)
"""Where the alphabets in squares, in black circles, in black squares and of flags begin."""
_TABLE: dict[int, str | None] = {
    **dict.fromkeys(_INVISIBLE),
    **{ord(dash): "-" for dash in _DASHES},
    **{first + place: chr(65 + place) for first in _ENCLOSED for place in range(26)},
    **dict.fromkeys((0x0B, 0x0C, 0x1680, 0x2800), " "),
    **dict.fromkeys((0x85, 0x2028, 0x2029), "\n"),
}
_LETTERLESS = re.compile("[\u115f\u1160\u3164\uffa0]")
"""Invisible characters that count as letters."""

_CONFUSABLE = {
    "Cyrillic": ("АВЕЅІЈКМНОРСТУХҮӀЗЬабвеѕіјкморстухԁԛԝһӏɡѵѡԍ", "ABESIJKMHOPCTYXYI3babvesijkmopctyxdqwhlgvwG"),
    "Greek": ("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧοανιρυκγωϲϳ", "ABEZHIKMNOPTYXoavipukywcj"),
    "Armenian": ("ՏԼՕՍոօսհցյզքղ", "SLOUnouhgjzfn"),
    "Cherokee": ("ᎠᎡᎢᎥᎪᎫᎬᎳᎷᎻᏀᏃᏎᏏᏒᏔᏕᏙᏚᏞᏟᏢᏦᏴ", "DRTiAJEWMHGZ4bRWSVSLCPKB"),
    "Lisu": ("ꓐꓑꓓꓔꓖꓗꓙꓚꓜꓝꓟꓠꓡꓢꓣꓦꓧꓪꓫꓬꓮꓰꓲꓳꓴ", "BPDTGKJCZFMNLSRVHWXYAEIOU"),
    "Coptic": ("ⲞⲟⲢⲣⲤⲥⲦⲘⲔⲎⲂⲈⲀⲚⲬⲒ", "OoPpCcTMKHBEANXI"),
    "small capitals": ("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢɑɩ", "ABCDEFGHIJKLMNOPRSTUVWYZai"),
}
_LOOKALIKES = {
    other: latin for others, latins in _CONFUSABLE.values() for other, latin in zip(others, latins, strict=True)
}

_RUN = re.compile(r"[^\t\n\r -~]+")
_PLAIN = bytes((*b"\t\n\r", *range(0x20, 0x7F)))
_WORD = re.compile(r"[\w@.+-]+")
_PART = re.compile(r"[^@.+-]+")
_OTHER_SCRIPT = re.compile(f"[{re.escape(''.join(_LOOKALIKES))}]")
_ASCII_WORD = re.compile(r"[A-Za-z0-9@]")
_SMALL_CAPITAL = re.compile(f"[{_CONFUSABLE['small capitals'][0][:-2]}]")

_FULL_STOP = re.compile(r"(?<=[A-Za-z0-9])。(?=[A-Za-z0-9])")
"""A full stop of Chinese and Japanese, which browsers take for a dot in a domain."""

_HIDDEN = re.compile("[\U000e0020-\U000e007e]{7,}")
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{7,}")
_OVERRIDDEN = re.compile("\u202e([^\u202c\u202e\n]{4,})")


def _fold(char: str) -> str:
    digit = unicodedata.digit(char, None)
    if digit is not None:
        return str(digit)
    if ord(char) in _TABLE:
        return _TABLE[ord(char)] or ""
    plain = unicodedata.normalize("NFKC", char).translate(_TABLE)
    return "" if unicodedata.category(char) == "Cf" else plain


def _plain(run: str) -> str | list[str]:
    """Fold a run of characters beyond ASCII: compatibility forms, digits of other scripts, dashes, invisible ones."""
    if run.isalpha() and unicodedata.is_normalized("NFKC", run) and not _LETTERLESS.search(run):
        return run
    return list(map(_fold, run))


def _latin(word: str) -> str:
    """Replace look-alike letters in a word that mixes scripts; a word all in one script is just foreign.

    So is a part of one that has letters no Latin one looks like: `customer.αμκα`.
    """
    mixed = _OTHER_SCRIPT.search(word) and (_ASCII_WORD.search(word) or _SMALL_CAPITAL.search(word))
    return _PART.sub(_latin_part, word) if mixed else word


def _latin_part(match: re.Match[str]) -> str:
    part = match.group()
    latin = "".join(_LOOKALIKES.get(char, char) for char in part)
    return latin if latin.isascii() or _ASCII_WORD.search(part) else part


def _dot(_match: str) -> str:
    return "."


def plain(view: View) -> View:
    """Return it in plain characters."""
    if view.text.isascii() and not view.text.encode().translate(None, _PLAIN):
        return view
    view = view.rewrite(_RUN, _plain)
    if "。" in view.text:
        view = view.rewrite(_FULL_STOP, _dot)
    return view.rewrite(_WORD, _latin) if _OTHER_SCRIPT.search(view.text) else view


def normal(text: str) -> View:
    """Return a text in plain characters."""
    return plain(View(text))


def hidden(text: str) -> Iterator[View]:
    """Yield what is written in characters that nobody sees but a model reads, and what is displayed backwards."""
    if text.isascii():
        return
    for match in _HIDDEN.finditer(text):
        yield View("".join(chr(ord(char) - 0xE0000) for char in match.group()), whole=match.span())
    for match in _SELECTORS.finditer(text):
        data = bytes(ord(char) - 0xFE00 if ord(char) < 0xFF00 else ord(char) - 0xE0100 + 16 for char in match.group())
        yield View(data.decode(errors="replace"), whole=match.span())
    for match in _OVERRIDDEN.finditer(text):
        yield View(normal(match.group(1)).text[::-1], whole=match.span())
