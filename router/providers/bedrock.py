"""Amazon Bedrock's Converse and ConverseStream: chat completions go in, are signed and sent in Bedrock's dialect, and come back."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Literal, Self
from urllib.parse import quote

import msgspec
from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from router.core import clock
from router.core.errors import RouterError, UpstreamProtocolError, UpstreamUnavailable
from router.core.ports import Clocks
from router.core.types import Cleared, Delta, Dialect
from router.providers import _reading
from router.providers._aws import ChainKeys, EventParser, FixedKeys, Keys, KeySource, Signer, require_botocore
from router.providers._http import UNREADABLE, Answer, Egress
from router.wire.outbound._bedrock_answer import error_named
from router.wire.outbound._hub import Head
from router.wire.outbound.bedrock import AnswerStream, decode_answer, encode_request
from router.wire.rate_limits import retry_after_s

CAPABILITIES: frozenset[str] = frozenset({"tools", "vision", "files", "json_schema"})
"""What the dialect as translated here can do, whatever the model."""

EVENT_STREAM = "application/vnd.amazon.eventstream"
_SERVICE = "bedrock"
"""The name in signatures, which isn't the one in the host."""


class Config(BaseModel):
    """The keys of a provider row of this kind. Exactly one way to prove who calls is given, or none if it is optional."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    region: str = Field(pattern=r"^[a-z0-9-]{1,32}$")
    """AWS region, e.g. `eu-central-1`; part of the host and of signatures."""
    base_url: str | None = None
    """Without `/model`; null = the region's public endpoint."""
    api_key: SecretStr | None = None
    """A Bedrock API key."""
    access_key_id: SecretStr | None = None
    secret_access_key: SecretStr | None = None
    session_token: SecretStr | None = None
    """With temporary keys."""
    credentials: Literal["chain"] | None = None
    """`chain` = what botocore finds by itself, when the first request comes."""
    optional: bool = False
    """Without its keys the provider is left out, instead of stopping the start."""
    connect_s: float = Field(3.0, gt=0)
    headers: dict[str, str] = {}
    """Further headers for every request; they aren't signed."""

    @property
    def has_key(self) -> bool:
        """Whether there is a way to prove who calls."""
        return self.credentials is not None or self.api_key is not None or self.access_key_id is not None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        pair = (self.access_key_id is not None, self.secret_access_key is not None)
        if pair[0] != pair[1]:
            raise ValueError("access_key_id and secret_access_key belong together; set both")
        ways = sum((self.api_key is not None, pair[0], self.credentials is not None))
        if ways > 1 or (ways == 0 and not self.optional):
            raise ValueError("write api_key, or access_key_id and secret_access_key, or credentials: chain")
        return self


class Bedrock:
    """The provider. `signer=None` = the key is among the headers of every request."""

    dialects = frozenset({Dialect.CHAT})

    def __init__(self, egress: Egress, name: str, base_url: str, signer: Signer | None) -> None:
        self._egress = egress
        self._name = name
        self._base_url = base_url
        self._signer = signer

    async def send(self, cleared: Cleared, clocks: Clocks) -> AsyncGenerator[Delta, None]:
        """See `core.ports.Provider`.

        Raises:
            InvalidRequest, UnsupportedFeature: the request can't be translated; nothing was sent.
        """
        model = cleared.target.upstream_model
        body, dropped = encode_request(cleared.body, model=model)
        # An ARN's slashes and colons are part of one segment of the path.
        path = f"/model/{quote(model, safe='')}/converse{'-stream' if cleared.stream else ''}"
        headers = {"accept": EVENT_STREAM if cleared.stream else "application/json"}
        if self._signer is not None:
            headers |= await self._signer.headers(self._base_url + path, body)
        head = Head(id=f"chatcmpl-{cleared.request_id}", model=model, created_s=int(clock.unix_s()))
        async with self._egress.post(path, body, cleared, headers, clocks.heard) as response:
            if not cleared.stream:
                delta = decode_answer(await _reading.whole(response, self._name), self._name, head)
                yield msgspec.structs.replace(delta, dropped=dropped)
                return
            async for delta in _stream(response, self._name, head):
                yield msgspec.structs.replace(delta, dropped=dropped) if dropped else delta
                dropped = ()

    async def reachable(self, timeout_s: float) -> bool:
        """See `core.ports.Provider`."""
        return await self._egress.reachable(timeout_s)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._egress.aclose()


async def _stream(response: Answer, name: str, head: Head) -> AsyncGenerator[Delta, None]:
    """Read a stream's events up to its metadata.

    Raises:
        UpstreamProtocolError: not an event stream, a damaged one, or it ends before that.
        RouterError: the upstream says in an event that it failed, or the connection breaks.
    """
    parser, answer = EventParser(name), AnswerStream(name, head)
    async for chunk in _reading.chunks(response, name, EVENT_STREAM):
        for event in parser.feed(chunk):
            for delta in answer.feed(event.kind, event.name, event.payload):
                yield delta
            if answer.finished:
                return
    raise UpstreamProtocolError(f"{name}: the stream ended before the answer did")


class _Said(msgspec.Struct):
    type: str | None = msgspec.field(default=None, name="__type")
    code: str | None = None


_SAID = msgspec.json.Decoder(_Said)


def _refusal(who: str, status: int, headers: Mapping[str, str], body: bytes) -> RouterError | None:
    """Read an error's name, where AWS puts it: in a header, or in the body. The status alone is ambiguous."""
    try:
        said = _SAID.decode(body)
    except UNREADABLE:
        said = _Said()
    wait_s = retry_after_s(headers, clock.unix_s())
    for name in (headers.get("x-amzn-errortype"), said.type, said.code):
        if name and (error := error_named(name, who, retry_after_s=wait_s)) is not None:
            return error
    return UpstreamUnavailable(f"{who} answered {status}") if status == 424 else None


def build(config: Config, name: str, unix_s: Callable[[], float] = clock.unix_s) -> Bedrock:
    """Build the provider of one configuration row; opens no connection and looks for no credentials yet.

    Raises:
        ConfigError: botocore isn't installed, or the URL is none.
    """
    require_botocore("bedrock")
    base_url = (config.base_url or f"https://bedrock-runtime.{config.region}.amazonaws.com").rstrip("/")
    headers = {key.lower(): value for key, value in config.headers.items()}
    if config.api_key is not None:
        headers["authorization"] = f"Bearer {config.api_key.get_secret_value()}"
    egress = Egress(name, base_url, headers, connect_s=config.connect_s, local=False, refusal=_refusal)
    source = _source(config, name)
    signer = None if source is None else Signer(source, region=config.region, service=_SERVICE, unix_s=unix_s)
    return Bedrock(egress, name, base_url, signer)


def _source(config: Config, name: str) -> KeySource | None:
    if config.credentials is not None:
        return ChainKeys(name)
    if config.access_key_id is None or config.secret_access_key is None:
        return None
    token = config.session_token.get_secret_value() if config.session_token else None
    return FixedKeys(Keys(config.access_key_id.get_secret_value(), config.secret_access_key.get_secret_value(), token))
