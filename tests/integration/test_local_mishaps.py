"""What comes at the wrong moment: a full disk, a damaged copy, a folder that is touched while its adapter is disabled or drains."""

from __future__ import annotations

import asyncio
import errno
import shutil
import threading
from itertools import count
from pathlib import Path

import pytest

from tests.fakes.engine_host import Running, serving, until
from tests.fakes.engine_tiny_model import write_adapter, write_model

pytestmark = pytest.mark.anyio
WRONG_SUMS = f"{'0' * 64}  adapter_model.safetensors\n"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def order(running: Running, target: str, verb: str) -> None:
    assert (await running.http.post(f"/v1/adapters/{target}:{verb}")).status_code == 200


async def states(running: Running, name: str = "legal") -> list[str]:
    return [info.state for info in await running.infos(name)]


async def looked_at(running: Running, name: str = "legal") -> None:
    """Have a folder checked again, and wait for the end of the check."""
    await order(running, name, "rescan")
    await until(lambda: _is_checking(running, name, busy=True))
    await until(lambda: _is_checking(running, name, busy=False))


async def _is_checking(running: Running, name: str, *, busy: bool) -> bool:
    waiting = any(info.state in ("copying", "checking") and not info.version for info in await running.infos(name))
    return (waiting or not running.host.lifecycle.arrivals.idle) == busy


async def test_a_full_disk_leaves_what_serves_in_place(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapters" / "legal", card="description: one")
    async with serving(tmp_path) as running:
        await running.state("legal", "ready")
        journal = running.host.journal

        def full(file: int, data: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        write, journal._write = journal._write, full  # pyright: ignore[reportPrivateUsage] the seam to the disk
        (running.adapters / "legal" / "card.yaml").write_text("description: two")
        refused = await running.state("legal", "quarantined")
        assert (refused.reason, refused.version) == ("unreadable", "")
        assert "No space left" in (refused.message or "")
        assert (await running.ask("legal")).status_code == 200
        journal._write = write  # pyright: ignore[reportPrivateUsage]
        await order(running, "legal", "rescan")

        async def mended() -> bool:
            return [info.card.description for info in await running.infos("legal")] == ["two"]

        await until(mended)


async def test_a_list_of_sums_that_came_wrong_is_told_as_the_reason(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapters" / "legal")
    async with serving(tmp_path, ready_wait_s=0) as running:
        await running.state("legal", "ready")
        (running.adapters / "legal" / "adapter.sha256").write_text(WRONG_SUMS)
        await running.state("legal", "quarantined")
        await until(lambda: _is_checking(running, "legal", busy=False))
        assert await states(running) == ["quarantined"]
        answer = await running.ask("legal")
        assert answer.status_code == 422
        assert "hash_mismatch" in answer.text


async def test_what_is_refused_while_the_same_version_drains_is_told(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapters" / "legal")
    async with serving(tmp_path, keep_versions=1) as running:
        first = await running.state("legal", "ready")
        write_adapter(running.adapters / "legal", seed=2)
        await running.state("legal", "draining")
        (running.adapters / "legal" / "adapter.sha256").write_text(WRONG_SUMS)
        write_adapter(running.adapters / "legal", seed=1)
        refused = await running.state("legal", "quarantined")
        assert (refused.reason, refused.version) == ("hash_mismatch", "")
        assert first.id in [info.id for info in await running.infos("legal") if info.state == "draining"]


async def test_a_disabled_adapter_stays_so_when_its_folder_is_touched_while_it_drains(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapters" / "legal")
    async with serving(tmp_path, {"token_ms": 100}) as running:
        await running.state("legal", "ready")
        slow = asyncio.create_task(running.ask("legal", " ".join(["word"] * 15)))
        await asyncio.sleep(0.1)
        await order(running, "legal", "disable")
        assert await states(running) == ["draining"]
        (running.adapters / "legal" / "card.yaml").write_text("description: two")

        async def seen() -> bool:
            return [info.card.description for info in await running.infos("legal")] == ["two"]

        await until(seen)
        assert await states(running) == ["draining"]
        assert (await running.ask("legal", "x")).status_code == 404
        assert (await slow).status_code == 200
        await running.state("legal", "disabled")


async def test_a_disabled_adapter_whose_folder_goes_wrong_is_shown_as_refused(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapters" / "legal")
    async with serving(tmp_path) as running:
        await running.state("legal", "ready")
        await order(running, "legal", "disable")
        await running.state("legal", "disabled")
        (running.adapters / "legal" / "adapter.sha256").write_text(WRONG_SUMS)
        assert (await running.state("legal", "quarantined")).reason == "hash_mismatch"
        assert sorted(await states(running)) == ["disabled", "quarantined"]


async def test_a_disabled_adapter_stays_so_when_its_folder_goes_and_comes_back(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapters" / "legal")
    async with serving(tmp_path) as running:
        await running.state("legal", "ready")
        await order(running, "legal", "disable")
        await running.state("legal", "disabled")
        shutil.rmtree(running.adapters / "legal")

        async def gone() -> bool:
            return not await running.infos("legal")

        await until(gone)
        write_adapter(running.adapters / "legal", seed=2)
        await running.state("legal", "disabled")
    async with serving(tmp_path) as running:
        await running.state("legal", "disabled")
        shutil.rmtree(running.adapters / "legal")
    async with serving(tmp_path) as running:
        await until(gone)
        await order(running, "legal", "enable")
        write_adapter(running.adapters / "legal")
        await running.state("legal", "ready")


async def test_a_damaged_copy_is_found_though_its_folder_is_seen_before_the_engine_is_up(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapters" / "legal")
    async with serving(tmp_path) as running:
        await running.state("legal", "ready")
    weights = next((tmp_path / "var" / "store").glob("*/adapter_model.safetensors"))
    weights.chmod(0o644)
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-4] + bytes(4))
    write_adapter(tmp_path / "adapters" / "twin")  # the same content, under a name that is new
    write_model(tmp_path / "model")
    async with serving(tmp_path, {"start_ms": 700, "model": "model"}) as running:
        await running.state("legal", "ready")
        await running.state("twin", "ready")
        assert all((path / weights.name).read_bytes() == whole for path in running.engine.loaded.values())
        assert len(running.engine.loaded) == 2


async def test_a_roll_back_that_the_engine_refuses_changes_nothing_for_good(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapters" / "legal")
    async with serving(tmp_path) as running:
        first = await running.state("legal", "ready")
        write_adapter(running.adapters / "legal", seed=2)

        async def second() -> bool:
            return (await running.ask("legal")).headers["x-adapter"] != first.id

        await until(second)
        newest = (await running.ask("legal")).headers["x-adapter"]
    async with serving(tmp_path, {"fail_load": [first.id]}) as running:
        await order(running, "legal", "rollback")
        assert (await running.state("legal", "quarantined")).id == first.id
        assert (await running.ask("legal")).headers["x-adapter"] == newest
    async with serving(tmp_path) as running:
        assert (await running.ask("legal")).headers["x-adapter"] == newest


async def test_tenants_learn_nothing_of_adapters_that_are_not_theirs_in_any_state(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapters" / "bad", use_dora=True, card="tenants: [law]")
    write_adapter(tmp_path / "adapters" / "slow", seed=2, card="tenants: [law]")
    async with serving(tmp_path, {"load_ms": 1500, "start_ms": 10}, ready_wait_s=0) as running:
        await running.state("bad", "quarantined", 15)
        await running.state("slow", "loading")
        answers: set[tuple[int, str]] = set()
        for model in ("bad", "slow", "none", f"slow@{(await running.infos('slow'))[0].version}"):
            body = {"model": model, "messages": [{"role": "user", "content": "x"}]}
            answer = await running.http.post("/v1/chat/completions", json=body, headers={"x-router-tenant": "sales"})
            answers.add((answer.status_code, answer.json()["error"]["message"]))
        assert answers == {(404, "there is no such adapter")}


async def test_of_two_orders_at_once_the_later_one_counts(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapters" / "legal")
    async with serving(tmp_path) as running:
        await running.state("legal", "ready")
        journal, first_is_over, calls = running.host.journal, threading.Event(), count()
        sync = journal.sync

        def late() -> None:
            if next(calls) == 0:
                first_is_over.wait(5)
            sync()

        journal.sync = late  # type: ignore[method-assign]
        disabling = asyncio.create_task(order(running, "legal", "disable"))
        await until(lambda: _is_disabled(running))
        await order(running, "legal", "enable")
        first_is_over.set()
        await disabling
        await asyncio.sleep(0.6)  # longer than what was given up would drain
        assert await states(running) == ["ready"]
        assert (await running.ask("legal")).status_code == 200


async def _is_disabled(running: Running) -> bool:
    return running.host.journal.get("legal").disabled


async def test_crashes_long_ago_are_not_held_against_an_adapter(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapters" / "legal")
    async with serving(tmp_path, {"load_ms": 400, "start_ms": 1}) as running:
        for again in (False, True):
            if again:
                await order(running, "legal", "disable")
                await running.state("legal", "disabled")
                await order(running, "legal", "enable")
            await running.state("legal", "loading")
            await asyncio.sleep(0.2)
            running.engine.crash("out of memory")
            assert (await running.state("legal", "ready", 10)).reason is None


async def test_two_who_pause_the_intake_take_turns(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        intake = running.host.lifecycle._intake  # pyright: ignore[reportPrivateUsage]

        async def pause() -> None:
            async with intake.paused():
                await asyncio.sleep(0)

        async with asyncio.timeout(3):
            await asyncio.gather(*(pause() for _ in range(4)))


async def test_nothing_is_remembered_of_what_drained_as_the_engine_ended(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapters" / "legal")
    async with serving(tmp_path, keep_versions=1) as running:
        first = (await running.state("legal", "ready")).id
        write_adapter(running.adapters / "legal", seed=2)
        await running.state("legal", "draining")
        running.engine.crash("out of memory")

        async def gone() -> bool:
            return first not in [info.id for info in await running.infos("legal")]

        await until(gone)
        assert first not in running.host.residency.load_ms
        assert first not in (await running.http.get("/metrics")).text


async def test_files_that_were_dropped_without_a_folder_are_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path) as running:
        write_adapter(tmp_path / "legal")
        for file in (tmp_path / "legal").iterdir():
            shutil.copy(file, running.adapters)
        write_adapter(running.adapters / "sql", seed=2)
        await running.state("sql", "ready")
        told = [record.getMessage() for record in caplog.records if "folder of its own" in record.getMessage()]
        assert len(told) == 1
        assert [info.name for info in (await running.listing()).data] == ["sql"]


async def test_a_folder_of_adapters_that_had_to_be_made_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its name may be misspelt, and then no adapter is served."""
    for times in (1, 0):
        caplog.clear()
        async with serving(tmp_path):
            told = [record.getMessage() for record in caplog.records if "adapters_dir" in record.getMessage()]
            assert len(told) == times


async def test_no_web_page_uses_a_host_without_a_key(tmp_path: Path) -> None:
    """A browser on this machine reaches loopback; what it sends for a page says so, or names another host."""
    write_adapter(tmp_path / "adapters" / "legal")
    async with serving(tmp_path) as running:
        await running.state("legal", "ready")
        for headers in (
            {"origin": "https://evil.example"},
            {"origin": "null"},
            {"host": "evil.example"},
            {"host": "["},
        ):
            for path in ("/v1/adapters/legal:disable", "/v1/chat/completions"):
                answer = await running.http.post(path, headers=headers)
                assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
        assert await states(running) == ["ready"]
        for host in ("localhost:1", "127.0.0.1", "[::1]:1", "engine:8001"):
            assert (await running.http.get("/v1/models", headers={"host": host})).status_code == 200
