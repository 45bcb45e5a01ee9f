"""Those who ask: one caller for every dialect, by the vendor's own client, and what the client made of the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import anthropic
import msgspec
import openai

from tests.conformance.model import Call, Turn

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PDF = "JVBERi0xLjQKJSVFT0YK"
UNKNOWN = "made_up_field"
MARK = {"cache_control": {"type": "ephemeral"}}


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked, whatever the dialect."""

    turns: tuple[Turn, ...]
    system: str = ""
    developer: str = ""
    tools: tuple[str, ...] = ()
    choice: str = ""
    """none, required or a function's name."""
    alone: bool = False
    """Whether one call at a time is wanted."""
    schema: bool = False
    json: bool = False
    image: bool = False
    """With the last turn."""
    file: bool = False
    """The same."""
    stop: str = ""
    limit: int | None = None
    n: int | None = None
    logprobs: bool = False
    seed: int | None = None
    temperature: float | None = None
    effort: str = ""
    mark: bool = False
    """Whether the last turn is marked for the prompt cache."""
    unknown: bool = False
    history: Sequence[Any] = ()
    """An answer as its client gave it, which goes back before the results."""
    results: Mapping[str, str] = {}
    """Call's id -> what the tool says."""


class Got(msgspec.Struct, kw_only=True):
    """What came back."""

    sent: bytes = b""
    raw: bytes = b""
    """Of a whole answer."""
    dropped: tuple[str, ...] = ()
    refused: str | None = None
    """The field that was refused."""
    problem: str = ""
    text: str = ""
    thought: str = ""
    calls: list[Call] = []
    finish: str = ""
    """stop, length, tool_calls, filter."""
    choices: int = 1
    logprobs: bool = False
    usage: dict[str, int | None] = {}
    """input, output, cached, written, reasoning; None = it isn't said."""
    history: list[Any] = []


class Caller(Protocol):
    """One dialect."""

    name: str
    title: str
    lacks: Mapping[str, str]
    """Feature -> why this dialect can't ask for it."""

    def body(self, ask: Ask, model: str) -> dict[str, Any]:
        """Write the request."""
        ...

    async def ask(self, body: dict[str, Any], *, stream: bool) -> Got:
        """Send it by the client, and read the answer from what the client gives."""
        ...


def function(name: str) -> dict[str, Any]:
    """Declare a function as chat completions do, without the type."""
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}}
    return {"name": name, "description": "Tell of a city.", "parameters": parameters}


def noted(got: Got, headers: Any) -> Got:
    """Read the headers."""
    got.dropped = tuple(name.strip() for name in headers.get("x-router-dropped", "").split(",") if name.strip())
    return got


def refused(error: openai.APIStatusError | anthropic.APIStatusError) -> Got:
    """Read an error."""
    found: Any = error.body
    body = found.get("error", found) if isinstance(found, dict) else {}
    if error.status_code == 400 and body.get("code") == "unsupported_feature":
        return Got(refused=str(body.get("param")))
    return Got(problem=f"{error.status_code}: {error.message}")
