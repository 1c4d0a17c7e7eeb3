"""Content-addressed objects: the interface, in memory and on disk."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple, NewType, Protocol

import dulwich.objects
from dulwich.errors import ObjectFormatException
from dulwich.file import adjust_shared_perm
from dulwich.object_store import DiskObjectStore

from ..errors import Damaged
from .pack_reader import PackReader

ObjectID = NewType("ObjectID", str)
"""An object id: 40 lowercase hexadecimal digits."""

FILE, EXECUTABLE, LINK, TREE, SUBMODULE = 0o100644, 0o100755, 0o120000, 0o40000, 0o160000

KINDS = {1: "commit", 2: "tree", 3: "blob", 4: "tag"}
KIND_NUMBERS = {kind: number for number, kind in KINDS.items()}
EMPTY_TREE = ObjectID("4b825dc642cb6eb9a060e54bf8d69288fbee4904")  # Git knows it without a file
_DIRECTORY = (b"40000 ", b"040000 ")  # what some old programs wrote
_ID = re.compile("[0-9a-f]{40}")
_LEVEL = 1  # of compression, as Git's own for loose objects
_LARGE = 64 << 10  # bytes
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
        self._large = (ObjectID(""), ("", b""))  # what was read last: a change reads trees again

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
        if self._large[0] == oid:
            return self._large[1]
        number, data = self._packs.read(oid) or self._read_loose(oid) or self._read_other(oid)
        kind = KINDS[number]
        if object_id(kind, data) != oid:
            raise Damaged(f"object {oid} does not match its id in {self.path}", "run 'git fsck'")
        if len(data) > _LARGE:
            self._large = oid, (kind, data)
        return kind, data

    def _read_loose(self, oid: ObjectID) -> tuple[int, bytes] | None:
        """An object in a file of its own; None for anything unexpected."""
        try:
            with open(os.path.join(self.path, oid[:2], oid[2:]), "rb") as file:
                header, _, data = zlib.decompress(file.read()).partition(b"\0")
            kind, size = header.decode("ascii").split(" ")
            return (KIND_NUMBERS[kind], data) if int(size) == len(data) else None
        except (OSError, ValueError, KeyError, zlib.error):
            return None

    def _read_other(self, oid: ObjectID) -> tuple[int, bytes]:
        """What came into a pack since the packs were opened, is an alternate's, or unusual."""
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
        self._large = ObjectID(""), ("", b"")

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
    return parse_tree(oid, tree_data(store, oid))


def tree_data(store: ObjectStore, oid: ObjectID | str) -> bytes:
    """The bytes of a tree. Raises Damaged when it is not a tree."""
    kind, data = store.read(ObjectID(oid))
    if kind != "tree":
        raise Damaged(f"object {oid} is a {kind}, not a tree")
    return data


def parse_tree(oid: ObjectID | str, data: bytes) -> Tree:
    """The entries in the bytes of a tree. Raises Damaged, naming the tree."""
    try:
        entries = dulwich.objects.parse_tree(data, 20)
    except ObjectFormatException as error:
        raise Damaged(f"tree {oid} does not parse: {error}", "run 'git fsck'") from None
    return {
        name.decode("utf-8", "surrogateescape"): TreeEntry(mode, ObjectID(raw.decode("ascii")))
        for name, mode, raw in entries
    }


def encode_tree(entries: Tree) -> bytes:
    """The bytes of a tree: entries sorted as Git sorts them, directories as if with a ``/``."""
    lines: list[bytes] = [encode_entry(name, entry) for name, entry in entries.items()]
    lines.sort(key=tree_order)
    return b"".join(lines)


def encode_entry(name: str, entry: TreeEntry) -> bytes:
    """One line of a tree."""
    raw = name.encode("utf-8", "surrogateescape")
    return b"%o %s\0%s" % (entry.mode, raw, bytes.fromhex(entry.oid))


def tree_order(line: bytes) -> bytes:
    """What the lines of a tree are sorted by."""
    name = line[line.index(b" ") + 1 : -21]
    return name + b"/" if line.startswith(_DIRECTORY) else name


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
