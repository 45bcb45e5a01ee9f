"""How long each step took on an adapter version's way from its folder into service; measured, nothing is decided by it."""

from __future__ import annotations

from collections.abc import Callable

from router.core.clock import monotonic_s


class Timeline:
    """Steps by the folder's name until its version is known, then by the version's id. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = monotonic_s) -> None:
        self._clock = clock
        self._since_s: dict[str, float] = {}
        self._steps_ms: dict[str, dict[str, float]] = {}

    def begin(self, key: str) -> None:
        """Start anew: the first step begins now."""
        self._since_s[key] = self._clock()
        self._steps_ms[key] = {}

    def passed(self, key: str, step: str) -> None:
        """Note that a step ends now, and the next begins; nothing, where none began."""
        now_s = self._clock()
        if key in self._since_s:
            took_ms = (now_s - self._since_s[key]) * 1000
            self._steps_ms[key][step] = round(self._steps_ms[key].get(step, 0.0) + took_ms, 1)
            self._since_s[key] = now_s

    def rename(self, key: str, new: str) -> None:
        """Go on under another key."""
        if key != new and key in self._since_s:
            self._since_s[new] = self._since_s.pop(key)
            self._steps_ms[new] = self._steps_ms.pop(key)

    def end(self, key: str) -> None:
        """Keep what was measured, and measure no more."""
        self._since_s.pop(key, None)

    def forget(self, key: str) -> None:
        """Drop all about a version that is gone."""
        self._since_s.pop(key, None)
        self._steps_ms.pop(key, None)

    def steps_ms(self, key: str) -> dict[str, float]:
        """Tell how long each step took, in ms and in their order."""
        return dict(self._steps_ms.get(key, {}))
