"""Reads short texts without Presidio, in the router's own process, wherever only finders can find anything in them.

It says exactly what a worker would say, or that it can't tell: then a worker must be asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import msgspec

from router.core.plugin import load
from router.privacy.document import read
from router.privacy.protocol import Found, Unit
from router.privacy.severity import RECOGNIZERS, Rule, Span
from router.privacy.sieve import Finder, Hits, Mesh, Sieve

MOST_CHARS = 320
"""Characters that are read here, views included: a longer text would keep the event loop from others for too long."""
SEAM_SHARE = 4
"""So many characters of a seam count as one, since no finder reads them."""


class Kit(msgspec.Struct, frozen=True, array_like=True):
    """What a worker's template sends of itself, so that its router can read short texts alone."""

    mesh: Mesh
    finders: list[tuple[int, str]]
    """Indexes of the finders, and of which recognizer plug-in they are the only one."""


class _Unsure(Exception):
    """Presidio must be asked."""


def spans(text: str, hits: Hits, finders: Mapping[int, Finder]) -> list[Span]:
    """Have each finder that has a sign in the text, or needs none, find what it can."""
    return [
        span
        for index, finder in finders.items()
        if index in hits.finders or not finder.signs
        for span in finder.find(text)
    ]


class Direct:
    """Reads what is short and plain; not thread-safe."""

    def __init__(self, kit: Kit, by_entity: dict[str, Rule]) -> None:
        """Set it up.

        Raises:
            Exception: something that the kit names isn't there, or Hyperscan isn't.
        """
        self._sieve = Sieve.of(kit.mesh)
        self._rules = by_entity
        self._left = 0
        self._finders: dict[int, Finder] = {}
        for index, kind in kit.finders:
            (self._finders[index],) = load(RECOGNIZERS, kind).build()

    def read(self, units: Sequence[Unit]) -> list[Found] | None:
        """Find what is in some units, if that is sure and quick. Never raises: a worker can say what is wrong."""
        self._left = MOST_CHARS
        if sum(unit.chars // (SEAM_SHARE if unit.is_seam else 1) for unit in units) > MOST_CHARS:
            return None
        try:
            found = [
                read(unit, partial(self._find, names=not unit.is_seam), self._rules, opens=False) for unit in units
            ]
        except Exception:  # noqa: BLE001 a worker reads it then, and says what is wrong
            return None
        return None if any(each.unreadable for each in found) else found

    def _find(self, text: str, *, names: bool) -> Sequence[Span]:
        self._left -= len(text) // (1 if names else SEAM_SHARE)
        hits = self._sieve.hits(text)
        if hits.patterns or self._left < 0:
            raise _Unsure
        return spans(text, hits, self._finders) if names else ()


def direct(kit: bytes | msgspec.Raw, by_entity: dict[str, Rule]) -> Direct | None:
    """Set up what a template sent; without it, or where anything is wrong with it, workers read everything."""
    try:
        return Direct(msgspec.msgpack.decode(kit, type=Kit), by_entity)
    except Exception:  # noqa: BLE001 workers read everything then
        return None
