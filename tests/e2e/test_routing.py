"""Every strategy, rule and ceiling through a real router: who answers, for which reason, and what explain says of it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest

from tests.fakes.cloud import Cloud
from tests.fakes.stack import Stack, running

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

KEYS = {"team": "sk-router-team-0123456789", "other": "sk-router-other-0123456789"}


def deployment(model: str, price: float | None = None, **facts: object) -> dict[str, object]:
    return {"provider": "cloud", "model": model, "capabilities": ["tools", "vision"],
            **({} if price is None else {"price": {"input": price, "output": price}}), **facts}  # fmt: skip


def group(*deployments: dict[str, object], **settings: object) -> dict[str, object]:
    return {"deployments": [*deployments], **settings}


CANARY = {
    "kind": "canary", "stable": "cloud/old", "canary": "cloud/new", "steps": [50, 100], "window_s": 0.01,
    "min_requests": 8, "max_ttft_factor": 20, "min_feedback": 4,
}  # fmt: skip
BAD = {**CANARY, "stable": "cloud/fine", "canary": "cloud/http-500"}
DISLIKED = {**CANARY, "stable": "cloud/liked", "canary": "cloud/disliked", "window_s": 3600}
MODELS: dict[str, object] = {
    "cheap": group(deployment("cheap", 1, quality=0.3, context_tokens=500)),
    "good": group(deployment("good", 10, quality=0.8, context_tokens=8000)),
    "best": group(deployment("best", 100, quality=0.95, context_tokens=128000)),
    "by-latency": group(deployment("slow"), deployment("quick"), strategy="least_latency"),
    "by-quality": group(deployment("good", 10, quality=0.8), deployment("best", 100, quality=0.95), strategy={"kind": "quality", "max_cost_usd": 0.02}),
    "by-cost": group(deployment("cheap", 1, quality=0.3), deployment("good", 10, quality=0.8), strategy={"kind": "cost", "min_quality": 0.5}),
    "by-context": group(deployment("big", context_tokens=100_000), deployment("small", context_tokens=500), strategy="context"),
    "by-order": group(deployment("one"), deployment("two"), strategy="ordered"),
    "late-first": group(deployment("slow"), deployment("quick"), strategy="ordered"),
    "slow": group(deployment("slow")),
    "by-weight": group(deployment("heavy", weight=3), deployment("never", weight=0), strategy="weighted"),
    "stuck": group(deployment("a"), deployment("b"), deployment("http-500", weight=0), strategy=["sticky", "weighted"]),
    "split": group(deployment("left"), deployment("right"), strategy={"kind": "ab", "split": {"cloud/left": 1, "cloud/right": 1}}),
    "growing": group(deployment("old"), deployment("new"), strategy=CANARY),
    "failing": group(deployment("fine"), deployment("http-500"), strategy=BAD),
    "unloved": group(deployment("liked"), deployment("disliked"), strategy=DISLIKED),
    "unpriced": group(deployment("mystery")),
}  # fmt: skip
RULES = [
    {"name": "german", "language": "de", "use": ["best"]},
    {"name": "before-noon", "tier": "hours", "between": ["00:00", "12:00"], "use": ["best"]},
    {"name": "after-noon", "tier": "hours", "between": ["12:00", "00:00"], "use": ["best"]},
    {"name": "always", "tier": "always", "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "timezone": "Asia/Tokyo", "use": ["best"]},
    {"name": "other", "key": "other", "use": ["good"]},
    {"name": "code", "task": "code", "use": ["good"]},
    {"name": "going-on", "task": "talk", "session": True, "use": ["best"]},
    {"name": "long", "min_input_tokens": 2000, "use": ["best"]},
]  # fmt: skip


def config(cloud: Cloud) -> dict[str, object]:
    keys = [{"id": name, "key": f"file:{name}"} for name in KEYS]
    auto = {"strategy": "cost", "among": ["cheap", "good", "best"], "rules": RULES}
    return {
        "server": {"keys": keys},
        "local": None,
        "models": MODELS,
        "routing": {"auto": auto, "breaker": {"failures": 1000, "error_ratio": 1}, "retries": 0},
        "privacy": {"scan": {"enabled": False}},
        "sona": {"enabled": False},
    }


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Stack]:
    folder = tmp_path_factory.mktemp("routing")
    for name, key in KEYS.items():
        (folder / name).write_text(key)
    async with running(folder, config, host=None) as one:
        yield one


class Caller:
    """Asks, and says who answered."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def ask(self, model: str = "auto", text: str = "Hi", **hints: str) -> httpx.Response:
        body = {"model": model, "messages": [{"role": "user", "content": text}], "max_tokens": 100}
        return await self.http.post("/v1/chat/completions", json=body, headers=_headers(hints))

    async def who(self, model: str = "auto", text: str = "Hi", **hints: str) -> str:
        answer = await self.ask(model, text, **hints)
        assert answer.status_code == 200, answer.text
        return answer.headers["x-router-target"].removeprefix("cloud/")

    async def count(self, model: str, times: int, **hints: str) -> Counter[str]:
        return Counter(await asyncio.gather(*(self.who(model, f"Hi {turn}", **hints) for turn in range(times))))

    async def explain(self, body: dict[str, object], path: str = "/v1/route/explain", **hints: str) -> dict[str, Any]:
        answer = await self.http.post(path, json=body, headers=_headers(hints))
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def metric(self, name: str) -> float:
        lines = (await self.http.get("/metrics")).text.splitlines()
        return float(next(line for line in lines if line.startswith(f"{name} ")).split(" ")[1])


def _headers(hints: dict[str, str]) -> dict[str, str]:
    return {f"x-router-{name.replace('_', '-')}": value for name, value in hints.items()}


@pytest.fixture
async def caller(stack: Stack) -> AsyncGenerator[Caller]:
    headers = {"authorization": f"Bearer {KEYS['team']}"}
    async with httpx.AsyncClient(base_url=stack.url, headers=headers, trust_env=False, timeout=60) as http:
        yield Caller(http)


# -- strategies


async def test_least_latency_leaves_the_slow_one_alone_once_it_knows(caller: Caller) -> None:
    for _ in range(3):  # whichever comes first, the other is new and gets its chance
        await caller.who("by-latency")
    assert {await caller.who("by-latency") for _ in range(10)} == {"quick"}


async def test_quality_stays_under_its_cost_ceiling(caller: Caller) -> None:
    assert await caller.who("by-quality") == "best"
    assert await caller.who("by-quality", "word " * 1000) == "good"


async def test_cost_stays_above_its_quality_floor(caller: Caller) -> None:
    assert await caller.who("by-cost") == "good"


async def test_context_takes_the_window_that_fits(caller: Caller) -> None:
    assert await caller.who("by-context") == "small"
    assert await caller.who("by-context", "word " * 1000) == "big"


async def test_ordered_takes_the_first_and_weighted_never_takes_what_weighs_nothing(caller: Caller) -> None:
    assert await caller.who("by-order") == "one"
    assert await caller.count("by-weight", 20) == {"heavy": 20}


async def test_a_conversation_stays_where_it_is_by_header_or_by_how_it_begins(caller: Caller) -> None:
    for session in range(6):
        first = await caller.who("stuck", "begin", session=f"s{session}")
        assert {await caller.who("stuck", f"turn {turn}", session=f"s{session}") for turn in range(4)} == {first}
    seen = {await caller.who("stuck", f"Conversation {number}") for number in range(12)}
    assert seen == {"a", "b"}  # others are drawn anew


async def test_a_tool_loop_stays_put(caller: Caller, stack: Stack) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
    stack.cloud.turn = lambda body: {"content": None, "tool_calls": [call]}
    try:
        for number in range(6):
            messages: list[dict[str, object]] = [{"role": "user", "content": f"Loop {number}"}]
            hosts: list[str] = []
            for stream in (False, True, False):
                body = {"model": "stuck", "messages": messages, "tools": [tool], "stream": stream}
                answer = await caller.http.post("/v1/chat/completions", json=body)
                hosts.append(answer.headers["x-router-target"])
                messages += [{"role": "assistant", "content": None, "tool_calls": [call]}, {"role": "tool", "tool_call_id": "c1", "content": "1"}]  # fmt: skip
            assert len(set(hosts)) == 1, hosts
    finally:
        stack.cloud.turn = None


async def test_a_chain_of_responses_stays_put(caller: Caller) -> None:
    for number in range(4):
        body: dict[str, object] = {"model": "stuck", "input": f"Chain {number}", "instructions": "short"}
        hosts: set[str] = set()
        for turn in range(4):
            answer = await caller.http.post("/v1/responses", json=body)
            assert answer.status_code == 200, answer.text
            hosts.add(answer.headers["x-router-target"])
            previous = answer.json()["id"]
            body = {
                "model": "stuck",
                "input": f"and {turn}",
                "previous_response_id": previous,
                "instructions": f"{turn}",
            }
        assert len(hosts) == 1


async def test_ab_gives_each_session_the_same_arm_and_both_their_share(caller: Caller) -> None:
    arms = [await caller.who("split", session=f"user-{number}") for number in range(30)]
    assert 6 <= arms.count("left") <= 24
    assert arms[:10] == [await caller.who("split", "other words", session=f"user-{number}") for number in range(10)]


# -- canaries


async def test_a_good_canary_takes_over_by_itself_and_the_metric_says_so(caller: Caller, stack: Stack) -> None:
    assert await caller.metric('sona_canary_ratio{group="cloud/new"}') == 0.5
    for _ in range(12):
        await caller.count("growing", 10)
    assert await caller.count("growing", 10) == {"new": 10}
    assert await caller.metric('sona_canary_ratio{group="cloud/new"}') == 1.0
    await until(lambda: '"phase": "done"' in (stack.folder / "var" / "canaries.json").read_text())


async def test_a_failing_canary_is_rolled_back_by_itself_and_no_request_fails(caller: Caller, stack: Stack) -> None:
    for _ in range(6):
        assert set(await caller.count("failing", 10)) == {"fine"}
    assert await caller.metric('sona_canary_ratio{group="cloud/http-500"}') == 0.0
    assert "cloud/http-500: 50% -> 0%, rolled back for its errors" in stack.router.log.read_text()
    explained = await caller.explain({"model": "failing", "messages": [{"role": "user", "content": "Hi"}]})
    assert {one["deployment"]: one.get("excluded", "") for one in explained["considered"]} == {
        "cloud/fine": "", "cloud/http-500": "filtered:canary",
    }  # fmt: skip


async def test_feedback_rolls_a_disliked_canary_back_and_is_recorded(caller: Caller, stack: Stack) -> None:
    for _ in range(60):
        answer = await caller.ask("unloved")
        disliked = answer.headers["x-router-target"] == "cloud/disliked"
        path = f"/v1/decisions/{answer.headers['x-router-decision-id']}/feedback"
        rated = await caller.http.post(path, json={"score": 0.1 if disliked else 1})
        assert rated.status_code == 200, rated.text
    assert await caller.metric('sona_canary_ratio{group="cloud/disliked"}') == 0.0
    await until(lambda: len((stack.folder / "var" / "feedback.jsonl").read_text().splitlines()) >= 60)
    line = json.loads((stack.folder / "var" / "feedback.jsonl").read_text().splitlines()[0])
    assert line.keys() == {"decision_id", "time_unix_s", "principal_id", "group", "target", "score"}


async def test_only_an_answer_of_one_s_own_can_be_rated_and_only_by_a_number(caller: Caller) -> None:
    decision = (await caller.ask("by-order")).headers["x-router-decision-id"]
    path = f"/v1/decisions/{decision}/feedback"
    foreign = await caller.http.post(path, json={"score": 1}, headers={"authorization": f"Bearer {KEYS['other']}"})
    assert foreign.status_code == 404
    for body in (
        b"",
        b"{",
        b"[]",
        b'{"score": 2}',
        b'{"score": -1}',
        b'{"score": "1"}',
        b'{"score": 1, "why": "x"}',
        b"\xff",
        b"[" * 4000,
    ):
        wrong = await caller.http.post(path, content=body)
        assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "score"), body
    assert (await caller.http.post(path, content=b"x" * 5000)).status_code == 413
    assert (await caller.http.post("/v1/decisions/none/feedback", json={"score": 1})).status_code == 404
    assert (await caller.http.post(path, json={"score": 0.5})).json() == {"decision_id": decision, "score": 0.5}


# -- rules and ceilings


@pytest.mark.parametrize(
    ("text", "hints", "target", "reason"),
    [
        ("Hi", {}, "cheap", "strategy:cost"),
        ("Schreibe mir bitte ein kurzes Gedicht über den Herbst.", {}, "best", "rule:german"),
        ("Hi", {"tier": "always"}, "best", "rule:always"),
        ("Hi", {"task": "code"}, "good", "rule:code"),
        ("word " * 2000, {}, "best", "rule:long"),
        ("Hi", {"task": "talk", "session": "never-seen"}, "cheap", "strategy:cost"),
    ],
)
async def test_the_first_rule_that_applies_names_the_groups(
    caller: Caller, text: str, hints: dict[str, str], target: str, reason: str
) -> None:
    answer = await caller.ask("auto", text, **hints)
    assert (answer.headers["x-router-target"], answer.headers["x-router-reason"]) == (f"cloud/{target}", reason)


async def test_a_rule_knows_the_time_whether_a_conversation_goes_on_and_whose_key_asks(caller: Caller) -> None:
    hours = await caller.ask(tier="hours")
    assert hours.headers["x-router-reason"] in ("rule:before-noon", "rule:after-noon")
    await caller.who("auto", session="talking")
    assert await caller.who("auto", session="talking", task="talk") == "best"
    caller.http.headers["authorization"] = f"Bearer {KEYS['other']}"
    assert (await caller.ask()).headers["x-router-reason"] == "rule:other"


async def test_a_request_never_costs_more_than_its_caller_said(caller: Caller) -> None:
    # 100 tokens of an answer cost $0.0001, $0.001 and $0.01.
    assert await caller.who("auto", max_cost_usd="0.0005") == "cheap"
    assert (
        await caller.ask("auto", max_cost_usd="0.0005", task="code")
    ).status_code == 429  # that rule knows no cheaper
    assert await caller.who("best", max_cost_usd="0.02") == "best"
    for model in ("best", "unpriced"):
        refused = await caller.ask(model, max_cost_usd="0.0005")
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "insufficient_quota")
        assert "0.0005" in refused.json()["error"]["message"]
    assert (await caller.ask(max_cost_usd="much")).status_code == 400
    explained = await caller.explain(
        {"model": "auto", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 100}, max_cost_usd="0.002"
    )
    assert {one["deployment"]: one.get("excluded", "") for one in explained["considered"]} == {
        "cloud/cheap": "", "cloud/good": "", "cloud/best": "over_cost",
    }  # fmt: skip


async def test_what_is_usually_too_slow_for_its_caller_comes_later_but_still_comes(caller: Caller) -> None:
    await asyncio.gather(*(caller.who("late-first") for _ in range(3)))
    assert await caller.who("late-first") == "slow"
    assert await caller.who("late-first", max_latency_ms="300") == "quick"
    body: dict[str, object] = {"model": "late-first", "messages": [{"role": "user", "content": "Hi"}]}
    assert (await caller.explain(body, max_latency_ms="300"))["plan"] == ["cloud/quick", "cloud/slow"]
    assert (await caller.explain({**body, "model": "slow"}, max_latency_ms="300"))["plan"] == ["cloud/slow"]


# -- explain


BODIES: dict[str, dict[str, object]] = {
    "chat": {"messages": [{"role": "user", "content": "Hi"}]},
    "completions": {"prompt": "Hi"},
    "responses": {"input": "Hi"},
    "messages": {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 100},
    "count_tokens": {"messages": [{"role": "user", "content": "Hi"}]},
    "embeddings": {"input": "Hi"},
}


@pytest.mark.parametrize("dialect", BODIES)
async def test_explain_takes_every_dialect_and_calls_nobody(caller: Caller, stack: Stack, dialect: str) -> None:
    before = len(stack.cloud.received)
    explained = await caller.explain({"model": "good", **BODIES[dialect]}, f"/v1/route/explain?dialect={dialect}")
    assert explained["decision"]["reason"] in ("explicit", "in-process")
    assert explained["features"]["input_tokens"] == 0
    assert len(explained["steps"]) == len(explained["plan"]) >= 1
    assert len(stack.cloud.received) == before


async def test_explain_shows_the_rule_the_scores_the_costs_and_what_was_left_out(caller: Caller) -> None:
    body: dict[str, object] = {"model": "auto", "max_tokens": 1000, "messages": [{"role": "user", "content": "Hi"}]}
    explained = await caller.explain(body, task="code")
    assert (explained["decision"]["rule"], explained["decision"]["reason"]) == ("code", "rule:code")
    explained = await caller.explain(body)
    cheap, *_, last = explained["considered"]
    assert (cheap["deployment"], cheap["cost_usd"]) == ("cloud/good", "0.01")
    assert cheap["scores"]
    assert last == {**last, "deployment": "cloud/cheap", "excluded": "context"}
    step = explained["steps"][0]
    assert step.keys() >= {
        "target",
        "group",
        "retries",
        "ttft_s",
        "stall_s",
        "total_s",
        "after",
        "gated",
        "hedge_after_ms",
    }
    assert explained["canaries"].keys() == {"cloud/new", "cloud/http-500", "cloud/disliked"}
    quality = await caller.explain({**body, "model": "by-quality", "max_tokens": 1500})
    assert quality["considered"][-1]["excluded"] == "filtered:quality"


async def test_explain_says_what_it_takes_and_remembers_nothing(caller: Caller) -> None:
    wrong = await caller.http.post("/v1/route/explain?dialect=cobol", json={})
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "dialect")
    assert "cobol" not in wrong.text
    gone = {"model": "good", "input": "Hi", "previous_response_id": "resp_" + "0" * 24}
    assert (await caller.http.post("/v1/route/explain?dialect=responses", json=gone)).status_code == 400
    body: dict[str, object] = {"model": "stuck", "messages": [{"role": "user", "content": "Explain only"}]}
    assert "stuck" not in (await caller.explain(body))["features"]
    assert "stuck" not in (await caller.explain(body))["features"]
    await caller.who("stuck", "Explain only")
    assert (await caller.explain(body))["features"]["stuck"].startswith("cloud/")


async def test_what_every_candidate_is_left_out_of_says_which_strategy_did_it(caller: Caller) -> None:
    refused = await caller.ask("by-quality", "word " * 20_000)
    assert refused.status_code == 503
    assert "'quality'" in refused.json()["error"]["message"]


async def test_every_attempt_is_recorded_with_its_model_group(caller: Caller) -> None:
    answer = await caller.ask("by-order")
    decision = (await caller.http.get(f"/v1/decisions/{answer.headers['x-router-decision-id']}")).json()
    assert [one["group"] for one in decision["attempts"]] == ["by-order"]


async def test_the_same_configuration_makes_every_one_of_these_decisions_again(caller: Caller, stack: Stack) -> None:
    last = (await caller.ask("by-order")).headers["x-router-decision-id"]
    await until(lambda: last in stack.records.read_text())
    command = ["-m", "router", "simulate", "--log", str(stack.records), "--config", str(stack.router_file), "--json"]
    process = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=asyncio.subprocess.PIPE)
    report = json.loads((await process.communicate())[0])
    assert report["decisions"] == report["same"] > 200


async def until(holds: Any, within_s: float = 10.0) -> None:
    async with asyncio.timeout(within_s):
        while not holds():
            await asyncio.sleep(0.05)
