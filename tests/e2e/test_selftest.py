"""`sona-router selftest` over real sockets: it proves what holds, and it sees every way in which something may not."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import yaml

from router import pipeline
from router.core.types import Delta, Locality, Masking, Request, ScanReport, Verdict
from router.policy import judge as judges
from router.privacy.unmasking import Unmasker
from router.selftest.canaries import Canaries
from router.selftest.faults import CHECKS
from router.selftest.report import Report
from router.selftest.run import Options, selftest
from tests.fakes.cloud import Cloud
from tests.fakes.gates import share_gates

pytestmark = [pytest.mark.timeout(300)]

CONFIG: dict[str, object] = {
    "local": {"url": "http://127.0.0.1:9"},
    "providers": {
        "openai": {"kind": "openai_compatible", "base_url": "http://127.0.0.1:9/v1", "api_key": "env:NOT_SET_ONE"},
        "anthropic": {"kind": "anthropic", "base_url": "http://127.0.0.1:9", "api_key": "env:NOT_SET_TWO"},
    },
    "models": {
        "gpt": {"deployments": [{"provider": "openai", "model": "gpt-4o-mini"}]},
        "claude": {"deployments": [{"provider": "anthropic", "model": "claude-sonnet-4-5"}], "fallbacks": ["gpt"]},
    },
    "privacy": {"scan": {"deadline_ms": 5000}},
}
CALM = CHECKS[:1]


def written(folder: Path, config: dict[str, object]) -> Path:
    file = folder / "router.yaml"
    file.write_text(yaml.safe_dump(config))
    return file


def run_calm(folder: Path, config: dict[str, object], requests: int = 120, seed: int = 5) -> Report:
    """Run the calm check in this process."""
    share_gates(folder / "var" / "scan")
    return selftest(written(folder, config), Options(requests=requests, seed=seed, checks=CALM), lambda *_: None)


def with_policy(**policy: object) -> dict[str, object]:
    return {**CONFIG, "privacy": {"scan": {"deadline_ms": 5000}, **policy}}


async def command(*arguments: str) -> tuple[int, str, str]:
    """Run the command line; returns (exit code, output, errors)."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "router", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL,
        env={**os.environ, "COLUMNS": "140"},
    )  # fmt: skip
    out, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), errors.decode()


def test_vendors_with_dialects_of_their_own_pass(tmp_path: Path) -> None:
    keys = {"access_key_id": "env:NOT_SET_THREE", "secret_access_key": "env:NOT_SET_FOUR"}
    vendors: dict[str, object] = {
        "cohere": {"kind": "cohere", "base_url": "http://127.0.0.1:9", "api_key": "env:NOT_SET_ONE"},
        "keys": {"kind": "bedrock", "region": "eu-central-1", **keys},
        "chain": {"kind": "bedrock", "region": "eu-central-1", "credentials": "chain"},
    }
    models = {name: {"deployments": [{"provider": name, "model": "m"}]} for name in vendors}
    result = run_calm(tmp_path, {**CONFIG, "providers": vendors, "models": models})
    assert result.passed, result.problems
    assert not result.notes
    assert sum(one.harmless_answered for one in result.checks) == sum(one.harmless for one in result.checks)


# -- as a command


@pytest.mark.anyio
async def test_it_passes_without_keys_and_nothing_reaches_the_real_addresses(tmp_path: Path) -> None:
    real = Cloud()
    await real.start()
    share_gates(tmp_path / "var" / "scan")
    config = json.loads(json.dumps(CONFIG).replace("http://127.0.0.1:9", f"http://127.0.0.1:{real.port}"))
    file, out_file = written(tmp_path, config), tmp_path / "report.json"
    try:
        code, out, errors = await command(
            "selftest", "--config", str(file), "--requests", "200", "--seed", "3", "--json", str(out_file)
        )
    finally:
        await real.stop()
    assert code == 0, out + errors
    assert real.received == []
    assert next(real.count) == 1, "something asked the real address"
    result = json.loads(out_file.read_text())
    assert result["passed"] is True
    assert result["seed"] == 3
    assert [one["name"] for one in result["checks"]] == [check.name for check in CHECKS]
    assert all(one["requests"] >= 8 for one in result["checks"])
    assert result["upper_bound"] == pytest.approx(3 / result["sensitive"])
    last = out.strip().splitlines()[-1]
    assert last == result["verdict"]
    assert last.startswith("PASS: none of ")
    assert "selftest: clouds fail" in errors
    assert os.listdir(tmp_path / "var") == ["scan"], "records belong into a folder of its own"


@pytest.mark.anyio
async def test_a_wrong_configuration_ends_with_2_and_says_where(tmp_path: Path) -> None:
    code, _, errors = await command("selftest", "--config", str(written(tmp_path, {"modells": {}})))
    assert code == 2
    assert "modells: unknown key 'modells'; did you mean 'models'?" in errors


# -- what holds


@pytest.mark.parametrize(
    ("policy", "counted"), [({}, "local"), ({"on_sensitive": "mask"}, "masked"), ({"on_sensitive": "block"}, "blocked")]
)
def test_each_policy_is_seen_to_do_what_it_says(policy: dict[str, object], counted: str, tmp_path: Path) -> None:
    result = run_calm(tmp_path, with_policy(**policy))
    assert result.passed, result.problems
    assert result.leaked == 0
    assert getattr(result.checks[0], counted) > 0
    assert result.checks[0].harmless_answered == result.checks[0].harmless > 0


def test_what_the_policy_lets_out_is_listed_and_no_failure(tmp_path: Path) -> None:
    policy = with_policy(
        entities={"EMAIL_ADDRESS": {"enabled": False}},
        rules=[{"name": "ibans-are-fine", "entities": ["IBAN_CODE"], "then": "allow"}],
    )
    result = run_calm(tmp_path, policy, requests=300)
    assert result.passed, result.problems
    allowed = {one.entity: one for one in result.allowed}
    assert allowed["EMAIL_ADDRESS"].why == "privacy.entities.EMAIL_ADDRESS.enabled: false"
    assert allowed["IBAN_CODE"].why == "privacy.rules: ibans-are-fine"
    assert all(one.left > 0 for one in allowed.values())
    assert "US_SSN" not in allowed


def test_a_scan_that_is_off_is_said_loudly(tmp_path: Path) -> None:
    result = run_calm(tmp_path, {**CONFIG, "privacy": {"scan": {"enabled": False}}})
    assert result.passed
    assert result.sensitive == 0
    assert "THE SCAN IS OFF" in result.notes[0]
    assert result.verdict == "PASS, but nothing was at stake: this configuration lets every value leave."


def test_a_provider_whose_dialect_has_no_mock_still_has_its_bytes_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.selftest.stand_ins.dialect", lambda kind: None)
    result = run_calm(tmp_path, CONFIG)
    assert result.leaked == 0
    assert any("no mock of kind 'anthropic'" in note for note in result.notes)


# -- what doesn't


def let_everything_leave(patch: pytest.MonkeyPatch) -> None:
    def judge(request: Request, report: ScanReport, policy: object, **_: object) -> Verdict:
        return Verdict(
            max_locality=Locality.ANY, masking=Masking.NONE, rule_id="", reason="", sensitivity=report.sensitivity
        )

    patch.setattr(judges, "judge", judge)


def mask_nothing(patch: pytest.MonkeyPatch) -> None:
    real = pipeline.mask
    patch.setattr(pipeline, "mask", lambda body, findings, *rest: real(body, (), *rest))


def forget_e_mail_addresses(patch: pytest.MonkeyPatch) -> None:
    real = pipeline.mask

    def mask(body: object, findings: tuple[object, ...], *rest: object) -> object:
        kept = tuple(one for one in findings if getattr(one, "entity", "") != "EMAIL_ADDRESS")
        return real(body, kept, *rest)  # pyright: ignore[reportArgumentType] passed on as it came

    patch.setattr(pipeline, "mask", mask)


@pytest.mark.parametrize(
    ("break_it", "policy", "entities"),
    [
        (let_everything_leave, "local", {"CREDIT_CARD", "US_SSN", "PERSON", "SECRET"}),
        (mask_nothing, "mask", {"CREDIT_CARD", "US_SSN", "PERSON", "SECRET"}),
        (forget_e_mail_addresses, "mask", {"EMAIL_ADDRESS"}),
    ],
)
def test_a_leak_fails_it_and_is_named_by_type_and_field_never_by_value(
    break_it: Callable[[pytest.MonkeyPatch], None],
    policy: str,
    entities: set[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    break_it(monkeypatch)
    made: list[str] = []
    real_make = Canaries.next

    def make(self: Canaries) -> object:
        made.append((canary := real_make(self)).secret)
        return canary

    monkeypatch.setattr(Canaries, "next", make)
    result = run_calm(tmp_path, with_policy(on_sensitive=policy), requests=400)
    assert not result.passed
    assert result.leaked > 0
    assert result.upper_bound is None
    assert result.verdict.startswith(f"FAIL: {result.leaked} of {result.sensitive} sensitive values reached a cloud")
    leaks = [one for one in result.problems if one.what == "LEAKED"]
    assert {one.entity for one in leaks} >= entities
    assert {one.field for one in leaks} & {"user", "system", "metadata", "tool result", "content part"}
    assert {one.cloud for one in leaks} <= {"openai", "anthropic"}
    shown = msgspec.json.encode(result).decode()
    assert made
    assert not [secret for secret in made if secret in shown]


def test_an_answer_that_comes_back_masked_fails_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def restore(self: Unmasker, delta: Delta) -> list[Delta]:
        return [delta]

    monkeypatch.setattr(Unmasker, "restore", restore)
    result = run_calm(tmp_path, with_policy(on_sensitive="mask"))
    assert not result.passed
    assert result.leaked == 0
    assert {one.what for one in result.problems} == {"came back with a placeholder in it"}
    assert result.verdict.startswith("FAIL: no sensitive value reached a cloud, but ")


def test_harmless_prompts_that_nobody_answers_fail_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def judge(request: Request, report: ScanReport, policy: object, **_: object) -> Verdict:
        raise judges_blocked(report)

    monkeypatch.setattr(judges, "judge", judge)
    result = run_calm(tmp_path, with_policy(on_sensitive="block"))
    assert not result.passed
    assert {(one.entity, one.what) for one in result.problems} == {("", "was refused")}


def judges_blocked(report: ScanReport) -> Exception:
    from router.core.errors import PolicyBlocked

    return PolicyBlocked(f"refused: {', '.join(report.entities)}")


def test_a_key_at_a_host_that_isn_t_its_own_fails_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from router.providers import openai_compatible

    real = openai_compatible.build
    stolen: list[str] = []

    def build(config: openai_compatible.Config, name: str) -> object:
        assert config.api_key is not None
        stolen.append(config.api_key.get_secret_value())
        return real(config.model_copy(update={"headers": {"x-debug": stolen[0]}}), name)

    monkeypatch.setattr(openai_compatible, "build", build)
    second = {"kind": "openai_compatible", "base_url": "http://127.0.0.1:9/v1", "api_key": "env:NOT_SET_THREE"}
    config = {**CONFIG, "providers": {**CONFIG["providers"], "second": second}}  # pyright: ignore[reportGeneralTypeIssues]
    models = {"second": {"deployments": [{"provider": "second", "model": "m"}]}}
    config["models"] = {**CONFIG["models"], **models}  # pyright: ignore[reportGeneralTypeIssues]
    result = run_calm(tmp_path, config)
    assert [(one.entity, one.cloud) for one in result.problems] == [("the key of provider 'openai'", "second")]
