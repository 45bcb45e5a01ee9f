"""`python -m tests.conformance` shows what became of every cell; `--write` writes docs/matrix.md."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.conformance.matrix import Cell, site


async def _cells() -> list[Cell]:
    with tempfile.TemporaryDirectory() as folder:
        async with site(Path(folder)) as one:
            return await one.cells()


def main() -> None:
    """Run, and show or write."""
    cells = asyncio.run(_cells())
    for cell in cells:
        for stream, result in cell.results.items():
            if result.kind not in ("native", "yes", "none"):
                mode = "streamed" if stream else "whole"
                print(f"{result.kind:8} {cell.caller:11} {cell.upstream:10} {cell.feature:14} {mode:8} {result.detail}")
    print(Counter(result.kind for cell in cells for result in cell.results.values()))


if __name__ == "__main__":
    main()
