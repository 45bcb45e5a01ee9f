"""What stands for the world beyond the router: HTTP servers on loopback that record, answer, and fail on demand."""

from __future__ import annotations

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from enum import Enum
from typing import cast
from urllib.parse import parse_qs, urlsplit

import httptools
import msgspec

from router.core.adapters import AdapterListing
from router.core.types import JsonObject
from router.selftest.canaries import Eye, strings
from router.selftest.dialects import AsksAnotherHost, Dialect, openai_compatible, stream_type


class Fault(Enum):
    """How a server fails one request."""

    DROPPED = "drops the connection"
    RATE_LIMITED = "answers 429"
    BROKEN = "answers 500"
    REFUSED = "refuses the key"
    HANGING = "never answers"
    CUT = "breaks off half way"
    GARBLED = "answers with a web page"
    EMPTY = "answers with nothing"


_STATUS = {Fault.RATE_LIMITED: 429, Fault.BROKEN: 500, Fault.REFUSED: 401}


class Asked(msgspec.Struct, frozen=True):
    """One request as it came in."""

    path: str
    headers: dict[str, str]
    data: bytes

    @property
    def body(self) -> JsonObject:
        """Its JSON; empty where it is none."""
        try:
            return msgspec.json.decode(self.data, type=dict[str, object])  # pyright: ignore[reportReturnType] JSON
        except msgspec.DecodeError:
            return {}


class Answer(msgspec.Struct, frozen=True):
    """What is to be sent back; more than one piece is a stream."""

    status: int
    pieces: tuple[bytes, ...]
    stream: bool = False
    stream_type: str = "text/event-stream"


class Mock(ABC):
    """A server on a port of its own. `faults` are drawn from for every request; None among them = none."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._port = 0
        self.faults: Sequence[Fault | None] = (None,)
        self.requests = 0

    @property
    def url(self) -> str:
        """Where it listens; stays the same when it is stopped and started again."""
        return f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Listen."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self, self._connections), "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Be gone: nobody listens any more, and what was open is dropped."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self._connections):
            connection.drop()
        await asyncio.sleep(0)

    async def handle(self, asked: Asked) -> tuple[Answer, Fault | None]:
        """Note a request and say how it is answered."""
        answer = await self.answer(asked)
        fault = self._chance.choice(self.faults) if asked.data else None
        return answer, fault

    @abstractmethod
    async def answer(self, asked: Asked) -> Answer:
        """Say what is answered if nothing fails."""


class Cloud(Mock):
    """Stands for one provider: knows every canary that reaches it, and answers with what it was sent."""

    def __init__(self, name: str, dialect: Dialect | None, eye: Eye, chance: random.Random) -> None:
        super().__init__(chance)
        self.name = name
        self._dialect = dialect
        self._eye = eye
        self.saw: set[int] = set()
        """Ids of the canaries that came, in whatever form."""
        self.said: set[str] = set()
        """Every header's value that came."""

    @property
    def speaks(self) -> bool:
        """Whether it can answer, and not just record."""
        return self._dialect is not None

    async def answer(self, asked: Asked) -> Answer:
        """Give back every text of the request, so that what was masked can be seen to come back whole."""
        self.requests += 1
        self.saw |= self._eye.seen(asked.data) | self._eye.seen(asked.path.encode())
        self.said.update(asked.headers.values())
        body = asked.body
        if self._dialect is None:
            return Answer(501, (b'{"error": {"message": "the self-test has no mock of this dialect"}}',))
        if isinstance(self._dialect, AsksAnotherHost) and (other := self._dialect.beside(asked.path)) is not None:
            return Answer(200, (other,))
        text, model = " | ".join(strings(body)), str(body.get("model", ""))
        if self._dialect.wants_stream(asked.path, body):
            pieces = tuple(self._dialect.events(model, text))
            return Answer(200, pieces, stream=True, stream_type=stream_type(self._dialect))
        return Answer(200, (self._dialect.whole(model, text),))


class LocalEngine(Mock):
    """Stands for the engine host: no adapters, and one answer to everything."""

    TEXT = "answered locally"

    async def answer(self, asked: Asked) -> Answer:
        """Serve the paths that the router uses."""
        url = urlsplit(asked.path)
        if url.path == "/ready":
            return Answer(200, (b'{"ready": true}',))
        if url.path == "/v1/adapters":
            if parse_qs(url.query).get("after", ["-1"])[0] != "-1":
                await asyncio.sleep(5)  # no news
            return Answer(200, (msgspec.json.encode(AdapterListing(revision=1, base_model="mock", data=())),))
        self.requests += 1
        model = str(asked.body.get("model", ""))
        if openai_compatible.wants_stream(url.path, asked.body):
            return Answer(200, tuple(openai_compatible.events(model, self.TEXT)), stream=True)
        return Answer(200, (openai_compatible.whole(model, self.TEXT),))


class _Connection(asyncio.Protocol):
    """HTTP/1.1, one request after the other."""

    def __init__(self, mock: Mock, alive: set[_Connection]) -> None:
        self._mock = mock
        self._alive = alive
        self._parser = httptools.HttpRequestParser(self)
        self._path = ""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._task: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it
        self._alive.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._alive.discard(self)
        if self._task is not None:
            self._task.cancel()

    def drop(self) -> None:
        """Break it off."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._path += url.decode()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode().lower()] = value.decode(errors="replace")

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        asked = Asked(self._path, self._headers, b"".join(self._body))
        self._path, self._headers, self._body = "", {}, []
        self._task = asyncio.create_task(self._respond(asked))

    async def _respond(self, asked: Asked) -> None:
        answer, fault = await self._mock.handle(asked)
        match fault:
            case Fault.DROPPED:
                self.drop()
            case Fault.HANGING:
                await asyncio.sleep(3600)
            case Fault.CUT:
                self._begin(answer)
                whole = b"".join(map(_chunk, answer.pieces)) if answer.stream else answer.pieces[0]
                self._write(whole[: len(whole) // 2])
                if self._transport is not None:
                    self._transport.close()
            case Fault.RATE_LIMITED | Fault.BROKEN | Fault.REFUSED:
                self._send(Answer(_STATUS[fault], (b'{"error": {"message": "no luck", "code": "no_luck"}}',)))
            case Fault.GARBLED:
                self._send(Answer(200, (b"<html>surprise</html>",)))
            case Fault.EMPTY:
                self._send(Answer(200, (b"",)))
            case None:
                self._send(answer)

    def _begin(self, answer: Answer) -> None:
        head = [f"HTTP/1.1 {answer.status} X"]
        if answer.stream:
            head += [f"content-type: {answer.stream_type}", "transfer-encoding: chunked"]
        else:
            head += ["content-type: application/json", f"content-length: {len(answer.pieces[0])}"]
        self._write("\r\n".join([*head, "", ""]).encode())

    def _send(self, answer: Answer) -> None:
        self._begin(answer)
        if not answer.stream:
            self._write(answer.pieces[0])
            return
        for piece in answer.pieces:
            self._write(_chunk(piece))
        self._write(b"0\r\n\r\n")

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)


def _chunk(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece)
