"""Runs one command and sees to it that nothing of it is left when the process that asked for it is gone.

A small process of its own, of the standard library only: its standard input is a pipe from the host. When that closes,
even because the host was killed, the command's whole process group is ended; when the command ends, so does what it
started.
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

_GRACE_S = 3.0
_POLL_S = 0.1
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


def main(command: list[str]) -> int:
    """Run the command; return its exit code."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=_end_with_guard)
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


def _end_with_guard() -> None:
    """Ask Linux to end the command should this guard itself be killed."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
