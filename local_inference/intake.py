"""Takes one adapter's folder in: every check, in order, and the copy in the store. Knows nothing of engines."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from local_inference.base import BaseFacts
from local_inference.card import CARD_FILES, MAX_CARD_BYTES, UNREAD, CardReading, read_card
from local_inference.errors import Rejected, fit_to_show
from local_inference.fit import check
from local_inference.ingest import Limits, check_folder, check_name
from local_inference.places import SIGNATURE, SUMS, locate
from local_inference.signing import (
    MAX_SIGNATURE_BYTES,
    MAX_SUMS_BYTES,
    check_signature,
    check_sums,
    fingerprint,
    parse_sums,
)
from local_inference.store import ChangedWhileRead, Copy, Store, read_small
from router.core.adapters import AdapterCard, AdapterInfo, version_of

_PARALLEL = 2


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What an adapter must fulfil."""

    limits: Limits
    trusted: Sequence[Ed25519PublicKey] = ()
    """With any, an adapter must be signed by one of them."""
    tool_format: str | None = None
    """How the engine reads tool calls."""


class Taken(msgspec.Struct, frozen=True):
    """A version that may be loaded."""

    sha256: str
    path: Path
    info: AdapterInfo
    signer: str = ""
    """Fingerprint of the trusted key that signed it."""
    is_new: bool = False
    """Whether its copy in the store was made just now; an older one may have been damaged since."""


class Intake:
    """Checks some folders at a time; `read_base` gives the base model's shapes, once they can be had."""

    def __init__(
        self,
        folder: Path,
        store: Store,
        rules: Rules,
        read_base: Callable[[], BaseFacts | None],
        wait_engine: Callable[[], Awaitable[None]],
    ) -> None:
        self._folder = folder
        self._store = store
        self._rules = rules
        self._read_base = read_base
        self._wait_engine = wait_engine
        self._base: BaseFacts | None = None
        self._slots = asyncio.Semaphore(_PARALLEL)
        self._pausing = asyncio.Lock()
        """Two who pause would each wait for the slots that the other holds."""

    async def take(self, name: str, on_content: Callable[[str], None], *, known: bool) -> Taken:
        """Check and store what a folder holds now; `on_content` hears its SHA-256 as soon as that is known.

        `known` says whether the store may have it already.

        Raises:
            Rejected: why it can't be served.
            OSError: a file vanished, changed or can't be read.
        """
        check_name(name, self._rules.limits.reserved)
        base = await self._base_facts()
        async with self._slots:
            copy = await self._copied(name, known=known)
            try:
                on_content(copy.sha256)
                info, signer = await asyncio.to_thread(self._check, name, copy, base)
                path, is_new = await asyncio.to_thread(self._keep, copy)
            finally:
                await asyncio.to_thread(self._store.drop, copy)
        return Taken(copy.sha256, path, info, signer, is_new)

    async def card(self, name: str) -> AdapterCard:
        """Read what a folder's card says now."""
        return await asyncio.to_thread(self._card, name)

    async def is_whole(self, path: Path) -> bool:
        """Check a version that an earlier process stored: its content, and whether it fits what is served now.

        Raises:
            Rejected: it doesn't fit any more.
        """
        base = await self._base_facts()
        async with self._slots:
            if not await asyncio.to_thread(self._store.is_whole, path.name):
                return False
            await asyncio.to_thread(check, path, base, self._rules.limits)
        return True

    def trusts(self, signer: str) -> bool:
        """Say whether a version that was signed so may be served."""
        return not self._rules.trusted or signer in map(fingerprint, self._rules.trusted)

    @asynccontextmanager
    async def paused(self) -> AsyncGenerator[None]:
        """Let nothing be copied meanwhile."""
        async with self._pausing, AsyncExitStack() as stack:
            for _ in range(_PARALLEL):
                await stack.enter_async_context(self._slots)
            yield

    def _card(self, name: str) -> AdapterCard:
        folder = locate(self._folder, name)
        try:
            return read_card(lambda file: read_small(folder, file, MAX_CARD_BYTES)).card
        except (OSError, Rejected):
            return UNREAD

    async def _copied(self, name: str, *, known: bool) -> Copy:
        """Copy a folder in a thread; cancelling ends the thread too, and what it had copied is gone."""
        unwanted = threading.Event()
        copying = asyncio.ensure_future(asyncio.to_thread(self._copy, name, unwanted, known))
        try:
            return await asyncio.shield(copying)
        except asyncio.CancelledError:
            unwanted.set()
            await asyncio.wait([copying])
            if copying.exception() is None:
                await asyncio.to_thread(self._store.drop, copying.result())
            raise

    def _copy(self, name: str, unwanted: threading.Event, known: bool) -> Copy:
        folder = locate(self._folder, name)
        check_folder(folder, self._rules.limits)
        return self._store.take(folder, unwanted.is_set, known=known)

    def _keep(self, copy: Copy) -> tuple[Path, bool]:
        is_new = not self._store.path(copy.sha256).exists()
        return self._store.keep(copy), is_new

    def _check(self, name: str, copy: Copy, base: BaseFacts | None) -> tuple[AdapterInfo, str]:
        return judge(locate(self._folder, name), name, copy, base, self._rules)

    async def _base_facts(self) -> BaseFacts | None:
        """Read the base model's shapes; a hub model's files may be here only once the engine runs."""
        if self._base is None:
            self._base = await asyncio.to_thread(self._read_base)
        if self._base is None:
            await self._wait_engine()
            self._base = await asyncio.to_thread(self._read_base)
        return self._base


def judge(folder: Path, name: str, copy: Copy, base: BaseFacts | None, rules: Rules) -> tuple[AdapterInfo, str]:
    """Check a copy, and the few files beside it that are read; return what it is, and who signed it. Blocking.

    Raises:
        Rejected: each failure with its own reason code.
    """
    small = {file: read_small(folder, file, MAX_CARD_BYTES) for file in CARD_FILES}
    signer = _vouch(folder, copy.sums, small, rules.trusted)
    manifest = check(copy.path, base, rules.limits)
    reading = read_card(small.get)
    warnings = (*manifest.warnings, *reading.warnings, *_tool_warning(reading, rules.tool_format))
    info = AdapterInfo(
        name=name,
        version=version_of(copy.sha256),
        state="stored",
        message=fit_to_show("; ".join(warnings)) or None,
        rank=manifest.rank,
        size_bytes=manifest.size_bytes,
        card=reading.card,
    )
    return info, signer


def _vouch(
    folder: Path, sums: dict[str, str], small: dict[str, bytes | None], trusted: Sequence[Ed25519PublicKey]
) -> str:
    """Compare with the list of sums, where there is one; demand it, signed, where keys are trusted."""
    listed = read_small(folder, SUMS, MAX_SUMS_BYTES)
    signature = read_small(folder, SIGNATURE, MAX_SIGNATURE_BYTES) if trusted else None
    signer = check_signature(listed, signature, trusted) if trusted else ""
    if listed is None:
        return signer
    if not sums:  # it came after the files were hashed: nothing was compared with it yet
        raise ChangedWhileRead(errno.EAGAIN, f"{SUMS} changed while it was read")
    found = {name: None if data is None else hashlib.sha256(data).hexdigest() for name, data in small.items()}
    check_sums(parse_sums(listed), {**sums, **found}, whole=bool(trusted))
    return signer


def _tool_warning(reading: CardReading, served: str | None) -> tuple[str, ...]:
    wanted = reading.card.tool_format
    if wanted in (None, "none", served):
        return ()
    return (f"card: made for tool calls in the format '{wanted}', the engine reads {served or 'none'}",)
