"""The engine host: one more OpenAI-compatible target, and where the list of adapters comes from."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from urllib.parse import quote, urlencode

import msgspec

from router.core.errors import InvalidRequest, RouterError, UpstreamProtocolError, UpstreamRejected
from router.core.ports import Clocks
from router.core.types import AdapterListing, Cleared, Delta
from router.providers._http import Egress, read_bounded
from router.providers._quirks import Quirks
from router.providers.openai_compatible import OpenAICompatible

NAME = "local"
TENANT_HEADER = "x-router-tenant"
_ORDER_S = 30


ENGINE = Quirks(endpoints=("chat", "completions"))
"""What the engine host answers as it is."""


class _Missing(msgspec.Struct):
    what: str
    state: str = ""
    detail: str = ""


class _Readiness(msgspec.Struct):
    ready: bool
    missing: tuple[_Missing, ...] = ()
    adapters: dict[str, int] = {}


_READINESS = msgspec.json.Decoder(_Readiness)
_LISTING = msgspec.json.Decoder(AdapterListing)
_MAX_LISTING_BYTES = 64 * 1024 * 1024
_WAIT_S = 20
"""How long the host holds a question for news before it answers that there is none."""


class EngineHost(OpenAICompatible):
    """A provider that also tells which adapters there are."""

    def __init__(self, url: str, api_key: str | None, *, connect_s: float) -> None:
        headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self._egress = Egress(NAME, url, headers, connect_s=connect_s, local=True)
        self._key = secrets.token_bytes(32)
        self.ready_adapters = 0
        """How many versions the host said it could serve when it was last asked."""
        super().__init__(self._egress, NAME, ENGINE, "/v1")

    async def send(self, cleared: Cleared, clocks: Clocks) -> AsyncGenerator[Delta, None]:
        """See `core.ports.Provider`. The host hears whose request it is: some adapters are for some tenants."""
        headers = (*cleared.headers, (TENANT_HEADER, quote(cleared.tenant, safe="")))
        body = {**cleared.body, "cache_salt": self._salt(cleared)} if cleared.isolated else cleared.body
        own = msgspec.structs.replace(cleared, headers=headers, body=body)
        async with aclosing(super().send(own, clocks)) as deltas:
            async for delta in deltas:
                yield delta

    def _salt(self, cleared: Cleared) -> str:
        """Name a tenant's part of the engine's prefix cache, so that nobody can guess another's.

        Without it, how fast an answer begins tells a caller whether somebody else sent the same beginning.
        Source: https://docs.vllm.ai/en/latest/design/prefix_caching/ (cache_salt), read 2026-11.
        """
        own = cleared.body.get("cache_salt")
        parts = msgspec.json.encode([cleared.tenant, own if isinstance(own, str) else ""])
        return hmac.new(self._key, parts, hashlib.sha256).hexdigest()

    async def order(self, adapter: str, verb: str, query: Mapping[str, str]) -> AdapterListing:
        """Have the host change an adapter, given as `<name>` or `<name>@<version>`; return what it is then.

        Raises:
            RouterError: the host refuses, or can't be reached.
        """
        path = f"/v1/adapters/{quote(adapter, safe='@')}:{verb}" + (f"?{urlencode(query)}" if query else "")
        try:
            async with self._egress.post_order(path, timeout_s=_ORDER_S) as response:
                payload = await read_bounded(response, _MAX_LISTING_BYTES)
        except UpstreamRejected as error:  # the host's own words, about the caller's order
            raise InvalidRequest(error.message) from None
        return _listing(payload)

    async def listings(self) -> AsyncGenerator[AdapterListing, None]:
        """Yield the list of adapters now, and again each time it changes, for ever.

        Raises:
            RouterError: the host is unreachable; start over after a pause.
        """
        revision = -1
        while True:
            listing = await self.listing(after=revision)
            if listing.revision != revision:
                revision = listing.revision
                yield listing

    async def listing(self, after: int = -1) -> AdapterListing:
        """Ask for the list; waits on the host until its revision is past `after`, or `_WAIT_S`."""
        path = f"/v1/adapters?after={after}&wait_s={_WAIT_S}"
        async with self._egress.get(path, timeout_s=_WAIT_S + 10) as response:
            payload = await read_bounded(response, _MAX_LISTING_BYTES)
        return _listing(payload)

    async def ready(self) -> str | None:
        """Ask whether the engine can serve; None = yes, else what is missing."""
        try:
            async with self._egress.get("/ready", timeout_s=2, accepted=frozenset({503})) as response:
                payload = await read_bounded(response, _MAX_LISTING_BYTES)
            state = _READINESS.decode(payload or b"")
        except RouterError as error:
            return error.message
        except msgspec.DecodeError:
            return "the engine host's answer can't be read"
        self.ready_adapters = state.adapters.get("ready", 0)
        if state.ready:
            return None
        return "; ".join(f"{item.what} {item.state} {item.detail}".strip() for item in state.missing) or "not ready"


def _listing(payload: bytes | None) -> AdapterListing:
    try:
        return _LISTING.decode(payload or b"")
    except msgspec.DecodeError as error:
        raise UpstreamProtocolError(f"the engine host's list of adapters can't be read: {error}") from None
