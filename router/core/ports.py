"""The seams between stages: what a part may ask of another without knowing which one it is."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence, Set
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

import msgspec

from router.core.adapters import Selection
from router.core.types import (
    Attempt,
    Candidate,
    Cleared,
    Delta,
    Dialect,
    Features,
    JsonObject,
    JsonValue,
    Outcome,
    Request,
    ScanReport,
    Target,
)


def ignored(headers: Mapping[str, str]) -> None:
    """Take headers that nobody wants."""
    del headers


class Clocks(msgspec.Struct, frozen=True, kw_only=True):
    """How long one attempt may take, in seconds; never past the request's deadline."""

    ttft_s: float
    total_s: float
    heard: Callable[[Mapping[str, str]], None] = ignored
    """Takes the headers of every answer of the upstream, by lower-case names: they tell of its rate limits."""


class Scanner(Protocol):
    """Reads a request's text for sensitive data. Fails closed: never raises, reports what it couldn't read."""

    async def scan(self, body: JsonObject) -> ScanReport: ...


class Extractor(Protocol):
    """Reads what a content part that is no text says or shows, so that it can be scanned."""

    @property
    def kinds(self) -> Set[str]:
        """The types of content parts that it reads, such as `image_url`."""
        ...

    async def text(self, part: JsonObject) -> str | None:
        """Return all text in a part, empty if it holds none; None = it can't be read, and so stays on this machine.

        What it raises counts as the scan's failure. It is cancelled at the scan's deadline.
        """
        ...


class Provider(Protocol):
    """One API dialect with its credentials and its connections."""

    @property
    def dialects(self) -> Set[Dialect]:
        """What `send` takes; everything else is translated into CHAT before it is cleared, where it can be."""
        ...

    def send(self, cleared: Cleared, clocks: Clocks) -> AsyncGenerator[Delta, None]:
        """Send one cleared request, which is in one of `dialects`; yield its answer in the same dialect.

        A streamed request yields one delta an event, one of the last with a finish reason; any other yields one
        delta, the whole. Closing the generator cancels the upstream request.

        Raises:
            RouterError: of the `Upstream…` family, also when the answer ends before it is complete.
        """
        ...

    async def reachable(self, timeout_s: float) -> bool:
        """Say whether the upstream answers at all, whatever it answers; sends nothing of any request."""
        ...

    async def aclose(self) -> None: ...


NOTHING: Mapping[str, JsonValue] = MappingProxyType({})


class Permit(Protocol):
    """Permits one request to go to one target, anew for each attempt; the pipeline's way to `policy.clearance.clear`."""

    def __call__(
        self,
        target: Target,
        *,
        native: Set[Dialect] | None = None,
        asking: Mapping[str, JsonValue] = NOTHING,
        question: JsonObject | None = None,
    ) -> Cleared:
        """Return the clearance.

        `native` are the dialects that the request may stay in; None = those that the target's provider takes. `asking` are
        fields of the router's own to add, none of which holds anything of the caller's. `question` is a chat request about
        the answer, to be sent in place of the caller's: such a one is permitted to this machine only.

        Raises:
            UnsupportedFeature, LocalityViolation: as `clear`.
        """
        ...


class AdapterChooser(Protocol):
    """Chooses the LoRA adapter for a request that will be answered locally."""

    async def choose(self, request: Request) -> Selection: ...


class Strategy(Protocol):
    """A pure ranking of candidates: no I/O, no clock, no state.

    An attribute `needs` may name the features beyond the request itself that it ranks by, so that they are found out:
    `session`, `stuck`, `language`. Its module may have a `check(config, pool)` that returns a `Misfit` where the strategy
    can't do what its options say.
    """

    def rank(self, features: Features, candidates: Sequence[Candidate], seed: float) -> Sequence[float | None]:
        """Score each candidate, higher is better, in the order given; None leaves it out.

        `seed` is uniform in [0, 1). A score is finite, and depends on what the candidates are, not on their order.
        """
        ...


class Pool(msgspec.Struct, frozen=True, kw_only=True):
    """What a strategy will choose from, as far as the configuration tells."""

    groups: tuple[str, ...]
    deployments: tuple[str, ...]
    """As `<provider>/<model>`."""
    rated: Mapping[str, float]
    """Deployment -> quality, of those that have one."""


class Misfit(msgspec.Struct, frozen=True):
    """What is wrong with a strategy's options where they are used."""

    place: tuple[str | int, ...]
    """Key path in the options; empty = all of them."""
    message: str


class SinkState(msgspec.Struct, frozen=True, kw_only=True):
    """How a sink is doing."""

    trouble: str = ""
    """Why it can't write now, in words; empty = it can."""
    waiting: int = 0
    """Records that are taken but not written yet."""
    lost: int = 0
    """Records that were never written, since the start."""
    required: bool = False
    """Whether no request may be answered while it can't write."""


class Sink(Protocol):
    """Takes finished outcomes. Must return at once; whatever is slow happens in its own thread or task."""

    def write(self, outcome: Outcome) -> None: ...

    def state(self) -> SinkState: ...

    async def aclose(self) -> None: ...


class SinkDeps(msgspec.Struct, frozen=True, kw_only=True):
    """What the router gives a sink to be built with, beside its own configuration."""

    folder: Path
    """Where records go, `record.path`."""
    policy: str
    """Version (hash) of all configuration that decides where a request may go."""


class Notes(Protocol):
    """Collects, while a request runs, what its decision record will say."""

    def selected(self, selection: Selection) -> None: ...

    def calling(self, target: Target) -> None:
        """Mark the end of the router's own work: the attempt's first byte leaves now."""
        ...

    def answering(self, cleared: Cleared) -> None:
        """Mark whose answer the caller gets, where that isn't the target that was called last."""
        ...

    def attempted(self, attempt: Attempt) -> None: ...
