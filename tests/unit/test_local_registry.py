"""The registry, its journal and the judgement of trials: pure values, and a file that may be torn anywhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_inference.canary import is_stuck
from local_inference.journal import Journal
from local_inference.registry import (
    Adapters,
    BecameCurrent,
    Forgot,
    Kept,
    Ordered,
    Record,
    Refusal,
    Refused,
    Removed,
    RolledBack,
    Stored,
    Tried,
    apply,
    before,
    records_of,
    surplus,
)
from local_inference.rollout import Decision, Rules, Tally, decide
from router.core.adapters import AdapterCard, AdapterInfo

NAMES, VERSIONS = ("law", "sql"), ("1", "2", "3", "4")


def kept(name: str, version: str) -> Kept:
    return Kept(sha256=version * 64, info=AdapterInfo(name=name, version=version, state="stored"))


names, versions = st.sampled_from(NAMES), st.sampled_from(VERSIONS)
records = st.one_of(
    st.builds(lambda name, version: Stored(name=name, kept=kept(name, version)), names, versions),
    st.builds(lambda name, version: BecameCurrent(name=name, version=version), names, versions),
    st.builds(lambda name, version: RolledBack(name=name, version=version), names, versions),
    st.builds(
        lambda name, pinned, disabled: Ordered(name=name, pinned=pinned, disabled=disabled),
        names,
        st.none() | st.booleans(),
        st.none() | st.booleans(),
    ),
    st.builds(
        lambda name, version, refusal: Refused(name=name, version=version, refusal=refusal),
        names,
        versions,
        st.none() | st.just(Refusal("dora", "no", "retrain")),
    ),
    st.builds(lambda name, version: Forgot(name=name, version=version), names, versions),
    st.builds(lambda name: Removed(name=name), names),
    st.builds(
        lambda name, version, old, answers: Tried(
            name=name, version=version, old=old, elapsed_s=1.5, new_tally=Tally(answers=answers)
        ),
        names,
        versions,
        versions,
        st.integers(0, 9),
    ),
)


def told(*steps: Record) -> Adapters:
    state: Adapters = {}
    for step in steps:
        state = apply(state, step)
    return state


@given(st.lists(records, max_size=30))
def test_what_is_written_down_short_makes_the_same_registry(steps: list[Record]) -> None:
    state = told(*steps)
    again = told(*(record for adapter in state.values() for record in records_of(adapter)))
    for name, adapter in state.items():
        if adapter.versions:  # a name without a version left serves nothing
            wanted = adapter.wanted if adapter.kept(adapter.wanted) else again[name].wanted
            assert again[name].versions == adapter.versions
            assert again[name].current == adapter.current
            assert again[name].wanted == wanted
            assert (again[name].pinned, again[name].disabled) == (adapter.pinned, adapter.disabled)
            assert again[name].refusals == adapter.refusals
            assert again[name].trial == adapter.trial


@given(st.lists(records, max_size=30), st.integers(1, 4))
def test_neither_the_current_nor_the_wanted_version_is_ever_surplus(steps: list[Record], most: int) -> None:
    for adapter in told(*steps).values():
        spare = surplus(adapter, most)
        assert not {adapter.current, adapter.wanted} & set(spare)
        assert len(adapter.versions) - len(spare) >= min(most, len(adapter.versions))
        assert before(adapter) != adapter.current or not before(adapter)


def test_a_rolled_back_version_stays_held_until_the_folder_changes() -> None:
    first, second = (Stored(name="law", kept=kept("law", version)) for version in "12")
    turns = [BecameCurrent(name="law", version=version) for version in "12"]
    state = told(first, turns[0], second, turns[1], RolledBack(name="law", version="1"))["law"]
    assert (state.current, state.wanted, state.held) == ("1", "2", True)
    assert told(*records_of(state))["law"] == state
    assert apply({"law": state}, second)["law"].held, "the same content again"
    assert not apply({"law": state}, Stored(name="law", kept=kept("law", "3")))["law"].held
    assert not apply({"law": state}, RolledBack(name="law", version="2"))["law"].held


def test_a_trial_is_over_once_one_of_its_versions_is_current_held_refused_gone_or_replaced() -> None:
    first, second, third = (Stored(name="law", kept=kept("law", version)) for version in "123")
    tried = Tried(name="law", version="2", old="1", elapsed_s=3.0, new_tally=Tally(answers=7, errors=1))
    on_trial = told(first, BecameCurrent(name="law", version="1"), second, tried)
    assert on_trial["law"].trial == tried
    assert apply(on_trial, second)["law"].trial == tried, "the same content again, or a new card"
    ends: tuple[Record, ...] = (
        BecameCurrent(name="law", version="2"),
        RolledBack(name="law", version="1"),
        Refused(name="law", version="2", refusal=Refusal("not_finite", "no", "retrain")),
        Forgot(name="law", version="2"),
        Ordered(name="law", disabled=True),
        third,
    )
    assert [apply(on_trial, end)["law"].trial for end in ends] == [None] * len(ends)


def test_a_journal_that_is_cut_at_any_byte_holds_all_whole_lines(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.open()
    path, states, ends = tmp_path / "registry.jsonl", [{}], [0]
    for version in VERSIONS:
        journal.append(Stored(name="law", kept=kept("law", version)))
        states.append(dict(journal.adapters))
        ends.append(path.stat().st_size)
    journal.close()
    whole = path.read_bytes()
    for cut in range(0, len(whole), 7):
        path.write_bytes(whole[:cut])
        again = Journal(tmp_path)
        again.open()
        assert again.adapters == states[max(index for index, end in enumerate(ends) if end <= cut)]
        again.append(Ordered(name="law", pinned=True))
        again.close()


def test_a_journal_does_not_grow_for_ever(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.open()
    for number in range(60):  # a card that is edited again and again
        card = AdapterCard(description=f"{number}" * 50_000)
        info = AdapterInfo(name="law", version="1", state="stored", card=card)
        journal.append(Stored(name="law", kept=Kept(sha256="1" * 64, info=info)))
    assert (tmp_path / "registry.jsonl").stat().st_size < 5_000_000
    expected = dict(journal.adapters)
    journal.close()
    again = Journal(tmp_path)
    again.open()
    assert again.adapters == expected
    again.close()


def test_a_line_that_was_changed_ends_what_is_believed(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.open()
    for version in "123":
        journal.append(Stored(name="law", kept=kept("law", version)))
    journal.close()
    path = tmp_path / "registry.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1].replace(b'"stored"', b'"ready"!') + lines[2])
    again = Journal(tmp_path)
    again.open()
    assert [one.info.version for one in again.adapters["law"].versions] == ["1"]
    again.close()


def test_a_registry_with_a_damaged_line_is_kept_aside_and_a_torn_end_is_not(tmp_path: Path) -> None:
    """Orders behind the damage are lost, such as that an adapter is disabled: somebody may want to read them."""
    path, aside = tmp_path / "registry.jsonl", tmp_path / "registry.damaged"
    journal = Journal(tmp_path)
    journal.open()
    for version in VERSIONS:
        journal.append(Stored(name="law", kept=kept("law", version)))
    journal.append(Ordered(name="law", disabled=True))
    journal.close()
    whole = path.read_bytes()
    for data, is_kept in ((whole[:-9], False), (whole.replace(b"law", b"lav", 1), True)):
        path.write_bytes(data)
        journal = Journal(tmp_path)
        journal.open()
        journal.close()
        assert aside.exists() == is_kept
    assert b'"disabled":true' in aside.read_bytes()


def test_a_full_disk_changes_nothing_and_spoils_no_later_line(tmp_path: Path) -> None:
    full = False

    def write(file: int, data: bytes) -> int:
        if not full:
            return os.write(file, data)
        os.write(file, data[:10])
        raise OSError(28, "No space left on device")

    journal = Journal(tmp_path, write)
    journal.open()
    journal.append(Stored(name="law", kept=kept("law", "1")))
    full = True
    with pytest.raises(OSError, match="No space"):
        journal.append(BecameCurrent(name="law", version="1"))
    assert journal.adapters["law"].current == ""
    full = False
    journal.append(Ordered(name="law", pinned=True))
    expected = dict(journal.adapters)
    journal.close()
    again = Journal(tmp_path)
    again.open()
    assert again.adapters == expected
    again.close()


RULES = Rules(ratio=0.1, window_s=60, min_requests=20)


@pytest.mark.parametrize(
    ("elapsed_s", "new", "old", "decision"),
    [
        (0, Tally(), Tally(), Decision.WAIT),
        (600, Tally(), Tally(answers=1000), Decision.WAIT),
        (59, Tally(answers=500), Tally(answers=1000), Decision.WAIT),
        (60, Tally(answers=19), Tally(answers=1000), Decision.WAIT),
        (60, Tally(answers=20), Tally(answers=1000), Decision.PROMOTE),
        (60, Tally(answers=20, errors=1), Tally(answers=1000, errors=50), Decision.PROMOTE),
        (1, Tally(answers=5, errors=5), Tally(answers=100), Decision.ROLL_BACK),
        (1, Tally(answers=4, errors=4), Tally(answers=100), Decision.WAIT),
        (60, Tally(answers=200, errors=30), Tally(answers=1000, errors=10), Decision.ROLL_BACK),
        (60, Tally(answers=200, errors=3), Tally(answers=1000), Decision.PROMOTE),
        (60, Tally(answers=100, errors=100), Tally(answers=100, errors=100), Decision.PROMOTE),
        (1, Tally(answers=20, good=1, bad=9), Tally(answers=100, good=50, bad=5), Decision.ROLL_BACK),
        (60, Tally(answers=20, good=9, bad=1), Tally(answers=100, good=50, bad=5), Decision.PROMOTE),
    ],
)
def test_a_version_on_trial_is_judged_by_what_was_counted(
    elapsed_s: float, new: Tally, old: Tally, decision: Decision
) -> None:
    assert decide(RULES, elapsed_s, new, old) is decision


@pytest.mark.parametrize(
    ("texts", "stuck"),
    [
        (("the " * 24, "the " * 24), True),
        (("!" * 30, "!" * 24), True),
        (("0 0 0 0 0 0 0 0 0 0 0 0", "1 1 1 1 1 1 1 1 1 1 1 1"), False),
        (("yes", "yes"), False),
        (("a fox jumps over the lazy dog and then it sleeps",), False),
        (("", ""), False),
    ],
)
def test_one_word_for_ever_is_recognised(texts: tuple[str, ...], stuck: bool) -> None:
    assert is_stuck(texts) == stuck
