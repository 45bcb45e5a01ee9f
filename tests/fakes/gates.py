"""Where tests keep compiled gates: compiling takes seconds, and most tests scan under the same rules.

A gate's file is used only by those whose expressions it was made of, so sharing the folder changes nothing but time.
"""

from __future__ import annotations

import shutil
from pathlib import Path

GATES = Path(__file__).resolve().parents[2] / ".pytest_cache" / "gates"


def share_gates(folder: Path) -> None:
    """Give a router what other tests compiled."""
    if GATES.is_dir():
        shutil.copytree(GATES, folder, dirs_exist_ok=True)


def keep_gates(folder: Path) -> None:
    """Keep what a router compiled."""
    GATES.mkdir(parents=True, exist_ok=True)
    for file in folder.glob("gate-*.hsdb"):
        if not (GATES / file.name).exists():
            shutil.copy(file, GATES)
