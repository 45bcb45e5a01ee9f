"""The state SONA decides by: one immutable linear scorer over all ready adapters, solved in one step; no I/O.

Every text of every card is a row, labelled with its adapter, next to the background prompts and the negative
examples, labelled "none". A ridge regression on the labels, over the sum of two kernels (sentence vectors say
what a text means, word features how it is put), has a closed form, so that an adapter dropped a moment ago costs
one matrix inversion. The same inversion yields each row's score as if it had not been seen, and these scores say
where the threshold between "fits" and "none fits" lies for this very set of adapters.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sona.calibrate import Calibration, calibrate
from sona.profile import Profile
from sona.reading import Reading

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]

RIDGE = 0.08
"""Regularisation per row among a row's peers, so that it doesn't depend on how many adapters there are."""
SUMMARY_WEIGHT = 0.5
"""Weight of the plain similarity to an adapter's summary: it carries prompts that no example resembles."""
UNKNOWN_TERM_WEIGHT = 0.1
"""How much terms that no row has count in a text's length: a text of unknown words must not match on commas."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Scores a text for each adapter. Never changed after it is built."""

    version: str
    adapters: tuple[str, ...]
    languages: tuple[tuple[str, ...], ...]
    meaning: Floats
    """(dims, adapters)."""
    terms: Mapping[str, int]
    term_idf: Floats
    term_scores: Floats
    """(terms, adapters)."""
    bias: Floats
    calibration: Calibration

    def confidences(self, text: Reading) -> Floats:
        """Return (adapters,) float32 in 0..1: how surely each adapter, rather than none, fits the text."""
        indexes, weights = _weigh(text.terms, self.terms, self.term_idf)
        scores = text.vector @ self.meaning + weights @ self.term_scores[indexes] + self.bias
        return self.calibration.confidences(scores.astype(np.float32))


@dataclass(frozen=True, slots=True)
class _Rows:
    """What the regression learns from. Hints and examples of the adapters in order, then all that is "none"."""

    texts: tuple[str, ...]
    labels: Labels
    peers: Labels
    """How many rows share the weight of each row: its adapter's, for a negative example too, so that it counts."""
    examples: NDArray[np.bool_]
    """Which rows are examples of an adapter."""
    background: NDArray[np.bool_]


def build_snapshot(
    version: str, profiles: Sequence[Profile], background: Sequence[str], readings: Mapping[str, Reading]
) -> Snapshot:
    """Solve for all adapters at once. `readings` holds every text of the profiles and of the background."""
    rows = _collect(profiles, background)
    count = len(profiles)
    points = np.stack([readings[text].vector for text in rows.texts])
    found = [readings[text].terms for text in rows.texts]
    terms, idf = _vocabulary(found)
    weighed = [_weigh(own, terms, idf) for own in found]

    gram = points @ points.T + _term_gram(weighed, len(terms)) + 1.0
    gram[np.diag_indices_from(gram)] += RIDGE * rows.peers
    inverse = np.linalg.inv(gram.astype(np.float64))
    targets = np.eye(count + 1)[rows.labels]
    dual = inverse @ targets
    unseen = targets - dual / np.diag(inverse)[:, None]

    # Only the lead over "none" matters, so that twins don't take the score from each other.
    lead = (dual[:, :count] - dual[:, count:]).astype(np.float32)
    summaries = np.stack([readings[profile.summary].vector for profile in profiles])
    ordinary = (points[rows.background] @ summaries.T).mean(axis=0)
    term_scores = np.zeros((len(terms), count), dtype=np.float32)
    for (indexes, weights), row in zip(weighed, lead, strict=True):
        term_scores[indexes] += weights[:, None] * row
    unseen_lead = unseen[:, :count] - unseen[:, count:] + SUMMARY_WEIGHT * (points @ summaries.T - ordinary)
    return Snapshot(
        version=version,
        adapters=tuple(profile.adapter for profile in profiles),
        languages=tuple(profile.languages for profile in profiles),
        meaning=(points.T @ lead + SUMMARY_WEIGHT * summaries.T).astype(np.float32),
        terms=terms,
        term_idf=idf,
        term_scores=term_scores,
        bias=(lead.sum(axis=0) - SUMMARY_WEIGHT * ordinary).astype(np.float32),
        calibration=calibrate(unseen_lead, rows.labels, examples=rows.examples, background=rows.background),
    )


def _collect(profiles: Sequence[Profile], background: Sequence[str]) -> _Rows:
    none = len(profiles)
    groups = [
        *((profile.positives, label, len(profile.positives)) for label, profile in enumerate(profiles)),
        (tuple(background), none, len(background)),
        *((profile.negatives, none, len(profile.positives)) for profile in profiles),
    ]
    sizes = [len(texts) for texts, _, _ in groups]
    first_examples = [len(profile.hints) for profile in profiles]
    return _Rows(
        texts=tuple(text for texts, _, _ in groups for text in texts),
        labels=np.repeat([label for _, label, _ in groups], sizes),
        peers=np.repeat([peers for _, _, peers in groups], sizes),
        examples=np.concatenate(
            [np.arange(size) >= first for size, first in zip(sizes, first_examples, strict=False)]
            + [np.zeros(sum(sizes[none:]), dtype=np.bool_)]
        ),
        background=np.repeat(np.arange(len(groups)) == none, sizes),
    )


def _vocabulary(found: Sequence[Mapping[str, float]]) -> tuple[dict[str, int], Floats]:
    """Number the terms of all rows; the last entry of the idf is for terms that no row has."""
    rows_with = Counter(term for own in found for term in own)
    idf = [math.log((1 + len(found)) / (1 + count)) + 1.0 for count in [*rows_with.values(), 0]]
    return {term: index for index, term in enumerate(rows_with)}, np.array(idf, dtype=np.float32)


def _weigh(found: Mapping[str, float], terms: Mapping[str, int], idf: Floats) -> tuple[Labels, Floats]:
    """Return the known terms of a text and their TF-IDF weights, scaled so that the whole text has length one."""
    known = [(terms[term], weight) for term, weight in found.items() if term in terms]
    indexes = np.array([index for index, _ in known], dtype=np.int64)
    weights = np.array([weight for _, weight in known], dtype=np.float32) * idf[indexes]
    strange = sum(weight * weight for term, weight in found.items() if term not in terms) * float(idf[-1]) ** 2
    length = math.sqrt(float(weights @ weights) + UNKNOWN_TERM_WEIGHT * strange)
    return indexes, weights / length if length > 0.0 else weights


def _term_gram(weighed: Sequence[tuple[Labels, Floats]], terms: int) -> Floats:
    """Inner products of all rows' term weights. Terms of a single row matter for the diagonal alone, which is 1."""
    rows_with = np.zeros(terms, dtype=np.int64)
    for indexes, _ in weighed:
        rows_with[indexes] += 1
    shared = np.cumsum(rows_with > 1) - 1
    dense = np.zeros((len(weighed), int(shared[-1]) + 1 if terms else 0), dtype=np.float32)
    for row, (indexes, weights) in enumerate(weighed):
        keep = rows_with[indexes] > 1
        dense[row, shared[indexes[keep]]] = weights[keep]
    gram = dense @ dense.T
    gram[np.diag_indices_from(gram)] = 1.0
    return gram
