"""What a folder's changes look like as events: whole, slow, truncated and swapped copies."""

from __future__ import annotations

import shutil
from pathlib import Path
from time import time

import pytest

from local_inference.places import WEIGHTS
from local_inference.watcher import Copying, Event, Gone, Settled, Tracker, lacking, look
from tests.fakes.engine_tiny_model import write_adapter


class Clocked:
    """A tracker on a folder that is looked at every 0.25 s of pretended time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now_s = 0.0
        self._tracker = Tracker(stable_s=0.25, missing=lambda name: lacking(folder, name))

    def step(self, now_unix_s: float = 0.0) -> list[Event]:
        self.now_s += 0.25
        return self._tracker.step(look(self.folder), self.now_s, now_unix_s)

    def settles_in_s(self) -> float:
        return self._tracker.settles_in_s(self.now_s)


@pytest.fixture
def clocked(tmp_path: Path) -> Clocked:
    (tmp_path / "adapters").mkdir()
    return Clocked(tmp_path / "adapters")


def test_a_whole_folder_settles_at_the_second_look(clocked: Clocked) -> None:
    write_adapter(clocked.folder / "legal")
    assert clocked.step() == [Copying("legal", "being copied")]
    assert clocked.step() == [Settled("legal")]
    assert clocked.step() == []


def test_a_truncated_copy_never_settles(clocked: Clocked) -> None:
    weights = write_adapter(clocked.folder / "legal") / WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-1])
    clocked.step()
    assert "waiting for the rest" in str(clocked.step())
    assert all(clocked.step() == [] for _ in range(20))


def test_a_slow_copy_settles_once_it_is_whole(clocked: Clocked, tmp_path: Path) -> None:
    data = (write_adapter(tmp_path / "source") / WEIGHTS).read_bytes()
    weights = write_adapter(clocked.folder / "slow") / WEIGHTS
    seen: list[Event] = []
    for size in range(0, len(data), 4096):
        weights.write_bytes(data[:size])
        seen += clocked.step()
    assert not any(isinstance(event, Settled) for event in seen)
    weights.write_bytes(data)
    assert clocked.step() == []
    assert clocked.step() == [Settled("slow")]


def test_a_folder_that_is_renamed_in_settles(clocked: Clocked) -> None:
    write_adapter(clocked.folder / "legal.tmp")
    write_adapter(clocked.folder / ".hidden")
    write_adapter(clocked.folder / "x.part")
    assert clocked.step() == clocked.step() == []
    (clocked.folder / "legal.tmp").rename(clocked.folder / "legal")
    clocked.step()
    assert clocked.step() == [Settled("legal")]


def test_an_edit_settles_again(clocked: Clocked) -> None:
    write_adapter(clocked.folder / "legal")
    clocked.step(), clocked.step()
    write_adapter(clocked.folder / "legal", seed=2)
    assert clocked.step() == [Copying("legal", "being copied")]
    assert clocked.step() == [Settled("legal")]


def test_a_removed_folder_is_gone_and_a_swapped_one_is_not(clocked: Clocked) -> None:
    write_adapter(clocked.folder / "legal")
    clocked.step(), clocked.step()
    (clocked.folder / "legal").rename(clocked.folder.parent / "aside")
    assert clocked.step() == []
    (clocked.folder.parent / "aside").rename(clocked.folder / "legal")
    assert clocked.step() == []
    shutil.rmtree(clocked.folder / "legal")
    assert clocked.step() == []
    assert clocked.step() == [Gone("legal")]


def test_an_odd_name_settles_at_once_so_that_it_is_turned_down(clocked: Clocked) -> None:
    (clocked.folder / "Odd Name").mkdir()
    clocked.step()
    assert clocked.step() == [Settled("Odd Name")]


def test_files_beside_the_folders_are_no_adapters(clocked: Clocked) -> None:
    (clocked.folder / "README.md").touch()
    assert clocked.step() == []


def test_two_looks_in_quick_succession_do_not_count_as_stable(clocked: Clocked) -> None:
    write_adapter(clocked.folder / "legal")
    clocked.step()
    clocked.now_s -= 0.2
    assert clocked.step() == []
    assert clocked.step() == [Settled("legal")]


def test_a_folder_that_was_at_rest_before_it_was_renamed_in_settles_at_the_first_look(clocked: Clocked) -> None:
    write_adapter(clocked.folder / "legal.tmp")
    changed_s = max(path.stat().st_ctime for path in (clocked.folder / "legal.tmp").iterdir())
    (clocked.folder / "legal.tmp").rename(clocked.folder / "legal")
    events = clocked.step(now_unix_s=changed_s + 0.1)
    assert events == [Copying("legal", "being copied")]
    assert clocked.settles_in_s() == pytest.approx(0.15, abs=0.01)
    write_adapter(clocked.folder / "sql.tmp")
    (clocked.folder / "sql.tmp").rename(clocked.folder / "sql")
    changed_s = max(path.stat().st_ctime for path in (clocked.folder / "sql").iterdir())
    assert Settled("sql") in clocked.step(now_unix_s=changed_s + 0.3)


def test_a_folder_that_loses_its_card_while_it_is_removed_does_not_settle_without_it(clocked: Clocked) -> None:
    (write_adapter(clocked.folder / "legal") / "card.yaml").write_text("tenants: [law]")
    clocked.step(), clocked.step()
    (clocked.folder / "legal" / "card.yaml").unlink()
    assert Settled("legal") not in clocked.step(now_unix_s=time() + 60)
