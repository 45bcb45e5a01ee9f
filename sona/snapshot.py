"""The state SONA decides by: all ready adapters' entries side by side, scored at once; no I/O, never changed.

A snapshot is put together from entries that each depend on one card alone. So an adapter more costs its own card and
one copy of arrays, and it doesn't matter in which order the adapters came.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sona.admission import Admission, build_admission
from sona.calibrate import floor
from sona.decide import Wanted
from sona.duel import Contender, duel
from sona.entry import Background, Entry
from sona.glance import Glance
from sona.kernel import gram
from sona.reading import TERM_SPACE, Integers, Reading

Floats = NDArray[np.float32]
PairGram = Callable[[Entry, Entry], Floats]

WORDS_SHARE = 0.45
"""Weight of shared words, and of the tasks that they ask for, beside the meaning."""
UNKNOWN_TERM_SHARE = 0.1
"""How much terms that no card has count in a text's length: a text of unknown words must not match on commas."""
COMMON_FREE = 0.15
"""How much the generic prompts may be like an adapter before it is held against it."""
COMMON_SHARE = 3.0
"""And how much what is beyond."""
NEGATIVE_SHARE = 3.0
"""How much it counts against an adapter that a negative example is nearer than any positive one."""
DUEL_SIZE = 4
"""Of the best so many, the examples themselves may decide, one against the other."""
SHORTLIST = 5
"""How many are looked at closely."""
PAIRS_KEPT = 4096
"""Pairs of adapters of which is kept how alike their texts are: 2 KiB each with 20 examples."""
# The examples tell best which adapter is meant of a prompt of their own kind; they say little of prompts put in a way
# that none of them is. There the score decides, and what the cards say by themselves. The shares are those of a
# logistic choice among the best, which came out the same whether adapters of 12 domains, 150 intents or made worlds were
# left out of the fit.
NEAR = 0.44
"""Cosine to the nearest example from which on a prompt is rather of the examples' kind than not. Higher serves prompts put in new ways,
lower those put as the examples are: 0.47 or 0.40 gain and lose 1 % of either."""
NEAR_SPREAD = 0.037
"""How gradually."""
DESCRIBED_SHARE = 0.665
"""Weight of the likeness to the card's own words, beside the score, for a prompt of no kind that examples show."""
KIND_SCORE_SHARE = 0.35
"""Weight of the score for a prompt of their kind,"""
KIND_EXPLAINED_SHARE = 0.65
"""of what the examples explain,"""
KIND_NEAREST_SHARE = 0.15
"""and of the likeness to the nearest example."""
KIND_OWN_SHARE = 0.25
"""How much of what an adapter's own prompts get is taken off there: whose examples are all alike must be more alike to
win against one whose examples are as different as shell commands."""


@dataclass(frozen=True, slots=True)
class Scored:
    """What speaks for one adapter."""

    index: int
    score: float
    meaning: float
    words: float
    nearest: float
    """Cosine to the most similar text of the card, less what negative examples take off."""
    described: float
    """Cosine to the card's own words in all layers, less what speaks against the adapter."""
    against: float
    """What negative examples and a card that fits everything take off."""
    explained: float = 0.0
    """How much of the prompt its examples explain in the duel; 0 where they took no part."""
    rank: float = 0.0
    """What orders the best, of both."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What speaks for the best adapters, and for none."""

    best: tuple[Scored, ...]
    """Best first."""
    generic: float
    """How much of the prompt generic prompts, and those that the best are not meant for, explain in the duel."""
    kind: float
    """How far the prompt is of the kind of some adapter's examples, 0..1."""
    nearest_generic: float
    """Cosine to the most similar generic prompt, in all layers."""


@dataclass(frozen=True, slots=True)
class TermIndex:
    """Which terms stand in which cards."""

    starts: Integers
    """(TERM_SPACE + 1,): where a term's adapters begin in the next two."""
    adapters: Integers
    weights: Floats
    idf: Floats
    """(TERM_SPACE,)."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Scores a text for each adapter. Never changed after it is built."""

    version: str
    entries: tuple[Entry, ...]
    """By id."""
    background: Background
    directions: Floats
    """(adapters, layer dims)."""
    common: Floats
    """(adapters,)."""
    terms: TermIndex
    admit: Callable[[Wanted], Admission]
    """Which adapters a request may have."""
    floor: float
    """What score a prompt that fits no adapter still gets."""
    pair_gram: PairGram
    """How alike the texts of two adapters are; asked for each two in one order only."""

    def score(self, text: Reading, allowed: NDArray[np.bool_] | None = None, words: Floats | None = None) -> Scores:
        """Return the best of the allowed adapters, best first, at most `SHORTLIST`; `words` if they are known."""
        meaning = self.directions @ self.background.centred(text.vector[None])[0]
        words = self.words(text) if words is None else words
        total = meaning + WORDS_SHARE * words - self.common
        if allowed is not None:
            total = np.where(allowed, total, -np.inf)
        best = _best(total, SHORTLIST)
        own = self.background.centred_whole(text.vector[None])[0]
        looks = [self._look(int(index), own, total, meaning, words) for index in best]
        looks.sort(key=lambda look: (-look[0].score, look[0].index))
        return self._duel(own, text, [scored for scored, _ in looks], [look for _, look in looks])

    def glance(self, text: Reading, words: Floats, allowed: NDArray[np.bool_]) -> tuple[Scored, Scored, Glance]:
        """Look at the two best of the allowed adapters, of which there are two or more, without a duel."""
        own = self.background.centred_whole(text.vector[None])[0]
        meaning = self.directions @ self.background.centred(text.vector[None])[0]
        total = np.where(allowed, meaning + WORDS_SHARE * words - self.common, -np.inf)
        looks = [self._look(int(index), own, total, meaning, words)[0] for index in _best(total, 2)]
        first, second = sorted(looks, key=lambda one: (-one.score, one.index))
        glance = Glance(
            above=first.score - self.floor,
            lead=first.score - second.score,
            nearest_lead=first.nearest - second.nearest,
            words_lead=first.words - second.words,
            beyond_generic=first.nearest - float((self.background.rows @ own).max()),
        )
        return first, second, glance

    def generic(self, text: Reading) -> float:
        """Return the cosine to the most similar generic prompt."""
        return float((self.background.directions @ self.background.centred(text.vector[None])[0]).max())

    def words(self, text: Reading) -> Floats:
        """Return (adapters,): cosine of the weighed words, rare ones weighing most."""
        ids, raw = text.terms
        weights = raw * self.terms.idf[ids]
        starts, ends = self.terms.starts[ids], self.terms.starts[ids + 1]
        known = ends > starts
        length = np.sqrt((weights[known] ** 2).sum() + UNKNOWN_TERM_SHARE * (weights[~known] ** 2).sum())
        spans = [slice(start, end) for start, end in zip(starts[known].tolist(), ends[known].tolist(), strict=True)]
        if not spans:
            return np.zeros(len(self.entries), dtype=np.float32)
        adapters = np.concatenate([self.terms.adapters[span] for span in spans])
        products = np.concatenate([self.terms.weights[span] for span in spans])
        products = products * np.repeat(weights[known], (ends - starts)[known])
        sums = np.bincount(adapters, weights=products, minlength=len(self.entries))
        return (sums / max(float(length), 1e-9)).astype(np.float32)

    def _look(self, index: int, own: Floats, total: Floats, meaning: Floats, words: Floats) -> tuple[Scored, Contender]:
        entry = self.entries[index]
        cosines = entry.texts.meaning(own)
        nearest = float(cosines[: entry.positives].max())
        trap = float(cosines[entry.positives :].max(initial=-1.0))
        trapped = NEGATIVE_SHARE * max(0.0, trap - nearest)
        against = trapped + float(self.common[index])
        scored = Scored(
            index=index,
            score=float(total[index]) - trapped,
            meaning=float(meaning[index]),
            words=float(words[index]),
            nearest=nearest - trapped,
            described=float(cosines[0]) - against,
            against=against,
        )
        return scored, Contender(entry.texts, entry.positives, cosines)

    def _duel(self, own: Floats, text: Reading, scored: list[Scored], contenders: list[Contender]) -> Scores:
        """Measure what the examples of the best explain, and order the best by all that is known."""
        front = [one.index for one in scored[:DUEL_SIZE]]
        generic = Contender(self.background.texts, 0, self.background.rows @ own)

        def alike(left: int, right: int) -> Floats:
            if right == len(front):
                return self.background.gram if left == right else self.entries[front[left]].generic_gram
            if left == right:
                return self.entries[front[left]].gram
            one, other = self.entries[front[left]], self.entries[front[right]]
            return self.pair_gram(one, other) if front[left] < front[right] else self.pair_gram(other, one).T

        terms = self.background.weighed(text.terms)
        *shares, none = duel(terms, [*contenders[:DUEL_SIZE], generic], alike).tolist()
        explained = [*shares, *(0.0 for _ in scored[len(shares) :])]
        shown = [one.nearest for one in scored if self.entries[one.index].profile.examples]
        kind = _share_of_kind(max(shown)) if shown else 0.0
        told = [
            replace(one, explained=share, rank=_rank(one, share, kind, self.entries[one.index].own))
            for one, share in zip(scored, explained, strict=True)
        ]
        told.sort(key=lambda one: (-one.rank, one.index))
        return Scores(best=tuple(told), generic=none, kind=kind, nearest_generic=float(generic.meaning.max()))


def _share_of_kind(nearest: float) -> float:
    """Say how far a prompt is of the kind of the examples, 0..1."""
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, (nearest - NEAR) / NEAR_SPREAD))))


def _rank(one: Scored, explained: float, kind: float, own: float) -> float:
    new = one.score + DESCRIBED_SHARE * one.described
    shown = (
        KIND_SCORE_SHARE * one.score
        + KIND_EXPLAINED_SHARE * explained
        + KIND_NEAREST_SHARE * one.nearest
        - KIND_OWN_SHARE * own
    )
    return (1.0 - kind) * new + kind * shown


def remembered_grams() -> PairGram:
    """Compute how alike the texts of two adapters are, and remember it. It holds cards' texts, nothing of a prompt."""

    @lru_cache(PAIRS_KEPT)
    def pair_gram(one: Entry, other: Entry) -> Floats:
        return gram(one.texts, other.texts)

    return pair_gram


def build_snapshot(
    version: str,
    entries: Sequence[Entry],
    background: Background,
    pair_gram: PairGram,
    *,
    like: Snapshot | None = None,
) -> Snapshot:
    """Put entries side by side, in the order of their ids; `like` is one of the same cards, by another embedder."""
    ordered = tuple(sorted(entries, key=lambda entry: entry.profile.adapter))
    directions = np.stack([entry.direction for entry in ordered])
    likeness = np.array([entry.common for entry in ordered], dtype=np.float32)
    common = (COMMON_SHARE * np.maximum(0.0, likeness - COMMON_FREE)).astype(np.float32)

    return Snapshot(
        version=version,
        entries=ordered,
        background=background,
        directions=directions,
        common=common,
        terms=_index(ordered, background) if like is None else like.terms,
        admit=build_admission([entry.profile for entry in ordered]) if like is None else like.admit,
        floor=floor(directions, common, background.directions),
        pair_gram=pair_gram,
    )


def _index(ordered: Sequence[Entry], background: Background) -> TermIndex:
    ids = np.concatenate([entry.term_ids for entry in ordered])
    weights = np.concatenate([entry.term_weights for entry in ordered])
    owners = np.repeat(np.arange(len(ordered), dtype=np.int32), [len(entry.term_ids) for entry in ordered])
    order = np.argsort(ids, kind="stable")
    counts = np.bincount(ids, minlength=TERM_SPACE)
    generic = np.bincount(np.concatenate([own for own, _ in background.terms]), minlength=TERM_SPACE)
    texts = len(ordered) + len(background.terms)
    idf = (np.log((1.0 + texts) / (1.0 + counts + generic)) + 1.0).astype(np.float32)
    weighed = weights * idf[ids]
    lengths = np.sqrt(np.bincount(owners, weights=weighed**2, minlength=len(ordered)))
    return TermIndex(
        starts=np.concatenate([[0], np.cumsum(counts)]).astype(np.int32),
        adapters=owners[order],
        weights=(weighed / np.maximum(lengths, 1e-9)[owners])[order].astype(np.float32),
        idf=idf,
    )


def _best(total: Floats, count: int) -> NDArray[np.int64]:
    """Return the indexes of the highest finite scores, in no order."""
    best = np.argpartition(-total, count - 1)[:count] if len(total) > count else np.arange(len(total))
    return best[np.isfinite(total[best])]
