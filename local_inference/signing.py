"""Who vouches for an adapter: a list of SHA-256 sums beside its files, and an Ed25519 signature of that list."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping, Sequence

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from local_inference.errors import Rejected
from local_inference.places import SIGNATURE, SUMS

MAX_SUMS_BYTES = 256 * 1024
MAX_SIGNATURE_BYTES = 1024
_LINE = re.compile(r"([0-9a-fA-F]{64}) [ *](\S.*)")
_SUMS_AGAIN = f"write it again, in the adapter's folder: `sha256sum *.json *.safetensors *.md *.yaml > {SUMS}`"


def parse_sums(data: bytes) -> dict[str, str]:
    """Read a list as `sha256sum` writes it: file name -> sum in lower-case hex.

    Raises:
        Rejected: bad_sums.
    """
    if len(data) > MAX_SUMS_BYTES:
        raise Rejected("bad_sums", f"{SUMS} is larger than {MAX_SUMS_BYTES} bytes", _SUMS_AGAIN)
    sums: dict[str, str] = {}
    for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
        if not line.strip():
            continue
        found = _LINE.fullmatch(line.strip())
        name = found[2].removeprefix("./") if found else ""
        if found is None or name in sums:
            raise Rejected("bad_sums", f"{SUMS}: line {number} is not `<sum>  <file>`, or repeats a file", _SUMS_AGAIN)
        sums[name] = found[1].lower()
    return sums


def check_sums(sums: Mapping[str, str], found: Mapping[str, str | None], *, whole: bool) -> None:
    """Compare a list with the sums of the files that were read, None = it isn't there; `whole` = each must be listed.

    One that is listed must be there: a card that went may be what closed the adapter to others.

    Raises:
        Rejected: hash_mismatch, unsigned_file.
    """
    for name, sha256 in found.items():
        listed = sums.get(name)
        if sha256 is None:
            if listed is not None:
                raise Rejected("hash_mismatch", f"{SUMS} lists '{name}', which isn't there", "copy the folder again")
            continue
        if listed is None and whole:
            raise Rejected("unsigned_file", f"{SUMS} doesn't list '{name}'", f"{_SUMS_AGAIN}, and sign it again")
        if listed is not None and listed != sha256:
            raise Rejected("hash_mismatch", f"'{name}' isn't the file that {SUMS} lists", "copy the folder again")


def fingerprint(key: Ed25519PublicKey) -> str:
    """Name a key: 16 hex digits of its hash."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]


def check_signature(sums: bytes | None, signature: bytes | None, keys: Sequence[Ed25519PublicKey]) -> str:
    """Demand that one of the trusted keys signed the list, byte for byte; return that key's fingerprint.

    Raises:
        Rejected: unsigned, bad_signature.
    """
    if sums is None or signature is None:
        lacking = SUMS if sums is None else SIGNATURE
        raise Rejected(
            "unsigned",
            f"there is no {lacking}, and this host serves signed adapters only",
            "ask whoever made it to sign it; see docs/adapters.md",
        )
    for key in keys:
        try:
            key.verify(_raw(signature), sums)
        except InvalidSignature:
            continue
        return fingerprint(key)
    raise Rejected(
        "bad_signature",
        f"{SIGNATURE} isn't a signature of {SUMS} by a trusted key",
        "sign the list as it is now, with a key under `trusted_keys`",
    )


def public_key(text: str) -> Ed25519PublicKey:
    """Read a trusted key: PEM, or its 32 bytes in base64.

    Raises:
        ValueError: it is neither.
    """
    try:
        if "BEGIN" in text:
            key = load_pem_public_key(text.encode())
            if not isinstance(key, Ed25519PublicKey):
                raise ValueError("it is no Ed25519 public key")
            return key
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(text.strip(), validate=True))
    except (ValueError, UnsupportedAlgorithm, binascii.Error):
        raise ValueError("write an Ed25519 public key, in PEM or its 32 bytes in base64") from None


def _raw(signature: bytes) -> bytes:
    """Take 64 bytes as they are, or in base64."""
    if len(signature) == 64:
        return signature
    try:
        return base64.b64decode(signature.strip(), validate=True)
    except (ValueError, binascii.Error):
        return b""
