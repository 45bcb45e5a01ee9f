"""Any upstream that speaks OpenAI's chat completions, and perhaps its responses: answers' bytes pass through as they are."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Set
from contextlib import aclosing
from urllib.parse import urlsplit

import msgspec
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pyreqwest import exceptions as foreign
from pyreqwest.response import Response

from router.core.errors import UpstreamProtocolError, UpstreamUnavailable
from router.core.ports import Clocks
from router.core.types import Cleared, Delta, Dialect, JsonObject
from router.providers import _responses
from router.providers._http import MAX_ANSWER_BYTES, UNREADABLE, Egress, read_bounded, translate
from router.wire import openai_chat, sse
from router.wire.outbound import responses as native


class Config(BaseModel):
    """The keys of a provider row of this kind."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    base_url: str
    """Up to and including `/v1`."""
    api_key: SecretStr | None = None
    optional: bool = False
    """Without its key the provider is left out, instead of stopping the start."""
    connect_s: float = Field(3.0, gt=0)
    headers: dict[str, str] = {}
    """Further headers for every request, e.g. an organisation's id."""
    responses: bool | None = None
    """Whether it speaks the Responses API too; None = only api.openai.com does."""


class OpenAICompatible:
    """The provider. `path` is where chat completions live under the base URL, `responses_path` where responses do."""

    def __init__(
        self, egress: Egress, name: str, path: str = "/chat/completions", *, responses_path: str | None = None
    ) -> None:
        """`responses_path` None = it speaks chat completions only."""
        self.dialects: Set[Dialect] = {Dialect.CHAT, Dialect.RESPONSES} if responses_path else {Dialect.CHAT}
        self._egress = egress
        self._name = name
        self._path = path
        self._responses_path = responses_path

    async def send(self, cleared: Cleared, clocks: Clocks) -> AsyncGenerator[Delta, None]:
        """See `core.ports.Provider`."""
        del clocks  # connect is the client's own; the executor holds the others
        if cleared.dialect is Dialect.RESPONSES:
            async with aclosing(self._respond(cleared)) as deltas:
                async for delta in deltas:
                    yield delta
            return
        body = msgspec.json.encode(upstream_body(cleared))
        async with self._egress.post(self._path, body, cleared) as response:
            if cleared.stream:
                async for delta in stream(response, self._name):
                    yield delta
            else:
                yield await whole(response, self._name)

    async def _respond(self, cleared: Cleared) -> AsyncGenerator[Delta, None]:
        """Send a request of the Responses API; what was left out of it is named on the first delta."""
        assert self._responses_path is not None
        body, dropped = native.upstream_body(cleared.body, cleared.target.upstream_model)
        async with self._egress.post(self._responses_path, msgspec.json.encode(body), cleared) as response:
            if not cleared.stream:
                yield msgspec.structs.replace(await _responses.whole(response, self._name), dropped=dropped)
                return
            async for delta in _responses.stream(response, self._name):
                yield msgspec.structs.replace(delta, dropped=dropped) if dropped else delta
                dropped = ()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._egress.aclose()


def upstream_body(cleared: Cleared) -> JsonObject:
    """The body that is sent: what was cleared, with the upstream's own model name in its place.

    A stream is asked for its usage too, so that it can be billed; `encode` leaves that chunk out for a
    caller that didn't ask.
    """
    body = {**cleared.body, "model": cleared.target.adapter or cleared.target.upstream_model}
    if cleared.stream:
        options = cleared.body.get("stream_options")
        body["stream_options"] = {**(options if isinstance(options, dict) else {}), "include_usage": True}
    return body


async def whole(response: Response, name: str) -> Delta:
    """Read a whole answer.

    Raises:
        UpstreamProtocolError: it is cut, too large, or not a chat completion.
    """
    payload = await read_bounded(response, MAX_ANSWER_BYTES)
    if payload is None:
        raise UpstreamProtocolError(f"{name}: the answer is larger than {MAX_ANSWER_BYTES} bytes")
    try:
        facts = openai_chat.facts(payload)
    except UNREADABLE:
        raise UpstreamProtocolError(f"{name}: the answer isn't a chat completion") from None
    if facts.error or not facts.choices:
        raise UpstreamProtocolError(f"{name}: the answer holds no choices")
    return Delta(payload=payload, usage=facts.usage, finish_reason=facts.finish_reason)


async def stream(response: Response, name: str) -> AsyncGenerator[Delta, None]:
    """Read a stream's events up to `[DONE]`.

    Raises:
        UpstreamProtocolError: not an event stream, empty, or it ends before any finish reason.
        UpstreamUnavailable: the upstream says in an event that it failed, or the connection breaks.
    """
    content_type = response.get_header("content-type") or ""
    if not content_type.startswith("text/event-stream"):
        raise UpstreamProtocolError(f"{name}: a stream was asked for, the upstream sent '{content_type[:40]}'")
    parser = sse.Parser()
    finished = False
    async for event in _events(response, parser, name):
        if event.data == b"[DONE]":
            if not finished:
                raise UpstreamProtocolError(f"{name}: the stream is done without a finish reason")
            return
        delta = _delta(event, name)
        finished = finished or delta.finish_reason is not None
        yield delta
    if not finished or parser.incomplete:
        raise UpstreamProtocolError(f"{name}: the stream ended before the answer did")


async def _events(response: Response, parser: sse.Parser, name: str) -> AsyncGenerator[sse.Event, None]:
    reader = response.body_reader
    while True:
        try:
            chunk = await reader.read_chunk()
        except foreign.PyreqwestError as error:
            raise translate(error, name) from None
        if chunk is None:
            return
        for event in parser.feed(bytes(chunk)):
            yield event


def _delta(event: sse.Event, name: str) -> Delta:
    try:
        facts = openai_chat.facts(event.data)
    except UNREADABLE:
        raise UpstreamProtocolError(f"{name}: an event of the stream isn't JSON") from None
    if facts.error:
        raise UpstreamUnavailable(f"{name}: the upstream reports an error in the stream")
    if facts.choices is None:
        raise UpstreamProtocolError(f"{name}: an event of the stream holds no choices")
    usage_only = facts.choices == 0 and facts.usage is not None
    return Delta(payload=event.data, usage=facts.usage, finish_reason=facts.finish_reason, usage_only=usage_only)


def build(config: Config, name: str) -> OpenAICompatible:
    """Build the provider of one configuration row; opens no connection yet."""
    headers = dict(config.headers)
    if config.api_key is not None:
        headers["authorization"] = f"Bearer {config.api_key.get_secret_value()}"
    egress = Egress(name, config.base_url, headers, connect_s=config.connect_s, local=False)
    is_openai = urlsplit(config.base_url).hostname == "api.openai.com"
    speaks = is_openai if config.responses is None else config.responses
    return OpenAICompatible(egress, name, responses_path="/responses" if speaks else None)
