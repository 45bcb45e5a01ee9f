"""Which adapters a tenant may know of, and which version a name means while a new one is tried."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence, Set

import msgspec
import pytest

from router.core.adapters import AdapterCard, AdapterInfo, AdapterListing, Selection
from router.core.types import Principal
from router.directory import AdapterDirectory
from router.routing.candidates import named_local_target
from sona.selector import Explanation
from tests.fakes.values import request

pytestmark = pytest.mark.anyio


def info(
    name: str,
    version: str = "1",
    *,
    tenants: tuple[str, ...] = (),
    languages: tuple[str, ...] = (),
    **facts: object,
) -> AdapterInfo:
    known = {"state": "ready", **facts}
    card = AdapterCard(tenants=tenants, languages=languages)
    return AdapterInfo(name=name, version=version, card=card, **known)  # type: ignore[arg-type]


class Choosing:
    """A selector that always chooses the same."""

    def __init__(self, adapter: str) -> None:
        self._adapter = adapter
        self.known: tuple[str, ...] = ()
        self.coming: tuple[str, ...] = ()
        self.tenants: list[str | None] = []
        self.languages: list[str | None] = []

    def update(self, adapters: tuple[AdapterInfo, ...]) -> None:
        self.known = tuple(one.id for one in adapters)

    def prepare(self, adapters: tuple[AdapterInfo, ...]) -> None:
        self.coming = tuple(one.id for one in adapters)

    def explain(
        self,
        text: str,
        *,
        earlier: Sequence[str],
        language: str | None,
        tenant: str | None,
        needs: Set[str],
        resident: Set[str],
    ) -> Explanation:
        self.tenants.append(tenant)
        self.languages.append(language)
        made = Selection(adapter=self._adapter, confidence=1.0, margin=1.0, state_version="", reason="always")
        return Explanation(selection=made, adapters=len(self.known), ruled_out={})


async def directory(*infos: AdapterInfo, chosen: str = "law@1", draw: float = 0.0) -> AdapterDirectory:
    made = AdapterDirectory(Choosing(chosen), lambda: draw)
    await made.update(AdapterListing(revision=1, base_model="b", data=infos))
    return made


async def test_an_adapter_of_other_tenants_is_as_if_it_were_not_there() -> None:
    one = await directory(info("law", tenants=("a",)), info("sql"), info("busy", "", state="copying"))
    a, b = one.models_for("a"), one.models_for("b")
    assert set(a.current) == {"law", "sql"}
    assert set(b.current) == {"sql"}
    assert b.known == {"sql"}, "whom a new folder's card admits isn't known while it is copied"
    for model in ("law", "law@1", "local/law", "local/law@1"):
        assert named_local_target(model, a) is not None
        assert named_local_target(model, b) is None
    everybody = [one.id for one in one.visible(Principal(id="x", tenant="b", admin=True)).data]
    assert everybody == ["law@1", "sql@1", "busy@"]
    assert [one.id for one in one.visible(Principal(id="x", tenant="b")).data] == ["sql@1"]


async def test_a_new_adapter_is_shown_to_those_whom_its_card_admits_once_it_was_read() -> None:
    for state in ("checking", "quarantined"):
        one = await directory(info("law", "", state=state, tenants=("a",)), info("odd", "", state=state, tenants=("",)))
        assert (one.models_for("a").known, one.models_for("b").known) == ({"law"}, frozenset())
    one = await directory(info("law", "", state="copying"), info("law", "1", tenants=("a",)))
    assert (len(one.visible(Principal(id="x", tenant="a")).data), one.models_for("b").known) == (2, frozenset())


async def test_versions_may_be_for_different_tenants() -> None:
    one = await directory(info("law", "1", tenants=("a",), current=False), info("law", "2", tenants=("b",)))
    a, b = one.models_for("a"), one.models_for("b")
    assert (a.current, b.current) == ({}, {"law": "law@2"})
    assert named_local_target("law@2", a) is None
    assert named_local_target("law@1", b) is None
    assert named_local_target("law@1", a) is not None


async def test_what_becomes_of_a_closed_adapters_folder_is_its_tenants_to_know() -> None:
    for state in ("copying", "checking", "quarantined"):
        edit = info("law", "" if state != "quarantined" else "2", state=state, current=False)
        one = await directory(info("law", tenants=("a",)), edit)
        assert one.models_for("b").known == frozenset()
        assert one.visible(Principal(id="x", tenant="b")).data == ()
        assert len(one.visible(Principal(id="x", tenant="a")).data) == 2
        assert named_local_target(edit.id, one.models_for("b")) is None


async def test_an_adapter_that_was_opened_is_everybodys_and_its_old_version_is_not() -> None:
    one = await directory(info("law", "1", tenants=("a",), current=False), info("law", "2"))
    b = one.models_for("b")
    assert b.current == {"law": "law@2"}
    assert named_local_target("law@1", b) is None


async def test_a_selection_that_the_tenant_may_not_use_becomes_the_base_model() -> None:
    one = await directory(info("law", tenants=("a",)), info("sql"))
    for tenant, adapter in (("a", "law@1"), ("b", None)):
        selection = await one.choose(request(principal=Principal(id="k", tenant=tenant)))
        assert selection.adapter == adapter


async def test_sona_knows_current_versions_alone() -> None:
    selector = Choosing("law@2")
    one = AdapterDirectory(selector)
    versions = (info("law", "1", current=False), info("law", "2"), info("sql", state="disabled"))
    await one.update(AdapterListing(revision=1, base_model="b", data=versions))
    assert selector.known == ("law@2",)
    await one.choose(request(principal=Principal(id="k", tenant="t")))
    assert selector.tenants == ["t"]


async def test_the_card_of_an_adapter_that_is_being_loaded_is_read_meanwhile() -> None:
    selector = Choosing("law@1")
    one = AdapterDirectory(selector)
    coming = (info("sql", state="loading"), info("tax", state="canary"), info("old", state="stored", current=False))
    await one.update(AdapterListing(revision=1, base_model="b", data=(info("law"), *coming)))
    assert (selector.known, selector.coming) == (("law@1",), ("sql@1", "tax@1"))


async def test_the_language_of_a_request_is_told_where_a_card_asks_and_it_is_sure() -> None:
    selector = Choosing("law@1")
    asked = ("Bitte schreibe mir ein kurzes Gedicht über den Herbst", "Herbst 2021?")
    for cards in ((info("law"),), (info("law"), info("recht", languages=("de",)))):
        one = AdapterDirectory(selector)
        await one.update(AdapterListing(revision=1, base_model="b", data=cards))
        for text in asked:
            await one.choose(request(body={"model": "auto", "messages": [{"role": "user", "content": text}]}))
    assert selector.languages == [None, None, "de", None]


@pytest.mark.parametrize(("draw", "version"), [(0.1, "law@2"), (0.2, "law@1"), (0.9, "law@1")])
async def test_a_version_on_trial_takes_its_share(draw: float, version: str) -> None:
    one = await directory(info("law", "1"), info("law", "2", current=False, share=0.2), draw=draw)
    assert one.models_for("t").current == {"law": version}
    assert (await one.choose(request())).adapter == version
    assert one.models.current == {"law": "law@1"}


class Reading(Choosing):
    """Reads new cards until it is told to stop."""

    def __init__(self, adapter: str) -> None:
        super().__init__(adapter)
        self.read = threading.Event()

    def update(self, adapters: tuple[AdapterInfo, ...]) -> None:
        super().update(adapters)
        if len(adapters) > 1:
            self.read.wait(10)


async def test_a_choice_does_not_wait_until_hundreds_of_new_cards_are_read() -> None:
    selector = Reading("law@1")
    one = AdapterDirectory(selector)
    await one.update(AdapterListing(revision=1, base_model="b", data=(info("law"),)))
    many = tuple(info(f"n{number}") for number in range(300))
    updating = asyncio.create_task(one.update(AdapterListing(revision=2, base_model="b", data=(info("law"), *many))))
    await asyncio.sleep(0.05)
    assert (await one.choose(request())).adapter == "law@1"
    assert not updating.done()
    selector.read.set()
    await updating


async def test_an_order_is_answered_once_the_next_request_sees_what_it_did() -> None:
    old, new = info("law", "1", current=True), info("law", "2", current=True)
    spare = msgspec.structs.replace(old, current=False)
    one = await directory(old, info("law", "2"))
    told = AdapterListing(revision=9, base_model="b", data=(spare, new))
    waiting = asyncio.create_task(one.agrees("law", told))
    await one.update(AdapterListing(revision=2, base_model="b", data=(old, info("sql"))))  # news of another
    await asyncio.sleep(0)
    assert not waiting.done()
    await one.update(told)
    await waiting
    assert one.models_for("a").current == {"law": "law@2"}


async def test_an_order_is_answered_though_the_list_never_comes() -> None:
    one = await directory(info("law", "1", current=True))
    await one.agrees("law", AdapterListing(revision=9, base_model="b", data=()), within_s=0.01)
