"""Vectors of texts without a model: the mean of a vector for each token, looked up in a table that the encoder made."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from importlib import resources

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

FILE = "static_table.npz"
"""Beside this module; `sona/distil.py` writes it. `rows` (tokens, dims) int8, `scales` (tokens,) float16."""


class StaticTable:
    """Embeds by looking up: microseconds for a prompt, and blind to the order of words."""

    def __init__(
        self, rows: NDArray[np.int8], scales: Floats, tokens: Callable[[str], list[int]], version: str
    ) -> None:
        """`tokens` gives a text's places in the table, with the marks at both ends."""
        self.dims = self.layer_dims = rows.shape[1]
        self.version = version
        self._rows = rows
        self._scales = scales
        self._tokens = tokens

    def embed(self, texts: Sequence[str]) -> Floats:
        """Return (n, dims) float32, rows of unit length, or of zeros for a text without tokens."""
        rows = np.empty((len(texts), self.dims), dtype=np.float32)
        for row, text in enumerate(texts):
            places = np.array(self._tokens(text)[1:-1], dtype=np.intp)
            total = self._scales[places] @ self._rows[places].astype(np.float32)
            rows[row] = total / max(float(np.linalg.norm(total)), 1e-9)
        return rows


def load_static_table(tokens: Callable[[str], list[int]]) -> StaticTable:
    """Load the table that comes with this package: 4 MB, in some milliseconds."""
    content = resources.files(__package__ or "sona").joinpath(FILE).read_bytes()
    version = hashlib.blake2b(content, digest_size=6).hexdigest()
    with np.load(io.BytesIO(content)) as stored:
        return StaticTable(stored["rows"], stored["scales"].astype(np.float32), tokens, f"static-{version}")
