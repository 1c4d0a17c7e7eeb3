"""Where the large files of a repository come from and go to.

A server that speaks the API of Git LFS, a directory of this machine, or any place that fsspec
knows. In the latter two the contents lie as in a home: ``objects/aa/bb/OID``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from ..errors import CmgitError, NotFound, RemoteError
from ..store.transport import offline
from .objects import CHUNK, Objects, Opened
from .pointer import Pointer


class Remote(Protocol):
    """What every place does. Both raise RemoteError or its Interrupted, without any secret in the
    message; what came before that stays. ``fetch`` raises NotFound at its end, when all is here
    that is there."""

    def fetch(self, pointers: Sequence[Pointer], objects: Objects) -> None:
        """Bring contents, each checked."""
        ...

    def send(self, pointers: Sequence[Pointer], objects: Objects) -> int:
        """Put contents there that it lacks; returns how many."""
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
    try:
        from fsspec.core import url_to_fs  # type: ignore[import-untyped]
    except ModuleNotFoundError:
        raise CmgitError(f"{url}: needs fsspec", "pip install 'cmgit[fsspec]'") from None
    try:
        return Filesystem(url, *url_to_fs(url))
    except (ImportError, ValueError) as error:
        raise CmgitError(f"{url}: {error}") from None


class Directory:
    """A directory: a Git repository with its large files, or one of these alone."""

    def __init__(self, path: str) -> None:
        self.path = path
        places = [os.path.join(path, ".git", "lfs"), os.path.join(path, "lfs"), path]
        git = os.path.exists(os.path.join(path, ".git")), os.path.isdir(f"{path}/refs"), True
        self._objects = Objects(next(p for p, there in zip(places, git, strict=True) if there))

    def fetch(self, pointers: Sequence[Pointer], objects: Objects) -> None:
        """See Remote."""
        absent = [pointer for pointer in pointers if pointer not in self._objects]
        for pointer in pointers:
            if pointer in absent:
                continue
            with self._objects.read(pointer) as file:
                objects.receive(pointer, lambda start, file=file: _from(file, start))  # type: ignore[misc]
        refuse_absent(absent, self.path)

    def send(self, pointers: Sequence[Pointer], objects: Objects) -> int:
        """See Remote."""
        lacking = [pointer for pointer in pointers if pointer not in self._objects]
        for pointer in lacking:
            with objects.read(pointer) as file:
                self._objects.receive(pointer, lambda start, file=file: _from(file, start))  # type: ignore[misc]
        return len(lacking)


class Filesystem:
    """A place that fsspec knows, such as ``s3://bucket/prefix``."""

    def __init__(self, url: str, filesystem: Any, root: str) -> None:
        self._url = _without_secrets(url)
        self._files = filesystem
        self._root = root.rstrip("/")

    def _path(self, pointer: Pointer) -> str:
        oid = pointer.oid
        return "/".join((self._root, "objects", oid[:2], oid[2:4], oid))

    def fetch(self, pointers: Sequence[Pointer], objects: Objects) -> None:
        """See Remote."""
        absent = []
        for pointer in pointers:
            try:
                with self._files.open(self._path(pointer), "rb") as file:
                    objects.receive(pointer, lambda start, file=file: _from(file, start))  # type: ignore[misc]
            except FileNotFoundError:
                absent.append(pointer)
            except OSError as error:
                if error.errno:
                    raise
                raise RemoteError(f"{self._url}: {type(error).__name__}") from None
        refuse_absent(absent, self._url)

    def send(self, pointers: Sequence[Pointer], objects: Objects) -> int:
        """See Remote."""
        lacking = [pointer for pointer in pointers if not self._has(pointer)]
        for pointer in lacking:
            path = self._path(pointer)
            self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
            with objects.read(pointer) as file:
                self._files.put_file(file.name, f"{path}.part")
            self._files.mv(f"{path}.part", path)
        return len(lacking)

    def _has(self, pointer: Pointer) -> bool:
        try:
            return bool(self._files.size(self._path(pointer)) == pointer.size)
        except FileNotFoundError:
            return False


def refuse_absent(absent: Sequence[Pointer], where: str) -> None:
    """Raise NotFound when the other side does not have some contents."""
    if absent:
        more = f" (and {len(absent) - 1} more)" if len(absent) > 1 else ""
        raise NotFound(
            f"the large file {absent[0].oid} ({absent[0].size} bytes){more} is not at {where}",
            "whoever committed it has to send it: 'git lfs push --all origin' there",
        )


def _from(file: Any, start: int) -> Opened:
    file.seek(start)
    return start, _read(file)


def _read(file: Any) -> Iterable[bytes]:
    while piece := file.read(CHUNK):
        yield piece


def _without_secrets(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
