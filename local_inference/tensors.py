"""Reads safetensors files without torch: the header, and the values that matter, from untrusted bytes."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import BinaryIO, TypeAlias, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

MAX_HEADER_BYTES = 16 * 1024 * 1024
MAX_TENSORS = 65_536
"""A mixture of 128 experts in 48 layers has 36,864."""
Floats: TypeAlias = NDArray[np.floating] | NDArray[np.uint16]
"""A tensor's values, flat; BF16 as its raw 16 bits."""

_ITEM_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
_NUMPY = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
_NO_LENGTH = 1024 * 1024 * 1024
"""A file whose first bytes say that its header is longer than this is another kind of file."""
_CHUNK_BYTES = 4 * 1024 * 1024
_COLONS, _COMMAS = 4, 9
"""How many of them a tensor's entry holds at most; more in all can't be a header of so few tensors."""
_METADATA_MARKS = 16_384

MAX_JSON_BYTES = 64 * 1024 * 1024
"""A configuration or index larger than this is none."""


class BadFile(Exception):
    """Not a safetensors file, or one that contradicts itself."""


class TooManyTensors(BadFile):
    """A header that would cost more memory than any adapter's needs."""


class HeaderTooLarge(BadFile):
    """A length in front of the header that no adapter's has."""


class Tensor(msgspec.Struct, frozen=True):
    """One tensor's place in a file: byte offsets from the start of the file, end exclusive."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


class Header(msgspec.Struct, frozen=True):
    """A file's tensors, and the exact size that the file must have."""

    tensors: dict[str, Tensor]
    file_bytes: int


class _Entry(msgspec.Struct):
    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


_HEADER = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ENTRY = msgspec.json.Decoder(_Entry)
_METADATA = msgspec.json.Decoder(dict[str, str])


def header_bytes(prefix: bytes) -> int | None:
    """Read from a file's first 8 bytes how long its header is; None while they are not written yet.

    Raises:
        BadFile: no header is that long.
    """
    if len(prefix) < 8 or prefix[:8] == bytes(8):
        return None
    length = int.from_bytes(prefix[:8], "little")
    if length > MAX_HEADER_BYTES:
        if length > _NO_LENGTH:
            raise BadFile("its first bytes are not those of a safetensors file")
        raise HeaderTooLarge(f"its header would have {length} bytes, at most {MAX_HEADER_BYTES} are allowed")
    return length


def parse_header(data: bytes) -> Header:
    """Parse a header, given without the 8 bytes before it.

    Raises:
        BadFile: not a header, or its offsets overlap or leave holes.
    """
    # Counted before anything is decoded: what a stranger's JSON costs in memory follows from these marks.
    if data.count(b":") > _COLONS * MAX_TENSORS + _METADATA_MARKS:
        raise TooManyTensors(f"its header names more than {MAX_TENSORS} tensors")
    if data.count(b",") > _COMMAS * MAX_TENSORS + _METADATA_MARKS:
        raise TooManyTensors(f"its header lists more than {MAX_TENSORS} tensors have")
    try:
        raw = _HEADER.decode(data)
        _METADATA.decode(raw.get("__metadata__", b"{}"))
        entries = {name: _ENTRY.decode(value) for name, value in raw.items() if name != "__metadata__"}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadFile("its header is not the JSON of a safetensors file") from None
    if len(entries) > MAX_TENSORS:
        raise TooManyTensors(f"it holds {len(entries)} tensors, at most {MAX_TENSORS} are allowed")
    base = 8 + len(data)
    end = 0
    for name, entry in sorted(entries.items(), key=lambda item: item[1].data_offsets):
        start, stop = entry.data_offsets
        if start != end or stop < start or min((0, *entry.shape)) < 0:
            raise BadFile(f"the offsets of tensor '{name}' overlap or leave a hole")
        width = _ITEM_BYTES.get(entry.dtype)
        if width is not None and stop - start != width * _count(entry.shape):
            raise BadFile(f"the size of tensor '{name}' contradicts its shape")
        end = stop
    tensors = {
        name: Tensor(e.dtype, e.shape, base + e.data_offsets[0], base + e.data_offsets[1])
        for name, e in entries.items()
    }
    return Header(tensors, base + end)


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading, but nothing that could block or never end, such as a pipe or a device.

    Raises:
        OSError: it can't be read, or is no regular file.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return os.fdopen(handle, "rb")


def read_header(path: Path) -> Header | None:
    """Read a file's header; None while it isn't all there.

    Raises:
        BadFile: see `parse_header`.
        OSError: the file can't be read.
    """
    with open_regular(path) as file:
        length = header_bytes(file.read(8))
        data = file.read(length) if length is not None else b""
    if length is None or len(data) < length or not data.strip(b"\0"):
        return None
    return parse_header(data)


class ValueFacts(msgspec.Struct, frozen=True):
    """What was seen of a tensor's values."""

    finite: bool
    """No value is NaN or infinite."""
    zero: bool
    """Every value is zero, of either sign; also if there is none."""


def value_facts(file: BinaryIO, tensor: Tensor) -> ValueFacts:
    """Look at a tensor's values, in pieces: memory stays the same however large it is.

    Raises:
        BadFile: its type isn't a float of 16, 32 or 64 bits.
    """
    if tensor.dtype not in _NUMPY:
        raise BadFile(f"type {tensor.dtype} is not a float of 16, 32 or 64 bits")
    file.seek(tensor.start)
    left, finite, zero = tensor.end - tensor.start, True, True
    while left > 0 and finite:
        piece = file.read(min(_CHUNK_BYTES, left))
        if not piece:
            raise BadFile("it ends before its tensors do")
        left -= len(piece)
        data = cast(Floats, np.frombuffer(piece, dtype=_NUMPY[tensor.dtype]))
        finite = is_finite(data)
        zero = zero and is_zero(data)
    return ValueFacts(finite, zero)


def is_finite(data: Floats) -> bool:
    """Say whether no value is NaN or infinite."""
    if data.dtype == np.uint16:
        return not bool(np.any(np.bitwise_and(_bits(data), 0x7F80) == 0x7F80))
    return bool(np.all(np.isfinite(data)))


def is_zero(data: Floats) -> bool:
    """Say whether every value is zero, of either sign."""
    return not bool(np.any(np.bitwise_and(_bits(data), 0x7FFF) if data.dtype == np.uint16 else data))


def _bits(data: Floats) -> NDArray[np.uint16]:
    return cast("NDArray[np.uint16]", data)


def read_json(path: Path, most_bytes: int = MAX_JSON_BYTES) -> object:
    """Read a JSON file in UTF-8, as engines do: no other encoding, and no mark of the byte order before it.

    Raises:
        ValueError: not JSON.
        OSError: it can't be read.
    """
    try:
        with open_regular(path) as file:
            data = file.read(most_bytes + 1)
        if len(data) > most_bytes:
            raise ValueError(f"larger than {most_bytes} bytes")
        return cast(object, json.loads(data.decode()))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _count(shape: tuple[int, ...]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count
