"""Ascending sets of record numbers, in the portable format of Roaring bitmaps.

The format is that of https://github.com/RoaringBitmap/RoaringFormatSpec: numbers are held in
chunks of 65,536, each an array of u16, a bitmap of 8 KiB, or runs. Two readers share its
operators ``& - | len in iter``: ``pyroaring.BitMap``, fast and used wherever a process lives longer
than one lookup, and this module's own, which costs nothing to import.
"""

from __future__ import annotations

from _struct import Struct
from itertools import compress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, Protocol, TypeAlias

    class Numbers(Protocol):
        """What both readers can do."""

        def __len__(self) -> int: ...
        def __iter__(self) -> Iterator[int]: ...
        def __contains__(self, number: int) -> bool: ...
        def __and__(self, other: Any) -> Numbers: ...
        def __or__(self, other: Any) -> Numbers: ...
        def __sub__(self, other: Any) -> Numbers: ...

    class Sets(Protocol):
        """What reads and makes them: the class Bitmap, or the module :mod:`.roaring`. With more
        than ``few`` records, operations on sets are faster than a look at each."""

        @property
        def few(self) -> int: ...
        def deserialize(self, data: bytes, /) -> Numbers: ...
        def of(self, numbers: Iterable[int], /) -> Numbers: ...
        def of_ranges(self, ranges: Iterable[tuple[int, int]], /) -> Numbers: ...

    Chunk: TypeAlias = int | list[int] | memoryview  # bits, or ascending u16

_NO_RUNS, _RUNS = 12346, 12347  # the cookies of the format
_NO_OFFSETS = 4  # with runs, fewer chunks than this have no table of offsets
_ARRAY = 4096  # numbers that an array holds at most
_BYTES = 8192
_SIZE = 8 * _BYTES
_ONES, _ZEROS = bytes.maketrans(b"01", b"\0\1"), bytes.maketrans(b"01", b"\1\0")
_FEW_RUNS = 32  # each costs an operation on all bits
_U32 = Struct("<I")


class Bitmap:
    """An immutable set of numbers below 2^32."""

    few = 1000
    __slots__ = ("_chunks",)

    def __init__(self, chunks: dict[int, Chunk]) -> None:
        self._chunks = chunks  # by the upper 16 bits, ascending, none of them empty

    @classmethod
    def deserialize(cls, data: bytes) -> Bitmap:
        """Read the portable format; what is not in it raises ValueError or IndexError."""
        view = memoryview(data)
        cookie = _U32.unpack_from(data)[0]
        if cookie & 0xFFFF == _RUNS:
            count, at = (cookie >> 16) + 1, 4
            runs = data[at : at + (count + 7) // 8]
            at += len(runs)
        elif cookie == _NO_RUNS:
            count, at, runs = _U32.unpack_from(data, 4)[0], 8, b""
        else:
            raise ValueError("not a Roaring bitmap")
        heads = view[at : at + 4 * count].cast("H")
        at += 4 * count
        if not runs or count >= _NO_OFFSETS:
            at += 4 * count  # the table of offsets: everything is read in order
        chunks: dict[int, Chunk] = {}
        for number in range(count):
            size = heads[2 * number + 1] + 1
            if runs and runs[number >> 3] >> (number & 7) & 1:
                length = 2 + 4 * (data[at] | data[at + 1] << 8)
                chunk: Chunk = _of_runs(view[at + 2 : at + length].cast("H"))
            elif size > _ARRAY:
                length = _BYTES
                chunk = int.from_bytes(view[at : at + length], "little")
            else:
                length = 2 * size
                chunk = view[at : at + length].cast("H")
            chunks[heads[2 * number]] = chunk
            at += length
        return cls(chunks)

    @classmethod
    def of(cls, numbers: Iterable[int]) -> Bitmap:
        """A set of numbers."""
        chunks: dict[int, Chunk] = {}
        for number in sorted(set(numbers)):
            chunk = chunks.setdefault(number >> 16, [])
            chunk.append(number & 0xFFFF)  # type: ignore[union-attr]
        return cls(chunks)

    @classmethod
    def of_ranges(cls, ranges: Iterable[tuple[int, int]]) -> Bitmap:
        """The numbers from each start up to its end."""
        chunks: dict[int, Chunk] = {}
        for start, end in ranges:
            while start < end:
                key, low = start >> 16, start & 0xFFFF
                size = min(end - start, 0x10000 - low)
                chunks[key] = _bits(chunks.get(key, 0)) | ((1 << size) - 1) << low
                start += size
        return cls(chunks)

    def __len__(self) -> int:
        return sum(
            chunk.bit_count() if isinstance(chunk, int) else len(chunk)
            for chunk in self._chunks.values()
        )

    def __iter__(self) -> Iterator[int]:
        for key in sorted(self._chunks):
            base = key << 16
            for low in _lows(self._chunks[key]):
                yield base + low

    def __contains__(self, number: int) -> bool:
        chunk = self._chunks.get(number >> 16, 0)
        if isinstance(chunk, int):
            return bool(chunk >> (number & 0xFFFF) & 1)
        return number & 0xFFFF in chunk

    def __and__(self, other: Bitmap) -> Bitmap:
        both = self._chunks.keys() & other._chunks.keys()
        return Bitmap(_filled((key, _and(self._chunks[key], other._chunks[key])) for key in both))

    def __sub__(self, other: Bitmap) -> Bitmap:
        theirs = other._chunks
        return Bitmap(
            _filled(
                (key, _minus(chunk, theirs[key]) if key in theirs else chunk)
                for key, chunk in self._chunks.items()
            )
        )

    def __or__(self, other: Bitmap) -> Bitmap:
        chunks = dict(self._chunks)
        for key, chunk in other._chunks.items():
            chunks[key] = _bits(chunks[key]) | _bits(chunk) if key in chunks else chunk
        return Bitmap(chunks)


def _filled(chunks: Iterable[tuple[int, Chunk]]) -> dict[int, Chunk]:
    return {key: chunk for key, chunk in chunks if chunk}


def _of_runs(runs: memoryview) -> Chunk:
    bits = 0
    lows: list[int] = []
    for start, more in zip(runs[::2], runs[1::2]):  # noqa: B905
        if len(runs) <= _FEW_RUNS:
            bits |= ((2 << more) - 1) << start
        else:
            lows.extend(range(start, start + more + 1))
    return bits or lows


def _bits(chunk: Chunk) -> int:
    if isinstance(chunk, int):
        return chunk
    data = bytearray(_BYTES)
    for low in chunk:
        data[low >> 3] |= 1 << (low & 7)
    return int.from_bytes(data, "little")


def _lows(chunk: Chunk) -> Iterable[int]:
    if not isinstance(chunk, int):
        return chunk
    return compress(range(_SIZE), _flags(chunk, _ONES))


def _flags(bits: int, table: bytes) -> bytes:
    """A byte for each number: what ``table`` makes of the digits 0 and 1."""
    return f"{bits:0{_SIZE}b}".encode().translate(table)[::-1]


def _and(one: Chunk, other: Chunk) -> Chunk:
    if isinstance(one, int) and isinstance(other, int):
        return one & other
    if isinstance(one, int):
        one, other = other, one
    return _chosen(one, other, True)


def _minus(one: Chunk, other: Chunk) -> Chunk:
    return one & ~_bits(other) if isinstance(one, int) else _chosen(one, other, False)


def _chosen(array: Chunk, other: Chunk, wanted: bool) -> list[int]:
    """Those of an array that are in the other, or those that are not."""
    assert not isinstance(array, int)
    array = array.tolist() if isinstance(array, memoryview) else array
    if isinstance(other, int):
        flags = _flags(other, _ONES if wanted else _ZEROS)
        return list(compress(array, map(flags.__getitem__, array)))
    there = set(other)
    return [low for low in array if (low in there) is wanted]
