"""One router in front of all upstreams, for all tests here."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from tests.conformance.matrix import Site, site


@pytest.fixture(scope="package")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Site]:
    async with site(tmp_path_factory.mktemp("conformance")) as one:
        yield one
