"""The two readers of sets of numbers do the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap

from cmgit.index import roaring
from cmgit.index.bitmap import Bitmap

ranges = st.lists(
    st.tuples(st.integers(0, 200_000), st.sampled_from([1, 2, 50, 4096, 4097, 70_000]))
    .map(lambda pair: (pair[0], sum(pair))),
    max_size=40,
)  # fmt: skip
sparse = st.lists(st.integers(0, 200_000), max_size=60)


@st.composite
def bitmaps(draw: st.DrawFn) -> BitMap:
    """Sets of all kinds: sparse, dense, with runs, with gaps."""
    numbers = roaring.of_ranges(draw(ranges)) | BitMap(draw(sparse))
    numbers -= BitMap(draw(sparse))
    if draw(st.booleans()):
        numbers = BitMap(list(numbers), optimize=False)
    return numbers


def same(mine: Bitmap, theirs: BitMap) -> None:
    """Both hold the same numbers, in order."""
    assert len(mine) == len(theirs)
    assert list(mine) == list(theirs)


@given(bitmaps(), bitmaps())
def test_operators(one: BitMap, other: BitMap) -> None:
    """What is read, and every operator, is as in pyroaring."""
    mine = [Bitmap.deserialize(roaring.serialize(each)) for each in (one, other)]
    same(mine[0], one)
    same(mine[0] & mine[1], one & other)
    same(mine[0] - mine[1], one - other)
    same(mine[0] | mine[1], one | other)
    same((mine[0] | mine[1]) - (mine[0] & mine[1]), one ^ other)
    for number in (0, 7, 65_535, 65_536, 200_000, *list(one)[:5]):
        assert (number in mine[0]) == (number in one)


@given(ranges, sparse)
def test_making(some: list[tuple[int, int]], numbers: list[int]) -> None:
    """Sets made of ranges and of numbers in any order."""
    same(Bitmap.of_ranges(some), roaring.of_ranges(some))
    same(Bitmap.of(numbers), roaring.of(numbers))


@pytest.mark.parametrize("data", [b"", b"abc", b"12345678", bytes(8)])
@pytest.mark.parametrize("read", [Bitmap.deserialize, roaring.deserialize])
def test_what_is_no_bitmap(read: Callable[[bytes], Any], data: bytes) -> None:
    """Anything else is an error."""
    with pytest.raises(Exception, match=r"."):
        read(data)
