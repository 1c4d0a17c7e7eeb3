"""Looking for artifacts in a tree or on a disk, without an index.

An artifact is a directory ``<prefix>/<automation>/<artifact>/`` with a meta file. What is no
artifact and cannot be one is passed over; what should be one and cannot be read becomes a problem.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from .errors import MetaError
from .index.record import Record
from .index.watch import (
    COARSE_TICK_NS,
    TICK_NS,
    UNSURE,
    Signature,
    settled,
    signature,
    unchanged,
)
from .meta.files import META_FILES, chosen_files
from .meta.identity import read_identity
from .meta.parse import MAX_META_BYTES
from .store.objects import (
    LINK,
    SUBMODULE,
    ObjectID,
    ObjectStore,
    Tree,
    TreeEntry,
    read_blob,
    read_tree,
)
from .store.treelines import read_entries
from .store.trees import lookup, subtree

_SCAN_TRIES = 5


class Raw(NamedTuple):
    """An artifact as it was found: its path in the repository, the id of its committed tree (or
    an empty string), the bytes of its meta files, and why they could not be read, if so: what
    follows the path in the message."""

    path: str
    tree: str
    files: Mapping[str, bytes]
    problem: str = ""


def record_of(raw: Raw, where: str) -> Record:
    """The index record of an artifact; MetaError, naming file and line, when it has none."""
    place = f"{where}/{raw.path}"
    shown = place.encode("utf-8", "backslashreplace").decode()
    if shown != place:
        raise MetaError(f"{shown}:1: the name is not UTF-8; rename it")
    if raw.problem:
        raise MetaError(place + raw.problem)
    identity = read_identity(raw.files, place)
    record: Record = {
        "uid": identity.uid,
        "alias": identity.alias,
        "automation_alias": identity.automation_alias,
        "automation_uid": identity.automation_uid,
        "path": raw.path,
        "tags": identity.tags,
        "tree": raw.tree,
    }
    if identity.base:
        record["base"] = identity.base
        record["own_tags"] = identity.tags
    return record


# -- trees -------------------------------------------------------------------------------------


def tree_artifacts(store: ObjectStore, root: str, prefix: str) -> Iterator[Raw]:
    """Every artifact of a commit's tree, by automation and artifact directory."""
    base = f"{prefix}/" if prefix else ""
    for automation, entry in sorted(subtree(store, root, prefix).items()):
        if not entry.is_tree:
            continue
        for name, inner in sorted(read_tree(store, entry.oid).items()):
            raw = entry_artifact(store, f"{base}{automation}/{name}", inner)
            if raw is not None:
                yield raw


def tree_artifact(store: ObjectStore, root: str, path: str) -> Raw | None:
    """The artifact at a path of a tree, or None when there is none."""
    return entry_artifact(store, path, lookup(store, root, path))


def entry_artifact(store: ObjectStore, path: str, entry: TreeEntry | None) -> Raw | None:
    """The artifact that an entry of a tree is, or None when it is none."""
    if entry is None:
        return None
    if entry.mode == SUBMODULE:
        return Raw(path, "", {}, ":1: a submodule, which is not followed; pull it as a repository")
    if not entry.is_tree:
        return None
    return read_artifact(store, path, entry.oid)


def read_artifact(store: ObjectStore, path: str, tree: ObjectID) -> Raw | None:
    """The artifact with a tree, or None when it holds no meta file."""
    entries = read_entries(store, tree, META_FILES)
    names = chosen_files(set(entries))
    if not names:
        return None
    problem = _tree_problem(entries, names)
    if problem:
        return Raw(path, tree, {}, problem)
    return Raw(path, tree, {name: read_blob(store, entries[name].oid) for name in names})


def _tree_problem(entries: Tree, names: tuple[str, ...]) -> str:
    for name in names:
        if entries[name].mode == LINK:
            return f"/{name}:1: a symbolic link, which is not followed; make it a file"
        if entries[name].is_tree or entries[name].mode == SUBMODULE:
            return f"/{name}:1: not a file"
    return ""


# -- disk --------------------------------------------------------------------------------------


class DiskScan:
    """What changed on the disk of a working repository since it had certain signatures.

    ``signatures`` are those of now; ``changed`` has, by path in the repository, the artifact as it
    is now, or None where there is none (any more).
    """

    def __init__(self, root: str, prefix: str, old: Mapping[str, Signature]) -> None:
        self.root = root
        self.signatures: dict[str, Signature] = {}
        self.changed: dict[str, Raw | None] = {}
        self._old = old
        self._prefix = prefix
        self._scan()

    def _scan(self) -> None:
        base = os.path.join(self.root, *self._prefix.split("/")) if self._prefix else self.root
        for automation, path in self._directories(base):
            inside = self._directories(path)
            self.signatures[path] = signature(path)
            if os.path.lexists(os.path.join(path, ".git")):
                continue  # a repository of its own
            for artifact, place in inside:
                below = f"{automation}/{artifact}"
                self._artifact(f"{self._prefix}/{below}" if self._prefix else below, place)
        self.signatures[base] = signature(base)
        for place in self._old.keys() - self.signatures.keys():
            self._gone(place)

    @staticmethod
    def _directories(path: str) -> list[tuple[str, str]]:
        try:
            with os.scandir(path) as found:
                return sorted(
                    (entry.name, entry.path)
                    for entry in found
                    if entry.name != ".git" and entry.is_dir(follow_symlinks=False)
                )
        except OSError:
            return []

    def _artifact(self, path: str, place: str) -> None:
        now = {place: signature(place)}
        for name in META_FILES:
            file = os.path.join(place, name)
            if file in self._old or self._old.get(place) != now[place]:
                found = signature(file)
                if found[0] != -1:
                    now[file] = found
        self.signatures.update(now)
        if self._old.get(place) != now[place] or any(
            self._old.get(file) != found for file, found in now.items()
        ):
            self.changed[path] = disk_artifact(path, place)

    def _gone(self, place: str) -> None:
        """Note an artifact whose directory or meta file is no longer there."""
        directory = os.path.dirname(place) if os.path.basename(place) in META_FILES else place
        path = os.path.relpath(directory, self.root).replace(os.sep, "/")
        if path not in self.changed and self._may_be_artifact(path):
            seen = directory in self.signatures  # what the scan passed over is no artifact here
            self.changed[path] = disk_artifact(path, directory) if seen else None

    def _may_be_artifact(self, path: str) -> bool:
        """Whether a path is where artifacts are; the files of Git are watched too."""
        before = self._prefix.split("/") if self._prefix else []
        parts = path.split("/")
        inside = parts[: len(before)] == before and len(parts) == len(before) + 2
        return inside and ".git" not in parts and ".." not in parts


def disk_artifact(path: str, place: str) -> Raw | None:
    """The artifact in a directory on the disk, or None when it holds no meta file."""
    if os.path.islink(place):
        return None
    try:
        names = chosen_files(set(os.listdir(place)))
    except OSError:
        return None
    if not names or os.path.lexists(os.path.join(place, ".git")):
        return None
    files = {}
    for name in names:
        file = os.path.join(place, name)
        if os.path.islink(file):
            return Raw(
                path, "", {}, f"/{name}:1: a symbolic link, which is not followed; make it a file"
            )
        try:
            if not stat.S_ISREG(os.lstat(file).st_mode):  # opening a pipe would wait for ever
                return Raw(path, "", {}, f"/{name}:1: not a file")
            if os.path.getsize(file) > MAX_META_BYTES:
                return Raw(path, "", {}, f"/{name}:1: larger than {MAX_META_BYTES} bytes")
            with open(file, "rb") as stream:
                files[name] = stream.read(MAX_META_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            return Raw(path, "", {}, f"/{name}:1: {error.strerror}")
    return Raw(path, "", files)


def scan_disk(root: str, prefix: str, old: Mapping[str, Signature]) -> DiskScan:
    """Scan a work tree until it holds still; signatures too young to trust become UNSURE.

    ``old`` are the signatures of the index, empty for a first scan.
    """
    scan = DiskScan(root, prefix, old)
    for _ in range(_SCAN_TRIES):
        young = _young(scan.signatures)
        if young:
            time.sleep(TICK_NS / 1e9)
        elif unchanged(scan.signatures):
            return scan
        changed = scan.changed
        known = {**scan.signatures, **dict.fromkeys(young, UNSURE)}
        scan = DiskScan(root, prefix, known)
        scan.changed = {**changed, **scan.changed}
    unsure = _young(scan.signatures, COARSE_TICK_NS)
    scan.signatures.update(dict.fromkeys(unsure, UNSURE))
    return scan


def _young(signatures: Mapping[str, Signature], tick: int = TICK_NS) -> list[str]:
    now = time.time_ns()
    recent = [path for path, found in signatures.items() if max(found[:2]) > now - tick]
    return [path for path in recent if not settled(signatures[path], now)]
