"""Whatever holds it and wherever it stands: what a provider further away is given never holds the secret."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Iterator

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.accounts import Accounts
from router.canaries import Canaries as Trials
from router.circumstances import Circumstances
from router.config.schema import LocalConfig, OnSensitive, PrivacyConfig, RoutingConfig, ScanConfig
from router.core import clock
from router.core.errors import RouterError
from router.core.ports import Clocks
from router.core.types import Cleared, Delta, Dialect, Hints, Locality, Principal, Request, Target
from router.directory import AdapterDirectory
from router.execution.cascade import Cascade
from router.execution.executor import Executor
from router.execution.gates import Gate, GateDeps, judge
from router.execution.health import HealthMonitor
from router.execution.stickiness import Stickiness
from router.pipeline import Pipeline
from router.policy.judge import Judge
from router.privacy.scanner import Scanner
from router.record.trace import Trace
from router.routing.candidates import Group, local_target
from router.routing.planner import Planner
from router.routing.ranking import Ranking
from router.routing.strategies import cost
from tests.fakes.canaries import FIELDS, Canaries, seen
from tests.fakes.gates import GATES
from tests.fakes.values import candidate

RANKING = Ranking(("cost", cost.build(cost.Config())))
ANSWER = Delta(payload=b'{"choices":[{"index":0,"message":{"role":"assistant","content":"ok"}}]}')


class Recorder:
    """A provider that keeps what it is given."""

    dialects = frozenset({Dialect.CHAT})

    def __init__(self) -> None:
        self.given: list[Cleared] = []

    async def send(self, cleared: Cleared, clocks: Clocks) -> AsyncGenerator[Delta, None]:
        del clocks
        self.given.append(cleared)
        yield ANSWER

    async def reachable(self, timeout_s: float) -> bool:
        return timeout_s > 0

    async def aclose(self) -> None:
        pass


class Bench:
    """A pipeline with a real scanner and recording providers."""

    def __init__(self, policy: PrivacyConfig) -> None:
        self.cloud, self.local = Recorder(), Recorder()
        self.scanner = Scanner(policy, GATES)
        self._policy = policy
        self._pipeline = self.pipeline(local_target())

    def pipeline(self, engine: Target, *gates: tuple[str, Gate]) -> Pipeline:
        """Build one; with gates, its model is a cascade of two."""
        candidates = (candidate("cloud/m", price="1"), candidate("cloud/dear", price="2"))
        group = Group(name="m", candidates=candidates[: 1 + len(gates)], ranking=RANKING, escalations=len(gates))
        planner = Planner({"m": group}, RANKING, RoutingConfig(), LocalConfig(url="http://127.0.0.1:1"))
        directory = AdapterDirectory(None)
        executor = Executor(
            {"cloud": self.cloud, "local": self.local},
            HealthMonitor(),
            directory,
            cascades={"m": Cascade(*gates)},
            engine=engine,
        )
        accounts = Accounts(None, lambda key, limit: None)
        circumstances = Circumstances(frozenset({"stuck"}), b"secret", Stickiness(60), Trials((), None))
        policy = Judge(self._policy, {})
        return Pipeline(self.scanner, policy, planner, executor, directory, circumstances, accounts, 4096)

    async def ask(self, body: dict[str, object], pipeline: Pipeline | None = None) -> None:
        self.cloud.given.clear()
        self.local.given.clear()
        request = Request(
            id="r",
            principal=Principal(id="p"),
            model="m",
            body=body,  # pyright: ignore[reportArgumentType]
            stream=False,
            hints=Hints(),
            deadline_s=clock.monotonic_s() + 30,
        )
        async for _ in (pipeline or self._pipeline).answer(request, Trace("r", lambda _: None)):
            pass


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as one:
        yield one


@pytest.fixture(scope="module", params=["local", "mask"])
def bench(request: pytest.FixtureRequest, runner: asyncio.Runner) -> Iterator[Bench]:
    policy = PrivacyConfig(on_sensitive=OnSensitive(request.param), scan=ScanConfig(deadline_ms=10_000))
    one = Bench(policy)
    runner.run(one.scanner.start())
    yield one
    runner.run(one.scanner.aclose())


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 10_000_000),
    fields=st.lists(st.sampled_from(sorted(FIELDS)), min_size=1, max_size=3, unique=True),
    before=st.sampled_from(["", "Please note: ", "My details:\n\t", '{"id": "', "see (", "=> "]),
    after=st.sampled_from(["", " thanks.", "\n", '"}', ")", ", and more"]),
)
def test_no_field_lets_a_secret_out(
    bench: Bench, runner: asyncio.Runner, seed: int, fields: list[str], before: str, after: str
) -> None:
    canary = Canaries(seed).next()
    body: dict[str, object] = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
    for field in fields:
        FIELDS[field](body, before + canary.text + after)
    runner.run(bench.ask(body))
    sent = msgspec.json.encode([cleared.body for cleared in bench.cloud.given])
    assert not seen(canary.secret, sent), canary.kind
    assert bench.local.given or bench.cloud.given


def test_what_can_not_be_read_stays_local(bench: Bench, runner: asyncio.Runner) -> None:
    for part in ("image_url", "input_audio", "file", "video_url", "something_new"):
        body = {"model": "m", "messages": [{"role": "user", "content": [{"type": part, part: {"url": "data:,x"}}]}]}
        runner.run(bench.ask(body))
        assert bench.cloud.given == []
        assert bench.local.given[0].target.locality is Locality.LOCAL


def test_harmless_text_still_goes_to_the_cloud(bench: Bench, runner: asyncio.Runner) -> None:
    for text in ("What is the capital of France?", "Write a haiku.", "def f(x):\n    return x + 1"):
        runner.run(bench.ask({"model": "m", "messages": [{"role": "user", "content": text}]}))
        assert len(bench.cloud.given) == 1


def test_a_gate_s_question_stays_on_this_machine_whatever_is_called_the_engine(
    bench: Bench, runner: asyncio.Runner
) -> None:
    gate = ("judge", judge.build(judge.Config(), GateDeps(has_engine=True)))
    body: dict[str, object] = {"model": "m", "messages": [{"role": "user", "content": "Why is the sky blue?"}]}
    runner.run(bench.ask(body, bench.pipeline(local_target(), gate)))
    (question,) = bench.local.given
    assert question.target.locality is Locality.LOCAL
    assert b"sky blue" in msgspec.json.encode(question.body)
    assert len(bench.cloud.given) == 1
    runner.run(bench.ask(body, bench.pipeline(candidate("cloud/m").target, gate)))
    assert [cleared.body["messages"] for cleared in bench.cloud.given] == [body["messages"]]


def test_random_bytes_of_text_never_break_the_way(bench: Bench, runner: asyncio.Runner) -> None:
    chance = random.Random(7)
    for _ in range(50):
        text = "".join(chr(chance.choice([*range(1, 0xD7FF), *range(0xE000, 0xFFFF)])) for _ in range(80))
        try:
            runner.run(bench.ask({"model": "m", "messages": [{"role": "user", "content": text}]}))
        except RouterError as error:
            pytest.fail(f"{error.code}")
