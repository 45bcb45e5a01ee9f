"""Who gets which arm of an experiment: what an arm's name means, and what its caller is drawn by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from router.core.plugin import nearest
from router.core.ports import Misfit, Pool
from router.core.types import Candidate, Features

Unit = Literal["request", "session", "key", "tenant"]
"""What always gets the same arm; `request` = each is drawn anew."""

NEEDS: Mapping[str, frozenset[str]] = {"session": frozenset({"session"})}
"""What of the features a unit must know."""


def unit(by: Unit, features: Features, seed: float) -> str:
    """Name what the draw is made for. A request without a session is drawn by its key."""
    match by:
        case "request":
            return str(seed)
        case "session":
            return f"key:{features.key}" if features.session is None else features.session
        case "key":
            return features.key
        case "tenant":
            return features.tenant


def is_arm(name: str, candidate: Candidate) -> bool:
    """Whether a candidate belongs to an arm: by its model group, or by its deployment."""
    return name in (candidate.target.group, candidate.target.deployment)


def unknown_arm(name: str, pool: Pool, place: tuple[str | int, ...]) -> Misfit | None:
    """Say that an arm's name means nothing among what a strategy chooses from, and which was meant."""
    known = [*pool.groups, *pool.deployments]
    if name in known:
        return None
    return Misfit(place, f"there is no model group or deployment '{name}' to choose here{nearest(name, known)}")
