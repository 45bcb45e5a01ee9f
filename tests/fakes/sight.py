"""Looks for a secret in what somebody received: as it is, and behind the usual encodings."""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
import unicodedata
from functools import cached_property
from urllib.parse import quote, unquote

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{12,}={0,2}")
_MIN_DIGITS, _MIN_CHARS = 9, 8


class Sight:
    """All that can be read in some bytes: the raw text, every JSON string in it, and what these decode to."""

    def __init__(self, data: bytes) -> None:
        self.text = data.decode(errors="replace")

    @cached_property
    def strings(self) -> list[str]:
        """Each text, JSON strings and numbers one by one."""
        found = [self.text]
        self._parse(self.text, found, 3)
        for text in list(found):
            found += (other for other in (unquote(text), html.unescape(text)) if other != text)
            found += _unpacked(text)
        return found

    def _parse(self, text: str, found: list[str], depth: int) -> None:
        for part in (text, *(line.removeprefix("data:") for line in text.splitlines() if line.startswith("data:"))):
            try:
                self._walk(json.loads(part), found, depth)
            except (ValueError, RecursionError):
                continue

    def _walk(self, value: object, found: list[str], depth: int) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                found.append(key)
                self._walk(item, found, depth)
        elif isinstance(value, list):
            for item in value:
                self._walk(item, found, depth)
        elif isinstance(value, str):
            found.append(value)
            if depth and value.lstrip()[:1] in ("{", "[", '"'):
                self._parse(value, found, depth - 1)
        elif value is not None:
            found.append(str(value))

    @cached_property
    def squeezed(self) -> str:
        """Letters and digits alone, lower case, one line for each string."""
        return "\n".join(map(squeeze, self.strings))

    @cached_property
    def digits(self) -> str:
        """Digits alone, one line for each string."""
        return "\n".join(digits(text) for text in self.strings)

    def holds(self, secret: str) -> bool:
        """Whether the secret can be read anywhere."""
        if any(form in self.text for form in forms(secret)):
            return True
        number, short = digits(secret), squeeze(secret)
        return (
            (len(number) >= _MIN_DIGITS and (number in self.digits or number[::-1] in self.digits))
            or (len(short) >= _MIN_CHARS and (short in self.squeezed or short[::-1] in self.squeezed))
            or any(secret in text for text in self.strings)
        )


def forms(secret: str) -> set[str]:
    """The secret as it may stand in raw text."""
    raw = secret.encode()
    packed = {base64.b64encode(b"x" * shift + raw).decode()[4:-4] for shift in range(3)} if len(raw) > 8 else set[str]()
    return {secret, json.dumps(secret)[1:-1], quote(secret, safe=""), secret[::-1], raw.hex(), *packed}


def squeeze(text: str) -> str:
    """Keep letters and digits, in lower case."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text))).lower()


def digits(text: str) -> str:
    """Keep digits."""
    return "".join(str(unicodedata.digit(char)) for char in text if unicodedata.digit(char, -1) >= 0)


def _unpacked(text: str) -> list[str]:
    found: list[str] = []
    for match in _BASE64.finditer(text[:200_000]):
        token = match.group().rstrip("=").translate(str.maketrans("-_", "+/"))
        try:
            found.append(base64.b64decode(token + "=" * (-len(token) % 4), validate=True).decode())
        except (binascii.Error, UnicodeDecodeError):
            continue
    return found
