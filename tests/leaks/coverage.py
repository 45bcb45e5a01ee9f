"""Which part of a request is read, which is refused, which never travels: found by asking a router, kept in a table.

`python -m tests.leaks.coverage --write` writes `docs/coverage.md` anew.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tests.fakes.canaries import BARE, Body
from tests.fakes.canaries_messages import MESSAGES_BARE
from tests.fakes.sight import Sight
from tests.fakes.stack import ROOT
from tests.fakes.wire_client import Reply, WireClient
from tests.leaks.endpoints import ENDPOINTS, Endpoint
from tests.leaks.shots import KEYS
from tests.leaks.site import Site

PAGE = ROOT / "docs" / "coverage.md"
SECRET, HARMLESS = "4556 7375 8689 9855", "weather"
HEADERS = (
    "x-request-id", "x-router-task", "x-router-tier", "x-router-session", "idempotency-key", "openai-organization",
    "openai-project", "user-agent", "cookie", "traceparent", "x-forwarded-for", "anthropic-version",
    "anthropic-beta", "x-anything-else",
)  # fmt: skip
QUESTION = "What is the capital of France?"
WITHIN_S = 60.0

Put = Callable[[Body, str], None]


def _typed(name: str) -> Put:
    return lambda body, text: body.update({name: text})


TYPED: dict[str, Put] = {
    name: _typed(name)
    for name in ("stream", "n", "max_tokens", "max_completion_tokens", "temperature", "top_p", "logprobs", "tools")
}
"""Fields that take no text: it is refused there."""
SPOILED = {  # %b = the text
    "a key that stands twice": rb'{"model":"ok","messages":[{"role":"user","content":"Hi"}],"x":"%b","x":1}',
    "a NUL character": rb'{"model":"ok","messages":[{"role":"user","content":"Hi \u0000 %b"}]}',
    "half a surrogate pair": rb'{"model":"ok","messages":[{"role":"user","content":"Hi \ud83d %b"}]}',
    "invalid UTF-8": b'{"model":"ok","messages":[{"role":"user","content":"Hi \xc3\x28 %b"}]}',
    "nesting without end": b'{"model":"ok","messages":[{"role":"user","content":"%b"}],"x":' + b"[" * 9000,
    "too many values": b'{"model":"ok","messages":[{"role":"user","content":"%b"}],"x":[' + b"[]," * 260_000 + b"1]}",
    "broken JSON": b'{"model":"ok","messages":[{"role":"user","content":"%b"}]',
}
"""Bodies that can be read in two ways, or in none."""


class Row(NamedTuple):
    """One field of one endpoint, and what happens to a request with something in it."""

    endpoint: str
    field: str
    local: str
    """A card number, of a caller whose sensitive requests stay local."""
    mask: str
    """A card number, of a caller whose sensitive requests are masked."""
    harmless: str
    """A word."""


class _Asked(NamedTuple):
    endpoint: Endpoint
    request_id: str
    reply: Reply
    received: bytes
    beside: bool
    """Whether the text stands beside the body."""


COLUMNS = (("local", SECRET), ("mask", SECRET), ("local", HARMLESS))


class Survey:
    """Asks one running router."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._client = WireClient(site.port, WITHIN_S)
        self._asked: list[_Asked] = []

    async def rows(self) -> list[Row]:
        """Ask for every field of every endpoint.

        Raises:
            AssertionError: a card number reached the cloud.
        """
        names: list[tuple[str, str]] = []
        for endpoint in ENDPOINTS:
            for field, put in (*endpoint.fields.items(), *TYPED.items(), ("model", _typed("model"))):
                await self._field(endpoint, field, put)
                names.append((endpoint.path, field))
            for what, body in SPOILED.items():
                for key, text in COLUMNS:
                    await self._ask(endpoint, key, body.replace(b"%b", text.encode()))
                names.append((endpoint.path, what))
            for name in (*(f"header `{header}`" for header in HEADERS), "query string"):
                await self._around(endpoint, name)
                names.append((endpoint.path, name))
        self._client.close()
        records = {record["request_id"]: record for record in await self._site.new_records()}
        told = [_outcome(one, records.get(one.request_id)) for one in self._asked]
        return [Row(*name, *told[3 * index : 3 * index + 3]) for index, name in enumerate(names)]

    async def _field(self, endpoint: Endpoint, field: str, put: Put) -> None:
        for key, text in COLUMNS:
            body = endpoint.make("ok", QUESTION)
            bare = text is HARMLESS or field in BARE | MESSAGES_BARE or field in TYPED
            put(body, text if bare else f"Note {text}")
            await self._ask(endpoint, key, msgspec.json.encode(body))

    async def _around(self, endpoint: Endpoint, name: str) -> None:
        """Put it beside the body: in a header that may hold it, or in the query."""
        body, digits = msgspec.json.encode(endpoint.make("ok", QUESTION)), SECRET.replace(" ", "")
        for key, text in COLUMNS:
            text = digits if text is SECRET else text
            headers = {} if name == "query string" else {name.removeprefix("header `").rstrip("`"): text}
            await self._ask(endpoint, key, body, headers, "" if headers else f"?q={text}")

    async def _ask(
        self, endpoint: Endpoint, key: str, body: bytes, headers: dict[str, str] | None = None, query: str = ""
    ) -> None:
        cloud = self._site.cloud
        cloud.requests.clear()
        own = f"survey-{len(self._asked)}"
        sent = {"authorization": f"Bearer {KEYS[key]}", "x-request-id": own, **(headers or {})}
        reply = await self._client.ask(endpoint.path + query, sent, body)
        received = b"\n".join(one.everything for one in cloud.requests)
        if Sight(received).holds(SECRET):
            raise AssertionError(f"a card number reached the cloud: {received!r}")
        self._asked.append(_Asked(endpoint, own, reply, received, bool(headers or query)))


def _outcome(asked: _Asked, record: dict[str, Any] | None) -> str:
    """Say in a few words what became of a request."""
    endpoint, reply = asked.endpoint, asked.reply
    if reply.status >= 400:
        return f"refused ({reply.status})"
    if not endpoint.calls:
        if asked.received:
            raise AssertionError(f"{endpoint.path} called a cloud")
        told = json.loads(reply.body)
        entities, reason, target = told["scan"]["entities"], told["scan"]["reason"], told["decision"]["locality"]
        target = "masked" if told["decision"]["masked"] else f"{target}, without it" if asked.beside else target
        return f"{_read(entities, reason)}{target}"
    record = record or {"entities": reply.headers.get("x-router-entities", ""), "scan_reason": ""}
    if asked.received:
        target = "masked" if record.get("masked") else "cloud, without it" if asked.beside else "cloud"
    else:
        target = "local"
    return f"{_read(record['entities'], record['scan_reason'])}{target}"


def _read(entities: Iterable[str], reason: str) -> str:
    return "found, " if "CREDIT_CARD" in entities else f"{reason}, " if reason else ""


def page(rows: Iterable[Row]) -> str:
    """Write the documentation's page."""
    lines = [_HEAD]
    path = ""
    for row in rows:
        if row.endpoint != path:
            path = row.endpoint
            lines += [
                "",
                f"## `POST {path}`",
                "",
                "| field | card number | card number, caller is masked | a word |",
                "|---|---|---|---|",
            ]
        lines.append(f"| {row.field} | {row.local} | {row.mask} | {row.harmless} |")
    return "\n".join([*lines, ""])


_HEAD = """# Coverage

What happens to each part of a request, asked of a running router: by `python -m tests.leaks.coverage --write`, and again
by every `make test`, which compares. Every field gets a card number, once from a caller whose sensitive requests stay
local and once from one whose requests are masked; and a harmless word.

| cell | means |
|---|---|
| found, local | the scan read it; the local engine answered |
| found, masked | the scan read it; the cloud got a placeholder |
| unreadable:…, local | it can't be read, so it counts as restricted |
| cloud | nothing sensitive was found; the cloud got the request |
| local | this process answered; nobody was called |
| cloud, without it | the cloud got the request, for the body is harmless; what stands beside the body stays here |
| refused (…) | the answer is that status; nobody was called |

`POST /v1/route/explain` calls nobody: its cells say what would be done. Fields that aren't named here, at any depth, are
read like the unknown ones. Not read are truth values, numbers whose whole part is shorter than seven digits, and strings
that equal a constant of the protocol (`user`, `json_schema`…): they hold nothing of anybody. `x-request-id` and the
hints aren't scanned, and the request's id stands in the records: callers choose it, so it should say nothing."""


async def survey(folder: Path) -> str:
    """Start a router, ask it, and write the page."""
    site = Site(folder, {"privacy": {"scan": {"deadline_ms": 10_000}}, "routing": {"ttft_s": 20, "total_s": 20}})
    try:
        await site.start()
        return page(await Survey(site).rows())
    finally:
        await site.stop()


def main() -> None:
    """Show the page, or write it."""
    with tempfile.TemporaryDirectory() as folder:
        text = asyncio.run(survey(Path(folder) / "survey"))
    if "--write" in sys.argv:
        PAGE.write_text(text)
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
