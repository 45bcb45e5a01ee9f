"""Chance that can be repeated: the same seed and names always give the same draw."""

from __future__ import annotations

import hashlib


def draw(seed: float | str, *names: str) -> float:
    """Draw a number, uniform in [0, 1), for some names; other names, or another seed, draw independently."""
    digest = hashlib.blake2b("\0".join((str(seed), *names)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
