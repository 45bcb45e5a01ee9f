"""The audit log's format: canonical JSON lines, each with the hash of the line before, signed from time to time.

What a line may hold is fixed here: types, counts, names of the configuration and codes; no text of prompt or
answer, no header, no key. Writing is `sinks/audit.py`, checking is `audit_verify.py`.
"""

from __future__ import annotations

import base64
import hashlib
import re
from enum import StrEnum
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from router.core.types import JsonObject, Outcome

VERSION = 1
FOLDER, HEAD_FILE, KEY_FILE, PUBLIC_FILE = "audit", "audit.head", "audit.key", "audit.pub"
_FILE = re.compile(r"audit-(\d{6,})\.jsonl")
_DOMAIN = b"sona-audit 1\n"
"""Stands before all that is signed, so that no signature means anything elsewhere."""

_RANDOM_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

_encode = msgspec.json.Encoder(order="sorted").encode


class Kind(StrEnum):
    """What a line says. All but DECISION are signed."""

    OPEN = "open"
    """First line of a file."""
    START = "start"
    """The router started on a log that was closed in order."""
    DECISION = "decision"
    CHECKPOINT = "checkpoint"
    """Nothing but a signature of all before."""
    RECOVERED = "recovered"
    """The router started on a log that was not closed in order."""
    GAP = "gap"
    """Records are missing, and the router says so."""
    CLOSE = "close"


class Gap(StrEnum):
    """Why records are missing, or may be."""

    UNWRITABLE = "unwritable"
    """The disk refused; what didn't fit into memory is lost."""
    HEAD_MISSING = "head_missing"
    """At the start there was no head file, so nobody knows how far the log went."""
    HEAD_INVALID = "head_invalid"
    """At the start the head file was not one that this key signed."""
    RECORDS_ADDED = "records_added"
    """At the start there were records behind the one that closed the log."""
    RECORDS_MISSING = "records_missing"
    """At the start the log didn't hold the record that the head file names."""


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt at a target."""

    target: str
    locality: str
    sent: bool
    masked: bool
    error: str | None


class Decision(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag=Kind.DECISION.value):
    """One finished request."""

    seq: int
    prev: str
    time: float
    request_id: str
    """As it was, where it is random; else `sha256:` and the first 32 hex digits of its hash."""
    decision_id: str
    principal: str
    tenant: str
    sensitivity: str | None
    entities: dict[str, int]
    scan_status: str | None
    scan_reason: str
    scanned_chars: int
    ruleset: str
    policy: str
    rule: str
    locality: str | None
    masked: bool
    target: str
    attempts: tuple[Tried, ...]
    status: int
    error: str | None


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """The last line of a chain: its number and its hash."""

    seq: int
    hash: str


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What the head file says: how far the log goes."""

    log: str
    file: int
    seq: int
    hash: str
    time: float


def genesis(log: str) -> Position:
    """Where the chain of the log with this id begins."""
    return Position(seq=0, hash=hash_of(f"{log}\n".encode()))


def hash_of(line: bytes) -> str:
    """Hash a line, without its line feed."""
    return hashlib.sha256(line).hexdigest()


def after(line: bytes, position: Position) -> Position:
    """The position of `line`, which stands behind `position`."""
    return Position(seq=position.seq + 1, hash=hash_of(line))


def decision_line(outcome: Outcome, position: Position, policy: str) -> bytes:
    """Write the line of a finished request behind `position`."""
    return _encode(
        Decision(
            seq=position.seq + 1,
            prev=position.hash,
            time=outcome.time_unix_s,
            request_id=_safe_id(outcome.request_id),
            decision_id=outcome.decision_id,
            principal=outcome.principal_id,
            tenant=outcome.tenant,
            sensitivity=outcome.sensitivity.name.lower() if outcome.sensitivity is not None else None,
            entities=dict(outcome.entity_counts),
            scan_status=outcome.scan_status.value if outcome.scan_status is not None else None,
            scan_reason=outcome.scan_reason,
            scanned_chars=outcome.scanned_chars,
            ruleset=outcome.ruleset,
            policy=policy,
            rule=outcome.rule_id,
            locality=outcome.locality.name.lower() if outcome.locality is not None else None,
            masked=outcome.masked,
            target=outcome.target,
            attempts=tuple(
                Tried(
                    target=attempt.target,
                    locality=attempt.locality.name.lower(),
                    sent=attempt.sent,
                    masked=attempt.masked,
                    error=attempt.error_code,
                )
                for attempt in outcome.attempts
            ),
            status=outcome.status,
            error=outcome.error_code,
        )
    )


def _safe_id(request_id: str) -> str:
    """A caller may name its request as it likes; only what is plainly random is kept as it is."""
    if _RANDOM_ID.fullmatch(request_id):
        return request_id
    return f"sha256:{hash_of(request_id.encode())[:32]}"


def signed_line(kind: Kind, position: Position, time: float, key: Ed25519PrivateKey, facts: JsonObject) -> bytes:
    """Write a line of any other kind behind `position`."""
    fields: JsonObject = {"kind": kind.value, "seq": position.seq + 1, "prev": position.hash, "time": time}
    return _sign({**fields, **facts}, key)


def head_line(head: Head, key: Ed25519PrivateKey) -> bytes:
    """Write the head file."""
    return _sign({"kind": "head", **msgspec.structs.asdict(head)}, key)


def read_head(line: bytes, key: Ed25519PublicKey) -> Head | None:
    """Read the head file; None if it isn't one that this key signed."""
    if not is_signed(line, key):
        return None
    try:
        return msgspec.json.decode(line, type=Head)
    except (msgspec.DecodeError, ValueError):
        return None


def _sign(fields: JsonObject, key: Ed25519PrivateKey) -> bytes:
    signature = base64.b64encode(key.sign(_DOMAIN + _encode(fields))).decode()
    return _encode({**fields, "signature": signature})


def is_signed(line: bytes, key: Ed25519PublicKey) -> bool:
    """Whether a line is one that the owner of `key` signed, byte by byte."""
    try:
        fields = msgspec.json.decode(line, type=dict[str, object])
        if _encode(fields) != line:
            return False
        signature = base64.b64decode(str(fields.pop("signature", "")), validate=True)
        key.verify(signature, _DOMAIN + _encode(fields))
    except (msgspec.DecodeError, ValueError, RecursionError, InvalidSignature):
        return False
    return True


# -- files and keys


def file_name(number: int) -> str:
    """Name the log's file of this number; the first is 1."""
    return f"audit-{number:06d}.jsonl"


def log_files(folder: Path) -> list[tuple[int, Path]]:
    """List a log's files with their numbers, in order."""
    found = ((_FILE.fullmatch(path.name), path) for path in folder.iterdir())
    return sorted((int(match[1]), path) for match, path in found if match)


def new_private_key() -> bytes:
    """Make a private key, as PEM."""
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def private_key(pem: bytes) -> Ed25519PrivateKey:
    """Read a private key.

    Raises:
        ValueError: it is no Ed25519 key in PEM, or it is encrypted; the message holds nothing of it.
    """
    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("not an Ed25519 private key in PEM; make one with: openssl genpkey -algorithm ed25519")
    return key


def public_key(pem: bytes) -> Ed25519PublicKey:
    """Read a public key.

    Raises:
        ValueError: it is no Ed25519 key in PEM.
    """
    try:
        key = load_pem_public_key(pem)
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("not an Ed25519 public key in PEM")
    return key


def public_pem(key: Ed25519PublicKey) -> bytes:
    """Write a public key as PEM."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def fingerprint(key: Ed25519PublicKey) -> str:
    """Name a key shortly: the first 32 hex digits of the hash of its 32 bytes."""
    return hash_of(key.public_bytes(Encoding.Raw, PublicFormat.Raw))[:32]
