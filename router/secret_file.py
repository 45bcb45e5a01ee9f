"""The installation's own secret: 32 random bytes in a file beside the records, with which names are hashed."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from router.core.errors import ConfigError

FILE = "secret"
SIZE_BYTES = 32


def load_secret(folder: Path) -> bytes:
    """Read the secret (32 bytes) of an installation from its folder for records; made at the first start.

    Routers that share the folder have the same one, also if they start at once.

    Raises:
        ConfigError: it can't be read or made, others may read it, or it isn't what was written.
    """
    path = folder / FILE
    try:
        if not path.exists():
            _make(path)
        if path.stat().st_mode & 0o077:
            raise ConfigError(f"others than the router's user may use {path}: run `chmod 600 {path}`")
        secret = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"can't read or make {path}: {error.strerror}") from None
    if len(secret) != SIZE_BYTES:
        raise ConfigError(
            f"{path} must hold {SIZE_BYTES} bytes; put it back from a backup, or delete it: stored keys are then void"
        )
    return secret


def _make(path: Path) -> None:
    """Write a new one under another name first: whoever sees the file sees all of it, and the first to name it wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.{secrets.token_hex(8)}.new")
    file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(file, secrets.token_bytes(SIZE_BYTES))
        os.fsync(file)
        os.link(new, path)
    except FileExistsError:
        pass  # another router made it meanwhile
    finally:
        os.close(file)
        new.unlink()
