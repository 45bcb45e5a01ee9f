"""Chooses the adapter for a prompt, or none; the one class that the router holds."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence, Set

import msgspec
import numpy as np

from router.core.adapters import AdapterInfo, Selection, SelectionCandidate
from sona.background import BACKGROUND, FORMED, FORMS
from sona.calibrate import Evidence, confidence, lead
from sona.decide import TEXT_ONLY, TIE_MARGIN, Decision, Wanted, decide, refusal
from sona.embedder import Embedder
from sona.entry import Background, Entry, build_background, build_entry
from sona.profile import Profile, build_profile, profiles_version
from sona.reading import Reading, read
from sona.snapshot import Scores, Snapshot, build_snapshot

MIN_CONFIDENCE = 0.45
"""Default threshold: below it the base model answers."""
SHOWN = 5
"""Candidates that a selection tells of."""
SELF_CONTAINED = 0.45
"""A turn this much like a generic prompt speaks for itself: no earlier turn is asked what it means."""
BATCH = 32
"""Of many new adapters, so many are read before they can be chosen."""


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """A selection, and what it was not made of."""

    selection: Selection
    adapters: int
    """How many are ready."""
    ruled_out: Mapping[str, str]
    """Adapter -> the filter that it didn't pass: tenant, language, modality or tools. None of other tenants."""
    tie_margin: float = TIE_MARGIN
    floor: float = 0.0
    """What score a prompt that fits no adapter still gets."""


class Selector:
    """Holds the current snapshot. `select` may run in many threads while `update` runs in another, and never waits."""

    def __init__(self, embedder: Embedder, *, min_confidence: float | None = None) -> None:
        self._embedder = embedder
        self.min_confidence = MIN_CONFIDENCE if min_confidence is None else min_confidence
        self._updating = threading.Lock()
        self._background: Background | None = None
        self._entries: dict[Profile, Entry] = {}
        self._snapshot: Snapshot | None = None
        self._version = profiles_version((), embedder.version)

    @property
    def state_version(self) -> str:
        """Hash of the ready adapters' cards and of the embedder; a selection repeats as long as it stays."""
        snapshot = self._snapshot
        return snapshot.version if snapshot else self._version

    def update(self, adapters: Sequence[AdapterInfo]) -> None:
        """Take over the ready ones of these adapters. Blocking: it reads new cards, and those alone.

        What is new is built beside what is used, and swapped in; of many, some at a time.
        """
        profiles = tuple(
            sorted((build_profile(info) for info in adapters if info.state == "ready"), key=lambda one: one.adapter)
        )
        with self._updating:
            if profiles_version(profiles, self._embedder.version) == self.state_version:
                return
            known = {profile: self._entries[profile] for profile in profiles if profile in self._entries}
            new = [profile for profile in profiles if profile not in known]
            for some in _batches(new):
                known |= self._read(some)
                self._publish(known)
            if not new:
                self._publish(known)

    def select(
        self,
        text: str,
        *,
        earlier: Sequence[str] = (),
        language: str | None = None,
        tenant: str | None = None,
        needs: Set[str] = frozenset(),
        resident: Set[str] = frozenset(),
    ) -> Selection:
        """Pick the best adapter for an instruction text, or none. Blocking: it embeds the text.

        `earlier` turns, the latest first, are asked where `text` doesn't say by itself what to do. `language` (such as `de`), `tenant` and `needs` rule adapters out; `resident` ones win ties.
        """
        return self.explain(
            text, earlier=earlier, language=language, tenant=tenant, needs=needs, resident=resident
        ).selection

    def explain(
        self,
        text: str,
        *,
        earlier: Sequence[str] = (),
        language: str | None = None,
        tenant: str | None = None,
        needs: Set[str] = frozenset(),
        resident: Set[str] = frozenset(),
    ) -> Explanation:
        """Select, and say what it was made of."""
        snapshot = self._snapshot
        if snapshot is None:
            return self._nothing(self._version, "no adapter is ready")
        wanted = Wanted(tenant=tenant, language=language, needs=frozenset(needs))
        refused = _refused(snapshot, wanted)
        ruled_out = {snapshot.entries[index].profile.adapter: why for index, why in refused.items() if why != "tenant"}
        allowed = np.ones(len(snapshot.entries), dtype=np.bool_)
        allowed[list(refused)] = False
        if not text.strip():
            return self._nothing(snapshot.version, "no text", snapshot, ruled_out)
        if not allowed.any():
            return self._nothing(snapshot.version, _why(refused), snapshot, ruled_out)
        reading = read(self._embedder, [text])[0]
        candidates = _candidates(snapshot, snapshot.score(reading, allowed), resident)
        decision = decide(candidates, self.min_confidence, resident)
        for turn in earlier if snapshot.generic(reading) < SELF_CONTAINED else ():
            if decision.adapter is not None:
                break
            past = snapshot.score(read(self._embedder, [turn])[0], allowed)
            found = _candidates(snapshot, past, resident)
            made = decide(found, self.min_confidence, resident)
            if made.adapter is not None:
                candidates, decision = (
                    found,
                    Decision(adapter=made.adapter, reason=f"{made.reason}, by an earlier turn"),
                )
        selection = self._selection(snapshot.version, candidates, decision)
        return Explanation(
            selection=selection, adapters=len(snapshot.entries), ruled_out=ruled_out, floor=snapshot.floor
        )

    def _selection(self, version: str, candidates: Sequence[SelectionCandidate], decision: Decision) -> Selection:
        sure = [one.confidence for one in candidates]
        chosen = next((one.confidence for one in candidates if one.adapter == decision.adapter), max(sure))
        return Selection(
            adapter=decision.adapter,
            confidence=chosen,
            margin=sure[0] - (sure[1] if len(sure) > 1 else 0.0),
            state_version=version,
            reason=decision.reason,
            min_confidence=self.min_confidence,
            tier="encoder",
            candidates=tuple(candidates),
        )

    def _nothing(
        self, version: str, reason: str, snapshot: Snapshot | None = None, ruled_out: Mapping[str, str] | None = None
    ) -> Explanation:
        selection = Selection(
            adapter=None,
            confidence=0.0,
            margin=0.0,
            state_version=version,
            reason=reason,
            min_confidence=self.min_confidence,
        )
        count = len(snapshot.entries) if snapshot is not None else 0
        return Explanation(selection=selection, adapters=count, ruled_out=ruled_out or {})

    def _publish(self, entries: Mapping[Profile, Entry]) -> None:
        self._entries = dict(entries)
        profiles = tuple(sorted(entries, key=lambda profile: profile.adapter))
        if not profiles or self._background is None:
            self._snapshot = None
            return
        version = profiles_version(profiles, self._embedder.version)
        self._snapshot = build_snapshot(version, tuple(entries.values()), self._background)

    def _read(self, profiles: Sequence[Profile]) -> dict[Profile, Entry]:
        """Embed the texts of some new cards, each text once."""
        if self._background is None:
            generic = read(self._embedder, BACKGROUND)
            formed = [read(self._embedder, [form.format(prompt) for form in FORMS]) for prompt in FORMED]
            self._background = build_background(generic, formed, self._embedder.layer_dims)
        texts = dict.fromkeys(text for profile in profiles for text in profile.positives + profile.negatives)
        readings = dict(zip(texts, read(self._embedder, tuple(texts)), strict=True))
        return {profile: _entry(profile, readings, self._background) for profile in profiles}


def _entry(profile: Profile, readings: Mapping[str, Reading], background: Background) -> Entry:
    hints, examples, negatives = (
        [readings[text] for text in texts] for texts in (profile.hints, profile.examples, profile.negatives)
    )
    return build_entry(profile, hints, examples, negatives, background)


def _candidates(snapshot: Snapshot, scores: Scores, resident: Set[str]) -> tuple[SelectionCandidate, ...]:
    """Say of each of the best how surely it fits, none more surely than the one before it."""
    candidates: list[SelectionCandidate] = []
    bound = 1.0
    for one in scores.best[:SHOWN]:
        entry = snapshot.entries[one.index]
        evidence = Evidence(
            above=one.score - snapshot.floor,
            beyond_generic=one.explained - scores.generic,
            kind=scores.kind,
            lead=lead(one.rank, [other.rank for other in scores.best if other is not one]),
        )
        bound = min(bound, round(confidence(evidence), 4))
        candidates.append(
            SelectionCandidate(
                adapter=entry.profile.adapter,
                confidence=bound,
                score=round(one.score, 4),
                meaning=round(one.meaning, 4),
                words=round(one.words, 4),
                nearest=round(one.nearest, 4),
                against=round(one.against, 4),
                explained=round(one.explained, 4),
                resident=entry.profile.adapter in resident,
            )
        )
    return tuple(candidates)


def _refused(snapshot: Snapshot, wanted: Wanted) -> dict[int, str]:
    """Say which adapters are ruled out, and by which filter. Few cards restrict anything: only those are looked at."""
    looked_at = range(len(snapshot.entries)) if wanted.needs & TEXT_ONLY else snapshot.restricted
    found = ((index, refusal(snapshot.entries[index].profile, wanted)) for index in looked_at)
    return {index: why for index, why in found if why is not None}


def _why(refused: Mapping[int, str]) -> str:
    filters = set(refused.values())
    return f"no adapter for the {filters.pop()}" if len(filters) == 1 else "no adapter passes the filters"


def _batches(profiles: Sequence[Profile]) -> Iterator[Sequence[Profile]]:
    for start in range(0, len(profiles), BATCH):
        yield profiles[start : start + BATCH]
