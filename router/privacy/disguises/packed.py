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

from router.privacy.disguises.ciphers import ALPHABETS
from router.privacy.disguises.letters import hidden
from router.privacy.view import Traits, View

_BASE64 = re.compile(
    r"(?<![A-Za-z0-9+/_-])(?:[A-Za-z0-9+/_-]{60,}\r?\n){0,1500}[A-Za-z0-9+/_-]{12,}(?:\r?\n(?!--)[A-Za-z0-9+/_-]{1,15})?={0,2}"
    r"(?![A-Za-z0-9+/_=-])"
)
_BASE64_SIGNS = bytes(97 if code < 128 and (chr(code).isalnum() or chr(code) in "+/_-") else 32 for code in range(256))
_WRAPPED = re.compile(
    r"(?<![A-Za-z0-9+/_-])(?:[A-Za-z0-9+/_-]{8,59}[ \t]*\r?\n[ \t]*(?!--)){1,400}[A-Za-z0-9+/_-]{2,59}={0,2}(?![A-Za-z0-9+/_=-])"
)
_SHORT_LINES = re.compile(rb"aaaaaaaa\r?\n *aaaa")
_BASE32 = re.compile(
    r"(?<![A-Za-z0-9])(?:[A-Z2-7]{16,}(?:\r?\n[A-Z2-7]{2,}){0,1500}|[a-z2-7]{16,}(?:\r?\n[a-z2-7]{2,}){0,1500})={0,6}(?![A-Za-z0-9=])"
)
_BASE85 = re.compile(r"<~([!-uz\s]{10,20000})~>")
_HEX = re.compile(
    r"(?<![A-Za-z0-9])(?:0x)?[0-9A-Fa-f]{2}(?:([ :,-]?)[0-9A-Fa-f]{2})(?:\1[0-9A-Fa-f]{2}){7,}(?![A-Za-z0-9])"
)
_HEX_SIGNS = bytes(97 if chr(code) in "0123456789abcdefABCDEF :,-" else 32 for code in range(256))
_HEX_LINES = re.compile(r"[0-9A-Fa-f\s]+")
_PLAIN_HEX = re.compile(r"(?:0x)?[0-9A-Fa-f]+")
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BASE58_SIGNS = frozenset(_BASE58)
_UU = re.compile(r"(?:^|(?<=[:>] ))[)-M][ -`]{12,61}(?:\n[!-M][ -`]{4,61})*$", re.MULTILINE)
_UU_SIGNS = bytes(97 if 32 <= code <= 96 else 32 for code in range(256))
_SOLID = bytes(97 if 33 <= code <= 126 else 32 for code in range(256))
_LEAST_TURNED, _LONGEST_TURNED, _LONGEST_BASE58 = 16, 4_096, 600
"""Characters of base64 or hex that is tried in other directions and alphabets, and of base58, which takes quadratic time."""
_LEAST_BASE85 = 15
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


def unpack(raw: bytes) -> bytes:
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
    data = unpack(raw)
    try:
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8")
    except ValueError:
        if len(data) < _LEAST_TEXT or data[1::2].strip(b"\0") or not data[::2].isascii():
            return ""
        text = data[::2].decode()
    if "\0" in text and not data[1::2].strip(b"\0"):
        text = data[::2].decode("ascii", "replace")
    return text if len(text) >= _LEAST_TEXT and all(map(_is_written, text)) else ""


def _tells(raw: bytes) -> bool:
    """Say whether data is text, or packed: then it may be."""
    return raw.startswith(_MAGICS) or bool(_readable(raw))


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
    plain = "".join(token.split()).rstrip("=").upper()
    try:
        return base64.b32decode(plain + "=" * (-len(plain) % 8))
    except (binascii.Error, ValueError):
        return b""


def _unbase85(token: str) -> bytes:
    try:
        return base64.a85decode(token, adobe=True)
    except ValueError:
        return b""


def _unbase58(token: str) -> bytes:
    number = 0
    for char in token:
        number = number * 58 + _BASE58.index(char)
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _unsigned85(token: str) -> bytes:
    """Decode base85 that nothing marks as such, in either of its alphabets; to nothing if that tells nothing."""
    for decode in (base64.b85decode, base64.a85decode):
        try:
            raw = decode(token)
        except (ValueError, OverflowError):
            continue
        if _tells(raw):
            return raw
    return b""


def _unuu(lines: str) -> bytes:
    """Decode lines of uuencode, each of which begins with its length."""
    data = b""
    for line in lines.splitlines():
        length = (ord(line[0]) - 32) & 63
        if not (length + 2) // 3 * 4 - 3 <= len(line) - 1 <= (length + 2) // 3 * 4 + 1:
            return b""
        try:
            data += binascii.a2b_uu(line.rstrip())
        except (binascii.Error, ValueError):
            return b""
    return data


def _turned(token: str) -> Iterator[bytes]:
    """Decode base64 or hex that was written backwards or in a moved alphabet after it was packed, or base58."""
    if not (_LEAST_TURNED <= len(token) <= _LONGEST_TURNED and any(map(str.isdigit, token))) or token.isdecimal():
        return
    is_hex = _PLAIN_HEX.fullmatch(token) is not None
    is_mixed = not is_hex and any(map(str.isupper, token)) and any(map(str.islower, token))
    if is_hex or is_mixed:
        yield (_unhex if is_hex else _unbase64)(token[::-1])
    for moved in () if is_hex else (token.translate(alphabet) for alphabet in ALPHABETS):
        if _PLAIN_HEX.fullmatch(moved):
            yield _unhex(moved)  # several alphabets may turn the same letters into digits
        elif is_mixed:
            yield _unbase64(moved)
    if is_mixed and len(token) <= _LONGEST_BASE58 and _BASE58_SIGNS.issuperset(token):
        yield _unbase58(token)


def _unhex(token: str) -> bytes:
    try:
        return bytes.fromhex(re.sub(r"0x|[\s:,-]", "", token))
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
            if _tells(_unhex(match.group())):
                yield start, end
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
        turned = () if _tells(raw) else tuple(filter(_tells, _turned(token)))
        yield from (((start, end), each) for each in turned or (raw,))
    for match in _WRAPPED.finditer(text) if _SHORT_LINES.search(traits.shape) else ():
        lines = match.group()
        raw = _unhex(lines) if _HEX_LINES.fullmatch(lines) else b""
        yield match.span(), raw if _tells(raw) else _unbase64(lines)
    for match in _BASE32.finditer(text) if b"a" * 16 in traits.shape else ():
        yield match.span(), _unbase32(match.group())
    for match in _BASE85.finditer(text) if "<~" in text else ():
        yield match.span(), _unbase85(match.group())
    signs = text.encode("ascii", "replace")
    for match in _UU.finditer(text) if b"a" * 13 in signs.translate(_UU_SIGNS) else ():
        yield match.span(), _unuu(match.group())
    if b"a" * _LEAST_BASE85 in signs.translate(_SOLID):
        yield from _solid(text)


def _solid(text: str) -> Iterator[tuple[tuple[int, int], bytes]]:
    """Yield the places of base85 that nothing marks as such."""
    end = 0
    for token in (word for word in text.split() if len(word) >= _LEAST_BASE85):
        end = text.index(token, end) + len(token)
        is_word = token.isalnum() or token.islower() or len(token) > _LONGEST_TURNED
        if not is_word and (raw := _unsigned85(token)):
            yield (end - len(token), end), raw


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
