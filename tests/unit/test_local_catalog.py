"""The state machine of adapters, the record of residency, the comparison of the canary, cards."""

from __future__ import annotations

from pathlib import Path

import pytest

from local_inference.canary import distance
from local_inference.card import UNREAD, read_card
from local_inference.catalog import Catalog, Entry, State
from local_inference.store import Store
from router.core.adapters import AdapterCard, AdapterInfo
from router.core.errors import AdapterIncompatible, AdapterNotFound, AdapterNotReady, InternalError
from tests.fakes.engine_tiny_model import write_adapter


def entry(name: str, version: str, state: State, **facts: str) -> Entry:
    return Entry(info=AdapterInfo(name=name, version=version, state=state.value, **facts))


def ready(catalog: Catalog, name: str, version: str) -> None:
    made = entry(name, version, State.STORED)
    catalog.put(made)
    for state in (State.LOADING, State.CANARY, State.READY):
        catalog.put(made.moved(state))
    catalog.promote(made.id)


def test_a_name_means_its_current_version_and_a_version_itself() -> None:
    catalog = Catalog()
    ready(catalog, "legal", "1")
    ready(catalog, "legal", "2")
    assert catalog.resolve("legal").id == "legal@2"
    assert catalog.resolve("legal@1").id == "legal@1"


def test_every_change_grows_the_revision_and_is_told() -> None:
    told: list[int] = []
    catalog = Catalog(lambda: told.append(1))
    ready(catalog, "legal", "1")
    assert catalog.revision == len(told) == 5
    catalog.put(catalog.resolve("legal"))
    assert catalog.revision == 5


def test_a_step_that_does_not_exist_is_a_bug() -> None:
    catalog = Catalog()
    catalog.put(entry("a", "1", State.STORED))
    with pytest.raises(InternalError):
        catalog.put(entry("a", "1", State.READY))
    with pytest.raises(InternalError):
        catalog.put(entry("b", "1", State.READY))
    with pytest.raises(InternalError):
        catalog.promote("a@1")


def test_an_unknown_name_gets_the_nearest() -> None:
    catalog = Catalog()
    ready(catalog, "legal", "1")
    with pytest.raises(AdapterNotFound, match="did you mean 'legal'"):
        catalog.resolve("leagl")
    with pytest.raises(AdapterNotFound, match="'legal' now means 'legal@1'"):
        catalog.resolve("legal@0")


def test_a_quarantined_adapter_says_why_and_how_to_mend_it() -> None:
    catalog = Catalog()
    catalog.put(entry("bad", "", State.QUARANTINED, reason="dora", message="no DoRA", fix="retrain"))
    with pytest.raises(AdapterIncompatible, match=r"dora.*no DoRA.*retrain"):
        catalog.resolve("bad")


def test_a_bad_edit_leaves_the_good_version_serving() -> None:
    catalog = Catalog()
    ready(catalog, "legal", "1")
    catalog.put(entry("legal", "2", State.QUARANTINED, reason="dora", message="m", fix="f"))
    assert catalog.resolve("legal").id == "legal@1"


def test_an_adapter_on_its_way_is_not_ready() -> None:
    catalog = Catalog()
    catalog.put(entry("new", "", State.COPYING, message="waiting for the rest"))
    with pytest.raises(AdapterNotReady, match="waiting for the rest"):
        catalog.resolve("new")


def test_a_removed_name_is_not_found_while_it_drains() -> None:
    catalog = Catalog()
    ready(catalog, "legal", "1")
    catalog.retire_name("legal")
    catalog.put(catalog.all()[0].moved(State.DRAINING))
    for model in ("legal", "legal@1"):
        with pytest.raises(AdapterNotFound):
            catalog.resolve(model)


def test_probabilities_differ_by_their_largest_difference() -> None:
    assert distance(({"a": -1.0, "b": -2.0},), ({"a": -1.0, "b": -2.0},)) == 0
    assert distance(({"a": -1.0, "b": -2.0},), ({"a": -1.5, "b": -2.0},)) == 0.5
    assert distance(({"a": -1.0, "b": -2.0},), ({"a": -1.0, "c": -2.5},)) == 0.5


def test_card_yaml_wins_over_the_readmes_front_matter() -> None:
    readme = "---\nlicense: mit\ndescription: from readme\nkeywords: law\n---\n# Title\n"
    reading = read_card(
        {
            "README.md": readme.encode(),
            "card.yaml": b"description: from card\nexamples: [one, {prompt: two, answer: x}]",
        }.get
    )
    assert reading.card.description == "from card"
    assert reading.card.keywords == ("law",)
    assert reading.card.examples == ("one", "two")
    assert reading.warnings == ()


@pytest.mark.parametrize(
    "text", ["a: [", "- a\n- b", "description: [1, 2]", "examples: {a: b}", "examples: [{answer: x}]"]
)
def test_a_bad_card_is_a_warning(text: str) -> None:
    reading = read_card({"card.yaml": f"{text}".encode()}.get)
    assert len(reading.warnings) == 1


def test_one_bad_field_does_not_cost_the_others() -> None:
    reading = read_card({"card.yaml": b"description: fine\nlanguages: {a: 1}"}.get)
    assert reading.card.description == "fine"
    assert "languages" in reading.warnings[0]


def test_the_store_keeps_equal_content_once_and_clears_leftovers(tmp_path: Path) -> None:
    root = tmp_path / "store"
    (root / ".incoming" / "half").mkdir(parents=True)
    store = Store(root)
    store.open()
    one = store.take(write_adapter(tmp_path / "one"))
    path = store.keep(one)
    other = store.take(write_adapter(tmp_path / "two"))
    assert other.path == path
    assert other.sha256 == one.sha256
    store.drop(other)
    twice = store.take(tmp_path / "two", known=False)
    assert twice.path != path, "copied without a look"
    assert store.keep(twice) == path
    assert sorted(entry.name for entry in root.iterdir()) == [".incoming", one.sha256]
    assert list((root / ".incoming").iterdir()) == []
    assert (path / "adapter_config.json").stat().st_mode & 0o222 == 0


def test_a_folder_that_is_looked_at_is_there_for_those_whom_it_admitted_before() -> None:
    """As after a restart: what was stored isn't loaded yet, and the card that its folder holds now isn't read."""
    catalog = Catalog()
    card = AdapterCard(tenants=("law",))
    catalog.put(Entry(info=AdapterInfo(name="legal", version="1", state="stored", card=card)))
    for state in ("copying", "checking", "quarantined"):
        catalog.put(Entry(info=AdapterInfo(name="legal", version="", state=state, card=UNREAD)))
        for tenant, kind in (("law", AdapterNotReady), ("sales", AdapterNotFound)):
            with pytest.raises(kind):
                catalog.resolve("legal", lambda card, tenant=tenant: card.admits(tenant))
    catalog.put(Entry(info=AdapterInfo(name="new", version="", state="copying", card=UNREAD)))
    with pytest.raises(AdapterNotFound):
        catalog.resolve("new", lambda card: card.admits("law"))
