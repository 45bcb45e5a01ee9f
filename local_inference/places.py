"""Where adapters lie: the folders below `adapters_dir` that are one, and the name each goes by."""

from __future__ import annotations

import os
import re
from pathlib import Path

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
SUMS, SIGNATURE = "adapter.sha256", "adapter.sha256.sig"
_CHECKPOINT = re.compile(r"checkpoint-\d+")
"""A trainer's save point: a past state of the adapter beside it, not one of its own."""


def find(folder: Path) -> dict[str, Path]:
    """List the adapters' folders by name.

    PEFT writes all but the first adapter of a model into sub-folders: `legal/german/` is the adapter `legal.german`.
    One whose name another folder has already is listed as `legal/german`, which is no name, so that it is turned down.

    Raises:
        OSError: the folder can't be read.
    """
    with os.scandir(folder) as entries:
        tops = sorted(entry.name for entry in entries if not is_ignored(entry.name) and _is_folder(entry))
    found: dict[str, Path] = {}
    inner: list[tuple[str, str]] = []
    for top in tops:
        nested = _nested(folder / top)
        inner += [(top, sub) for sub in nested]
        if not nested or _holds_adapter(folder / top):
            found[top] = folder / top
    for top, sub in inner:
        name = f"{top}.{sub}"
        found[f"{top}/{sub}" if name in found else name] = folder / top / sub
    return found


def locate(folder: Path, name: str) -> Path:
    """Find the folder of an adapter by the name that `find` gave it; the place where it would lie if it is gone."""
    top = folder / name
    if top.is_dir() or "." not in name:
        return top
    return next((path for path in _splits(folder, name) if _holds_adapter(path)), top)


def is_ignored(name: str) -> bool:
    """Say whether a name marks a copy in progress, or something hidden."""
    return name.startswith(".") or name.endswith((".tmp", ".part"))


def _splits(folder: Path, name: str) -> list[Path]:
    parts = name.split(".")
    return [folder / ".".join(parts[:cut]) / ".".join(parts[cut:]) for cut in range(1, len(parts))]


def _nested(top: Path) -> list[str]:
    if top.is_symlink():
        return []
    try:
        with os.scandir(top) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return []
    names = [name for name in names if name.isprintable() and not is_ignored(name) and not _CHECKPOINT.fullmatch(name)]
    return [name for name in names if _holds_adapter(top / name)]


def _holds_adapter(folder: Path) -> bool:
    return os.path.lexists(folder / CONFIG) or os.path.lexists(folder / WEIGHTS)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry can be an adapter; one that can't be looked at, or whose name is no text, is passed over."""
    try:
        return entry.name.isprintable() and entry.is_dir()
    except OSError:
        return False
