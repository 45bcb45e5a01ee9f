"""SONA and what it is compared with: each takes cards and gives, for a prompt, its best adapter and a confidence."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

import numpy as np
from numpy.typing import NDArray

from router.core.adapters import AdapterInfo
from sona.embedder import Embedder
from sona.profile import build_profile
from sona.selector import Selector
from sona.text import term_weights

Floats = NDArray[np.float32]
Answer = tuple[str | None, float]
Method = Callable[[str], Answer]


class CachedEmbedder:
    """Embeds each text once: methods meet the same prompts many times."""

    def __init__(self, embedder: Embedder) -> None:
        self.dims, self.layer_dims, self.version = embedder.dims, embedder.layer_dims, embedder.version
        self._embedder = embedder
        self._known: dict[str, Floats] = {}

    def embed(self, texts: Sequence[str]) -> Floats:
        """See `sona.embedder.Embedder`."""
        for text in texts:
            if text not in self._known:
                self._known[text] = self._embedder.embed([text])[0].astype(np.float32)
        return np.stack([self._known[text] for text in texts]) if texts else np.zeros((0, self.dims), np.float32)


def sona(adapters: Sequence[AdapterInfo], embedder: Embedder) -> Method:
    """SONA itself, made to name its best guess."""
    selector = Selector(embedder, min_confidence=0.0)
    selector.update(adapters)

    def choose(prompt: str) -> Answer:
        selection = selector.select(prompt)
        return (selection.adapter or "").partition("@")[0] or None, selection.confidence

    return choose


def always_base(adapters: Sequence[AdapterInfo], embedder: Embedder) -> Method:
    """The base model answers all."""
    del adapters, embedder
    return lambda prompt: (None, 0.0)


def at_random(adapters: Sequence[AdapterInfo], embedder: Embedder) -> Method:
    """Any adapter."""
    del embedder
    rng = Random(0)
    return lambda prompt: (rng.choice(adapters).name, rng.random())


def keywords(adapters: Sequence[AdapterInfo], embedder: Embedder) -> Method:
    """The adapter of whose keywords and name most stand in the prompt."""
    del embedder
    sets = [{*" ".join((*a.card.keywords, a.name.replace("-", " "))).lower().split()} for a in adapters]

    def choose(prompt: str) -> Answer:
        words = set(prompt.lower().replace(",", " ").replace(":", " ").split())
        hits = [len(words & known) for known in sets]
        best = max(range(len(hits)), key=hits.__getitem__)
        return adapters[best].name, 1.0 - 1.0 / (1 + hits[best])

    return choose


def tf_idf(adapters: Sequence[AdapterInfo], embedder: Embedder) -> Method:
    """Cosine of word weights, all texts of a card taken together."""
    del embedder
    cards = [Counter[str]() for _ in adapters]
    for card, info in zip(cards, adapters, strict=True):
        for text in build_profile(info).positives:
            card.update(term_weights(text))
    rows_with = Counter(term for card in cards for term in card)
    idf = {term: math.log((1 + len(cards)) / (1 + count)) + 1 for term, count in rows_with.items()}
    postings: dict[str, list[tuple[int, float]]] = {}
    for index, card in enumerate(cards):
        length = math.sqrt(sum((weight * idf[term]) ** 2 for term, weight in card.items())) or 1.0
        for term, weight in card.items():
            postings.setdefault(term, []).append((index, weight * idf[term] / length))

    def choose(prompt: str) -> Answer:
        scores = np.zeros(len(adapters))
        for term, weight in term_weights(prompt).items():
            for index, own in postings.get(term, ()):
                scores[index] += weight * own
        best = int(scores.argmax())
        return adapters[best].name, float(min(1.0, scores[best]))

    return choose


def nearest_centroid(adapters: Sequence[AdapterInfo], embedder: Embedder) -> Method:
    """Cosine to the mean of a card's texts."""
    means = np.stack([embedder.embed(build_profile(info).positives).mean(axis=0) for info in adapters])
    means /= np.linalg.norm(means, axis=1, keepdims=True)

    def choose(prompt: str) -> Answer:
        scores = means @ embedder.embed([prompt])[0]
        best = int(scores.argmax())
        return adapters[best].name, float(np.clip(scores[best], 0, 1))

    return choose


def nearest_neighbours(adapters: Sequence[AdapterInfo], embedder: Embedder) -> Method:
    """Votes of the five nearest texts of all cards, by cosine."""
    parts = [embedder.embed(build_profile(info).positives) for info in adapters]
    rows = np.concatenate(parts)
    owners = np.repeat(np.arange(len(parts)), [len(part) for part in parts])

    def choose(prompt: str) -> Answer:
        scores = rows @ embedder.embed([prompt])[0]
        nearest = np.argpartition(-scores, min(5, len(scores) - 1))[:5]
        votes = np.bincount(owners[nearest], weights=np.maximum(0, scores[nearest]))
        best = int(votes.argmax())
        return adapters[best].name, float(np.clip(votes[best] / 5, 0, 1))

    return choose


METHODS: dict[str, Callable[[Sequence[AdapterInfo], Embedder], Method]] = {
    "always base": always_base,
    "random": at_random,
    "keywords": keywords,
    "TF-IDF": tf_idf,
    "nearest centroid": nearest_centroid,
    "kNN-5": nearest_neighbours,
    "SONA": sona,
}
