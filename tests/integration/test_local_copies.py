"""Copies that stop anywhere: nothing unfinished ever reaches the engine, and what is finished does."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep

import pytest

from local_inference.base import read_base
from local_inference.ingest import Limits
from local_inference.intake import Intake, Rules
from local_inference.places import CONFIG, SUMS, WEIGHTS
from local_inference.store import Copy, Store
from tests.fakes.engine_host import serving, until
from tests.fakes.engine_tiny_model import adapter_tensors, write_adapter

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]

CUTS = 50
THEN_NS = 1_700_000_000_000_000_000


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def _freeze(folder: Path) -> None:
    """Set all times back to one that never changes, as tools do that copy them."""
    for path in (*folder.iterdir(), folder):
        os.utime(path, ns=(THEN_NS, THEN_NS))


def _digest(folder: Path) -> str:
    return hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()


async def test_an_adapter_that_is_copied_byte_by_byte_is_loaded_once_it_is_whole(tmp_path: Path) -> None:
    """Fifty copies at once, each held at a random byte of its two files: some in place, some renamed in unfinished."""
    rng = random.Random(7)
    source = write_adapter(tmp_path / "source", tensors=adapter_tensors(rank=1), rank=1)
    whole = {name: (source / name).read_bytes() for name in (CONFIG, WEIGHTS)}
    stream = whole[CONFIG] + whole[WEIGHTS]
    cuts = {
        f"a{n}": rng.randrange(len(stream)) if n % 5 else len(whole[CONFIG]) + rng.randrange(600) for n in range(CUTS)
    }

    def write(folder: Path, data: bytes) -> None:
        (folder / CONFIG).write_bytes(data[: len(whole[CONFIG])])
        if len(data) > len(whole[CONFIG]):
            (folder / WEIGHTS).write_bytes(data[len(whole[CONFIG]) :])
        _freeze(folder)

    async with serving(tmp_path, poll_s=0.05) as running:
        for name, cut in cuts.items():
            renamed = int(name[1:]) % 2 == 0
            folder = running.adapters / (f"{name}.part" if renamed else name)
            folder.mkdir()
            for step in sorted({*rng.sample(range(cut + 1), min(4, cut + 1)), cut}):
                write(folder, stream[:step])
            if renamed:
                folder.rename(running.adapters / name)
        for _ in range(10):
            await asyncio.sleep(0.1)
            assert running.engine.loaded == {}
            assert {info.state for info in (await running.listing()).data} == {"copying"}
        for name in cuts:
            write(running.adapters / name, stream)

        async def all_ready() -> bool:
            return len(running.engine.loaded) == CUTS

        await until(all_ready, 30)
        assert {_digest(path) for path in running.engine.loaded.values()} == {_digest(source)}


async def test_a_file_that_is_written_over_in_place_is_never_served_half_old_half_new(tmp_path: Path) -> None:
    """Same size, same time of change: only its content tells, and the time that nobody can set."""
    folder = write_adapter(tmp_path / "adapters" / "legal")
    old = (folder / WEIGHTS).read_bytes()
    new = (write_adapter(tmp_path / "new", seed=2) / WEIGHTS).read_bytes()
    _freeze(folder)
    digests = {hashlib.sha256(data).hexdigest() for data in (old, new)}
    async with serving(tmp_path, poll_s=0.1) as running:
        first = (await running.state("legal", "ready")).id
        with (folder / WEIGHTS).open("r+b") as file:
            for start in range(0, len(new), len(new) // 20):
                file.seek(start)
                file.write(new[start : start + len(new) // 20])
                file.flush()
                _freeze(folder)
                await asyncio.sleep(0.03)

        async def replaced() -> bool:
            return any(info.current and info.id != first for info in await running.infos("legal"))

        await until(replaced)
        assert {_digest(path) for path in running.engine.loaded.values()} == digests


async def test_a_file_of_full_length_without_its_content_is_told_by_the_list_of_sums(tmp_path: Path) -> None:
    """Some tools reserve a file's whole length first: a header and zeros look finished."""
    source = write_adapter(tmp_path / "source")
    data = (source / WEIGHTS).read_bytes()
    sums = "".join(
        f"{hashlib.sha256((source / name).read_bytes()).hexdigest()}  {name}\n" for name in (CONFIG, WEIGHTS)
    )
    async with serving(tmp_path, poll_s=0.05) as running:
        folder = running.adapters / "legal"
        shutil.copytree(source, folder)
        (folder / WEIGHTS).write_bytes(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))
        (folder / SUMS).write_text(sums)
        assert (await running.state("legal", "quarantined")).reason == "hash_mismatch"
        assert running.engine.loaded == {}
        (folder / WEIGHTS).write_bytes(data)
        await running.state("legal", "ready")


class SlowStore(Store):
    """Takes its time over a copy, and tells whether it heard that nobody wants it any more."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.copied = threading.Event()
        self.heard = False

    def take(self, folder: Path, unwanted: Callable[[], bool] = lambda: False, *, known: bool = True) -> Copy:
        copy = super().take(folder, unwanted, known=known)
        self.copied.set()
        deadline_s = monotonic() + 5
        while not (heard := unwanted()) and monotonic() < deadline_s:
            sleep(0.005)
        self.heard = heard
        return copy


async def test_a_copy_that_nobody_wants_any_more_ends_at_once_and_leaves_nothing(tmp_path: Path) -> None:
    """As when a folder changes, or goes, while it is copied."""
    write_adapter(tmp_path / "adapters" / "legal")
    store = SlowStore(tmp_path / "store")
    store.open()

    async def running() -> None: ...

    rules = Rules(limits=Limits(max_rank=16, max_bytes=10**9))
    intake = Intake(tmp_path / "adapters", store, rules, lambda: read_base(str(tmp_path)), running)
    taking = asyncio.create_task(intake.take("legal", lambda version: None, known=False))
    await asyncio.to_thread(store.copied.wait, 5)
    assert len(list((tmp_path / "store" / ".incoming").iterdir())) == 1
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking
    assert store.heard
    assert list((tmp_path / "store" / ".incoming").iterdir()) == []
    assert sorted(path.name for path in (tmp_path / "store").iterdir()) == [".incoming"]
