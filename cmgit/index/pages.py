"""Files of the index that are read a piece at a time: mapped, in sections, verified by block.

Layout (integers little-endian): the sections one after another, each at a multiple of eight; then
the *tail*: offset and length of each section (u64 each); the xxh3-64 of every 16 KiB of what is
before the tail (u64 each, the last block being shorter); and the trailer of 24 bytes: a magic of
eight, u32 version, u32 number of sections, u64 offset of the tail. The file is named by the xxh3-64
of its tail, so that its name vouches for all of it, though a reader checks only what it reads.
"""

from __future__ import annotations

import os
from _bisect import bisect_left
from _struct import Struct
from mmap import ACCESS_READ, mmap

from .record import digest, hash64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

BLOCK_BITS = 14
BLOCK = 1 << BLOCK_BITS
FENCE = 512  # keys of a sorted column that one entry of its fences stands for
TRAILER = Struct("<8sIIQ")


class DamagedIndex(Exception):
    """A file of the index is missing, cut or changed; the index has to be built anew."""


def padded(size: int) -> int:
    """The size up to the next multiple of eight, where the next section starts."""
    return (size + 7) & ~7


class Pages:
    """A mapped file, of which only what is read is looked at."""

    def __init__(self, path: str, magic: bytes, version: int, sections: int) -> None:
        """Map a file and verify its tail; raises DamagedIndex when it is not what its name says."""
        self.path = path
        try:
            with open(path, "rb") as file:
                self.map = mmap(file.fileno(), 0, access=ACCESS_READ)
        except (OSError, ValueError) as error:
            raise DamagedIndex(f"{path}: {error}") from None
        tail = self._tail(magic, version, sections)
        view = memoryview(self.map)[tail : len(self.map) - TRAILER.size].cast("Q")
        self._bounds = view[: 2 * sections]
        self._digests = view[2 * sections :]
        self._end = tail
        self.verified = bytearray(len(self._digests))
        self.view = memoryview(self.map)

    def _tail(self, magic: bytes, version: int, sections: int) -> int:
        size, name = len(self.map), os.path.basename(self.path).partition(".")[0]
        if size >= TRAILER.size:
            found = TRAILER.unpack_from(self.map, size - TRAILER.size)
            tail: int = found[3]
            blocks = (tail + BLOCK - 1) >> BLOCK_BITS
            if (
                found[:3] == (magic, version, sections)
                and size - tail == TRAILER.size + 16 * sections + 8 * blocks
                and digest(memoryview(self.map)[tail:]) == name
            ):
                return tail
        raise DamagedIndex(f"{self.path}: the contents do not match the name")

    def bounds(self, section: int) -> tuple[int, int]:
        """Where a section starts and ends."""
        start = self._bounds[2 * section]
        return start, start + self._bounds[2 * section + 1]

    def check(self, start: int, end: int) -> None:
        """Verify the blocks from one offset to another; raises DamagedIndex."""
        verified = self.verified
        first, behind = start >> BLOCK_BITS, (end + BLOCK - 1) >> BLOCK_BITS
        if behind - first == 1 and verified[first]:
            return  # as nearly always, after the first questions
        for block in range(first, behind):
            if not verified[block]:
                at = block << BLOCK_BITS
                if hash64(self.view[at : min(at + BLOCK, self._end)]) != self._digests[block]:
                    raise DamagedIndex(f"{self.path}: damaged at byte {at}")
                verified[block] = 1

    def check_at(self, offset: int) -> None:
        """Verify the block of one offset."""
        if not self.verified[offset >> BLOCK_BITS]:
            self.check(offset, offset + 1)

    def read(self, start: int, end: int) -> bytes:
        """The bytes from one offset to another."""
        verified = self.verified
        if start < end and not (
            end - start <= BLOCK
            and verified[start >> BLOCK_BITS]
            and verified[(end - 1) >> BLOCK_BITS]
        ):
            self.check(start, end)
        return self.map[start:end]


class Column:
    """A section of integers of one width (``I`` for u32, ``Q`` for u64)."""

    __slots__ = ("_pages", "_shift", "_start", "_view")

    _view: memoryview[int]

    def __init__(self, pages: Pages, section: int, code: Literal["I", "Q"] = "I") -> None:
        start, end = pages.bounds(section)
        self._pages = pages
        self._start = start
        self._shift = 2 if code == "I" else 3
        self._view = pages.view[start:end].cast(code)

    def __len__(self) -> int:
        return len(self._view)

    def __getitem__(self, at: int) -> int:
        self._pages.check_at(self._start + (at << self._shift))
        return self._view[at]

    def part(self, start: int, end: int) -> memoryview[int]:
        """The integers from one position to another."""
        shift = self._shift
        self._pages.check(self._start + (start << shift), self._start + (end << shift))
        return self._view[start:end]

    def pair(self, at: int) -> tuple[int, int]:
        """The integers at a position and behind it: where a string in another section is."""
        start, verified = self._start + (at << self._shift), self._pages.verified
        end = start + (2 << self._shift)
        if not (verified[start >> BLOCK_BITS] and verified[(end - 1) >> BLOCK_BITS]):
            self._pages.check(start, end)
        return self._view[at], self._view[at + 1]

    def all(self) -> memoryview[int]:
        """All of them."""
        return self.part(0, len(self._view))


class SortedColumn(Column):
    """An ascending section of u64, found in by way of its *fences*: every 512th, beside it."""

    __slots__ = ("_fences",)

    _fences: list[int]

    def __init__(self, pages: Pages, section: int, fences: int) -> None:
        super().__init__(pages, section, "Q")
        self._fences = Column(pages, fences, "Q").all().tolist()  # in which bisect is faster

    def span(self, key: int) -> tuple[int, int]:
        """The positions from the first to behind the last that hold a key."""
        view, fence = self._view, bisect_left(self._fences, key)
        low, high = (fence - 1) * FENCE if fence else 0, min(fence * FENCE, len(view))
        self._pages.check(self._start + 8 * low, self._start + 8 * high)
        first = last = bisect_left(view, key, low, high)
        while last < high and view[last] == key:
            last += 1
        if last == high:  # there may be more behind the fence
            while last < len(view) and self[last] == key:
                last += 1
        return first, last


class Texts:
    """Strings: a section of ``n + 1`` offsets (u64) into one of bytes."""

    __slots__ = ("_offsets", "_pages", "start")

    def __init__(self, pages: Pages, offsets: int, data: int) -> None:
        self._pages = pages
        self._offsets = Column(pages, offsets, "Q")
        self.start = pages.bounds(data)[0]

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def data(self, at: int, end: int = -1) -> bytes:
        """The bytes of one, or of all up to another."""
        start, stop = self._offsets.pair(at)
        if end >= 0:
            stop = self._offsets[end]
        return self._pages.read(self.start + start, self.start + stop)

    def first(self, key: bytes, low: int = 0, high: int = -1) -> int:
        """Where strings in order stop being less than a key, from one position to another."""
        pair, read, start = self._offsets.pair, self._pages.read, self.start
        high = len(self) if high < 0 else high
        while low < high:
            middle = (low + high) >> 1
            begin, end = pair(middle)
            if read(start + begin, start + end) < key:
                low = middle + 1
            else:
                high = middle
        return low

    def text(self, at: int) -> str:
        """One as a string."""
        return self.data(at).decode("utf-8", "surrogatepass")

    def offsets(self) -> memoryview:
        """Where each starts, and the last ends, in the bytes."""
        return self._offsets.all()
