"""The guard leaves nothing of a command behind, whichever of the processes dies first."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from local_inference import guard

FAMILY = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open(sys.argv[1], "w").write(f"{os.getpid()} {child.pid}")
time.sleep(float(sys.argv[2]))
"""


def start(tmp_path: Path, lives_s: float) -> tuple[subprocess.Popen[bytes], list[psutil.Process]]:
    """Run a command with a grandchild under the guard; both ignore polite requests to end."""
    pids = tmp_path / "pids"
    command = [sys.executable, "-c", FAMILY, str(pids), str(lives_s)]
    process = subprocess.Popen([sys.executable, "-I", guard.__file__, "0", *command], stdin=subprocess.PIPE)
    deadline = time.monotonic() + 10
    while not pids.exists() or len(pids.read_text().split()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process, [psutil.Process(int(pid)) for pid in pids.read_text().split()]


def ended(family: list[psutil.Process], timeout_s: float = 8) -> bool:
    _, alive = psutil.wait_procs(family, timeout_s)
    return all(process.status() == psutil.STATUS_ZOMBIE for process in alive)


def finish(process: subprocess.Popen[bytes]) -> int:
    code = process.wait(8)
    assert process.stdin is not None
    process.stdin.close()
    return code


def test_all_ends_when_the_pipe_closes(tmp_path: Path) -> None:
    process, family = start(tmp_path, 600)
    assert process.stdin is not None
    process.stdin.close()
    assert ended(family)
    process.wait(8)


def test_what_a_command_started_ends_with_it(tmp_path: Path) -> None:
    process, family = start(tmp_path, 0.2)
    assert ended(family)
    assert finish(process) == 0


def test_a_killed_command_takes_its_children_along(tmp_path: Path) -> None:
    process, family = start(tmp_path, 600)
    family[0].kill()
    assert ended(family)
    assert finish(process) != 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_a_killed_guard_asks_the_command_to_end(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-I", guard.__file__, "0", sys.executable, "-c", "import time; time.sleep(600)"],
        stdin=subprocess.PIPE,
    )
    deadline = time.monotonic() + 10
    while not (family := psutil.Process(process.pid).children()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.3)
    process.kill()
    assert ended(family)
    finish(process)


def test_a_command_gives_way_to_others_where_asked() -> None:
    told = [sys.executable, "-c", "import os; print(os.nice(0))"]
    started = [sys.executable, "-I", guard.__file__, "7", *told]
    with subprocess.Popen(started, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert int(process.stdout.read()) == min(os.nice(0) + 7, 19)  # nothing gives way further than by 19
