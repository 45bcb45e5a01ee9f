"""What an attempt is billed for when its upstream didn't say so to the end."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from router.core.types import Attempt, Dialect, Features, Locality, Usage
from router.record.estimate import ASSUMED_OUTPUT_TOKENS, billed

STREAM = Features(input_tokens=50, stream=True)
WHOLE = Features(input_tokens=50, max_output_tokens=30, choices=2)
SAID = Usage(input_tokens=90, output_tokens=40, cached_input_tokens=80)
CUT = Attempt(target="cloud/m", locality=Locality.ANY, elapsed_ms=1.0, error_code="client_closed")


def test_what_the_upstream_said_of_a_whole_answer_is_the_truth() -> None:
    assert billed(replace(CUT, error_code=None, usage=SAID, pieces=3), STREAM) == (SAID, False)


@pytest.mark.parametrize(
    "code", ["upstream_unavailable", "upstream_rate_limited", "upstream_rejected", "internal_error"]
)
def test_what_was_refused_costs_nothing(code: str) -> None:
    assert billed(replace(CUT, error_code=code), STREAM) == (None, False)


@pytest.mark.parametrize("change", [{"sent": False}, {"reached": False}])
def test_what_never_got_there_costs_nothing(change: dict[str, bool]) -> None:
    assert billed(replace(CUT, **change), STREAM) == (None, False)


@pytest.mark.parametrize("code", ["client_closed", "hedged", "upstream_timeout", "upstream_protocol_error"])
def test_a_stream_that_never_began_counts_its_prompt(code: str) -> None:
    assert billed(replace(CUT, error_code=code), STREAM) == (Usage(input_tokens=50), True)


def test_a_stream_that_was_cut_counts_what_was_seen_and_at_least_what_was_reported() -> None:
    cut = replace(CUT, error_code="upstream_unavailable")
    assert billed(replace(cut, pieces=7), STREAM) == (Usage(input_tokens=50, output_tokens=7), True)
    assert billed(replace(cut, pieces=2, chars=41), STREAM) == (Usage(input_tokens=50, output_tokens=11), True)
    early = Usage(input_tokens=90, output_tokens=1, cached_input_tokens=80)
    assert billed(replace(cut, pieces=9, usage=early), STREAM) == (replace(early, output_tokens=9), True)
    assert billed(replace(cut, pieces=9, usage=SAID), STREAM) == (SAID, True)


def test_a_whole_answer_that_was_given_up_counts_as_long_as_it_might_have_been() -> None:
    assert billed(CUT, WHOLE) == (Usage(input_tokens=50, output_tokens=60), True)
    endless = replace(WHOLE, max_output_tokens=None, choices=1)
    assert billed(CUT, endless) == (Usage(input_tokens=50, output_tokens=ASSUMED_OUTPUT_TOKENS), True)
    assert billed(CUT, replace(endless, dialect=Dialect.EMBEDDINGS)) == (Usage(input_tokens=50), True)


def test_an_answer_without_usage_is_estimated_and_a_count_of_tokens_is_free() -> None:
    whole = replace(CUT, error_code=None, pieces=5)
    assert billed(whole, STREAM) == (Usage(input_tokens=50, output_tokens=5), True)
    assert billed(whole, replace(STREAM, dialect=Dialect.COUNT_TOKENS)) == (None, False)


@pytest.mark.parametrize("count", [-1, 10**9, 10**23])
@pytest.mark.parametrize("name", msgspec.structs.asdict(SAID))
def test_counts_that_no_request_can_have_are_not_believed(name: str, count: int) -> None:
    """Negative ones would give a budget money back, huge ones no database can hold."""
    odd = replace(CUT, error_code=None, usage=replace(SAID, **{name: count}), pieces=3)
    assert billed(odd, STREAM) == (Usage(input_tokens=50, output_tokens=3), True)
    assert billed(replace(odd, pieces=1), WHOLE) == (Usage(input_tokens=50, output_tokens=60), True)
    assert billed(odd, replace(STREAM, dialect=Dialect.COUNT_TOKENS)) == (None, False)


def test_parts_that_are_more_than_their_whole_are_billed_and_said_to_be_an_estimate() -> None:
    odd = Usage(input_tokens=5, output_tokens=2, cached_input_tokens=50, cache_write_tokens=20, reasoning_tokens=9)
    counted = replace(odd, input_tokens=70, output_tokens=9)
    assert billed(replace(CUT, error_code=None, usage=odd, pieces=1), WHOLE) == (counted, True)
    speech = Usage(audio_input_tokens=7, audio_output_tokens=8, long_cache_write_tokens=3)
    assert billed(replace(CUT, error_code=None, usage=speech, pieces=1), WHOLE) == (
        Usage(input_tokens=7, output_tokens=8, audio_input_tokens=7, audio_output_tokens=8),
        True,
    )
