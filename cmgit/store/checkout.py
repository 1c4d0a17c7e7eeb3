"""Read-only check-outs of trees, each kept once under its object id.

``<directory>/<tree id>/`` holds the files of the tree. It is made beside its place, every object
hashed again on the way, and renamed into place when complete: what is there is whole.
"""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import PurePosixPath

from ..errors import Damaged
from .locks import process_lock
from .objects import EXECUTABLE, LINK, SUBMODULE, ObjectID, ObjectStore, object_id
from .trees import walk

_IGNORED_BY_MACOS = dict.fromkeys(
    [*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF]
)


def checkout(store: ObjectStore, tree: ObjectID | str, directory: str) -> str:
    """Return the directory that holds a tree's files, made now if it is not there.

    However many processes ask, it is made once. Raises Damaged when an object is missing or does
    not match its id; then nothing is left behind.
    """
    final = os.path.join(directory, tree)
    if os.path.isdir(final):
        return final
    with process_lock(os.path.join(directory, "locks", tree[:2])):
        if os.path.isdir(final):
            return final
        temporary = os.path.join(directory, f"tmp-{tree}")
        remove_checkout(temporary)  # a killed process left it: nobody else has the lock
        try:
            os.makedirs(temporary)
            write_files(store, tree, temporary, read_only=True)
            os.rename(temporary, final)
        except BaseException:
            remove_checkout(temporary)
            raise
    return final


def write_files(
    store: ObjectStore, tree: ObjectID | str, directory: str, read_only: bool = False
) -> list[str]:
    """Write the files of a tree below a directory; returns the paths written.

    A link that leads out of the directory is written as a file that holds its target, as Git does
    where links are not supported; submodules are left out. Every object is hashed again.
    """
    if ObjectID(tree) not in store:
        raise Damaged(f"object {tree} is missing", "run 'cmgit check' and pull again")
    written, root = [], os.path.abspath(directory)
    verify_object(store, ObjectID(tree))
    for path, entry in walk(store, tree):
        check_tree_path(path)
        target = os.path.join(root, *path.split("/"))
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if entry.mode == SUBMODULE:
            continue
        data = verify_object(store, entry.oid)
        write_blob(target, data, entry.mode, contained_link(path, data))
        written.append(path)
    if read_only:
        _make_read_only(root)
    return written


def verify_object(store: ObjectStore, oid: ObjectID) -> bytes:
    """The data of an object whose hash was checked; raises Damaged."""
    kind, data = store.read(oid)
    if object_id(kind, data) != oid:
        raise Damaged(f"object {oid} does not match its id", "run 'git fsck', then pull again")
    return data


def write_blob(target: str, data: bytes, mode: int, link_allowed: bool = True) -> None:
    """Write one new file, executable file or link."""
    if mode == LINK and link_allowed:
        os.symlink(os.fsdecode(data), target)
        return
    with open(target, "xb") as file:
        file.write(data)
    if mode == EXECUTABLE:
        os.chmod(target, 0o777 & ~_umask())


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def check_tree_path(path: str) -> None:
    """Raise Damaged for a path in a tree that no check-out may write."""
    for part in path.split("/"):
        if part in ("", ".", "..") or _is_git_name(part) or "\0" in part or "\\" in part:
            raise Damaged(f"the path {path!r} in a tree is not safe to write")


def _is_git_name(name: str) -> bool:
    """Whether some system takes a name for ``.git``: macOS drops characters, Windows the end."""
    folded = name.translate(_IGNORED_BY_MACOS).partition(":")[0].rstrip(". ").casefold()
    return folded in (".git", "git~1")


def contained_link(path: str, target: bytes) -> bool:
    """Whether a link at a path below some directory stays below it.

    It may go up at its beginning only: after a name, which may be another link, ``..`` is not
    what it looks like.
    """
    text = os.fsdecode(target)
    if not text or text.startswith("/") or "\\" in text or ":" in text:
        return False
    parts = [part for part in text.split("/") if part not in ("", ".")]
    ups = parts.count("..")
    return parts[:ups] == [".."] * ups and ups < len(PurePosixPath(path).parts)


def _make_read_only(root: str) -> None:
    for parent, _, files in os.walk(root):
        for name in files:
            path = os.path.join(parent, name)
            mode = os.lstat(path).st_mode
            if not stat.S_ISLNK(mode):
                os.chmod(path, stat.S_IMODE(mode) & ~0o222)


def remove_checkout(path: str) -> None:
    """Remove a check-out, read-only files included; nothing happens when there is none."""
    if os.path.isdir(path):
        shutil.rmtree(path)


def changed_files(store: ObjectStore, tree: ObjectID | str, directory: str) -> list[str]:
    """The paths of a check-out that are missing, differ from the tree, or are not in it."""
    wrong, known = [], set()
    for path, entry in walk(store, tree):
        known.add(path)
        if entry.mode == SUBMODULE:
            continue
        target = os.path.join(directory, *path.split("/"))
        try:
            if os.path.islink(target):
                data = os.fsencode(os.readlink(target))
            else:
                with open(target, "rb") as file:
                    data = file.read()
        except OSError:
            wrong.append(path)
            continue
        if object_id("blob", data) != entry.oid:
            wrong.append(path)
    return wrong + sorted(_files_below(directory) - known)


def _files_below(directory: str) -> set[str]:
    found = set()
    for parent, directories, files in os.walk(directory):
        links = [name for name in directories if os.path.islink(os.path.join(parent, name))]
        for name in (*files, *links):
            path = os.path.relpath(os.path.join(parent, name), directory)
            found.add(path.replace(os.sep, "/"))
    return found
