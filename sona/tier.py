"""One embedder, and what it has made of the cards so far; whoever holds it sees to it that one thread works on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sona.background import BACKGROUND, FORMED, FORMS
from sona.embedder import Embedder
from sona.entry import Background, Entry, build_background, build_entry
from sona.profile import Profile
from sona.reading import Reading, read
from sona.snapshot import Snapshot, build_snapshot, remembered_grams


class Tier:
    """Reads each card once, as long as it is wanted."""

    def __init__(self, embedder: Embedder, *, duels: bool = True) -> None:
        """Without `duels`, its snapshots can only glance, and hold much less."""
        self.embedder = embedder
        self._duels = duels
        self._pair_gram = remembered_grams()
        self._background: Background | None = None
        self._entries: dict[Profile, Entry] = {}
        self._prepared: dict[Profile, Entry] = {}
        """What was read of adapters that aren't ready: not yet, or not any more."""

    def build(self, version: str, profiles: Sequence[Profile], like: Snapshot | None = None) -> Snapshot:
        """Put some cards side by side, one at least. Blocking: it reads those that are new.

        `like` is a snapshot of the same cards by another tier: what isn't the embedder's is taken from there.
        """
        background = self._read_background()
        before = {**self._prepared, **self._entries}
        known = {profile: before[profile] for profile in profiles if profile in before}
        known |= self._read([profile for profile in profiles if profile not in known], background)
        if not self._entries.keys() <= known.keys():
            self._pair_gram = remembered_grams()  # what was remembered of the others goes with them
        self._entries = known
        self._prepared = {profile: entry for profile, entry in before.items() if profile not in known}
        return build_snapshot(version, tuple(known.values()), background, self._pair_gram, like=like)

    def prepare(self, profiles: Sequence[Profile]) -> None:
        """Read cards that will be wanted soon, and forget what was read of others that aren't. Blocking."""
        kept = {profile: self._prepared[profile] for profile in profiles if profile in self._prepared}
        new = [profile for profile in profiles if profile not in kept and profile not in self._entries]
        self._prepared = {**kept, **(self._read(new, self._read_background()) if new else {})}

    def _read_background(self) -> Background:
        if self._background is None:
            formed = [read(self.embedder, [form.format(prompt) for form in FORMS]) for prompt in FORMED]
            self._background = build_background(read(self.embedder, BACKGROUND), formed, self.embedder.layer_dims)
        return self._background

    def _read(self, profiles: Sequence[Profile], background: Background) -> dict[Profile, Entry]:
        """Embed the texts of some new cards, each text once."""
        texts = dict.fromkeys(text for profile in profiles for text in profile.positives + profile.negatives)
        readings = dict(zip(texts, read(self.embedder, tuple(texts)), strict=True))
        return {profile: self._entry(profile, readings, background) for profile in profiles}

    def _entry(self, profile: Profile, readings: Mapping[str, Reading], background: Background) -> Entry:
        hints, examples, negatives = (
            [readings[text] for text in texts] for texts in (profile.hints, profile.examples, profile.negatives)
        )
        return build_entry(profile, hints, examples, negatives, background, duels=self._duels)
