"""A conversation that held something local stays local, whatever its client shows of it later."""

from __future__ import annotations

import msgspec
import pytest

from router.config.schema import OnSensitive, PolicyRule, PrivacyConfig, SessionsConfig
from router.core.errors import PolicyBlocked
from router.core.types import Hints, Locality, Masking, Principal, Request, ScanStatus, Sensitivity
from router.policy.judge import Judge
from router.policy.rules import judge
from router.policy.sessions import Sessions
from tests.fakes.values import report, request

SSN = report(Sensitivity.RESTRICTED, "US_SSN")


def turn(session: str | None = "s", user: str | None = None, key: str = "k", model: str = "m") -> Request:
    return msgspec.structs.replace(
        request(),
        principal=Principal(id=key),
        hints=Hints(session=session),
        body={"user": user} if user is not None else {},
        model=model,
    )


@pytest.mark.parametrize("named", [{"session": "s"}, {"session": None, "user": "u"}, {"session": "s", "user": "u"}])
def test_a_harmless_turn_after_a_sensitive_one_stays_local(named: dict[str, str]) -> None:
    one = Judge(PrivacyConfig(), {})
    assert one.verdict(turn(**named), report()).max_locality is Locality.ANY
    assert one.verdict(turn(**named), SSN).rule_id == "sensitive"
    later = one.verdict(turn(**named), report())
    assert (later.max_locality, later.rule_id) == (Locality.LOCAL, "session")


def test_other_conversations_and_other_keys_are_not_concerned() -> None:
    one = Judge(PrivacyConfig(), {})
    one.verdict(turn("s", "u"), SSN)
    others = [turn("t"), turn(None, "v"), turn(None), turn("u"), turn(None, "s"), turn("s", "u", key="other")]
    assert all(one.verdict(other, report()).max_locality is Locality.ANY for other in others)


def test_looking_does_not_make_a_conversation_local() -> None:
    one = Judge(PrivacyConfig(), {})
    one.verdict(turn(), SSN, remember=False)
    assert one.verdict(turn(), report()).max_locality is Locality.ANY


def test_a_scan_that_failed_makes_a_conversation_local_since_nobody_knows_what_it_holds() -> None:
    one = Judge(PrivacyConfig(), {})
    one.verdict(turn(), report(Sensitivity.RESTRICTED, status=ScanStatus.FAILED, reason="deadline"))
    assert one.verdict(turn(), report()).rule_id == "session"


def test_what_was_masked_or_refused_or_kept_by_the_caller_leaves_no_mark() -> None:
    masking = Judge(PrivacyConfig(on_sensitive=OnSensitive.MASK), {})
    assert masking.verdict(turn(), SSN).masking is Masking.PLACEHOLDER
    assert masking.verdict(turn(), report()).max_locality is Locality.ANY
    blocking = Judge(PrivacyConfig(on_sensitive=OnSensitive.BLOCK), {})
    with pytest.raises(PolicyBlocked):
        blocking.verdict(turn(), SSN)
    assert blocking.verdict(turn(), report()).max_locality is Locality.ANY
    hinted = msgspec.structs.replace(turn(), hints=Hints(session="s", locality=Locality.LOCAL))
    one = Judge(PrivacyConfig(), {})
    assert one.verdict(hinted, report()).rule_id == "caller_limit"
    assert one.verdict(turn(), report()).max_locality is Locality.ANY


@pytest.mark.parametrize("then", ["mask", "allow"])
def test_no_rule_lets_a_local_conversation_leave(then: str) -> None:
    rule = PolicyRule.model_validate({"name": "r", "entities": ["EMAIL_ADDRESS"], "then": then})
    one = Judge(PrivacyConfig(rules=(rule,)), {})
    one.verdict(turn(), SSN)
    mail = report(Sensitivity.CONFIDENTIAL, "EMAIL_ADDRESS")
    assert one.verdict(turn(), mail).max_locality is Locality.LOCAL
    assert judge(turn(), mail, PrivacyConfig(rules=(rule,))).max_locality is Locality.ANY


def test_what_names_a_conversation_can_be_chosen() -> None:
    one = Judge(PrivacyConfig(sessions=SessionsConfig(by=("header",))), {})
    one.verdict(turn("s", "u"), SSN)
    assert one.verdict(turn(None, "u"), report()).max_locality is Locality.ANY
    assert one.verdict(turn("s"), report()).rule_id == "session"


def test_time_and_number_are_bounded_and_a_sensitive_turn_renews() -> None:
    sessions = Sessions(SessionsConfig(ttl_s=10, max_sessions=2))
    sessions.keep_local(turn("a"), 0.0)
    assert sessions.is_local(turn("a"), 9.9)
    assert not sessions.is_local(turn("a"), 10.0)
    sessions.keep_local(turn("b"), 1.0)
    sessions.keep_local(turn("a"), 2.0)
    assert sessions.is_local(turn("a"), 11.0)
    sessions.keep_local(turn("c"), 3.0)
    assert len(sessions) == 2
    assert [sessions.is_local(turn(name), 4.0) for name in "abc"] == [True, False, True]


def test_a_key_that_marks_many_conversations_pushes_out_none_of_another_key() -> None:
    sessions = Sessions(SessionsConfig(max_sessions=10))
    sessions.keep_local(turn("mine"), 0.0)
    for number in range(100):
        sessions.keep_local(turn(f"s{number}", key="other"), 1.0)
    assert sessions.is_local(turn("mine"), 2.0)
    assert len(sessions) == 10


def test_a_model_group_says_what_happens_to_sensitive_requests_and_the_stricter_of_it_and_the_key_counts() -> None:
    policy = PrivacyConfig(on_sensitive=OnSensitive.LOCAL)
    assert judge(turn(), SSN, policy, group_action="mask").masking is Masking.PLACEHOLDER
    keyed = msgspec.structs.replace(turn(), principal=Principal(id="k", on_sensitive="local"))
    assert judge(keyed, SSN, policy, group_action="mask").max_locality is Locality.LOCAL
    assert Judge(policy, {"m": "mask"}).verdict(turn(model="m"), SSN).masking is Masking.PLACEHOLDER
    assert Judge(policy, {"m": "mask"}).verdict(turn(model="n"), SSN).max_locality is Locality.LOCAL


def test_a_rule_can_name_models() -> None:
    rule = PolicyRule(name="r", models=("m",), then="allow")
    policy = PrivacyConfig(rules=(rule,))
    assert judge(turn(model="m"), SSN, policy).max_locality is Locality.ANY
    assert judge(turn(model="n"), SSN, policy).max_locality is Locality.LOCAL


def test_a_chain_of_stored_answers_is_a_conversation() -> None:
    one = Judge(PrivacyConfig(), {})
    chained = msgspec.structs.replace(turn(None), conversation="c")
    one.verdict(chained, SSN)
    assert one.verdict(chained, report()).rule_id == "session"
    for other in (msgspec.structs.replace(chained, conversation="d"), turn(None)):
        assert one.verdict(other, report()).max_locality is Locality.ANY
    forgetful = Judge(PrivacyConfig(sessions=SessionsConfig(by=("user",))), {})
    forgetful.verdict(chained, SSN)
    assert forgetful.verdict(chained, report()).max_locality is Locality.ANY
