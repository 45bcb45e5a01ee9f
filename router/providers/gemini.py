"""Google's Gemini, by API key or on Vertex AI: chat completions go in, are sent as generateContent, and come back."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack
from urllib.parse import quote, urlsplit

import msgspec
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from router.core import clock
from router.core.errors import ConfigError, RouterError, UpstreamProtocolError
from router.core.ports import Clocks
from router.core.types import Cleared, Delta, Dialect
from router.providers import _reading
from router.providers._google import Account, TokenRefused, Tokens, google_refusal
from router.providers._http import Answer, Egress, is_loopback
from router.wire import sse
from router.wire.outbound.gemini import encode_request
from router.wire.outbound.gemini_answer import AnswerStream, Asked, decode_answer
from router.wire.rate_limits import retry_after_s

CAPABILITIES: frozenset[str] = frozenset(
    {"tools", "vision", "audio", "files", "json_schema", "json_object", "logprobs", "n", "web_search"}
)
"""What the dialect as translated here can do, whatever the model."""

API_URL = "https://generativelanguage.googleapis.com/v1beta"
"""Source: https://ai.google.dev/api (2026-11)."""

_PLACE = re.compile(r"[a-z0-9:._-]{1,64}")
"""What projects and locations are written with."""


class Config(BaseModel):
    """The keys of a provider row of this kind. Either `api_key`, or `credentials` and the keys of Vertex AI."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    base_url: str | None = None
    """None = Google's own: with `api_key` https://generativelanguage.googleapis.com/v1beta, else that of `location`."""
    api_key: SecretStr | None = None
    credentials: SecretStr | None = None
    """A service account's key in JSON, for Vertex AI."""
    project: str | None = None
    """None = the one that `credentials` name."""
    location: str = "global"
    """Region of Vertex AI."""
    optional: bool = False
    """Without its key the provider is left out, instead of stopping the start."""
    connect_s: float = Field(3.0, gt=0)
    headers: dict[str, str] = {}
    """Further headers for every request."""


class Gemini:
    """The provider. `root` is the path under the base URL, `models` what comes between it and a model's plain name."""

    dialects = frozenset({Dialect.CHAT})

    def __init__(self, egress: Egress, name: str, root: str, models: str, tokens: Tokens | None) -> None:
        self._egress = egress
        self._name = name
        self._root = root
        self._models = models
        self._tokens = tokens

    async def send(self, cleared: Cleared, clocks: Clocks) -> AsyncGenerator[Delta, None]:
        """See `core.ports.Provider`.

        Raises:
            InvalidRequest, UnsupportedFeature: the request can't be translated; nothing was sent.
        """
        model = cleared.target.upstream_model
        encoded = encode_request(cleared.body, model=model)
        asked = Asked(
            who=self._name,
            model=model,
            created_s=int(clock.unix_s()),
            choices=encoded.choices,
            refused=lambda status, body: google_refusal(self._name, status, body, None),
        )
        dropped = encoded.dropped
        async with AsyncExitStack() as stack:
            path = self._path(model, stream=cleared.stream)
            response = await self._ask(stack, path, encoded.payload, cleared, clocks.heard)
            if not cleared.stream:
                delta = decode_answer(await _reading.whole(response, self._name), asked)
                yield msgspec.structs.replace(delta, dropped=dropped)
                return
            async for delta in _stream(response, asked):
                yield msgspec.structs.replace(delta, dropped=dropped) if dropped else delta
                dropped = ()

    async def _ask(
        self,
        stack: AsyncExitStack,
        path: str,
        body: bytes,
        cleared: Cleared,
        heard: Callable[[Mapping[str, str]], None],
    ) -> Answer:
        """Send a request; with a token that is refused once more, with a new one."""
        if self._tokens is None:
            return await stack.enter_async_context(self._egress.post(path, body, cleared, None, heard))
        token = await self._tokens.get()
        try:
            return await stack.enter_async_context(self._egress.post(path, body, cleared, _bearer(token), heard))
        except TokenRefused:
            token = await self._tokens.get(refused=token)
        return await stack.enter_async_context(self._egress.post(path, body, cleared, _bearer(token), heard))

    def _path(self, model: str, *, stream: bool) -> str:
        method = "streamGenerateContent?alt=sse" if stream else "generateContent"
        return f"{self._root}{'' if '/' in model else self._models}{quote(model)}:{method}"

    async def reachable(self, timeout_s: float) -> bool:
        """See `core.ports.Provider`."""
        return await self._egress.reachable(timeout_s)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._egress.aclose()
        if self._tokens is not None:
            await self._tokens.aclose()


def _bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def _stream(response: Answer, asked: Asked) -> AsyncGenerator[Delta, None]:
    """Read a stream's events until the upstream closes it.

    Raises:
        UpstreamProtocolError: not an event stream, or it ends before every candidate has its finish reason.
        RouterError: the upstream says in an event that it failed, or the connection breaks.
    """
    parser, answer = sse.Parser(), AnswerStream(asked)
    async for event in _reading.events(response, asked.who, parser):
        for delta in answer.feed(event.data):
            yield delta
    if parser.incomplete:
        raise UpstreamProtocolError(f"{asked.who}: the stream ended within an event")
    for delta in answer.end():
        yield delta


def _refusal(who: str, status: int, headers: Mapping[str, str], body: bytes) -> RouterError:
    return google_refusal(who, status, body, retry_after_s(headers, clock.unix_s()))


def build(config: Config, name: str) -> Gemini:
    """Build the provider of one configuration row; opens no connection yet.

    Raises:
        ConfigError: the key file can't be used, or the keys of both ways are mixed.
    """
    headers = {key.lower(): value for key, value in config.headers.items()}
    if config.credentials is None:
        if config.project is not None:
            raise ConfigError("'project' is Vertex AI's; give 'credentials' too: file:PATH of a service account's key")
        if config.api_key is not None:
            headers["x-goog-api-key"] = config.api_key.get_secret_value()
        base_url = config.base_url or API_URL
        egress = Egress(name, base_url, headers, connect_s=config.connect_s, local=False, refusal=_refusal)
        return Gemini(egress, name, "/", "models/", None)
    if config.api_key is not None:
        raise ConfigError("give either 'api_key' (Gemini API) or 'credentials' (Vertex AI), not both")
    account = Account(config.credentials.get_secret_value())
    project = config.project or account.project
    if not _PLACE.fullmatch(project) or not _PLACE.fullmatch(config.location):
        raise ConfigError(
            "'project' and 'location' must be a project's id and a region, like my-project and europe-west4"
        )
    host = urlsplit(account.token_uri)
    if host.scheme != "https" and not is_loopback(host.hostname or ""):
        raise ConfigError("the credentials' token_uri must be https; take the key file as Google wrote it")
    base_url = config.base_url or vertex_url(config.location)
    egress = Egress(name, base_url, headers, connect_s=config.connect_s, local=False, refusal=_refusal)
    root = f"/v1/projects/{project}/locations/{config.location}/"
    tokens = Tokens(name, account, connect_s=config.connect_s)
    return Gemini(egress, name, root, "publishers/google/models/", tokens)


def vertex_url(location: str) -> str:
    """Name the host of a region of Vertex AI.

    Source: https://docs.cloud.google.com/vertex-ai/generative-ai/docs/learn/locations (2026-11).
    """
    if location == "global":
        return "https://aiplatform.googleapis.com"
    if location in ("us", "eu"):
        return f"https://aiplatform.{location}.rep.googleapis.com"
    return f"https://{location}-aiplatform.googleapis.com"
