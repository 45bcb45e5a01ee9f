"""Decides whether an adapter's folder is complete, and whether it may be copied: checks on names and files alone."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Callable, Set
from pathlib import Path

import msgspec

from local_inference.errors import Rejected
from local_inference.places import CONFIG, WEIGHTS
from local_inference.tensors import BadFile, open_regular, read_header

MAX_FILES = 1000
MAX_CONFIG_BYTES = 1024 * 1024
SAVE_AGAIN = "save the adapter again with PEFT's `save_pretrained`"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
RESERVED = frozenset({"base", "local", "auto"})
_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".ckpt")
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".zst", ".xz", ".7z")
_SHARD = re.compile(r"adapter_model-\d+-of-\d+\.safetensors")
_WHOLE_MODEL = re.compile(r"(?:model|pytorch_model)(?:-\d+-of-\d+)?\.(?:safetensors|bin)")
_CUT_CHARS = 8
"""JSON that is wrong so near to its end may only be unfinished."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine was started for, and which names are taken."""

    max_rank: int
    max_bytes: int
    reserved: frozenset[str] = RESERVED


def check_name(name: str, reserved: Set[str] = RESERVED) -> None:
    """Refuse names that can't be a model name.

    Raises:
        Rejected: bad_name, reserved_name, name_taken.
    """
    if "/" in name:
        plain = name.replace("/", ".")
        raise Rejected("name_taken", f"'{name}' would be called '{plain}', as another adapter is", "rename one of them")
    if not _NAME.fullmatch(name):
        raise Rejected(
            "bad_name",
            f"'{name}' can't be an adapter's name",
            "rename the folder: 1 to 64 of a-z 0-9 . _ -, the first a letter or digit",
        )
    if name in reserved:
        raise Rejected("reserved_name", f"'{name}' already means something else as a model name", "rename the folder")


def missing(folder: Path) -> str | None:
    """Say what a copy in progress still lacks; None = complete, or waiting won't help."""
    if _foreign(folder) is not None or any((folder / name).is_symlink() for name in (CONFIG, WEIGHTS)):
        return None
    try:
        if _is_cut(_read_config(folder)):
            return f"waiting for the rest of {CONFIG}"
    except FileNotFoundError:
        return f"waiting for {CONFIG}"
    except OSError:
        return f"{CONFIG} can't be read" if (folder / CONFIG).is_file() else None
    weights = folder / WEIGHTS
    try:
        size = weights.stat(follow_symlinks=False).st_size
        header = read_header(weights)
    except FileNotFoundError:
        return _no_weights(folder)
    except (BadFile, OSError):
        return None
    if header is None:
        return f"waiting for the rest of {WEIGHTS} ({size} bytes so far)"
    if size < header.file_bytes:
        return f"waiting for the rest of {WEIGHTS} ({size} of {header.file_bytes} bytes)"
    return None


def check_folder(folder: Path, limits: Limits) -> None:
    """Refuse what must not even be copied.

    Raises:
        Rejected: symlink, special_file, too_many_files, too_large, or the code of another format.
        OSError: the folder vanished.
    """
    if folder.is_symlink():
        raise _symlink(folder.name)
    entries = sorted(folder.iterdir())
    if len(entries) > MAX_FILES:
        raise Rejected(
            "too_many_files", f"it holds {len(entries)} files, at most {MAX_FILES} are allowed", "keep the adapter only"
        )
    for entry in entries:
        mode = entry.lstat().st_mode
        if stat.S_ISLNK(mode):
            raise _symlink(entry.name)
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise Rejected("special_file", f"'{entry.name}' is not a regular file", "delete it")
    for name in (CONFIG, WEIGHTS):
        if (folder / name).is_dir():
            raise Rejected("special_file", f"'{name}' is a folder, not a file", SAVE_AGAIN)
    if (foreign := _foreign(folder)) is not None:
        raise foreign
    for name, most, fix in (
        (CONFIG, MAX_CONFIG_BYTES, SAVE_AGAIN),
        (WEIGHTS, limits.max_bytes, "raise `max_adapter_gib`, or train with a lower rank"),
    ):
        size = (folder / name).lstat().st_size
        if size > most:
            raise Rejected("too_large", f"{name} has {size} bytes, at most {most} are allowed", fix)


def _foreign(folder: Path) -> Rejected | None:
    """Recognise what waiting doesn't make an adapter: other formats, whole models, archives."""
    names = {entry.name for entry in folder.iterdir()}
    if WEIGHTS in names:
        return None
    if found := _first(names, lambda name: name.startswith("adapter") and name.endswith(_PICKLES)):
        return Rejected(
            "pickle_weights",
            f"'{found}' is a pickle, which can run code when it is read",
            f"save the adapter as {WEIGHTS}: `save_pretrained(..., safe_serialization=True)`",
        )
    if found := _first(names, lambda name: _SHARD.fullmatch(name) is not None):
        return Rejected("sharded", f"'{found}' is one of several parts", f"join them into one {WEIGHTS}")
    if found := _first(names, lambda name: name.endswith(".gguf")):
        return Rejected("gguf", f"'{found}' is in llama.cpp's format", f"use the adapter as PEFT saved it: {WEIGHTS}")
    if CONFIG in names:
        return None
    if found := _first(names, lambda name: _WHOLE_MODEL.fullmatch(name) is not None):
        return Rejected(
            "full_model",
            f"'{found}' holds a whole model, not an adapter",
            "copy the adapter before it is merged, or serve this model with `engine.model`",
        )
    if (found := _first(names, lambda name: name.endswith(_ARCHIVES))) and len(names) == 1:
        return Rejected("archive", f"'{found}' is packed", "unpack it and copy the folder inside")
    return None


def _first(names: Set[str], matches: Callable[[str], bool]) -> str | None:
    return next((name for name in sorted(names) if matches(name)), None)


def _read_config(folder: Path) -> str:
    with open_regular(folder / CONFIG) as file:
        return file.read(MAX_CONFIG_BYTES + 1).decode("utf-8", "replace")


def _is_cut(text: str) -> bool:
    """Say whether JSON only lacks its end. What is wrong in its midst, or too long, won't get better."""
    if len(text) > MAX_CONFIG_BYTES:
        return False
    text = text.strip().strip("\0")
    if not text:
        return True
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return error.msg.startswith("Unterminated") or error.pos >= len(text) - _CUT_CHARS
    except (RecursionError, ValueError):
        return False
    return False


def _no_weights(folder: Path) -> str:
    others = sorted(entry.name for entry in folder.glob("*.safetensors"))
    return f"waiting for {WEIGHTS}" + (f"; found {others[0]}, rename it if that is the adapter" if others else "")


def _symlink(name: str) -> Rejected:
    return Rejected("symlink", f"'{name}' is a symbolic link", "copy the files themselves into the adapter's folder")
