"""Read-only check-outs of trees, each kept once under its object id.

``<directory>/<tree id>/`` holds the files of the tree. It is made beside its place, every object
hashed again on the way, and renamed into place when complete: what is there is whole.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import PurePosixPath

from ..errors import Damaged
from ..lfs.objects import Objects, digest
from ..lfs.pointer import Pointer, parse_pointer
from .locks import process_lock
from .objects import (
    EXECUTABLE,
    FILE,
    LINK,
    SUBMODULE,
    ObjectID,
    ObjectStore,
    TreeEntry,
    object_id,
    read_blob,
)
from .trees import walk

_IGNORED_BY_MACOS = dict.fromkeys(
    [*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF]
)


Provide = Callable[[list[Pointer]], Objects]
"""Brings the contents of large files; returns where they are."""


def checkout(
    store: ObjectStore, tree: ObjectID | str, directory: str, provide: Provide | None = None
) -> str:
    """Return the directory that holds a tree's files, made now if it is not there.

    However many processes ask, it is made once. One that is there is made as young as a new one,
    which ``gc`` leaves alone for a while. Raises Damaged when an object is missing or does
    not match its id; then nothing is left behind.
    """
    final = os.path.join(directory, tree)
    if _is_there(final):
        return final
    with process_lock(os.path.join(directory, "locks", tree[:2])):
        if _is_there(final):
            return final
        temporary = os.path.join(directory, f"tmp-{tree}")
        remove_checkout(temporary)  # a killed process left it: nobody else has the lock
        try:
            os.makedirs(temporary)
            write_files(store, tree, temporary, True, provide)
            os.rename(temporary, final)
        except BaseException:
            remove_checkout(temporary)
            raise
    return final


def _is_there(final: str) -> bool:
    with suppress(OSError):
        os.utime(final)
    return os.path.isdir(final)


def write_files(
    store: ObjectStore,
    tree: ObjectID | str,
    directory: str,
    read_only: bool = False,
    provide: Provide | None = None,
) -> list[str]:
    """Write the files of a tree below a directory; returns the paths written.

    With ``provide`` the contents of large files are put in the place of their pointers.

    A link that leads out of the directory is written as a file that holds its target, as Git does
    where links are not supported; submodules are left out. Every object is hashed again.
    """
    if ObjectID(tree) not in store:
        raise Damaged(f"object {tree} is missing", "run 'cmgit check' and pull again")
    written, root = [], os.path.abspath(directory)
    large: dict[str, tuple[Pointer, int]] = {}
    verify_object(store, ObjectID(tree))
    for path, entry in walk(store, tree):
        check_tree_path(path)
        target = os.path.join(root, *path.split("/"))
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if entry.mode == SUBMODULE:
            continue
        data = verify_object(store, entry.oid)
        pointer = parse_pointer(data) if provide and entry.mode != LINK else None
        if pointer is not None:
            large[target] = pointer, entry.mode
        else:
            write_blob(target, data, entry.mode, contained_link(path, data))
        written.append(path)
    if provide is not None and large:
        _write_all_large(large, provide)
    if read_only:
        _make_read_only(root)
    return written


def _write_all_large(large: Mapping[str, tuple[Pointer, int]], provide: Provide) -> None:
    objects = provide(sorted({pointer for pointer, _ in large.values()}))
    for target, (pointer, mode) in large.items():
        write_large(objects, pointer, target, mode)


def pointers_of(store: ObjectStore, tree: ObjectID | str) -> dict[str, Pointer]:
    """The large files of a tree, by path."""
    found = {}
    for path, entry in walk(store, tree):
        if entry.mode in (FILE, EXECUTABLE):
            pointer = parse_pointer(read_blob(store, entry.oid))
            if pointer is not None:
                found[path] = pointer
    return found


def write_large(large: Objects, pointer: Pointer, target: str, mode: int) -> None:
    """Write one new file with the content of a large one, hashed again; raises Damaged."""
    with open(target, "xb") as file:
        large.copy(pointer, file)
    if mode == EXECUTABLE:
        os.chmod(target, 0o777 & ~_umask())


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
            same = _is_same(store, entry, target)
        except OSError:
            same = False
        if not same:
            wrong.append(path)
    return wrong + sorted(_files_below(directory) - known)


def _is_same(store: ObjectStore, entry: TreeEntry, target: str) -> bool:
    """Whether a file or link is what a tree says, or the large file that the pointer there means."""
    if os.path.islink(target):
        return object_id("blob", os.fsencode(os.readlink(target))) == entry.oid
    pointer = parse_pointer(read_blob(store, entry.oid))
    with open(target, "rb") as file:
        if pointer is not None:
            return digest(file) == pointer
        return object_id("blob", file.read()) == entry.oid


def _files_below(directory: str) -> set[str]:
    found = set()
    for parent, directories, files in os.walk(directory):
        links = [name for name in directories if os.path.islink(os.path.join(parent, name))]
        for name in (*files, *links):
            path = os.path.relpath(os.path.join(parent, name), directory)
            found.add(path.replace(os.sep, "/"))
    return found
