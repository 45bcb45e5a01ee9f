"""The providers behind the router: one server for every kind, each spec-shaped, over real HTTP."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import msgspec

from router.providers.bedrock import EVENT_STREAM
from tests.conformance.model import Heard, Said, act
from tests.conformance.speakers import chat, cohere, converse, gemini, messages, responses
from tests.fakes.scripted import Asked, Reply, Scripted, scripted

Speaker = tuple[
    Callable[[str, dict[str, Any]], Heard],
    Callable[[Said, str, str], bytes],
    Callable[[Said, str, str], list[bytes]],
]


def _speaker(module: Any) -> Speaker:
    return module.hear, module.whole, module.stream


CHAT, RESPONSES, MESSAGES = _speaker(chat), _speaker(responses), _speaker(messages)


class Upstream(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of provider, as configured here."""

    kind: str
    """Of `router.providers`."""
    title: str
    model: str
    row: Mapping[str, Any]
    """Keys of the provider's row beside `kind` and `base_url`."""
    base: str = ""
    """What stands between the server's address and the paths."""
    speakers: Mapping[str, Speaker]
    """End of a path -> who speaks there."""
    native: Mapping[str, str]
    """Dialect of a caller -> end of the path where it is sent to as it is."""
    signs: bool = False
    """Whether its model signs its thinking, and wants the signature back."""
    signed_for: frozenset[str] = frozenset({"chat", "responses", "messages"})
    """Dialects of callers that have a place for its signatures."""
    returns_thoughts: bool = True
    """Whether it takes the text of earlier thinking."""
    counts: frozenset[str] = frozenset({"input", "output", "cached", "written", "reasoning"})
    """Which counts of tokens it reports."""


UPSTREAMS: Mapping[str, Upstream] = {
    "chat": Upstream(
        kind="openai_compatible",
        title="OpenAI-compatible, chat only",
        model="some-model",
        row={"endpoints": ["chat"]},
        base="/v1",
        speakers={"/chat/completions": CHAT},
        native={"chat": "/chat/completions"},
    ),
    "openai": Upstream(
        kind="openai_compatible",
        title="OpenAI-compatible, all endpoints",
        model="gpt-5.2",
        row={"endpoints": ["chat", "completions", "embeddings", "responses"]},
        base="/v1",
        speakers={"/chat/completions": CHAT, "/completions": CHAT, "/responses": RESPONSES},
        native={"chat": "/chat/completions", "completions": "/completions", "responses": "/responses"},
    ),
    "anthropic": Upstream(
        kind="anthropic",
        title="Anthropic",
        model="claude-sonnet-4-5",
        row={},
        speakers={"/messages": MESSAGES},
        native={"messages": "/messages"},
        signs=True,
    ),
    "gemini": Upstream(
        kind="gemini",
        title="Gemini",
        model="gemini-3-flash-preview",
        row={},
        base="/v1beta",
        speakers={":generateContent": _speaker(gemini), ":streamGenerateContent?alt=sse": _speaker(gemini)},
        native={},
        signs=True,
        signed_for=frozenset({"chat"}),
        returns_thoughts=False,
        counts=frozenset({"input", "output", "cached", "reasoning"}),
    ),
    "cohere": Upstream(
        kind="cohere",
        title="Cohere",
        model="command-a-reasoning-08-2025",
        row={},
        speakers={"/chat": _speaker(cohere)},
        native={},
        counts=frozenset({"input", "output", "cached"}),
    ),
    "bedrock": Upstream(
        kind="bedrock",
        title="Bedrock (Claude)",
        model="eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
        row={"region": "eu-central-1"},
        speakers={"/converse": _speaker(converse), "/converse-stream": _speaker(converse)},
        native={},
        signs=True,
        counts=frozenset({"input", "output", "cached", "written"}),
    ),
}

ELSEWHERE: Mapping[str, str] = {
    "local": "our own engine host, of which tests/integration has the real one",
}
"""Kinds of providers that aren't in the matrix, each with the reason."""

_MARK = re.compile(rb"cell-(\d+)\b")


class Record(msgspec.Struct, kw_only=True):
    """One request and its answer."""

    path: str
    body: dict[str, Any]
    heard: Heard | None = None
    problem: str = ""
    """What isn't right about the request; it was answered by a 400 then."""
    reply: bytes = b""


class Played:
    """A running one; `records` holds what came for every cell."""

    def __init__(self, name: str, upstream: Upstream) -> None:
        self.name = name
        self.upstream = upstream
        self.records: dict[int, list[Record]] = {}
        self.server: Scripted | None = None

    def answer(self, asked: Asked) -> Reply:
        """Act as the model."""
        record = Record(path=asked.path, body=json.loads(asked.body))
        for number in {int(found) for found in _MARK.findall(asked.body)}:
            self.records.setdefault(number, []).append(record)
        end = max((end for end in self.upstream.speakers if asked.path.endswith(end)), key=len, default="")
        try:
            hear, whole, stream = self.upstream.speakers[end]
            record.heard = hear(asked.path, record.body)
        except Exception as error:  # noqa: BLE001 whatever is wrong with it, a provider refuses it
            record.problem = f"{type(error).__name__}: {error}"
            return Reply([b'{"message": "bad request"}'], status=400)
        said = act(record.heard)
        model = str(record.body.get("model") or self.upstream.model)
        if record.body.get("stream") or "stream" in asked.path.rpartition("/")[2].lower():
            kind = EVENT_STREAM if end == "/converse-stream" else "text/event-stream"
            return Reply(stream(said, model, asked.path), content_type=kind)
        record.reply = whole(said, model, asked.path)
        return Reply([record.reply])

    @property
    def row(self) -> dict[str, Any]:
        """Its provider's row in the configuration."""
        assert self.server is not None
        base = {
            "kind": self.upstream.kind,
            "base_url": self.server.url + self.upstream.base,
            "api_key": "env:CLOUD_KEY",
        }
        return {**base, "connect_s": 30.0, **self.upstream.row}


@asynccontextmanager
async def playing() -> AsyncGenerator[dict[str, Played]]:
    """Run all of them on loopback."""
    async with AsyncExitStack() as stack:
        played = {name: Played(name, upstream) for name, upstream in UPSTREAMS.items()}
        for one in played.values():
            one.server = await stack.enter_async_context(scripted(one.answer))
        yield played
