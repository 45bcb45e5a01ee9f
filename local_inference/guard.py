"""Runs one command and sees to it that nothing of it is left when the process that asked for it is gone.

A small process of its own, of the standard library only: its standard input is a pipe from the host. When that closes,
even because the host was killed, the command's whole process group is ended; when the command ends, so does what it
started.

The command runs at a lower priority where asked for: an engine on a CPU waits for its next step in a loop, and would keep
those who bring it work from the processor for seconds.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

_GRACE_S = 3.0
_POLL_S = 0.1
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


def main(niceness: int, command: list[str]) -> int:
    """Run the command, so much nicer (0 to 19) to others; return its exit code."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    prepare = partial(_prepare, niceness)
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=prepare)
    while child.poll() is None:
        readable, _, _ = select.select([0], [], [], _POLL_S)
        if readable and not os.read(0, 1):
            _signal_group(child.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                child.wait(_GRACE_S)
            break
    deadline_s = time.monotonic() + _GRACE_S
    while _signal_group(child.pid, signal.SIGKILL) and time.monotonic() < deadline_s:
        time.sleep(_POLL_S / 4)
        child.poll()
        _reap()
    return child.wait()


def _reap() -> None:
    """Collect what the command left behind; the dead still count as members of their group."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _signal_group(group: int, number: signal.Signals) -> bool:
    """Signal a process group; False = nobody is left in it."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _prepare(niceness: int) -> None:
    """Ask Linux to end the command should this guard itself be killed; give way to others."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if niceness:
        os.nice(niceness)
        with suppress(
            OSError
        ):  # where sessions share the processor evenly, a process' own niceness counts within one alone
            Path("/proc/self/autogroup").write_text(str(niceness))


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
