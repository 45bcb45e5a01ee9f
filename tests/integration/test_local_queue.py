"""The queue, the memory and their numbers over real sockets, with the fake engine; and routers before several hosts."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from router.core.adapters import AdapterInfo, AdapterListing
from router.core.errors import AdapterNotFound, UpstreamUnavailable
from router.core.ports import Clocks
from router.core.types import Cleared, JsonObject, Locality, Target
from router.providers._replicas import Reach, merged, move_ms, ranked
from router.providers.local import EngineHost
from tests.fakes import values
from tests.fakes.engine_host import Running, serving, until
from tests.fakes.engine_tiny_model import write_adapter

pytestmark = pytest.mark.anyio
CLOCKS = Clocks(ttft_s=10, total_s=10)


@asynccontextmanager
async def busy(
    running: Running, model: str, count: int = 1, **fields: object
) -> AsyncGenerator[list[asyncio.Task[httpx.Response]]]:
    """Keep requests running; they are cancelled at the end."""
    asking = [asyncio.create_task(running.ask(model, "w " * 4000, **fields)) for _ in range(count)]
    before = running.engine.running

    async def begun() -> bool:
        return running.engine.running >= min(before + 1, count)

    await until(begun)
    try:
        yield asking
    finally:
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)


async def test_overload_is_refused_at_once_and_says_when_to_come_back(tmp_path: Path) -> None:
    engine = {"token_ms": 5, "max_num_seqs": 1}
    async with serving(tmp_path, engine, max_waiting=1) as running, busy(running, "base", 3) as asking:
        refused = await running.ask("base")
        assert refused.status_code == 503
        assert refused.json()["error"]["code"] == "server_overloaded"
        assert int(refused.headers["retry-after"]) >= 1
        assert not any(task.done() for task in asking)
        shown = (await running.http.get("/metrics")).text
        assert 'engine_queue_requests_total{outcome="refused"} 1.0' in shown
        assert "engine_queue_waiting 1.0" in shown


async def test_a_client_that_leaves_the_queue_never_reaches_the_engine(tmp_path: Path) -> None:
    async with serving(tmp_path, {"token_ms": 5, "max_num_seqs": 1}) as running, busy(running, "base", 2):
        seen = len(running.engine.bodies)
        leaving = asyncio.create_task(running.ask("base", "never"))
        await asyncio.sleep(0.1)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)

        async def left() -> bool:
            return running.host.admission.facts().waiting == 0

        await until(left)
        assert len(running.engine.bodies) == seen


async def test_a_modest_tenants_request_goes_before_the_rest_of_a_greedy_ones(tmp_path: Path) -> None:
    def post(text: str, tenant: str) -> asyncio.Task[httpx.Response]:
        body = {"model": "base", "messages": [{"role": "user", "content": text}]}
        headers = {"x-router-tenant": tenant}
        return asyncio.create_task(running.http.post("/v1/chat/completions", json=body, headers=headers))

    async with serving(tmp_path, {"token_ms": 100, "max_num_seqs": 1}) as running:
        greedy = [post(f"greedy {number}", "greedy") for number in range(8)]
        await asyncio.sleep(0.1)
        await post("modest", "modest")
        assert sum(task.done() for task in greedy) <= 4
        await asyncio.gather(*greedy)


async def test_past_the_deadline_running_requests_are_cut_off_and_the_weights_are_free(tmp_path: Path) -> None:
    async with serving(tmp_path, {"token_ms": 5}, drain_s=0.3) as running:
        write_adapter(running.adapters / "legal")
        info = await running.state("legal", "ready")
        async with busy(running, "legal", 1) as whole, busy(running, "legal", 1, stream=True) as streamed:
            shutil.rmtree(running.adapters / "legal")
            cut = await whole[0]
            assert (cut.status_code, cut.json()["error"]["code"]) == (503, "adapter_loading")
            text = (await streamed[0]).text
            assert "stream_interrupted" in text
            assert "[DONE]" not in text

        async def free() -> bool:
            return info.id not in (await running.engine.memory()).host

        await until(free)
        assert running.host.residency.leases(info.id) == 0


async def test_when_memory_is_full_what_is_asked_for_most_stays(tmp_path: Path) -> None:
    engine = {"max_loras": 2, "max_cpu_loras": 2, "load_ms": 50}
    for seed, name in enumerate(("often", "once", "new")):
        write_adapter(tmp_path / "adapters" / name, seed=seed + 1)
    async with serving(tmp_path, engine) as running:
        for name in (*["often"] * 12, "once", "new"):
            assert (await running.ask(name)).status_code == 200
        await running.host.keeper.refresh()
        places = {info.name: info.residency for info in (await running.listing()).data}
        assert places == {"often": "device", "once": "disk", "new": "device"}


def test_a_host_whose_parent_is_gone_already_ends_and_one_with_a_parent_goes_on(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "local_inference", "--config", str(tmp_path / "none.yaml"), "--exit-with-parent"]
    assert subprocess.run([*command, "999999"], timeout=60, check=False).returncode == 0
    assert subprocess.run([*command, str(os.getpid())], timeout=60, check=False, capture_output=True).returncode == 2


async def test_a_pinned_adapter_stays_in_memory_when_others_come(tmp_path: Path) -> None:
    names = ("legal", "sql", "json", "math")
    for seed, name in enumerate(names):
        write_adapter(tmp_path / "adapters" / name, seed=seed, card="pin: true" if name == "legal" else "")
    async with serving(tmp_path, {"max_loras": 1, "max_cpu_loras": 2}) as running:
        for name in names[1:] * 3:
            assert (await running.ask(name)).status_code == 200
        assert not any(id.startswith("legal@") and from_host for id, from_host in running.engine.evictions)
        assert (await running.infos("legal"))[0].residency != "disk"
        await running.http.post("/v1/adapters/legal:unpin")
        for name in names[1:]:
            await running.ask(name)
        assert (await running.infos("legal"))[0].residency == "disk"


async def test_an_adapter_that_is_pinned_while_it_is_on_the_disk_comes_back(tmp_path: Path) -> None:
    names = ("legal", "sql", "json")
    for seed, name in enumerate(names):
        write_adapter(tmp_path / "adapters" / name, seed=seed)
    async with serving(tmp_path, {"max_loras": 1, "max_cpu_loras": 2}) as running:
        for name in ("sql", "json") * 4:
            assert (await running.ask(name)).status_code == 200
        await running.host.keeper.refresh()
        assert (await running.infos("legal"))[0].residency == "disk"
        await running.http.post("/v1/adapters/legal:pin")

        async def back() -> bool:
            return (await running.infos("legal"))[0].residency != "disk"

        await until(back)
        assert [id.partition("@")[0] for id in running.engine.fetches] == ["legal"]


# -- several hosts


def cleared(adapter: str | None, tenant: str = "acme") -> Cleared:
    target = Target(
        group="local",
        deployment="local",
        provider="local",
        upstream_model="local/base",
        locality=Locality.LOCAL,
        adapter=adapter,
    )
    body: JsonObject = {"model": "local", "messages": [{"role": "user", "content": "hello"}]}
    return values.cleared(target, body, tenant=tenant)


@pytest.mark.parametrize(
    ("hosts", "best"),
    [
        ((Reach(wait_ms=0, in_flight=0, move_ms=90), Reach(wait_ms=0, in_flight=1, move_ms=0)), 1),
        ((Reach(wait_ms=0, in_flight=0, move_ms=90), Reach(wait_ms=4000, in_flight=9, move_ms=0)), 0),
        ((Reach(wait_ms=0, in_flight=0, move_ms=None), Reach(wait_ms=9000, in_flight=9, move_ms=90)), 1),
        ((Reach(wait_ms=0, in_flight=0, move_ms=0, down=True), Reach(wait_ms=9000, in_flight=9, move_ms=None)), 1),
        ((Reach(wait_ms=0, in_flight=1, move_ms=0), Reach(wait_ms=0, in_flight=0, move_ms=0)), 1),
    ],
)
def test_a_request_goes_where_it_can_begin_first(hosts: tuple[Reach, ...], best: int) -> None:
    assert ranked(hosts)[0] == best


def test_what_a_host_lacks_or_hasnt_measured_is_reckoned() -> None:
    info = AdapterInfo(name="a", version="1", state="ready", residency="host", activate_ms=3.0, load_ms=90.0)
    assert move_ms(info) == 3.0
    assert move_ms(AdapterInfo(name="a", version="1", state="draining")) is None
    assert (move_ms(AdapterInfo(name="a", version="1", state="ready")) or 0) > 0


async def test_two_hosts_stand_in_for_each_other(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_adapter(tmp_path / name / "adapters" / "legal", seed=1)
    write_adapter(tmp_path / "two" / "adapters" / "sql", seed=2)
    engine = {"token_ms": 5}
    async with serving(tmp_path / "one", engine) as one, serving(tmp_path / "two", engine) as two:
        first = EngineHost((str(one.http.base_url), str(two.http.base_url)), None, connect_s=2)
        try:
            listings = first.listings()
            async for listing in listings:
                if {info.name for info in listing.data if info.state == "ready"} == {"legal", "sql"}:
                    break
            await listings.aclose()
            ids = {info.name: info.id for info in listing.data}

            async def ask(adapter: str | None) -> None:
                async for _ in first.send(cleared(adapter), CLOCKS):
                    pass

            await ask(ids["sql"])
            assert any(b"hello" in body and b"sql@" in body for body in two.engine.bodies)
            async with busy(one, "base"), busy(two, "base"):
                await asyncio.gather(*(ask(None) for _ in range(8)))
            assert await first.ready() is None
            asked = [sum(b"hello" in body for body in host.engine.bodies) for host in (one, two)]
            assert min(asked) > 1, "both were asked"
            one.engine.crash("gone")
            await ask(ids["legal"])
            assert await first.ready() is None
        finally:
            await first.aclose()
            one.host.close_soon()
            two.host.close_soon()


async def test_an_order_reaches_every_host_and_what_failed_is_told(tmp_path: Path) -> None:
    write_adapter(tmp_path / "one" / "adapters" / "legal", seed=1)
    write_adapter(tmp_path / "two" / "adapters" / "legal", seed=1)
    write_adapter(tmp_path / "two" / "adapters" / "sql", seed=2)
    async with serving(tmp_path / "one") as one, serving(tmp_path / "two") as two:
        host = EngineHost((str(one.http.base_url), str(two.http.base_url)), None, connect_s=2)
        try:
            told = await host.order("legal", "pin", {})
            assert [(info.name, info.pinned) for info in told.data] == [("legal", True)]
            assert [(await side.infos("legal"))[0].pinned for side in (one, two)] == [True, True]
            with pytest.raises(AdapterNotFound) as refused:
                await host.order("sql", "pin", {})
            assert "1 of 2 engine hosts" in refused.value.message
            assert (await two.infos("sql"))[0].pinned
        finally:
            await host.aclose()


async def test_if_no_host_answers_the_error_says_so(tmp_path: Path) -> None:
    host = EngineHost(("http://127.0.0.1:9", "http://127.0.0.1:10"), None, connect_s=1)
    try:
        with pytest.raises(UpstreamUnavailable):
            async for _ in host.send(cleared(None), CLOCKS):
                pass
        assert await host.ready() is not None
    finally:
        await host.aclose()


def test_lists_are_merged_by_who_can_do_most() -> None:
    def listing(state: str, residency: str) -> AdapterInfo:
        return AdapterInfo(name="a", version="1", state=state, residency=residency)

    lists = [
        AdapterListing(revision=9, base_model="m", data=(listing("loading", "disk"),)),
        AdapterListing(revision=3, base_model="m", data=(listing("ready", "host"),)),
    ]
    assert [info.state for info in merged(lists, 1).data] == ["ready"]


def test_of_hosts_that_are_not_equally_far_a_name_keeps_a_meaning() -> None:
    def version(number: str, *, current: bool, residency: str) -> AdapterInfo:
        return AdapterInfo(name="a", version=number, state="ready", residency=residency, current=current)

    behind = (version("1", current=True, residency="disk"), version("2", current=False, residency="device"))
    ahead = (version("1", current=False, residency="device"), version("2", current=True, residency="disk"))
    lists = [AdapterListing(revision=0, base_model="m", data=data) for data in (behind, ahead)]
    assert all(info.current for info in merged(lists, 1).data)
