"""Large files of repositories: which are large, and bringing their contents to where they are needed.

The home keeps them all (``lfs/`` in it, see ``cmgit/lfs/README.md``). A working repository has
those of its own where Git LFS looks for them, too: the same files, by a hard link.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from threading import Lock
from typing import NamedTuple

from .change import File
from .errors import CmgitError, MetaError, NotFound
from .lfs.objects import Objects
from .lfs.pointer import ATTRIBUTES, Pointer, mark
from .repository import Repository
from .store.checkout import pointers_of
from .store.large import (
    CONFIG,
    large_directory,
    large_url,
    named_pointers,
    pointers_among,
    push_url,
)
from .store.objects import EXECUTABLE, FILE, TreeEntry
from .store.transport import Received, chosen

DIRECTORY = "lfs"
DEFAULT = "10MiB"
_TOLD_SECONDS = 0.25  # between two words on what has come
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_SIZE = re.compile(r"(\d+)\s*(?:([kmgt]?)i?b?)", re.IGNORECASE)


def limit_of(repository: Repository) -> int | None:
    """How many bytes a file that is added may have before it counts as large, as ``large_files`` in
    the ``cmr.yaml`` says: ``10MiB``, ``500k``, ``never`` (then None). Raises MetaError."""
    text = repository.description().large_files or DEFAULT
    if text.lower() in ("never", "false"):
        return None
    found = _SIZE.fullmatch(text.strip())
    if not found:
        raise MetaError(
            f"{repository.alias}/cmr.yaml: large_files {text!r} is no size",
            "write 10MiB, 500k, 2g, or never",
        )
    return int(found[1]) * _UNITS[found[2].lower()]


def marked(files: Mapping[str, File]) -> dict[str, File]:
    """The files of an artifact, with a ``.gitattributes`` that says which of them Git LFS keeps."""
    large = [name for name, file in files.items() if file.large]
    if not large:
        return dict(files)
    old = files.get(ATTRIBUTES, File(b""))
    return {**files, ATTRIBUTES: old._replace(data=mark(old.data, large))}


class Meter:
    """Reports how many bytes have come, or otherwise been moved, a few times a second; any thread
    may call it."""

    def __init__(
        self,
        report: Callable[[str], None],
        total: int,
        line: Callable[[int, int], str] = Received,
    ) -> None:
        self._report = report
        self._line = line
        self._total = total
        self._size = 0
        self._told = time.monotonic()
        self._lock = Lock()

    def __call__(self, moved: int) -> None:
        """Count so many more bytes."""
        with self._lock:
            self._size += moved
            if time.monotonic() - self._told > _TOLD_SECONDS:
                self._told = time.monotonic()
                self._report(self._line(self._size, self._total))


class Push(NamedTuple):
    """How the large files of a repository went to a place: of ``large_files``, it lacked those in
    ``lacking``; ``sent`` is how many of these it got, and those in ``missing`` are not here
    either."""

    repo: str
    to: str
    large_files: int
    lacking: tuple[Pointer, ...]
    missing: tuple[Pointer, ...]
    sent: int = 0

    @property
    def bytes(self) -> int:
        """Of what it lacked and is here."""
        return sum(p.size for p in self.lacking) - sum(p.size for p in self.missing)

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        return {**self._asdict(), "bytes": self.bytes} | {
            name: [pointer._asdict() for pointer in pointers]
            for name, pointers in (("lacking", self.lacking), ("missing", self.missing))
        }


class LargeFiles:
    """The contents of large files that a home keeps."""

    def __init__(self, home: str, report: Callable[[str], None]) -> None:
        self.home = home
        self.objects = Objects(os.path.join(home, DIRECTORY))
        self._report = report

    def provide(self, repository: Repository, pointers: Iterable[Pointer]) -> Objects:
        """Bring contents into the home, from the repository itself or from where it was pulled.

        Raises NotFound, naming what is missing and where it was looked for, and RemoteError.
        """
        lacking = self._local(repository, pointers)
        if lacking:
            self._fetch(repository, lacking)
        return self.objects

    def _local(self, repository: Repository, pointers: Iterable[Pointer]) -> list[Pointer]:
        """Take over what the repository has itself; returns what is still lacking."""
        own = Objects(large_directory(repository.git))
        lacking = []
        for pointer in pointers:
            if self.objects.touch(pointer):
                continue
            if pointer in own and not own.verify(pointer):
                self.objects.link(pointer, own)
            else:
                lacking.append(pointer)
        return lacking

    def _fetch(self, repository: Repository, pointers: list[Pointer]) -> None:
        from .lfs.remote import remote_at

        url = large_url(repository.git, _lfsconfig(repository))
        if not url:
            raise NotFound(
                f"the large file {pointers[0].oid} of {repository.alias} is not in this home, and "
                "nothing says where it comes from",
                "git config cmgit.lfsurl URL, in the repository",
            )
        size = sum(pointer.size for pointer in pointers)
        self._report(f"fetching {len(pointers)} large files ({size >> 20} MiB)")
        remote_at(url).fetch(pointers, self.objects, Meter(self._report, size))

    def provide_all(self, repository: Repository) -> None:
        """Bring the contents of all large files of a repository as it is now."""
        pointers = set(pointers_of(repository.git.objects, repository.tree()).values())
        self.provide(repository, sorted(pointers))

    def push(
        self, repository: Repository, everything: bool = False, to: str = "", dry_run: bool = False
    ) -> Push:
        """Send the contents of large files to where they belong (or ``to`` a place), if it lacks
        them: those that the history of the branch names, or that of any ref when it is
        ``everything``. What is not here either keeps no other from being sent.

        Raises NotFound when nothing says where they belong, and what :meth:`.Remote.send` does.
        """
        from .lfs.remote import remote_at

        url = to or push_url(repository.git, _lfsconfig(repository))
        if not url:
            raise NotFound(
                f"nothing says where the large files of {repository.alias} belong",
                "say it with --to=URL, or git config cmgit.lfsurl URL, in the repository",
            )
        remote = remote_at(url)
        tips = None if everything else [*filter(None, [repository.git.head().commit])]
        pointers = sorted(named_pointers(repository.git, chosen()[1], tips))
        lacking = remote.lacking(pointers) if pointers else []
        missing = self._local(repository, lacking)
        push = Push(repository.alias, remote.where, len(pointers), tuple(lacking), tuple(missing))
        here = [pointer for pointer in lacking if pointer not in set(missing)]
        if dry_run or not here:
            return push
        self._report(f"sending {len(here)} large files ({push.bytes >> 20} MiB)")
        return push._replace(sent=remote.send(here, self.objects, self._sending(push.bytes)))

    def _sending(self, total: int) -> Meter:
        def line(size: int, of: int) -> str:
            return f"sent {size / (1 << 20):.1f} of {of / (1 << 20):.1f} MiB"

        return Meter(self._report, total, line)

    def supply(self, repository: Repository, pointers: Iterable[Pointer]) -> None:
        """Put contents that the home has where Git LFS looks for those of a working repository."""
        if repository.worktree is not None:
            for pointer in pointers:
                if self.objects.touch(pointer):
                    repository.worktree.large.link(pointer, self.objects)

    def carry(
        self, source: Repository, target: Repository, content: Mapping[str, TreeEntry]
    ) -> None:
        """Make the large files among what is copied from one repository to another known there.

        What cannot be had now stays a pointer; a warning says so.
        """
        blobs = [entry.oid for entry in content.values() if entry.mode in (FILE, EXECUTABLE)]
        pointers = pointers_among(source.git, blobs)
        if pointers:
            try:
                self.provide(source, sorted(pointers))
            except CmgitError as error:
                self._report(f"warning: {error}")
            self.supply(target, pointers)


def _lfsconfig(repository: Repository) -> bytes:
    with suppress(CmgitError):
        return repository.read_file(CONFIG)
    return b""
