"""Which adapters the engine host serves right now, and the selector that chooses among them."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from router.core.errors import RouterError, stack_of
from router.core.types import AdapterInfo, AdapterListing, Request, Selection
from router.providers.local import EngineHost
from router.routing.candidates import LocalModels
from router.routing.features import needs
from router.wire.openai_chat import instruction_turns

_log = logging.getLogger(__name__)

_RETRY_S = 0.5
"""Pause before the engine host is asked again after it couldn't be reached."""

EMPTY = AdapterListing(revision=-1, base_model="", data=())


class Explanation(Protocol):
    """A selection and the facts around it."""

    @property
    def selection(self) -> Selection: ...

    @property
    def adapters(self) -> int:
        """How many are ready."""
        ...

    @property
    def ruled_out(self) -> Mapping[str, str]:
        """Adapter -> the filter that it didn't pass."""
        ...

    @property
    def tie_margin(self) -> float: ...

    @property
    def floor(self) -> float:
        """What score a prompt that fits no adapter still gets."""
        ...


class Selector(Protocol):
    """SONA: blocking and CPU-bound, so it's only called in this module's threads."""

    def update(self, adapters: tuple[AdapterInfo, ...]) -> None: ...

    def explain(
        self, text: str, *, earlier: Sequence[str], tenant: str | None, needs: Set[str], resident: Set[str]
    ) -> Explanation: ...


class AdapterDirectory:
    """Follows the engine host's list of adapters; answers from memory.

    When the host is down the last list is kept: names stay valid and their requests say what is wrong.
    """

    def __init__(self, selector: Selector | None) -> None:
        """Without a selector the base model answers whatever names no adapter."""
        self._selector = selector
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sona")
        # New cards take seconds to read: a request must not wait for them.
        self._updates = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sona-update")
        self.listing = EMPTY
        self.models = LocalModels()

    @property
    def listed(self) -> bool:
        """Whether the host's list has come in, and SONA knows it."""
        return self.listing is not EMPTY

    async def follow(self, host: EngineHost) -> None:
        """Keep up with the host until cancelled."""
        while True:
            try:
                async for listing in host.listings():
                    await self.update(listing)
            except RouterError as error:
                _log.debug("the engine host's adapters can't be listed: %s", error.code)
            except Exception as error:  # noqa: BLE001 one odd card must not end the following of all others
                _log.error("the engine host's list of adapters could not be taken over\n%s", stack_of(error))
            await asyncio.sleep(_RETRY_S)

    async def update(self, listing: AdapterListing) -> None:
        """Take over a new list; the selector first, so that a listed adapter is selectable."""
        if self._selector is not None:
            ready = tuple(info for info in listing.data if info.state == "ready")
            await asyncio.get_running_loop().run_in_executor(self._updates, self._selector.update, ready)
        self.listing = listing
        self.models = local_models(listing)

    async def choose(self, request: Request) -> Selection:
        """Choose the adapter for a request; any failure means the base model, never a failed request."""
        if self._selector is None or not self.models.current:
            reason = "selection is off" if self._selector is None else "no adapter is ready"
            return Selection(adapter=None, confidence=0.0, margin=0.0, state_version="", reason=reason)
        try:
            return (await self._explain(self._selector, request)).selection
        except Exception:  # noqa: BLE001 a selector at fault must not cost the answer
            # The exception's own text could quote the prompt: it isn't logged.
            _log.error("the selector failed; the base model answers")
            return Selection(adapter=None, confidence=0.0, margin=0.0, state_version="", reason="the selector failed")

    async def explain(self, request: Request) -> Explanation | None:
        """Choose and say what the choice is made of; None where selection is off. What SONA raises is raised."""
        return await self._explain(self._selector, request) if self._selector is not None else None

    async def _explain(self, selector: Selector, request: Request) -> Explanation:
        latest, *earlier = instruction_turns(request.body)
        ask = functools.partial(
            selector.explain,
            latest,
            earlier=earlier,
            tenant=request.principal.tenant,
            needs=needs(request.body),
            resident=frozenset(info.id for info in self.listing.data if info.residency == "device"),
        )
        return await asyncio.get_running_loop().run_in_executor(self._thread, ask)

    def close(self) -> None:
        """End the selector's threads."""
        for thread in (self._thread, self._updates):
            thread.shutdown(wait=False, cancel_futures=True)


def local_models(listing: AdapterListing) -> LocalModels:
    """Index a list of adapters by name and id; the newest ready version of a name is its current one."""
    current = {info.name: info.id for info in listing.data if info.state == "ready"}
    return LocalModels(
        current=current,
        ids=frozenset(info.id for info in listing.data if info.state == "ready"),
        known=frozenset(info.name for info in listing.data),
    )
