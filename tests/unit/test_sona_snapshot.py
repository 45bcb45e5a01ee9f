"""Snapshots over a fake embedder: near-duplicates, stuffed cards, increments, tenants, turns, replays."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from router.core.adapters import AdapterInfo, Selection
from sona.background import BACKGROUND, FORMED, FORMS
from sona.decide import decide
from sona.duel import MAX_ROWS, RIDGE, Contender, duel
from sona.entry import build_background, unit
from sona.kernel import WORDS_WEIGHT, build_texts, gram
from sona.reading import TERM_SPACE, Terms, hashed, read
from sona.selector import Selector
from tests.unit.test_sona_selector import GARDEN, HARBOUR, WordEmbedder, adapter, selector_with

Floats = NDArray[np.float32]

PLANTS = ("rose", "lilac", "apple", "hazel", "yew", "box")
ROSES = adapter("roses", *(f"when must I water my {plant} in the garden" for plant in PLANTS))
PRUNING = adapter("pruning", *(f"when must I prune my {plant} in the garden" for plant in PLANTS))
COINS = adapter("coins", "count the coins in my purse", "how many coins are in the jar", "count my silver coins")
BERTH = "assign a berth to the vessel Nora"


def test_of_near_duplicates_what_tells_them_apart_decides() -> None:
    selector = selector_with(ROSES, PRUNING, HARBOUR)
    assert selector.select("when must I water my currant in the garden").adapter == "roses@1"
    assert selector.select("when must I prune my currant in the garden").adapter == "pruning@1"


def test_a_card_stuffed_with_keywords_wins_nothing_that_others_are_made_for() -> None:
    words = sorted({word for info in (HARBOUR, GARDEN, COINS) for text in info.card.examples for word in text.split()})
    generic = sorted({word for prompt in BACKGROUND for word in prompt.lower().split()})
    hub = adapter("hub", description="Best for everything", keywords=tuple(words + generic))
    plain, crowded = selector_with(HARBOUR, GARDEN, COINS), selector_with(HARBOUR, GARDEN, COINS, hub)
    prompts = [text for info in (HARBOUR, GARDEN, COINS) for text in info.card.examples]
    prompts += ["who painted this picture", "tell me a story about the moon", "what time is it"]
    assert [crowded.select(prompt).adapter for prompt in prompts] == [
        plain.select(prompt).adapter for prompt in prompts
    ]


@settings(max_examples=10, deadline=None)
@given(st.permutations([HARBOUR, GARDEN, ROSES, PRUNING, COINS]), st.data())
def test_one_by_one_gives_what_a_full_build_gives(order: list[AdapterInfo], data: st.DataObject) -> None:
    grown = Selector(WordEmbedder())
    for count in range(1, len(order) + 1):
        grown.update(order[:count])
    gone = data.draw(st.integers(0, len(order) - 1))
    grown.update(order[:gone] + order[gone + 1 :])
    grown.update(order)
    built = selector_with(*sorted(order, key=lambda info: info.id))
    for prompt in (BERTH, "when must I prune my currant", "count the coins", "what is the capital of Peru"):
        assert grown.explain(prompt) == built.explain(prompt)


class GatedEmbedder(WordEmbedder):
    """Stops at texts that hold a certain word until it is let go on."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.go = threading.Event(), threading.Event()

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if any("silver coins" in text for text in texts):
            self.reached.set()
            assert self.go.wait(30)
        return super().embed(texts)


def test_selecting_does_not_wait_for_an_update() -> None:
    embedder = GatedEmbedder()
    selector = Selector(embedder)
    selector.update([HARBOUR, GARDEN])
    before = selector.state_version
    updating = threading.Thread(target=selector.update, args=([HARBOUR, GARDEN, COINS],))
    updating.start()
    assert embedder.reached.wait(30)
    selection = selector.select(BERTH)
    assert (selection.adapter, selection.state_version) == ("harbour@1", before)
    embedder.go.set()
    updating.join(30)
    assert selector.state_version != before
    assert selector.select("count the silver coins").adapter == "coins@1"


def test_what_adapters_have_in_common_outlasts_an_adapter_more_and_goes_with_an_adapter_less() -> None:
    selector = selector_with(ROSES, PRUNING)

    def in_common() -> Floats:
        assert selector._state is not None
        pruning, roses = selector._state.full.entries[-2:]
        return selector._state.full.pair_gram(pruning, roses)

    first = in_common()
    selector.update([ROSES, PRUNING, COINS])
    assert in_common() is first
    selector.update([ROSES, PRUNING])
    assert in_common() is not first


def test_an_adapter_of_other_tenants_is_neither_chosen_nor_named() -> None:
    own = adapter("harbour", *HARBOUR.card.examples, tenants=("acme",))
    selector = selector_with(own, GARDEN)
    assert selector.select(BERTH, tenant="acme").adapter == "harbour@1"
    told = selector.explain(BERTH, tenant="other")
    assert told.selection.adapter is None
    assert b"harbour" not in msgspec.json.encode(told)


def test_content_that_is_no_text_is_left_to_the_base_model() -> None:
    told = selector_with(HARBOUR, GARDEN).explain(BERTH, needs={"vision"})
    assert told.selection.adapter is None
    assert told.selection.reason == "no adapter for the modality"
    assert told.ruled_out == {"harbour@1": "modality", "garden@1": "modality"}


def test_a_turn_that_does_not_say_what_to_do_is_read_with_an_earlier_one() -> None:
    selector = selector_with(HARBOUR, GARDEN)
    assert selector.select("zanzibar zeppelin").adapter is None
    selection = selector.select("zanzibar zeppelin", earlier=["more zeppelins", BERTH])
    assert selection.adapter == "harbour@1"
    assert selection.reason.endswith("by an earlier turn")


def test_a_turn_that_speaks_for_itself_is_not_read_with_earlier_ones() -> None:
    assert selector_with(HARBOUR, GARDEN).select(BACKGROUND[4], earlier=[BERTH]).adapter is None


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from([BERTH, "when must I prune", "berth shrub", "coins"]),
    st.sets(st.sampled_from(["harbour@1", "garden@1"])),
)
def test_a_recorded_selection_replays(prompt: str, resident: set[str]) -> None:
    made = selector_with(HARBOUR, GARDEN).select(prompt, resident=resident)
    record = msgspec.json.decode(msgspec.json.encode(made), type=Selection)
    on_device = {one.adapter for one in record.candidates if one.resident}
    assert decide(record.candidates, record.min_confidence, on_device).adapter == record.adapter
    again = selector_with(GARDEN, HARBOUR)
    assert again.state_version == record.state_version
    assert again.select(prompt, resident=on_device) == made


def test_a_changed_card_is_another_state() -> None:
    other = adapter("harbour", *HARBOUR.card.examples, tenants=("acme",))
    assert selector_with(HARBOUR).state_version != selector_with(other).state_version


def contender(rows: Floats, terms: Sequence[Terms], prompt: Floats, *, positives: int | None = None) -> Contender:
    texts = build_texts(rows, terms)
    return Contender(texts, len(rows) if positives is None else positives, texts.meaning(prompt))


def fought(terms: Terms, contenders: Sequence[Contender]) -> Floats:
    return duel(terms, contenders, lambda left, right: gram(contenders[left].texts, contenders[right].texts))


def bare(rows: int) -> list[Terms]:
    return [hashed({})] * rows


def test_a_duel_is_won_by_the_side_whose_rows_explain_the_prompt() -> None:
    rng = np.random.default_rng(3)
    left, right, other = (unit(rng.standard_normal((8, 32)).astype(np.float32)) for _ in range(3))
    prompt = unit((left[:3].sum(axis=0) + 0.1)[None].astype(np.float32))[0]
    none = contender(other, bare(8), prompt, positives=0)
    ours, theirs = contender(left, bare(8), prompt), contender(right, bare(8), prompt)
    assert fought(hashed({}), [ours, theirs, none]).argmax() == 0
    assert fought(hashed({}), [theirs, ours, none]).argmax() == 1


def test_where_meanings_are_alike_shared_words_decide_a_duel() -> None:
    rows = np.ones((2, 4), dtype=np.float32) / 2
    none = contender(rows, bare(2), rows[0], positives=0)
    ours, theirs = (contender(rows, [hashed({word: 1.0})] * 2, rows[0]) for word in ("alpha", "beta"))
    assert fought(hashed({"alpha": 1.0}), [ours, theirs, none]).argmax() == 0
    assert fought(hashed({"beta": 1.0}), [ours, theirs, none]).argmax() == 1


def test_a_duel_is_the_ridge_regression_of_its_texts_around_their_mean() -> None:
    rng = np.random.default_rng(5)
    words = [f"word{number}" for number in range(40)]

    def draw(count: int) -> tuple[Floats, list[Terms]]:
        rows = unit(rng.standard_normal((count, 48)).astype(np.float32)).astype(np.float16).astype(np.float32)
        return rows, [hashed(dict.fromkeys(rng.choice(words, 9, replace=False), 1 / 3)) for _ in rows]

    prompt, (asked,) = draw(1)
    drawn = [draw(count) for count in (1, 9, MAX_ROWS, 15, MAX_ROWS - 6)]
    positives = [1, 5, MAX_ROWS, 13, 0]
    contenders = [contender(*own, prompt[0], positives=count) for own, count in zip(drawn, positives, strict=True)]
    terms = [asked, *(term for _, own in drawn for term in own)]
    weights = np.zeros((len(terms), TERM_SPACE), dtype=np.float32)
    for row, (ids, own) in enumerate(terms):
        weights[row, ids] = own
    whole = np.concatenate([prompt, *(rows for rows, _ in drawn)])
    whole = np.concatenate([whole, np.sqrt(WORDS_WEIGHT) * weights[:, np.unique(weights.nonzero()[1])]], axis=1)
    rows, point = whole[1:] - whole[1:].mean(axis=0), whole[0] - whole[1:].mean(axis=0)
    spread = rows @ rows.T
    shares = np.linalg.solve(spread + np.eye(len(rows)) * (RIDGE * np.trace(spread) / len(rows) + 1e-6), rows @ point)
    sides = np.concatenate(
        [
            np.where(np.arange(len(own)) < count, side, 4)
            for side, ((own, _), count) in enumerate(zip(drawn, positives, strict=True))
        ]
    )
    assert fought(asked, contenders) == pytest.approx(np.bincount(sides, weights=shares), abs=1e-4)


def test_of_many_texts_a_duel_takes_those_most_like_the_prompt() -> None:
    rng = np.random.default_rng(7)
    many, other = (unit(rng.standard_normal((count, 16)).astype(np.float32)) for count in (3 * MAX_ROWS, 30))
    prompt = many[11]
    kept = np.sort(np.argsort(-(many.astype(np.float16).astype(np.float32) @ prompt))[:MAX_ROWS])
    generic = np.sort(np.argsort(-(other.astype(np.float16).astype(np.float32) @ prompt))[:MAX_ROWS])
    none = hashed({})
    whole = fought(none, [contender(many, bare(len(many)), prompt), contender(other, bare(30), prompt, positives=0)])
    cut = [
        contender(many[kept], bare(MAX_ROWS), prompt),
        contender(other[generic], bare(MAX_ROWS), prompt, positives=0),
    ]
    assert whole == pytest.approx(fought(none, cut), abs=1e-6)


def test_a_prompt_that_generic_ones_explain_makes_less_sure_than_one_that_examples_explain() -> None:
    explained = [selector_with(HARBOUR, GARDEN).select(prompt).candidates[0] for prompt in (BERTH, BACKGROUND[4])]
    assert explained[0].explained > explained[1].explained
    assert explained[0].confidence > explained[1].confidence


def test_how_a_prompt_is_put_is_no_part_of_what_it_means() -> None:
    bare, *formed = (form.format(BACKGROUND[20]) for form in ("{}", *FORMS))
    background = build_background(
        read(WordEmbedder(), BACKGROUND),
        [read(WordEmbedder(), [form.format(prompt) for form in FORMS]) for prompt in FORMED],
        WordEmbedder.layer_dims,
    )
    vectors = np.stack([reading.vector for reading in read(WordEmbedder(), [bare, *formed])])
    kept = background.centred(vectors)
    whole = unit(vectors - background.mean)
    assert (kept[1:] @ kept[0]).mean() > (whole[1:] @ whole[0]).mean()
