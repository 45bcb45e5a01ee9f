"""The data path: one completion request to the engine and its answer back, as bytes, at the level of ASGI."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from urllib.parse import unquote

import msgspec
from starlette.types import Message, Receive, Scope, Send

from local_inference.admission import Admission
from local_inference.catalog import Catalog, Entry
from local_inference.keeper import Keeper
from local_inference.ports import BASE_NAME, Answer, Engine
from local_inference.prompting import apply_card
from local_inference.residency import Residency
from local_inference.supervisor import Supervisor
from local_inference.traffic import Traffic
from router.core.adapters import AdapterCard
from router.core.clock import monotonic_s
from router.core.errors import (
    AdapterNotFound,
    AdapterNotReady,
    InvalidRequest,
    Overloaded,
    RequestTooLarge,
    RouterError,
    StreamInterrupted,
    UnsupportedFeature,
    UpstreamProtocolError,
    UpstreamUnavailable,
)
from router.core.types import JsonValue
from router.wire import openai_media

_EVENT_END = b"\n\n"
_DONE = b"data: [DONE]"


class Changes:
    """Wakes everybody who waits for the catalog or the engine to change."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def notify(self) -> None:
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self, timeout_s: float) -> bool:
        """Wait for the next change; False = the time is over."""
        try:
            await asyncio.wait_for(self._event.wait(), timeout_s)
        except TimeoutError:
            return False
        return True


class _Message(msgspec.Struct):
    content: msgspec.Raw = msgspec.Raw(b"null")


class _Fields(msgspec.Struct):
    """What has to be understood of a body; all other fields pass through as they are."""

    model: str
    stream: bool | None = None
    echo: bool | None = None
    prompt_logprobs: int | None = None
    messages: list[_Message] | None = None


_BODY = msgspec.json.Decoder(dict[str, msgspec.Raw])
_FIELDS = msgspec.json.Decoder(_Fields)
_PARTS = msgspec.json.Decoder(list[object])


class Gateway:
    """Serves completion routes. Raises `RouterError` only while nothing has been sent yet."""

    def __init__(
        self,
        *,
        engine: Engine,
        catalog: Catalog,
        residency: Residency,
        traffic: Traffic,
        supervisor: Supervisor,
        admission: Admission,
        keeper: Keeper,
        changes: Changes,
        base_names: frozenset[str],
        want: Callable[[str], None],
        ready_wait_s: float,
        max_body_bytes: int,
    ) -> None:
        """`want` hears the ids of versions that are asked for and not ready."""
        self._engine = engine
        self._catalog = catalog
        self._residency = residency
        self._traffic = traffic
        self._supervisor = supervisor
        self._admission = admission
        self._keeper = keeper
        self._changes = changes
        self._base_names = base_names
        self._want = want
        self._ready_wait_s = ready_wait_s
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one POST; a client that goes away cancels the engine's work."""
        data = await self._read_body(receive)
        if data is None:
            return
        body, fields = _decode(data)
        await _until_disconnect(receive, self._serve(str(scope["path"]), _tenant(scope), body, fields, send))

    async def _read_body(self, receive: Receive) -> bytes | None:
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            part: bytes = message.get("body", b"")
            parts.append(part)
            size += len(part)
            if size > self._max_body_bytes:
                raise RequestTooLarge(f"the request body is larger than {self._max_body_bytes} bytes")
            if not message.get("more_body", False):
                return b"".join(parts)

    async def _serve(
        self, path: str, tenant: str | None, body: dict[str, msgspec.Raw], fields: _Fields, send: Send
    ) -> None:
        self._supervisor.check()
        entry = None if fields.model in self._base_names else await self._found(fields.model, tenant)
        name = entry.id if entry else BASE_NAME
        body["model"] = msgspec.Raw(msgspec.json.encode(name))
        body.pop(_ENGINE_ID, None)
        if entry is not None:
            apply_card(body, entry.info.card)
        lease: AbstractAsyncContextManager[None] = self._residency.lease(name) if entry else nullcontext()
        answering = _Answering(send)
        try:
            async with lease, self._admission.turn(entry and name, (tenant or "")[:_MAX_TURN_CHARS]):
                self._supervisor.check()  # it may have ended while this request waited
                if entry is not None:
                    await self._keeper.make_room(name)
                await self._ask(path, msgspec.json.encode(body), name, fields, answering)
        except AdapterNotReady as error:
            if not answering.started:
                raise
            await send(_ending(StreamInterrupted(error.message)))
        finally:
            self._keeper.stale()

    async def _ask(self, path: str, body: bytes, name: str, fields: _Fields, send: Send) -> None:
        try:
            async with self._engine.send(path, body) as answer:
                streams = answer.status == 200 and fields.stream
                ok = await (self._stream if streams else self._whole)(answer, name, send)
                if ok is not None:
                    self._traffic.answered(name, ok=ok)
        except UpstreamProtocolError:
            self._traffic.answered(name, ok=False)
            raise
        except UpstreamUnavailable as error:  # `_stream` tells of its own breaks; nothing was sent yet
            self._traffic.answered(name, ok=False)
            raise Overloaded(f"the engine ended before it answered: {error.message}", retry_after_s=1.0) from None

    async def _found(self, model: str, tenant: str | None) -> Entry:
        """Find the adapter that a tenant may use; to others, and near other names, it doesn't exist in any state."""
        try:
            return await self._ready(model, lambda card: tenant is None or card.admits(tenant))
        except AdapterNotFound:
            if tenant is None:
                raise
        raise AdapterNotFound("there is no such adapter", param="model")

    async def _ready(self, model: str, admits: Callable[[AdapterCard], bool]) -> Entry:
        """Find the adapter; wait a while for one that is on its way."""
        deadline_s = monotonic_s() + self._ready_wait_s
        while True:
            try:
                return self._catalog.resolve(self._traffic.pick(model) or model, admits)
            except AdapterNotReady:
                self._want(model)
                left_s = deadline_s - monotonic_s()
                if left_s <= 0 or not await self._changes.wait(left_s):
                    self._supervisor.check()
                    raise
            self._supervisor.check()

    async def _whole(self, answer: Answer, name: str, send: Send) -> bool | None:
        """Forward an answer; True = it is one, None = it tells of a mistake of the caller's."""
        data = await answer.read()
        if answer.status >= 500 or answer.status in (401, 403):
            self._supervisor.check()
            raise UpstreamProtocolError(f"the engine failed with status {answer.status}")
        if answer.status == 404:
            raise AdapterNotReady(f"the engine doesn't have '{name}' at the moment", retry_after_s=1.0)
        await send(self._start(answer, name, len(data)))
        await send({"type": "http.response.body", "body": data})
        return True if answer.status < 400 else None

    def _start(self, answer: Answer, name: str, size: int | None = None) -> Message:
        wait_ms = self._admission.facts().expected_wait_s * 1000
        headers = [
            (b"content-type", answer.content_type.encode("latin-1")),
            (b"x-adapter", name.encode()),
            (WAIT_HEADER, f"{wait_ms:.0f}".encode()),
        ]
        if size is not None:
            headers.append((b"content-length", str(size).encode()))
        return {"type": "http.response.start", "status": answer.status, "headers": headers}

    async def _stream(self, answer: Answer, name: str, send: Send) -> bool:
        """Forward whole events as they come; a break becomes one error event and no [DONE], and False."""
        await send(self._start(answer, name))
        rest, last = b"", b""
        problem: RouterError | None = None
        try:
            async for chunk in answer.chunks():
                rest += chunk
                cut = rest.rfind(_EVENT_END) + len(_EVENT_END)
                if cut >= len(_EVENT_END):
                    events, rest = rest[:cut], rest[cut:]
                    last = events
                    await send({"type": "http.response.body", "body": events, "more_body": True})
        except UpstreamUnavailable:
            problem = StreamInterrupted("the engine ended while it answered")
        if problem is None and not last.rstrip().endswith(_DONE):
            problem = StreamInterrupted("the engine's answer broke off")
        await send(_ending(problem))
        return problem is None


class _Answering:
    """Sends an answer, and knows whether it has begun."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False

    async def __call__(self, message: Message) -> None:
        self.started = True
        await self._send(message)


def _ending(problem: RouterError | None) -> Message:
    """Make the last message of a stream."""
    tail = b"data: " + problem.body() + _EVENT_END if problem else b""
    return {"type": "http.response.body", "body": tail}


_ENGINE_ID = "request_id"
"""A field in which vLLM lets callers name their requests. The engine's names are ours: one of them means that a request goes
before all others, and two of the same would be taken for one."""
_MAX_MODEL_CHARS = 256
_MAX_TURN_CHARS = 128
"""Tenants whose names begin with the same so many share their turns; who may use what is told by all of a name."""
WAIT_HEADER = b"x-engine-wait-ms"
"""How long the next request would wait; for routers that choose among hosts."""
TENANT_HEADER = b"x-router-tenant"
"""On whose behalf a router asks, percent-encoded: some adapters are for some tenants, and turns go round them."""


def _tenant(scope: Scope) -> str | None:
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    given = next((value for name, value in headers if name == TENANT_HEADER), None)
    return unquote(given.decode("latin-1")) if given is not None else None


def _decode(data: bytes) -> tuple[dict[str, msgspec.Raw], _Fields]:
    try:
        data.decode()  # fields that pass through undecoded are text too
        body = _BODY.decode(data)
        fields = _FIELDS.decode(data)
        place = openai_media.fetched_part([_parts(message.content) for message in fields.messages or ()])
    except msgspec.ValidationError as error:
        param = str(error).rpartition("$.")[2].rstrip("`") if "$." in str(error) else None
        raise InvalidRequest(f"invalid request: {error}", param=param) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidRequest("the request body is not valid JSON") from None
    if len(fields.model) > _MAX_MODEL_CHARS:
        raise InvalidRequest(f"'model' is longer than {_MAX_MODEL_CHARS} characters", param="model")
    if fields.prompt_logprobs is not None or (fields.echo and "logprobs" in body):
        raise UnsupportedFeature(
            "log-probabilities of the prompt can't be had while adapters are served", param="prompt_logprobs"
        )
    if place is not None:
        raise UnsupportedFeature(openai_media.refusal(place), param=place)
    return body, fields


def _parts(content: msgspec.Raw) -> JsonValue:
    """Decode a message's content if it is made of parts; most are texts, which may be long."""
    parts: JsonValue = None
    if bytes(memoryview(content)[:1]) == b"[":
        parts = _PARTS.decode(content)  # pyright: ignore[reportAssignmentType] JSON decodes to JSON values
    return parts


async def _until_disconnect(receive: Receive, work: Awaitable[None]) -> None:
    """Do the work; stop it when the client goes away."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_disconnect(receive))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


Handler = Callable[[Scope, Receive, Send], Awaitable[None]]


def retry_after(error: RouterError) -> list[tuple[bytes, bytes]]:
    """Make the Retry-After header of an error, in whole seconds."""
    seconds = (
        error.retry_after_s if error.retry_after_s is not None else (1.0 if isinstance(error, Overloaded) else None)
    )
    return [] if seconds is None else [(b"retry-after", str(max(1, round(seconds))).encode())]
