"""The seam between the host and an engine: what any engine can do, and what it is given; no behaviour."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Literal, Protocol

import msgspec
from pydantic import BaseModel, ConfigDict, Field

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""What vLLM accepts as its largest rank. Source: vllm/config/lora.py in 0.32.0."""
BASE_NAME = "local/base"
"""Engine-side name of the base model; adapters are called `<name>@<version>` there, so answers name themselves."""

SPARE_SLOTS = 1
"""Device slots that an engine has beyond those that callers' requests fill: a new adapter is loaded and proven there
without waiting for anybody's answer to end, and without pushing out an adapter that runs."""


class EngineConfig(BaseModel):
    """What every kind of engine is told; a kind's own `Config` adds to it."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    kind: str
    model: str
    """Folder of the base model, or a hub name."""
    max_loras: int = Field(4, ge=1)
    """Device slots: adapters that callers' requests can have in one batch. The engine has `SPARE_SLOTS` more."""
    max_cpu_loras: int = Field(32, ge=1)
    """Host slots: adapters kept in memory; the others are read again from the store when asked for."""
    max_lora_rank: int | Literal["auto"] = "auto"
    max_num_seqs: int = Field(256, ge=1)
    """Requests that are computed together; the host lets twice as many into the engine, so that its batch stays full."""


class EngineDeps(msgspec.Struct, frozen=True, kw_only=True):
    """What the host gives an engine."""

    log_path: Path
    """Where a child process' output goes."""


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """Which adapters' weights an engine holds, by their engine-side names; the least recently used first."""

    host: tuple[str, ...] = ()
    """In its memory, those on the device included."""
    device: tuple[str, ...] = ()
    unnamed: int = 0
    """Weights that it holds for names which it has forgotten."""


class Answer(Protocol):
    """An engine's answer to one request, its body not yet read."""

    @property
    def status(self) -> int: ...

    @property
    def content_type(self) -> str: ...

    async def read(self) -> bytes:
        """Read the whole body."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body's bytes as they come, cut anywhere."""
        ...


class Engine(Protocol):
    """An inference engine that speaks OpenAI's dialect. Started and stopped any number of times."""

    async def start(self, progress: Callable[[str], None]) -> None:
        """Start it; return when it answers. `progress` hears the phase it is in.

        Raises:
            UpstreamUnavailable: it ended or never answered; the message quotes why.
        """
        ...

    async def wait_exit(self) -> str:
        """Wait until it ends by itself; return what is known of the reason."""
        ...

    async def stop(self) -> None:
        """End it and everything it started, within a few seconds. Safe in any state."""
        ...

    async def load(self, name: str, path: Path) -> None:
        """Load an adapter from an absolute path under a new name.

        Raises:
            UpstreamRejected: the engine refuses this adapter.
            UpstreamUnavailable: the engine is gone.
        """
        ...

    async def unload(self, name: str) -> None:
        """Forget an adapter and free its weights; returns once they are gone. Not having it is no error.

        Raises:
            UpstreamRejected: requests still use it.
            UpstreamUnavailable: the engine is gone.
        """
        ...

    async def memory(self) -> Memory:
        """Ask which adapters' weights are where.

        Raises:
            UpstreamUnavailable: the engine is gone.
        """
        ...

    async def evict(self, name: str, *, from_host: bool) -> None:
        """Take an adapter's weights off the device, or out of memory altogether; its name goes on to answer.

        Raises:
            UpstreamRejected: requests use it.
            UpstreamUnavailable: the engine is gone.
        """
        ...

    async def fetch(self, name: str) -> None:
        """Bring the weights of a loaded adapter back into memory and onto the device.

        Raises:
            UpstreamRejected: the engine can't.
            UpstreamUnavailable: the engine is gone.
        """
        ...

    async def activation_ms(self, name: str) -> float | None:
        """Measure how long an adapter in memory takes onto the device; None = that can't be had.

        Raises:
            UpstreamUnavailable: the engine is gone.
        """
        ...

    def send(self, path: str, body: bytes, *, urgent: bool = False) -> AbstractAsyncContextManager[Answer]:
        """Send one request body to an API path; leaving the context cancels whatever still runs.

        `urgent` goes before what waits in the engine.

        Raises:
            UpstreamUnavailable: the engine can't be reached, or breaks off while it answers.
        """
        ...
