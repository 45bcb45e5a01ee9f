"""The engine host: one more OpenAI-compatible target, and where the list of adapters comes from."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import msgspec

from router.core.errors import RouterError, UpstreamProtocolError
from router.core.types import AdapterListing
from router.providers._http import Egress, read_bounded
from router.providers._quirks import Quirks
from router.providers.openai_compatible import OpenAICompatible

NAME = "local"


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
        self.ready_adapters = 0
        """How many versions the host said it could serve when it was last asked."""
        super().__init__(self._egress, NAME, ENGINE, "/v1")

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
        try:
            return _LISTING.decode(payload or b"")
        except msgspec.DecodeError as error:
            raise UpstreamProtocolError(f"the engine host's list of adapters can't be read: {error}") from None

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
