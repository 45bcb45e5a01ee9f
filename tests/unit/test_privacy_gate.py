"""A compiled gate is kept on disk, and used again only if it is exactly the right one."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from router.privacy.gate import FILES, KEPT, Gate

EXPRESSIONS = ["abc+", r"\d{3}-\d{2}", r"(?<=x)y+"]
TEXT = "abcc 123-45 xy"


def stamp(folder: Path) -> tuple[int, int]:
    """Tell one file from another that took its place."""
    (file,) = folder.glob(FILES)
    stat = file.stat()
    return stat.st_ino, stat.st_mtime_ns


def test_a_gate_from_disk_answers_like_a_new_one_and_is_not_compiled_again(tmp_path: Path) -> None:
    first = Gate(EXPRESSIONS, tmp_path)
    before = stamp(tmp_path)
    second = Gate(EXPRESSIONS, tmp_path)
    assert stamp(tmp_path) == before
    assert first.hits(TEXT) == second.hits(TEXT) == Gate(EXPRESSIONS).hits(TEXT) == {0, 1, 2}
    assert second.hits("nothing") == set()
    assert len(os.listdir(tmp_path)) == 1


def spoil(data: bytes, how: str) -> bytes:
    match how:
        case "empty":
            return b""
        case "header only":
            return data[:60]
        case "truncated":
            return data[:-1]
        case "longer":
            return data + b"\0"
        case "one bit in the middle":
            middle = len(data) // 2
            return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
        case "one bit of its hash":
            return data[:60] + bytes([data[60] ^ 1]) + data[61:]
        case _:
            return b"something else"


@pytest.mark.parametrize(
    "how", ["empty", "header only", "truncated", "longer", "one bit in the middle", "one bit of its hash", "foreign"]
)
def test_a_spoiled_file_is_never_used_and_is_replaced(tmp_path: Path, how: str) -> None:
    Gate(EXPRESSIONS, tmp_path)
    (path,) = tmp_path.glob(FILES)
    good = path.read_bytes()
    path.write_bytes(spoil(good, how))
    assert Gate(EXPRESSIONS, tmp_path).hits(TEXT) == {0, 1, 2}
    assert path.read_bytes() == good


def test_another_rule_sets_file_is_never_used(tmp_path: Path) -> None:
    Gate(["nothing", "at", "all"], tmp_path)
    (other,) = tmp_path.glob(FILES)
    Gate(EXPRESSIONS, tmp_path)
    (own,) = set(tmp_path.glob(FILES)) - {other}
    own.write_bytes(other.read_bytes())
    assert Gate(EXPRESSIONS, tmp_path).hits(TEXT) == {0, 1, 2}
    assert Gate(["nothing", "at", "all"], tmp_path).hits(TEXT) == set()


def test_files_of_other_rule_sets_stay_but_not_for_ever(tmp_path: Path) -> None:
    for number in range(KEPT + 4):
        Gate([f"word{number}"], tmp_path)
    kept = set(tmp_path.glob(FILES))
    assert len(kept) == KEPT + 1
    Gate([f"word{KEPT + 3}"], tmp_path)
    assert set(tmp_path.glob(FILES)) == kept


def test_a_file_of_another_kind_of_processor_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import hyperscan  # pyright: ignore[reportMissingImports]

    Gate(EXPRESSIONS, tmp_path)
    load, calls = hyperscan.loadb, list[int]()

    def refuse_once(data: bytes, mode: int) -> object:
        calls.append(mode)
        if len(calls) == 1:
            raise hyperscan.HyperscanError("error code -5")
        return load(data, mode)

    monkeypatch.setattr(hyperscan, "loadb", refuse_once)
    assert Gate(EXPRESSIONS, tmp_path).hits(TEXT) == {0, 1, 2}
    assert len(calls) > 1


@pytest.mark.parametrize("place", ["a file", "a link to nowhere"])
def test_a_folder_that_can_not_be_written_is_no_error(tmp_path: Path, place: str) -> None:
    folder = tmp_path / "folder"
    if place == "a file":
        folder.write_text("")
    else:
        folder.symlink_to("/proc/nowhere")
    assert Gate(EXPRESSIONS, folder).hits(TEXT) == {0, 1, 2}


def test_a_gate_from_disk_is_there_sooner_than_a_compiled_one(tmp_path: Path) -> None:
    expressions = [rf"word{number}\w{{3,20}}\d+x?" for number in range(60)]
    start = time.process_time()
    Gate(expressions, tmp_path)
    compiled_s = time.process_time() - start
    start = time.process_time()
    Gate(expressions, tmp_path)
    assert time.process_time() - start < compiled_s
