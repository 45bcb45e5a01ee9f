"""Google's generateContent over real HTTP, whole and streamed, and the token host of service accounts beside it.

What it is sent is checked against the types of Google's own SDK and against the rules that the API enforces: parts that
aren't empty, as many results as calls, and Gemini 3's thought signatures. What breaks one gets the API's own 400.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google.genai import types

Json = dict[str, Any]
Script = Callable[[str, Json], list[Json]]
"""Makes a stream's events from the model's name and the request's body."""

FIXTURES = Path(__file__).parent.parent / "fixtures" / "gemini"
KEY = "AIza-test-key-0001"
_CALL = re.compile(
    r"^(?:/v1beta)?(/v1/projects/[^:]+)?/(?:models|publishers/google/models)?/?([^:/]+):(\w+)(\?alt=sse)?$"
)

_PRIVATE = rsa.generate_private_key(65537, 2048)
PUBLIC = _PRIVATE.public_key()
ACCOUNT: Json = {
    "type": "service_account",
    "project_id": "test-project",
    "private_key_id": "key-1",
    "private_key": _PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
    "client_email": "router@test-project.iam.gserviceaccount.com",
    "client_id": "1",
}


def fixture(name: str) -> list[Json]:
    """A stream's events."""
    return json.loads((FIXTURES / f"{name}.json").read_text())


def whole(events: list[Json]) -> Json:
    """The same answer as generateContent gives it."""
    candidates: dict[int, Json] = {}
    merged: Json = {}
    for event in events:
        merged |= {key: value for key, value in event.items() if key != "candidates"}
        for one in event.get("candidates", ()):
            into = candidates.setdefault(one.get("index", 0), {"content": {"role": "model", "parts": []}})
            into |= {key: value for key, value in one.items() if key != "content"}
            into["content"]["parts"] += one.get("content", {}).get("parts", [])
    return merged | ({"candidates": list(candidates.values())} if candidates else {})


def error(status: int, code: str, *details: Json) -> tuple[int, Json]:
    """An error answer of Google's."""
    body: Json = {"code": status, "message": "SECRET: no luck", "status": code}
    return status, {"error": {**body, "details": list(details)} if details else body}


def check(body: Json, model: str) -> None:
    """Check a request as the API does.

    Raises:
        ValueError: it would be refused; pydantic's is one.
    """
    config = dict(body.get("generationConfig", {}))
    unknown = set(body) - {"contents", "systemInstruction", "tools", "toolConfig", "generationConfig"}
    if unknown:
        raise ValueError(f"unknown fields: {unknown}")
    parsed = types.GenerateContentConfig.model_validate(
        {**config, **{key: body[key] for key in ("systemInstruction", "tools", "toolConfig") if key in body}}
    )
    for tool in parsed.tools or ():
        assert isinstance(tool, types.Tool)
    if not body["contents"]:
        raise ValueError("contents are empty")
    roles = [turn["role"] for turn in body["contents"]]
    if any(one == next_one for one, next_one in pairwise(roles)) or set(roles) - {"user", "model"}:
        raise ValueError("roles don't alternate")
    calls: list[Json] = []
    for turn in body["contents"]:
        types.Content.model_validate(turn)
        if not turn["parts"]:
            raise ValueError("parts are empty")
        for part in turn["parts"]:
            if len(set(part) - {"thoughtSignature"}) != 1 or (
                part.get("text") == "" and "thoughtSignature" not in part
            ):
                raise ValueError("a part must hold one thing")
        results = [part["functionResponse"] for part in turn["parts"] if "functionResponse" in part]
        if results and [(one["id"], one["name"]) for one in results] != [(one["id"], one["name"]) for one in calls]:
            raise ValueError("results must be those of the calls before them")
        called = [part for part in turn["parts"] if "functionCall" in part]
        calls = [part["functionCall"] for part in called]
        if called and model.startswith("gemini-3") and "thoughtSignature" not in called[0]:
            raise ValueError("a function call is missing a thought_signature")


class Received(NamedTuple):
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: Json


class Gemini:
    """State of one server."""

    def __init__(self) -> None:
        self.script: Script = lambda model, body: fixture("text")
        self.refusals: list[tuple[int, Json]] = []
        """Error answers for the next requests."""
        self.strict = True
        """Whether requests are checked."""
        self.cut_at: int | None = None
        """After so many bytes of a body the connection is closed."""
        self.clean_cut = False
        """Whether a cut looks like an end."""
        self.piece_bytes = 1 << 20
        self.requests: list[Received] = []
        self.grants: list[Json] = []
        """What the token host was sent: claims of assertions."""
        self.grant: Callable[[int], tuple[int, Json]] = lambda number: (
            200,
            {"access_token": f"ya29.token-{number}", "expires_in": 3599, "token_type": "Bearer"},
        )
        self.grant_s = 0.0
        """How long the token host takes."""
        self.expired: set[str] = set()
        """Tokens that are refused."""
        self.url = ""

    def account(self, **changes: object) -> str:
        """A service account's key file whose token host is this server."""
        return json.dumps({**ACCOUNT, "token_uri": f"{self.url}/token", **changes})

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await self._answer(reader, writer)
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        data = await reader.readexactly(int(headers.get("content-length", 0)))
        path = lines[0].split(" ")[1]
        if path == "/token":
            await self._token(writer, data)
            return
        body = json.loads(data)
        self.requests.append(Received(path, headers, body))
        status, answer = self._judge(path, headers, body)
        streamed = path.endswith("?alt=sse")
        if status != 200:
            await self._send(writer, status, json.dumps([answer] if streamed else answer).encode(), streamed=False)
            return
        if streamed:
            payload = b"".join(b"data: " + json.dumps(one).encode() + b"\r\n\r\n" for one in answer["events"])
        else:
            payload = json.dumps(whole(answer["events"]), indent=2).encode()
        await self._send(writer, 200, payload, streamed=streamed)

    def _judge(self, path: str, headers: dict[str, str], body: Json) -> tuple[int, Json]:
        found = _CALL.match(path)
        if self.refusals:
            return self.refusals.pop(0)
        if found is None:
            return error(404, "NOT_FOUND")
        token = headers.get("authorization", "").removeprefix("Bearer ")
        if found[1] is None and headers.get("x-goog-api-key") != KEY:
            return error(400, "INVALID_ARGUMENT", KEY_INVALID)
        if found[1] is not None and (not token.startswith("ya29.") or token in self.expired):
            return error(401, "UNAUTHENTICATED")
        try:
            if self.strict:
                check(body, found[2])
        except ValueError:
            return error(400, "INVALID_ARGUMENT")
        return 200, {"events": self.script(found[2], body)}

    async def _token(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        form = parse_qs(data.decode())
        assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
        header, claims, signature = form["assertion"][0].split(".")
        PUBLIC.verify(_bytes(signature), f"{header}.{claims}".encode(), PKCS1v15(), hashes.SHA256())
        self.grants.append({**json.loads(_bytes(header)), **json.loads(_bytes(claims))})
        await asyncio.sleep(self.grant_s)
        status, answer = self.grant(len(self.grants))
        await self._send(writer, status, json.dumps(answer).encode(), streamed=False)

    async def _send(self, writer: asyncio.StreamWriter, status: int, payload: bytes, *, streamed: bool) -> None:
        kind = "text/event-stream" if streamed else "application/json; charset=UTF-8"
        cut = self.cut_at if status == 200 else None
        sent = payload if cut is None else payload[:cut]
        head = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\nconnection: close\r\n"
        head += "transfer-encoding: chunked\r\n\r\n" if streamed else f"content-length: {len(payload)}\r\n\r\n"
        writer.write(head.encode())
        for start in range(0, len(sent), self.piece_bytes):
            piece = sent[start : start + self.piece_bytes]
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if streamed else piece)
            await writer.drain()
        if streamed and (cut is None or self.clean_cut):
            writer.write(b"0\r\n\r\n")
        await writer.drain()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@asynccontextmanager
async def gemini() -> AsyncGenerator[Gemini]:
    """Serve on loopback."""
    fake = Gemini()
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield fake
    finally:
        server.close()
        await asyncio.sleep(0.01)


KEY_INVALID: Json = {
    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
    "reason": "API_KEY_INVALID",
    "domain": "googleapis.com",
    "metadata": {"service": "generativelanguage.googleapis.com"},
}
