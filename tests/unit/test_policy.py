"""The judge and the clearance: what may go where."""

from __future__ import annotations

import itertools

import pytest

from router.config.schema import EntityConfig, OnSensitive, PolicyRule, PrivacyConfig, SensitivityName
from router.core.errors import LocalityViolation, PolicyBlocked
from router.core.types import Hints, Locality, Masking, Principal, ScanStatus, Sensitivity
from router.policy.clearance import clear
from router.policy.rules import judge
from tests.fakes.values import report, request, target, verdict


def test_a_clean_request_may_go_anywhere() -> None:
    found = judge(request(), report(), PrivacyConfig())
    assert (found.max_locality, found.masking) == (Locality.ANY, Masking.NONE)


@pytest.mark.parametrize("level", [Sensitivity.CONFIDENTIAL, Sensitivity.RESTRICTED])
def test_a_sensitive_request_stays_local_by_default(level: Sensitivity) -> None:
    found = judge(request(), report(level, "US_SSN"), PrivacyConfig())
    assert found.max_locality is Locality.LOCAL
    assert found.rule_id == "sensitive"


def test_internal_content_is_below_the_default_threshold_and_above_a_lower_one() -> None:
    internal = report(Sensitivity.INTERNAL, "PERSON")
    assert judge(request(), internal, PrivacyConfig()).max_locality is Locality.ANY
    strict = PrivacyConfig(threshold=SensitivityName.INTERNAL)
    assert judge(request(), internal, strict).max_locality is Locality.LOCAL


@pytest.mark.parametrize(
    ("status", "action"),
    list(itertools.product([ScanStatus.PARTIAL, ScanStatus.FAILED], ["local", "mask", "allow"])),
)
def test_no_rule_lets_an_incomplete_scan_leave(status: ScanStatus, action: str) -> None:
    policy = PrivacyConfig(on_sensitive=OnSensitive.MASK, rules=(PolicyRule(name="any", then=action),))  # pyright: ignore[reportArgumentType]
    incomplete = report(Sensitivity.RESTRICTED, status=status, reason="deadline")
    found = judge(request(), incomplete, policy)
    assert (found.max_locality, found.masking) == (Locality.LOCAL, Masking.NONE)


def test_block_says_rule_and_entity_types() -> None:
    with pytest.raises(PolicyBlocked, match=r"'sensitive'.*US_SSN"):
        judge(request(), report(Sensitivity.RESTRICTED, "US_SSN"), PrivacyConfig(on_sensitive=OnSensitive.BLOCK))


def test_mask_permits_any_place_but_only_masked() -> None:
    found = judge(request(), report(Sensitivity.RESTRICTED, "EMAIL"), PrivacyConfig(on_sensitive=OnSensitive.MASK))
    assert (found.max_locality, found.masking) == (Locality.ANY, Masking.PLACEHOLDER)


def test_the_strictest_entity_setting_wins() -> None:
    policy = PrivacyConfig(
        on_sensitive=OnSensitive.MASK,
        entities={"US_SSN": EntityConfig(on_sensitive=OnSensitive.LOCAL)},
    )
    both = report(Sensitivity.RESTRICTED, "EMAIL", "US_SSN")
    assert judge(request(), both, policy).max_locality is Locality.LOCAL


def test_an_entity_without_a_setting_of_its_own_still_counts_by_the_default() -> None:
    policy = PrivacyConfig(entities={"PERSON": EntityConfig(on_sensitive=OnSensitive.MASK)})
    both = report(Sensitivity.RESTRICTED, "PERSON", "MEDICAL_RECORD")
    assert judge(request(), both, policy).max_locality is Locality.LOCAL
    alone = report(Sensitivity.RESTRICTED, "PERSON")
    assert judge(request(), alone, policy).masking is Masking.PLACEHOLDER


def test_a_key_s_setting_replaces_the_default_but_no_entity_s_own() -> None:
    policy = PrivacyConfig(entities={"US_SSN": EntityConfig(on_sensitive=OnSensitive.LOCAL)})
    masking = request(principal=Principal(id="p", on_sensitive="mask"))
    assert judge(masking, report(Sensitivity.RESTRICTED, "EMAIL"), policy).masking is Masking.PLACEHOLDER
    assert judge(masking, report(Sensitivity.RESTRICTED, "EMAIL", "US_SSN"), policy).max_locality is Locality.LOCAL


def test_the_first_matching_rule_decides() -> None:
    policy = PrivacyConfig(
        rules=(
            PolicyRule(name="tests", keys=("ci",), then="allow"),
            PolicyRule(name="ids", entities=("US_SSN",), then="mask"),
        )
    )
    found = report(Sensitivity.RESTRICTED, "US_SSN")
    assert judge(request(principal=Principal(id="ci")), found, policy).rule_id == "tests"
    assert judge(request(), found, policy).masking is Masking.PLACEHOLDER


def test_key_and_hint_only_narrow() -> None:
    limited = request(principal=Principal(id="p", max_locality=Locality.LOCAL))
    assert judge(limited, report(), PrivacyConfig()).max_locality is Locality.LOCAL
    hinted = request(hints=Hints(locality=Locality.LOCAL))
    assert judge(hinted, report(), PrivacyConfig()).max_locality is Locality.LOCAL
    widening = request(hints=Hints(locality=Locality.ANY))
    sensitive = report(Sensitivity.RESTRICTED, "US_SSN")
    assert judge(widening, sensitive, PrivacyConfig()).max_locality is Locality.LOCAL


@pytest.mark.parametrize("allowed", list(Locality))
@pytest.mark.parametrize("wanted", list(Locality))
def test_clearance_is_refused_exactly_where_the_target_is_too_far(allowed: Locality, wanted: Locality) -> None:
    place = target("cloud/a", wanted)
    if wanted <= allowed:
        assert clear(request(), report(), verdict(allowed), place, None).target == place
    else:
        with pytest.raises(LocalityViolation):
            clear(request(), report(), verdict(allowed), place, None)


def test_a_masking_verdict_never_sends_the_unmasked_body_away() -> None:
    masking = verdict(masking=Masking.PLACEHOLDER)
    with pytest.raises(LocalityViolation):
        clear(request(), report(), masking, target(), None)
    masked = {"model": "auto", "messages": []}
    assert clear(request(), report(), masking, target(), masked).body is masked
    local = clear(request(), report(), masking, target("local", Locality.LOCAL), masked)
    assert local.body == request().body


def test_only_a_local_target_is_told_whose_request_it_is() -> None:
    local = clear(request(), report(), verdict(), target("local", Locality.LOCAL), None)
    assert (local.tenant, clear(request(), report(), verdict(), target(), None).tenant) == (
        request().principal.tenant,
        "",
    )
    assert local.tenant


def test_what_the_router_asks_for_is_added_to_what_is_sent_and_changes_nothing_else() -> None:
    asked = request()
    cleared = clear(asked, report(), verdict(), target(), None, asking={"logprobs": True})
    assert cleared.body == {**asked.body, "logprobs": True}
    assert "logprobs" not in asked.body


def test_a_rule_that_allows_one_type_does_not_let_another_leave_with_it() -> None:
    policy = PrivacyConfig(rules=(PolicyRule(name="mail", entities=("EMAIL_ADDRESS",), then="allow"),))
    mail = judge(request(), report(Sensitivity.CONFIDENTIAL, "EMAIL_ADDRESS"), policy)
    both = judge(request(), report(Sensitivity.RESTRICTED, "EMAIL_ADDRESS", "US_SSN"), policy)
    assert (mail.max_locality, both.max_locality) == (Locality.ANY, Locality.LOCAL)
