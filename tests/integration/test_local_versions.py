"""Versions over real sockets with the fake engine: kept, rolled back, tried on a share of traffic, ordered about."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx
import msgspec
import pytest

from local_inference.errors import Rejected
from local_inference.registry import Adapter, Kept, Stored
from local_inference.store import Copy, hashes
from router.core.adapters import VERSION_DIGITS, version_of
from tests.fakes.engine_host import Running, serving, until
from tests.fakes.engine_tiny_model import write_adapter, write_model

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def order(running: Running, target: str, verb: str) -> httpx.Response:
    return await running.http.post(f"/v1/adapters/{target}:{verb}")


async def served(running: Running, model: str = "legal") -> str:
    return (await running.ask(model)).headers["x-adapter"]


async def edited(running: Running, seed: int, name: str = "legal") -> str:
    """Change an adapter's weights; return the id of the version that its name means then."""
    before = {info.id for info in await running.infos(name)}
    write_adapter(running.adapters / name, seed=seed)

    async def moved() -> bool:
        found = await running.infos(name)
        return any(info.current and info.state == "ready" and info.id not in before for info in found)

    await until(moved)
    return next(info.id for info in await running.infos(name) if info.current)


async def test_versions_are_kept_served_and_rolled_back_to_without_a_load(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapters" / "legal")
    async with serving(tmp_path) as running:
        first = (await running.state("legal", "ready")).id
        second, third = await edited(running, 2), await edited(running, 3)
        assert [await served(running, id) for id in (first, second, third)] == [first, second, third]
        loads = dict(running.engine.loaded)
        back = await order(running, "legal", "rollback")
        assert back.status_code == 200
        assert [info["id"] for info in map(_with_id, back.json()["data"]) if info["current"]] == [second]
        assert await served(running) == second
        await order(running, f"legal@{third.partition('@')[2]}", "rollback")
        assert await served(running) == third
        await order(running, first, "rollback")
        assert await served(running) == first
        assert running.engine.loaded == loads
        models = (await running.http.get("/v1/models")).json()["data"]
        assert [model["root"] for model in models][2:] == [first]


def _with_id(info: dict[str, object]) -> dict[str, object]:
    return {**info, "id": f"{info['name']}@{info['version']}"}


async def test_a_content_that_has_another_version_s_name_is_refused_and_touches_neither(tmp_path: Path) -> None:
    """Nobody can make one, so the journal is told that the version of a content to come belongs to another."""
    write_adapter(tmp_path / "adapters" / "legal")
    write_adapter(tmp_path / "other" / "legal", seed=2)
    sha256 = hashes(tmp_path / "other" / "legal")[0]
    forged = sha256[:VERSION_DIGITS] + sha256[VERSION_DIGITS:][::-1]
    assert version_of(forged) == version_of(sha256)
    assert forged != sha256
    async with serving(tmp_path) as running:
        first = await running.state("legal", "ready")
        mine = Kept(sha256=forged, info=msgspec.structs.replace(first, version=version_of(forged)))
        running.host.journal.append(Stored(name="legal", kept=mine, wanted=False))
        loads, answer = dict(running.engine.loaded), (await running.ask("legal")).content
        write_adapter(running.adapters / "legal", seed=2)
        refused = await running.state("legal", "quarantined")
        assert (refused.reason, refused.version) == ("version_collision", "")
        assert running.engine.loaded == loads
        assert await served(running) == first.id
        assert (await running.ask("legal")).json()["choices"] == json.loads(answer)["choices"]
        assert (await running.ask(f"legal@{version_of(sha256)}")).status_code == 404
        assert running.host.journal.get("legal").kept(version_of(sha256)) == mine
        write_adapter(running.adapters / "legal", seed=3)

        async def mended() -> bool:
            return await served(running) != first.id

        await until(mended)


async def test_only_so_many_versions_are_kept_in_engine_and_store(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapters" / "legal")
    async with serving(tmp_path, keep_versions=2) as running:
        first = (await running.state("legal", "ready")).id
        second, third = await edited(running, 2), await edited(running, 3)

        async def gone() -> bool:
            kept = [path for path in (tmp_path / "var" / "store").iterdir() if len(path.name) == 64]
            return len(kept) == 2 and set(running.engine.loaded) == {second, third}

        await until(gone, 10)
        answer = await order(running, first, "rollback")
        assert answer.status_code == 404
        assert second.partition("@")[2] in answer.json()["error"]["message"]


async def test_a_roll_back_outlives_a_restart_until_the_folder_changes(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapters" / "legal")
    async with serving(tmp_path) as running:
        first = (await running.state("legal", "ready")).id
        second = await edited(running, 2)
        await order(running, "legal", "rollback")
        before = dict(running.host.journal.adapters)
    async with serving(tmp_path) as running:
        await running.state("legal", "ready")

        async def both() -> bool:
            return {info.id for info in await running.infos("legal") if info.state == "ready"} == {first, second}

        await until(both)
        assert await served(running) == first
        assert running.host.journal.adapters == before
        third = await edited(running, 3)
        assert await served(running) == third


async def test_running_answers_end_on_the_version_they_began_with(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapters" / "legal")
    async with serving(tmp_path, {"token_ms": 20}, keep_versions=1) as running:
        first = (await running.state("legal", "ready")).id
        slow = [asyncio.create_task(running.ask("legal", "word " * 60)) for _ in range(20)]
        await asyncio.sleep(0.1)
        second = await edited(running, 2)
        new = [await running.ask("legal", "x") for _ in range(5)]
        assert {answer.json()["model"] for answer in new} == {second}
        old = await asyncio.gather(*slow)
        assert {answer.status_code for answer in old} == {200}
        assert {answer.json()["model"] for answer in old} == {first}

        async def unloaded() -> bool:
            return set(running.engine.loaded) == {second}

        await until(unloaded, 10)


async def test_a_disabled_adapter_is_not_served_until_it_is_enabled_also_after_a_restart(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapters" / "legal")
    async with serving(tmp_path) as running:
        id = (await running.state("legal", "ready")).id
        assert (await order(running, "legal", "disable")).status_code == 200
        await running.state("legal", "disabled")
        assert not running.engine.loaded
        for model in ("legal", id):
            answer = await running.ask(model)
            assert answer.status_code == 404
            assert "disabled" in answer.json()["error"]["message"]
    async with serving(tmp_path) as running:
        await running.state("legal", "disabled")
        write_adapter(running.adapters / "legal", seed=2)  # a change doesn't switch it on

        async def two() -> bool:
            return {info.state for info in await running.infos("legal")} == {"disabled"} and len(
                running.host.journal.adapters["legal"].versions
            ) == 2

        await until(two)
        await order(running, "legal", "enable")
        await running.state("legal", "ready")

        async def newest() -> bool:
            return await served(running) not in (id, "")

        await until(newest)


async def test_pins_are_told_and_kept(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapters" / "legal")
    write_adapter(tmp_path / "adapters" / "sql", seed=2, card="pin: true")
    async with serving(tmp_path) as running:
        assert [info.pinned for info in (await running.listing()).data] == [False, True]
        await order(running, "legal", "pin")
        await order(running, "sql", "unpin")
        assert [info.pinned for info in (await running.listing()).data] == [True, False]
    async with serving(tmp_path) as running:
        await running.state("sql", "ready")
        assert [info.pinned for info in (await running.listing()).data] == [True, False]


async def test_a_rescan_tries_again_what_the_engine_refused(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapters" / "legal")
    async with serving(tmp_path, {"fail_load": ["legal"]}) as running:
        assert (await running.state("legal", "quarantined")).reason == "load_failed"
    async with serving(tmp_path) as running:  # this engine would take it, and isn't asked
        assert (await running.state("legal", "quarantined")).reason == "load_failed"
        await order(running, "legal", "rescan")
        await running.state("legal", "ready")


async def test_an_order_about_nothing_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapters" / "legal")
    async with serving(tmp_path) as running:
        await running.state("legal", "ready")
        for verb in ("rollback", "pin", "unpin", "disable", "enable", "rescan", "vote?good=true"):
            answer = await order(running, "leagl", verb)
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "adapter_not_found"), verb
            assert "'legal'" in answer.json()["error"]["message"]
        nothing_before = await order(running, "legal", "rollback")
        assert (nothing_before.status_code, nothing_before.json()["error"]["code"]) == (400, "invalid_value")
        assert (await order(running, "legal", "vote")).status_code == 400
        assert (await order(running, "legal", "explode")).status_code == 404


async def test_a_folder_that_went_while_the_host_was_down_is_gone(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapters" / "legal")
    write_adapter(tmp_path / "adapters" / "sql", seed=2)
    async with serving(tmp_path) as running:
        await running.state("legal", "ready")
        await running.state("sql", "ready")
    shutil.rmtree(tmp_path / "adapters" / "legal")
    async with serving(tmp_path) as running:

        async def gone() -> bool:
            return [info.name for info in (await running.listing()).data] == ["sql"]

        await until(gone)
        assert list(running.host.journal.adapters) == ["sql"]


async def test_a_copy_that_was_damaged_in_the_store_is_made_again(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapters" / "legal")
    async with serving(tmp_path) as running:
        id = (await running.state("legal", "ready")).id
    weights = next((tmp_path / "var" / "store").glob("*/adapter_model.safetensors"))
    weights.chmod(0o644)
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-4] + bytes(4))
    async with serving(tmp_path) as running:
        assert (await running.state("legal", "ready")).id == id
        assert await served(running) == id

        async def mended() -> bool:
            return weights.exists() and weights.read_bytes() == whole

        await until(mended)


async def test_what_nobody_trusted_signed_is_not_served_after_a_restart_that_demands_it(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapters" / "legal")
    async with serving(tmp_path) as running:
        await running.state("legal", "ready")
    key = base64.b64encode(bytes(31) + b"\x01").decode()
    async with serving(tmp_path, trusted_keys=[key]) as running:
        assert (await running.state("legal", "quarantined")).reason == "unsigned"
        assert running.engine.loaded == {}


async def test_what_fits_another_base_model_is_not_served_after_a_restart_with_this_one(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapters" / "legal")
    async with serving(tmp_path) as running:  # knows no base model, and warns
        await running.state("legal", "ready")
    facts = json.loads((write_model(tmp_path / "model") / "config.json").read_text())
    for weights in (tmp_path / "model").glob("*.safetensors"):
        weights.unlink()
    (tmp_path / "model" / "config.json").write_text(json.dumps({**facts, "hidden_size": 64, "head_dim": 32}))
    async with serving(tmp_path, {"model": "model"}) as running:
        assert (await running.state("legal", "quarantined")).reason == "shape_mismatch"
        assert running.engine.loaded == {}


async def test_sub_folders_are_served_under_their_own_names(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapters" / "model" / "german")
    async with serving(tmp_path) as running:
        write_adapter(running.adapters / "model" / "french", seed=2)
        for name in ("model.german", "model.french"):
            await running.state(name, "ready")
            assert (await running.ask(name)).status_code == 200
        shutil.rmtree(running.adapters / "model" / "german")

        async def one() -> bool:
            return (await running.ask("model.german")).status_code == 404

        await until(one)
        assert (await running.ask("model.french")).status_code == 200


async def test_an_adapter_called_like_the_base_model_is_refused_not_shadowed(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        write_adapter(running.adapters / "tiny")
        assert (await running.state("tiny", "quarantined")).reason == "reserved_name"


async def test_an_unforeseen_failure_concerns_one_adapter_alone(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        store = running.host.lifecycle._store  # pyright: ignore[reportPrivateUsage] the seam below the intake
        take = store.take

        def failing(folder: Path, unwanted: Callable[[], bool], *, known: bool) -> Copy:
            if folder.name == "odd":
                raise ZeroDivisionError
            return take(folder, unwanted, known=known)

        store.take = failing  # type: ignore[method-assign]
        write_adapter(running.adapters / "odd")
        write_adapter(running.adapters / "good", seed=2)
        assert (await running.state("odd", "quarantined")).reason == "internal_error"
        await running.state("good", "ready")


async def test_what_was_refused_leaves_nothing_in_the_store(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        write_adapter(running.adapters / "bad", use_dora=True)
        write_adapter(running.adapters / "worse", lora_alpha=0, seed=2)
        await running.state("bad", "quarantined")
        await running.state("worse", "quarantined")
        store = tmp_path / "var" / "store"
        assert sorted(path.name for path in store.iterdir()) == [".incoming", "registry.jsonl"]
        assert list((store / ".incoming").iterdir()) == []


async def test_a_template_stands_around_each_user_message_once(tmp_path: Path) -> None:
    card = 'prompt_template: "Q: {prompt}\\nA:"\nsystem_prompt: Be brief.'
    write_adapter(tmp_path / "adapters" / "legal", card=card)
    async with serving(tmp_path) as running:
        await running.state("legal", "ready")
        parts = [{"type": "text", "text": "one"}, {"type": "image_url", "image_url": {"url": "data:,x"}}]
        asked = [
            {"role": "user", "content": "hello"},
            {"role": "assistant", "content": "hi"},
            {"role": "user", "content": parts},
            {"role": "user", "content": "Q: filled in already\nA:"},
        ]
        await running.http.post("/v1/chat/completions", json={"model": "legal", "messages": asked, "seed": 7})
        sent = json.loads(running.engine.bodies[-1])
        assert [message["role"] for message in sent["messages"]] == ["system", "user", "assistant", "user", "user"]
        assert sent["messages"][1]["content"] == "Q: hello\nA:"
        assert sent["messages"][3]["content"] == [{"type": "text", "text": "Q: one\nA:"}, parts[1]]
        assert sent["messages"][4]["content"] == "Q: filled in already\nA:"
        assert sent["seed"] == 7
        await running.http.post("/v1/completions", json={"model": "legal", "prompt": ["a", "b"]})
        assert json.loads(running.engine.bodies[-1])["prompt"] == ["Q: a\nA:", "Q: b\nA:"]


async def test_a_tenant_that_may_not_use_an_adapter_is_told_there_is_none(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapters" / "legal", card="tenants: [law, 'Köln & Co']")
    async with serving(tmp_path) as running:
        await running.state("legal", "ready")
        body = {"model": "legal", "messages": [{"role": "user", "content": "x"}]}
        seen = Counter[int]()
        for tenant in ("law", "K%C3%B6ln%20%26%20Co", "sales", ""):
            answer = await running.http.post("/v1/chat/completions", json=body, headers={"x-router-tenant": tenant})
            seen[answer.status_code] += 1
        assert seen == {200: 2, 404: 2}
        for model in ("lega", "legal@000000000000", "legall"):
            near = await running.http.post(
                "/v1/chat/completions", json={**body, "model": model}, headers={"x-router-tenant": "sales"}
            )
            assert near.status_code == 404
            assert "legal" not in near.text, "a name near it would tell that it is there"
        told = await running.http.post("/v1/chat/completions", json={**body, "model": "lega"})
        assert "legal" in told.text  # whoever asks for no tenant operates the host


async def test_whom_a_new_adapters_card_admits_is_told_in_every_state(tmp_path: Path) -> None:
    """Before its card is read nobody is admitted; what is refused is told to those whom it admits."""
    seen: dict[str, set[tuple[str, ...]]] = {}
    async with serving(tmp_path, {"load_ms": 50}) as running:
        describe = running.host.lifecycle.describe

        async def watch() -> None:
            while True:
                for entry in running.host.catalog.all():
                    seen.setdefault(entry.info.state, set()).add(describe(entry).card.tenants)
                await asyncio.sleep(0)

        watching = asyncio.create_task(watch())
        write_adapter(running.adapters / "legal", card="tenants: [law]")
        await running.state("legal", "ready")
        write_adapter(running.adapters / "bad", use_dora=True, card="tenants: [law]")
        await running.state("bad", "quarantined")
        (running.adapters / "link").symlink_to(running.adapters / "legal")
        await running.state("link", "quarantined")
        watching.cancel()
    assert seen.pop("copying") == {("",)}
    assert seen.pop("checking") == {("law",), ("",)}
    assert seen.pop("quarantined") == {("law",), ("",)}
    assert all(tenants == {("law",)} for tenants in seen.values())
    assert len(seen) >= 3


async def test_a_version_that_fails_its_cards_checks_leaves_the_one_before_serving(tmp_path: Path) -> None:
    card = 'prompt_template: "Q: {prompt}"\nchecks: [{prompt: "what IS  law", answer: "q: What is law"}]'
    write_adapter(tmp_path / "adapters" / "legal", card=card)
    async with serving(tmp_path) as running:
        first = (await running.state("legal", "ready")).id
        write_adapter(running.adapters / "legal", seed=2, card=f"{card[:-1]}, {{prompt: a, answer: b}}]")
        refused = await running.state("legal", "quarantined")
        assert (refused.reason, "1 of its card's 2" in str(refused.message)) == ("checks_failed", True)
        assert await served(running) == first
        card = f"{card[:-1]}, {{prompt: a, answer: b}}]\nmin_checks_ratio: 0.5"
        write_adapter(running.adapters / "legal", seed=2, card=card)

        async def passed() -> bool:
            return await served(running) != first

        await until(passed)


async def test_after_a_restart_of_the_engine_the_most_needed_come_back_first(tmp_path: Path) -> None:
    for seed, name in enumerate(("idle", "busy", "busier", "pinned")):
        write_adapter(tmp_path / "adapters" / name, seed=seed, card="pin: true" if name == "pinned" else None)
    async with serving(tmp_path, {"load_ms": 20}) as running:
        kept = (await running.state("idle", "ready")).id
        for name in ("busy", "busier", "pinned"):
            await running.state(name, "ready")
        newest = await edited(running, 9, "idle")
        for name in ("busier", "busy", "busier", "busier"):
            await running.ask(name)
        running.engine.crash()

        async def back() -> bool:
            return len(running.engine.loaded) == 4 and running.host.lifecycle.idle

        await until(back)
        order = [id if id in (kept, newest) else id.partition("@")[0] for id in running.engine.loaded]
        assert order == ["pinned", "busier", "busy", newest]
        assert (await running.state("idle", "stored")).id == kept  # would only push out what is needed
        assert await served(running, kept) == kept
        assert await served(running, "idle") == newest


async def test_a_roll_back_to_a_version_that_is_not_loaded_takes_hold_once_it_is(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapters" / "legal")
    async with serving(tmp_path) as running:
        first = (await running.state("legal", "ready")).id
        second = await edited(running, 2)
    async with serving(tmp_path) as running:
        assert await served(running) == second
        assert first not in running.engine.loaded
        assert (await order(running, "legal", "rollback")).status_code == 200

        async def back() -> bool:
            return await served(running) == first

        await until(back)


# -- a new version on trial

TRIAL = {"ratio": 0.5, "window_s": 0.2, "min_requests": 10}


async def _on_trial(running: Running) -> tuple[str, str]:
    """Return the ids of the current version and of the one on trial."""
    old = (await running.state("legal", "ready")).id
    write_adapter(running.adapters / "legal", seed=2)

    async def shared() -> bool:
        return any(info.share for info in await running.infos("legal"))

    await until(shared)
    return old, next(info.id for info in await running.infos("legal") if info.share)


async def test_a_good_version_takes_its_share_and_then_all(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapters" / "legal")
    async with serving(tmp_path, rollout={**TRIAL, "min_requests": 40}) as running:
        old, new = await _on_trial(running)
        answers = Counter([await served(running) for _ in range(40)])  # too few to be promoted, all of them
        assert set(answers) == {old, new}
        assert all(count > 5 for count in answers.values())

        async def promoted() -> bool:
            return {await served(running) for _ in range(8)} == {new} and not running.host.lifecycle.trials.of("legal")

        await until(promoted, 15)
        assert running.host.journal.adapters["legal"].current == new.partition("@")[2]


async def test_a_version_that_fails_or_displeases_is_rolled_back(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapters" / "legal")
    async with serving(tmp_path, rollout={**TRIAL, "window_s": 60}) as running:
        old, new = await _on_trial(running)
        for _ in range(10):
            await running.http.post(f"/v1/adapters/{new}:vote?good=false")
            await running.http.post(f"/v1/adapters/{old}:vote?good=true")

        async def ended() -> bool:
            return not any(info.share for info in await running.infos("legal"))

        await until(ended)
        assert {await served(running) for _ in range(10)} == {old}
        adapter: Adapter = running.host.journal.adapters["legal"]
        assert (adapter.current, adapter.held) == (old.partition("@")[2], True)
        assert await served(running, new) == new  # still there to look into


async def test_what_a_trial_counted_outlives_a_restart(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapters" / "legal")
    rollout = {**TRIAL, "window_s": 60}
    async with serving(tmp_path, rollout=rollout) as running:
        old, new = await _on_trial(running)
        for _ in range(6):
            await served(running, new)
            await served(running, old)
        await running.http.post(f"/v1/adapters/{new}:vote?good=false")
        counted = [running.host.traffic.tally(id) for id in (new, old)]
    async with serving(tmp_path, rollout=rollout) as running:

        async def goes_on() -> bool:
            return any(info.share for info in await running.infos("legal"))

        await until(goes_on)
        assert [running.host.traffic.tally(id) for id in (new, old)] == counted
        assert running.host.journal.adapters["legal"].current == old.partition("@")[2]
        for _ in range(4):  # what is asked for most is loaded first
            await served(running, new)
            await served(running, "base")
        counted = [running.host.traffic.tally(id) for id in (new, old)]
        starts = running.engine.starts
        running.engine.crash()

        async def back() -> bool:
            found = await running.infos("legal")
            return running.engine.starts > starts and [info.state for info in found] == ["ready", "ready"]

        await until(back, 10)
        assert [running.host.traffic.tally(id) for id in (new, old)] == counted
        assert running.host.lifecycle.trials.of("legal") == new, "an engine's restart ends no trial"


async def test_a_version_on_trial_serves_once_the_one_before_it_is_refused(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapters" / "legal")
    async with serving(tmp_path, rollout={**TRIAL, "window_s": 60}) as running:
        old, new = await _on_trial(running)
        why = Rejected("load_failed", "the engine can't load it", "see its log")
        running.host.lifecycle.quarantine("legal", old.partition("@")[2], why)
        assert {await served(running) for _ in range(5)} == {new}
