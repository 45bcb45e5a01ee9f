"""`python -m sona.distil`: makes the static table of the encoder, token by token; a minute of one core.

Each token goes through the encoder alone; what all tokens have in common is taken off, the widest directions are kept,
and frequent tokens weigh less.
Source: Model2Vec, https://github.com/MinishLab/model2vec (2026-11-29); weights by smooth inverse frequency: Arora et al.,
"A Simple but Tough-to-Beat Baseline for Sentence Embeddings", ICLR 2017.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from sona.embedder import OnnxEmbedder, load_embedder
from sona.static_table import FILE

Floats = NDArray[np.float32]

DIMS = 128
SMOOTHING = 1e-4
"""A token's weight is this by this plus its frequency."""


def distil(embedder: OnnxEmbedder) -> tuple[NDArray[np.int8], NDArray[np.float16]]:
    """Return (tokens, DIMS) rows in 8 bits and (tokens,) scales. Two runs on one machine give the same."""
    first, last = embedder.all_token_ids("")
    vectors = np.stack([embedder.vector([first, token, last]) for token in range(embedder.vocabulary_size)])
    centred = (vectors - vectors.mean(axis=0)).astype(np.float64)
    _, directions = np.linalg.eigh(centred.T @ centred)
    # The vocabulary is sorted by frequency, which falls with the rank (Zipf).
    shares = 1.0 / np.arange(1, len(centred) + 1)
    weights = SMOOTHING / (SMOOTHING + shares / shares.sum())
    kept = centred @ directions[:, ::-1][:, :DIMS] * weights[:, None]
    scales = np.abs(kept).max(axis=1) / 127 + 1e-12
    return np.rint(kept / scales[:, None]).astype(np.int8), (scales / scales.max()).astype(np.float16)


def main() -> None:
    """Write the table beside this module."""
    with TemporaryDirectory() as folder:
        rows, scales = distil(load_embedder(Path(folder)))
    np.savez_compressed(Path(__file__).with_name(FILE), rows=rows, scales=scales)


if __name__ == "__main__":
    main()
