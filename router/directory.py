"""Which adapters the engine host serves right now, and the selector that chooses among them."""

from __future__ import annotations

import asyncio
import functools
import logging
import random
from collections.abc import Callable, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Protocol

import msgspec

from router.core.adapters import AdapterInfo, AdapterListing, Selection
from router.core.errors import RouterError, stack_of
from router.core.types import Principal, Request
from router.providers.local import EngineHost
from router.routing.candidates import LocalModels
from router.routing.features import needs
from router.routing.language import SURE_PROBABILITY, LanguageDetector
from router.wire.openai_chat import instruction_turns

_log = logging.getLogger(__name__)

_RETRY_S = 0.5
"""Pause before the engine host is asked again after it couldn't be reached."""

_AGREE_S = 1.0
"""How long an order's answer waits for this list; the engine host's news come within milliseconds."""

_MAX_TENANTS = 1000
"""Tenants whose view is kept made; they come from the configuration, so there are few."""

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

    def prepare(self, adapters: tuple[AdapterInfo, ...]) -> None:
        """Read what will be ready soon."""
        ...

    def explain(
        self,
        text: str,
        *,
        earlier: Sequence[str],
        language: str | None,
        tenant: str | None,
        needs: Set[str],
        resident: Set[str],
    ) -> Explanation: ...


class AdapterDirectory:
    """Follows the engine host's list of adapters; answers from memory.

    When the host is down the last list is kept: names stay valid and their requests say what is wrong.
    """

    def __init__(
        self,
        selector: Selector | None,
        draw: Callable[[], float] = random.random,
        load_detector: Callable[[], LanguageDetector] = LanguageDetector,
    ) -> None:
        """Without a selector the base model answers whatever names no adapter. `draw` is uniform in [0, 1).

        `load_detector` is called, in a thread, once an adapter's card names languages.
        """
        self._selector = selector
        self._load_detector = load_detector
        self._detector: LanguageDetector | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sona")
        # New cards take seconds to read: a request must not wait for them.
        self._updates = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sona-update")
        self.listing = EMPTY
        self.models = LocalModels()
        """What the host serves, to whomever."""
        self._by_tenant: dict[str, LocalModels] = {}
        self._trials: dict[str, AdapterInfo] = {}
        self._news = asyncio.Event()
        self._draw = draw

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
            ready = tuple(info for info in listing.data if info.state == "ready" and info.current)
            loop = asyncio.get_running_loop()
            if self._detector is None and any(info.card.languages for info in ready):
                self._detector = await loop.run_in_executor(self._updates, self._load_detector)
            await loop.run_in_executor(self._updates, self._selector.update, ready)
        self.listing = listing
        self.models = local_models(listing)
        self._by_tenant.clear()
        self._trials = {
            info.name: info for info in listing.data if info.share > 0 and info.state == "ready" and not info.current
        }
        self._news.set()
        self._news = asyncio.Event()
        if self._selector is not None:  # the engine loads and proves what comes while its card is read here
            coming = tuple(info for info in listing.data if info.state in _COMING)
            await asyncio.get_running_loop().run_in_executor(self._updates, self._selector.prepare, coming)

    async def agrees(self, name: str, told: AdapterListing, within_s: float = _AGREE_S) -> None:
        """Wait a moment until a name means here what it does in an order's answer, so that the next request sees it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while _meant(name, self.listing) != _meant(name, told):
                    await self._news.wait()

    def models_for(self, tenant: str) -> LocalModels:
        """What a tenant may ask for. While a new version is tried, its name means it in part of the looks."""
        models = self._by_tenant.get(tenant)
        if models is None:
            if len(self._by_tenant) >= _MAX_TENANTS:
                self._by_tenant.clear()
            models = self._by_tenant[tenant] = local_models(self.listing, tenant)
        drawn = {name: info.id for name, info in self._trials.items() if name in models.current and self._tries(info)}
        drawn = {name: id for name, id in drawn.items() if id in models.ids}
        return msgspec.structs.replace(models, current={**models.current, **drawn}) if drawn else models

    def visible(self, principal: Principal) -> AdapterListing:
        """The list as a caller may see it: an administrator all of it, others what their tenant may use."""
        data = self.listing.data
        if not principal.admin:
            data = _open_to(self.listing, principal.tenant)
        return msgspec.structs.replace(self.listing, data=data)

    async def choose(self, request: Request) -> Selection:
        """Choose the adapter for a request; any failure means the base model, never a failed request."""
        tenant = request.principal.tenant
        models = self.models_for(tenant)
        if self._selector is None or not models.current:
            reason = "selection is off" if self._selector is None else "no adapter is ready"
            return _base_model(reason)
        try:
            selection = (await self._explain(self._selector, request)).selection
        except Exception as error:  # noqa: BLE001 a selector at fault must not cost the answer
            _log.error("the selector failed; the base model answers\n%s", stack_of(error))
            return _base_model("the selector failed")
        return _served(selection, models)

    def _tries(self, info: AdapterInfo) -> bool:
        return self._draw() < info.share

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
        detector = self._detector

        def explained() -> Explanation:
            return ask(language=detector.language(request.body, SURE_PROBABILITY) if detector is not None else None)

        return await asyncio.get_running_loop().run_in_executor(self._thread, explained)

    def close(self) -> None:
        """End the selector's threads."""
        for thread in (self._thread, self._updates):
            thread.shutdown(wait=False, cancel_futures=True)


def _meant(name: str, listing: AdapterListing) -> set[str]:
    """Find the version that a name means: one, or none."""
    return {info.id for info in listing.data if info.name == name and info.current}


def _base_model(reason: str) -> Selection:
    return Selection(adapter=None, confidence=0.0, margin=0.0, state_version="", reason=reason)


def _served(selection: Selection, models: LocalModels) -> Selection:
    """Put the version that serves now in a selection's place; none that the caller may not use."""
    if selection.adapter is None:
        return selection
    serving = models.current.get(selection.adapter.partition("@")[0])
    if serving is None or selection.adapter in models.hidden:
        return _base_model("the adapter that was selected isn't served to this tenant")
    return msgspec.structs.replace(selection, adapter=serving)


_COMING = frozenset({"loading", "canary"})
"""States of versions that will be ready soon."""

_SERVING = frozenset({"ready", "draining", "disabled", "loading", "canary", "stored"})
"""States of versions whose card was read."""


def _open_to(listing: AdapterListing, tenant: str) -> tuple[AdapterInfo, ...]:
    """Pick what a tenant may know of.

    What becomes of a folder that is copied, checked or refused is for those to know who may use what it held before;
    of a new one, for those whom its card admits. While it is copied, its card isn't there yet, or not all of it.
    """
    serving: dict[str, list[AdapterInfo]] = {}
    for info in listing.data:
        if info.state in _SERVING:
            serving.setdefault(info.name, []).append(info)

    def admits(info: AdapterInfo) -> bool:
        if info.state not in _SERVING and info.name in serving:
            return any(one.card.admits(tenant) for one in serving[info.name])
        return info.state != "copying" and info.card.admits(tenant)

    return tuple(info for info in listing.data if admits(info))


def local_models(listing: AdapterListing, tenant: str | None = None) -> LocalModels:
    """Index a list of adapters by name and id, as a tenant may know them; None = all of it."""
    seen = listing.data if tenant is None else _open_to(listing, tenant)
    ready = [info for info in seen if info.state == "ready"]
    return LocalModels(
        current={info.name: info.id for info in ready if info.current},
        ids=frozenset(info.id for info in ready),
        known=frozenset(info.name for info in seen),
        hidden=frozenset(info.id for info in listing.data) - {info.id for info in seen},
    )
