"""The work tree of a person: its files, as Git sees them.

Line ends and filters are those of Git's attributes (:mod:`.convert`); what Git ignores is left out.
How the files are changed together with Git's index and the branch is in :mod:`.journal`.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import suppress

from dulwich.ignore import (
    IgnoreFilter,
    IgnoreFilterManager,
    default_user_ignore_filter_path,
)
from dulwich.index import ConflictedIndexEntry

from ..errors import CmgitError
from ..lfs.objects import Objects
from ..lfs.pointer import Pointer, parse_pointer
from .convert import Converter
from .git import GitRepository
from .gitindex import GitIndex
from .large import large_directory
from .objects import EXECUTABLE, FILE, LINK, ObjectID, TreeEntry
from .trees import walk


class WorkTree:
    """The files around a Git repository. Paths are relative to its root, with ``/``."""

    def __init__(self, git: GitRepository) -> None:
        self.git = git
        self.root = git.path
        self.index = GitIndex(git.git_directory)
        self.file_mode = bool(git.config().get_boolean((b"core",), b"filemode", True))
        self.large = Objects(large_directory(git))
        self._conversions: Converter | None = None
        self._read: dict[str, tuple[os.stat_result, ObjectID]] = {}
        self._seen: dict[str, tuple[int, ...]] = {}

    def absolute(self, path: str) -> str:
        """Where a path is on the disk."""
        return os.path.join(self.root, *path.split("/"))

    @property
    def journal_path(self) -> str:
        """The file that is there while a change is being made."""
        return os.path.join(self.git.private_directory, "journal")

    def committed(self) -> dict[str, TreeEntry]:
        """The files of the head, by path."""
        head = self.git.head().commit
        return dict(walk(self.git.objects, self.git.read_commit(head).tree if head else ""))

    # -- one file ---------------------------------------------------------------------------

    def put_file(self, path: str, data: bytes, mode: int = FILE) -> TreeEntry:
        """Put the blob that Git would store for a file with this content (line ends, filters)."""
        if mode in (FILE, EXECUTABLE):
            data = self._converter().clean(path, data)
        return TreeEntry(mode, self.git.objects.put("blob", data))

    def put_path(self, path: str) -> TreeEntry | None:
        """Put the blob of a file or link on the disk; None when it is neither."""
        target = self.absolute(path)
        try:
            found = os.lstat(target)
        except OSError:
            return None
        if stat.S_ISLNK(found.st_mode):
            entry = self.put_file(path, os.fsencode(os.readlink(target)), LINK)
        elif stat.S_ISREG(found.st_mode):
            executable = self.file_mode and found.st_mode & 0o100
            mode = EXECUTABLE if executable else FILE
            if self._converter().is_large(path):
                entry = TreeEntry(mode, self.git.objects.put("blob", self.large.clean(target)))
            else:
                with open(target, "rb") as file:
                    entry = self.put_file(path, file.read(), mode)
        else:
            return None
        self._read[path] = found, entry.oid
        return entry

    def last_read(self, path: str) -> tuple[os.stat_result, ObjectID] | None:
        """The content that ``put_path`` last found at a path, and what the file looked like just
        before that was read."""
        return self._read.get(path)

    def read(self, path: str) -> bytes:
        """The content of a file, or the target of a link; raises FileNotFoundError for others."""
        target = self.absolute(path)
        found = os.lstat(target)
        self._seen[path] = _look(found)
        if stat.S_ISLNK(found.st_mode):
            return os.fsencode(os.readlink(target))
        if not stat.S_ISREG(found.st_mode):
            raise FileNotFoundError(errno.ENOENT, "not a file", target)
        with open(target, "rb") as file:
            return file.read()

    def is_edited(self, path: str) -> bool:
        """Whether a file is not as it was when ``read`` read it; False when that never did."""
        seen = self._seen.get(path)
        if seen is None:
            return False
        try:
            return _look(os.lstat(self.absolute(path))) != seen
        except OSError:
            return True

    def read_below(self, directory: str) -> list[str]:
        """What ``read`` has read below a directory."""
        return [path for path in self._seen if path.startswith(directory + "/")]

    def forget_reads(self) -> None:
        """Begin anew: what was read is changed, or is not of interest any more."""
        self._seen.clear()

    def checked_out(self, path: str, data: bytes) -> bytes:
        """The content that a file has for the data of its blob (line ends, filters)."""
        return self._converter().smudge(path, data)

    def large_file(self, path: str, data: bytes) -> Pointer | None:
        """The pointer that the data of a blob is, where Git LFS would put its content in its place
        and that is here."""
        pointer = parse_pointer(data)
        if pointer is None or pointer not in self.large or not self._converter().is_large(path):
            return None
        return pointer

    def is_filtered(self, path: str) -> bool:
        """Whether a filter of the user's is applied to a path."""
        return self._converter().is_filtered(path)

    def forget_attributes(self) -> None:
        """Read Git's attributes again: a file that holds some was written."""
        self._conversions = None

    def _converter(self) -> Converter:
        if self._conversions is None:
            self._conversions = Converter(self.git, self._indexed)
        return self._conversions

    def _indexed(self, path: str) -> ObjectID | None:
        with suppress(CmgitError):
            entry = self.index.read()[0].get(path)
            return ObjectID(entry.sha.decode("ascii")) if entry else None
        return None

    # -- all files --------------------------------------------------------------------------

    def files(self, directory: str = "") -> Iterator[str]:
        """The files and links below a directory that Git would not ignore, sorted."""
        yield from self._files(directory, self._ignored())

    def all_files(self, directory: str) -> Iterator[str]:
        """Everything on the disk below a directory that is no directory, relative to it."""
        top = self.absolute(directory)
        for parent, directories, names in os.walk(top):
            links = [d for d in directories if os.path.islink(os.path.join(parent, d))]
            for name in [*names, *links]:
                yield os.path.relpath(os.path.join(parent, name), top).replace(os.sep, "/")

    def _ignored(self) -> IgnoreFilterManager:
        """What Git ignores; ``info/exclude`` goes before the user's own file."""
        config, filters = self.git.config(), []
        exclude = os.path.join(self.git.common_directory, "info", "exclude")
        for path in (os.path.expanduser(default_user_ignore_filter_path(config)), exclude):
            with suppress(OSError):
                filters.append(IgnoreFilter.from_path(path))
        folded = config.get_boolean((b"core",), b"ignorecase", False)
        return IgnoreFilterManager(self.root, filters, bool(folded))

    def _files(self, directory: str, ignored: IgnoreFilterManager) -> Iterator[str]:
        with os.scandir(self.absolute(directory) if directory else self.root) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            path = f"{directory}/{entry.name}" if directory else entry.name
            is_directory = entry.is_dir(follow_symlinks=False)
            if entry.name == ".git":
                continue
            if ignored.may_prune_directory(path) if is_directory else ignored.is_ignored(path):
                continue
            if not is_directory:
                yield path
            elif not os.path.lexists(os.path.join(entry.path, ".git")):
                yield from self._files(path, ignored)

    def left_out(self) -> dict[str, TreeEntry]:
        """The files that a sparse check-out keeps off the disk."""
        if not os.path.exists(os.path.join(self.git.git_directory, "info", "sparse-checkout")):
            return {}
        found: dict[str, TreeEntry] = {}
        for path, entry in self.index.parse()[0].items():
            if isinstance(entry, ConflictedIndexEntry) or not entry.skip_worktree:
                continue
            known = TreeEntry(entry.mode, ObjectID(entry.sha.decode("ascii")))
            if known.is_tree:  # of a sparse index
                found.update(walk(self.git.objects, known.oid, path))
            else:
                found[path] = known
        return {p: e for p, e in found.items() if not os.path.lexists(self.absolute(p))}


def _look(found: os.stat_result) -> tuple[int, ...]:
    """What is different after an edit, whether in place or by a file that takes the place."""
    return found.st_mode, found.st_ino, found.st_size, found.st_mtime_ns
