"""Cohere's v2 chat API: chat completions go in, are sent in Cohere's dialect, and come back as they went in."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping

import msgspec
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from router.core import clock
from router.core.errors import RouterError, UpstreamAuthFailed, UpstreamProtocolError, UpstreamTimeout
from router.core.ports import Clocks
from router.core.types import Cleared, Delta, Dialect
from router.providers import _reading
from router.providers._http import Answer, Egress
from router.wire.outbound.cohere import AnswerStream, decode_answer, encode_request

CAPABILITIES: frozenset[str] = frozenset({"tools", "vision", "json_schema", "json_object", "logprobs"})
"""What the dialect as translated here can do, whatever the model."""


class Config(BaseModel):
    """The keys of a provider row of this kind."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    base_url: str
    """Without `/v2`, e.g. https://api.cohere.com."""
    api_key: SecretStr | None = None
    optional: bool = False
    """Without its key the provider is left out, instead of stopping the start."""
    connect_s: float = Field(3.0, gt=0)
    headers: dict[str, str] = {}
    """Further headers for every request, e.g. `x-client-name`."""


class Cohere:
    """The provider."""

    dialects = frozenset({Dialect.CHAT})

    def __init__(self, egress: Egress, name: str) -> None:
        self._egress = egress
        self._name = name

    async def send(self, cleared: Cleared, clocks: Clocks) -> AsyncGenerator[Delta, None]:
        """See `core.ports.Provider`.

        Raises:
            InvalidRequest, UnsupportedFeature: the request can't be translated; nothing was sent.
        """
        model = cleared.target.upstream_model
        body, dropped = encode_request(cleared.body, model=model, stream=cleared.stream)
        async with self._egress.post("/v2/chat", body, cleared, None, clocks.heard) as response:
            if not cleared.stream:
                delta = decode_answer(
                    await _reading.whole(response, self._name), self._name, model, int(clock.unix_s())
                )
                yield msgspec.structs.replace(delta, dropped=dropped)
                return
            async for delta in _stream(response, self._name, model):
                yield msgspec.structs.replace(delta, dropped=dropped) if dropped else delta
                dropped = ()

    async def reachable(self, timeout_s: float) -> bool:
        """See `core.ports.Provider`."""
        return await self._egress.reachable(timeout_s)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._egress.aclose()


async def _stream(response: Answer, name: str, model: str) -> AsyncGenerator[Delta, None]:
    """Read a stream's events up to `message-end`.

    Raises:
        UpstreamProtocolError: not an event stream, or it ends before that.
        UpstreamUnavailable: the upstream says in an event that it failed, or the connection breaks.
    """
    answer = AnswerStream(name, model, int(clock.unix_s()))
    async for event in _reading.events(response, name):
        for delta in answer.feed(event.data):
            yield delta
        if answer.finished:
            return
    raise UpstreamProtocolError(f"{name}: the stream ended before the answer did")


def _refusal(who: str, status: int, headers: Mapping[str, str], body: bytes) -> RouterError | None:
    """Read the statuses that mean something else, or more, here than elsewhere.

    Source: the errors of Cohere's Python SDK 7.3.1, and https://docs.cohere.com/reference/errors, 2026-11.
    """
    del headers, body  # a message and an id: words, and nothing to tell errors by
    match status:
        case 498:
            return UpstreamAuthFailed(f"{who} refused the router's key for it ({status}); check its api_key")
        case 504:
            return UpstreamTimeout(f"{who} answered {status}")
        case _:
            return None


def build(config: Config, name: str) -> Cohere:
    """Build the provider of one configuration row; opens no connection yet."""
    headers = {key.lower(): value for key, value in config.headers.items()}
    if config.api_key is not None:
        headers["authorization"] = f"Bearer {config.api_key.get_secret_value()}"
    egress = Egress(name, config.base_url, headers, connect_s=config.connect_s, local=False, refusal=_refusal)
    return Cohere(egress, name)
