"""Any upstream that speaks OpenAI's dialects: what its vendor does like OpenAI passes through as it is."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Mapping, Set
from contextlib import aclosing
from urllib.parse import quote

import msgspec
from pydantic import Field, SecretStr, model_validator

from router.core.errors import UpstreamProtocolError, UpstreamUnavailable
from router.core.ports import Clocks
from router.core.types import Cleared, Delta, Dialect, JsonObject
from router.providers import _reading, _responses
from router.providers._http import UNREADABLE, Answer, Egress, Sender
from router.providers._quirks import Quirks, adapt, with_reasoning, with_vendor
from router.wire import openai_chat, openai_embeddings, sse
from router.wire.outbound import responses as native
from router.wire.outbound.chat import narrowed

PATHS: Mapping[Dialect, str] = {
    Dialect.CHAT: "/chat/completions",
    Dialect.COMPLETIONS: "/completions",
    Dialect.EMBEDDINGS: "/embeddings",
    Dialect.RESPONSES: "/responses",
}
"""Where each dialect's requests are sent to, under the base URL."""


class Config(Quirks):
    """The keys of a provider row of this kind; a vendor's facts stand in for those that aren't given."""

    vendor: str | None = None
    """A row of `vendors.yaml`."""
    api_key: SecretStr | None = None
    optional: bool = False
    """Without its key the provider is left out, instead of stopping the start."""
    connect_s: float = Field(3.0, gt=0)
    headers: dict[str, str] = Field(default_factory=dict[str, str])
    """Further headers for every request, e.g. an organisation's id."""

    @model_validator(mode="before")
    @classmethod
    def _of_vendor(cls, row: object) -> object:
        return with_vendor(row)

    @model_validator(mode="after")
    def _somewhere(self) -> Config:
        if self.base_url is None:
            raise ValueError("'base_url' is missing: give it, or a 'vendor' whose address is known")
        return self


class OpenAICompatible:
    """The provider. `prefix` stands between the base URL and the paths of its endpoints."""

    def __init__(self, egress: Sender, name: str, quirks: Quirks = Quirks(), prefix: str = "") -> None:  # noqa: B008 immutable
        self._egress = egress
        self._name = name
        self._quirks = quirks
        self._prefix = prefix

    @property
    def dialects(self) -> Set[Dialect]:
        """See `core.ports.Provider`."""
        return self._quirks.dialects

    async def send(self, cleared: Cleared, clocks: Clocks) -> AsyncGenerator[Delta, None]:
        """See `core.ports.Provider`."""
        narrow, unsaid = narrowed(cleared.body) if cleared.translated else (cleared.body, ())
        if cleared.dialect is Dialect.RESPONSES:
            body, refused = native.upstream_body(cleared.body, cleared.target.upstream_model)
        else:
            body, refused = adapt(upstream_body(cleared, narrow, self._quirks), cleared.dialect, self._quirks)
        dropped = (*unsaid, *refused)
        path, headers = self._path(cleared), dict(cleared.headers)
        async with (
            self._egress.post(path, msgspec.json.encode(body), cleared, headers, clocks.heard) as response,
            aclosing(self._answer(response, cleared)) as deltas,
        ):
            async for delta in deltas:
                yield msgspec.structs.replace(delta, dropped=dropped) if dropped else delta
                dropped = ()

    def _path(self, cleared: Cleared) -> str:
        deployment = (
            f"/deployments/{quote(cleared.target.upstream_model, safe='')}" if self._quirks.deployment_path else ""
        )
        version = f"?api-version={quote(self._quirks.api_version, safe='')}" if self._quirks.api_version else ""
        return f"{self._prefix}{deployment}{PATHS[cleared.dialect]}{version}"

    def _answer(self, response: Answer, cleared: Cleared) -> AsyncGenerator[Delta, None]:
        """Begin to read an answer: each of its events has to pass every generator on its way, so there is but one."""
        name, quirks, dialect = self._name, self._quirks, cleared.dialect
        if dialect is Dialect.EMBEDDINGS:
            return _alone(embeddings(response, name))
        if dialect is Dialect.RESPONSES:
            return _responses.stream(response, name) if cleared.stream else _alone(_responses.whole(response, name))
        if cleared.stream:
            return stream(response, name, quirks, dialect, asked=_choices(cleared.body))
        return _alone(whole(response, name, quirks, dialect))

    async def reachable(self, timeout_s: float) -> bool:
        """See `core.ports.Provider`."""
        return await self._egress.reachable(timeout_s)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._egress.aclose()


def upstream_body(cleared: Cleared, body: JsonObject, quirks: Quirks) -> JsonObject:
    """The body that is sent: `body`, which was cleared, with the upstream's own model name in its place.

    A stream is asked for its usage too, where the vendor lets it be, so that it can be billed; `encode` leaves that
    chunk out for a caller that didn't ask.
    """
    sent = {**body, "model": cleared.target.adapter or cleared.target.upstream_model}
    if cleared.stream and quirks.stream_options:
        options = body.get("stream_options")
        sent["stream_options"] = {**(options if isinstance(options, dict) else {}), "include_usage": True}
    return sent


async def whole(response: Answer, name: str, quirks: Quirks, dialect: Dialect) -> Delta:
    """Read a whole answer.

    Raises:
        UpstreamProtocolError: it is cut, too large, or not a chat completion.
    """
    payload = await _reading.whole(response, name)
    try:
        facts = openai_chat.facts(payload, reasoning_beside=quirks.reasoning_beside)
        payload = with_reasoning(payload, quirks)
    except UNREADABLE:
        raise UpstreamProtocolError(f"{name}: the answer isn't a completion") from None
    if facts.error or not facts.choices:
        raise UpstreamProtocolError(f"{name}: the answer holds no choices")
    return Delta(payload=payload, dialect=dialect, usage=facts.usage, finish_reason=facts.finish_reason)


async def embeddings(response: Answer, name: str) -> Delta:
    """Read an answer of vectors.

    Raises:
        UpstreamProtocolError: it is cut, too large, or holds no vectors.
    """
    payload = await _reading.whole(response, name)
    try:
        count, usage = openai_embeddings.facts(payload)
    except UNREADABLE:
        raise UpstreamProtocolError(f"{name}: the answer isn't a list of embeddings") from None
    if not count:
        raise UpstreamProtocolError(f"{name}: the answer holds no embeddings")
    return Delta(payload=payload, dialect=Dialect.EMBEDDINGS, usage=usage, finish_reason="stop")


def _choices(body: JsonObject) -> int:
    """Return how many answers are asked for, as far as `n` says it."""
    asked = body.get("n")
    return asked if isinstance(asked, int) else 1


async def _alone(answer: Awaitable[Delta]) -> AsyncGenerator[Delta, None]:
    yield await answer


async def stream(
    response: Answer, name: str, quirks: Quirks, dialect: Dialect = Dialect.CHAT, asked: int = 1
) -> AsyncGenerator[Delta, None]:
    """Read a stream's events up to `[DONE]`; where a vendor sends none, up to its end, which must then be that of all answers.

    Raises:
        UpstreamProtocolError: not an event stream, empty, it ends before any finish reason, or before those of all `asked`.
        UpstreamUnavailable: the upstream says in an event that it failed, or the connection breaks.
    """
    parser = sse.Parser()
    said: set[int] = set()
    finished: set[int] = set()
    has_content = False
    async for event in _reading.events(response, name, parser):
        if event.data == b"[DONE]":
            if not finished:
                raise UpstreamProtocolError(f"{name}: the stream is done without a finish reason")
            return
        delta, facts = _delta(event, name, quirks, dialect)
        said |= facts.said
        finished |= facts.finished
        if not has_content:
            has_content = openai_chat.has_content(event.data)
            if not has_content:
                delta = msgspec.structs.replace(delta, content=False)
        yield delta
    if said - finished or len(finished) < max(asked, 1) or parser.incomplete:
        raise UpstreamProtocolError(f"{name}: the stream ended before the answer did")


def _delta(event: sse.Event, name: str, quirks: Quirks, dialect: Dialect) -> tuple[Delta, openai_chat.Facts]:
    try:
        facts = openai_chat.facts(event.data, reasoning_beside=quirks.reasoning_beside)
        payload = with_reasoning(event.data, quirks)
    except UNREADABLE:
        raise UpstreamProtocolError(f"{name}: an event of the stream isn't JSON") from None
    if facts.error:
        raise UpstreamUnavailable(f"{name}: the upstream reports an error in the stream")
    if facts.choices is None:
        raise UpstreamProtocolError(f"{name}: an event of the stream holds no choices")
    usage_only = facts.choices == 0 and facts.usage is not None
    delta = Delta(
        payload=payload, dialect=dialect, usage=facts.usage, finish_reason=facts.finish_reason, usage_only=usage_only
    )
    return delta, facts


def build(config: Config, name: str) -> OpenAICompatible:
    """Build the provider of one configuration row; opens no connection yet."""
    headers = dict(config.headers)
    if config.api_key is not None:
        key = config.api_key.get_secret_value()
        bearer = config.auth_header.lower() == "authorization"
        headers[config.auth_header] = f"Bearer {key}" if bearer else key
    egress = Egress(name, config.base_url or "", headers, connect_s=config.connect_s, local=False)
    return OpenAICompatible(egress, name, config)
