"""A canary through a simulated day: a good one takes over by itself, a bad one is rolled back by itself, and stays so."""

from __future__ import annotations

import json
import logging
import random
from pathlib import Path

import msgspec
import pytest

from router.canaries import FILE, Canaries
from router.core.errors import ConfigError
from router.core.types import Attempt, Locality, Outcome
from router.routing.canary import Phase, State, Terms, answered, ratio
from router.routing.strategies.canary import Config
from tests.fakes.outcomes import outcome

TERMS = Config(stable="old", canary="new", min_requests=50).terms
DAY_S = 86_400
ONE = outcome(1)


class Day:
    """A day of one request every ten seconds, whose canary behaves as it is told; the clock is this one's own."""

    def __init__(self, folder: Path | None = None, terms: Terms = TERMS) -> None:
        self.now_s = 1e9
        self.canaries = Canaries([terms], folder, lambda: self.now_s)
        self.shares: list[float] = []
        self._chance = random.Random(7)

    def run(
        self,
        hours: float = 24.0,
        *,
        error_ratio: float = 0.02,
        ttft_factor: float = 1.0,
        liked: float = 0.8,
        code: str = "upstream_unavailable",
    ) -> Day:
        """Let time pass. The stable one fails in 2 % and is liked in 80 %; 30 % of all answers are rated."""
        for _ in range(int(hours * 360)):
            self.now_s += 10
            is_new = self._chance.random() < self.canaries.ratios["new"]
            failed = self._chance.random() < (error_ratio if is_new else 0.02)
            ttft_ms = self._chance.lognormvariate(5, 0.6) * (ttft_factor if is_new else 1.0)
            group = "new" if is_new else "old"
            self.canaries.write(ended(group, ttft_ms, code if failed else None))
            if not failed and self._chance.random() < 0.3:
                self.canaries.rate(group, "cloud/x", float(self._chance.random() < (liked if is_new else 0.8)))
            if not self.shares or self.shares[-1] != self.canaries.ratios["new"]:
                self.shares.append(self.canaries.ratios["new"])
        return self


def ended(group: str, ttft_ms: float, code: str | None = None) -> Outcome:
    attempt = Attempt(
        target="cloud/x", group=group, locality=Locality.ANY, elapsed_ms=ttft_ms * 3, ttft_ms=ttft_ms, error_code=code
    )
    return msgspec.structs.replace(ONE, attempts=(attempt,))


def test_a_good_canary_goes_to_100_percent_by_itself(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    day = Day().run(error_ratio=0.02)
    assert day.shares == [0.05, 0.25, 0.5, 1.0]
    assert [record.getMessage() for record in caplog.records] == [
        "canary new: 5% -> 25%, running", "canary new: 25% -> 50%, running", "canary new: 50% -> 100%, running",
        "canary new: 100% -> 100%, done",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("worse", "why"),
    [({"error_ratio": 0.25}, "errors"), ({"ttft_factor": 3.0}, "ttft"), ({"liked": 0.3}, "feedback")],
    ids=["errors", "slow", "disliked"],
)
def test_a_bad_one_is_rolled_back_by_itself(
    worse: dict[str, float], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    day = Day().run(**worse)  # pyright: ignore[reportArgumentType]
    assert day.shares[-1] == 0.0
    assert max(day.shares) <= 0.5  # it never took over
    assert f"rolled back for its {why}" in caplog.text


def test_one_that_turns_bad_late_is_rolled_back_from_where_it_got_to() -> None:
    day = Day()
    while day.canaries.ratios["new"] < 0.5:
        day.run(0.1)
    assert day.run(12, error_ratio=0.3).shares == [0.05, 0.25, 0.5, 0.0]


def test_callers_errors_and_callers_who_leave_say_nothing_about_a_canary() -> None:
    for code in ("upstream_rejected", "content_filter", "client_closed", "internal_error"):
        assert Day().run(error_ratio=0.3, code=code).shares[-1] == 1.0
        assert Day().run(error_ratio=1.0, code=code).shares == [0.05]


def test_few_requests_decide_nothing() -> None:
    day = Day(terms=msgspec.structs.replace(TERMS, min_requests=10_000)).run(error_ratio=1.0)
    assert day.shares == [0.05]


def test_as_good_as_is_hardly_ever_rolled_back_and_clearly_worse_always() -> None:
    def ends(error_ratio: float, seed: int) -> Phase:
        chance, state, now = random.Random(seed), State(since_unix_s=0.0), 0.0
        while state.phase is Phase.RUNNING and now < DAY_S:
            now += 10
            is_new = chance.random() < ratio(TERMS, state)
            failed = chance.random() < (error_ratio if is_new else 0.02)
            state = answered(TERMS, state, now, canary=is_new, failed=failed, ttft_ms=100.0)
        return state.phase

    assert sum(ends(0.02, seed) is Phase.DONE for seed in range(40)) >= 38
    assert sum(ends(0.2, seed) is Phase.ROLLED_BACK for seed in range(40)) == 40


async def closed(day: Day) -> None:
    await day.canaries.aclose()


@pytest.mark.anyio
async def test_a_restart_undoes_no_rollback_and_another_trial_begins_again(tmp_path: Path) -> None:
    day = Day(tmp_path).run(error_ratio=0.5)
    await closed(day)
    assert json.loads((tmp_path / FILE).read_bytes())["new"]["phase"] == "rolled_back"
    assert Day(tmp_path).canaries.ratios == {"new": 0.0}
    changed = msgspec.structs.replace(TERMS, window_s=1.0, step_ratios=(0.3,))
    assert Day(tmp_path, changed).canaries.ratios == {"new": 0.0}
    again = msgspec.structs.replace(TERMS, trial="second")
    assert Day(tmp_path, again).canaries.ratios == {"new": 0.05}


@pytest.mark.anyio
async def test_a_restart_goes_on_at_its_step(tmp_path: Path) -> None:
    day = Day(tmp_path)
    while day.canaries.ratios["new"] < 0.5:
        day.run(0.1)
    await closed(day)
    assert Day(tmp_path).canaries.ratios == {"new": 0.5}
    assert Day(tmp_path, msgspec.structs.replace(TERMS, step_ratios=(0.01,))).canaries.ratios == {"new": 0.01}


def test_a_file_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("{")
    with pytest.raises(ConfigError, match="canaries were rolled back"):
        Day(tmp_path)


@pytest.mark.anyio
async def test_moving_on_waits_for_no_disk(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where the folder should be is a file: requests go on, and the log says that it can't be written."""
    day = Day(tmp_path / "var")
    (tmp_path / "var").write_text("")
    assert day.run(error_ratio=0.5).canaries.ratios == {"new": 0.0}
    await closed(day)
    assert "canaries.json can't be written" in caplog.text


def test_the_state_moves_only_by_what_it_is_given() -> None:
    state = State(since_unix_s=0.0)
    after = answered(TERMS, state, 1.0, canary=True, failed=False, ttft_ms=100.0)
    assert state == State(since_unix_s=0.0)
    assert after.canary.failures.count == 1
    assert after.stable.failures.count == 0


@pytest.mark.parametrize("steps", [(), (0, 50), (50, 25), (5, 5), (5, 101)])
def test_steps_that_do_not_grow_are_refused(steps: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"steps|at least 1"):
        Config(stable="a", canary="b", steps=steps)
