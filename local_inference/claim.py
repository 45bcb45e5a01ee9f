"""Sees to it that one process alone uses a folder: two engine hosts would delete each other's adapters."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from router.core.clock import monotonic_s
from router.core.errors import ConfigError

_log = logging.getLogger(__name__)
_POLL_S = 0.1
PATIENCE_S = 30.0
"""How long one that is just ending is waited for: it may have an engine to stop."""


@asynccontextmanager
async def claimed(folder: Path, patience_s: float = PATIENCE_S) -> AsyncGenerator[None]:
    """Hold a folder that is there; a process that is killed lets go of it.

    Raises:
        ConfigError: another process has it.
        OSError: it can't be opened.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        deadline_s, is_said = monotonic_s() + patience_s, False
        while not _lock(descriptor):
            if monotonic_s() >= deadline_s:
                raise ConfigError(
                    f"another engine host uses {folder}; end that one, or give this one a `store_dir` of its own"
                )
            if not is_said:
                _log.warning("another engine host uses %s; waiting for its end", folder)
                is_said = True
            await asyncio.sleep(_POLL_S)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:  # some network file systems have no locks for folders
        _log.warning("the store can't be claimed (%s); see to it that no other engine host uses it", error.strerror)
    return True
