"""Plans: what a model name means, who stands in for whom, and that nothing leaves the verdict's bounds."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.config.schema import AutoConfig, LocalConfig, RouteRule, RoutingConfig
from router.core.errors import (
    BudgetExceeded,
    ContextTooLong,
    InvalidRequest,
    ModelNotFound,
    NoHealthyTarget,
    PermissionDenied,
    PolicyBlocked,
    UnsupportedFeature,
)
from router.core.types import (
    Candidate,
    Dialect,
    Features,
    Health,
    Hints,
    Locality,
    Masking,
    Plan,
    PlanInputs,
    Principal,
    Request,
    Verdict,
)
from router.routing.candidates import Group, LocalModels
from router.routing.features import features, text_size
from router.routing.planner import Planner
from router.routing.ranking import Ranking
from router.routing.strategies import canary, cost, ordered, weighted
from tests.fakes.values import candidate, request, verdict

FEATURES = Features(input_tokens=100, max_output_tokens=None, needs=frozenset())
STRATEGIES = {
    "cost": cost.build(cost.Config()),
    "weighted": weighted.build(weighted.Config()),
    "ordered": ordered.build(ordered.Config()),
}
RANKED = Ranking(("cost", STRATEGIES["cost"]))
ENGINE = LocalConfig(url="http://127.0.0.1:1")
GROUPS = {
    "cheap": Group(name="cheap", candidates=(candidate("cloud/cheap", price="1"),), fallbacks=("dear",)),
    "dear": Group(name="dear", candidates=(candidate("cloud/dear", price="9"),)),
    "unknown": Group(name="unknown", candidates=(candidate("cloud/unknown"),)),
}


class Facts(NamedTuple):
    """What changes from request to request."""

    local: LocalModels
    down: tuple[str, ...]
    seed: float


def facts(down: tuple[str, ...] = (), local: LocalModels | None = None, seed: float = 0.5) -> Facts:
    return Facts(local or LocalModels(), down, seed)


def decide(one: Planner, asked: Request, limit: Verdict, features: Features, known: Facts) -> Plan:
    health = {name: Health(available=False, unavailable="breaker_open") for name in known.down}
    inputs = PlanInputs(
        model=asked.model,
        named=one.named(asked.model, known.local),
        verdict=limit,
        features=msgspec.structs.replace(
            features,
            tenant=asked.principal.tenant,
            key=asked.principal.id,
            dialect=asked.dialect if features.dialect is Dialect.CHAT else features.dialect,
        ),
        seed=known.seed,
        time_unix_s=0.0,
        health=health,
    )
    return one.plan(inputs)


def planner(groups: Mapping[str, Group] = GROUPS, local: LocalConfig | None = ENGINE, **auto: object) -> Planner:
    routing = RoutingConfig(auto=AutoConfig(**{"strategy": "cost", **auto}))  # pyright: ignore[reportArgumentType]
    return Planner(groups, RANKED, routing, local)


def order(plan_steps: object) -> list[str]:
    return [step.target.label for step in plan_steps.steps]  # pyright: ignore[reportAttributeAccessIssue]


def test_cost_takes_the_cheapest_then_the_dearer_then_unknown_prices_then_local() -> None:
    plan = decide(planner(), request(), verdict(), FEATURES, facts())
    assert order(plan) == ["cloud/cheap", "cloud/dear", "cloud/unknown", "local/base"]
    assert plan.reason == "strategy:cost"


def test_a_named_group_is_followed_by_its_fallbacks_and_local() -> None:
    plan = decide(planner(), request("cheap"), verdict(), FEATURES, facts())
    assert order(plan) == ["cloud/cheap", "cloud/dear", "local/base"]
    assert plan.reason == "explicit"


def test_a_deployment_whose_breaker_is_open_is_tried_last() -> None:
    plan = decide(planner(), request("cheap"), verdict(), FEATURES, facts(down=("cloud/cheap",)))
    assert order(plan) == ["cloud/dear", "local/base", "cloud/cheap"]


def test_with_every_cloud_down_local_answers_and_the_reason_is_offline() -> None:
    plan = decide(planner(), request(), verdict(), FEATURES, facts(down=("cloud/cheap", "cloud/dear", "cloud/unknown")))
    assert plan.steps[0].target.provider == "local"
    assert plan.reason == "offline"


def test_a_local_verdict_leaves_one_local_step_whatever_was_asked() -> None:
    for model in ("auto", "cheap", "local", "local/base"):
        plan = decide(planner(), request(model), verdict(Locality.LOCAL, rule="sensitive"), FEATURES, facts())
        assert [step.target.provider for step in plan.steps] == ["local"]
    assert (
        decide(planner(), request("cheap"), verdict(Locality.LOCAL, rule="x"), FEATURES, facts()).reason == "policy:x"
    )


def test_without_an_engine_a_local_verdict_is_refused_with_the_rule() -> None:
    with pytest.raises(NoHealthyTarget, match="'sensitive'"):
        decide(planner(local=None), request(), verdict(Locality.LOCAL, rule="sensitive"), FEATURES, facts())


def test_an_adapter_is_named_by_name_or_version_and_an_unknown_one_names_the_nearest() -> None:
    local = LocalModels(current={"sql": "sql@1"}, ids=frozenset({"sql@1", "sql@0"}), known=frozenset({"sql", "bad"}))
    one = planner()
    assert order(decide(one, request("sql"), verdict(), FEATURES, facts(local=local))) == ["local/sql@1"]
    assert order(decide(one, request("sql@0"), verdict(), FEATURES, facts(local=local))) == ["local/sql@0"]
    with pytest.raises(ModelNotFound, match="did you mean 'sql'"):
        one.check_model(request("sqll"), local)


def test_a_key_may_be_limited_to_models() -> None:
    limited = Principal(id="p", allowed_models=("cheap",))
    planner().check_model(request("cheap", principal=limited), LocalModels())
    with pytest.raises(PermissionDenied, match="cheap"):
        planner().check_model(request("dear", principal=limited), LocalModels())


def test_rules_come_before_the_strategy_and_the_first_that_applies_wins() -> None:
    rules = (
        RouteRule(name="long", min_input_tokens=1000, use=("dear",)),
        RouteRule(name="tools", needs=frozenset({"tools"}), use=("unknown",)),
        RouteRule(name="tier", tier="gold", use=("local",)),
    )
    one = planner(rules=rules)
    long = Features(input_tokens=2000, max_output_tokens=None, needs=frozenset())
    assert decide(one, request(), verdict(), long, facts()).reason == "rule:long"
    gold = Features(input_tokens=1, max_output_tokens=None, needs=frozenset(), tier="gold")
    assert order(decide(one, request(), verdict(), gold, facts())) == ["local/base"]
    assert decide(one, request(), verdict(), FEATURES, facts()).reason == "strategy:cost"


def test_a_deployment_that_can_not_do_what_is_needed_is_left_out() -> None:
    plain: tuple[Candidate, ...] = (candidate("cloud/plain", capabilities=frozenset()),)
    groups = {"plain": Group(name="plain", candidates=plain), **GROUPS}
    needy = Features(input_tokens=1, max_output_tokens=None, needs=frozenset({"vision"}))
    with pytest.raises(UnsupportedFeature, match="vision"):
        decide(planner(groups, None), request("plain"), verdict(), needy, facts())
    assert order(decide(planner(groups), request("plain"), verdict(), needy, facts())) == ["local/base"]


def test_a_request_longer_than_every_window_is_refused_before_anyone_is_called() -> None:
    small: tuple[Candidate, ...] = (candidate("cloud/small", context_tokens=50),)
    with pytest.raises(ContextTooLong, match="50"):
        decide(
            planner({"small": Group(name="small", candidates=small)}, None),
            request("small"),
            verdict(),
            FEATURES,
            facts(),
        )


@given(
    limit=st.sampled_from(list(Locality)),
    model=st.sampled_from(["auto", "cheap", "dear", "unknown", "local", "local/base"]),
    down=st.sets(st.sampled_from(["cloud/cheap", "cloud/dear", "cloud/unknown"])),
    seed=st.floats(0, 0.999),
)
def test_no_plan_ever_holds_a_target_further_than_its_verdict(
    limit: Locality, model: str, down: set[str], seed: float
) -> None:
    plan = decide(planner(), request(model), verdict(limit, rule="r"), FEATURES, facts(tuple(down), seed=seed))
    assert plan.steps
    assert all(step.target.locality <= limit for step in plan.steps)
    assert len({step.target.deployment for step in plan.steps}) == len(plan.steps)


def test_weights_are_kept_to_over_many_seeds() -> None:
    pair = (candidate("cloud/a", weight=3), candidate("cloud/b", weight=1), candidate("cloud/c", weight=0))
    wins = sum(
        max(range(3), key=STRATEGIES["weighted"].rank(FEATURES, pair, seed / 4000).__getitem__) == 0
        for seed in range(4000)
    )
    assert 0.72 < wins / 4000 < 0.78


BOUND = Features(
    input_tokens=10**9, max_output_tokens=None, needs=frozenset(), native=Dialect.EMBEDDINGS, untranslatable=("input",),
    dialect=Dialect.EMBEDDINGS, bound=True,
)  # fmt: skip
EMBEDS = frozenset({Dialect.CHAT, Dialect.EMBEDDINGS})
VECTORS = {
    "vectors": Group(name="vectors", candidates=(candidate("cloud/e", dialects=EMBEDS, context_tokens=8192),), fallbacks=("other",)),
    "other": Group(name="other", candidates=(candidate("cloud/o", dialects=EMBEDS),)),
    "talk": Group(name="talk", candidates=(candidate("cloud/t"),)),
}  # fmt: skip


def test_nothing_stands_in_for_a_model_that_a_request_is_bound_to() -> None:
    plan = decide(planner(VECTORS), request("vectors"), verdict(), BOUND, facts(down=("cloud/e",)))
    assert order(plan) == ["cloud/e"]


@pytest.mark.parametrize("name", ["auto", "vectors"])
def test_what_is_bound_to_a_cloud_model_is_refused_where_it_must_stay_local(name: str) -> None:
    with pytest.raises(InvalidRequest if name == "auto" else PolicyBlocked) as caught:
        decide(planner(VECTORS), request(name), verdict(Locality.LOCAL, rule="sensitive"), BOUND, facts())
    assert name == "auto" or "'sensitive'" in caught.value.message


@pytest.mark.parametrize("name", ["talk", "local", "local/base"])
def test_a_model_that_does_not_speak_the_dialect_is_refused_by_the_field_s_name(name: str) -> None:
    with pytest.raises(UnsupportedFeature) as caught:
        decide(planner(VECTORS), request(name), verdict(), BOUND, facts())
    assert caught.value.param == "input"


def test_a_deployment_without_chat_takes_no_chat() -> None:
    groups = {"e": Group(name="e", candidates=(candidate("cloud/e", dialects=frozenset({Dialect.EMBEDDINGS})),))}
    with pytest.raises(UnsupportedFeature):
        decide(planner(groups, local=None), request("e"), verdict(), FEATURES, facts())


def test_a_model_of_this_process_answers_whatever_the_verdict_and_only_its_own_dialect() -> None:
    mine = {"local/vectors": candidate("mine/vectors", dialects=frozenset({Dialect.EMBEDDINGS}))}
    one = Planner({}, Ranking(), RoutingConfig(), None, own=mine)
    one.check_model(request("local/vectors"), LocalModels())
    assert one.own_names == ("local/vectors",)
    for far in Locality:
        assert order(decide(one, request("local/vectors"), verdict(far), BOUND, facts())) == ["mine/vectors"]
    with pytest.raises(UnsupportedFeature):
        decide(one, request("local/vectors"), verdict(), FEATURES, facts())


OWN = msgspec.structs.replace(
    candidate("counter/estimate").target, locality=Locality.LOCAL, upstream_model="counter/estimate"
)
SPEAKS = frozenset({Dialect.CHAT, Dialect.COUNT_TOKENS})
COUNTING = {
    "claude": Group(
        name="claude",
        candidates=(msgspec.structs.replace(candidate("claude/one"), dialects=SPEAKS),),
        fallbacks=("claude2", "cheap"),
    ),
    "claude2": Group(
        name="claude2",
        candidates=(msgspec.structs.replace(candidate("claude/two"), dialects=SPEAKS, context_tokens=10),),
    ),
    **GROUPS,
}


def counted(model: str, limit: Verdict, *down: str, local: LocalConfig | None = ENGINE) -> list[str]:
    one = Planner(COUNTING, RANKED, RoutingConfig(), local, in_process={Dialect.COUNT_TOKENS: OWN})
    asked = msgspec.structs.replace(request(model), dialect=Dialect.COUNT_TOKENS)
    wanted = msgspec.structs.replace(FEATURES, native=Dialect.COUNT_TOKENS, untranslatable=("count_tokens",))
    return order(decide(one, asked, limit, wanted, facts(down)))


def test_what_this_process_can_answer_is_asked_elsewhere_first_only_where_it_speaks_the_dialect_and_is_up() -> None:
    assert counted("claude", verdict()) == ["claude/one", "claude/two", "counter/estimate"]
    assert counted("claude", verdict(), "claude/one") == ["counter/estimate"]
    assert counted("cheap", verdict()) == ["counter/estimate"]


def test_what_is_sensitive_or_local_is_answered_by_this_process_alone_even_without_an_engine() -> None:
    masked = msgspec.structs.replace(verdict(), masking=Masking.PLACEHOLDER)
    for limit in (verdict(Locality.LOCAL), masked):
        for engine in (ENGINE, None):
            assert counted("claude", limit, local=engine) == ["counter/estimate"]
    assert counted("local", verdict()) == ["counter/estimate"]


def test_other_dialects_never_come_to_it() -> None:
    one = Planner(COUNTING, RANKED, RoutingConfig(), ENGINE, in_process={Dialect.COUNT_TOKENS: OWN})
    assert "counter/estimate" not in order(decide(one, request("cheap"), verdict(), FEATURES, facts()))


# -- strategies that leave candidates out, conversations, canaries


def facts_of(model: str, features: Features = FEATURES, **known: object) -> PlanInputs:
    return PlanInputs(model=model, verdict=verdict(), features=features, time_unix_s=0.0, **{"seed": 0.5, **known})  # type: ignore[arg-type]


ABOVE = Ranking(("cost", cost.build(cost.Config(min_quality=0.5))))


def test_where_a_strategy_leaves_everything_out_local_answers_or_the_refusal_names_it() -> None:
    groups = {"g": Group(name="g", candidates=(candidate("cloud/a", price="1", quality=0.1),), ranking=ABOVE)}
    plan = planner(groups).plan(facts_of("g"))
    assert (order(plan), plan.reason) == (["local/base"], "fallback:no_healthy_target")
    assert plan.considered[0].excluded == "filtered:cost"
    with pytest.raises(NoHealthyTarget, match="'cost' leaves out every deployment"):
        planner(groups, local=None).plan(facts_of("g"))


def test_a_plan_says_which_rule_applied_also_when_its_reason_says_something_else() -> None:
    rules = (RouteRule(name="all", use=("cheap",)),)
    down = {name: Health(available=False) for name in ("cloud/cheap", "cloud/dear")}
    plan = planner(rules=rules).plan(facts_of("auto", health=down))
    assert (plan.reason, plan.rule) == ("offline", "all")


def test_a_conversation_leaves_a_degraded_target_wholly_or_not_at_all() -> None:
    health = {"cloud/cheap": Health(traffic_ratio=0.5)}
    one, chosen = planner(), dict[str, set[str]]()
    for session in map(str, range(60)):
        features = msgspec.structs.replace(FEATURES, session=session)
        plans = [one.plan(facts_of("cheap", features, health=health, seed=seed / 10)) for seed in range(10)]
        chosen[session] = {order(plan)[0] for plan in plans}
    assert all(len(targets) == 1 for targets in chosen.values())
    assert 15 < sum(targets == {"cloud/cheap"} for targets in chosen.values()) < 45
    without = [order(one.plan(facts_of("cheap", health=health, seed=seed / 100)))[0] for seed in range(100)]
    assert 30 < without.count("cloud/cheap") < 70


def test_a_canary_s_share_comes_with_the_inputs_by_group_or_by_deployment() -> None:
    rank = Ranking(("canary", canary.build(canary.Config(stable="old", canary="new"))))
    two = {name: Group(name=name, candidates=(candidate(f"cloud/{name}"),)) for name in ("old", "new")}
    routing = RoutingConfig(auto=AutoConfig(among=("old", "new")))
    one = Planner(two, rank, routing, None)
    assert order(one.plan(facts_of("auto", canaries={"new": 1.0}))) == ["cloud/new", "cloud/old"]
    assert order(one.plan(facts_of("auto", canaries={"new": 0.0}))) == ["cloud/old"]
    inside = Ranking(("canary", canary.build(canary.Config(stable="cloud/old", canary="cloud/new"))))
    both = Group(name="g", candidates=(candidate("cloud/old"), candidate("cloud/new")), ranking=inside)
    assert order(planner({"g": both}, None).plan(facts_of("g", canaries={"cloud/new": 1.0})))[0] == "cloud/new"


def test_a_prompt_that_no_scan_counted_is_counted_by_itself() -> None:
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 10_000}}
    body = {"messages": [{"role": "user", "content": [{"type": "text", "text": "x" * 400}, part]}], "model": "m" * 99}
    assert text_size(body) == (400, 400)  # pyright: ignore[reportArgumentType]


# -- who stands in, and why


def sized(name: str, context_tokens: int) -> Group:
    one = msgspec.structs.replace(candidate(f"cloud/{name}", price="1"), context_tokens=context_tokens)
    return Group(name=name, candidates=(one,))


@pytest.mark.parametrize(
    ("health", "reason"),
    [
        (Health(available=False, unavailable="breaker_open"), "fallback:upstream_unavailable"),
        (Health(available=False, unavailable="rate_limited"), "fallback:upstream_rate_limited"),
        (Health(traffic_ratio=0.0), "fallback:no_healthy_target"),
    ],
)
def test_where_another_group_stands_in_from_the_start_the_reason_says_so(health: Health, reason: str) -> None:
    plan = planner().plan(facts_of("cheap", health={"cloud/cheap": health}))
    assert (order(plan)[0], plan.reason) == ("cloud/dear", reason)


def test_local_is_no_answer_to_an_outage_where_the_clouds_only_cannot_do_what_is_asked() -> None:
    long, seeing = planner({"a": sized("a", 50)}), msgspec.structs.replace(FEATURES, needs=frozenset({"vision"}))
    assert long.plan(facts_of("a")).reason == "fallback:context_length_exceeded"
    blind = msgspec.structs.replace(candidate("cloud/a", price="1"), capabilities=frozenset[str]())
    plan = planner({"a": Group(name="a", candidates=(blind,))}).plan(facts_of("a", seeing))
    assert (order(plan), plan.reason) == (["local/base"], "fallback:unsupported_feature")


def test_what_no_version_can_be_called_names_no_model_so_that_no_record_holds_it() -> None:
    local = LocalModels(current={"sql": "sql@0123456789abcdef0123456789abcdef"}, known=frozenset({"sql"}))
    assert planner().named("sql@ba98765432100123456789abcdef0123", local) is not None, "not listed, perhaps not yet"
    for model in ("sql@my card is 4111 1111 1111 1111", "local/sql@4111111111111111", "sql@"):
        assert planner().named(model, local) is None
        with pytest.raises(ModelNotFound):
            planner().check_model(request(model), local)


def test_what_is_named_for_long_requests_comes_before_other_fallbacks_also_when_the_length_is_known() -> None:
    first = msgspec.structs.replace(sized("a", 50), fallbacks=("b", "c"), context_fallbacks=("c",))
    plan = planner({"a": first, "b": sized("b", 1000), "c": sized("c", 9000)}).plan(facts_of("a"))
    assert order(plan) == ["cloud/c", "cloud/b", "local/base"]
    assert plan.reason == "fallback:context_length_exceeded"


def test_the_better_model_is_not_checked_for_a_cheap_one_that_is_down() -> None:
    groups = {**GROUPS, "cheap": msgspec.structs.replace(GROUPS["cheap"], escalations=1)}
    checked = [step.target.label for step in planner(groups).plan(facts_of("cheap")).steps if step.gated]
    assert checked == ["cloud/cheap"]
    down = {"cloud/cheap": Health(available=False, unavailable="breaker_open")}
    plan = planner(groups).plan(facts_of("cheap", health=down))
    assert [(step.target.label, step.gated) for step in plan.steps] == [
        ("cloud/dear", False),
        ("local/base", False),
        ("cloud/cheap", True),
    ]


@pytest.mark.parametrize("stream", [False, True])
def test_what_is_usually_slower_than_the_caller_wants_comes_later_and_what_is_not_known_does_not(stream: bool) -> None:
    usual = {"ttft_p50_ms" if stream else "elapsed_p50_ms": 300.0}
    features = msgspec.structs.replace(FEATURES, stream=stream, max_latency_ms=200.0)
    plan = planner().plan(facts_of("auto", features, health={"cloud/cheap": Health(**usual)}))  # type: ignore[arg-type]
    assert order(plan) == ["cloud/dear", "cloud/unknown", "cloud/cheap", "local/base"]
    patient = msgspec.structs.replace(features, max_latency_ms=400.0)
    assert order(planner().plan(facts_of("auto", patient, health={"cloud/cheap": Health(**usual)})))[0] == "cloud/cheap"  # type: ignore[arg-type]


def test_nothing_that_costs_more_than_allowed_is_ever_in_a_plan_and_for_auto_local_answers_instead() -> None:
    def cost_limit(usd: str) -> Features:
        return msgspec.structs.replace(FEATURES, max_output_tokens=100, max_cost_usd=Decimal(usd))

    # 200 tokens cost $0.0002 at cheap and $0.0018 at dear; of unknown nobody can say.
    assert order(planner().plan(facts_of("auto", cost_limit("0.001")))) == ["cloud/cheap", "local/base"]
    plan = planner().plan(facts_of("auto", cost_limit("0.0001")))
    assert (order(plan), plan.reason) == (["local/base"], "fallback:insufficient_quota")
    with pytest.raises(BudgetExceeded, match=r"cheapest of them is expected to cost \$0\.0002"):
        planner(local=None).plan(facts_of("auto", cost_limit("0.0001")))
    with pytest.raises(BudgetExceeded, match=r"\$0\.0001"):
        planner().plan(facts_of("cheap", cost_limit("0.0001")))


def test_the_engine_is_no_last_resort_for_what_its_model_can_not_do() -> None:
    blind = LocalConfig(url="http://127.0.0.1:1", capabilities=frozenset({"tools"}), context_tokens=1000)
    seeing = msgspec.structs.replace(FEATURES, needs=frozenset({"vision"}))
    assert order(planner(local=blind).plan(facts_of("cheap", seeing))) == ["cloud/cheap", "cloud/dear"]
    long = msgspec.structs.replace(FEATURES, input_tokens=5000)
    assert "local/base" not in order(planner(local=blind).plan(facts_of("cheap", long)))
    assert "local/base" in order(planner(local=blind).plan(facts_of("cheap")))


def test_a_model_whose_deployments_are_all_at_their_rate_limit_is_not_called_offline() -> None:
    limited = Health(available=False, unavailable="rate_limited")
    known = {"cloud/cheap": limited, "cloud/dear": limited}
    plan = planner().plan(facts_of("cheap", health=known))
    assert (order(plan)[0], plan.reason) == ("local/base", "fallback:upstream_rate_limited")


def test_of_tasks_and_tiers_only_those_that_rules_name_become_features() -> None:
    one = planner(rules=(RouteRule(name="gold", tier="gold", use=("dear",)),))
    asked = request(hints=Hints(task="536-90-4399", tier="gold"))
    seen = features(asked, 10, words=one.words)
    assert (seen.task, seen.tier) == (None, "gold")
