"""Chooses the adapter for a prompt, or none; the one class that the router holds."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from router.core.types import AdapterCard, AdapterInfo, Selection
from sona.background import BACKGROUND
from sona.embedder import Embedder
from sona.profile import Profile, build_profile, profiles_version
from sona.reading import Reading, read
from sona.snapshot import Snapshot, build_snapshot

Floats = NDArray[np.float32]

MIN_CONFIDENCE = 0.5
"""Default threshold: below it the base model answers."""


class Selector:
    """Holds the current snapshot. `select` may run in many threads while `update` runs in another."""

    def __init__(self, embedder: Embedder, *, min_confidence: float | None = None) -> None:
        self._embedder = embedder
        self.min_confidence = MIN_CONFIDENCE if min_confidence is None else min_confidence
        self._updating = threading.Lock()
        self._readings: dict[str, Reading] = {}
        self._snapshot: Snapshot | None = None
        self._cards: dict[str, AdapterCard] = {}
        self._version = profiles_version((), embedder.version)

    @property
    def state_version(self) -> str:
        """Hash of the ready adapters' cards and of the embedder; a selection repeats as long as it stays."""
        snapshot = self._snapshot
        return snapshot.version if snapshot else self._version

    def update(self, adapters: Sequence[AdapterInfo]) -> None:
        """Take over the ready ones of these adapters. Blocking: it embeds the texts of new cards."""
        ready = sorted((info for info in adapters if info.state == "ready"), key=lambda info: info.id)
        profiles = tuple(build_profile(info) for info in ready)
        version = profiles_version(profiles, self._embedder.version)
        self._cards = {info.id: info.card for info in ready}
        with self._updating:
            if version == self.state_version:
                return
            if not profiles:
                self._snapshot = None
                return
            self._readings = self._read(profiles)
            self._snapshot = build_snapshot(version, profiles, BACKGROUND, self._readings)

    def select(self, text: str, *, language: str | None = None, tenant: str | None = None) -> Selection:
        """Pick the best adapter for an instruction text, or none. Blocking: it embeds the text.

        `language` (such as `de`) rules out adapters whose card lists languages without it, `tenant` those whose card
        lists tenants without it.
        """
        snapshot = self._snapshot
        if snapshot is None:
            return self._abstain(self._version, "no adapter is ready")
        if not text.strip():
            return self._abstain(snapshot.version, "no text")
        confidences = snapshot.confidences(read(self._embedder, [text])[0])
        allowed = [index for index, known in enumerate(snapshot.languages) if _speaks(known, language)]
        if not allowed:
            return self._abstain(snapshot.version, "no adapter for the language")
        allowed = [index for index in allowed if self._admits(snapshot.adapters[index], tenant)]
        if not allowed:
            return self._abstain(snapshot.version, "no adapter for the tenant")
        return self._choose(snapshot, confidences, allowed)

    def _admits(self, adapter: str, tenant: str | None) -> bool:
        card = self._cards.get(adapter)
        return tenant is None or (card is not None and card.admits(tenant))

    def _choose(self, snapshot: Snapshot, confidences: Floats, allowed: list[int]) -> Selection:
        ranked = sorted(allowed, key=lambda index: -confidences[index])
        best = float(confidences[ranked[0]])
        second = float(confidences[ranked[1]]) if len(ranked) > 1 else 0.0
        fits = best >= self.min_confidence
        over = f"over {second:.2f}, margin {best - second:.2f}" if len(ranked) > 1 else "for the only adapter"
        return Selection(
            adapter=snapshot.adapters[ranked[0]] if fits else None,
            confidence=best,
            margin=best - second,
            state_version=snapshot.version,
            reason=f"score {best:.2f} {over}" if fits else f"score {best:.2f} below {self.min_confidence:.2f}",
        )

    def _abstain(self, version: str, reason: str) -> Selection:
        return Selection(adapter=None, confidence=0.0, margin=0.0, state_version=version, reason=reason)

    def _read(self, profiles: Sequence[Profile]) -> dict[str, Reading]:
        """Readings of all texts that the next snapshot needs; those of the last one are kept, not made again."""
        needed = dict.fromkeys(BACKGROUND)
        for profile in profiles:
            needed.update(dict.fromkeys(profile.positives + profile.negatives))
        new = [text for text in needed if text not in self._readings]
        made = dict(zip(new, read(self._embedder, new), strict=True))
        return {text: made[text] if text in made else self._readings[text] for text in needed}


def _speaks(known: tuple[str, ...], language: str | None) -> bool:
    if not known or language is None:
        return True
    wanted = language.lower().split("-")[0]
    return any(name.split("-")[0] == wanted for name in known)
