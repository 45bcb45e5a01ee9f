"""What came of each version's requests, and what share of them one on trial takes: counted in memory."""

from __future__ import annotations

import random
from collections.abc import Callable

from msgspec.structs import replace

from local_inference.rollout import Tally


class Traffic:
    """Counts by version id. `draw` is uniform in [0, 1)."""

    def __init__(self, draw: Callable[[], float] = random.random) -> None:
        self._tallies: dict[str, Tally] = {}
        self._shares: dict[str, tuple[str, float]] = {}
        self._draw = draw

    def answered(self, id: str, *, ok: bool) -> None:
        """Note how the engine did."""
        tally = self.tally(id)
        self._tallies[id] = replace(tally, answers=tally.answers + 1, errors=tally.errors + (not ok))

    def voted(self, id: str, *, good: bool) -> None:
        """Note what somebody thought of an answer."""
        tally = self.tally(id)
        self._tallies[id] = replace(tally, good=tally.good + good, bad=tally.bad + (not good))

    def tally(self, id: str) -> Tally:
        return self._tallies.get(id, Tally())

    def restart(self, id: str, tally: Tally = Tally()) -> None:  # noqa: B008 a frozen value
        """Count from zero again, or from what was counted before."""
        self._tallies[id] = tally

    def share(self, name: str, id: str, ratio: float) -> None:
        """Let a version answer a part of the requests for its bare name."""
        self._shares[name] = (id, ratio)

    def end_share(self, name: str) -> None:
        self._shares.pop(name, None)

    def share_of(self, id: str) -> float:
        shared, ratio = self._shares.get(id.partition("@")[0], ("", 0.0))
        return ratio if shared == id else 0.0

    def pick(self, name: str) -> str | None:
        """Draw: the id of the version on trial, or None for the current one."""
        shared = self._shares.get(name)
        return shared[0] if shared is not None and self._draw() < shared[1] else None

    def forget(self, id: str) -> None:
        """Drop all about a version that is gone."""
        self._tallies.pop(id, None)
