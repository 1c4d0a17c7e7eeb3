"""Contents of large files in a directory, each in a file named by its SHA-256, as Git LFS has them.

``objects/aa/bb/OID`` is written beside its place (``tmp``), hashed on the way, made durable and
renamed: what is there is whole. Nothing is ever read into memory as a whole.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from io import BytesIO
from typing import BinaryIO

from ..errors import Damaged
from ..store.locks import process_lock
from .pointer import POINTER_BYTES, Pointer, parse_pointer

CHUNK = 1 << 20
_OID = re.compile("[0-9a-f]{64}")
Opened = tuple[int, Iterable[bytes]]
"""From which byte on a content comes, and its pieces."""


class Objects:
    """The contents below a directory, which is made when the first comes."""

    def __init__(self, directory: str) -> None:
        self.directory = directory

    def path(self, oid: str) -> str:
        """Where a content is, or would be."""
        return os.path.join(self.directory, "objects", oid[:2], oid[2:4], oid)

    def __contains__(self, pointer: Pointer) -> bool:
        """Whether the content of a pointer is there, in its length."""
        try:
            return os.stat(self.path(pointer.oid)).st_size == pointer.size
        except OSError:
            return False

    def __iter__(self) -> Iterator[tuple[str, os.stat_result]]:
        """The contents that are there, by their SHA-256, with what their files look like."""
        for parent, _, names in os.walk(os.path.join(self.directory, "objects")):
            for name in sorted(names):
                path = os.path.join(parent, name)
                if _OID.fullmatch(name) and path == self.path(name):
                    with suppress(FileNotFoundError):
                        yield name, os.lstat(path)

    def keep(self, stream: BinaryIO) -> Pointer:
        """Take in a content, from where a stream is to its end; returns its pointer."""
        os.makedirs(self._tmp, exist_ok=True)
        temporary = os.path.join(self._tmp, f"{os.getpid()}-{os.urandom(8).hex()}")
        try:
            with open(temporary, "xb") as file:
                pointer = _copy(pieces(stream), file)
                _sync(file)
            self._put(temporary, pointer)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary)
        return pointer

    def clean_bytes(self, data: bytes) -> bytes:
        """The same of a content in memory."""
        if not data or parse_pointer(data):
            return data
        return self.keep(BytesIO(data)).encode()

    def clean(self, path: str) -> bytes:
        """What Git keeps of a file: itself when it is empty or a pointer already, as Git LFS has
        it, else a pointer, and the content is kept here."""
        with open(path, "rb") as file:
            start = file.read(POINTER_BYTES + 1)
            if not start or parse_pointer(start):
                return start
            file.seek(0)
            pointer = digest(file)
            if not self.touch(pointer):
                file.seek(0)
                pointer = self.keep(file)
        return pointer.encode()

    def receive(self, pointer: Pointer, open_at: Callable[[int], Opened]) -> None:
        """Take in the content of a pointer from elsewhere; ``open_at`` is told how many bytes are
        here of an earlier time. Raises Damaged when what comes is something else."""
        os.makedirs(self._tmp, exist_ok=True)
        with process_lock(os.path.join(self.directory, "locks", pointer.oid[:2])):
            if self.touch(pointer):
                return
            part = os.path.join(self._tmp, f"{pointer.oid}.part")
            if not _received(part, pointer, open_at):
                raise Damaged(f"what came is not the content {pointer.oid}")
            self._put(part, pointer)

    def link(self, pointer: Pointer, other: Objects) -> None:
        """Take over a content of another directory: the same file, where the disk allows that.
        Raises Damaged for one that has to be copied and is something else."""
        target = self.path(pointer.oid)
        if self.touch(pointer):
            return
        os.makedirs(os.path.dirname(target), exist_ok=True)
        other.touch(pointer)
        try:
            os.link(other.path(pointer.oid), target)
        except OSError:  # another file system, or something else is in the place
            with open(other.path(pointer.oid), "rb") as file:
                if self.keep(file) != pointer:
                    raise Damaged(
                        f"the large file {pointer.oid} is damaged in {other.directory}"
                    ) from None

    def touch(self, pointer: Pointer) -> bool:
        """Whether a content is there. It is made as young as a new one: ``gc`` leaves it alone for
        a while, so that who is told that it is there can refer to it."""
        with suppress(OSError):
            os.utime(self.path(pointer.oid))
        return pointer in self

    def drop(self, oid: str, before: float) -> bool:
        """Remove a content that is older than a time; returns whether it is gone. It is taken away
        before its age is looked at, as by then somebody may have been told that it is there."""
        away = os.path.join(self._tmp, f"{os.getpid()}-{os.urandom(8).hex()}")
        os.makedirs(self._tmp, exist_ok=True)
        try:
            os.rename(self.path(oid), away)
        except FileNotFoundError:
            return False
        if os.lstat(away).st_mtime >= before:
            os.replace(away, self.path(oid))
            return False
        os.unlink(away)
        return True

    def set_aside(self, oid: str) -> str:
        """Take away what is damaged; returns where it is then: nobody else may have the content."""
        place = os.path.join(self.directory, "damaged", oid)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        os.replace(self.path(oid), place)
        return place

    def read(self, pointer: Pointer) -> BinaryIO:
        """Open a content. Raises Damaged when it is missing or not in its length."""
        if pointer not in self:
            raise Damaged(f"the large file {pointer.oid} is missing in {self.directory}")
        return open(self.path(pointer.oid), "rb")

    def copy(self, pointer: Pointer, file: BinaryIO) -> None:
        """Write a content into a file, hashed again on the way. Raises Damaged."""
        with self.read(pointer) as stream:
            if _copy(pieces(stream), file) != pointer:
                raise Damaged(
                    f"{self.path(pointer.oid)} does not match its name",
                    "remove it; it is fetched again, if its origin has it",
                )

    def verify(self, pointer: Pointer) -> str:
        """What is wrong with a content; empty when it is there and whole."""
        try:
            with self.read(pointer) as stream:
                whole = digest(stream) == pointer
        except Damaged as error:
            return str(error)
        return "" if whole else f"the large file {pointer.oid} is damaged in {self.directory}"

    @property
    def _tmp(self) -> str:
        return os.path.join(self.directory, "tmp")

    def _put(self, temporary: str, pointer: Pointer) -> None:
        target = self.path(pointer.oid)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.chmod(temporary, 0o444)
        os.replace(temporary, target)


def digest(stream: BinaryIO) -> Pointer:
    """The pointer of a content."""
    seen, size = hashlib.sha256(), 0
    for piece in pieces(stream):
        seen.update(piece)
        size += len(piece)
    return Pointer(seen.hexdigest(), size)


def _received(part: str, pointer: Pointer, open_at: Callable[[int], Opened]) -> bool:
    """Go on with a content where a file ends; returns whether it is whole. If it is not, the file
    is gone: what came at an earlier time may have been wrong, so that all is asked for once more.
    """
    held = os.path.getsize(part) if os.path.exists(part) else 0
    held = held if held < pointer.size else 0
    start, coming = open_at(held)
    if start in (0, held):
        with open(part, "a+b") as file:
            file.truncate(start)
            file.seek(0)
            got = _copy(_bounded(coming, pointer.size - start), file, pieces(file))
            _sync(file)
        if got == pointer:
            return True
    with suppress(FileNotFoundError):
        os.unlink(part)
    return bool(held and start) and _received(part, pointer, open_at)


def _bounded(coming: Iterable[bytes], most: int) -> Iterator[bytes]:
    """The pieces, to the first with which more came than was to come."""
    for piece in coming:
        yield piece
        most -= len(piece)
        if most < 0:
            return


def _copy(coming: Iterable[bytes], file: BinaryIO, before: Iterable[bytes] = ()) -> Pointer:
    """Append pieces to a file; returns the pointer of it all, what was there before too."""
    seen, size = hashlib.sha256(), 0
    for piece in before:
        seen.update(piece)
        size += len(piece)
    for piece in coming:
        seen.update(piece)
        size += len(piece)
        file.write(piece)
    return Pointer(seen.hexdigest(), size)


def pieces(stream: BinaryIO) -> Iterator[bytes]:
    """A file piece by piece."""
    while piece := stream.read(CHUNK):
        yield piece


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
