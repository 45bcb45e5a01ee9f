"""A model without an API: what it can hear of a request, whatever the dialect, and what it says then."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

CITIES = ("Oslo", "Bergen")
TEXT = "Hello from the model."
SUMMARY = "It is 7 degrees in Oslo and 9 in Bergen."
THOUGHT = "Two towns are asked for."
SIGNATURE = "RXFNQnNpZ25hdHVyZQ=="
STRUCTURED = {"city": "Oslo", "degrees": 7}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}},
    "required": ["city", "degrees"],
    "additionalProperties": False,
}
FILTERED = "[[filtered]]"
"""A text that the model refuses to answer."""
LONG_TOKENS = 20
"""Under so many tokens no answer is complete."""
INPUT, CACHED, WRITTEN, OUTPUT, THINKING = 30, 10, 5, 12, 4
"""Tokens of every answer: the prompt's; those of it read from a cache and written to one; the answer's; its thinking's."""


class Call(msgspec.Struct, frozen=True):
    """A function call."""

    id: str
    name: str
    arguments: Mapping[str, Any]


class Turn(msgspec.Struct, kw_only=True):
    """One message; results of tools are turns of their own."""

    role: str
    text: str = ""
    calls: list[Call] = []
    answers: str = ""
    """Id of the call of which this is the result."""
    thought: str = ""
    signature: str = ""
    image: str = ""
    """Base64."""
    file: str = ""
    """Base64 of a PDF."""


class Heard(msgspec.Struct, kw_only=True):
    """What a request asks for."""

    system: str = ""
    turns: list[Turn]
    tools: list[str] = []
    choice: str = "auto"
    """auto, none, required, or the name of a function."""
    parallel: bool = True
    """Whether it may call several at once."""
    schema: Mapping[str, Any] | None = None
    json: bool = False
    stops: list[str] = []
    limit: int | None = None
    n: int = 1
    logprobs: bool = False
    seed: int | None = None
    temperature: float | None = None
    thinks: bool = False
    marks: int = 0
    """How many marks for the prompt cache it has."""
    fields: frozenset[str] = frozenset()
    """Names of the fields of the body."""
    wants_usage: bool = False


class Said(msgspec.Struct, kw_only=True):
    """An answer."""

    text: str = ""
    thought: str = ""
    calls: list[Call] = []
    finish: str = "stop"
    """stop, sequence, length, tool_calls or filter."""
    n: int = 1
    logprobs: bool = False
    wants_usage: bool = False


def act(heard: Heard) -> Said:
    """Answer as a model might."""
    said = Said(
        text=TEXT, n=heard.n, logprobs=heard.logprobs, thought=THOUGHT if heard.thinks else "",
        wants_usage=heard.wants_usage,
    )  # fmt: skip
    last = heard.turns[-1]
    if FILTERED in last.text:
        said.text, said.finish = "I can't", "filter"
    elif heard.limit is not None and heard.limit < LONG_TOKENS:
        said.text, said.finish = "Hello", "length"
    elif last.answers:
        said.text = SUMMARY
    elif heard.schema is not None or heard.json:
        said.text = json.dumps(STRUCTURED)
    elif heard.tools and heard.choice != "none":
        name = heard.tools[0] if heard.choice in ("auto", "required") else heard.choice
        said.text, said.finish = "", "tool_calls"
        said.calls = [Call(f"call_{number}", name, {"city": city}) for number, city in enumerate(CITIES)]
        said.calls = said.calls if heard.parallel else said.calls[:1]
    for stop in heard.stops:
        if stop in said.text:
            said.text, said.finish = said.text.partition(stop)[0], "sequence"
    return said


def pieces(text: str) -> list[str]:
    """Cut a text into tokens of a sort."""
    return [text[start : start + 5] for start in range(0, len(text), 5)]


def text_of(content: Any) -> str:
    """Join the texts of a content, in whatever dialect."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(str(part.get("text") or part.get("refusal") or "") for part in parts if isinstance(part, dict))


def marks(value: Any) -> int:
    """Count `cache_control` anywhere."""
    if isinstance(value, list):
        return sum(map(marks, value))
    if isinstance(value, dict):
        return ("cache_control" in value) + sum(map(marks, value.values()))
    return 0
