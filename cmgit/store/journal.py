"""Files, Git's index and the branch changed as one, whatever happens in between.

A change is a list of *operations* on the disk (:mod:`.operations`) and a commit that says the same.
It is made so:

1. the new objects are flushed, and there is room on the disk for the rest;
2. a *journal* with the operations is put into the Git directory;
3. Git's index is locked, as any Git program would, which keeps those out until the end;
4. the branch is moved by compare-and-swap: this is the moment when the change has happened;
5. the operations are carried out on the disk, the index is replaced, the journal removed.

A process that is killed before 4 leaves a journal that the next one drops; after 4, one that the
next one carries out again. Other edits and what a person staged stay as they are.

A person's editor takes no lock. A file that was edited after it was read for the change is seen
just before 4, where the change is refused, and again just before it is replaced, where it stays, an
edit of what is committed. What is left are the microseconds between that look and the ``rename``,
and edits between a kill and the next process, which carries the journal out over them.

The journal (``cmgit/journal`` in the Git directory) is JSON: ``ref``, ``new`` (the commit), and
``operations``.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import NamedTuple

from .git import Head
from .gitindex import encode_index
from .locks import GitLock
from .objects import ObjectID
from .operations import (
    Operation,
    carry_out,
    refuse_edited,
    refuse_links,
    room_for,
    try_filters,
)
from .room import check_room
from .worktree import WorkTree


class RefUpdate(NamedTuple):
    """A branch that moves from one commit to another; ``new`` is None when nothing changes in
    Git, as for files that were never committed."""

    ref: str
    old: ObjectID | None
    new: ObjectID | None
    message: str


def change(worktree: WorkTree, update: RefUpdate, operations: list[Operation]) -> bool:
    """Make a change as the head of this module says; with cmgit's lock held.

    Returns False, with nothing changed, when the head is not the branch at ``old`` any more.
    Raises GitError for a path that a link leads elsewhere or whose filter fails, Busy when Git is
    at work, RefMoved when somebody edited a file since it was read for the change.
    """
    git = worktree.git
    refuse_links(worktree, operations)
    try_filters(worktree, operations)
    git.objects.flush()
    check_room(git.private_directory, lambda: room_for(worktree, operations))
    made = False
    try:
        _write(worktree, update, operations)
        with GitLock(worktree.index.path, git.private_directory) as lock:
            git.check_idle()
            entries, version = worktree.index.read()
            if git.head() != Head(update.ref, update.old):
                return False
            refuse_edited(worktree, operations)
            if update.new is not None and not git.move_ref(
                update.ref, update.old, update.new, update.message
            ):
                return False
            made = True
            carry_out(worktree, operations, entries)
            lock.replace(encode_index(entries, version))
    finally:
        if not made:
            _drop(worktree)
    _drop(worktree)
    return True


def recover(worktree: WorkTree) -> bool:
    """Finish what a killed process began; with cmgit's lock held. True when there was any."""
    git = worktree.git
    git.release_dead_locks()
    try:
        with open(worktree.journal_path, "rb") as file:
            journal = json.loads(file.read())
    except FileNotFoundError:
        return False
    except ValueError:  # not what was written here: nothing can be made of it
        _drop(worktree)
        return True
    if git.ref(journal["ref"]) == journal["new"]:
        with GitLock(worktree.index.path, git.private_directory) as lock:
            entries, version = worktree.index.read()
            carry_out(worktree, journal["operations"], entries)
            lock.replace(encode_index(entries, version))
    _drop(worktree)
    return True


def _write(worktree: WorkTree, update: RefUpdate, operations: list[Operation]) -> None:
    journal = {"ref": update.ref, "new": update.new or update.old, "operations": operations}
    temporary = worktree.journal_path + ".tmp"
    with open(temporary, "wb") as file:
        file.write(json.dumps(journal).encode())  # ASCII: names need not be UTF-8
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, worktree.journal_path)


def _drop(worktree: WorkTree) -> None:
    with suppress(FileNotFoundError):
        os.unlink(worktree.journal_path)
