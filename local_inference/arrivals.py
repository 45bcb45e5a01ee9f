"""What comes into the adapters folder: one check of each folder at a time, given up as soon as the folder changes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from local_inference.card import UNREAD
from local_inference.catalog import State
from local_inference.errors import Rejected, fit_to_show
from local_inference.intake import Intake, Taken
from local_inference.store import ChangedWhileRead
from local_inference.timeline import Timeline
from local_inference.watcher import Copying, Event, Gone, Settled
from router.core.adapters import AdapterCard, AdapterInfo
from router.core.errors import stack_of

_log = logging.getLogger(__name__)


class Versions(Protocol):
    """Who decides what becomes of a folder's content."""

    def show(self, info: AdapterInfo) -> None:
        """List a folder whose content has no version yet."""
        ...

    def claim(self, name: str, sha256: str) -> str:
        """Name the version that a content is.

        Raises:
            Rejected: version_collision.
        """
        ...

    def accept(self, taken: Taken) -> None:
        """Take a checked version."""
        ...

    def refuse(self, name: str, version: str, error: Rejected, card: AdapterCard) -> None:
        """Turn a folder's content down; `card` says who may know."""
        ...

    def removed(self, name: str) -> None:
        """Note that a folder is gone."""
        ...

    def given_up(self, name: str) -> None:
        """Note that a check was given up; it may just have kept what nobody will want."""
        ...


class Arrivals:
    """Takes what the watcher saw. `is_known` says whether the store may have some version of a name."""

    def __init__(
        self,
        versions: Versions,
        intake: Intake,
        timeline: Timeline,
        is_known: Callable[[str], bool],
    ) -> None:
        self._versions = versions
        self._intake = intake
        self._timeline = timeline
        self._is_known = is_known
        self._checks: dict[str, asyncio.Task[None]] = {}

    @property
    def idle(self) -> bool:
        """Whether nothing is being checked."""
        return not self._checks

    def on_event(self, event: Event) -> None:
        """Take one event of the watcher."""
        self._cancel(event.name)
        match event:
            case Copying(name, message):
                self._timeline.begin(name)
                self._show(name, State.COPYING, UNREAD, message)
            case Settled(name):
                self._timeline.passed(name, "rest")
                task = asyncio.create_task(self._check(name))
                self._checks[name] = task
                task.add_done_callback(lambda done: self._ended(name, done))
            case Gone(name):
                self._versions.removed(name)

    def close(self) -> None:
        """Give up what is being checked."""
        for task in list(self._checks.values()):
            task.cancel()

    def _cancel(self, name: str) -> None:
        task = self._checks.pop(name, None)
        if task is not None:
            task.cancel()
            self._versions.given_up(name)

    def _ended(self, name: str, task: asyncio.Task[None]) -> None:
        if self._checks.get(name) is task:
            del self._checks[name]
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("adapter check failed name=%s\n%s", name, stack_of(error))

    def _show(self, name: str, state: State, card: AdapterCard, message: str | None = None) -> None:
        shown = fit_to_show(message) if message is not None else None
        self._versions.show(AdapterInfo(name=name, version="", state=state.value, message=shown, card=card))

    async def _check(self, name: str) -> None:
        """Check and store what a folder holds now. Whatever goes wrong concerns this adapter alone."""
        version, card = "", UNREAD

        def on_content(sha256: str) -> None:
            nonlocal version
            version = self._versions.claim(name, sha256)
            self._timeline.passed(name, "copy")

        try:
            card = await self._intake.card(name)
            self._show(name, State.CHECKING, card)
            taken = await self._intake.take(name, on_content, known=self._is_known(name))
            self._timeline.passed(name, "check")
            self._versions.accept(taken)
        except Rejected as error:
            self._versions.refuse(name, version, error, card)
        except (FileNotFoundError, ChangedWhileRead):
            self._show(name, State.COPYING, card, "its files changed while they were read")
        except OSError as error:
            why = f"its files can't be read or copied: {error.strerror}"
            found = Rejected("unreadable", why, "mend permissions or disk, then copy it again")
            self._versions.refuse(name, version, found, card)
        except Exception as error:  # noqa: BLE001 one odd folder must cost no other adapter anything
            _log.error("adapter check failed by a bug name=%s\n%s", name, stack_of(error))
            why = f"checking it failed in a way nobody foresaw ({type(error).__name__})"
            found = Rejected("internal_error", why, "see the engine host's log, and report it")
            self._versions.refuse(name, version, found, card)
