"""The requests of a campaign: drawn from a seed, of every endpoint, each with its fault in or around it."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

import msgspec
from faker import Faker

from tests.fakes.canaries import BARE, HARMLESS, Body, Canaries, Canary
from tests.fakes.canaries_messages import MESSAGES_BARE
from tests.fakes.faulty_router import HEADER
from tests.fakes.wire_client import Manner
from tests.leaks.endpoints import ENDPOINTS, Endpoint
from tests.leaks.faults import NONE, Fault, Kind

KEYS = {name: f"sk-campaign-key-{name}" for name in ("local", "mask", "block", "narrow")}
"""Caller -> key. What happens to its sensitive requests is in its name; `narrow` may use nothing but the engine."""

_FOLLOW_UPS = ("Go on.", "Why?", "Say it shorter.", "And in French?", "Thanks, that helps.")


class Shot(msgspec.Struct, frozen=True, kw_only=True):
    """One request as it is sent, and what is known of it."""

    number: int
    fault: Fault
    path: str
    key: str
    field: str
    canary: Canary | None
    streamed: bool
    headers: dict[str, str]
    body: bytes
    manner: Manner

    @property
    def request_id(self) -> str:
        return f"shot-{self.number}"


class Shots:
    """An endless supply; same seed, same shots."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._canaries = Canaries(seed)
        self._faker = Faker("en_US")
        self._faker.seed_instance(seed)
        self._number = 0

    def number(self) -> int:
        """Give the next request its number."""
        self._number += 1
        return self._number

    def draw(self, fault: Fault = NONE, *, pad: int = 0) -> Shot:
        """Make one request, with `pad` characters of harmless text in front."""
        chance = self._chance
        self.number()
        endpoint = chance.choices(ENDPOINTS, [one.share for one in ENDPOINTS])[0]
        # What befalls clouds befalls only requests that get there: the harmless and the masked ones.
        travels = fault.kind is Kind.CLOUD or fault.detail in ("mask", "unmask", "encode", "facts", "provider")
        key = chance.choices(list(KEYS), [2, 6, 1, 0] if travels else [5, 3, 1, 1])[0]
        if fault.detail in ("mask", "unmask"):
            key = "mask"
        model = fault.detail if fault.kind is Kind.CLOUD else chance.choice(("auto", "ok", "ok", "chain", "claude"))
        body = endpoint.make(model, chance.choice(HARMLESS))
        history = self._history(endpoint, body)
        harmless = chance.random() < (0.4 if travels else 0.15) and fault.detail not in ("mask", "unmask")
        canary, field = None, "none"
        if not harmless:
            field = chance.choice([name for name in endpoint.fields if not (travels and name in endpoint.unreadable)])
            canary = self._canaries.next()
            bare = field in BARE | MESSAGES_BARE or chance.random() < 0.5
            endpoint.fields[field](body, canary.text if bare else _sentence(chance).format(canary.text))
        if pad:
            endpoint.say(body, "user", f"{self._faker.paragraph(20)} {'word ' * (pad // 5)}")
        if fault.kind is Kind.WORKER:
            word = "z" * 60 + " zz q" if fault.detail == "redos" else f"zzfault {fault.detail}"
            endpoint.say(body, "user", f"{word} {self._number}")
        if chance.random() < 0.5 and endpoint.streams:
            body["stream"] = True
        body.setdefault("seed", self._number)
        return Shot(
            number=self._number,
            fault=fault,
            path=endpoint.path,
            key=key,
            field=field,
            canary=canary,
            streamed=bool(body.get("stream")),
            headers=self._headers(fault, key, history),
            body=_spoil(body, fault),
            manner=Manner(fault.detail) if fault.kind is Kind.SENDING else Manner.PLAIN,
        )

    def _history(self, endpoint: Endpoint, body: Body) -> str:
        """Put earlier turns in front, as a client does that sends its whole conversation; returns its session's name."""
        turns = self._chance.choice((0, 0, 1, 2, 4, 8))
        for _ in range(turns):
            endpoint.say(body, "assistant", self._chance.choice(("Sure.", "Here you are.", "It depends.")))
            endpoint.say(body, "user", self._chance.choice(_FOLLOW_UPS))
        return f"talk-{self._number}" if turns else ""

    def _headers(self, fault: Fault, key: str, history: str) -> dict[str, str]:
        chance = self._chance
        headers = {"content-type": "application/json", "authorization": f"Bearer {KEYS[key]}"}
        headers["x-request-id"] = f"shot-{self._number}"
        if fault.kind is Kind.STAGE:
            headers[HEADER.decode()] = fault.detail
        if fault.detail == "compressed":
            headers["content-encoding"] = "gzip"
        if history and chance.random() < 0.5:
            headers["x-router-session"] = history
        hint = chance.choice(("", "", "", "x-router-task", "x-router-tier", "x-router-locality"))
        if hint:
            headers[hint] = "any" if hint == "x-router-locality" else chance.choice(("code", "fast", "chat"))
        return headers


def _sentence(chance: random.Random) -> str:
    return chance.choice(("Please note: {} - thanks.", "My details:\n\t{}\n", "see ({})", "=> {}", '{{"value": "{}"}}'))


def conversation(shots: Shots, turns: int = 4) -> Iterator[Shot]:
    """Yield one conversation: something sensitive first, the history growing, at last trimmed so that it is gone."""
    first = shots.draw()
    yield first
    endpoint = next(one for one in ENDPOINTS if one.path == first.path)
    body: Body = json.loads(first.body)
    for turn in range(turns):
        number = shots.number()
        if turn == turns - 1:
            body = endpoint.make(body["model"], "Go on.")
        endpoint.say(body, "assistant", "Noted.")
        endpoint.say(body, "user", "Go on.")
        if first.field != "seed" or turn == turns - 1:
            body["seed"] = number
        yield msgspec.structs.replace(
            first,
            number=number,
            headers={**first.headers, "x-request-id": f"shot-{number}"},
            body=json.dumps(body).encode(),
            streamed=bool(body.get("stream")),
            canary=first.canary if turn < turns - 1 else None,
            field=first.field if turn < turns - 1 else "trimmed history",
        )


def _spoil(body: Body, fault: Fault) -> bytes:
    """Encode a body, broken as a fault demands."""
    text = json.dumps(body, ensure_ascii=False)
    match fault.detail if fault.kind is Kind.BODY else "":
        case "a key stands twice":
            name = next(name for name in body if name != "model")  # where the endpoint's text stands
            first = json.dumps(body[name], ensure_ascii=False)
            return f'{{"{name}": {first}, {text[1:-1]}, "{name}": "Hi"}}'.encode()
        case "half a surrogate pair":
            return (text[:-1] + r', "x": "\ud83d"}').encode()
        case "NUL":
            return (text[:-1] + r', "x": "a\u0000b"}').encode()
        case "invalid UTF-8":
            return text[:-1].encode() + b', "x": "\xc3\x28"}'
        case "nested too deeply":
            return (text[:-1] + ', "x": ' + "[" * 5000 + "]" * 5000 + "}").encode()
        case "too many values":
            return (text[:-1] + ', "x": [' + "[]," * 300_000 + "[]]}").encode()
        case "cut":
            return text.encode()[: -1 - len(text) // 3]
        case "of 100 MB":
            return text[:-1].encode() + b', "x": "' + b"x" * 100_000_000 + b'"}'
        case "no object":
            return f"[{text}]".encode()
        case "compressed":
            return b"\x1f\x8b\x08" + text.encode()
        case _:
            return text.encode()
