"""The endpoints that take a caller's text; a new one joins by a row here, and a test fails until it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from tests.fakes.canaries import FIELDS, Body
from tests.fakes.responses_fields import FIELDS as RESPONSES_FIELDS


class Endpoint(msgspec.Struct, frozen=True):
    """One row."""

    path: str
    make: Callable[[str, str], Body]
    """A harmless body from a model's name and a question."""
    fields: Mapping[str, Callable[[Body, str], None]]
    """Field -> how a text gets into it."""
    say: Callable[[Body, str, str], None]
    """Puts a turn in front: whose (`user`, `assistant`), and what."""
    share: float
    """How often a campaign uses it, relative to the others."""
    streams: bool = True
    calls: bool = True
    """Whether it calls a model; one that doesn't tells of the decision in its answer."""


def chat(model: str, question: str) -> Body:
    """Make a chat request."""
    return {"model": model, "messages": [{"role": "user", "content": question}]}


def say(body: Body, role: str, text: str) -> None:
    """Put a turn in front of a chat."""
    body["messages"].insert(0, {"role": role, "content": text})


def respond(model: str, question: str) -> Body:
    """Make a request of the Responses API."""
    return {"model": model, "input": [{"role": "user", "content": question}]}


def say_item(body: Body, role: str, text: str) -> None:
    """Put a turn in front of one."""
    if isinstance(body["input"], str):
        body["input"] = [{"role": "user", "content": body["input"]}]
    body["input"].insert(0, {"role": role, "content": text})


ENDPOINTS = (
    Endpoint("/v1/chat/completions", chat, FIELDS, say, 9),
    Endpoint("/v1/responses", respond, RESPONSES_FIELDS, say_item, 4),
    Endpoint("/v1/route/explain", chat, FIELDS, say, 1, streams=False, calls=False),
)
CALLING = frozenset(endpoint.path for endpoint in ENDPOINTS if endpoint.calls)
"""Those that call a model; the others remember nothing of a conversation, and send nothing."""
