"""Plans while no cloud can be reached, and while traffic comes back."""

from __future__ import annotations

import msgspec
import pytest

from router.config.schema import AutoConfig, LocalConfig, RoutingConfig
from router.core.types import Features, Health, Plan, PlanInputs
from router.routing.candidates import Group
from router.routing.planner import Planner
from router.routing.ranking import Ranking
from router.routing.strategies import ordered
from tests.fakes.values import candidate, verdict

INPUTS = PlanInputs(model="auto", verdict=verdict(), features=Features(input_tokens=100), seed=0.5, time_unix_s=0)


def planner(*among: str) -> Planner:
    names = ("cloud/a", "other/b")
    groups = {name: Group(name=name, candidates=(candidate(name, price="1"),)) for name in names}
    routing = RoutingConfig.model_validate({"auto": AutoConfig.model_validate({"among": among})})
    ranking = Ranking(("ordered", ordered.build(ordered.Config())))
    return Planner(groups, ranking, routing, LocalConfig(url="http://127.0.0.1:1"))


def order(plan: Plan) -> list[str]:
    return [step.target.deployment for step in plan.steps]


@pytest.mark.parametrize("among", [(), ("cloud/a", "local", "other/b")], ids=["as a last resort", "as a candidate"])
def test_offline_the_local_engine_comes_first_and_every_candidate_says_why(among: tuple[str, ...]) -> None:
    plan = planner(*among).plan(msgspec.structs.replace(INPUTS, online_ratio=0.0))
    assert order(plan) == ["local", "cloud/a", "other/b"]
    assert plan.reason == "offline"
    assert {one.deployment: one.excluded for one in plan.considered if one.excluded} == {
        "cloud/a": "offline",
        "other/b": "offline",
    }


def test_a_share_leaves_while_traffic_comes_back_whole_requests_at_a_time() -> None:
    one = planner()
    plans = [one.plan(msgspec.structs.replace(INPUTS, online_ratio=0.25, seed=seed / 1000)) for seed in range(1000)]
    assert {tuple(order(plan)) for plan in plans} == {
        ("cloud/a", "other/b", "local"),
        ("local", "cloud/a", "other/b"),
    }
    leaving = sum(order(plan)[0] != "local" for plan in plans)
    assert 200 < leaving < 300
    assert {plan.reason for plan in plans if order(plan)[0] == "local"} == {"offline"}


def test_a_local_engine_that_the_strategy_prefers_is_no_sign_of_an_outage() -> None:
    plan = planner("local", "cloud/a").plan(INPUTS)
    assert order(plan) == ["local", "cloud/a"]
    assert plan.reason != "offline"


def test_a_deployment_with_nothing_left_is_asked_after_all_others() -> None:
    limited = {"cloud/a": Health(available=False, unavailable="rate_limited")}
    plan = planner().plan(msgspec.structs.replace(INPUTS, health=limited))
    assert order(plan) == ["other/b", "local", "cloud/a"]
    assert plan.reason == "strategy:ordered"
