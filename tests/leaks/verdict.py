"""What a campaign holds against a router: anything sensitive outside, a request without an answer, an answer too late."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import msgspec

from tests.fakes.cloud import Received
from tests.fakes.sight import Sight
from tests.fakes.wire_client import Manner, Reply
from tests.leaks.endpoints import CALLING
from tests.leaks.faults import Kind
from tests.leaks.shots import Shot
from tests.leaks.site import DEADLINE_S

SLACK_S = 12.0
"""Allowed past the deadline, for a machine under load."""
_CODES = {
    400: {
        "invalid_value", "unsupported_feature", "upstream_rejected", "content_filter", "context_length_exceeded",
        "previous_response_not_found",
    },
    403: {"privacy_policy_blocked"},
    503: {"no_healthy_target", "server_overloaded"},
    504: {"upstream_timeout"},
    200: {"stream_interrupted"},
}  # fmt: skip
"""How a sensitive request may be refused, or end when the engine does."""


class Leak(msgspec.Struct, frozen=True):
    """A canary where it must not be."""

    where: str
    fault: str
    key: str
    path: str
    field: str
    kind: str
    canary: str
    excerpt: str
    """What was seen; canaries are made up, so they may be shown."""


def leak(where: str, shot: Shot, seen: bytes) -> Leak:
    """Describe one."""
    assert shot.canary is not None
    at = max(seen.find(shot.canary.secret[:6].encode()), seen.find(b"{"), 0)
    excerpt = repr(seen[max(at - 100, 0) : at + 600])
    return Leak(where, shot.fault.name, shot.key, shot.path, shot.field, shot.canary.kind, shot.canary.text, excerpt)


def outside(shots: Sequence[Shot], received: Iterable[Received]) -> list[Leak]:
    """Find canaries in what clouds received: a request's own however it is encoded, and anybody's as it is."""
    by_number = {shot.number: shot for shot in shots}
    held = [shot for shot in shots if shot.canary is not None]
    found: list[Leak] = []
    texts: list[bytes] = []
    for one in received:
        everything = one.everything
        texts.append(everything)
        own = by_number.get(_number(one.body))
        sight = Sight(everything)
        for shot in [own] if own is not None else held:
            if shot.canary is not None and sight.holds(shot.canary.secret):
                found.append(leak("cloud", shot, everything))
    return once(found + spoken("cloud", held, b"\n".join(texts)))


def once(leaks: Iterable[Leak]) -> list[Leak]:
    """Keep the first leak of each canary at each place: retries and later turns repeat it."""
    return list({(one.where, one.canary): one for one in reversed(list(leaks))}.values())


def spoken(where: str, shots: Sequence[Shot], text: bytes) -> list[Leak]:
    """Find anybody's canary, as it is or as JSON, in one long text."""
    held = [(shot, shot.canary.secret) for shot in shots if shot.canary is not None]
    written = ((shot, {secret.encode(), json.dumps(secret)[1:-1].encode()}) for shot, secret in held)
    return [leak(where, shot, text) for shot, ways in written if any(way in text for way in ways)]


def answered(shot: Shot, reply: Reply) -> list[Leak]:
    """Find a canary in an answer's headers, or in an error's body."""
    if shot.canary is None:
        return []
    shown = "\n".join(f"{name}: {value}" for name, value in reply.headers.items()).encode()
    if reply.status != 200:
        shown += b"\n" + reply.body
    return [leak("answer", shot, shown)] if Sight(shown).holds(shot.canary.secret) else []


def _number(body: bytes) -> int:
    try:
        return msgspec.json.decode(body, type=_Tagged).seed
    except (msgspec.DecodeError, UnicodeDecodeError):
        return 0


class _Tagged(msgspec.Struct):
    seed: int = 0


def problem(shot: Shot, reply: Reply) -> str:
    """Say what is wrong with how a request ended; empty = nothing."""
    if reply.elapsed_s > DEADLINE_S + SLACK_S:
        return f"took {reply.elapsed_s:.1f} s"
    if shot.manner is not Manner.PLAIN:
        return ""
    code = reply.error_code
    if reply.status == 0 or not reply.complete:
        return "was cut" if reply.status else "wasn't answered"
    if shot.fault.kind is Kind.BODY:
        return "" if reply.status in (400, 413) and code else f"a broken body gets {reply.status} {code}"
    if not reply.whole and code is None:
        return f"ended with {reply.status} and no explicit error"
    if shot.canary is None or shot.path not in CALLING:
        return ""
    refused = code in _CODES.get(reply.status, ())
    may_travel = shot.key == "mask" or shot.canary.kind in ("email", "iban")
    if may_travel or shot.fault.kind is Kind.STAGE:
        return ""
    return "" if (reply.whole and reply.local) or refused else f"sensitive, and gets {reply.status} {code}"
