"""The engine host over real sockets with the fake engine: adapters come, change, go and fail; so does the engine."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from time import monotonic

import httpx
import numpy as np
import pytest

from tests.fakes.engine_host import Running, serving, until
from tests.fakes.engine_tiny_model import adapter_tensors, write_adapter, write_model

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def error(response: httpx.Response) -> dict[str, str]:
    found = response.json()["error"]
    assert set(found) == {"message", "type", "param", "code"}
    return found


def content(response: httpx.Response) -> str:
    assert response.status_code == 200, response.text
    return response.json()["choices"][0]["message"]["content"]


async def test_the_base_model_answers_to_its_three_names(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        for model in ("tiny", "base", "local/base"):
            answer = await running.ask(model)
            assert content(answer) == "[base] hello there"
            assert answer.json()["model"] == answer.headers["x-adapter"] == "local/base"
        names = [model["id"] for model in (await running.http.get("/v1/models")).json()["data"]]
        assert names == ["tiny", "local/base"]


async def test_an_adapter_dropped_into_the_folder_answers_within_two_seconds(tmp_path: Path) -> None:
    async with serving(tmp_path, poll_s=0.25) as running:
        dropped = monotonic()
        write_adapter(running.adapters / "legal")
        answer = await running.ask("legal")  # may come before the folder is seen
        while answer.status_code == 404:
            await asyncio.sleep(0.02)
            answer = await running.ask("legal")
        assert monotonic() - dropped < 2
        assert content(answer) == "[legal] hello there"
        info = await running.state("legal", "ready")
        assert answer.json()["model"] == answer.headers["x-adapter"] == info.id
        assert info.residency == "device"
        assert info.load_ms is not None
        assert content(await running.ask(info.id)) == "[legal] hello there"
        models = (await running.http.get("/v1/models")).json()["data"]
        assert [model["id"] for model in models][2:] == ["legal"]


async def test_an_edited_adapter_becomes_a_new_version_and_the_old_one_drains(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapters" / "legal")
    async with serving(tmp_path, keep_versions=1) as running:
        old = await running.state("legal", "ready")
        write_adapter(running.adapters / "legal", seed=2)
        await running.state("legal", "draining")
        new = await running.state("legal", "ready")
        assert new.version != old.version
        assert (await running.ask("legal")).headers["x-adapter"] == new.id
        assert (await running.ask(old.id)).headers["x-adapter"] == old.id

        async def drained() -> bool:
            return [info.id for info in await running.infos("legal")] == [new.id]

        await until(drained)
        assert list(running.engine.loaded) == [new.id]
        gone = await running.ask(old.id)
        assert gone.status_code == 404
        assert new.id in error(gone)["message"]


async def test_an_edit_that_is_taken_back_needs_no_reload(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapters" / "legal")
    async with serving(tmp_path, keep_versions=1) as running:
        old = await running.state("legal", "ready")
        write_adapter(running.adapters / "legal", seed=2)
        await running.state("legal", "draining")
        write_adapter(running.adapters / "legal", seed=1)

        async def back() -> bool:
            return (await running.ask("legal")).headers["x-adapter"] == old.id

        await until(back)


async def test_a_new_card_is_seen_without_a_new_version(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapters" / "legal", card="description: one")
    async with serving(tmp_path) as running:
        before = await running.state("legal", "ready")
        (running.adapters / "legal" / "card.yaml").write_text("description: two\nsystem_prompt: Be brief.")

        async def seen() -> bool:
            return [(info.id, info.card.description) for info in await running.infos("legal")] == [(before.id, "two")]

        await until(seen)
        await running.ask("legal")
        roles = [message["role"] for message in json.loads(running.engine.bodies[-1])["messages"]]
        assert roles == ["system", "user"]
        body = {"model": "legal", "messages": [{"role": "system", "content": "mine"}, {"role": "user", "content": "x"}]}
        await running.http.post("/v1/chat/completions", json=body)
        assert json.loads(running.engine.bodies[-1])["messages"] == body["messages"]


async def test_a_removed_adapter_is_not_found_and_running_answers_finish(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapters" / "legal")
    async with serving(tmp_path, {"token_ms": 150}) as running:
        slow = asyncio.create_task(running.ask("legal", "one two three four five six seven"))
        await asyncio.sleep(0.1)
        shutil.rmtree(running.adapters / "legal")

        async def gone() -> bool:
            return (await running.ask("legal", "x")).status_code == 404

        await until(gone)
        assert list(running.engine.loaded) != []
        assert content(await slow).endswith("seven")

        async def unloaded() -> bool:
            return not running.engine.loaded and not (await running.listing()).data

        await until(unloaded)


async def test_a_bad_adapter_is_listed_with_reason_and_fix_and_disturbs_nobody(tmp_path: Path) -> None:
    write_model(tmp_path / "model")
    write_adapter(tmp_path / "adapters" / "good")
    async with serving(tmp_path, {"model": "model"}) as running:
        write_adapter(running.adapters / "dora", use_dora=True)
        small = {name: (t[:, :64] if "lora_A" in name else t).copy() for name, t in adapter_tensors().items()}
        write_adapter(running.adapters / "small", tensors=small)
        (running.adapters / "Odd Name").mkdir()
        for name, reason in (("dora", "dora"), ("small", "shape_mismatch"), ("Odd Name", "bad_name")):
            info = await running.state(name, "quarantined")
            assert (info.reason, bool(info.message), bool(info.fix)) == (reason, True, True)
            answer = await running.ask(name)
            assert answer.status_code == 422
            assert error(answer)["code"] == "adapter_incompatible"
            assert str(info.fix) in error(answer)["message"]
        assert content(await running.ask("good")) == "[good] hello there"


async def test_a_mended_adapter_leaves_quarantine(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapters" / "legal", use_dora=True)
    async with serving(tmp_path) as running:
        await running.state("legal", "quarantined")
        write_adapter(running.adapters / "legal")

        async def mended() -> bool:  # a look between the two files makes a check more, listed beside what is ready
            return [info.state for info in await running.infos("legal")] == ["ready"]

        await until(mended)


async def test_a_bad_edit_leaves_the_good_version_serving(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapters" / "legal")
    async with serving(tmp_path) as running:
        good = await running.state("legal", "ready")
        tensors = adapter_tensors()
        next(iter(tensors.values()))[0, 0] = np.nan
        write_adapter(running.adapters / "legal", tensors=tensors)
        bad = await running.state("legal", "quarantined")
        assert bad.reason == "not_finite"
        assert (await running.ask("legal")).headers["x-adapter"] == good.id


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("fail_load", "load_failed"),
        ("no_effect", "no_effect"),
        ("not_finite", "not_finite"),
        ("crash_on_load", "engine_crash"),
    ],
)
async def test_an_adapter_that_fails_in_the_engine_is_quarantined(tmp_path: Path, option: str, reason: str) -> None:
    async with serving(tmp_path, {option: ["bad"]}) as running:
        write_adapter(running.adapters / "good")
        write_adapter(running.adapters / "bad", seed=2)
        assert (await running.state("bad", "quarantined", 10)).reason == reason
        await running.state("good", "ready")
        assert [id.partition("@")[0] for id in running.engine.loaded] == ["good"]


@pytest.mark.parametrize(("option", "reason"), [("fail_load", "load_failed"), ("no_effect", "no_effect")])
async def test_taking_a_folder_away_and_back_while_it_loads_is_no_way_around_the_checks(
    tmp_path: Path, option: str, reason: str
) -> None:
    async with serving(tmp_path, {option: ["bad"], "load_ms": 600}) as running:
        folder = write_adapter(running.adapters / "bad")
        await running.state("bad", "loading")
        folder.rename(running.adapters / ".away")
        await asyncio.sleep(0.35)
        (running.adapters / ".away").rename(folder)
        assert (await running.state("bad", "quarantined", 10)).reason == reason


async def test_a_request_waits_for_an_adapter_that_is_being_loaded(tmp_path: Path) -> None:
    async with serving(tmp_path, {"load_ms": 700}) as running:
        write_adapter(running.adapters / "legal")
        await running.state("legal", "loading")
        assert content(await running.ask("legal")) == "[legal] hello there"


async def test_a_copy_that_does_not_end_gets_503_and_when_to_come_again(tmp_path: Path) -> None:
    async with serving(tmp_path, ready_wait_s=0.3) as running:
        weights = write_adapter(running.adapters / "legal") / "adapter_model.safetensors"
        whole = weights.read_bytes()
        weights.write_bytes(whole[:-1])
        await running.state("legal", "copying")
        answer = await running.ask("legal")
        assert answer.status_code == 503
        assert error(answer)["code"] == "adapter_loading"
        assert int(answer.headers["retry-after"]) >= 1
        weights.write_bytes(whole)
        await running.state("legal", "ready")


async def test_an_unknown_adapter_gets_the_nearest_name(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapters" / "legal")
    async with serving(tmp_path) as running:
        answer = await running.ask("leagl")
        assert answer.status_code == 404
        assert error(answer)["code"] == "adapter_not_found"
        assert "'legal'" in error(answer)["message"]


@pytest.mark.alone
async def test_a_stream_comes_event_by_event_and_ends_with_done(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapters" / "legal")
    async with serving(tmp_path, {"token_ms": 100}) as running:
        body = {
            "model": "legal",
            "stream": True,
            "stream_options": {"include_usage": True},
            "messages": [{"role": "user", "content": "one two three"}],
        }
        started, times, lines = monotonic(), [], []
        async with running.http.stream("POST", "/v1/chat/completions", json=body) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert answer.headers["x-adapter"].startswith("legal@")
            async for line in answer.aiter_lines():
                if line:
                    times.append(monotonic() - started)
                    lines.append(line)
        assert lines[-1] == "data: [DONE]"
        chunks = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
        assert chunks[-1]["usage"]["completion_tokens"] == 4
        assert "".join(c["choices"][0]["delta"].get("content", "") for c in chunks[:-1]) == "[legal] one two three"
        assert times[0] < 0.25
        assert times[-1] > 0.35


async def test_a_client_that_goes_away_cancels_the_engines_work(tmp_path: Path) -> None:
    async with serving(tmp_path, {"token_ms": 200}) as running:
        body = {"model": "base", "stream": True, "messages": [{"role": "user", "content": "x " * 500}]}
        async with running.http.stream("POST", "/v1/chat/completions", json=body) as answer:
            await anext(answer.aiter_lines())
        with pytest.raises(httpx.ReadTimeout):
            await running.http.post("/v1/chat/completions", json={**body, "stream": False}, timeout=0.3)

        async def cancelled() -> bool:
            return running.engine.cancelled == 2 and running.engine.running == 0

        await until(cancelled)


async def test_a_crash_in_a_stream_becomes_one_error_event_without_done(tmp_path: Path) -> None:
    async with serving(tmp_path, {"crash_after": 1, "token_ms": 5}) as running:
        answer = await running.ask("base", "one two three", stream=True)
        assert answer.status_code == 200
        events = answer.text.strip().split("\n\n")
        assert json.loads(events[-1].removeprefix("data: "))["error"]["code"] == "stream_interrupted"
        assert "[DONE]" not in answer.text
        assert "error" not in "".join(events[:-1])


async def test_after_a_crash_the_engine_is_back_with_its_adapters(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapters" / "legal")
    write_adapter(tmp_path / "adapters" / "sql", seed=2)
    async with serving(tmp_path, {"start_ms": 300}) as running:
        before = await running.state("legal", "ready")
        await running.state("sql", "ready")
        running.engine.crash()
        await asyncio.sleep(0.05)
        answer = await running.ask("legal")
        assert answer.status_code == 503
        assert error(answer)["code"] == "server_overloaded"
        assert int(answer.headers["retry-after"]) >= 1
        ready = await running.http.get("/ready")
        assert ready.status_code == 503
        assert ready.json()["missing"][0]["what"] == "engine"
        assert (await running.http.get("/health")).status_code == 200
        after = await running.state("legal", "ready")
        await running.state("sql", "ready")
        assert after.id == before.id
        assert content(await running.ask("legal")) == "[legal] hello there"
        assert running.engine.starts == 2


async def test_an_answer_that_a_crash_cuts_off_is_503(tmp_path: Path) -> None:
    async with serving(tmp_path, {"crash_after": 1, "token_ms": 5}) as running:
        answer = await running.ask("base")
        assert answer.status_code == 503
        assert answer.headers["retry-after"]


async def test_the_store_serves_after_a_restart_of_the_host(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapters" / "legal")
    async with serving(tmp_path) as running:
        first = await running.state("legal", "ready")
    stored = [path.stat().st_ino for path in sorted((tmp_path / "var" / "store").glob("*/*"))]
    async with serving(tmp_path) as running:
        assert (await running.state("legal", "ready")).id == first.id
    assert [path.stat().st_ino for path in sorted((tmp_path / "var" / "store").glob("*/*"))] == stored


async def test_more_adapters_than_slots_are_all_ready(tmp_path: Path) -> None:
    for index in range(6):
        write_adapter(tmp_path / "adapters" / f"a{index}", seed=index)
    async with serving(tmp_path, {"max_loras": 1, "max_cpu_loras": 2}) as running:
        answers = await asyncio.gather(*(running.ask(f"a{index}") for index in range(6)))
        assert [content(answer) for answer in answers] == [f"[a{index}] hello there" for index in range(6)]
        residency = [info.residency for info in (await running.listing()).data]
        assert sorted(residency) == ["device", "disk", "disk", "disk", "disk", "host"]


@pytest.mark.alone
async def test_the_listing_can_be_waited_for(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        revision = (await running.listing()).revision
        waiting = asyncio.create_task(running.http.get(f"/v1/adapters?after={revision}&wait_s=10"))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        write_adapter(running.adapters / "legal")
        assert (await waiting).json()["revision"] > revision
        started = monotonic()
        await running.http.get("/v1/adapters?after=0&wait_s=10")
        await running.http.get("/v1/adapters?after=999999&wait_s=0.2")
        assert 0.15 < monotonic() - started < 2


async def test_a_key_guards_every_v1_route_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_KEY", "right")
    async with serving(tmp_path, api_key="env:ENGINE_KEY") as running:
        for headers in ({}, {"authorization": "Bearer wrong"}):
            for answer in (
                await running.http.get("/v1/adapters", headers=headers),
                await running.http.post("/v1/chat/completions", content=b"{}", headers=headers),
            ):
                assert answer.status_code == 401
                assert error(answer)["code"] == "invalid_api_key"
        assert (await running.http.get("/v1/models", headers={"authorization": "Bearer right"})).status_code == 200
        assert (await running.http.get("/ready")).status_code == 200


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b'{"model": 1}', 400),
        (b'{"messages": []}', 400),
        (b'{"model": "base", "stream": "yes", "messages": []}', 400),
        (b'{"model": "base", "messages": []}', 400),
        (b'{"model": "base", "messages": 7}', 400),
        (b'{"model": "base", "prompt_logprobs": 1}', 400),
        (
            b'{"model": "base", "messages": [{"role": "user", "content": ' + b"[" * 100_000 + b"]" * 100_000 + b"}]}",
            400,
        ),
        (b'{"model": "base", "messages": [{"role": "user", "content": [{"a": 1e999}, "\\ud800"]}]}', 400),
        (b'{"model": "\xff"}', 400),
        (b"[" * 100_000, 400),
        (b'{"model": ' + b"[" * 100_000, 400),
        (b'{"model": "a@b@c@"}', 404),
        (b'{"model": ""}', 404),
        (b'{"model": "@"}', 404),
        (b" " * 5000, 413),
    ],
)
async def test_nothing_that_a_caller_sends_is_a_500(tmp_path: Path, data: bytes, status: int) -> None:
    limit = 4096 if status == 413 else 1_000_000
    async with serving(tmp_path, max_body_bytes=limit) as running:
        answer = await running.http.post("/v1/chat/completions", content=data)
        assert answer.status_code == status, answer.text
        error(answer)


async def test_what_the_engine_would_have_to_fetch_does_not_reach_it(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        for part in (
            b'{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}',
            b'{"type": "video_url", "video\\u005furl": {"u\\u0072l": "http://169.254.169.254/latest"}}',
        ):
            content = b'[{"type": "text", "text": "what is it?"}, ' + part + b"]"
            data = b'{"model": "base", "messages": [{"role": "user", "content": ' + content + b"}]}"
            answer = await running.http.post("/v1/chat/completions", content=data)
            assert answer.status_code == 400
            assert error(answer)["code"] == "unsupported_feature"
            assert error(answer)["param"] == "messages[0].content[1]"
            assert "data:" in error(answer)["message"]
        assert running.engine.bodies == []


async def test_other_routes_methods_and_queries_get_openai_errors(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        for answer, status in (
            (await running.http.get("/v1/nothing"), 404),
            (await running.http.get("/docs"), 404),
            (await running.http.post("/v1/load_lora_adapter", json={}), 404),
            (await running.http.get("/v1/chat/completions"), 405),
            (await running.http.get("/v1/adapters?after=x"), 400),
            (await running.http.get("/v1/adapters?wait_s=-1"), 400),
        ):
            assert answer.status_code == status
            error(answer)


async def test_unknown_fields_reach_the_engine_byte_for_byte(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        data = (
            b'{"x_new": 1.50e0,"model":"base", "messages":[{"role":"user","content":"\\u00e9","extra":{"b":1,"a":2}}]}'
        )
        answer = await running.http.post("/v1/chat/completions", content=data)
        assert answer.status_code == 200
        sent = running.engine.bodies[-1]
        assert b'"x_new":1.50e0' in sent
        assert b'[{"role":"user","content":"\\u00e9","extra":{"b":1,"a":2}}]' in sent


async def test_nobody_names_a_request_for_the_engine(tmp_path: Path) -> None:
    """One of the engine's names means that a request goes before all others."""
    async with serving(tmp_path) as running:
        for path, asked in (
            ("chat/completions", {"messages": [{"role": "user", "content": "x"}]}),
            ("completions", {"prompt": "x"}),
        ):
            body = {"model": "base", "request_id": "urgent-1", **asked}
            answer = await running.http.post(f"/v1/{path}", json=body, headers={"x-request-id": "urgent-2"})
            assert answer.status_code == 200
            assert b"urgent" not in running.engine.bodies[-1]


async def test_completions_are_served_too(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapters" / "legal", card="system_prompt: not for completions")
    async with serving(tmp_path) as running:
        answer = await running.http.post("/v1/completions", json={"model": "legal", "prompt": "once upon"})
        assert answer.json()["choices"][0]["text"] == "[legal] once upon"


async def test_churn_under_load_fails_no_request(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapters" / "legal")
    async with serving(tmp_path) as running:
        statuses: set[int] = set()

        async def load_on(running: Running) -> None:
            for _ in range(60):
                statuses.add((await running.ask("legal", "a b c", stream=True)).status_code)
                await asyncio.sleep(0.02)

        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(load_on(running))
            for seed in range(2, 6):
                write_adapter(running.adapters / "legal.tmp", seed=seed)
                shutil.rmtree(running.adapters / "legal")
                (running.adapters / "legal.tmp").rename(running.adapters / "legal")
                await asyncio.sleep(0.4)
        assert statuses == {200}
