"""How much a request may need, as budgets and limits reckon with it."""

from __future__ import annotations

import pytest

from router.core.types import JsonObject
from router.routing.features import features, rough_tokens
from tests.fakes.values import request


@pytest.mark.parametrize(
    ("limits", "most"),
    [
        ({}, None),
        ({"max_tokens": 7}, 7),
        ({"max_completion_tokens": 7, "max_tokens": None}, 7),
        ({"max_completion_tokens": 1, "max_tokens": 90_000}, 90_000),
        ({"max_completion_tokens": 90_000, "max_tokens": 1}, 90_000),
        ({"max_tokens": True}, None),
    ],
)
def test_of_several_limits_of_an_answer_the_largest_counts(limits: JsonObject, most: int | None) -> None:
    """An upstream may heed either, so the smaller one would set too little of a budget aside."""
    body: JsonObject = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **limits}
    assert features(request(body=body), 2).max_output_tokens == most
    assert rough_tokens(body) == (512 if most is None else most)
