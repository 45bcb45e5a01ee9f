"""Finds a plug-in by its `kind`: the module of that name in a package, or an entry point of a third party."""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import pkgutil
from types import ModuleType

from router.core.errors import ConfigError


def nearest(word: str, known: list[str]) -> str:
    """Say which known name is meant, as a clause for an error message, e.g. `; did you mean 'cost'?`."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    hint = f"; did you mean '{close[0]}'?" if close else ""
    return f"{hint} Known: {', '.join(known) or 'none'}." if not close else f"{hint}"


def kinds(package: str) -> list[str]:
    """List the kinds that a plug-in package offers, third parties' included, without importing them."""
    paths = importlib.import_module(package).__path__
    own = [module.name for module in pkgutil.iter_modules(paths) if not module.name.startswith("_")]
    foreign = [point.name for point in importlib.metadata.entry_points(group=f"sona_{package}".replace(".", "_"))]
    return sorted({*own, *foreign})


def load(package: str, kind: str) -> ModuleType:
    """Import the plug-in module `kind` of a package; only that one.

    Raises:
        ConfigError: no such kind; names the nearest.
    """
    if kind not in kinds(package):
        raise ConfigError(f"unknown kind '{kind}'{nearest(kind, kinds(package))}")
    for point in importlib.metadata.entry_points(group=f"sona_{package}".replace(".", "_"), name=kind):
        return point.load()
    return importlib.import_module(f"{package}.{kind}")
