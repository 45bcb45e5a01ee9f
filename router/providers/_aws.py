"""The only place that knows botocore: signs requests for AWS and takes its event streams apart. Sends nothing itself.

What asks for credentials by AWS's own chain may read files and the environment, and call AWS or a metadata service.
"""

# botocore has no types of its own.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

import asyncio
import importlib
import struct
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

import msgspec

from router.core.errors import ConfigError, UpstreamAuthFailed, UpstreamProtocolError

if TYPE_CHECKING:
    from botocore.credentials import Credentials

MAX_EVENT_BYTES = 32 * 1024 * 1024
"""An event larger than this is taken for a broken upstream; botocore's own bound is 24 MiB and its headers."""

_PRELUDE_BYTES = 12


def require_botocore(kind: str) -> None:
    """Import botocore now, so that a missing one stops the start and not a request.

    Raises:
        ConfigError: it isn't installed; says how it is.
    """
    for module in ("auth", "awsrequest", "credentials", "eventstream", "session"):
        try:
            importlib.import_module(f"botocore.{module}")
        except ImportError:
            message = f"kind '{kind}' needs the package botocore; install it: pip install 'sona-router[bedrock]'"
            raise ConfigError(message) from None


class Keys(msgspec.Struct, frozen=True):
    """What signs a request."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None

    def __repr__(self) -> str:
        """Show none of it: a repr may end in a log."""
        return "Keys()"


class KeySource(Protocol):
    """Where keys come from; asked for every request, since they may expire."""

    async def keys(self) -> Keys:
        """Return the keys that hold now.

        Raises:
            UpstreamAuthFailed: there are none.
        """
        ...


class FixedKeys:
    """Keys of the configuration."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    async def keys(self) -> Keys:
        """See `KeySource`."""
        return self._keys


class ChainKeys:
    """Keys that botocore finds by its own chain: environment, profiles, roles, metadata services.

    Nothing is looked for before the first request, and then in a thread, since that may wait for files and networks.
    """

    def __init__(self, who: str) -> None:
        self._who = who
        self._lock = asyncio.Lock()
        self._found: Credentials | None = None

    async def keys(self) -> Keys:
        """See `KeySource`."""
        async with self._lock:  # one search, however many requests wait for it
            return await asyncio.to_thread(self._search)

    def _search(self) -> Keys:
        from botocore.exceptions import BotoCoreError
        from botocore.session import Session

        try:
            if self._found is None:
                self._found = Session().get_credentials()
            if self._found is None:
                raise UpstreamAuthFailed(f"{self._who}: AWS's credential chain found no credentials for the router")
            frozen = self._found.get_frozen_credentials()
            return Keys(frozen.access_key, frozen.secret_key, frozen.token)
        except (BotoCoreError, OSError) as error:
            why = type(error).__name__
            raise UpstreamAuthFailed(f"{self._who}: AWS's credential chain failed ({why})") from None


def signed(url: str, body: bytes, keys: Keys, *, region: str, service: str, unix_s: float) -> dict[str, str]:
    """Sign a POST of JSON (AWS's Signature Version 4); return the headers to send it with.

    Host and content type are signed too: they must be sent as `url` and `application/json` say.
    """
    from botocore.auth import SIGV4_TIMESTAMP, SigV4Auth
    from botocore.awsrequest import AWSRequest

    # `add_auth` does the same, but takes the time from the machine and logs what it signs.
    stamp = datetime.fromtimestamp(unix_s, UTC).strftime(SIGV4_TIMESTAMP)
    headers = {"x-amz-date": stamp}
    if keys.session_token is not None:
        headers["x-amz-security-token"] = keys.session_token
    request = AWSRequest("POST", url, headers={"content-type": "application/json", **headers}, data=body)
    request.context["timestamp"] = stamp
    signer = SigV4Auth(_Credentials(keys), service, region)
    to_sign = signer.string_to_sign(request, signer.canonical_request(request))
    names = signer.signed_headers(signer.headers_to_sign(request))
    signature = signer.signature(to_sign, request)
    scope = signer.scope(request)
    headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={names}, Signature={signature}"
    return headers


class _Credentials:
    """Keys under botocore's names."""

    def __init__(self, keys: Keys) -> None:
        self.access_key, self.secret_key, self.token = keys.access_key_id, keys.secret_access_key, keys.session_token


class Signer:
    """Signs what one provider sends, over the very bytes."""

    def __init__(self, source: KeySource, *, region: str, service: str, unix_s: Callable[[], float]) -> None:
        self._source = source
        self._region = region
        self._service = service
        self._unix_s = unix_s

    async def headers(self, url: str, body: bytes) -> dict[str, str]:
        """Return the headers that make a POST of `body` valid for some minutes.

        Raises:
            UpstreamAuthFailed: there are no keys.
        """
        keys = await self._source.keys()
        return signed(url, body, keys, region=self._region, service=self._service, unix_s=self._unix_s())


class Event(msgspec.Struct, frozen=True):
    """One message of an event stream."""

    kind: str
    """`event`, `exception` or `error`."""
    name: str
    """Type of the event or exception, code of the error."""
    payload: bytes


class EventParser:
    """Turns arbitrary chunks of bytes into whole events. Linear in what it is fed, however it is cut."""

    def __init__(self, who: str) -> None:
        self._who = who
        self._held: list[bytes] = []
        self._size = 0
        self._needed = _PRELUDE_BYTES

    def feed(self, chunk: bytes) -> list[Event]:
        """Take the next bytes; return the events they complete.

        Raises:
            UpstreamProtocolError: a checksum is wrong, or it isn't such a stream.
        """
        self._held.append(chunk)
        self._size += len(chunk)
        if self._size < self._needed:
            return []
        from botocore.eventstream import EventStreamBuffer, ParserError

        data, used = b"".join(self._held), 0
        buffer, events = EventStreamBuffer(), list[Event]()
        buffer.add_data(data)
        try:
            for message in buffer:
                events.append(_event(message.headers, message.payload))
                used += message.prelude.total_length  # pyright: ignore[reportOptionalMemberAccess] it was just read
        except (ParserError, struct.error, LookupError, UnicodeDecodeError):
            raise UpstreamProtocolError(f"{self._who}: the event stream is damaged") from None
        rest = data[used:]
        self._held, self._size = [rest], len(rest)
        # The parser checked the checksum of this length as soon as it was whole.
        self._needed = int.from_bytes(rest[:4]) if len(rest) >= _PRELUDE_BYTES else _PRELUDE_BYTES
        if self._needed > MAX_EVENT_BYTES:
            raise UpstreamProtocolError(f"{self._who}: the upstream sent an event larger than 32 MiB")
        return events


def _event(headers: dict[str, object], payload: bytes) -> Event:
    kind = str(headers.get(":message-type", ""))
    name = {"event": ":event-type", "exception": ":exception-type", "error": ":error-code"}.get(kind, "")
    return Event(kind, str(headers.get(name, "")), payload)
