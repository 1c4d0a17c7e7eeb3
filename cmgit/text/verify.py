"""Verifying the files of the text index, and forgetting it. Nothing here needs tantivy.

A file of tantivy ends in a footer: a JSON object with the CRC-32 of what is before it under
``crc``, the length of the object, and 1337, each a little-endian u32. They are verified by no
search, which reads a few pages of each file only.
"""

from __future__ import annotations

import os
import shutil
import struct
import zlib
from collections.abc import Iterator
from mmap import ACCESS_READ, mmap

import orjson

from ..store.locks import process_lock
from .state import DIRECTORY, ENGINE, STATE, generation, generations

_TAIL = struct.Struct("<II")
_MAGIC = 1337
_AT_ONCE = 1 << 20


def forget_text(home: str) -> None:
    """Remove the text index of a home, to be built anew when text is searched."""
    with process_lock(os.path.join(home, "locks", "text")):
        shutil.rmtree(os.path.join(home, DIRECTORY), ignore_errors=True)


def verify_text(home: str) -> Iterator[str]:
    """What is wrong with the files of the text index of a home, one line each."""
    for number in generations(home)[:1]:
        directory = os.path.join(generation(home, number), ENGINE)
        if not os.path.isfile(os.path.join(generation(home, number), STATE)):
            yield f"{generation(home, number)} is not complete"
        for name in sorted(os.listdir(directory) if os.path.isdir(directory) else ()):
            path = os.path.join(directory, name)
            if not name.startswith(".") and not name.endswith(".json") and not _sound(path):
                yield f"{path} does not match its checksum"


def _sound(path: str) -> bool:
    """Whether a file of tantivy is what was written."""
    try:
        with open(path, "rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            size, magic = _TAIL.unpack(data[-_TAIL.size :])
            end = len(data) - _TAIL.size - size
            wanted = orjson.loads(data[end : -_TAIL.size])["crc"]
            found = 0
            for at in range(0, end, _AT_ONCE):
                found = zlib.crc32(data[at : min(at + _AT_ONCE, end)], found)
            return bool(magic == _MAGIC and found == wanted)
    except (OSError, ValueError, KeyError, TypeError, struct.error):
        return False
