"""The engine host: one more OpenAI-compatible target, and where the list of adapters comes from."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import itertools
import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from urllib.parse import quote, urlencode

import msgspec

from router.core.adapters import AdapterListing
from router.core.errors import InvalidRequest, RouterError, UnsupportedFeature, UpstreamProtocolError, UpstreamRejected
from router.core.ports import Clocks
from router.core.types import Cleared, Delta, JsonObject, JsonValue
from router.providers._http import UNREADABLE, Egress, read_bounded
from router.providers._quirks import Quirks
from router.providers._replicas import Replicas, merged
from router.providers.openai_compatible import OpenAICompatible
from router.wire import openai_media

NAME = "local"
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
_PAUSE_S = 0.5
"""Before a host that couldn't be reached is asked again."""
_WAIT_S = 20
"""How long the host holds a question for news before it answers that there is none."""


class EngineHost(OpenAICompatible):
    """A provider that also tells which adapters there are."""

    def __init__(self, urls: Sequence[str], api_key: str | None, *, connect_s: float) -> None:
        """`urls` name hosts of the same base model and adapters, which stand in for each other."""
        headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self._hosts = [Egress(NAME, url, headers, connect_s=connect_s, local=True) for url in urls]
        self._replicas = Replicas(self._hosts)
        self._key = secrets.token_bytes(32)
        self.ready_adapters = 0
        """How many versions the host said it could serve when it was last asked."""
        super().__init__(self._replicas, NAME, ENGINE, "/v1")

    async def send(self, cleared: Cleared, clocks: Clocks) -> AsyncGenerator[Delta, None]:
        """See `core.ports.Provider`. What was found to be sensitive shares the engine's cache within its tenant alone.

        Raises:
            UnsupportedFeature: an image, recording or file is given by its address, which the engine would have to fetch.
        """
        place = openai_media.fetched_part(_contents(cleared.body))
        if place is not None:
            raise UnsupportedFeature(openai_media.refusal(place), param=place)
        if cleared.isolated:
            body: JsonObject = {**cleared.body, "cache_salt": self._salt(cleared)}
            cleared = msgspec.structs.replace(cleared, body=body)
        async with aclosing(super().send(cleared, clocks)) as deltas:
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
        """Have every host change an adapter, given as `<name>` or `<name>@<version>`; return what it is then.

        Raises:
            RouterError: a host refuses, or can't be reached; the others have done it, and the message says so.
        """
        path = f"/v1/adapters/{quote(adapter, safe='@')}:{verb}" + (f"?{urlencode(query)}" if query else "")
        told = await asyncio.gather(*(_order(egress, path) for egress in self._hosts))
        done = [listing for listing in told if isinstance(listing, AdapterListing)]
        failed = [error for error in told if isinstance(error, RouterError)]
        if failed and done:
            failed[0].message += f" ({len(failed)} of {len(told)} engine hosts; the others have done it)"
        if failed:
            raise failed[0]
        return merged(done, done[0].revision)

    async def listings(self) -> AsyncGenerator[AdapterListing, None]:
        """Yield the list of adapters now, and again each time it changes, for ever; of several hosts, all that any has.

        Raises:
            RouterError: no host is reachable; start over after a pause, as after anything else that is raised.
        """
        latest: dict[int, AdapterListing] = {}
        news: asyncio.Queue[Exception | None] = asyncio.Queue()
        following = [asyncio.create_task(self._follow(index, latest, news)) for index in range(len(self._hosts))]
        try:
            for revision in itertools.count():
                error = await news.get()
                if error is not None and not isinstance(error, RouterError):
                    raise error  # a bug: that host isn't followed any more, so all is begun anew
                if latest:
                    yield merged([latest[index] for index in sorted(latest)], revision)
                elif error is not None and len(self._hosts) == 1:
                    raise error
        finally:
            for task in following:
                task.cancel()
            await asyncio.gather(*following, return_exceptions=True)

    async def _follow(
        self, index: int, latest: dict[int, AdapterListing], news: asyncio.Queue[Exception | None]
    ) -> None:
        """Keep one host's list up to date; one that is gone keeps its last, so that its names stay known."""
        while True:
            try:
                known = latest.get(index)
                listing = await self.listing(-1 if known is None else known.revision, index)
            except RouterError as error:
                news.put_nowait(error)
                await asyncio.sleep(_PAUSE_S)
                latest_known = latest.get(index)
                if latest_known is not None:  # a host that starts anew counts its revisions from the beginning
                    latest[index] = msgspec.structs.replace(latest_known, revision=-1)
                continue
            except Exception as error:  # noqa: BLE001 told to who follows, for it ends this following
                news.put_nowait(error)
                return
            self._replicas.listed(index, listing)
            latest[index] = listing
            if known is None or listing.revision != known.revision:
                news.put_nowait(None)

    async def listing(self, after: int = -1, index: int = 0) -> AdapterListing:
        """Ask one host for its list; waits there until its revision is past `after`, or `_WAIT_S`."""
        path = f"/v1/adapters?after={after}&wait_s={_WAIT_S}"
        async with self._hosts[index].get(path, timeout_s=_WAIT_S + 10) as response:
            payload = await read_bounded(response, _MAX_LISTING_BYTES)
        return _listing(payload)

    async def ready(self) -> str | None:
        """Ask whether the engine can serve; None = yes, one host can; else what is missing."""
        missing: list[str] = []
        for egress in self._hosts:
            lack = await self._lack(egress)
            if lack is None:
                return None
            missing.append(lack)
        return "; ".join(missing)

    async def _lack(self, egress: Egress) -> str | None:
        try:
            async with egress.get("/ready", timeout_s=2, accepted=frozenset({503})) as response:
                payload = await read_bounded(response, _MAX_LISTING_BYTES)
            state = _READINESS.decode(payload or b"")
        except RouterError as error:
            return error.message
        except UNREADABLE:
            return "the engine host's answer can't be read"
        self.ready_adapters = state.adapters.get("ready", 0)
        if state.ready:
            return None
        return "; ".join(f"{item.what} {item.state} {item.detail}".strip() for item in state.missing) or "not ready"


def _contents(body: JsonObject) -> list[JsonValue]:
    messages = body.get("messages")
    if not isinstance(messages, list):
        return []
    return [message.get("content") if isinstance(message, dict) else None for message in messages]


async def _order(egress: Egress, path: str) -> AdapterListing | RouterError:
    """Tell one host; its refusal is returned, so that all are told."""
    try:
        async with egress.post_order(path, timeout_s=_ORDER_S) as response:
            return _listing(await read_bounded(response, _MAX_LISTING_BYTES))
    except UpstreamRejected as error:  # the host's own words, about the caller's order
        return InvalidRequest(error.message)
    except RouterError as error:
        return error


def _listing(payload: bytes | None) -> AdapterListing:
    try:
        return _LISTING.decode(payload or b"")
    except UNREADABLE as error:
        raise UpstreamProtocolError(
            f"the engine host's list of adapters can't be read: {type(error).__name__}"
        ) from None
