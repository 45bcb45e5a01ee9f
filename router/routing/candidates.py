"""The deployments that a configuration names, as candidates; and what a model name means."""

from __future__ import annotations

import re

import msgspec

from router.core.adapters import VERSION_DIGITS
from router.core.types import Candidate, Locality, Target
from router.routing.ranking import Ranking

AUTO = "auto"
LOCAL = "local"
LOCAL_BASE = "local/base"

_VERSION = re.compile(rf"[0-9a-f]{{{VERSION_DIGITS}}}")


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A model group: its candidates, how they are ranked, and which groups stand in for it."""

    name: str
    candidates: tuple[Candidate, ...]
    ranking: Ranking = Ranking()
    fallbacks: tuple[str, ...] = ()
    context_fallbacks: tuple[str, ...] = ()
    content_fallbacks: tuple[str, ...] = ()
    escalations: int = 0
    """How many times another model is asked where a gate turns an answer down; 0 = there are no gates."""


class LocalModels(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine host serves, as last heard of."""

    current: dict[str, str] = {}
    """Adapter name -> id of its current ready version, `<name>@<version>`."""
    ids: frozenset[str] = frozenset()
    """Ids of all versions that can be asked for."""
    known: frozenset[str] = frozenset()
    """Names of all adapters in the folder, those that can't serve included."""
    hidden: frozenset[str] = frozenset()
    """Ids of versions under known names that the caller's tenant may not use: to it there are none."""


def local_target(*, adapter: str | None = None, select: bool = False) -> Target:
    """The engine host as a target: with an adapter, with the one that SONA will choose, or the base model."""
    return Target(
        group=LOCAL,
        deployment=LOCAL,
        provider=LOCAL,
        upstream_model=LOCAL_BASE,
        locality=Locality.LOCAL,
        adapter=adapter,
        select_adapter=select,
    )


def named_local_target(model: str, local: LocalModels) -> Target | None:
    """The local target that a client's model name means; None where it means none."""
    if model == LOCAL:
        return local_target(select=True)
    if model == LOCAL_BASE:
        return local_target()
    name = model.removeprefix("local/")
    if name in local.current:
        return local_target(adapter=local.current[name])
    if name in local.hidden:
        return None
    adapter, at, version = name.partition("@")
    # What isn't listed now may be soon; what no version can be called is a caller's text, and must get into no record.
    if name in local.ids or (adapter in local.known and (not at or _VERSION.fullmatch(version))):
        return local_target(adapter=name)
    return None
