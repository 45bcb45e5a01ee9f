"""Chooses the adapter for a prompt, or none; the one class that the router holds."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import NamedTuple

import msgspec

from router.core.adapters import AdapterInfo, Selection, SelectionCandidate
from sona.admission import Admission
from sona.calibrate import Evidence, confidence, lead
from sona.decide import TIE_MARGIN, Decision, Wanted, decide
from sona.embedder import Embedder
from sona.glance import CLEAR, clearness
from sona.profile import Profile, build_profile, profiles_version
from sona.reading import read, reread
from sona.snapshot import Scored, Scores, Snapshot
from sona.tier import Tier

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


class _State(NamedTuple):
    """What selections are made by; swapped as one."""

    full: Snapshot
    static: Snapshot | None
    """The same adapters as the static table sees them."""


class _Weighed(NamedTuple):
    """What one turn of a chat asks for."""

    candidates: tuple[SelectionCandidate, ...]
    decision: Decision
    tier: str
    floor: float
    generic: float
    """Where no adapter is chosen: cosine to the most similar generic prompt."""

    def as_earlier(self) -> _Weighed:
        """Say in the reason that it isn't the latest turn."""
        reason = f"{self.decision.reason}, by an earlier turn"
        return self._replace(decision=Decision(adapter=self.decision.adapter, reason=reason))


class Selector:
    """Holds the current snapshot. `select` may run in many threads while `update` runs in another, and never waits."""

    def __init__(
        self, embedder: Embedder, *, min_confidence: float | None = None, static: Embedder | None = None
    ) -> None:
        """With a `static` embedder, one that costs next to nothing, the other is asked where that one isn't sure."""
        self._encoder = Tier(embedder)
        self._static = Tier(static, duels=False) if static is not None else None
        self._embedders = embedder.version if static is None else f"{embedder.version} {static.version}"
        self.min_confidence = MIN_CONFIDENCE if min_confidence is None else min_confidence
        self._updating = threading.Lock()
        self._known: frozenset[Profile] = frozenset()
        self._state: _State | None = None
        self._empty_version = profiles_version((), self._embedders)

    @property
    def state_version(self) -> str:
        """Hash of the ready adapters' cards and of the embedder; a selection repeats as long as it stays."""
        state = self._state
        return state.full.version if state else self._empty_version

    def update(self, adapters: Sequence[AdapterInfo]) -> None:
        """Take over the ready ones of these adapters. Blocking: it reads new cards, and those alone.

        What is new is built beside what is used, and swapped in; of many, some at a time.
        """
        profiles = tuple(
            sorted((build_profile(info) for info in adapters if info.state == "ready"), key=lambda one: one.adapter)
        )
        with self._updating:
            if profiles_version(profiles, self._embedders) == self.state_version:
                return
            ready = [profile for profile in profiles if profile in self._known]
            new = [profile for profile in profiles if profile not in self._known]
            for some in _batches(new):
                ready += some
                self._publish(ready)
            if not new:
                self._publish(ready)

    def prepare(self, adapters: Sequence[AdapterInfo]) -> None:
        """Read the cards of adapters that will be ready soon, so that `update` finds them read. Blocking.

        What was read of others that aren't ready is forgotten.
        """
        profiles = [build_profile(info) for info in adapters]
        with self._updating:
            for tier in filter(None, (self._encoder, self._static)):
                tier.prepare(profiles)

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
        state = self._state
        if state is None:
            return self._nothing(self._empty_version, "no adapter is ready")
        admitted = state.full.admit(Wanted(tenant=tenant, language=language, needs=frozenset(needs)))
        if reason := admitted.reason if text.strip() else "no text":
            return self._nothing(state.full.version, reason, state.full, admitted.ruled_out)
        weighed = self._weigh(state, text, admitted, resident)
        if weighed.decision.adapter is None and weighed.generic < SELF_CONTAINED:
            turns = (self._weigh(state, turn, admitted, resident) for turn in earlier)
            weighed = next((turn.as_earlier() for turn in turns if turn.decision.adapter is not None), weighed)
        return Explanation(
            selection=self._selection(state.full.version, weighed),
            adapters=len(state.full.entries),
            ruled_out=admitted.ruled_out,
            floor=weighed.floor,
        )

    def _weigh(self, state: _State, text: str, admitted: Admission, resident: Set[str]) -> _Weighed:
        words = None
        if self._static is not None and state.static is not None and admitted.count > 1:
            reading = read(self._static.embedder, [text])[0]
            words = state.full.words(reading)
            first, second, glance = state.static.glance(reading, words, admitted.allowed)
            sure = clearness(glance)
            if sure >= max(CLEAR, self.min_confidence):
                found = (
                    _candidate(state.static, first, sure, resident),
                    _candidate(state.static, second, 1.0 - sure, resident),
                )
                return _Weighed(found, decide(found, self.min_confidence, resident), "static", state.static.floor, 0.0)
            reading = reread(self._encoder.embedder, text, reading.terms)
        else:
            reading = read(self._encoder.embedder, [text])[0]
        scores = state.full.score(reading, admitted.allowed, words)
        found = _candidates(state.full, scores, resident)
        decision = decide(found, self.min_confidence, resident)
        generic = state.full.generic(reading) if decision.adapter is None else 0.0
        return _Weighed(found, decision, "encoder", state.full.floor, generic)

    def _selection(self, version: str, weighed: _Weighed) -> Selection:
        adapter, sure = weighed.decision.adapter, [one.confidence for one in weighed.candidates]
        chosen = next((one.confidence for one in weighed.candidates if one.adapter == adapter), max(sure))
        return Selection(
            adapter=adapter,
            confidence=chosen,
            margin=sure[0] - (sure[1] if len(sure) > 1 else 0.0),
            state_version=version,
            reason=weighed.decision.reason,
            min_confidence=self.min_confidence,
            tier=weighed.tier,
            candidates=weighed.candidates,
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

    def _publish(self, profiles: Sequence[Profile]) -> None:
        if not profiles:
            self._known, self._state = frozenset(), None
            return
        ordered = tuple(sorted(profiles, key=lambda profile: profile.adapter))
        version = profiles_version(ordered, self._embedders)
        full = self._encoder.build(version, ordered)
        self._state = _State(full, self._static.build(version, ordered, full) if self._static is not None else None)
        self._known = frozenset(profiles)


def evidence(snapshot: Snapshot, scores: Scores, place: int) -> Evidence:
    """Say what speaks for the best one at a place."""
    one = scores.best[place]
    others = [(other.rank, other.words) for other in scores.best if other is not one]
    return Evidence(
        above=one.score - snapshot.floor,
        beyond_generic=one.explained - scores.generic,
        kind=scores.kind,
        nearest_generic=scores.nearest_generic,
        lead=lead((one.rank, one.words), others),
        shown=bool(snapshot.entries[one.index].profile.examples),
        words=one.words,
    )


def _candidates(snapshot: Snapshot, scores: Scores, resident: Set[str]) -> tuple[SelectionCandidate, ...]:
    """Say of each of the best how surely it fits, none more surely than the one before it."""
    candidates: list[SelectionCandidate] = []
    bound = 1.0
    for place, one in enumerate(scores.best[:SHOWN]):
        bound = min(bound, confidence(evidence(snapshot, scores, place)))
        candidates.append(_candidate(snapshot, one, bound, resident))
    return tuple(candidates)


def _candidate(snapshot: Snapshot, one: Scored, sure: float, resident: Set[str]) -> SelectionCandidate:
    adapter = snapshot.entries[one.index].profile.adapter
    return SelectionCandidate(
        adapter=adapter,
        confidence=round(sure, 4),
        score=round(one.score, 4),
        meaning=round(one.meaning, 4),
        words=round(one.words, 4),
        nearest=round(one.nearest, 4),
        against=round(one.against, 4),
        explained=round(one.explained, 4),
        resident=adapter in resident,
    )


def _batches(profiles: Sequence[Profile]) -> Iterator[Sequence[Profile]]:
    for start in range(0, len(profiles), BATCH):
        yield profiles[start : start + BATCH]
