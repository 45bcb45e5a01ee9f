"""Where tests keep compiled gates: compiling takes seconds, and most tests scan under the same rules.

A gate's file is used only by those whose expressions it was made of, so sharing the folder changes nothing but time.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

from router.privacy.gate import FILES

GATES = Path(__file__).resolve().parents[2] / ".pytest_cache" / "gates"


def share_gates(folder: Path) -> None:
    """Give a router what other tests compiled."""
    _copy(GATES, folder)


def keep_gates(folder: Path) -> None:
    """Keep what a router compiled."""
    _copy(folder, GATES)


def _copy(source: Path, target: Path) -> None:
    """Copy what isn't there, each file as a whole or not at all: other test processes do so at the same time."""
    target.mkdir(parents=True, exist_ok=True)
    for file in source.glob(FILES):
        if not (target / file.name).exists():
            handle, name = tempfile.mkstemp(dir=target)
            os.close(handle)
            with contextlib.suppress(FileNotFoundError):  # another one made room
                shutil.copyfile(file, name)
                os.replace(name, target / file.name)
            Path(name).unlink(missing_ok=True)
