"""Writing many new objects as one pack.

The format is Git's own (``gitformat-pack(5)``): version 2, no deltas, since what is new in one
change is small files that differ. An index, of version 2 too, has the ids in order, behind 256
counts of them by first byte, and then, in the same order, the CRC-32 of what is stored and where
that stands.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import accumulate

from dulwich.object_format import SHA1
from dulwich.pack import pack_object_header

from .objects import KIND_NUMBERS, ObjectID
from .pack_reader import INDEX_START

_LARGE = 1 << 31  # from this offset on, it stands in a table of 64 bits
_LEVEL = 1  # the objects are small: speed over size, until git repacks


def write_pack(directory: str, objects: Mapping[ObjectID, tuple[str, bytes]]) -> str:
    """Write objects as a pack with its index, durably; returns the path of the ``.pack``."""
    os.makedirs(directory, exist_ok=True)
    with new_pack(directory) as (pack, index):
        entries, checksum = _write_objects(pack, objects)
        with open(index, "xb") as file:
            file.write(encode_index(entries, checksum))
            file.flush()
            os.fsync(file.fileno())
        return f"{put_pack(pack, index, checksum)}.pack"


@contextmanager
def new_pack(directory: str) -> Iterator[tuple[str, str]]:
    """Where to write a pack and its index. What is there at the end is removed; after a crash it is
    ``git gc`` that removes ``tmp_*``."""
    pack = os.path.join(directory, f"tmp_pack_{os.getpid()}_{os.urandom(4).hex()}")
    index = pack.replace("tmp_pack_", "tmp_idx_")
    try:
        yield pack, index
    finally:
        for path in (pack, index):
            if os.path.exists(path):
                os.unlink(path)


def put_pack(pack: str, index: str, checksum: bytes) -> str:
    """Give both their names, of which the common beginning is returned; the pack comes first, so
    that no reader sees an index without it. They stay where they are when the same is there."""
    final = os.path.join(os.path.dirname(pack), f"pack-{checksum.hex()}")
    if not os.path.exists(f"{final}.idx"):
        for path, suffix in ((pack, ".pack"), (index, ".idx")):
            os.chmod(path, 0o444)
            os.replace(path, final + suffix)
    return final


def _write_objects(
    path: str, objects: Mapping[ObjectID, tuple[str, bytes]]
) -> tuple[list[tuple[bytes, int, int]], bytes]:
    entries: list[tuple[bytes, int, int]] = []
    with open(path, "xb") as file:
        offset, check = 0, hashlib.sha1(usedforsecurity=False)

        def write(data: bytes) -> None:
            nonlocal offset
            file.write(data)
            check.update(data)
            offset += len(data)

        write(b"PACK" + (2).to_bytes(4, "big") + len(objects).to_bytes(4, "big"))
        for oid, (kind, data) in objects.items():
            header = bytes(pack_object_header(KIND_NUMBERS[kind], None, len(data), SHA1))
            packed = header + zlib.compress(data, _LEVEL)
            entries.append((bytes.fromhex(oid), offset, zlib.crc32(packed)))
            write(packed)
        file.write(check.digest())
        file.flush()
        os.fsync(file.fileno())
    return entries, check.digest()


def encode_index(entries: Iterable[tuple[bytes, int, int]], checksum: bytes) -> bytes:
    """The index of a pack with this checksum: of each object the raw id, the offset, the CRC-32."""
    ordered = sorted(entries)
    counts = Counter(oid[0] for oid, _, _ in ordered)
    large = [offset for _, offset, _ in ordered if offset >= _LARGE]
    places = iter(range(_LARGE, _LARGE + len(large)))
    short = (next(places) if offset >= _LARGE else offset for _, offset, _ in ordered)
    data = b"".join([
        INDEX_START,
        struct.pack(">256I", *accumulate(counts[byte] for byte in range(256))),
        *(oid for oid, _, _ in ordered),
        struct.pack(f">{len(ordered)}I", *(crc for _, _, crc in ordered)),
        struct.pack(f">{len(ordered)}I", *short),
        struct.pack(f">{len(large)}Q", *large),
        checksum,
    ])  # fmt: skip
    return data + hashlib.sha1(data, usedforsecurity=False).digest()
