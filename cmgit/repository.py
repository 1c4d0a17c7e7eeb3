"""One repository: its description, its files, its lock. How it is changed is in :mod:`.change`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import NamedTuple

from .change import Change
from .errors import CmgitError, GitError, MetaError, NotFound
from .index.watch import signature
from .meta.parse import parse_file
from .names import is_uid
from .store import journal
from .store.git import GitRepository
from .store.locks import process_lock
from .store.objects import ObjectID, TreeEntry, read_blob
from .store.treelines import read_names
from .store.trees import lookup, walk
from .store.worktree import WorkTree

DESCRIPTION_FILES = ("cmr.yaml", "cmr.json")
MLC_FILE = "meta.yaml"  # what a repository of MLC has instead; elsewhere the name means nothing


class Description(NamedTuple):
    """What ``cmr.yaml`` or ``cmr.json`` says, and where the repository was pulled from."""

    alias: str = ""
    uid: str = ""
    prefix: str = ""
    desc: str = ""
    url: str = ""
    large_files: str = ""  # from how many bytes on a file is large, see :mod:`.large`


class Repository:
    """A Git repository that holds artifacts.

    ``working`` says whether people edit its files in place; then those are what it holds, else the
    head of its branch is. A directory with a description and without Git is a working one that is
    only read.
    """

    def __init__(self, git: GitRepository, alias: str = "") -> None:
        self.git = git
        self.alias = alias
        self.worktree = None if git.bare else WorkTree(git)

    @classmethod
    def open(cls, path: str, alias: str = "") -> Repository:
        """Open the repository at a path; raises NotFound, Unsupported or GitError."""
        if not os.path.isdir(path):
            raise NotFound(f"repository {alias or path}: {path} is not there", "is a disk missing?")
        if not os.path.lexists(os.path.join(path, ".git")) and is_described(path):
            return cls(GitRepository.without(path), alias)
        return cls(GitRepository.open(path), alias)

    @property
    def working(self) -> bool:
        """Whether there is a work tree."""
        return self.worktree is not None

    def tree(self, commit: ObjectID | None = None) -> str:
        """The root tree of a commit, of the head for None; empty while the branch is unborn."""
        commit = commit or self.git.head().commit
        return self.git.read_commit(commit).tree if commit else ""

    def description(self, commit: ObjectID | None = None) -> Description:
        """What the repository says of itself, now (from the disk, if working) or at a commit.

        Raises MetaError when the file cannot be read, NotFound when there is none. A mirror may be
        of anything: it need not have one.
        """
        for name in DESCRIPTION_FILES:
            data = self._top_file(name, commit)
            if data is not None:
                return _describe(name, data, f"{self.alias or self.git.path}/{name}")
        data = self._top_file(MLC_FILE, commit)
        if data is not None and (found := _mlc_description(data)):
            return found
        if self.git.is_mirror:
            return Description()
        raise NotFound(
            f"{self.git.path} has no cmr.yaml", "'cmgit init repo' makes a directory a repository"
        )

    def _top_file(self, name: str, commit: ObjectID | None) -> bytes | None:
        if self.working and commit is None:
            try:
                return self.read_file(name)
            except NotFound:
                return None
        entry = lookup(self.git.objects, self.tree(commit), name)
        return read_blob(self.git.objects, entry.oid) if entry and not entry.is_tree else None

    # -- files of artifacts -------------------------------------------------------------------

    def files(self, path: str, commit: ObjectID | None = None) -> Iterator[str]:
        """The paths of the files below a directory, relative to it, as they are now (on the
        disk, if working, without what Git ignores) or in a commit."""
        if self.worktree is not None and commit is None:
            if os.path.isdir(self.worktree.absolute(path)):
                yield from (name[len(path) + 1 :] for name in self.worktree.files(path))
            yield from self._left_out(path)
            return
        entry = lookup(self.git.objects, self.tree(commit), path)
        if entry is not None and entry.is_tree:
            yield from (name for name, _ in walk(self.git.objects, entry.oid))

    def _left_out(self, path: str) -> dict[str, TreeEntry]:
        """What a sparse check-out keeps off the disk below a directory, by relative path."""
        found = self.worktree.left_out() if self.worktree else {}
        start = path + "/"
        return {p[len(start) :]: e for p, e in found.items() if p.startswith(start)}

    def read_file(self, path: str, commit: ObjectID | None = None) -> bytes:
        """The content of a file, now or in a commit; raises NotFound."""
        if self.worktree is not None and commit is None:
            try:
                return self.worktree.read(path)
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                left_out = self.worktree.left_out().get(path)
                if left_out is None:
                    raise NotFound(f"no file {path} in {self.alias}") from None
                return read_blob(self.git.objects, left_out.oid)
        entry = lookup(self.git.objects, self.tree(commit), path)
        if entry is None or entry.is_tree:
            raise NotFound(f"no file {path} in {self.alias}")
        return read_blob(self.git.objects, entry.oid)

    def content(self, path: str, commit: ObjectID | None = None) -> dict[str, TreeEntry]:
        """The blobs of the files below a directory, by relative path; those of the disk are put
        into the object store."""
        if self.worktree is not None and commit is None:
            left_out = self._left_out(path)
            found = {
                name: left_out.get(name) or self.worktree.put_path(f"{path}/{name}")
                for name in self.files(path)
            }
            return {name: entry for name, entry in found.items() if entry is not None}
        entry = lookup(self.git.objects, self.tree(commit), path)
        return dict(walk(self.git.objects, entry.oid)) if entry and entry.is_tree else {}

    def exists(self, path: str) -> bool:
        """Whether anything is at a path: on the disk, if working, or in the head."""
        if self.worktree is not None and os.path.lexists(self.worktree.absolute(path)):
            return True
        return lookup(self.git.objects, self.tree(), path) is not None

    def is_directory(self, path: str) -> bool:
        """Whether a directory is at a path: on the disk, if working, else in the head."""
        if self.worktree is not None and os.path.lexists(self.worktree.absolute(path)):
            return os.path.isdir(self.worktree.absolute(path))
        entry = lookup(self.git.objects, self.tree(), path)
        return entry is not None and entry.is_tree

    def names(self, directory: str) -> list[str]:
        """The names in a directory, on the disk (if working) and in the head."""
        entry = lookup(self.git.objects, self.tree(), directory)
        names = read_names(self.git.objects, entry.oid) if entry and entry.is_tree else []
        if self.worktree is None:
            return names
        place = self.worktree.absolute(directory) if directory else self.git.path
        return sorted({*names, *(os.listdir(place) if os.path.isdir(place) else ())})

    # -- changing -----------------------------------------------------------------------------

    @contextmanager
    def locked(self, wait_seconds: float = -1) -> Iterator[None]:
        """Hold cmgit's lock on the repository, and first finish what a killed process began.

        Raises NotFound when it was moved away meanwhile, Busy when the time is over.
        """
        if not os.path.lexists(self.git.git_directory) and is_described(self.git.path):
            raise GitError(
                f"{self.git.path} has no Git repository: it is only read",
                "'git init' there lets cmgit change it",
            )
        try:
            with suppress(FileExistsError):
                os.mkdir(self.git.private_directory)
        except OSError as error:
            raise GitError(f"{self.git.path} cannot be changed: {error.strerror}") from None
        with process_lock(self.git.lock_path, wait_seconds):
            if not os.path.exists(os.path.join(self.git.git_directory, "HEAD")):
                self._forget_lock()
                raise NotFound(f"{self.git.path} is not there any more")
            self.recover()
            yield

    def _forget_lock(self) -> None:
        """Remove what was made to wait for the lock of a repository that is not there any more."""
        with suppress(OSError):
            os.unlink(self.git.lock_path)
            os.rmdir(self.git.private_directory)
            os.rmdir(self.git.git_directory)

    def recover(self) -> bool:
        """Finish or drop what a killed process began; with the lock held."""
        if self.worktree is not None:
            return journal.recover(self.worktree)
        return bool(self.git.release_dead_locks())

    @property
    def unfinished(self) -> bool:
        """Whether a change is being made, or was when its process was killed."""
        return self.worktree is not None and os.path.exists(self.worktree.journal_path)

    def stamp(self) -> tuple[object, ...]:
        """What is different when a change was begun or made meanwhile."""
        return (self.git.head(), *signature(self.git.private_directory))

    @contextmanager
    def change(self, message: str) -> Iterator[Change]:
        """Make one commit out of what the block does with the Change that it gets.

        Call it with the lock held. When the block ends, the tree and the commit are written and
        the branch is moved by compare-and-swap; when somebody else moved it meanwhile and left
        alone what this touches, the change is made again on top. Raises Busy in the middle of a
        merge or rebase, GitError on a detached head, RefMoved when it cannot be replayed; then
        nothing was changed.
        """
        self.git.check_idle()
        change = Change(self, message)
        try:
            yield change
            change.commit()
        finally:
            self.git.objects.forget()


@lru_cache(maxsize=16)  # a history has the same description at most of its commits
def _describe(name: str, data: bytes, where: str) -> Description:
    meta = parse_file(name, data, where)
    uid = str(meta.get("uid") or "").lower()
    if uid and not is_uid(uid):
        raise MetaError(f"{where}:1: uid {uid!r} is not 16 hexadecimal digits")
    prefix = str(meta.get("prefix") or "").strip("/")
    if any(part in ("", ".", "..", ".git") for part in prefix.split("/")) and prefix:
        raise MetaError(f"{where}:1: prefix {prefix!r} is not a directory inside the repository")
    large = meta.get("large_files")
    return Description(
        str(meta.get("alias") or ""),
        uid,
        prefix,
        str(meta.get("desc") or ""),
        large_files="" if large is None else str(large),
    )


def _mlc_description(data: bytes) -> Description | None:
    """What MLC's ``meta.yaml`` says of a repository; None for a file that is something else."""
    with suppress(MetaError):
        found = _describe(MLC_FILE, data, MLC_FILE)
        if found.alias and found.uid:
            return found
    return None


def is_described(path: str) -> bool:
    """Whether a directory says of itself that it is a repository of artifacts."""
    if any(os.path.isfile(os.path.join(path, name)) for name in DESCRIPTION_FILES):
        return True
    try:
        with open(os.path.join(path, MLC_FILE), "rb") as file:
            return _mlc_description(file.read()) is not None
    except OSError:
        return False


def read_description(path: str) -> Description:
    """The description of the repository at a path; empty when it cannot be read."""
    try:
        repository = Repository.open(path)
        description = repository.description()
        url = repository.git.remote_url()
        repository.git.close()
    except CmgitError:
        return Description()
    return description._replace(url=url)
