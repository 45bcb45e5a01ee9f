"""The choice among scored adapters as a pure function: filter, abstain, tie-break; the same facts give the same answer."""

from __future__ import annotations

from collections.abc import Sequence, Set

import msgspec

from router.core.adapters import SelectionCandidate
from sona.profile import NO_TOOLS, Profile

TIE_MARGIN = 0.05
"""Confidences closer than this are a tie: then the adapter that is already on the device answers sooner."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a request asks of an adapter beside its text; what is None or empty rules out nothing."""

    tenant: str | None = None
    language: str | None = None
    """Such as `de` or `de-AT`."""
    needs: frozenset[str] = frozenset()
    """Capabilities, as `router.core.types.Features.needs`."""


TEXT_ONLY = frozenset({"vision", "audio", "files"})
"""Needs of content that is no text: adapters are trained on text, so the base model takes it."""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    adapter: str | None
    reason: str


def refusal(profile: Profile, wanted: Wanted) -> str | None:
    """Say which filter rules an adapter out; None = it may be chosen."""
    if wanted.tenant is not None and profile.tenants and wanted.tenant not in profile.tenants:
        return "tenant"
    if not _speaks(profile.languages, wanted.language):
        return "language"
    if wanted.needs & TEXT_ONLY:
        return "modality"
    if "tools" in wanted.needs and profile.tool_format == NO_TOOLS:
        return "tools"
    return None


def decide(
    candidates: Sequence[SelectionCandidate], min_confidence: float, resident: Set[str] = frozenset()
) -> Decision:
    """Choose among candidates, best first.

    A resident adapter is preferred within `TIE_MARGIN` of the best, never over a clear winner, and never below the
    threshold.
    """
    if not candidates:
        return Decision(adapter=None, reason="no adapter may be chosen")
    best = candidates[0]
    if best.confidence < min_confidence:
        return Decision(adapter=None, reason=f"confidence {best.confidence:.2f} below {min_confidence:.2f}")
    floor = max(min_confidence, best.confidence - TIE_MARGIN)
    tied = [one for one in candidates if one.confidence >= floor]
    chosen = next((one for one in tied if one.adapter in resident), best) if len(tied) > 1 else best
    if chosen is not best:
        reason = f"confidence {chosen.confidence:.2f}, a tie with {best.confidence:.2f}, and on the device"
    elif len(candidates) == 1:
        reason = f"confidence {best.confidence:.2f}, the only adapter"
    else:
        reason = f"confidence {best.confidence:.2f} over {candidates[1].confidence:.2f}"
    return Decision(adapter=chosen.adapter, reason=reason)


def _speaks(known: tuple[str, ...], language: str | None) -> bool:
    if not known or language is None:
        return True
    wanted = language.lower().split("-")[0]
    return any(name.split("-")[0] == wanted for name in known)
