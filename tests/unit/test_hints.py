"""The `x-router-*` request headers: what makes no sense is refused by name."""

from __future__ import annotations

from decimal import Decimal

import pytest

from router.core.errors import InvalidRequest
from router.server.routes.inference import hints


@pytest.mark.parametrize("name", ["x-router-max-cost-usd", "x-router-max-latency-ms"])
@pytest.mark.parametrize("value", ["", "x", "-1", "nan", "inf", "1e999999", "1e-999999", "1e19"])
def test_amounts_that_cannot_be_are_refused(name: str, value: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        hints({name: value})
    assert refused.value.param == name


def test_amounts_are_taken_to_the_last_digit() -> None:
    found = hints({"x-router-max-cost-usd": "0.000000000001", "x-router-max-latency-ms": "0"})
    assert (found.max_cost_usd, found.max_latency_ms) == (Decimal("0.000000000001"), 0.0)
