"""Sets of numbers by pyroaring, for processes that ask more than once; see :mod:`.bitmap`."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

from pyroaring import BitMap

few = 16


def deserialize(data: bytes) -> BitMap:
    """Read the portable format."""
    return BitMap.deserialize(data)


def of(numbers: Iterable[int]) -> BitMap:
    """A set of numbers."""
    return BitMap(array("I", numbers), optimize=False)


def of_ranges(ranges: Iterable[tuple[int, int]]) -> BitMap:
    """The numbers from each start up to its end."""
    found = BitMap()
    for start, end in ranges:
        found.add_range(start, end)
    return found


def serialize(numbers: BitMap | array[int]) -> bytes:
    """The portable format of ascending numbers.

    Without runs where it is new: they take little room, but much time in :class:`.bitmap.Bitmap`.
    """
    return (numbers if isinstance(numbers, BitMap) else BitMap(numbers, optimize=False)).serialize()
