"""`python -m tests.conformance` shows what became of every cell; `--write` writes docs/matrix.md."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.conformance.matrix import Cell, site
from tests.conformance.page import PAGE, page


async def _cells() -> list[Cell]:
    with tempfile.TemporaryDirectory() as folder:
        async with site(Path(folder)) as one:
            return await one.cells()


def main() -> None:
    """Run, and show or write."""
    cells = asyncio.run(_cells())
    failed = any(result.kind == "failed" for cell in cells for result in cell.results.values())
    if "--write" in sys.argv[1:] and not failed:
        PAGE.write_text(page(cells), encoding="utf-8")
    for cell in cells:
        for stream, result in cell.results.items():
            if result.kind not in ("native", "yes", "none"):
                mode = "streamed" if stream else "whole"
                words = (result.kind, cell.caller, cell.upstream, cell.feature, mode, result.detail)
                sys.stdout.write("\t".join(words) + "\n")
    counts = Counter(result.kind for cell in cells for result in cell.results.values())
    sys.stdout.write(f"{dict(counts)}\n")
    sys.exit(failed)


if __name__ == "__main__":
    main()
