"""What a change does to the files of a work tree, and to the entries of Git's index.

An *operation* is one of ``["write", path, blob, mode]``, ``["move", from, to]``,
``["remove", path]``, and for the index alone ``["stage", path, blob, mode]`` and
``["unstage", path]``. Each is harmless when repeated: who repeats a change that was killed in the
middle completes it. Only the paths of the operations are touched.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import time
from collections.abc import Iterable

from dulwich.index import IndexEntry

from ..errors import GitError, RefMoved
from ..lfs.pointer import parse_pointer
from .checkout import check_tree_path, contained_link, verify_object, write_blob, write_large
from .gitindex import ASSUME_VALID, Index, encode_index, entry_of, nanoseconds, same_stat
from .locks import GitLock
from .objects import LINK, SUBMODULE, ObjectID, TreeEntry, read_blob
from .room import blocks
from .worktree import WorkTree

Operation = list[str | int]

_SECOND = 1_000_000_000  # in ns
_ATTRIBUTES = ".gitattributes"  # these are written first: they decide how the others are


def index_operation(path: str, entry: TreeEntry | None) -> Operation:
    """The operation that makes the index say what a path is, or that it is gone."""
    return ["unstage", path] if entry is None else ["stage", path, entry.oid, entry.mode]


def refuse_links(worktree: WorkTree, operations: Iterable[Operation]) -> None:
    """Raise GitError for a path that a link leads elsewhere: nothing is changed through it."""
    seen = {""}
    for kind, *paths in operations:
        for path in paths if kind in ("move", "remove") else paths[:1]:
            parent = str(path).rpartition("/")[0]
            while parent not in seen and kind not in ("stage", "unstage"):
                seen.add(parent)
                if os.path.islink(worktree.absolute(parent)):
                    raise GitError(
                        f"{worktree.absolute(parent)} is a link, which is not followed",
                        "put a directory in its place",
                    )
                parent = parent.rpartition("/")[0]


def try_filters(worktree: WorkTree, operations: Iterable[Operation]) -> None:
    """Raise GitError for a filter that fails: while nothing is changed yet."""
    for operation in operations:
        match operation:
            case ["write", str(path), str(oid), int(mode)]:
                if mode != LINK and worktree.is_filtered(path):
                    worktree.checked_out(path, read_blob(worktree.git.objects, oid))


def refuse_edited(worktree: WorkTree, operations: Iterable[Operation]) -> None:
    """Raise RefMoved for a file that somebody edited after the change had read it."""
    for kind, path, *_ in operations:
        below = worktree.read_below(str(path)) if kind == "move" else []
        own = [str(path)] if kind == "write" else []
        for edited in filter(worktree.is_edited, own + below):
            raise RefMoved(f"somebody else changed {edited} at the same time", "try it again")


def room_for(worktree: WorkTree, operations: Iterable[Operation]) -> int:
    """The bytes on the disk that the operations may take."""
    written = [str(operation[2]) for operation in operations if operation[0] == "write"]
    sizes = (_size(read_blob(worktree.git.objects, oid)) for oid in written)
    return sum(map(blocks, sizes)) + blocks(worktree.index.size)


def _size(data: bytes) -> int:
    pointer = parse_pointer(data)
    return pointer.size if pointer else len(data)


def carry_out(worktree: WorkTree, operations: Iterable[Operation], entries: Index) -> None:
    """Do what the operations say to the files, and to the entries of the index."""
    below, fresh = sorted(entries), set()
    for operation in operations:
        match operation:
            case ["write", str(path), str(oid), int(mode)]:
                entries[path] = _write(worktree, path, ObjectID(oid), mode)
                fresh.add(path)
            case ["move", str(source), str(target)]:
                _move(worktree, source, target)
                for path in [p for p in below if p == source or p.startswith(source + "/")]:
                    if path in entries:
                        entries[target + path[len(source) :]] = entries.pop(path)
            case ["stage", str(path), str(oid), int(mode)]:
                if os.path.lexists(worktree.absolute(path)):
                    entries[path] = _stage(worktree, path, ObjectID(oid), mode)
                    fresh.add(path)
            case ["unstage", str(path)]:
                entries.pop(path, None)
            case ["remove", str(path)]:
                _remove(worktree, path)
                for name in [p for p in below if p == path or p.startswith(path + "/")]:
                    entries.pop(name, None)
    worktree.forget_reads()
    _smudge_racy(worktree, entries, fresh)


def populate(worktree: WorkTree) -> None:
    """Write the files of the head into a work tree that is empty, and Git's index with them."""
    entries, committed = Index(), worktree.committed()
    for path in sorted(committed, key=lambda path: not path.endswith(_ATTRIBUTES)):
        check_tree_path(path)
        oid, mode = committed[path].oid, committed[path].mode
        if mode == SUBMODULE:
            os.makedirs(worktree.absolute(path), exist_ok=True)
            entries[path] = _stage(worktree, path, oid, mode)
        else:
            verify_object(worktree.git.objects, oid)
            entries[path] = _write(worktree, path, oid, mode)
    with GitLock(worktree.index.path, worktree.git.private_directory) as lock:
        lock.replace(encode_index(entries))


# -- one operation ---------------------------------------------------------------------------


def _write(worktree: WorkTree, path: str, oid: ObjectID, mode: int) -> IndexEntry:
    target = worktree.absolute(path)
    data = read_blob(worktree.git.objects, oid)
    large = worktree.large_file(path, data) if mode != LINK else None
    if mode != LINK and large is None:
        data = worktree.checked_out(path, data)
    directory, name = os.path.split(target)
    os.makedirs(directory, exist_ok=True)
    # always of this name: who repeats a killed write cleans up
    temporary = os.path.join(directory, f".cmgit-{name[:100]}")
    if os.path.lexists(temporary):
        os.unlink(temporary)
    try:
        if large is not None:
            write_large(worktree.large, large, temporary, mode)
        else:
            write_blob(temporary, data, mode, mode != LINK or contained_link(path, data))
        written = os.lstat(temporary)
        if worktree.is_edited(path):  # it stays, as an edit of what is committed
            os.unlink(temporary)
        else:
            os.replace(temporary, target)
    except BaseException:
        if os.path.lexists(temporary):
            os.unlink(temporary)
        raise
    if name == _ATTRIBUTES:
        worktree.forget_attributes()
    found = os.lstat(target) if os.path.lexists(target) else written
    return _entry_of_written(found, written, oid, mode)


def _entry_of_written(
    found: os.stat_result, written: os.stat_result, oid: ObjectID, mode: int
) -> IndexEntry:
    entry = entry_of(found, oid, mode)
    if mode == LINK and not stat.S_ISLNK(written.st_mode):
        entry.flags |= ASSUME_VALID  # leads out, so it is a file here: that is no edit
    elif (found.st_mtime_ns, found.st_ino) != (written.st_mtime_ns, written.st_ino):
        entry.size = 0  # edited since
    return entry


def _stage(worktree: WorkTree, path: str, oid: ObjectID, mode: int) -> IndexEntry:
    """The entry of a file that had a content when it was read: with what the file looked like
    then, so that an edit since is one."""
    if mode == SUBMODULE:
        return entry_of(os.lstat(worktree.absolute(path)), oid, mode)
    last = worktree.last_read(path)
    if last is None or last[1] != oid:  # a killed process read it, or it was moved since
        worktree.put_path(path)
        last = worktree.last_read(path)
    found, content = last or (os.lstat(worktree.absolute(path)), None)
    entry = entry_of(found, oid, mode)
    if content != oid:
        entry.size = 0
    return entry


def _move(worktree: WorkTree, source: str, target: str) -> None:
    start, end = worktree.absolute(source), worktree.absolute(target)
    if os.path.lexists(start) and not os.path.lexists(end):
        os.makedirs(os.path.dirname(end), exist_ok=True)
        os.rename(start, end)
    _remove_empty(worktree, os.path.dirname(start))


def _remove(worktree: WorkTree, path: str) -> None:
    target, private = worktree.absolute(path), worktree.git.private_directory
    if os.path.lexists(target):
        # out of sight first, so that nobody sees it half removed
        trash = os.path.join(private, f"trash-{time.monotonic_ns()}")
        os.makedirs(private, exist_ok=True)
        try:
            os.rename(target, trash)
        except OSError as error:
            if error.errno != errno.EXDEV:  # a Git directory on another file system
                raise
            _delete(target)
    for name in os.listdir(private):
        if name.startswith("trash-"):
            _delete(os.path.join(private, name))
    _remove_empty(worktree, os.path.dirname(target))


def _delete(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)


def _remove_empty(worktree: WorkTree, directory: str) -> None:
    """Remove directories that became empty, up to the root, as Git does."""
    while directory != worktree.root and directory.startswith(worktree.root):
        try:
            os.rmdir(directory)
        except OSError:
            return
        directory = os.path.dirname(directory)


def _smudge_racy(worktree: WorkTree, entries: Index, fresh: set[str]) -> None:
    """Take the size from entries that a younger index would make look clean though their file was
    edited: Git compares whole seconds, and trusts what is older than its index. It does the same.
    ``fresh`` are the paths whose entries are of this change."""
    written = worktree.index.written
    for path, entry in entries.items():
        if nanoseconds(entry.mtime) // _SECOND < written // _SECOND or entry.mode == SUBMODULE:
            continue
        try:
            found = os.lstat(worktree.absolute(path))
        except OSError:
            continue
        if not same_stat(entry, found):
            entry.size = 0
        elif found.st_mtime_ns >= written and path not in fresh:
            now = worktree.put_path(path)
            if now is None or now.oid != entry.sha.decode("ascii"):
                entry.size = 0
