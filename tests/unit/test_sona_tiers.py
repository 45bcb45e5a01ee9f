"""Two tiers of embedding: a cheap one decides where it is clear, else the encoder; and the table that ships."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from router.core.adapters import Selection
from sona.decide import decide
from sona.embedder import OnnxEmbedder, load_embedder
from sona.entry import unit
from sona.glance import Glance, clearness
from sona.reading import read, reread
from sona.selector import Selector
from sona.static_table import StaticTable, load_static_table
from tests.unit.test_sona_selector import GARDEN, HARBOUR, WordEmbedder

CLEAR = "assign a berth to the vessel Anna"
VAGUE = "is a berth or a shrub what this is about"


class OtherWords(WordEmbedder):
    version = "other-words-1"


@pytest.fixture
def encoder() -> WordEmbedder:
    return WordEmbedder()


@pytest.fixture
def selector(encoder: WordEmbedder) -> Selector:
    selector = Selector(encoder, static=OtherWords())
    selector.update([HARBOUR, GARDEN])
    encoder.embedded.clear()
    return selector


def test_a_clear_prompt_is_decided_without_the_encoder(selector: Selector, encoder: WordEmbedder) -> None:
    selection = selector.select(CLEAR)
    assert (selection.adapter, selection.tier) == ("harbour@1", "static")
    assert selection.confidence >= 0.98
    assert encoder.embedded == []


@pytest.mark.parametrize("prompt", [VAGUE, "tell me a story about the moon"])
def test_a_prompt_that_is_not_clear_gets_what_the_encoder_alone_would_give(selector: Selector, prompt: str) -> None:
    alone = Selector(WordEmbedder())
    alone.update([HARBOUR, GARDEN])
    selection = selector.select(prompt)
    assert selection.tier == "encoder"
    assert msgspec.structs.replace(selection, state_version="") == msgspec.structs.replace(
        alone.select(prompt), state_version=""
    )


def test_among_one_adapter_there_is_nothing_to_lead_over_so_the_encoder_decides() -> None:
    selector = Selector(WordEmbedder(), static=OtherWords())
    selector.update([HARBOUR])
    assert selector.select(CLEAR).tier == "encoder"


def test_a_threshold_that_the_table_does_not_reach_is_the_encoders_to_meet() -> None:
    selector = Selector(WordEmbedder(), static=OtherWords(), min_confidence=1.0)
    selector.update([HARBOUR, GARDEN])
    assert selector.select(CLEAR).tier == "encoder"


def test_an_earlier_turn_may_be_decided_by_the_table(selector: Selector) -> None:
    selection = selector.select("zanzibar zeppelin", earlier=[CLEAR])
    assert (selection.adapter, selection.tier) == ("harbour@1", "static")
    assert selection.reason.endswith("by an earlier turn")


@pytest.mark.parametrize("resident", [frozenset[str](), {"garden@1"}])
def test_a_selection_by_the_table_replays(selector: Selector, resident: set[str]) -> None:
    made = selector.select(CLEAR, resident=resident)
    record = msgspec.json.decode(msgspec.json.encode(made), type=Selection)
    on_device = {one.adapter for one in record.candidates if one.resident}
    assert decide(record.candidates, record.min_confidence, on_device).adapter == record.adapter == "harbour@1"
    assert selector.select(CLEAR, resident=on_device) == made


def test_another_table_is_another_state(selector: Selector) -> None:
    alone = Selector(WordEmbedder())
    alone.update([HARBOUR, GARDEN])
    assert alone.state_version != selector.state_version


@pytest.mark.parametrize("text", [CLEAR, f"Say what this is about:\n{'berth and shrub and vessel ' * 30}"])
def test_what_the_table_was_not_sure_of_is_read_as_if_there_were_none(text: str) -> None:
    first = read(OtherWords(), [text])[0]
    (plain,) = read(WordEmbedder(), [text])
    again = reread(WordEmbedder(), text, first.terms)
    assert np.array_equal(again.vector, plain.vector)
    assert all(np.array_equal(one, other) for one, other in zip(again.terms, plain.terms, strict=True))


def test_more_of_what_speaks_for_an_adapter_makes_it_clearer() -> None:
    some = Glance(above=0.2, lead=0.2, nearest_lead=0.2, words_lead=0.2, beyond_generic=0.2)
    for field in Glance._fields:
        assert clearness(some) < clearness(some._replace(**{field: 0.4}))


def test_to_lead_over_adapters_that_negative_examples_rule_out_makes_nothing_clear() -> None:
    assert clearness(Glance(above=-0.4, lead=1.4, nearest_lead=1.2, words_lead=0.0, beyond_generic=-0.6)) < 0.5


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> OnnxEmbedder:
    return load_embedder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="module")
def table(model: OnnxEmbedder) -> StaticTable:
    return load_static_table(model.token_ids)


def test_texts_that_mean_the_same_lie_nearer_than_others(table: StaticTable) -> None:
    one, same, other = table.embed(["cancel my flight to Rome", "I want to cancel the flight", "write a poem on rain"])
    assert one @ same > one @ other
    assert np.linalg.norm(one) == pytest.approx(1.0, abs=1e-5)


def test_a_text_without_tokens_lies_nowhere(table: StaticTable) -> None:
    assert not table.embed([""]).any()
    assert table.embed([]).shape == (0, table.dims)


def test_the_table_that_ships_is_made_of_this_encoder(model: OnnxEmbedder, table: StaticTable) -> None:
    first, last = model.all_token_ids("")
    tokens = [(word, model.all_token_ids(word)[1:-1]) for word in WORDS]
    words, places = zip(*((word, ids[0]) for word, ids in tokens if len(ids) == 1), strict=True)
    vectors = np.stack([model.vector([first, place, last]) for place in places])
    vectors -= vectors.mean(axis=0)
    known = table.embed(words)
    known -= known.mean(axis=0)
    assert np.corrcoef(off_diagonal(unit(vectors)), off_diagonal(unit(known)))[0, 1] > 0.9


def off_diagonal(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    cosines = rows @ rows.T
    return cosines[np.triu_indices(len(cosines), 1)]


WORDS = "the of city river music army school water king game film church road house team war law year day book".split()


def test_what_only_duels_need_is_not_kept_of_what_the_table_reads(selector: Selector) -> None:
    state = selector._state
    assert state is not None
    assert state.static is not None
    for full, glanced in zip(state.full.entries, state.static.entries, strict=True):
        assert all(part.size for part in (full.gram, full.generic_gram, full.texts.weights))
        assert not any(part.size for part in (glanced.gram, glanced.generic_gram, glanced.texts.weights))
