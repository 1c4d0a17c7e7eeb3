"""Taking in a pack without git: what ``git index-pack --stdin --fix-thin`` does.

A pack is written to the disk as it comes and looked through on the way; then the deltas are applied
to what they build on, each base once for all that build on it. Every object is hashed. Packs and
indexes are Git's own, of version 2 (``gitformat-pack(5)``). A *thin* pack leaves out objects on
which its deltas build; they are added at its end.
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from array import array
from collections.abc import Callable, Container, Iterable, Iterator
from hashlib import sha1
from mmap import ACCESS_READ, mmap
from typing import IO, BinaryIO, NamedTuple

from dulwich.errors import ApplyDeltaError, ObjectFormatException
from dulwich.object_format import SHA1
from dulwich.objects import parse_tree
from dulwich.pack import apply_delta, pack_object_header

from .objects import SUBMODULE
from .pack_reader import Found, parse_header, size_of_result
from .pack_writer import encode_index, new_pack, put_pack

UNEXPECTED = (
    ValueError, IndexError, OverflowError, MemoryError, struct.error, zlib.error, ApplyDeltaError,
    ObjectFormatException,
)  # fmt: skip

_START = struct.Struct(">4sII")
_VERSION = 2
_DIGEST = 20
_COMMIT, _TREE, _BLOB, _TAG = 1, 2, 3, 4
_NAMES = {_COMMIT: b"commit", _TREE: b"tree", _BLOB: b"blob", _TAG: b"tag"}
_CHUNK = 1 << 16
_HEADER = 64  # bytes that what stands before deflated data takes at most
_SLACK = 64  # deflated data is at most so much larger than what went in, and one in 256
_HELD = 1 << 20  # bytes of a blob that is held whole, to be hashed
_MOST = 1 << 30  # bytes of what is made in memory; Git makes no deltas of more than half of that
_KEPT = 64 << 20  # bytes of bases that wait for the next delta

_COMMIT_REFERS = re.compile(rb"tree ([0-9a-f]{40})\n((?:parent [0-9a-f]{40}\n)*)author ")
_TAG_REFERS = re.compile(rb"object ([0-9a-f]{40})\ntype ")


class Taken(NamedTuple):
    """A pack that was taken in: its files are ``NAME.pack`` and ``NAME.idx``. ``lacking`` are the
    ids, in hexadecimal, of what its objects refer to and it does not have."""

    name: str
    lacking: set[bytes]


def index_pack(
    start: bytes,
    stream: BinaryIO,
    directory: str,
    base: Callable[[bytes], Found | None],
    shallow: Container[str] = (),
) -> Taken:
    """Take a pack, its first bytes and a stream with all others, into a directory of packs.

    ``base`` reads what a thin pack builds on, by raw id. ``shallow`` are the commits, by id in
    hexadecimal, whose parents need not be there. The files are not flushed to the disk. Raises one
    of UNEXPECTED for a pack that is not whole, and leaves nothing then.
    """
    objects = _Objects(base, shallow)
    with new_pack(directory) as (pack, index):
        with open(pack, "x+b") as file:
            digest = objects.scan(_Inflow(start, stream, file))
            file.flush()
            with mmap(file.fileno(), 0, access=ACCESS_READ) as stored:
                objects.apply_deltas(stored)
                if objects.is_thin:
                    digest = objects.complete(file)
        objects.check_whole()
        with open(index, "xb") as file:
            file.write(encode_index(objects.entries(), digest))
        name = put_pack(pack, index, digest)
    return Taken(os.path.basename(name), objects.lacking())


class _Inflow:
    """The bytes of a pack as they come, which are written to a file and hashed."""

    def __init__(self, start: bytes, stream: BinaryIO, file: IO[bytes]) -> None:
        self._read: Callable[[int], bytes] = getattr(stream, "read1", stream.read)
        self._file = file
        self._sum = sha1()
        self._passed = 0
        self._data = start  # what came and was not passed yet
        self._at = 0
        self._crc = 0
        file.write(start)

    @property
    def offset(self) -> int:
        """How much of the pack was looked through."""
        return self._passed + self._at

    def crc(self) -> int:
        """The CRC-32 of what was looked through since it was last asked for."""
        crc, self._crc = self._crc, 0
        return crc

    def count(self) -> int:
        """The number of objects, by the header of the pack."""
        self._fill(_START.size)
        mark, version, count = _START.unpack_from(self._data)
        if (mark, version) != (b"PACK", _VERSION):
            raise ValueError(f"a pack of version {_VERSION} begins otherwise")
        self._at += _START.size
        return int(count)

    def header(self) -> tuple[int, int, int | bytes | None]:
        """The kind, size and base of the next object, as ``parse_header`` has them."""
        self._fill(_HEADER)
        kind, size, base, end = parse_header(self._data, self._at)
        self._crc = zlib.crc32(self._data[self._at : end])
        self._at = end
        return kind, size, base

    def pieces(self, size: int) -> Iterator[bytes]:
        """The data of so many bytes that stands deflated here."""
        inflater, left = zlib.decompressobj(), size + 1
        while not inflater.eof:
            self._fill(1)
            piece = self._data[self._at : self._at + size + (size >> 8) + _SLACK]
            if not piece:
                raise ValueError("it breaks off")
            made = inflater.decompress(piece, left)
            used = len(piece) - len(inflater.unused_data) - len(inflater.unconsumed_tail)
            self._crc = zlib.crc32(piece[:used], self._crc)
            self._at += used
            left -= len(made)
            if not left:
                raise ValueError("an object has more bytes than it says")
            yield made
        if left != 1:
            raise ValueError("an object has fewer bytes than it says")

    def end(self) -> bytes:
        """The digest at the end, which has to be that of all before, with nothing behind it."""
        self._fill(_DIGEST + 1)
        self._pass()
        if self._data != self._sum.digest():
            raise ValueError("its checksum is not that of what came")
        return self._data

    def _fill(self, need: int) -> None:
        """Have so many bytes that were not looked through; fewer where the stream ends."""
        while len(self._data) - self._at < need:
            chunk = self._read(_CHUNK)
            if not chunk:
                return
            self._file.write(chunk)
            self._pass()
            self._data += chunk

    def _pass(self) -> None:
        self._sum.update(self._data[: self._at])
        self._passed += self._at
        self._data, self._at = self._data[self._at :], 0


class _Objects:
    """The objects of a pack, by their number in it: those that stand whole have an id at once,
    those that are deltas when what they build on is known."""

    def __init__(self, base: Callable[[bytes], Found | None], shallow: Container[str]) -> None:
        self._read_base = base
        self._shallow = shallow  # ids in hexadecimal
        self._ids: list[bytes] = []  # raw; empty until it is known
        self._kinds = bytearray()
        self._offsets, self._starts, self._sizes = array("Q"), array("Q"), array("Q")
        self._crcs = array("L")
        self._bases = array("q")  # the number of what it builds on, -1 for none
        self._on_offset: dict[int, list[int]] = {}  # deltas that wait, by the offset of their base
        self._on_id: dict[bytes, list[int]] = {}
        self._referred: set[bytes] = set()  # ids in hexadecimal
        self._added: set[bytes] = set()  # ids of what a thin pack builds on
        self._stored: mmap | bytes = b""

    # -- what stands in it --------------------------------------------------------------------

    def scan(self, inflow: _Inflow) -> bytes:
        """Look through a pack; returns the digest at its end."""
        for _ in range(inflow.count()):
            offset = inflow.offset
            kind, size, base = inflow.header()
            number = self._add(kind, offset, inflow.offset, size)
            if isinstance(base, int):
                self._on_offset.setdefault(offset - base, []).append(number)
            elif base is not None:
                self._on_id.setdefault(base, []).append(number)
            self._scan_data(number, inflow.pieces(size), size)
            self._crcs.append(inflow.crc())
        return inflow.end()

    def _add(self, kind: int, offset: int, start: int, size: int) -> int:
        self._ids.append(b"")
        self._kinds.append(kind)
        self._offsets.append(offset)
        self._starts.append(start)
        self._sizes.append(size)
        self._bases.append(-1)
        return len(self._ids) - 1

    def _scan_data(self, number: int, pieces: Iterator[bytes], size: int) -> None:
        kind = self._kinds[number]
        if kind not in _NAMES:
            for _ in pieces:
                pass
        elif kind == _BLOB and size > _HELD:
            digest = sha1(b"blob %d\0" % size)
            for piece in pieces:
                digest.update(piece)
            self._ids[number] = digest.digest()
        elif size > _MOST:
            raise ValueError(f"a {_NAMES[kind].decode('ascii')} has more than {_MOST} bytes")
        else:
            self._know(number, kind, b"".join(pieces))

    def _know(self, number: int, kind: int, data: bytes) -> None:
        """Note the id of an object, and what it refers to."""
        digest = sha1(b"%s %d\0" % (_NAMES[kind], len(data)))
        digest.update(data)
        self._ids[number] = digest.digest()
        if self._ids[number] in self._added:
            raise ValueError(f"{digest.hexdigest()} builds on itself")
        self._kinds[number] = kind
        try:
            self._referred.update(_referred(kind, data, digest.hexdigest() in self._shallow))
        except ObjectFormatException:
            oid = digest.hexdigest()
            raise ValueError(f"{oid} is no {_NAMES[kind].decode('ascii')}") from None

    # -- what builds on it --------------------------------------------------------------------

    def apply_deltas(self, stored: mmap) -> None:
        """Make all that builds on something here. ``stored`` is the pack."""
        self._stored = stored
        for number, kind in enumerate(bytes(self._kinds)):
            if kind in _NAMES:
                self._apply_on(number)

    @property
    def is_thin(self) -> bool:
        """Whether deltas are left that build on what is not here."""
        return bool(self._on_id)

    def check_whole(self) -> None:
        """Raise ValueError when a delta is left."""
        if self._on_offset:
            raise ValueError("a delta builds on what is no object")

    def complete(self, file: IO[bytes]) -> bytes:
        """Add what is not here at the end of a pack; returns its new digest."""
        file.seek(-_DIGEST, os.SEEK_END)
        for oid in list(self._on_id):
            if oid in self._on_id and (found := self._read_base(oid)) is not None:
                self._append(file, oid, *found)
        if self._on_id:
            oid = next(iter(self._on_id))
            raise ValueError(f"a delta builds on {oid.hex()}, which is missing")
        end = file.tell()
        file.seek(0)
        file.write(_START.pack(b"PACK", _VERSION, len(self._ids)))
        file.seek(0)
        digest = sha1()
        while chunk := file.read(min(_CHUNK, end - file.tell())):
            digest.update(chunk)
        file.write(digest.digest())
        return digest.digest()

    def _append(self, file: IO[bytes], oid: bytes, kind: int, data: bytes) -> None:
        if sha1(b"%s %d\0%s" % (_NAMES[kind], len(data), data)).digest() != oid:
            raise ValueError(f"a delta builds on {oid.hex()}, which is damaged here")
        offset = file.tell()
        header = bytes(pack_object_header(kind, None, len(data), SHA1))
        written = header + zlib.compress(data)
        number = self._add(kind, offset, offset + len(header), len(data))
        self._ids[number] = oid
        self._added.add(oid)
        self._crcs.append(zlib.crc32(written))
        file.write(written)
        self._apply_on(number)

    def _apply_on(self, number: int) -> None:
        """Make all that builds on an object, in however many steps."""
        if not (deltas := self._deltas_on(number)):
            return
        waiting = [(number, deltas)]
        data = self._inflated(number)
        kept: dict[int, bytes] = {number: data}
        room, last = _KEPT - len(data), number
        while waiting:
            base, deltas = waiting[-1]
            if not deltas:
                waiting.pop()
                room += len(kept.pop(base, b""))
                continue
            delta = deltas.pop()
            if base != last:
                data, last = kept[base] if base in kept else self._made(base, kept), base
            if not deltas and base in kept:  # its last: it makes room
                room += len(kept.pop(base))
            self._bases[delta] = base
            made = self._applied(data, delta)
            self._know(delta, self._kinds[base], made)
            if own := self._deltas_on(delta):
                waiting.append((delta, own))
                if len(made) <= room:
                    kept[delta] = made
                    room -= len(made)
                data, last = made, delta

    def _deltas_on(self, number: int) -> list[int]:
        by_offset = self._on_offset.pop(self._offsets[number], [])
        return by_offset + self._on_id.pop(self._ids[number], [])

    def _made(self, number: int, kept: dict[int, bytes]) -> bytes:
        """The data of an object, made anew from the nearest that is kept."""
        deltas = []
        while number not in kept and self._bases[number] >= 0:
            deltas.append(number)
            number = self._bases[number]
        data = kept[number] if number in kept else self._inflated(number)
        for delta in reversed(deltas):
            data = self._applied(data, delta)
        return data

    def _applied(self, data: bytes, number: int) -> bytes:
        delta = self._inflated(number)
        if size_of_result(delta) > _MOST:
            raise ValueError(f"a delta makes more than {_MOST} bytes")
        pieces = apply_delta(data, delta)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _inflated(self, number: int) -> bytes:
        start, size = self._starts[number], self._sizes[number]
        if size > _MOST:
            raise ValueError(f"a delta, or what it builds on, has more than {_MOST} bytes")
        if start >= len(self._stored) - _DIGEST:  # it was added
            found = self._read_base(self._ids[number])
            return found[1] if found else b""
        stored = self._stored[start : start + size + (size >> 8) + _SLACK]
        return zlib.decompressobj().decompress(stored)

    # -- what is known then -------------------------------------------------------------------

    def lacking(self) -> set[bytes]:
        """What its objects refer to and it does not have."""
        return self._referred.difference(oid.hex().encode("ascii") for oid in self._ids)

    def entries(self) -> Iterable[tuple[bytes, int, int]]:
        """What an index says of each: the raw id, the offset, and the CRC-32 of what is stored."""
        return zip(self._ids, self._offsets, self._crcs, strict=True)


def _referred(kind: int, data: bytes, is_cut: bool) -> list[bytes]:
    """The ids, in hexadecimal, of what an object refers to."""
    if kind == _BLOB:
        return []
    if kind == _TREE:
        return [oid for _, mode, oid in parse_tree(data, _DIGEST) if mode != SUBMODULE]
    found = (_COMMIT_REFERS if kind == _COMMIT else _TAG_REFERS).match(data)
    if found is None:
        raise ObjectFormatException
    parents = found[2].split()[1::2] if kind == _COMMIT and not is_cut else ()
    return [found[1], *parents]
