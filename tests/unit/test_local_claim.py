"""One engine host alone uses a store."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from local_inference.claim import claimed
from router.core.errors import ConfigError

pytestmark = pytest.mark.anyio

HOLDS = """
import asyncio, sys
from pathlib import Path
from local_inference.claim import claimed
async def main():
    async with claimed(Path(sys.argv[1])):
        print("has it", flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""


async def test_a_second_one_is_told_so_and_waits_for_one_that_ends(tmp_path: Path) -> None:
    async with claimed(tmp_path):
        with pytest.raises(ConfigError, match=r"another engine host uses .*store_dir"):
            async with claimed(tmp_path, 0.2):
                pass

    async def second() -> str:
        async with claimed(tmp_path, 10):
            return "got it"

    async with claimed(tmp_path):
        waiting = asyncio.create_task(second())
        await asyncio.sleep(0.2)
        assert not waiting.done()
    assert await waiting == "got it"


async def test_one_that_is_killed_lets_go_of_it(tmp_path: Path) -> None:
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDS, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert other.stdout is not None
    await other.stdout.readline()
    with pytest.raises(ConfigError):
        async with claimed(tmp_path, 0):
            pass
    other.kill()
    async with claimed(tmp_path, 10):
        await other.wait()
