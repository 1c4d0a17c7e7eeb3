"""Writing packs fast: what many objects share is compressed once.

A zlib stream may be put together of pieces: text that is written again and again is compressed
once, ended by a full flush, so that it refers to nothing before it; what differs is put between
as stored blocks (RFC 1951, 3.2.4). Compressing each object by itself takes four times as long as
everything else. Any Git program reads the result; ``git fsck --strict`` is a test.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple

COMMIT, TREE, BLOB = 1, 2, 3
_NAMES = {COMMIT: b"commit", TREE: b"tree", BLOB: b"blob"}
_LAST_BLOCK = b"\x01\x00\x00\xff\xff"
_BLOCK = 0xFFFF  # bytes that a stored block holds at most


class Fixed(NamedTuple):
    """A text that many objects contain, and the same compressed."""

    data: bytes
    packed: bytes


def fixed(data: bytes) -> Fixed:
    """Compress a text to be put into any number of objects."""
    compressor = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    return Fixed(data, compressor.compress(data) + compressor.flush(zlib.Z_FULL_FLUSH))


Pieces = Iterable[bytes | Fixed]


def plain(pieces: Pieces) -> bytes:
    """The text that pieces make."""
    return b"".join([piece if isinstance(piece, bytes) else piece.data for piece in pieces])


def object_id(kind: int, data: bytes) -> bytes:
    """The id of an object, 20 bytes."""
    return hashlib.sha1(b"%b %d\0%b" % (_NAMES[kind], len(data), data)).digest()


@contextmanager
def new_pack(directory: str) -> Iterator[PackWriter]:
    """A pack to add objects to; at the end of the block it is in the directory, with its index."""
    temporary = os.path.join(directory, "tmp_pack_benchmark")
    with open(temporary, "w+b", buffering=1 << 20) as file:
        pack = PackWriter(file)
        yield pack
        check = pack.end()
    final = os.path.join(directory, f"pack-{check.hex()}")
    os.rename(temporary, final + ".pack")
    with open(final + ".idx", "wb") as file:
        file.write(_index(sorted(pack.entries), check))


class PackWriter:
    """A pack in the making."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._file.write(bytes(12))  # the number of objects is known at the end
        self._offset = 12
        self.entries: list[bytes] = []  # id, CRC-32, offset: sorted and cut up, the index

    def add(self, kind: int, pieces: Pieces) -> bytes:
        """Add an object, which must not be there yet; returns its id, 20 bytes."""
        data = plain(pieces)
        oid = object_id(kind, data)
        packed = [_header(kind, len(data)), b"\x78\x01"]
        packed += [_stored(p) if isinstance(p, bytes) else p.packed for p in pieces]
        packed += [_LAST_BLOCK, zlib.adler32(data).to_bytes(4, "big")]
        entry = b"".join(packed)
        self._file.write(entry)
        self.entries.append(
            oid + zlib.crc32(entry).to_bytes(4, "big") + self._offset.to_bytes(8, "big")
        )
        self._offset += len(entry)
        return oid

    def end(self) -> bytes:
        """Complete the pack; returns its checksum."""
        self._file.seek(0)
        self._file.write(b"PACK" + (2).to_bytes(4, "big") + len(self.entries).to_bytes(4, "big"))
        self._file.seek(0)
        check = hashlib.sha1()
        while part := self._file.read(1 << 20):
            check.update(part)
        self._file.write(check.digest())
        return check.digest()


def _header(kind: int, size: int) -> bytes:
    first, size = kind << 4 | size & 15, size >> 4
    parts = []
    while size:
        parts.append(first | 128)
        first, size = size & 127, size >> 7
    return bytes([*parts, first])


def _stored(data: bytes) -> bytes:
    if len(data) <= _BLOCK:
        return b"\0%b%b%b" % (
            len(data).to_bytes(2, "little"),
            (len(data) ^ _BLOCK).to_bytes(2, "little"),
            data,
        )
    blocks = range(0, len(data), _BLOCK)
    return b"".join([_stored(data[start : start + _BLOCK]) for start in blocks])


def _index(entries: list[bytes], pack_check: bytes) -> bytes:
    """A pack index, version 2, see ``gitformat-pack(5)``."""
    fan, total = [0] * 256, 0
    for entry in entries:
        fan[entry[0]] += 1
    parts = [b"\xfftOc", (2).to_bytes(4, "big")]
    for count in fan:
        total += count
        parts.append(total.to_bytes(4, "big"))
    parts += [entry[:20] for entry in entries]
    parts += [entry[20:24] for entry in entries]
    large = [entry[24:] for entry in entries if entry[24:] >= _LARGE]
    numbers = iter(range(len(large)))
    parts += [
        entry[28:] if entry[24:] < _LARGE else (1 << 31 | next(numbers)).to_bytes(4, "big")
        for entry in entries
    ]
    data = b"".join([*parts, *large, pack_check])
    return data + hashlib.sha1(data).digest()


_LARGE = (1 << 31).to_bytes(8, "big")  # offsets from here on are in a table of their own
