"""Reading objects out of packs, fast.

The formats are Git's own (``gitformat-pack(5)``): packs of version 2 with indexes of version 2. What
is not as expected, other versions and damage among it, is not read here and left to dulwich, which
says what is wrong. dulwich asks the file system, and several layers of its own, for each object.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from math import isqrt
from mmap import ACCESS_READ, mmap

from dulwich.errors import ApplyDeltaError
from dulwich.pack import apply_delta

INDEX_START = b"\xfftOc\0\0\0\2"
_PACK_START = b"PACK\0\0\0\2"
_U32, _U64 = struct.Struct(">I"), struct.Struct(">Q")
_FAN = len(INDEX_START)  # where the 256 counts by the first byte of an id stand
_IDS = _FAN + 256 * 4
_TRAILER = 20  # the checksum at the end of a pack
_LARGE = 1 << 31  # in the table of offsets: the rest counts in the table of those of 64 bits
_WHOLE = (1, 2, 3, 4)  # commit, tree, blob, tag
_OFS_DELTA, _REF_DELTA = 6, 7
_KEPT_BYTES = 8 << 20  # of bases of deltas, for the next delta
_KEPT_MOST = 1 << 20  # of one
_TWO_NUMBERS = 20  # bytes that two sizes take at most
_CODE_TABLES = 512  # bytes in which the tables of deflated data end, and two numbers after them
_DEEPEST = 4096  # chain of deltas; git makes none that are deeper

_MOST_DEFLATED = 1032  # bytes that one byte of deflated data may stand for

_UNEXPECTED = (
    OSError, ValueError, IndexError, OverflowError, MemoryError, struct.error, zlib.error,
    ApplyDeltaError,
)  # fmt: skip

Found = tuple[int, bytes]  # Git's number of the kind, the data


class PackReader:
    """The packs of one ``objects/pack`` directory, as they were when it was first read."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._packs: list[_Pack] | None = None

    def read(self, oid: str) -> Found | None:
        """Kind and data of an object, not verified; None when it cannot be read here."""
        if self._packs is None:
            self._packs = _open_all(self._directory)
        raw = bytes.fromhex(oid)
        for pack in self._packs:
            found = pack.read(raw)
            if found is not None:
                if pack is not self._packs[0]:  # the next object is probably near
                    self._packs.remove(pack)
                    self._packs.insert(0, pack)
                return found
        return None

    def close(self) -> None:
        """Let go of the files; they are opened again when something is read."""
        packs, self._packs = self._packs, None
        for pack in packs or ():
            pack.close()


def objects_of_size(index_path: str, sizes: range) -> Iterator[Found]:
    """Those objects of a pack, by its index, that have one of these numbers of bytes; the others
    are not read. Raises ValueError when it cannot be read here."""
    try:
        pack = _Pack(index_path)
        try:
            yield from pack.of_size(sizes)
        finally:
            pack.close()
    except _UNEXPECTED as error:
        raise ValueError(f"{index_path}: {error}") from None


def parse_header(data: bytes | mmap, at: int) -> tuple[int, int, int | bytes | None, int]:
    """What stands before the deflated data of an object: Git's number of its kind, the size of the
    data, what it builds on if it is a delta (how far back that stands, or its raw id), and where
    the deflated data begins. Raises ValueError, or IndexError where the data ends."""
    byte = data[at]
    kind, size, shift, at = byte >> 4 & 7, byte & 15, 4, at + 1
    while byte & 128:
        byte = data[at]
        size |= (byte & 127) << shift
        shift, at = shift + 7, at + 1
    if kind in _WHOLE:
        return kind, size, None, at
    if kind == _REF_DELTA:
        return kind, size, data[at : at + 20], at + 20
    if kind != _OFS_DELTA:
        raise ValueError("of an unknown kind")
    byte = data[at]
    back, at = byte & 127, at + 1
    while byte & 128:
        byte = data[at]
        back, at = (back + 1) << 7 | byte & 127, at + 1
    return kind, size, back, at


def size_of_result(delta: bytes) -> int:
    """The size of the object that a delta makes: the second number in it. Raises IndexError."""
    place = next((place for place, byte in enumerate(delta) if byte < 128), len(delta)) + 1
    size, shift = 0, 0
    while delta[place] >= 128:
        size |= (delta[place] & 127) << shift
        place, shift = place + 1, shift + 7
    return size | delta[place] << shift


def _open_all(directory: str) -> list[_Pack]:
    packs = []
    with suppress(FileNotFoundError):
        for name in sorted(os.listdir(directory)):
            if name.startswith("pack-") and name.endswith(".idx"):
                with suppress(OSError, ValueError, struct.error):
                    packs.append(_Pack(os.path.join(directory, name)))
    return packs


class _Pack:
    """One pack with its index. Raises ValueError for one of another version."""

    def __init__(self, index_path: str) -> None:
        self._path = index_path[: -len(".idx")] + ".pack"
        self._index = _mapped(index_path)
        self._pack: mmap | None = None
        self._kept: dict[int, Found] = {}
        self._kept_bytes = 0
        if self._index[:_FAN] != INDEX_START:
            self.close()
            raise ValueError(f"{index_path} is not an index of version 2")
        self._fan = (0, *struct.unpack_from(">256I", self._index, _FAN))
        self._offsets = _IDS + self._fan[-1] * (20 + 4)  # behind the ids and their CRC-32s
        self._large = self._offsets + self._fan[-1] * 4

    def close(self) -> None:
        """Let go of the files."""
        self._kept = {}
        self._index.close()
        if self._pack is not None:
            self._pack.close()

    def read(self, oid: bytes) -> Found | None:
        """An object, deltas applied; None when it is not here, and for anything unexpected."""
        try:
            offset = self._offset(oid)
            return None if offset is None else self._resolved(offset)
        except _UNEXPECTED:
            return None

    def _offset(self, oid: bytes) -> int | None:
        """Where in the pack an object stands, or None."""
        at = self._position(oid)
        return None if at is None else self._offset_at(at)

    def _offset_at(self, at: int) -> int:
        offset: int = _U32.unpack_from(self._index, self._offsets + at * 4)[0]
        if offset & _LARGE:
            offset = _U64.unpack_from(self._index, self._large + (offset ^ _LARGE) * 8)[0]
        return offset

    def _position(self, oid: bytes) -> int | None:
        """The number of an id among the sorted ones: near where it would be if they, which are
        digests, were spread evenly, else anywhere below the same first byte."""
        low, high = self._fan[oid[0]], self._fan[oid[0] + 1]
        count = high - low
        guess = low + (int.from_bytes(oid[1:5], "big") * count >> 32)
        reach = 3 * isqrt(count) + 2
        at = self._among(oid, max(low, guess - reach), min(high, guess + reach))
        return self._among(oid, low, high) if at is None and count > reach else at

    def _among(self, oid: bytes, low: int, high: int) -> int | None:
        ids = self._index[_IDS + low * 20 : _IDS + high * 20]
        at = ids.find(oid)
        while at % 20 and at != -1:  # across two ids
            at = ids.find(oid, at + 1)
        return None if at == -1 else low + at // 20

    def _resolved(self, offset: int) -> Found | None:
        """Follow deltas down to what stands whole, and apply them on the way back."""
        deltas: dict[int, bytes] = {}
        while (found := self._kept.get(offset)) is None:
            kind, base, data = self._stored(offset)
            if base is None:
                found = kind, data
                break
            deltas[offset] = data
            offset = base
            if offset in deltas or len(deltas) > _DEEPEST:
                raise ValueError("deltas without a base")
        for at, delta in reversed(deltas.items()):
            self._keep(offset, found)
            found = found[0], b"".join(apply_delta(found[1], delta))
            offset = at
        if deltas:
            self._keep(offset, found)
        return found

    def _stored(self, offset: int) -> tuple[int, int | None, bytes]:
        """What stands at an offset: the kind, the offset of its base if it is a delta, the data."""
        kind, base, size, at = self._header(offset)
        data = self._inflated(at, size)
        if len(data) != size:
            raise ValueError("of another size than it says")
        return kind, base, data

    def _header(self, offset: int) -> tuple[int, int | None, int, int]:
        """The kind and base of what stands at an offset, how many bytes its data has, and where
        that begins."""
        pack = self._pack or self._open()
        if not len(_PACK_START) < offset < len(pack) - _TRAILER:
            raise ValueError("outside of the pack")
        kind, size, base, at = parse_header(pack, offset)
        if isinstance(base, int):
            base = offset - base
        elif base is not None:
            base = self._offset(base)
            if base is None:
                raise ValueError("a delta without its base")
        return kind, base, size, at

    def _inflated(self, at: int, size: int) -> bytes:
        assert self._pack is not None
        # deflated data is at most so much larger than what went in; what follows is not looked at
        deflated = self._pack[at : at + size + (size >> 8) + 64]
        room = min(size, len(deflated) * _MOST_DEFLATED)  # whatever it says
        return zlib.decompress(deflated, bufsize=room or 1)

    def of_size(self, sizes: range) -> Iterator[Found]:
        """The objects that have one of these numbers of bytes."""
        for place in range(self._fan[-1]):
            offset = self._offset_at(place)
            _, base, size, at = self._header(offset)
            if base is not None:
                size = self._size_of_result(at)
            if size in sizes and (found := self._resolved(offset)):
                yield found

    def _size_of_result(self, at: int) -> int:
        """The size of the object that a delta makes: the second number in it."""
        assert self._pack is not None
        numbers = zlib.decompressobj().decompress(self._pack[at : at + _CODE_TABLES], _TWO_NUMBERS)
        return size_of_result(numbers)

    def _open(self) -> mmap:
        self._pack = _mapped(self._path)
        if self._pack[: len(_PACK_START)] != _PACK_START:
            raise ValueError("not a pack of version 2")
        return self._pack

    def _keep(self, offset: int, found: Found) -> None:
        """Keep an object on which the next delta may build; all are dropped when it is too much."""
        size = len(found[1])
        if size > _KEPT_MOST or offset in self._kept:
            return
        if self._kept_bytes + size > _KEPT_BYTES:
            self._kept, self._kept_bytes = {}, 0
        self._kept[offset] = found
        self._kept_bytes += size


def _mapped(path: str) -> mmap:
    with open(path, "rb") as file:
        return mmap(file.fileno(), 0, access=ACCESS_READ)
