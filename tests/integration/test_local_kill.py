"""A host that is killed at any moment comes back with the registry that its disk held at that moment."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.stack import ROOT


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder without a disk under it: some hundred processes each wait for theirs."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        yield Path(folder)


def test_kill_minus_nine_at_every_step_leaves_the_registry_as_it_was(memory: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.fakes.dying_host", str(memory)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        timeout=100,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    moments = Counter(line["moment"] for line in lines)
    assert moments["before a line"] == moments["half a line"] == moments["after a line"] > 10
    assert min(moments[name] for name in ("copied", "kept", "loading", "loaded")) >= 4
    for number, line in enumerate(lines):
        where = (number, line["moment"])
        assert line["killed"], where
        assert line["seen"] == line["expected"], where
        assert all(line["serving"].values()), where
        assert line["leftovers"] == [], where
        for name, adapter in line["seen"].items():  # what a name means, or is to mean, is never lost on the way up
            kept = {version["info"]["version"] for version in line["after"][name]["versions"]}
            assert kept >= {*adapter["history"][-1:], adapter["wanted"]}, where
