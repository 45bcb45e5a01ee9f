"""Anthropic's Messages API: chat completions go in, are sent in Anthropic's dialect, and come back as they went in."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pyreqwest import exceptions as foreign
from pyreqwest.response import Response

from router.core import clock
from router.core.errors import UpstreamProtocolError
from router.core.ports import Clocks
from router.core.types import Cleared, Delta, Dialect
from router.providers._http import MAX_ANSWER_BYTES, Egress, read_bounded, translate
from router.wire import sse
from router.wire.outbound.anthropic import AnswerStream, decode_answer, encode_request

CAPABILITIES: frozenset[str] = frozenset({"tools", "vision"})
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

    dialects = frozenset({Dialect.CHAT})

    def __init__(self, egress: Egress, name: str, default_max_tokens: int) -> None:
        self._egress = egress
        self._name = name
        self._default_max_tokens = default_max_tokens

    async def send(self, cleared: Cleared, clocks: Clocks) -> AsyncGenerator[Delta, None]:
        """See `core.ports.Provider`.

        Raises:
            InvalidRequest, UnsupportedFeature: the request can't be translated; nothing was sent.
        """
        del clocks  # connect is the client's own; the executor holds the others
        body = encode_request(
            cleared.body,
            model=cleared.target.upstream_model,
            stream=cleared.stream,
            default_max_tokens=self._default_max_tokens,
        )
        async with self._egress.post("/v1/messages", body, cleared) as response:
            if cleared.stream:
                async for delta in _stream(response, self._name):
                    yield delta
            else:
                yield await _whole(response, self._name)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._egress.aclose()


async def _whole(response: Response, name: str) -> Delta:
    payload = await read_bounded(response, MAX_ANSWER_BYTES)
    if payload is None:
        raise UpstreamProtocolError(f"{name}: the answer is larger than {MAX_ANSWER_BYTES} bytes")
    return decode_answer(payload, name, int(clock.unix_s()))


async def _stream(response: Response, name: str) -> AsyncGenerator[Delta, None]:
    """Read a stream's events up to `message_stop`.

    Raises:
        UpstreamProtocolError: not an event stream, or it ends before that.
        UpstreamUnavailable: the upstream says in an event that it failed, or the connection breaks.
    """
    content_type = response.get_header("content-type") or ""
    if not content_type.startswith("text/event-stream"):
        raise UpstreamProtocolError(f"{name}: a stream was asked for, the upstream sent '{content_type[:40]}'")
    parser, answer = sse.Parser(), AnswerStream(name, int(clock.unix_s()))
    while (chunk := await _read(response, name)) is not None:
        for event in parser.feed(chunk):
            for delta in answer.feed(event.data):
                yield delta
            if answer.finished:
                return
    raise UpstreamProtocolError(f"{name}: the stream ended before the answer did")


async def _read(response: Response, name: str) -> bytes | None:
    try:
        chunk = await response.body_reader.read_chunk()
    except foreign.PyreqwestError as error:
        raise translate(error, name) from None
    return None if chunk is None else bytes(chunk)


def build(config: Config, name: str) -> Anthropic:
    """Build the provider of one configuration row; opens no connection yet."""
    headers = {"anthropic-version": API_VERSION} | {key.lower(): value for key, value in config.headers.items()}
    if config.api_key is not None:
        headers["x-api-key"] = config.api_key.get_secret_value()
    egress = Egress(name, config.base_url, headers, connect_s=config.connect_s, local=False)
    return Anthropic(egress, name, config.default_max_tokens)
