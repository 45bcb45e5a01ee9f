"""The selector over a fake embedder: choosing, abstaining, swapping snapshots; no model is loaded."""

from __future__ import annotations

import functools
import gc
import threading
import types
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from router.core.adapters import AdapterCard, AdapterInfo
from sona.background import BACKGROUND
from sona.selector import Selector


@functools.cache
def word_vector(word: str, dims: int) -> NDArray[np.float64]:
    return np.random.default_rng(zlib.crc32(word.encode())).standard_normal(dims)


class WordEmbedder:
    """A text's vector is the sum of its words' random vectors: close texts share words."""

    dims = 128
    layer_dims = 128
    version = "words-1"

    def __init__(self) -> None:
        self.embedded: list[str] = []

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.embedded += texts
        rows = [self._row(text) for text in texts]
        return np.array(rows, dtype=np.float32).reshape(len(rows), self.dims)

    def _row(self, text: str) -> NDArray[np.float64]:
        total = np.full(self.dims, 0.1)
        for word in text.lower().split():
            total += word_vector(word.strip(".,:?!"), self.dims)
        return total / np.linalg.norm(total)


def adapter(name: str, *examples: str, version: str = "1", state: str = "ready", **card: object) -> AdapterInfo:
    return AdapterInfo(name=name, version=version, state=state, card=AdapterCard(examples=examples, **card))  # type: ignore[arg-type]


HARBOUR = adapter(
    "harbour",
    *(f"assign a berth to the vessel {ship}" for ship in ("Anna", "Bounty", "Carina", "Delfin")),
    *(f"which berth is free for vessel {ship}" for ship in ("Echo", "Flora", "Gloria", "Hansa")),
    description="Assigns berths to vessels",
)
GARDEN = adapter(
    "garden",
    *(f"when must I prune my {plant} shrub" for plant in ("rose", "lilac", "apple", "hazel")),
    *(f"prune schedule for the {plant} shrub" for plant in ("yew", "box", "currant", "quince")),
    description="Tells when to prune shrubs",
)


def selector_with(*adapters: AdapterInfo, min_confidence: float | None = None) -> Selector:
    selector = Selector(WordEmbedder(), min_confidence=min_confidence)
    selector.update(adapters)
    return selector


def test_the_adapter_whose_examples_are_like_the_prompt_is_chosen() -> None:
    selector = selector_with(HARBOUR, GARDEN)
    assert selector.select("assign a berth to the vessel Nora").adapter == "harbour@1"
    assert selector.select("when must I prune my cherry shrub").adapter == "garden@1"


def test_a_prompt_that_fits_nothing_is_left_to_the_base_model() -> None:
    selection = selector_with(HARBOUR, GARDEN).select("who painted this famous picture of a smile")
    assert selection.adapter is None
    assert selection.confidence < 0.5
    assert "below" in selection.reason


def test_a_single_adapter_is_chosen_or_not() -> None:
    selector = selector_with(HARBOUR)
    assert selector.select("which berth is free for vessel Nora").adapter == "harbour@1"
    assert selector.select("tell me a story about the moon").adapter is None


def test_a_card_without_examples_works_by_its_words() -> None:
    bare = adapter("harbour", description="Assigns a berth to a vessel", keywords=("berth", "vessel", "mooring"))
    selector = selector_with(bare, GARDEN)
    assert selector.select("a berth for a vessel").adapter == "harbour@1"
    assert selector.select("tell me a story about the moon").adapter is None


def test_an_empty_card_makes_no_trouble() -> None:
    assert selector_with(AdapterInfo(name="x", version="1", state="ready")).select("hello there").adapter is None


def test_of_two_twins_one_is_chosen_and_they_share_the_confidence() -> None:
    twin = adapter("port", *HARBOUR.card.examples, description="Assigns berths to vessels")
    selection = selector_with(HARBOUR, twin, GARDEN).select("assign a berth to the vessel Nora")
    alone = selector_with(HARBOUR, GARDEN).select("assign a berth to the vessel Nora")
    assert selection.adapter in ("harbour@1", "port@1")
    assert selection.confidence < 0.7 * alone.confidence
    assert selection.margin < 0.1


def test_a_negative_example_keeps_its_adapter_away() -> None:
    trap = "what is a berth for a vessel"
    with_trap = adapter("harbour", *HARBOUR.card.examples, negative_examples=(trap,))
    without = selector_with(HARBOUR, GARDEN).select(trap).confidence
    assert selector_with(with_trap, GARDEN).select(trap).confidence < min(0.5, without)


def test_only_ready_adapters_take_part() -> None:
    drained = adapter("harbour", *HARBOUR.card.examples, state="draining")
    assert selector_with(drained, GARDEN).select("assign a berth to the vessel Nora").adapter is None


def test_without_adapters_the_answer_is_none() -> None:
    selection = selector_with().select("anything")
    assert (selection.adapter, selection.confidence, selection.reason) == (None, 0.0, "no adapter is ready")


@pytest.mark.parametrize("text", ["", "  \n\t "])
def test_an_empty_prompt_selects_nothing(text: str) -> None:
    assert selector_with(HARBOUR).select(text).adapter is None


def test_an_adapter_that_is_gone_is_not_chosen_again() -> None:
    selector = selector_with(HARBOUR, GARDEN)
    selector.update([GARDEN])
    assert selector.select("assign a berth to the vessel Nora").adapter is None
    selector.update([])
    assert selector.select("prune my shrub").reason == "no adapter is ready"


def test_an_adapter_that_was_just_dropped_is_chosen_at_once() -> None:
    selector = selector_with(GARDEN)
    before = selector.state_version
    selector.update([GARDEN, HARBOUR])
    assert selector.state_version != before
    assert selector.select("assign a berth to the vessel Nora").adapter == "harbour@1"


def test_a_language_rules_out_adapters_that_do_not_list_it() -> None:
    german = adapter("harbour", *HARBOUR.card.examples, languages=("de-AT",))
    prompt = "assign a berth to the vessel Nora"
    selector = selector_with(german)
    assert selector.select(prompt, language="de").adapter == "harbour@1"
    assert selector.select(prompt).adapter == "harbour@1"
    assert selector.select(prompt, language="fr").adapter is None


def test_the_threshold_is_the_callers_to_set() -> None:
    prompt = "assign a berth to the vessel Nora"
    assert selector_with(HARBOUR, GARDEN, min_confidence=1.1).select(prompt).adapter is None
    assert selector_with(HARBOUR, GARDEN, min_confidence=0.0).select("unrelated words only").adapter is not None


def test_reasons_hold_no_word_of_the_prompt() -> None:
    for prompt in ("assign a berth to the vessel Nora", "zanzibar zeppelin"):
        reason = selector_with(HARBOUR, GARDEN).select(prompt).reason
        assert not set(prompt.lower().split()) & set(reason.lower().replace(",", "").split())


def test_unchanged_cards_are_not_embedded_again() -> None:
    embedder = WordEmbedder()
    selector = Selector(embedder)
    selector.update([GARDEN])
    embedder.embedded.clear()
    selector.update([GARDEN])
    assert embedder.embedded == []
    selector.update([GARDEN, HARBOUR])
    assert not set(embedder.embedded) & {*BACKGROUND, *GARDEN.card.examples}
    assert set(HARBOUR.card.examples) <= set(embedder.embedded)


def test_a_card_that_was_read_while_its_adapter_was_loaded_is_not_read_again() -> None:
    embedder = WordEmbedder()
    selector = Selector(embedder)
    selector.update([GARDEN])
    loading = msgspec.structs.replace(HARBOUR, state="loading")
    selector.prepare([loading])
    assert selector.select(HARBOUR.card.examples[0]).adapter is None
    embedder.embedded.clear()
    selector.update([GARDEN, HARBOUR])
    assert embedder.embedded == []
    assert selector.select(HARBOUR.card.examples[0]).adapter == HARBOUR.id


def test_the_cards_of_an_engine_that_restarts_are_not_read_again_and_those_that_are_gone_are_forgotten() -> None:
    embedder = WordEmbedder()
    selector = Selector(embedder)
    selector.update([GARDEN, HARBOUR])
    embedder.embedded.clear()
    selector.update([])
    selector.prepare([msgspec.structs.replace(HARBOUR, state="loading")])
    selector.update([HARBOUR])
    assert embedder.embedded == []
    selector.prepare([])
    selector.update([GARDEN, HARBOUR])
    assert set(GARDEN.card.examples) <= set(embedder.embedded)


def test_a_card_with_thousands_of_examples_costs_no_more_than_a_full_one() -> None:
    embedder = WordEmbedder()
    selector = Selector(embedder)
    selector.update([GARDEN])
    before = len(embedder.embedded)
    selector.update([GARDEN, adapter("huge", *(f"example number {word}" for word in range(5_000)))])
    assert len(embedder.embedded) - before < 100


@settings(max_examples=8, deadline=None)
@given(
    st.permutations([HARBOUR, GARDEN, adapter("third", "count the coins", "count the stamps")]), st.text(max_size=80)
)
def test_a_selection_does_not_depend_on_the_order_of_the_listing(order: list[AdapterInfo], prompt: str) -> None:
    assert selector_with(*order).select(prompt) == selector_with(*sorted(order, key=lambda a: a.id)).select(prompt)


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=2_000))
def test_any_text_gets_an_answer_in_bounds(prompt: str) -> None:
    selection = SHARED.select(prompt)
    assert 0.0 <= selection.margin <= selection.confidence <= 1.0
    assert selection == SHARED.select(prompt)


def test_a_swap_under_concurrent_selects_never_raises_or_mixes_states() -> None:
    selector = Selector(WordEmbedder())
    states = ([HARBOUR, GARDEN], [GARDEN], [adapter("harbour", *HARBOUR.card.examples, version="2")], [])
    prompt = "assign a berth to the vessel Nora"
    expected = {}
    for state in states:
        selector.update(state)
        expected[selector.state_version] = selector.select(prompt)
    stop = threading.Event()

    def watch() -> int:
        seen = 0
        while not stop.is_set():
            selection = selector.select(prompt)
            assert selection == expected[selection.state_version]
            seen += 1
        return seen

    with ThreadPoolExecutor(4) as pool:
        watchers = [pool.submit(watch) for _ in range(3)]
        for turn in range(12):
            selector.update(states[turn % len(states)])
        stop.set()
        assert all(watcher.result() > 0 for watcher in watchers)
    assert len(expected) == len(states)


class ForgetfulEmbedder(WordEmbedder):
    """Keeps no text."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        rows = super().embed(texts)
        self.embedded.clear()
        return rows


def reachable(root: object) -> dict[int, object]:
    """All objects that something holds on to, by their identity; not the modules that its functions are of."""
    found: dict[int, object] = {}
    waiting = [root]
    while waiting:
        one = waiting.pop()
        is_module = isinstance(one, type | types.ModuleType) or (isinstance(one, dict) and "__builtins__" in one)
        if id(one) not in found and not is_module:
            found[id(one)] = one
            waiting.extend(gc.get_referents(one))
    return found


@pytest.mark.parametrize(
    ("embedder", "static", "keeps"),
    [
        (ForgetfulEmbedder(), None, False),
        (ForgetfulEmbedder(), ForgetfulEmbedder(), False),
        (WordEmbedder(), None, True),
        (ForgetfulEmbedder(), WordEmbedder(), True),
    ],
)
def test_a_selection_leaves_nothing_of_a_prompt_behind(
    embedder: WordEmbedder, static: WordEmbedder | None, keeps: bool
) -> None:
    selector = Selector(embedder, static=static)
    selector.update([HARBOUR, GARDEN])
    selector.select("some first prompt that both adapters are weighed for", earlier=["and its earlier turn"])
    before = reachable(selector)
    selector.explain("which zanzibar berth is it", earlier=["my secret zeppelin vessel"])
    selector.explain("zanzibar zeppelin", earlier=["my secret zeppelin vessel"])
    selector.explain("assign a berth to the vessel Anna of zanzibar")
    left = [one for identity, one in reachable(selector).items() if identity not in before]
    assert bool(left) is keeps


def test_what_rules_adapters_out_is_told_again_for_the_same_wishes() -> None:
    german = adapter("harbour", *HARBOUR.card.examples, languages=("de",))
    selector = selector_with(german, GARDEN)
    for _ in range(2):
        assert selector.explain("a berth", language="fr").ruled_out == {"harbour@1": "language"}
        assert selector.explain("a berth", language="de").ruled_out == {}


SHARED = selector_with(HARBOUR, GARDEN)
