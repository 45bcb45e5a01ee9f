"""What all tests share, and in which order they are handed out where several processes run them."""

from __future__ import annotations

import pytest

LONGEST_FIRST = ("e2e", "integration", "conformance", "property", "architecture", "unit")
"""Folders of tests: files that take long come first, so that no process is left with one when the others have ended."""


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests run on asyncio."""
    return "asyncio"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order the folders if this is one of several processes."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: LONGEST_FIRST.index(item.path.relative_to(config.rootpath).parts[1]))
