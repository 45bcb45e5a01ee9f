"""Finds a plug-in by its `kind`: the module of that name in a package, or an entry point of a third party."""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import pkgutil
import sys
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from router.core.errors import ConfigError


def nearest(word: str, known: Sequence[str]) -> str:
    """Say which known name is meant, as the end of an error message: `; did you mean 'cost'?`."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; known: {', '.join(known) or 'none'}"


def group(package: str) -> str:
    """Name the entry-point group of a plug-in package, e.g. `sona.router.providers`."""
    return f"sona.{package}"


@lru_cache(maxsize=32)
def _entry_points(group: str, path: tuple[str, ...]) -> importlib.metadata.EntryPoints:
    """Find a group's entry points on Python's path: that reads a file of every installed package, which takes 20 ms."""
    return importlib.metadata.entry_points(group=group)


def _foreign(package: str) -> importlib.metadata.EntryPoints:
    return _entry_points(group(package), tuple(sys.path))


def kinds(package: str) -> list[str]:
    """List the kinds that a plug-in package offers, third parties' included, without importing them."""
    paths = importlib.import_module(package).__path__
    own = [module.name for module in pkgutil.iter_modules(paths) if not module.name.startswith("_")]
    foreign = [point.name for point in _foreign(package)]
    return sorted({*own, *foreign})


def load(package: str, kind: str) -> Any:
    """Import the plug-in module `kind` of a package; only that one.

    What a module must define is the package's own convention (`Config` and `build`), said in its docstring.

    Raises:
        ConfigError: no such kind; names the nearest.
    """
    known = kinds(package)
    if kind not in known:
        raise ConfigError(f"there is no kind '{kind}'{nearest(kind, known)}")
    for point in _foreign(package).select(name=kind):
        return point.load()
    return importlib.import_module(f"{package}.{kind}")
