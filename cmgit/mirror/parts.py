"""A bundle as files of a limited size: written and read as one stream, hashed on the way."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import Damaged, NotFound
from .manifest import Part


def _nobody(count: int) -> None:
    """Tell nobody how many bytes went by."""


class PartWriter:
    """Writes ``NAME``; what is longer than ``limit`` becomes ``NAME.000``, ``NAME.001`` and so on,
    which ``cat`` puts together again."""

    def __init__(
        self, directory: str, name: str, limit: int = 0, tell: Callable[[int], None] = _nobody
    ) -> None:
        self._tell = tell
        self._directory = directory
        self._name = name
        self._limit = limit
        self._parts: list[Part] = []
        self._open(name)

    def _open(self, name: str) -> None:
        self._file = open(os.path.join(self._directory, *name.split("/")), "xb")  # noqa: SIM115
        self._current = name
        self._size, self._hash = 0, hashlib.sha256()

    def write(self, data: bytes) -> None:
        """Append to the stream, and tell how much."""
        size = len(data)
        while self._limit and self._size + len(data) > self._limit:
            room = self._limit - self._size
            self._append(data[:room])
            data = data[room:]
            self._next()
        self._append(data)
        self._tell(size)

    def _append(self, data: bytes) -> None:
        self._file.write(data)
        self._hash.update(data)
        self._size += len(data)

    def _next(self) -> None:
        if not self._parts:
            first = f"{self._name}.000"
            os.rename(self._path(self._name), self._path(first))
            self._current = first
        self._end()
        self._open(f"{self._name}.{len(self._parts):03}")

    def _path(self, name: str) -> str:
        return os.path.join(self._directory, *name.split("/"))

    def _end(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._parts.append(Part(self._current, self._size, self._hash.hexdigest()))

    def close(self) -> tuple[Part, ...]:
        """End the stream, durably; returns what was written."""
        self._end()
        return tuple(self._parts)

    def discard(self) -> None:
        """Remove what was written."""
        self._file.close()
        for name in {self._current, *(part.file for part in self._parts)}:
            os.unlink(self._path(name))


class PartReader(io.RawIOBase):
    """Reads the parts of one bundle as one stream. ``finish`` says whether they were right.

    Raises NotFound for a part that is missing and Damaged for one of another size, at once.
    """

    def __init__(
        self, directory: str, parts: Sequence[Part], tell: Callable[[int], None] = _nobody
    ) -> None:
        self._file: Any = None  # first: what raises below is closed all the same
        self._tell = tell
        self._todo = [(os.path.join(directory, *part.file.split("/")), part) for part in parts]
        for path, part in self._todo:
            _check_size(path, part.size)

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; raises Damaged at the end of a part that is not as it was written."""
        while self._file is not None or self._todo:
            if self._file is None:
                self._file = open(self._todo[0][0], "rb", buffering=0)  # noqa: SIM115
                self._hash = hashlib.sha256()
            count: int = self._file.readinto(buffer)
            if count:
                self._hash.update(memoryview(buffer)[:count])
                self._tell(count)
                return count
            self._end()
        return 0

    def _end(self) -> None:
        self._file.close()
        self._file = None
        path, part = self._todo.pop(0)
        if self._hash.hexdigest() != part.sha256:
            raise Damaged(f"{path} is not as it was written: its SHA-256 differs")

    def finish(self) -> None:
        """Read what is left; raises Damaged."""
        buffer = bytearray(1 << 20)
        while self.readinto(buffer):
            pass

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
        super().close()


def _check_size(path: str, size: int) -> None:
    try:
        found = os.stat(path)
    except OSError:
        raise NotFound(f"{path} is missing") from None
    if not stat.S_ISREG(found.st_mode):
        raise Damaged(f"{path} is no file")  # what is none, such as a pipe, need not end
    if found.st_size != size:
        raise Damaged(f"{path} has {found.st_size} bytes, not {size}")
