"""The table of everything that can go wrong in a campaign, and how each of it is brought about."""

from __future__ import annotations

from enum import Enum

import msgspec

from tests.fakes.faulty_router import STAGES


class Kind(Enum):
    """Who makes a fault happen, and who knows that it did."""

    NONE = "none"
    CLOUD = "the cloud misbehaves; a decision record names its target among the attempts"
    STAGE = "a stage of the router raises, quoting the request; the faulty router logs it"
    WORKER = "a recognizer misbehaves in a scan worker; the decision record says that the scan failed"
    BODY = "the body is refused; the answer is 400 or 413"
    SENDING = "the client lies or leaves; the client counts"
    SITE = "something happens to a process while requests run; the campaign counts"
    ROUTER = "a router of its own, configured or broken for it; the campaign counts"


class Fault(msgspec.Struct, frozen=True):
    """One row."""

    name: str
    kind: Kind
    detail: str = ""
    """Model, stage, word or manner that brings it about."""
    slow: bool = False
    """Requests under it wait for a clock: it gets fewer of them."""


_STATUSES = (400, 401, 403, 404, 408, 413, 429, 500, 502, 503, 529)
_CLOUD = (
    *(Fault(f"cloud: {status}", Kind.CLOUD, f"http-{status}") for status in _STATUSES),
    Fault("cloud: 429 without Retry-After", Kind.CLOUD, "http-429-bare"),
    Fault("cloud: refuses to connect", Kind.CLOUD, "refused"),
    Fault("cloud: its name can't be resolved", Kind.CLOUD, "unnamed"),
    Fault("cloud: TLS on a plain port", Kind.CLOUD, "tls"),
    Fault("cloud: hangs before the headers", Kind.CLOUD, "hang", slow=True),
    Fault("cloud: hangs after the headers", Kind.CLOUD, "hang-body", slow=True),
    Fault("cloud: cut at a random byte", Kind.CLOUD, "cut"),
    Fault("cloud: garbage", Kind.CLOUD, "garbage"),
    Fault("cloud: wrong content type", Kind.CLOUD, "wrong-type"),
    Fault("cloud: empty", Kind.CLOUD, "empty"),
    Fault("cloud: error event in the stream", Kind.CLOUD, "error-event"),
    Fault("cloud: no finish reason", Kind.CLOUD, "no-finish"),
    Fault("cloud: truncated JSON", Kind.CLOUD, "truncated"),
    Fault("cloud: broken gzip", Kind.CLOUD, "bad-gzip"),
    Fault("cloud: gzip bomb", Kind.CLOUD, "gzip-bomb", slow=True),
    Fault("cloud: redirects to another host", Kind.CLOUD, "redirect"),
    Fault("cloud: a huge header", Kind.CLOUD, "huge-header"),
    Fault("cloud: drips", Kind.CLOUD, "drip"),
    Fault("cloud: echoes the request", Kind.CLOUD, "echo"),
    Fault("cloud: resets the connection", Kind.CLOUD, "reset"),
    Fault("cloud: every other request fails", Kind.CLOUD, "flaky"),
    Fault("cloud: all of a fallback chain but the last fail", Kind.CLOUD, "chain"),
    Fault("cloud: all of a fallback chain fail", Kind.CLOUD, "dead-chain"),
    Fault("cloud: another dialect", Kind.CLOUD, "claude"),
)
_STAGE = tuple(Fault(f"stage raises: {name}", Kind.STAGE, name) for name in STAGES)
_WORKER = (
    Fault("recognizer: raises, quoting the text", Kind.WORKER, "raise"),
    Fault("recognizer: out of memory", Kind.WORKER, "memory"),
    Fault("recognizer: endless recursion", Kind.WORKER, "deep"),
    Fault("recognizer: an expression without end", Kind.WORKER, "redos", slow=True),
    Fault("recognizer: slow", Kind.WORKER, "slow", slow=True),
    Fault("worker: hangs", Kind.WORKER, "hang", slow=True),
    Fault("worker: leaves in the middle of a reply", Kind.WORKER, "exit"),
    Fault("worker: a garbled reply", Kind.WORKER, "garble"),
    Fault("worker: a reply without end", Kind.WORKER, "lie", slow=True),
    Fault("worker: a clean reply to no question", Kind.WORKER, "clean"),
)
_BODY = tuple(
    Fault(f"body: {name}", Kind.BODY, name, slow=name == "of 100 MB")
    for name in (
        "a key stands twice", "half a surrogate pair", "NUL", "invalid UTF-8", "nested too deeply", "too many values",
        "cut", "of 100 MB", "no object", "compressed",
    )
)  # fmt: skip
_SENDING = tuple(
    Fault(f"client: {manner}", Kind.SENDING, manner)
    for manner in ("leave in body", "leave in answer", "short length", "long length")
)
_SITE = tuple(
    Fault(name, Kind.SITE)
    for name in (
        "workers killed", "workers stopped", "workers without memory", "template killed", "pool full",
        "local engine down", "local engine hangs", "local engine 500", "local engine cuts", "local engine garbage",
        "disk full", "router told to stop", "router killed",
    )
)  # fmt: skip
_ROUTER = tuple(
    Fault(name, Kind.ROUTER)
    for name in ("scan deadline 0", "scan deadline tiny", "breakers open", "NER weights broken")
)
NONE = Fault("none", Kind.NONE)
CLOCK = Fault("clock jumps back a year", Kind.STAGE, "clock")
FAULTS = (NONE, *_CLOUD, *_STAGE, CLOCK, *_WORKER, *_BODY, *_SENDING, *_SITE, *_ROUTER)
"""Every fault of a campaign."""
