"""What a model group says of sensitive requests holds whichever way a request comes to it."""

from __future__ import annotations

from typing import Any

import pytest

from router.config.schema import RouterConfig
from router.policy.groups import group_actions


def config(policy: str, auto: dict[str, Any] | None = None, **groups: tuple[str | None, list[str]]) -> RouterConfig:
    cloud = {"kind": "openai_compatible", "base_url": "http://127.0.0.1:9/v1"}
    return RouterConfig.model_validate(
        {
            "local": None,
            "providers": {"cloud": cloud},
            "models": {
                name: {
                    "deployments": [{"provider": "cloud", "model": "m"}],
                    "on_sensitive": own,
                    "fallbacks": fallbacks,
                }
                for name, (own, fallbacks) in groups.items()
            },
            "routing": {"auto": auto or {}},
            "privacy": {"on_sensitive": policy},
        }
    )


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (config("mask", a=(None, []), b=(None, ["a"])), {}),
        (config("mask", a=("local", []), b=(None, [])), {"a": "local", "auto": "local"}),
        (
            config("mask", a=("local", []), b=(None, ["a"]), c=(None, ["b"])),
            dict.fromkeys(("a", "b", "c", "auto"), "local"),
        ),
        (config("mask", {"among": ["b"]}, a=("local", []), b=(None, [])), {"a": "local"}),
        (
            config(
                "mask", {"among": ["b"], "rules": [{"name": "r", "use": ["a", "local"]}]}, a=("block", []), b=(None, [])
            ),
            {"a": "block", "auto": "block"},
        ),
        (config("local", a=("mask", []), b=(None, ["a"])), {"a": "mask"}),
        (config("local", a=("mask", ["b"]), b=("local", ["a"])), {"a": "local", "b": "local", "auto": "local"}),
    ],
)
def test_a_stricter_group_that_may_answer_is_heard_and_a_laxer_one_is_not(
    made: RouterConfig, expected: dict[str, str]
) -> None:
    assert group_actions(made) == expected
