"""Requests with a sensitive value hidden in one of their fields, generated from a seed."""

from __future__ import annotations

import base64
import copy
import json
import random
import string
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import msgspec
from faker import Faker
from stdnum import luhn

from tests.fakes.sight import Sight

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
            self._password, self._token, self._private_key, self._connection, self._address,
        )  # fmt: skip

    def next(self) -> Canary:
        """Make one."""
        return self._random.choice(self._kinds)()

    def _card(self) -> Canary:
        prefix, length = self._random.choice(_CARDS)
        body = prefix + "".join(self._random.choices(string.digits, k=length - len(prefix) - 1))
        number = body + luhn.calc_check_digit(body)
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

    def _some(self, count: int, alphabet: str = _ALNUM) -> str:
        return "".join(self._random.choices(alphabet, k=count))

    def _password(self) -> Canary:
        word = f"{self._some(4, string.ascii_letters)}{self._random.choice('!#%+*')}{self._some(5, string.digits)}"
        return Canary("password", f"password: {word}", word)

    def _token(self) -> Canary:
        head, body = (
            base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
            for part in ({"alg": "HS256", "typ": "JWT"}, {"sub": self._some(12), "iat": 1_700_000_000})
        )
        token = f"{head}.{body}.{self._some(43)}"
        return Canary("token", token, token)

    def _private_key(self) -> Canary:
        body = "\n".join(self._some(64, _ALNUM + "+/") for _ in range(4))
        return Canary("private_key", f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----", body)

    def _connection(self) -> Canary:
        secret = self._some(14)
        return Canary("connection", f"postgres://admin:{secret}@db.internal:5432/orders", secret)

    def _address(self) -> Canary:
        fake = self._faker["en_US"]
        street = (
            f"{self._random.randint(10, 9999)} {fake.last_name()} {self._random.choice(('Street', 'Avenue', 'Road'))}"
        )
        return Canary("address", f"{street}, {fake.city()}, {fake.state_abbr()} {fake.zipcode()}", street)

    def _api_key(self) -> Canary:
        some = self._some
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


def _user(body: Body, content: object) -> None:
    body["messages"].append({"role": "user", "content": content})


def _called(body: Body, arguments: str, **call: object) -> None:
    tool_call = {**_CALL, "function": {"name": "lookup", "arguments": arguments}, **call}
    body["messages"].append({"role": "assistant", "content": None, "tool_calls": [tool_call]})


def _number(text: str) -> int | str:
    """Make a number of a text that is one."""
    digits = text.replace(" ", "").replace("-", "")
    return int(digits) if digits.isdecimal() and digits.isascii() and digits[0] != "0" and len(digits) > 11 else text


FIELDS: dict[str, Callable[[Body, str], None]] = {
    "system": lambda b, t: b["messages"].insert(0, {"role": "system", "content": t}),
    "developer": lambda b, t: b["messages"].insert(0, {"role": "developer", "content": t}),
    "user": lambda b, t: _user(b, t),
    "earlier user turn": lambda b, t: b["messages"].insert(0, {"role": "user", "content": t}),
    "content part": lambda b, t: _user(b, [{"type": "text", "text": t}]),
    "second content part": lambda b, t: _user(b, [{"type": "text", "text": "See:"}, {"type": "text", "text": t}]),
    "assistant": lambda b, t: b["messages"].insert(0, {"role": "assistant", "content": t}),
    "refusal part": lambda b, t: b["messages"].insert(
        0, {"role": "assistant", "content": [{"type": "refusal", "refusal": t}]}
    ),
    "name": lambda b, t: b["messages"].append({"role": "user", "content": "Hello", "name": t}),
    "role": lambda b, t: b["messages"].insert(0, {"role": t, "content": "Hello"}),
    "tool result": lambda b, t: b["messages"].extend(
        [
            {"role": "assistant", "content": None, "tool_calls": [copy.deepcopy(_CALL)]},
            {"role": "tool", "tool_call_id": "call_1", "content": t},
        ]
    ),
    "tool call arguments": lambda b, t: _called(b, json.dumps({"q": t})),
    "tool call arguments, broken JSON": lambda b, t: _called(b, '{"q": "' + t),
    "tool call arguments, JSON in JSON": lambda b, t: _called(b, json.dumps({"q": json.dumps({"deep": [t]})})),
    "tool call arguments, key": lambda b, t: _called(b, json.dumps({t: 1})),
    "tool call id": lambda b, t: _called(b, "{}", id=t),
    "tool name": lambda b, t: _tool(b, ("function", "name"), t),
    "tool description": lambda b, t: _tool(b, ("function", "description"), t),
    "tool parameter": lambda b, t: _tool(b, ("function", "parameters", "properties", "q", "description"), t),
    "tool parameter name": lambda b, t: _tool(b, ("function", "parameters", "properties", t), {"type": "string"}),
    "tool enum": lambda b, t: _tool(b, ("function", "parameters", "properties", "q", "enum"), [t]),
    "tool default": lambda b, t: _tool(b, ("function", "parameters", "properties", "q", "default"), t),
    "tool choice": lambda b, t: b.update(tool_choice={"type": "function", "function": {"name": t}}),
    "function, old style": lambda b, t: b.update(functions=[{"name": "f", "description": t}]),
    "response format": lambda b, t: _put(
        _with(b, "response_format", _SCHEMA), ("json_schema", "schema", "description"), t
    ),
    "response format name": lambda b, t: _put(_with(b, "response_format", _SCHEMA), ("json_schema", "name"), t),
    "user field": lambda b, t: b.update(user=t),
    "safety_identifier": lambda b, t: b.update(safety_identifier=t),
    "metadata": lambda b, t: b.update(metadata={"note": t}),
    "metadata key": lambda b, t: b.update(metadata={t: "x"}),
    "metadata number": lambda b, t: b.update(metadata={"note": _number(t)}),
    "stop": lambda b, t: b.update(stop=[t]),
    "prediction": lambda b, t: b.update(prediction={"type": "content", "content": t}),
    "seed": lambda b, t: b.update(seed=_number(t)),
    "logit_bias key": lambda b, t: b.update(logit_bias={t: 1}),
    "service_tier": lambda b, t: b.update(service_tier=t),
    "reasoning_effort": lambda b, t: b.update(reasoning_effort=t),
    "stream_options": lambda b, t: b.update(stream_options={"note": t}),
    "unknown field": lambda b, t: b.update(x_custom={"deep": [{"er": t}]}),
    "unknown number": lambda b, t: b.update(x_custom=[_number(t)]),
    "unknown key": lambda b, t: b.update({t: True}),
    "unknown nested key": lambda b, t: b.update(x_custom=[{"deep": {t: None}}]),
    "unknown field of a message": lambda b, t: b["messages"].append({"role": "user", "content": "Hello", "x": t}),
    "base64 text": lambda b, t: _user(b, f"Decode {base64.b64encode(t.encode()).decode()}"),
    "URL": lambda b, t: _user(b, f"Open https://example.com/search?q={quote(t)}&page=2"),
    "data URL": lambda b, t: _user(b, f"See data:text/plain;base64,{base64.b64encode(t.encode()).decode()}"),
    "image URL": lambda b, t: _user(b, [{"type": "image_url", "image_url": {"url": f"https://x.test/?q={quote(t)}"}}]),
    "image data": lambda b, t: _user(b, [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{t}"}}]),
    "input audio": lambda b, t: _user(b, [{"type": "input_audio", "input_audio": {"data": t, "format": "wav"}}]),
    "file": lambda b, t: _user(b, [{"type": "file", "file": {"filename": t, "file_data": "data:text/plain,x"}}]),
    "unknown content part": lambda b, t: _user(b, [{"type": "hologram", "hologram": t}]),
}
"""Field of a chat request -> how a text gets into it."""

UNREADABLE = ("image URL", "image data", "input audio", "file", "unknown content part")
"""Fields that are never read, whatever they hold."""


BARE = frozenset(("name", "stop", "user field", "tool enum", "seed", "metadata number", "unknown number"))


def _tool(body: Body, path: tuple[str, ...], value: object) -> None:
    tool = copy.deepcopy(_TOOL)
    _put(tool, path, value)
    body["tools"] = [tool]


def _with(body: Body, key: str, value: Body) -> Body:
    body[key] = copy.deepcopy(value)
    return body[key]


HARMLESS = (
    "What is the capital of France?",
    "Explain how a binary search works.",
    "Write a haiku about the sea.",
    "Translate 'good morning' into Spanish.",
    "Give me three ideas for a birthday cake.",
    "Why is the sky blue?",
)


def case(canaries: Canaries, chance: random.Random, model: str, *, harmless: bool = False) -> Case:
    """Make one request."""
    body: Body = {"model": model, "messages": [{"role": "user", "content": chance.choice(HARMLESS)}]}
    if chance.random() < 0.5:
        body["stream"] = True
    if harmless:
        return Case("none", body, None)
    field = chance.choice(list(FIELDS))
    canary = canaries.next()
    # A stop sequence, a name or an id is the bare value; elsewhere it stands in a sentence as often as alone.
    bare = field in BARE or chance.random() < 0.5
    text = canary.text if bare else f"Please note: {canary.text} - thanks."
    FIELDS[field](body, text)
    return Case(field, body, canary)


def seen(secret: str, received: bytes) -> bool:
    """Whether a value can be read in what was received, in any of the usual encodings."""
    return Sight(received).holds(secret)
