"""Pointers of Git LFS, version 1: what Git keeps in the place of a large file.

    version https://git-lfs.github.com/spec/v1
    oid sha256:<64 hexadecimal digits>
    size <bytes>

Limitations: pointers with extensions, and those of versions before the first, are files like others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

POINTER_BYTES = 1024  # no pointer is longer
ATTRIBUTES = ".gitattributes"

_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n"
    rb"oid sha256:([0-9a-f]{64})\nsize (0|[1-9][0-9]{0,17})\n?"
)
_MARK = " filter=lfs diff=lfs merge=lfs -text\n"
_SPECIAL = re.compile(r'[*?\[\]\\"\s\x00-\x1f]')


class Pointer(NamedTuple):
    """A content by its SHA-256, and how many bytes it has."""

    oid: str
    size: int

    def encode(self) -> bytes:
        """The file that Git keeps."""
        return (
            f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.oid}\nsize {self.size}\n"
        ).encode("ascii")


def parse_pointer(data: bytes) -> Pointer | None:
    """The pointer that a file is; None for any other file."""
    found = _POINTER.fullmatch(data) if len(data) <= POINTER_BYTES else None
    return Pointer(found[1].decode("ascii"), int(found[2])) if found else None


def mark(attributes: bytes, paths: Iterable[str]) -> bytes:
    """The content of a ``.gitattributes`` that also says of files (by their path from its
    directory) that Git LFS keeps them."""
    there = set(attributes.splitlines(keepends=True))
    lines = [(_pattern(path) + _MARK).encode("utf-8", "surrogateescape") for path in sorted(paths)]
    gap = b"\n" if attributes and not attributes.endswith(b"\n") else b""
    return attributes + gap + b"".join(line for line in lines if line not in there)


def _pattern(path: str) -> str:
    """A pattern that fits a path: what is special in one, or ends it, fits any character."""
    return "/" + _SPECIAL.sub("?", path)
