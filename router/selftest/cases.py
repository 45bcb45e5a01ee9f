"""Requests with a canary in one of their fields, and harmless ones."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import msgspec

from router.selftest.canaries import Canaries, Canary

Body: TypeAlias = dict[str, Any]


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who sends: a key of the configuration, or nobody's where there are none."""

    id: str
    token: str | None = None
    models: tuple[str, ...] = ()
    """What it may ask for."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One request."""

    caller: Caller
    model: str
    body: Body
    field: str = ""
    canary: Canary | None = None
    """None = harmless."""


_TOOL: Body = {
    "type": "function",
    "function": {
        "name": "lookup",
        "description": "Look something up",
        "parameters": {"type": "object", "properties": {"q": {"type": "string", "description": "what"}}},
    },
}
_CALL: Body = {"id": "call_1", "type": "function", "function": {"name": "lookup", "arguments": "{}"}}
_SCHEMA: Body = {"type": "json_schema", "json_schema": {"name": "out", "schema": {"type": "object"}}}

BARE = frozenset({"name", "stop", "user", "tool enum", "metadata key"})
"""Fields that hold a value alone, never a sentence."""

_HARMLESS = (
    "What is the capital of France?",
    "Explain how a binary search works.",
    "Write a haiku about the sea.",
    "Translate 'good morning' into Spanish.",
    "Give me three ideas for a birthday cake.",
    "Why is the sky blue?",
    "What does the HTTP status 404 mean?",
    "Summarise the plot of Hamlet in two sentences.",
)


def _said(role: str) -> Callable[[Body, str], None]:
    return lambda body, text: body["messages"].insert(0, {"role": role, "content": text})


def _parts(body: Body, text: str) -> None:
    body["messages"].append(
        {"role": "user", "content": [{"type": "text", "text": "See:"}, {"type": "text", "text": text}]}
    )


def _result(body: Body, text: str) -> None:
    body["messages"] += [
        {"role": "assistant", "content": None, "tool_calls": [copy.deepcopy(_CALL)]},
        {"role": "tool", "tool_call_id": "call_1", "content": text},
    ]


def _arguments(body: Body, text: str) -> None:
    call = {**_CALL, "function": {"name": "lookup", "arguments": json.dumps({"q": text})}}
    body["messages"] += [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "nothing"},
    ]


def _tool(*path: str) -> Callable[[Body, str], None]:
    def put(body: Body, text: str) -> None:
        tool = copy.deepcopy(_TOOL)
        _put(tool, path, [text] if path[-1] == "enum" else text)
        body["tools"] = [tool]

    return put


def _schema(body: Body, text: str) -> None:
    body["response_format"] = copy.deepcopy(_SCHEMA)
    _put(body["response_format"], ("json_schema", "schema", "description"), text)


def _put(value: Body, path: Sequence[str], new: object) -> None:
    for part in path[:-1]:
        value = value[part]
    value[path[-1]] = new


FIELDS: dict[str, Callable[[Body, str], None]] = {
    "system": _said("system"),
    "developer": _said("developer"),
    "user": lambda body, text: body["messages"].append({"role": "user", "content": text}),
    "earlier user turn": _said("user"),
    "content part": _parts,
    "assistant": _said("assistant"),
    "name": lambda body, text: body["messages"].append({"role": "user", "content": "Hello", "name": text}),
    "tool result": _result,
    "tool call arguments": _arguments,
    "tool description": _tool("function", "description"),
    "tool parameter": _tool("function", "parameters", "properties", "q", "description"),
    "tool enum": _tool("function", "parameters", "properties", "q", "enum"),
    "response format": _schema,
    "user field": lambda body, text: body.update(user=text),
    "metadata": lambda body, text: body.update(metadata={"note": text}),
    "metadata key": lambda body, text: body.update(metadata={text: "yes"}),
    "stop": lambda body, text: body.update(stop=[text]),
    "unknown field": lambda body, text: body.update(x_custom={"deep": [{"er": text}]}),
}
"""Field -> how a text gets into it."""


class Cases:
    """A stream of requests; same seed, same stream."""

    def __init__(self, chance: random.Random, callers: Sequence[Caller]) -> None:
        self._chance = chance
        self._callers = [caller for caller in callers if caller.models]
        self._canaries = Canaries(chance)
        self.eye = self._canaries.eye

    def next(self, harmless_ratio: float = 0.2) -> Case:
        """Make one."""
        chance = self._chance
        caller = chance.choice(self._callers)
        model = chance.choice(caller.models)
        body: Body = {"model": model, "messages": [{"role": "user", "content": chance.choice(_HARMLESS)}]}
        if chance.random() < 0.5:
            body["stream"] = True
        if chance.random() < harmless_ratio:
            return Case(caller=caller, model=model, body=body)
        field, canary = chance.choice(list(FIELDS)), self._canaries.next()
        bare = field in BARE or canary.text != canary.secret or chance.random() < 0.5
        FIELDS[field](body, canary.text if bare else f"Please note: {canary.text} - thanks.")
        return Case(caller=caller, model=model, body=body, field=field, canary=canary)
