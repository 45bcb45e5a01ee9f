"""Which adapters a request may have, by what it asks of them beside its text; the same wishes are looked up once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sona.decide import TEXT_ONLY, Wanted, refusal
from sona.profile import Profile

WISHES_KEPT = 256
"""A tenant's requests ask for the same again and again; a mask of 1,000 adapters is 1 KiB."""


@dataclass(frozen=True, slots=True)
class Admission:
    """What the filters leave."""

    allowed: NDArray[np.bool_]
    """(adapters,)."""
    count: int
    """Of the allowed ones."""
    ruled_out: Mapping[str, str]
    """Adapter -> the filter that it didn't pass. None of other tenants."""
    reason: str
    """Why none is left; empty if some are."""


def build_admission(profiles: Sequence[Profile]) -> Callable[[Wanted], Admission]:
    """Return the filters over these adapters, in their order. Few cards restrict anything: only those are looked at."""
    restricted = tuple(index for index, profile in enumerate(profiles) if profile.restricted)

    @lru_cache(WISHES_KEPT)
    def admit(wanted: Wanted) -> Admission:
        looked_at = range(len(profiles)) if wanted.needs & TEXT_ONLY else restricted
        found = ((index, refusal(profiles[index], wanted)) for index in looked_at)
        refused = {index: why for index, why in found if why is not None}
        allowed = np.ones(len(profiles), dtype=np.bool_)
        allowed[list(refused)] = False
        count = int(allowed.sum())
        ruled_out = {profiles[index].adapter: why for index, why in refused.items() if why != "tenant"}
        return Admission(allowed, count, ruled_out, "" if count else _why(refused))

    return admit


def _why(refused: Mapping[int, str]) -> str:
    filters = set(refused.values())
    return f"no adapter for the {filters.pop()}" if len(filters) == 1 else "no adapter passes the filters"
