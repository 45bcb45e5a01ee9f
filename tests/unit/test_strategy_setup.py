"""What no schema can check of strategies and rules stops the start, with line, key and the nearest name."""

from __future__ import annotations

from pathlib import Path

import pytest

from router import compose
from router.config.load import load
from router.core.errors import ConfigError

BASE = """\
providers:
  cloud: {kind: openai_compatible, base_url: "http://127.0.0.1:1/v1", api_key: file:key}
models:
  old: {deployments: [{provider: cloud, model: one}]}
  new: {deployments: [{provider: cloud, model: two}, {provider: cloud, model: three}]}
"""


def problem(tmp_path: Path, rest: str, base: str = BASE) -> str:
    (tmp_path / "key").write_text("sk-of-the-cloud-0001")
    file = tmp_path / "router.yaml"
    file.write_text(base + rest)
    with pytest.raises(ConfigError) as caught:
        compose.check(*load(file))
    return caught.value.message.removeprefix(f"{file}:")


def fine(tmp_path: Path, rest: str) -> None:
    (tmp_path / "key").write_text("sk-of-the-cloud-0001")
    file = tmp_path / "router.yaml"
    file.write_text(BASE + rest)
    compose.check(*load(file))


def auto(strategy: str) -> str:
    return f"routing:\n  auto:\n    strategy: {strategy}\n"


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        ("{kind: ab, split: {old: 1, nwe: 1}}", "routing.auto.strategy.split.nwe: there is no model group or deployment 'nwe' to choose here; did you mean 'new'?"),
        ("{kind: ab, split: {old: 1, new: -1}}", "split.new: a weight is 0 or more"),
        ("{kind: ab, split: {old: 0, new: 0}}", "at least one weight must be more than 0"),
        ("{kind: canary, stable: old, canary: newe}", "canary: there is no model group or deployment 'newe' to choose here; did you mean 'new'?"),
        ("{kind: canary, stable: odl, canary: new}", "stable: there is no model group or deployment 'odl'"),
        ("{kind: canary, stable: new, canary: new}", "must be two"),
        ("{kind: canary, stable: old, canary: new, steps: [50, 5]}", "steps are percent of traffic"),
        ("{kind: canary, stable: old, canary: new, step: [5]}", "unknown key 'step'; did you mean 'steps'?"),
        ("quality", "no deployment here has a 'quality'"),
        ("[sticky, {kind: quality, max_cost_usd: 1}]", "routing.auto.strategy[1]: no deployment here has a 'quality'"),
        ("{kind: cost, min_quality: 0.5}", "no deployment here has a 'quality' of 0.5 or more"),
        ("least_latncy", "there is no kind 'least_latncy'; did you mean 'least_latency'?"),
        ("[sticky, wieghted]", "did you mean 'weighted'?"),
    ],
)  # fmt: skip
def test_a_strategy_that_can_not_do_what_its_options_say(tmp_path: Path, strategy: str, message: str) -> None:
    found = problem(tmp_path, auto(strategy))
    assert message in found
    assert found.startswith("8: ")


def test_inside_a_group_its_deployments_are_the_arms(tmp_path: Path) -> None:
    def base(canary: str) -> str:
        options = f"strategy: {{kind: canary, stable: cloud/two, canary: {canary}}}"
        return BASE.replace("model: three}]}", f"model: three}}], {options}}}")

    assert "did you mean 'cloud/three'?" in problem(tmp_path, "", base("cloud/thre"))
    assert "there is no model group or deployment 'old' to choose here" in problem(tmp_path, "", base("old"))


def test_a_canary_has_the_same_terms_wherever_it_is_tried(tmp_path: Path) -> None:
    again = "{kind: canary, stable: cloud/two, canary: cloud/three, window_s: 5}"
    own = BASE.replace(
        "model: three}]}", "model: three}], strategy: {kind: canary, stable: cloud/two, canary: cloud/three}}"
    )
    assert "'cloud/three' is a canary on other terms elsewhere" in problem(tmp_path, auto(again), own)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("use: [nwe]", "there is no model group 'nwe'; did you mean 'new'?"),
        ("use: [new], timezone: Europe/Berln", "timezone: there is no time zone 'Europe/Berln'; did you mean 'Europe/Berlin'?"),
        ("use: [new], timezone: ../../etc/passwd", "there is no time zone"),
        ("use: [new], timezone: ''", "there is no time zone"),
        ("use: [new], needs: [toolz]", "there is no capability 'toolz'; did you mean 'tools'?"),
        ("use: [new], between: ['08:00', '08:00']", "between: this is no time at all"),
        ("use: [new], days: [monday]", "Input should be 'mon'"),
        ("use: [new], language: german", "String should match pattern"),
    ],
)  # fmt: skip
def test_a_rule_that_never_could_apply(tmp_path: Path, rule: str, message: str) -> None:
    assert message in problem(tmp_path, f"routing:\n  auto:\n    rules:\n      - {{name: r, {rule}}}\n")


def test_what_is_right_passes(tmp_path: Path) -> None:
    fine(tmp_path, auto("[sticky, {kind: ab, split: {old: 1, cloud/two: 1}}, least_latency]"))
    fine(tmp_path, auto("[{kind: canary, stable: old, canary: new}, context, cost]"))
    rule = "{name: r, use: [new], key: team, timezone: Europe/Berlin, between: ['22:00', '06:00'], days: [sat], needs: [vision]}"
    fine(tmp_path, f"routing:\n  auto:\n    rules:\n      - {rule}\n")
