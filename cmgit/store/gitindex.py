"""Git's index file: which blob each path of a work tree has, and what its file looked like then.

dulwich reads the entries, of versions 2 to 4 (``gitformat-index(5)``). What is written has no
extensions: those that were there would no longer be true, and Git makes them again.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat

from dulwich.index import (
    ConflictedIndexEntry,
    IndexEntry,
    UnsupportedIndexFormat,
    index_entry_from_stat,
    read_index_dict_with_version,
    write_index_dict,
)

from ..errors import Busy, Unsupported

Index = dict[str, IndexEntry]

ASSUME_VALID = 0x8000
"""The flag of an entry whose file is taken to be as it was."""

_UNSUPPORTED_EXTENSIONS = {
    b"link": ("a split index", "git update-index --no-split-index"),
    b"sdir": ("a sparse index", "git sparse-checkout reapply --no-sparse-index"),
}
_CHECKSUM_BYTES = 20
_EMPTY_BLOB = b"e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"


class GitIndex:
    """The index in a Git directory."""

    def __init__(self, git_directory: str) -> None:
        self.path = os.path.join(git_directory, "index")

    @property
    def written(self) -> int:
        """When it was last written, in nanoseconds since 1970; 0 when there is none."""
        return int(getattr(self._stat(), "st_mtime_ns", 0))

    @property
    def size(self) -> int:
        """Its size in bytes; 0 when there is none."""
        return int(getattr(self._stat(), "st_size", 0))

    def _stat(self) -> os.stat_result | None:
        try:
            return os.lstat(self.path)
        except OSError:
            return None

    def read(self) -> tuple[Index, int]:
        """The entries by path, and the version.

        Raises Busy while it holds conflicts, Unsupported for a split or a sparse index.
        """
        entries, version, rest = self.parse()
        self._check_extensions(rest)
        result: Index = {}
        for name, entry in entries.items():
            if isinstance(entry, ConflictedIndexEntry):
                raise Busy(
                    f"{self.path} has unresolved conflicts", "resolve them and 'git add' the files"
                )
            result[name] = entry
        return result, version

    def parse(self) -> tuple[dict[str, IndexEntry | ConflictedIndexEntry], int, bytes]:
        """The entries, conflicts too, the version, and the extensions that are not understood.

        Raises Unsupported when dulwich cannot read it.
        """
        try:
            with open(self.path, "rb") as file:
                data = file.read()
        except FileNotFoundError:
            return {}, 2, b""
        stream = io.BytesIO(data)
        try:
            entries, version, _ = read_index_dict_with_version(stream)
        except (UnsupportedIndexFormat, AssertionError, ValueError, KeyError) as error:
            raise Unsupported(f"{self.path} cannot be read: {error}") from None
        named = {name.decode("utf-8", "surrogateescape"): e for name, e in entries.items()}
        return named, version, data[stream.tell() : -_CHECKSUM_BYTES]

    def _check_extensions(self, rest: bytes) -> None:
        if rest:
            name, command = _UNSUPPORTED_EXTENSIONS.get(
                rest[:4],
                (f"the index extension {rest[:4]!r}", "git update-index --index-version 2"),
            )
            raise Unsupported(
                f"{self.path} is {name}, which cmgit does not change", f"run '{command}'"
            )


def entry_of(found: os.stat_result, oid: str, mode: int) -> IndexEntry:
    """The entry of a file that looks so and has this blob."""
    return index_entry_from_stat(found, oid.encode("ascii"), mode=mode)


def encode_index(entries: Index, version: int = 2) -> bytes:
    """The bytes of an index with these entries."""
    stream = io.BytesIO()
    named = {name.encode("utf-8", "surrogateescape"): e for name, e in entries.items()}
    write_index_dict(stream, named, version=version)
    data = stream.getvalue()
    return data + hashlib.sha1(data, usedforsecurity=False).digest()


def same_stat(entry: IndexEntry, found: os.stat_result) -> bool:
    """Whether a file looks as it did when the entry was made."""
    smudged = entry.size == 0 and entry.sha != _EMPTY_BLOB
    return (
        not smudged
        and entry.size == found.st_size & 0xFFFFFFFF
        and nanoseconds(entry.mtime) == found.st_mtime_ns
        and nanoseconds(entry.ctime) == found.st_ctime_ns
        and bool(entry.mode & 0o100) == bool(found.st_mode & 0o100)
        and stat.S_IFMT(entry.mode) == stat.S_IFMT(found.st_mode)
    )


def nanoseconds(time: float | tuple[int, int]) -> int:
    """A time of an entry; the nanoseconds are exact only in a tuple."""
    seconds, rest = time if isinstance(time, tuple) else (int(time), 0)
    return seconds * 1_000_000_000 + rest
