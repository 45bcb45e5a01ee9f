"""The PostgreSQL server of the tests does what tests of outages rely on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from tests.fakes.postgres import Postgres, postgres, programs

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def server() -> AsyncGenerator[Postgres]:
    async with postgres() as one:
        yield one


async def ask(server: Postgres, statement: str, within_s: float = 30) -> str:
    """Answer of a statement; raises `TimeoutError` if there is none."""
    options = ("--no-psqlrc", "--tuples-only", "--no-align", "--quiet")
    asked = await asyncio.create_subprocess_exec(
        programs() / "psql", *options, "-c", statement, server.url, stdout=-1, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(within_s):
            answer, _ = await asked.communicate()
            return answer.decode().strip()
    except TimeoutError:
        asked.kill()
        await asked.communicate()
        raise


async def test_it_keeps_its_data_and_its_address_over_an_outage(server: Postgres) -> None:
    await ask(server, "CREATE TABLE kept (one int); INSERT INTO kept VALUES (41)")
    await server.stop()
    assert "refused" in await ask(server, "SELECT one FROM kept")
    await server.stop()
    await server.start()
    assert await ask(server, "SELECT one FROM kept") == "41"


async def test_a_paused_one_is_there_but_silent_and_goes_on_when_resumed(server: Postgres) -> None:
    await server.pause()
    with pytest.raises(TimeoutError):
        await ask(server, "SELECT 1", within_s=0.5)
    await server.resume()
    assert await ask(server, "SELECT 1") == "1"


async def test_a_paused_one_can_be_stopped(server: Postgres) -> None:
    await server.pause()
    await server.stop()
    await server.start()
    assert await ask(server, "SELECT 1") == "1"
