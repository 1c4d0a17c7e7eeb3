"""Writing many new objects as one pack.

The format is Git's own (``gitformat-pack(5)``): version 2, no deltas, since what is new in one
change is small files that differ. dulwich writes the index.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Mapping

from dulwich.object_format import SHA1
from dulwich.pack import pack_object_header, write_pack_index_v2

from .objects import KIND_NUMBERS, ObjectID

_LEVEL = 1  # the objects are small: speed over size, until git repacks


def write_pack(directory: str, objects: Mapping[ObjectID, tuple[str, bytes]]) -> str:
    """Write objects as a pack with its index, durably; returns the path of the ``.pack``.

    A crash leaves only ``tmp_*`` files, which ``git gc`` removes. The pack appears before its
    index, so that a reader never sees an index without a pack.
    """
    os.makedirs(directory, exist_ok=True)
    temporary = os.path.join(directory, f"tmp_pack_{os.getpid()}_{os.urandom(4).hex()}")
    index = temporary.replace("tmp_pack_", "tmp_idx_")
    try:
        entries, checksum = _write_objects(temporary, objects)
        with open(index, "xb") as file:
            write_pack_index_v2(file, entries, checksum)
            _sync(file.fileno())
        final = os.path.join(directory, f"pack-{checksum.hex()}")
        os.chmod(temporary, 0o444)
        os.chmod(index, 0o444)
        os.replace(temporary, final + ".pack")
        os.replace(index, final + ".idx")
    finally:
        for path in (temporary, index):
            if os.path.exists(path):
                os.unlink(path)
    return final + ".pack"


def _write_objects(
    path: str, objects: Mapping[ObjectID, tuple[str, bytes]]
) -> tuple[list[tuple[bytes, int, int | None]], bytes]:
    entries: list[tuple[bytes, int, int | None]] = []
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
        _sync(file.fileno())
    return sorted(entries), check.digest()


def _sync(descriptor: int) -> None:
    os.fsync(descriptor)
