"""Where the large files of a repository come from and go to.

A server that speaks the API of Git LFS, a directory of this machine, or any place that fsspec
knows. In the latter two the contents lie as in a home: ``objects/aa/bb/OID``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from ..errors import CmgitError, Damaged, NotFound, RemoteError
from ..store.transport import offline
from .objects import Objects, Opened, pieces
from .pointer import Pointer
from .transfers import JOBS, Absent, Moved, Transfers, nobody


class Remote(Protocol):
    """What every place does, several contents at once, telling of bytes as they are moved. What
    goes wrong with one keeps no other from being moved; it is raised at the end, as
    :meth:`.Transfers.run` says, without any secret in the message."""

    @property
    def where(self) -> str:
        """What to call it, without secrets."""
        ...

    def lacking(self, pointers: Sequence[Pointer]) -> list[Pointer]:
        """Those of the contents that it does not have, or does not say that it has."""
        ...

    def fetch(self, pointers: Sequence[Pointer], objects: Objects, moved: Moved = nobody) -> None:
        """Bring contents, each checked."""
        ...

    def send(self, pointers: Sequence[Pointer], objects: Objects, moved: Moved = nobody) -> int:
        """Put contents there that it lacks; returns how many. Raises Damaged for one that it lacks
        and that is not here either, or is damaged."""
        ...


def remote_at(url: str) -> Remote:
    """The place that a URL or path names. Raises CmgitError when fsspec is needed and missing."""
    parts = urlsplit(url)
    if parts.scheme in ("https", "http"):
        from .batch import Server

        return Server(url)
    if parts.scheme in ("", "file") or os.path.isabs(url):
        return Directory(unquote(parts.path) if parts.scheme == "file" else url)
    if offline():
        raise RemoteError(
            f"{_without_secrets(url)} is elsewhere, and cmgit is offline", "go online"
        )
    return _filesystem(url)


def _filesystem(url: str) -> Filesystem:
    where = _without_secrets(url)
    try:
        from fsspec.core import url_to_fs  # type: ignore[import-untyped]
    except ModuleNotFoundError:
        raise CmgitError(f"{where}: needs fsspec", "pip install 'cmgit[fsspec]'") from None
    with _failing(where):
        try:
            return Filesystem(url, *url_to_fs(url))
        except (ImportError, ValueError) as error:
            raise CmgitError(f"{where}: {str(error).replace(url, where)}") from None


class Directory:
    """A directory: a Git repository with its large files, or one of these alone."""

    def __init__(self, path: str) -> None:
        self.where = path
        places = [os.path.join(path, ".git", "lfs"), os.path.join(path, "lfs"), path]
        git = os.path.exists(os.path.join(path, ".git")), os.path.isdir(f"{path}/refs"), True
        self._objects = Objects(next(p for p, there in zip(places, git, strict=True) if there))

    def lacking(self, pointers: Sequence[Pointer]) -> list[Pointer]:
        """See Remote. Raises NotFound when there is no directory: its name may be mistyped."""
        if not os.path.isdir(self.where):
            raise NotFound(f"{self.where} is no directory", "make it, or check the path")
        return [pointer for pointer in pointers if pointer not in self._objects]

    def fetch(self, pointers: Sequence[Pointer], objects: Objects, moved: Moved = nobody) -> None:
        """See Remote."""
        transfers = Transfers(self.where, moved)

        def bring(pointer: Pointer, _: None) -> bool:
            if pointer not in self._objects:
                raise Absent
            _copy(pointer, self._objects, objects, transfers)
            return True

        transfers.run(bring, ((pointer, None) for pointer in pointers))

    def send(self, pointers: Sequence[Pointer], objects: Objects, moved: Moved = nobody) -> int:
        """See Remote."""
        transfers = Transfers(self.where, moved)

        def put(pointer: Pointer, _: None) -> bool:
            if pointer in self._objects:
                return False
            _copy(pointer, objects, self._objects, transfers)
            return True

        return transfers.run(put, ((pointer, None) for pointer in pointers))


def _copy(pointer: Pointer, source: Objects, target: Objects, transfers: Transfers) -> None:
    with source.read(pointer) as file:

        def from_there(start: int) -> Opened:
            file.seek(start)
            return start, transfers.counted(pieces(file))

        target.receive(pointer, from_there)


class Filesystem:
    """A place that fsspec knows, such as ``s3://bucket/prefix``."""

    def __init__(self, url: str, filesystem: Any, root: str) -> None:
        self.where = _without_secrets(url)
        self._files = filesystem
        self._root = root.rstrip("/")

    def _path(self, pointer: Pointer) -> str:
        oid = pointer.oid
        return "/".join((self._root, "objects", oid[:2], oid[2:4], oid))

    def fetch(self, pointers: Sequence[Pointer], objects: Objects, moved: Moved = nobody) -> None:
        """See Remote."""
        transfers = Transfers(self.where, moved)

        def bring(pointer: Pointer, _: None) -> bool:
            with ExitStack() as stack:

                def from_there(start: int) -> Opened:
                    with _failing(self.where):
                        file = stack.enter_context(self._files.open(self._path(pointer), "rb"))
                        file.seek(start)
                    return start, transfers.counted(self._read(file))

                objects.receive(pointer, from_there)
            return True

        transfers.run(bring, ((pointer, None) for pointer in pointers))

    def _read(self, file: Any) -> Iterator[bytes]:
        with _failing(self.where):
            yield from pieces(file)

    def send(self, pointers: Sequence[Pointer], objects: Objects, moved: Moved = nobody) -> int:
        """See Remote."""
        transfers = Transfers(self.where, moved)

        def put(pointer: Pointer, _: None) -> bool:
            if self._has(pointer):
                return False
            self._put(pointer, objects)
            moved(pointer.size)
            return True

        return transfers.run(put, ((pointer, None) for pointer in pointers))

    def _put(self, pointer: Pointer, objects: Objects) -> None:
        """Send a content under another name, and rename it."""
        problem = objects.verify(pointer)
        if problem:
            raise Damaged(problem)
        path = self._path(pointer)
        part = f"{path}.{os.urandom(8).hex()}.part"  # others may be sending it, too
        with _failing(self.where):
            self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
            self._files.put_file(objects.path(pointer.oid), part)
            self._files.mv(part, path)

    def lacking(self, pointers: Sequence[Pointer]) -> list[Pointer]:
        """See Remote."""
        with ThreadPoolExecutor(JOBS) as pool:
            there = pool.map(self._has, pointers)
            return [p for p, has in zip(pointers, there, strict=True) if not has]

    def _has(self, pointer: Pointer) -> bool:
        try:
            with _failing(self.where):
                return bool(self._files.size(self._path(pointer)) == pointer.size)
        except Absent:
            return False


@contextmanager
def _failing(where: str) -> Iterator[None]:
    """Tell what fsspec and the libraries below it raise, which may be anything and hold secrets."""
    try:
        yield
    except (CmgitError, ImportError, ValueError):
        raise
    except FileNotFoundError:
        raise Absent from None
    except Exception as error:
        kind = error.strerror if isinstance(error, OSError) else ""
        raise RemoteError(
            f"{where}: {kind or type(error).__name__}", "check the URL and the login for it"
        ) from None


def _without_secrets(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
