"""Values that hold no text by their make, told by their place and by their make: signatures of thinking, clients' ids.

A signature, or the data of thinking that was withheld, comes from a vendor and goes back to it. It is base64 of what looks
drawn at random, which a scan must call unreadable anywhere else. In its own place alone, in an assistant's thinking block
or in what Google adds to its message and calls, it is passed over, and only if nothing in it can be read: text, however packed, is read there as everywhere.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import Counter
from math import log2

from router.privacy.disguises.packed import unpack

LEAST_BYTES = 150
"""Fewer may be a key or a token, which is drawn at random too: they are read as text."""
LEAST_CHANGES_RATIO = 0.5
"""How often capitals, small letters and digits must change places: in base64 of random bytes they do at two of three
places, in words without spaces, hex or base32 at less than half."""
LEAST_ENTROPY_RATIO = 0.85
"""Of the entropy that so many bytes can have at most. Random bytes have 0.95 and more, texts under 0.75."""
LONGEST_RUN = 20
"""Printable characters in a row that chance makes once in a hundred thousand values of a few thousand bytes."""

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")
_RUN = re.compile(rb"[\t\n\r\x20-\x7e]{%d,}" % LONGEST_RUN)
_NUMBER = re.compile(rb"\d(?:[ .-]?\d){6,}")
_ADDRESS = re.compile(rb"[\w.+-]{2,}@[\w-]{2,}\.[a-z]{2}")
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_NAME = re.compile(rb"claude(?:-[a-z]{3,8}|-\d(?!\d)){1,4}(?:-20\d{6})?|%b" % _UUID.encode())
"""What may stand between the random bytes: a model's name, an id."""
_CLIENT = re.compile(
    rf"user_[0-9a-f]{{64}}_account_(?:{_UUID})?_session_{_UUID}"
    rf'|\{{"device_id": ?"[0-9a-f]{{64}}", ?"account_uuid": ?"(?:{_UUID})?", ?"session_id": ?"{_UUID}"\}}'
)
"""What Claude Code calls itself by: hashes and UUIDs, with labels that would make accounts and secrets of them."""

_KINDS = str.maketrans(
    dict.fromkeys("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "A")
    | dict.fromkeys("abcdefghijklmnopqrstuvwxyz", "a")
    | dict.fromkeys("0123456789", "0")
)
_SEALED = (("thinking", "signature"), ("redacted_thinking", "data"))


def seals(kind: object) -> str | None:
    """Name the field of a block of this type that is opaque; None = none is."""
    return next((field for name, field in _SEALED if name == kind), None)


def is_googles(path: tuple[str | int, ...]) -> bool:
    """Say whether this is where a message, or one of its calls, holds what Google added: the path is the message's own."""
    inner = path[2:] if path[:1] == ("tool_calls",) else path
    return inner == ("extra_content", "google")


def is_sealed(value: str) -> bool:
    """Say whether it is base64 of bytes in which nothing can be read."""
    if not _BASE64.fullmatch(value) or not _changes(value):
        return False
    plain = value.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        raw = base64.b64decode(plain + "=" * (-len(plain) % 4))
    except (binascii.Error, ValueError):
        return False
    if len(raw) < LEAST_BYTES or unpack(raw) != raw:
        return False
    counts = Counter(raw).values()
    entropy = -sum(count / len(raw) * log2(count / len(raw)) for count in counts)
    if entropy < LEAST_ENTROPY_RATIO * log2(min(len(raw), 256)):
        return False
    rest = _NAME.sub(b"\0", raw)
    return not (_RUN.search(rest) or _NUMBER.search(rest) or _ADDRESS.search(rest))


def _changes(value: str) -> bool:
    kinds = value.translate(_KINDS)
    changes = sum(map(str.__ne__, kinds, kinds[1:]))
    return {"A", "a", "0"} <= set(kinds) and changes >= LEAST_CHANGES_RATIO * len(kinds)


def is_client(value: str) -> bool:
    """Say whether a user's id is one that Claude Code makes: digits and letters drawn at random."""
    return _CLIENT.fullmatch(value) is not None
