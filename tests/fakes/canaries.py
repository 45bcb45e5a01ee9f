"""Requests with a sensitive value hidden in one of their fields, generated from a seed."""

from __future__ import annotations

import copy
import json
import random
import re
import string
from collections.abc import Callable
from typing import Any

import msgspec
from faker import Faker

Body = dict[str, Any]


class Canary(msgspec.Struct, frozen=True):
    """A sensitive value, how it is said, and what must never be seen elsewhere."""

    kind: str
    text: str
    """What is put into the field."""
    secret: str
    """The part of it that must not leave."""


class Case(msgspec.Struct, frozen=True):
    """One generated request. `canary` None = harmless."""

    field: str
    body: Body
    canary: Canary | None


def _luhn(digits: str) -> str:
    """Append the check digit."""
    total = 0
    for index, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if index % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return digits + str(-total % 10)


_CARDS = (("4", 16), ("51", 16), ("55", 16), ("2221", 16), ("34", 15), ("37", 15), ("6011", 16), ("3528", 16))
_ALNUM = string.ascii_letters + string.digits


class Canaries:
    """A stream of canaries; same seed, same stream."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._faker = Faker(["en_US", "en_GB", "de_DE", "fr_FR", "es_ES", "it_IT"])
        self._faker.seed_instance(seed)
        self._kinds: tuple[Callable[[], Canary], ...] = (
            self._card, self._email, self._phone, self._iban, self._ssn, self._api_key, self._name,
        )  # fmt: skip

    def next(self) -> Canary:
        """Make one."""
        return self._random.choice(self._kinds)()

    def _card(self) -> Canary:
        prefix, length = self._random.choice(_CARDS)
        body = prefix + "".join(self._random.choices(string.digits, k=length - len(prefix) - 1))
        number = _luhn(body)
        if length == 16 and self._random.random() < 0.5:
            number = self._random.choice(" -").join(number[i : i + 4] for i in range(0, 16, 4))
        return Canary("card", number, number)

    def _email(self) -> Canary:
        address = self._random.choice((self._faker.email, self._faker.free_email, self._faker.company_email))()
        return Canary("email", address, address)

    def _phone(self) -> Canary:
        area, middle, last = (
            self._random.randint(201, 989),
            self._random.randint(200, 999),
            self._random.randint(0, 9999),
        )
        if str(area)[1:] == "11":
            area += 1
        shape = self._random.choice(("+1 {} {} {:04}", "({}) {}-{:04}", "+1-{}-{}-{:04}", "{}-{}-{:04}"))
        number = shape.format(area, middle, last)
        if self._random.random() < 0.3:
            number = f"+44 7911 {self._random.randint(100000, 999999)}"
        return Canary("phone", number, number)

    def _iban(self) -> Canary:
        iban = self._faker.iban()
        if self._random.random() < 0.5:
            iban = " ".join(iban[i : i + 4] for i in range(0, len(iban), 4))
        return Canary("iban", iban, iban)

    def _ssn(self) -> Canary:
        area = self._random.choice([*range(1, 666), *range(667, 900)])
        number = f"{area:03}-{self._random.randint(1, 99):02}-{self._random.randint(1, 9999):04}"
        return Canary("ssn", number, number)

    def _api_key(self) -> Canary:
        def some(count: int, alphabet: str = _ALNUM) -> str:
            return "".join(self._random.choices(alphabet, k=count))

        key = self._random.choice(
            (
                lambda: "AKIA" + some(16, string.ascii_uppercase + "234567"),
                lambda: "ghp_" + some(36),
                lambda: "sk-proj-" + some(48),
                lambda: "xoxb-" + some(12, string.digits) + "-" + some(12, string.digits) + "-" + some(24),
                lambda: "sk_live_" + some(24),
            )
        )()
        return Canary("api_key", key, key)

    def _name(self) -> Canary:
        name = f"{self._faker['en_US'].first_name()} {self._faker['en_US'].last_name()}"
        shape = self._random.choice(
            ("Patient {} was diagnosed with diabetes.", "The patient's name is {}, she has asthma.",
             "{} was born on 12 March 1984 and is a patient here.")
        )  # fmt: skip
        return Canary("name", shape.format(name), name)


def _put(body: Body, path: tuple[str | int, ...], value: object) -> None:
    here: Any = body
    for part in path[:-1]:
        here = here[part]
    here[path[-1]] = value


_TOOL = {
    "type": "function",
    "function": {
        "name": "lookup",
        "description": "Look something up",
        "parameters": {"type": "object", "properties": {"q": {"type": "string", "description": "what"}}},
    },
}
_CALL = {"id": "call_1", "type": "function", "function": {"name": "lookup", "arguments": "{}"}}
_SCHEMA = {"type": "json_schema", "json_schema": {"name": "out", "schema": {"type": "object", "description": ""}}}

FIELDS: dict[str, Callable[[Body, str], None]] = {
    "system": lambda b, t: b["messages"].insert(0, {"role": "system", "content": t}),
    "developer": lambda b, t: b["messages"].insert(0, {"role": "developer", "content": t}),
    "user": lambda b, t: b["messages"].append({"role": "user", "content": t}),
    "earlier user turn": lambda b, t: b["messages"].insert(0, {"role": "user", "content": t}),
    "content part": lambda b, t: b["messages"].append({"role": "user", "content": [{"type": "text", "text": t}]}),
    "second content part": lambda b, t: b["messages"].append(
        {"role": "user", "content": [{"type": "text", "text": "See:"}, {"type": "text", "text": t}]}
    ),
    "assistant": lambda b, t: b["messages"].insert(0, {"role": "assistant", "content": t}),
    "name": lambda b, t: b["messages"].append({"role": "user", "content": "Hello", "name": t}),
    "tool result": lambda b, t: b["messages"].extend(
        [
            {"role": "assistant", "content": None, "tool_calls": [copy.deepcopy(_CALL)]},
            {"role": "tool", "tool_call_id": "call_1", "content": t},
        ]
    ),
    "tool call arguments": lambda b, t: b["messages"].append(
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{**_CALL, "function": {"name": "lookup", "arguments": json.dumps({"q": t})}}],
        }
    ),
    "tool description": lambda b, t: _tool(b, ("function", "description"), t),
    "tool parameter": lambda b, t: _tool(b, ("function", "parameters", "properties", "q", "description"), t),
    "tool enum": lambda b, t: _tool(b, ("function", "parameters", "properties", "q", "enum"), [t]),
    "response format": lambda b, t: _put(
        _with(b, "response_format", _SCHEMA), ("json_schema", "schema", "description"), t
    ),
    "user field": lambda b, t: b.update(user=t),
    "metadata": lambda b, t: b.update(metadata={"note": t}),
    "stop": lambda b, t: b.update(stop=[t]),
    "unknown field": lambda b, t: b.update(x_custom={"deep": [{"er": t}]}),
}
"""Field -> how a text gets into it."""


def _tool(body: Body, path: tuple[str, ...], value: object) -> None:
    tool = copy.deepcopy(_TOOL)
    _put(tool, path, value)
    body["tools"] = [tool]


def _with(body: Body, key: str, value: Body) -> Body:
    body[key] = copy.deepcopy(value)
    return body[key]


_HARMLESS = (
    "What is the capital of France?",
    "Explain how a binary search works.",
    "Write a haiku about the sea.",
    "Translate 'good morning' into Spanish.",
    "Give me three ideas for a birthday cake.",
    "Why is the sky blue?",
)


def case(canaries: Canaries, chance: random.Random, model: str, *, harmless: bool = False) -> Case:
    """Make one request."""
    body: Body = {"model": model, "messages": [{"role": "user", "content": chance.choice(_HARMLESS)}]}
    if chance.random() < 0.5:
        body["stream"] = True
    if harmless:
        return Case("none", body, None)
    field = chance.choice(list(FIELDS))
    canary = canaries.next()
    # A stop sequence, a name or an id is the bare value; elsewhere it stands in a sentence as often as alone.
    bare = field in ("name", "stop", "user field", "tool enum") or chance.random() < 0.5
    text = canary.text if bare else f"Please note: {canary.text} - thanks."
    FIELDS[field](body, text)
    return Case(field, body, canary)


def seen(secret: str, received: bytes) -> bool:
    """Whether a value stands in what was received, as it is, JSON-escaped, or with its separators gone."""
    text = received.decode(errors="replace")
    if secret in text or json.dumps(secret)[1:-1] in text:
        return True
    digits = re.sub(r"\D", "", secret)
    return len(digits) >= 9 and digits in re.sub(r"\D", "", text)
