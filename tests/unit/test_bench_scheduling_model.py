"""The scheduler before a model of vLLM: it costs no throughput, and the rarely asked for wait less."""

from __future__ import annotations

import pytest

from bench.scheduling_model import compare, run


@pytest.mark.parametrize(
    ("traffic", "at_once", "worst"),
    [("uniform", 16, 1.0), ("uniform", 64, 1.0), ("zipf", 16, 0.9), ("zipf", 64, 0.8), ("two-hot", 64, 0.3)],
)
def test_throughput_is_kept_and_the_longest_wait_is_shorter(traffic: str, at_once: int, worst: float) -> None:
    cell = compare(traffic, at_once, seeds=5, seconds=40)
    assert cell.tokens_ratio >= 0.97
    assert cell.worst_ratio <= worst


def test_the_model_is_the_same_for_the_same_seed() -> None:
    assert run("zipf", 16, None, seed=3, seconds=3) == run("zipf", 16, None, seed=3, seconds=3)
