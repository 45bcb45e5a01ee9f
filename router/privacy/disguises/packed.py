"""Text packed into base64, base32, base85 or hex, compressed or not; and data that can't be read at all."""

from __future__ import annotations

import base64
import binascii
import bz2
import lzma
import re
import unicodedata
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from router.privacy.disguises.letters import hidden
from router.privacy.view import Traits, View

_BASE64 = re.compile(
    r"(?<![A-Za-z0-9+/_-])(?:[A-Za-z0-9+/_-]{60,}\r?\n){0,1500}[A-Za-z0-9+/_-]{12,}(?:\r?\n[A-Za-z0-9+/_-]{1,15})?={0,2}"
    r"(?![A-Za-z0-9+/_=-])"
)
_BASE64_SIGNS = bytes(97 if code < 128 and (chr(code).isalnum() or chr(code) in "+/_-") else 32 for code in range(256))
_WRAPPED = re.compile(
    r"(?<![A-Za-z0-9+/_-])(?:[A-Za-z0-9+/_-]{8,59}[ \t]*\r?\n[ \t]*){1,400}[A-Za-z0-9+/_-]{2,59}={0,2}(?![A-Za-z0-9+/_=-])"
)
_SHORT_LINES = re.compile(rb"aaaaaaaa\r?\n *aaaa")
_BASE32 = re.compile(r"(?<![A-Za-z0-9])(?:[A-Z2-7]{16,}|[a-z2-7]{16,})={0,6}(?![A-Za-z0-9=])")
_BASE85 = re.compile(r"<~([!-uz\s]{10,20000})~>")
_HEX = re.compile(
    r"(?<![A-Za-z0-9])(?:0x)?[0-9A-Fa-f]{2}(?:([ :,-]?)[0-9A-Fa-f]{2})(?:\1[0-9A-Fa-f]{2}){7,}(?![A-Za-z0-9])"
)
_HEX_SIGNS = bytes(97 if chr(code) in "0123456789abcdefABCDEF :,-" else 32 for code in range(256))
_PLAIN_HEX = re.compile(r"(?:0x)?[0-9A-Fa-f]+")
_LONGEST_DATA = 65_536
"""Longer base64 or hex isn't decoded, nor is what unpacks to more than twice that."""
_LEAST_DATA = 256
"""Shorter runs of letters and digits that don't decode are identifiers, hashes, keys, not data."""
_LEAST_TEXT = 9
"""Shorter texts identify nobody."""
_PUBLIC = re.compile(
    r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}(?:PUBLIC KEY(?: BLOCK)?|CERTIFICATE(?: REQUEST)?|SIGNATURE)-----[\s\S]{0,20000}?(?=-----|\Z)"
    r"|\b(?:ssh-(?:rsa|ed25519|dss)|ecdsa-sha2-[\w-]{1,20}) [A-Za-z0-9+/=]{40,4000}|\bsha\d{3}-[A-Za-z0-9+/]{40,90}={0,2}"
)
"""Data that is made to be shown to everybody: public keys, certificates, signatures, checksums."""
_PUBLIC_SIGN = re.compile(r"-----BEGIN|ssh-|ecdsa-|sha\d{3}-")


class _Unpacker(NamedTuple):
    magic: bytes
    make: Callable[[], zlib._Decompress | bz2.BZ2Decompressor | lzma.LZMADecompressor]  # pyright: ignore[reportPrivateUsage]


_UNPACKERS = (
    *(
        _Unpacker(magic, lambda: zlib.decompressobj(47))
        for magic in (b"\x1f\x8b", b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
    ),
    _Unpacker(b"BZh", bz2.BZ2Decompressor),
    _Unpacker(b"\xfd7zXZ", lambda: lzma.LZMADecompressor(memlimit=64_000_000)),
)
_MAGICS = tuple(unpacker.magic for unpacker in _UNPACKERS)


def _unpack(raw: bytes) -> bytes:
    """Unpack gzip, zlib, bzip2 or xz data, or give back what it is."""
    for magic, make in _UNPACKERS:
        if raw.startswith(magic):
            unpacker = make()
            try:
                text = unpacker.decompress(raw, 2 * _LONGEST_DATA)
            except (zlib.error, OSError, lzma.LZMAError, EOFError):
                return raw
            return text if unpacker.eof else raw
    return raw


def _readable(raw: bytes) -> str:
    """Return a text of enough readable characters, or nothing."""
    data = _unpack(raw)
    try:
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8")
    except ValueError:
        if len(data) < _LEAST_TEXT or data[1::2].strip(b"\0") or not data[::2].isascii():
            return ""
        text = data[::2].decode()
    return text if len(text) >= _LEAST_TEXT and all(map(_is_written, text)) else ""


def _is_written(char: str) -> bool:
    return char.isprintable() or char in "\r\n\t" or unicodedata.category(char) == "Cf"


def _unbase64(token: str) -> bytes:
    """Decode, to nothing if it isn't base64."""
    plain = token.translate({45: "+", 95: "/", 61: None, 10: None, 13: None, 32: None, 9: None})
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4))
    except (binascii.Error, ValueError):
        return b""


def _unbase32(token: str) -> bytes:
    plain = token.rstrip("=").upper()
    try:
        return base64.b32decode(plain + "=" * (-len(plain) % 8))
    except (binascii.Error, ValueError):
        return b""


def _unbase85(token: str) -> bytes:
    try:
        return base64.a85decode(token, adobe=True)
    except ValueError:
        return b""


def _unhex(token: str) -> bytes:
    try:
        return bytes.fromhex(re.sub("0x|[ :,-]", "", token))
    except ValueError:
        return b""


_KIND = str.maketrans(dict.fromkeys("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "A") | dict.fromkeys("abcdefghijklmnopqrstuvwxyz", "a")
                      | dict.fromkeys("0123456789", "0") | dict.fromkeys("+/_-=: \r\n"))  # fmt: skip


def _is_data(token: str) -> bool:
    """Tell data from a long word, path or number: letters and digits change places all the time, and many differ."""
    if len(token) < _LEAST_DATA or len(set(token)) < 12:
        return False
    kinds = token.translate(_KIND)
    changes = sum(map(str.__ne__, kinds, kinds[1:]))
    return "0" in kinds and len(set(kinds)) > 1 and changes * 5 > len(kinds)


def _base64(text: str) -> Iterator[re.Match[str]]:
    """Yield the matches of `_BASE64`, which is tried only where twelve of its characters follow each other."""
    signs = text.encode("ascii", "replace").translate(_BASE64_SIGNS)
    end = 0
    while (start := signs.find(b"a" * 12, end)) >= 0:
        match = _BASE64.match(text, start)
        if match is not None:
            yield match
        end = match.end() if match is not None else signs.find(b" ", start)
        if end < 0:
            return


def _tokens(text: str, traits: Traits) -> Iterator[tuple[int, int]]:
    """Yield the places of base64 and hex; lines that are each a hash aren't one piece."""
    for match in _base64(text) if b"a" * 8 in traits.shape else ():
        start, end = match.span()
        lines = match.group().splitlines(keepends=True)
        if len(lines) > 1 and all(_HEX.fullmatch(line.strip()) for line in lines) and len(lines[0]) < 130:
            for line in lines:
                yield start, start + len(line.rstrip())
                start += len(line)
        else:
            yield start, end
    if not traits.digits:  # hex of any text has some
        return
    hexes = text.encode("ascii", "replace").translate(_HEX_SIGNS)
    for match in _HEX.finditer(text) if b"a" * 18 in hexes else ():
        yield match.span()


def _decoded(text: str, traits: Traits) -> Iterator[tuple[tuple[int, int], bytes]]:
    """Yield the places of what looks like data, and the data."""
    for start, end in dict.fromkeys(_tokens(text, traits)):
        token = text[start:end]
        raw = b"" if end - start > _LONGEST_DATA else _unhex(token) if _HEX.fullmatch(token) else _unbase64(token)
        yield (start, end), raw
    for match in _WRAPPED.finditer(text) if _SHORT_LINES.search(traits.shape) else ():
        yield match.span(), _unbase64(match.group())
    for match in _BASE32.finditer(text) if b"a" * 16 in traits.shape else ():
        yield match.span(), _unbase32(match.group())
    for match in _BASE85.finditer(text) if "<~" in text else ():
        yield match.span(), _unbase85(match.group())


def packed(view: View, traits: Traits, *, opens: bool = True) -> Iterator[View]:
    """Yield what data says; data that doesn't give it away is noted by a view without a text.

    So is compressed data unless it `opens` that: a few bytes of it may hold any number of characters.
    """
    public: list[tuple[int, int]] | None = None
    for (start, end), raw in _decoded(view.text, traits):
        if not opens and raw.startswith(_MAGICS):
            yield View("", whole=view.original(start, end))
        elif said := _readable(raw):
            place = view.original(start, end)
            yield View(said, whole=place)
            yield from (unseen._replace(whole=place) for unseen in hidden(said))
        elif _is_data(view.text[start:end]):
            if public is None:
                public = (
                    [match.span() for match in _PUBLIC.finditer(view.text)] if _PUBLIC_SIGN.search(view.text) else []
                )
            if not any(first <= start < last for first, last in public):
                yield View("", whole=view.original(start, end))
