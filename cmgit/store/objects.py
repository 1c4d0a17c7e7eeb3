"""Content-addressed objects: the interface, in memory and on disk."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from typing import NamedTuple, NewType, Protocol

from dulwich.errors import ObjectFormatException
from dulwich.file import adjust_shared_perm
from dulwich.object_store import DiskObjectStore
from dulwich.objects import parse_tree

from ..errors import Damaged
from .pack_reader import PackReader

ObjectID = NewType("ObjectID", str)
"""An object id: 40 lowercase hexadecimal digits."""

FILE, EXECUTABLE, LINK, TREE, SUBMODULE = 0o100644, 0o100755, 0o120000, 0o40000, 0o160000

KINDS = {1: "commit", 2: "tree", 3: "blob", 4: "tag"}
KIND_NUMBERS = {kind: number for number, kind in KINDS.items()}
EMPTY_TREE = ObjectID("4b825dc642cb6eb9a060e54bf8d69288fbee4904")  # Git knows it without a file
_ID = re.compile("[0-9a-f]{40}")
_LINE = re.compile(rb"[^\0]*\0.{20}", re.DOTALL)  # of a tree
_LEVEL = 1  # of compression, as Git's own for loose objects
_LOOSE_LIMIT = 200  # a change with more objects than this is written as one pack


class TreeEntry(NamedTuple):
    """One line of a tree: Git's mode and the object."""

    mode: int
    oid: ObjectID

    @property
    def is_tree(self) -> bool:
        """Whether it is a directory."""
        return stat.S_ISDIR(self.mode)


Tree = dict[str, TreeEntry]


def is_id(text: str) -> bool:
    """Whether a text is an object id."""
    return _ID.fullmatch(text) is not None


def object_id(kind: str, data: bytes) -> ObjectID:
    """The id of an object: SHA-1 of ``kind size NUL data``, as Git defines it."""
    header = f"{kind} {len(data)}\0".encode()
    return ObjectID(hashlib.sha1(header + data, usedforsecurity=False).hexdigest())


class ObjectStore(Protocol):
    """What every store of objects does; tests/store/contract.py holds implementations to it."""

    def read(self, oid: ObjectID) -> tuple[str, bytes]:
        """Kind and data of an object. Raises Damaged when it is missing or does not parse."""

    def put(self, kind: str, data: bytes) -> ObjectID:
        """Add an object, to be kept by the next flush; readable at once. Returns its id."""

    def flush(self) -> None:
        """Write every object that was put, as durably as Git does."""

    def __contains__(self, oid: object) -> bool:
        """Whether the object is there."""

    def __iter__(self) -> Iterator[ObjectID]:
        """The ids of all objects that are kept."""


class MemoryStore:
    """Objects in a dict: for tests, and for planning a change without writing it."""

    def __init__(self) -> None:
        self._objects: dict[ObjectID, tuple[str, bytes]] = {}

    def read(self, oid: ObjectID) -> tuple[str, bytes]:
        """See ObjectStore."""
        try:
            return self._objects[oid]
        except KeyError:
            raise Damaged(f"object {oid} is missing") from None

    def put(self, kind: str, data: bytes) -> ObjectID:
        """See ObjectStore."""
        oid = object_id(kind, data)
        self._objects[oid] = (kind, data)
        return oid

    def flush(self) -> None:
        """See ObjectStore."""

    def __contains__(self, oid: object) -> bool:
        return oid in self._objects

    def __iter__(self) -> Iterator[ObjectID]:
        return iter(list(self._objects))


class DiskStore:
    """The objects of a Git repository on disk, its packs and alternates included.

    What is put stays in memory until ``forget``; ``flush`` writes it, a few objects loose and
    many as one pack.
    """

    def __init__(self, store: DiskObjectStore) -> None:
        self._store = store
        self._packs = PackReader(os.path.join(self.path, "pack"))
        self._new: dict[ObjectID, tuple[str, bytes]] = {}
        self._written: dict[ObjectID, tuple[str, bytes]] = {}  # new a moment ago, read once more

    def close(self) -> None:
        """Close packs; they are opened again when something is read."""
        self._packs.close()
        self._store.close()

    def __del__(self) -> None:
        self.close()

    @property
    def path(self) -> str:
        """The ``objects`` directory."""
        return os.fspath(self._store.path)

    def read(self, oid: ObjectID) -> tuple[str, bytes]:
        """See ObjectStore."""
        new = self._new.get(oid) or self._written.get(oid)
        if new is not None:
            return new
        if oid == EMPTY_TREE:
            return "tree", b""
        number, data = self._packs.read(oid) or self._read_other(oid)
        kind = KINDS[number]
        if object_id(kind, data) != oid:  # a loose object that was cut off looks whole to dulwich
            raise Damaged(f"object {oid} does not match its id in {self.path}", "run 'git fsck'")
        return kind, data

    def _read_other(self, oid: ObjectID) -> tuple[int, bytes]:
        """What no pack has that was there at first: loose, new, of an alternate, or unusual."""
        try:
            return self._store.get_raw(oid.encode("ascii"))  # type: ignore[arg-type]
        except KeyError:
            raise Damaged(
                f"object {oid} is missing in {self.path}", "run 'cmgit check' and pull again"
            ) from None
        except Exception as error:  # dulwich has no common root for what damaged bytes cause
            raise Damaged(
                f"object {oid} in {self.path} cannot be read: {error}", "run 'git fsck'"
            ) from error

    def put(self, kind: str, data: bytes) -> ObjectID:
        """See ObjectStore."""
        oid = object_id(kind, data)
        self._new[oid] = (kind, data)
        return oid

    def flush(self) -> None:
        """See ObjectStore."""
        if len(self._new) > _LOOSE_LIMIT:
            from .pack_writer import write_pack

            write_pack(os.path.join(self.path, "pack"), self._new)
        else:
            for oid, (kind, data) in self._new.items():
                self._write_loose(oid, kind, data)
        self._written.update(self._new)
        self._new.clear()

    def _write_loose(self, oid: ObjectID, kind: str, data: bytes) -> None:
        """Write one object as Git does: what a crash leaves is called ``tmp_obj_*``, which Git
        ignores and removes in time."""
        directory = os.path.join(self.path, oid[:2])
        path = os.path.join(directory, oid[2:])
        with suppress(FileNotFoundError):
            os.utime(path)  # so that 'git gc' does not remove it as an old, unused object
            return
        if not os.path.isdir(directory):
            os.makedirs(directory, exist_ok=True)
            adjust_shared_perm(directory, self._store.shared_perm)
        temporary = os.path.join(directory, f"tmp_obj_{os.getpid()}_{os.urandom(4).hex()}")
        try:
            with open(temporary, "xb") as file:
                file.write(zlib.compress(f"{kind} {len(data)}\0".encode() + data, _LEVEL))
            os.chmod(temporary, 0o444)
            adjust_shared_perm(temporary, self._store.shared_perm)
            os.replace(temporary, path)
        finally:
            if os.path.exists(temporary):
                os.unlink(temporary)

    def forget(self) -> None:
        """Drop what was put and not flushed, and let go of what was."""
        self._new.clear()
        self._written.clear()

    def __contains__(self, oid: object) -> bool:
        if oid in self._new or oid == EMPTY_TREE:
            return True
        if not isinstance(oid, str) or not is_id(oid):
            return False
        return oid.encode("ascii") in self._store  # type: ignore[operator]

    def __iter__(self) -> Iterator[ObjectID]:
        return (ObjectID(oid.decode("ascii")) for oid in self._store)


def read_tree(store: ObjectStore, oid: ObjectID | str) -> Tree:
    """The entries of a tree by name, in Git's order. Raises Damaged when it is not a tree."""
    return _parsed(oid, _tree_data(store, oid))


def read_entries(store: ObjectStore, oid: ObjectID | str, names: tuple[str, ...]) -> Tree:
    """Those entries of a tree that have one of some names; the others are not parsed.

    Raises Damaged.
    """
    ends = _ends(names)
    lines = _tree_lines(store, oid)
    found = [line for line in lines if line.endswith(ends, 0, -20)]
    parsed = _parsed(oid, b"".join(found))
    return {name: entry for name, entry in parsed.items() if name in names}  # none with a space


@lru_cache(maxsize=64)
def _ends(names: tuple[str, ...]) -> tuple[bytes, ...]:
    """How the lines of a tree that have these names end, before the id."""
    return tuple(b" " + name.encode("utf-8", "surrogateescape") + b"\0" for name in names)


def read_differing(store: ObjectStore, old: ObjectID | str, new: ObjectID | str) -> list[Tree]:
    """The entries of two trees (an empty id: of none) that the other does not have.

    Those that are the same are not parsed. Raises Damaged.
    """
    one, other = (_tree_lines(store, oid) if oid else [] for oid in (old, new))
    same = set(one) & set(other)
    return [
        _parsed(oid, b"".join(line for line in lines if line not in same))
        for oid, lines in ((old, one), (new, other))
    ]


def _tree_data(store: ObjectStore, oid: ObjectID | str) -> bytes:
    kind, data = store.read(ObjectID(oid))
    if kind != "tree":
        raise Damaged(f"object {oid} is a {kind}, not a tree")
    return data


def _tree_lines(store: ObjectStore, oid: ObjectID | str) -> list[bytes]:
    data = _tree_data(store, oid)
    lines: list[bytes] = _LINE.findall(data)
    if sum(map(len, lines)) != len(data):
        raise Damaged(f"tree {oid} does not parse", "run 'git fsck'")
    return lines


def _parsed(oid: ObjectID | str, data: bytes) -> Tree:
    try:
        entries = parse_tree(data, 20)
    except ObjectFormatException as error:
        raise Damaged(f"tree {oid} does not parse: {error}", "run 'git fsck'") from None
    return {
        name.decode("utf-8", "surrogateescape"): TreeEntry(mode, ObjectID(raw.decode("ascii")))
        for name, mode, raw in entries
    }


def encode_tree(entries: Tree) -> bytes:
    """The bytes of a tree: entries sorted as Git sorts them, directories as if with a ``/``."""

    def order(item: tuple[str, TreeEntry]) -> bytes:
        name = item[0].encode("utf-8", "surrogateescape")
        return name + b"/" if item[1].is_tree else name

    return b"".join(
        b"%o %s\0%s" % (mode, name.encode("utf-8", "surrogateescape"), bytes.fromhex(oid))
        for name, (mode, oid) in sorted(entries.items(), key=order)
    )


def read_blob(store: ObjectStore, oid: ObjectID | str) -> bytes:
    """The bytes of a blob. Raises Damaged when it is not a blob."""
    kind, data = store.read(ObjectID(oid))
    if kind != "blob":
        raise Damaged(f"object {oid} is a {kind}, not a blob")
    return data


def verify(store: ObjectStore, oids: Iterable[ObjectID]) -> Iterator[str]:
    """Hash objects again; yields one line for each that is missing or does not match its id."""
    for oid in oids:
        try:
            kind, data = store.read(oid)
        except Damaged as error:
            yield str(error)
            continue
        if object_id(kind, data) != oid:
            yield f"object {oid} does not match its id"
