"""What is here alone: in a work tree (what ``git add --all`` would stage, and all that is not
committed), and commits that are not pushed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from dulwich.index import IndexEntry, read_submodule_head

from .git import GitRepository
from .gitindex import ASSUME_VALID, Index, same_stat
from .objects import EXECUTABLE, FILE, SUBMODULE, ObjectID, TreeEntry
from .operations import Operation, index_operation
from .worktree import WorkTree


class Pending(NamedTuple):
    """The edits of the head's tree, and the operations that bring Git's index up to date."""

    edits: dict[str, TreeEntry | None]
    operations: list[Operation]


def pending(worktree: WorkTree) -> Pending:
    """What ``git add --all`` would stage."""
    written = worktree.index.written  # first: an older one than the entries does no harm
    committed, (entries, _) = worktree.committed(), worktree.index.read()
    wanted = _wanted(worktree, entries, written)
    edits: dict[str, TreeEntry | None] = {p: None for p in committed if p not in wanted}
    edits.update((p, entry) for p, entry in wanted.items() if committed.get(p) != entry)
    operations: list[Operation] = [["unstage", p] for p in entries if p not in wanted]
    for path, entry in wanted.items():
        old = entries.get(path)
        if old is None or (old.sha.decode("ascii"), old.mode) != (entry.oid, entry.mode):
            operations.append(index_operation(path, entry))
    return Pending(edits, operations)


def uncommitted(worktree: WorkTree) -> Iterator[str]:
    """The files on the disk that are not in the head as they are: edited, new, ignored."""
    written = worktree.index.written
    committed, (entries, _) = worktree.committed(), worktree.index.read()
    for path in worktree.all_files(""):
        if ".git" in path.split("/"):
            continue
        known, entry = committed.get(path), entries.get(path)
        if known is None:
            yield path
            continue
        now = _tracked(worktree, path, entry, written) if entry else worktree.put_path(path)
        if known != now:
            yield path


def unpushed(git: GitRepository) -> set[ObjectID]:
    """The commits of its branches that no branch of a remote, as last seen, reaches: all of them
    without a remote, but none of a mirror's or of a bare snapshot's."""

    def tips(space: str) -> list[ObjectID]:
        return [oid for name, oid in git.refs().items() if name.startswith(space)]

    remote = tips("refs/remotes/")
    if git.is_mirror or (git.bare and not remote):
        return set()
    theirs = {commit.oid for commit in git.commits(*remote)}
    return {commit.oid for commit in git.commits(*tips("refs/heads/"))} - theirs


def _wanted(worktree: WorkTree, entries: Index, written: int) -> dict[str, TreeEntry]:
    wanted: dict[str, TreeEntry] = {}
    for path, entry in entries.items():
        found = _tracked(worktree, path, entry, written)
        if found is not None:
            wanted[path] = found
    for path in worktree.files():
        if path not in entries:
            new = worktree.put_path(path)
            if new is not None:
                wanted[path] = new
    return wanted


def _tracked(worktree: WorkTree, path: str, entry: IndexEntry, written: int) -> TreeEntry | None:
    """What a path of the index is on the disk; ``written`` is when the index was."""
    known = TreeEntry(entry.mode, ObjectID(entry.sha.decode("ascii")))
    if entry.skip_worktree or entry.flags & ASSUME_VALID:
        return known
    if entry.mode == SUBMODULE:
        head = read_submodule_head(worktree.absolute(path))
        return TreeEntry(SUBMODULE, ObjectID(head.decode("ascii"))) if head else known
    try:
        found = os.lstat(worktree.absolute(path))
    except OSError:
        return None
    if same_stat(entry, found) and found.st_mtime_ns < written:
        return known
    now = worktree.put_path(path)
    if now is not None and not worktree.file_mode and {now.mode, entry.mode} == {FILE, EXECUTABLE}:
        return now._replace(mode=entry.mode)
    return now
