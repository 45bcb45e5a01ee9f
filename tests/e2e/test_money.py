"""Limits, budgets, keys and the ledger, through a real router over real HTTP: who may spend what, and what was spent."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from typer.testing import CliRunner

from router import bookkeeping
from router.cli import app
from tests.fakes.cloud import WORDS, Cloud
from tests.fakes.stack import Stack, cloud_config, running

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

COST_USD = Decimal(100 + 2 * WORDS) / 1_000_000
"""Of one answer of the fake cloud: 100 tokens at 1 $ a million, and its words at 2 $."""

PROMPT = "Tell me of the comets that were seen this year, and of those that will come back. " * 3
REFRESH_S = 0.2
LIMITS: dict[str, dict[str, object]] = {
    "free": {},
    "racer": {"budget": {"day_usd": 0.01}},
    "saver": {"budget": {"month_usd": "0.0004"}},
    "broke": {"budget": {"week_usd": 0}},
    "dropper": {"budget": {"day_usd": 100}},
    "minute": {"requests_per_minute": 60},
    "teller": {"requests_per_minute": 60, "tokens_per_minute": 6000, "budget": {"day_usd": 1}},
    "single": {"concurrency": 1},
    "asker": {"requests_per_minute": 2},
    "chooser": {"requests_per_minute": 2},
    "planner": {"budget": {"day_usd": "0.002"}},
}


def key_of(name: str) -> str:
    return f"sk-test-of-the-key-{name}"


def config_with(folder: Path, cloud: Cloud) -> dict[str, object]:
    rows: list[dict[str, object]] = []
    for name, limits in LIMITS.items():
        (folder / name).write_text(key_of(name))
        rows.append({"id": name, "key": f"file:{name}", **limits})
    models = cast("dict[str, object]", cloud_config(cloud)["models"])
    return {
        "server": {"keys": rows},
        "privacy": {"scan": {"enabled": False}},
        "ledger": {"refresh_s": REFRESH_S},
        "models": {**models, "unpriced": {"deployments": [{"provider": "cloud", "model": "of-no-price"}]}},
    }


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Stack]:
    folder = tmp_path_factory.mktemp("money")
    async with running(folder, partial(config_with, folder), host=None) as one:
        one.cloud.recording = False
        yield one


@contextlib.asynccontextmanager
async def client(stack: Stack, key: str) -> AsyncGenerator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {key}"}
    limits = httpx.Limits(max_connections=300)
    async with httpx.AsyncClient(
        base_url=stack.url, headers=headers, trust_env=False, timeout=60, limits=limits
    ) as http:
        yield http


async def ask(http: httpx.AsyncClient, model: str = "ok", **fields: object) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": PROMPT}], "max_tokens": WORDS, **fields}
    return await http.post("/v1/chat/completions", json=body)


def lines(stack: Stack, *by: str, key: str) -> list[dict[str, object]]:
    """What the store has of one key."""
    report = bookkeeping.usage(stack.router_file, ("key", *by), None)
    found = cast("list[dict[str, object]]", json.loads(bookkeeping.as_json(report)))
    return [line for line in found if line["key"] == key]


def spent_usd(stack: Stack, key: str) -> Decimal:
    return sum((Decimal(str(line["cost_usd"])) for line in lines(stack, key=key)), Decimal(0))


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not await asyncio.to_thread(holds):
            await asyncio.sleep(0.05)


async def metric(stack: Stack, name: str) -> float:
    async with client(stack, key_of("free")) as http:
        text = (await http.get("/metrics")).text
    return next(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(f"{name} "))


# -- questions that no model answers


@pytest.mark.parametrize(("key", "path"), [("asker", "/v1/route/explain"), ("chooser", "/v1/sona/select")])
async def test_questions_about_a_request_count_as_requests(stack: Stack, key: str, path: str) -> None:
    body = {"model": "ok", "messages": [{"role": "user", "content": "Hi"}]}
    async with client(stack, key_of(key)) as http:
        answers = [await http.post(path, json=body) for _ in range(3)]
    assert [one.status_code for one in answers] == [200, 200, 429]
    assert answers[0].headers["x-ratelimit-remaining-requests"] == "1"
    assert answers[2].json()["error"]["code"] == "rate_limit_exceeded"


async def test_an_explanation_reckons_with_the_limit_that_a_budget_sets_for_an_answer(stack: Stack) -> None:
    """4,096 tokens may cost more than this key has left; 512, as much as is expected without a budget, would not."""
    body = {"model": "ok", "messages": [{"role": "user", "content": "Hi"}]}
    async with client(stack, key_of("planner")) as http:
        for path in ("/v1/chat/completions", "/v1/route/explain"):
            answer = await http.post(path, json=body)
            assert (answer.status_code, answer.json()["error"]["code"]) == (429, "insufficient_quota"), path


# -- budgets


async def test_two_hundred_at_once_spend_no_more_than_the_budget_they_share(stack: Stack) -> None:
    async with client(stack, key_of("racer")) as http:
        answers = await asyncio.gather(*(ask(http) for _ in range(200)))
        refused = [answer for answer in answers if answer.status_code == 429]
        granted = [answer for answer in answers if answer.status_code == 200]
        assert len(granted) + len(refused) == 200
        assert len(granted) >= 40  # what a request may cost is set aside, not the whole budget
        # One at a time the rest can be spent, up to what a request may cost at most.
        while (answer := await ask(http)).status_code == 200:
            granted.append(answer)
    paid = sum((Decimal(one.headers["x-router-cost-usd"]) for one in granted), Decimal(0))
    assert paid == len(granted) * COST_USD
    assert Decimal("0.0097") <= paid <= Decimal("0.01")
    await until(lambda: spent_usd(stack, "racer") == paid)
    assert await metric(stack, 'sona_budget_remaining_usd{key="racer"}') == pytest.approx(float(Decimal("0.01") - paid))
    assert await metric(stack, 'sona_rate_limited_total{key="racer",limit="budget_day"}') == len(refused) + 1


async def test_a_budget_that_is_used_up_says_which_and_when_it_renews(stack: Stack) -> None:
    async with client(stack, key_of("broke")) as http:
        refused = await ask(http)
    error = refused.json()["error"]
    assert (refused.status_code, error["code"], error["type"]) == (429, "insufficient_quota", "rate_limit_error")
    assert "budget of $0 a week leaves $0" in error["message"]
    assert "renews at 20" in error["message"]
    assert 0 < int(refused.headers["retry-after"]) <= 7 * 86_400
    assert refused.headers["x-router-budget-remaining-usd"] == "0"


async def test_a_model_without_a_price_is_not_for_a_key_with_a_budget(stack: Stack) -> None:
    async with client(stack, key_of("dropper")) as http:
        assert (await ask(http, "unpriced")).status_code == 429
    async with client(stack, key_of("free")) as http:
        assert (await ask(http, "unpriced")).status_code == 200


async def test_an_answer_that_a_budget_pays_for_is_never_unlimited(stack: Stack) -> None:
    stack.cloud.recording = True
    stack.cloud.received.clear()
    async with client(stack, key_of("dropper")) as http, client(stack, key_of("free")) as free:
        await ask(http, max_tokens=None)
        await ask(free, max_tokens=None)
    stack.cloud.recording = False
    limited, open_ended = (json.loads(body) for body in stack.cloud.received)
    assert limited["max_completion_tokens"] == 4096
    assert "max_completion_tokens" not in open_ended


async def test_failed_attempts_cost_nothing_and_give_back_what_was_set_aside(stack: Stack) -> None:
    async with client(stack, key_of("saver")) as http:
        for _ in range(8):  # each sets aside nearly half of the budget
            assert (await ask(http, "http-400")).status_code == 400
        answer = await ask(http)
    assert answer.status_code == 200
    assert Decimal(answer.headers["x-router-budget-remaining-usd"]) == Decimal("0.0004") - COST_USD


# -- what is cut off


async def drop_after(stack: Stack, chunks: int) -> None:
    """Leave a stream after so many of its events; 0 = before the first."""
    body = {"model": "ok", "messages": [{"role": "user", "content": PROMPT}], "stream": True, "max_tokens": WORDS}
    async with (
        client(stack, key_of("dropper")) as http,
        http.stream("POST", "/v1/chat/completions", json=body, headers={"x-request-id": f"cut-{chunks}"}) as answer,
    ):
        seen = 0
        async for line in answer.aiter_lines():
            seen += line.startswith("data: ")
            if seen >= chunks:
                return


async def test_a_client_that_leaves_anywhere_in_a_stream_is_billed_by_the_truth_or_by_an_estimate_that_says_so(
    stack: Stack,
) -> None:
    stack.cloud.token_s = 0.02
    cuts = range(WORDS + 4)
    try:
        await asyncio.gather(*(drop_after(stack, chunk) for chunk in cuts))
    finally:
        stack.cloud.token_s = 0.0

    def dropped() -> dict[int, dict[str, Any]]:
        found = [json.loads(line) for line in stack.records.read_text().splitlines()]
        return {int(one["request_id"][4:]): one for one in found if one["request_id"].startswith("cut-")}

    await until(lambda: len(dropped()) == len(cuts))
    for chunk, one in dropped().items():
        (attempt,) = one["attempts"]
        usage = attempt["usage"]
        true = (usage["input_tokens"], usage["output_tokens"]) == (100, WORDS)
        assert one["cost_estimated"] is attempt["estimated"] is not true
        expected = Decimal(usage["input_tokens"] + 2 * usage["output_tokens"]) / 1_000_000
        assert Decimal(attempt["cost_usd"]) == expected
        if not true:
            assert chunk - 1 <= usage["output_tokens"] <= chunk + 2  # the role comes first, one may be under way
            assert usage["input_tokens"] == len(PROMPT) // 4
    estimated = [one["cost_estimated"] for one in dropped().values()]
    assert estimated.count(False) >= 1  # it left behind the usage

    def in_store(estimated: bool) -> int:
        return sum(cast("int", line["attempts"]) for line in lines(stack, "estimated", key="dropper")
                   if line["estimated"] is estimated)  # fmt: skip

    await until(lambda: in_store(True) == estimated.count(True))


# -- limits and their headers


async def test_headers_count_down_and_a_retry_at_the_time_they_say_is_let_in(stack: Stack) -> None:
    async with client(stack, key_of("minute")) as http:
        first, second = await ask(http), await ask(http)
        assert first.headers["x-ratelimit-limit-requests"] == "60"
        left = [int(one.headers["x-ratelimit-remaining-requests"]) for one in (first, second)]
        assert left in ([59, 58], [59, 59])  # one comes back each second
        assert first.headers["x-ratelimit-reset-requests"] in ("1s", *(f"{ms}ms" for ms in range(500, 1000)))
        assert "x-ratelimit-limit-tokens" not in first.headers
        answers = await asyncio.gather(*(ask(http) for _ in range(70)))
        refused = [one for one in answers if one.status_code == 429]
        assert 8 <= len(refused) <= 12
        assert {one.json()["error"]["code"] for one in refused} == {"rate_limit_exceeded"}
        assert {one.headers["x-ratelimit-remaining-requests"] for one in refused} == {"0"}
        assert {one.headers["retry-after"] for one in refused} == {"1"}
        while (late := await ask(http)).status_code == 200:
            pass
        await asyncio.sleep(int(late.headers["retry-after"]))
        assert (await ask(http)).status_code == 200


async def test_tokens_are_taken_by_estimate_and_given_back_by_the_truth(stack: Stack) -> None:
    async with client(stack, key_of("teller")) as http:
        answer = await ask(http)
        assert answer.status_code == 200
        left = int(answer.headers["x-ratelimit-remaining-tokens"])
        assert 6000 - 116 <= left <= 6000 - 116 + 60
        answer = await ask(http, stream=True, max_tokens=5000)
        at_first_byte = int(answer.headers["x-ratelimit-remaining-tokens"])
        assert at_first_byte < 1000  # as much as was asked for
        refused = await ask(http, max_tokens=6000)
        assert refused.status_code == 429
        assert int(refused.headers["x-ratelimit-remaining-tokens"]) > 5500
        assert refused.headers["x-ratelimit-reset-tokens"].endswith(("s", "ms"))
        assert Decimal(refused.headers["x-router-budget-remaining-usd"]) == 1 - 2 * COST_USD
        # Every answer says it, not only those of models.
        assert (await http.get("/v1/models")).headers["x-ratelimit-limit-tokens"] == "6000"


async def test_a_key_of_one_request_at_a_time_gets_its_place_back_however_it_ends(stack: Stack) -> None:
    async with client(stack, key_of("single")) as http:
        for model in ("hang", "slow"):
            running_one = asyncio.create_task(ask(http, model))
            await asyncio.sleep(0.2)
            refused = await ask(http)
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
            running_one.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running_one
            async with asyncio.timeout(5):
                while (await ask(http)).status_code != 200:
                    await asyncio.sleep(0.02)


# -- keys and reports


def command(*arguments: str) -> str:
    result = CliRunner().invoke(app, [*arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


async def test_a_key_that_is_made_and_revoked_while_the_router_runs_is_known_at_once(stack: Stack) -> None:
    file = str(stack.router_file)
    limits = ("--rpm", "5", "--day-usd", "0.5", "--model", "ok", "--tenant", "lab")
    made = (await asyncio.to_thread(command, "keys", "create", "-c", file, "--id", "visitor", *limits)).strip()
    assert made.startswith("sk-sona-")
    async with client(stack, made) as http:
        async with asyncio.timeout(10):
            while (answer := await ask(http)).status_code != 200:
                assert answer.status_code == 401
                await asyncio.sleep(0.05)
        assert answer.headers["x-ratelimit-limit-requests"] == "5"
        assert (await ask(http, "slow")).status_code == 403
        twice = CliRunner().invoke(app, ["keys", "create", "-c", file, "--id", "visitor"])
        assert (twice.exit_code, "already" in twice.output) == (1, True)
        taken = CliRunner().invoke(app, ["keys", "create", "-c", file, "--id", "racer"])
        assert "the configuration has a key 'racer'" in taken.output
        (row,) = json.loads(await asyncio.to_thread(command, "keys", "list", "-c", file, "--json"))
        assert (row["id"], row["tenant"], row["rpm"], row["day_usd"]) == ("visitor", "lab", 5, "0.5")
        await asyncio.to_thread(command, "keys", "revoke", "-c", file, "visitor")
        async with asyncio.timeout(10):
            while (await http.get("/v1/models")).status_code != 401:
                await asyncio.sleep(0.05)
    kept = b"".join(path.read_bytes() for path in (stack.folder / "var").glob("ledger*"))
    assert made.encode() not in kept


async def test_a_report_adds_up_to_what_the_answers_said(stack: Stack) -> None:
    before = spent_usd(stack, "free")
    async with client(stack, key_of("free")) as http:
        answers = [await ask(http) for _ in range(3)]
    paid = sum((Decimal(one.headers["x-router-cost-usd"]) for one in answers), Decimal(0))
    await until(lambda: spent_usd(stack, "free") == before + paid)
    file = str(stack.router_file)
    report = json.loads(await asyncio.to_thread(command, "usage", "-c", file, "--by", "key,model,day", "--json"))
    (line,) = [one for one in report if (one["key"], one["model"]) == ("free", "ok")]
    assert line["requests"] * 100 == line["input_tokens"]
    assert len(line["day"]) == len("2026-11-29")
    table = await asyncio.to_thread(command, "usage", "-c", file, "--by", "tenant")
    assert "default" in table
    assert "cost_usd" in table
    wrong = CliRunner().invoke(app, ["usage", "-c", file, "--by", "colour"])
    assert "nothing to report by" in wrong.output
