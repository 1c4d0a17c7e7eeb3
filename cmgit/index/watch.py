"""Telling whether a working repository changed since it was indexed, by looking at the disk.

A watch file holds a list of paths with the signature that each had: modification and change time in
nanoseconds, size and inode, or -1 four times for a path that was not there. The paths are those
of the directories that hold artifacts or may come to, of the meta files, and of the files that say
which commit is checked out. A path whose time is too young to tell a later change from (the clock
of a file system ticks in steps) gets the signature -2, which nothing equals.

Layout (little-endian): magic ``CMGITWCH``, u32 version, u32 number of paths, u32 how many of them
are inside the home, four zero bytes, then four i64 a path, then the paths, UTF-8 as Python's file
system encoding has it, joined by NUL: those inside the home first, relative to it.
"""

from __future__ import annotations

import os
from _struct import Struct

from ..home import stored_path
from .pages import DamagedIndex
from .record import digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

Signature = tuple[int, int, int, int]

SUFFIX = ".watch"
ABSENT = (-1, -1, -1, -1)
UNSURE = (-2, -2, -2, -2)
TICK_NS = 12_000_000  # the kernel's clock for file times ticks every 4 or 10 ms
COARSE_TICK_NS = 2_000_000_000  # FAT and some network file systems

_HEADER = Struct("<8sIII4x")
_MAGIC = b"CMGITWCH"
_VERSION = 2


def signature(path: str) -> Signature:
    """The signature of a path now; links are not followed."""
    try:
        stat = os.lstat(path)
    except (OSError, ValueError):
        return ABSENT
    return (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino)


def settled(found: Signature, now_ns: int) -> bool:
    """Whether any change after ``now_ns`` would show in the signature."""
    newest = max(found[0], found[1])
    tick = COARSE_TICK_NS if newest > 0 and found[0] % 1_000_000_000 == 0 else TICK_NS
    return newest < now_ns - tick


def encode_watch(home: str, signatures: Mapping[str, Signature]) -> bytes:
    """The bytes of a watch file."""
    pairs = [(stored_path(home, path), found) for path, found in signatures.items()]
    pairs.sort(key=lambda pair: os.path.isabs(pair[0]))
    inside = sum(not os.path.isabs(path) for path, _ in pairs)
    numbers = [number for _, found in pairs for number in found]
    paths = "\0".join(path for path, _ in pairs).encode("utf-8", "surrogateescape")
    header = _HEADER.pack(_MAGIC, _VERSION, len(pairs), inside)
    return header + Struct(f"<{len(numbers)}q").pack(*numbers) + paths


def read_watch(path: str, home: str) -> dict[str, Signature]:
    """The signatures of a watch file, by absolute path; raises DamagedIndex when it does not match
    its name."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise DamagedIndex(str(error)) from None
    if digest(data) + SUFFIX != os.path.basename(path):
        raise DamagedIndex(f"{path}: the contents do not match the name")
    magic, version, count, inside = _HEADER.unpack_from(data)
    if magic != _MAGIC or version != _VERSION:
        raise DamagedIndex(f"{path}: not a watch file of version {_VERSION}")
    numbers = memoryview(data)[_HEADER.size : _HEADER.size + 32 * count].cast("q").tolist()
    paths = data[_HEADER.size + 32 * count :].decode("utf-8", "surrogateescape").split("\0")
    top = os.path.join(home, "")
    paths[:inside] = [top + path for path in paths[:inside]]
    return dict(zip(paths, zip(*[iter(numbers)] * 4)))  # noqa: B905


def unchanged(signatures: Mapping[str, Signature]) -> bool:
    """Whether every path still has its signature."""
    lstat = os.lstat
    for path, (mtime, ctime, size, inode) in signatures.items():
        try:
            stat = lstat(path)
        except (OSError, ValueError):
            if mtime != -1:
                return False
            continue
        if (
            stat.st_mtime_ns != mtime
            or stat.st_ino != inode
            or stat.st_size != size
            or stat.st_ctime_ns != ctime
        ):
            return False
    return True
