"""Anthropic's API: requests in its own dialect travel as they are, chat completions are translated there and back."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from router.core import clock
from router.core.errors import UpstreamProtocolError
from router.core.ports import Clocks
from router.core.types import Cleared, Delta, Dialect, JsonObject, JsonValue
from router.providers import _reading
from router.providers._http import Egress
from router.wire.outbound.anthropic import (
    AnswerStream,
    NativeStream,
    decode_answer,
    read_answer,
    read_count,
    translate_request,
)

CAPABILITIES: frozenset[str] = frozenset({"tools", "vision", "files", "json_schema"})
"""What the dialect as translated here can do, whatever the model."""

API_VERSION = "2023-06-01"
"""The version whose requests are built here; its successor, 2026-10-21, refuses `temperature` and `top_p`.

Source: https://codersera.com/blog/anthropic-api-2026-10-21-sdk-migration-guide-2026/.
"""


class Config(BaseModel):
    """The keys of a provider row of this kind."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    base_url: str
    """Without `/v1`, e.g. https://api.anthropic.com."""
    api_key: SecretStr | None = None
    optional: bool = False
    """Without its key the provider is left out, instead of stopping the start."""
    connect_s: float = Field(3.0, gt=0)
    headers: dict[str, str] = {}
    """Further headers for every request, e.g. `anthropic-beta`."""
    default_max_tokens: int = Field(4096, gt=0)
    """Longest answer where the caller sets no limit: Anthropic demands one."""


class Anthropic:
    """The provider."""

    dialects = frozenset({Dialect.CHAT, Dialect.MESSAGES, Dialect.COUNT_TOKENS})

    def __init__(self, egress: Egress, name: str, default_max_tokens: int, betas: str = "") -> None:
        """`betas` is the configuration's own `anthropic-beta`, to which a caller's are added."""
        self._egress = egress
        self._name = name
        self._default_max_tokens = default_max_tokens
        self._betas = betas

    async def send(self, cleared: Cleared, clocks: Clocks) -> AsyncGenerator[Delta, None]:
        """See `core.ports.Provider`.

        Raises:
            InvalidRequest, UnsupportedFeature: the request can't be translated; nothing was sent.
        """
        answer = (self._translated if cleared.dialect is Dialect.CHAT else self._native)(cleared, clocks)
        async with aclosing(answer) as deltas:
            async for delta in deltas:
                yield delta

    async def reachable(self, timeout_s: float) -> bool:
        """See `core.ports.Provider`."""
        return await self._egress.reachable(timeout_s)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._egress.aclose()

    async def _translated(self, cleared: Cleared, clocks: Clocks) -> AsyncGenerator[Delta, None]:
        body, dropped = translate_request(
            cleared.body,
            model=cleared.target.upstream_model,
            stream=cleared.stream,
            default_max_tokens=self._default_max_tokens,
        )
        async with self._egress.post("/v1/messages", body, cleared, None, clocks.heard) as response:
            if not cleared.stream:
                delta = decode_answer(await _reading.whole(response, self._name), self._name, int(clock.unix_s()))
                yield msgspec.structs.replace(delta, dropped=dropped)
                return
            answer = AnswerStream(self._name, int(clock.unix_s()))
            async for event in _reading.events(response, self._name):
                for delta in answer.feed(event.data):
                    yield msgspec.structs.replace(delta, dropped=dropped) if dropped else delta
                    dropped = ()
                if answer.finished:
                    return
        raise UpstreamProtocolError(f"{self._name}: the stream ended before the answer did")

    async def _native(self, cleared: Cleared, clocks: Clocks) -> AsyncGenerator[Delta, None]:
        native, dropped = native_body(cleared)
        body = msgspec.json.encode(native)
        counts = cleared.dialect is Dialect.COUNT_TOKENS
        path = "/v1/messages/count_tokens" if counts else "/v1/messages"
        async with self._egress.post(path, body, cleared, self._headers(cleared), clocks.heard) as response:
            if counts or not cleared.stream:
                payload = await _reading.whole(response, self._name)
                delta = read_count(payload, self._name) if counts else read_answer(payload, self._name)
                yield msgspec.structs.replace(delta, dropped=dropped)
                return
            answer = NativeStream(self._name)
            async for event in _reading.events(response, self._name):
                for delta in answer.feed(event.data, event.name):
                    yield msgspec.structs.replace(delta, dropped=dropped) if dropped else delta
                    dropped = ()
                if answer.finished:
                    return
        raise UpstreamProtocolError(f"{self._name}: the stream ended before the answer did")

    def _headers(self, cleared: Cleared) -> dict[str, str]:
        """The caller's version and betas, the latter beside those of the configuration."""
        headers = dict(cleared.headers)
        if "anthropic-beta" in headers and self._betas:
            both = dict.fromkeys(f"{self._betas},{headers['anthropic-beta']}".replace(" ", "").split(","))
            headers["anthropic-beta"] = ",".join(both)
        return headers


def native_body(cleared: Cleared) -> tuple[JsonObject, tuple[str, ...]]:
    """Return what is sent of a request in Anthropic's own dialect: what was cleared, with the upstream's model name; and
    the names of what was left out.

    Thinking without a signature is left out: it was another model's, shown to the caller under this API, and Claude
    refuses a request that has some.
    """
    body: JsonObject = {**cleared.body, "model": cleared.target.upstream_model}
    messages = body.get("messages")
    if not isinstance(messages, list) or not any(_has_unsigned(message) for message in messages):
        return body, ()
    body["messages"] = [_signed(message) for message in messages]
    return body, ("messages.thinking",)


def _is_unsigned(block: JsonValue) -> bool:
    return isinstance(block, dict) and block.get("type") == "thinking" and not block.get("signature")


def _has_unsigned(message: JsonValue) -> bool:
    content = message.get("content") if isinstance(message, dict) else None
    return isinstance(content, list) and any(map(_is_unsigned, content))


def _signed(message: JsonValue) -> JsonValue:
    if not isinstance(message, dict) or not isinstance(content := message.get("content"), list):
        return message
    return {**message, "content": [block for block in content if not _is_unsigned(block)]}


def build(config: Config, name: str) -> Anthropic:
    """Build the provider of one configuration row; opens no connection yet."""
    headers = {"anthropic-version": API_VERSION} | {key.lower(): value for key, value in config.headers.items()}
    if config.api_key is not None:
        headers["x-api-key"] = config.api_key.get_secret_value()
    egress = Egress(name, config.base_url, headers, connect_s=config.connect_s, local=False)
    return Anthropic(egress, name, config.default_max_tokens, headers.get("anthropic-beta", ""))
