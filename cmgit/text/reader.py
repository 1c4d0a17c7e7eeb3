"""Reading the files of artifacts: from Git's objects, or from the disk of a working repository.

On the disk a README changes without the index knowing, so each is watched: its signature is taken
before it is read, and counts only when any later change would show in it. Directories and meta
files are watched by the index.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import groupby
from operator import itemgetter

from ..errors import CmgitError, Damaged
from ..index.manifest import RepositoryState
from ..index.record import Record
from ..index.watch import TICK_NS, UNSURE, Signature, settled, signature
from ..meta.parse import MAX_META_BYTES, chosen_files
from ..repository import Repository
from ..store.objects import LINK, SUBMODULE, ObjectStore, read_blob, read_tree
from .document import MAX_README_BYTES, Document, Sources, document

READMES = ("readme.md", "readme.rst", "readme.txt", "readme")  # the first, in any case, counts

Numbered = tuple[int, Record]  # a record with its repository's number


class Reader:
    """Makes documents out of records; ``watched`` are the signatures of what was on a disk."""

    def __init__(self, states: Iterable[RepositoryState]) -> None:
        self.watched: dict[str, Signature] = {}
        self._states = {state.number: state for state in states}
        self._waited = False

    def documents(self, records: Iterable[Numbered]) -> Iterator[Document]:
        """The documents of records; those of one repository should come together."""
        for number, group in groupby(records, key=itemgetter(0)):
            state = self._states[number]
            try:
                repository = Repository.open(state.path, state.alias)
            except CmgitError:
                yield from (document(number, record, Sources()) for _, record in group)
                continue
            with closing(repository.git):
                for _, record in group:
                    yield document(number, record, self._sources(repository, record))

    def _sources(self, repository: Repository, record: Record) -> Sources:
        objects, tree = repository.git.objects, record["tree"]
        if repository.working:
            found = self._of_disk(place_of(repository.git.path, record["path"]))
            if found.metas or not tree:
                return found
        try:
            return of_tree(objects, tree)
        except Damaged:
            return Sources()

    def _of_disk(self, place: str) -> Sources:
        """What is in a directory; its README is watched."""
        try:
            names = os.listdir(place)
        except OSError:
            return Sources()
        metas = {
            name: _read(os.path.join(place, name), MAX_META_BYTES)
            for name in chosen_files(set(names))
        }
        name = readme_of(names)
        if name is None:
            return Sources(metas)
        file = os.path.join(place, name)
        self.watched[file] = self._steady(file)
        return Sources(metas, _read(file, MAX_README_BYTES))

    def _steady(self, path: str) -> Signature:
        """The signature of a path, UNSURE when it is too young to show any later change."""
        found = signature(path)
        if not settled(found, time.time_ns()) and not self._waited:
            self._waited = True  # once: what is made meanwhile is not waited for
            time.sleep(TICK_NS / 1e9)
            found = signature(path)
        return found if settled(found, time.time_ns()) else UNSURE


def place_of(root: str, path: str) -> str:
    """Where a path of a working repository is on the disk."""
    return os.path.join(root, *path.split("/"))


def readme_of(names: Iterable[str]) -> str | None:
    """Which of the names in a directory is the README."""
    known = {name.lower(): name for name in sorted(names, reverse=True)}
    return next((known[name] for name in READMES if name in known), None)


def of_tree(objects: ObjectStore, tree: str) -> Sources:
    """The files of an artifact with a tree; raises Damaged."""
    files = {
        n: e
        for n, e in read_tree(objects, tree).items()
        if not e.is_tree and e.mode not in (LINK, SUBMODULE)
    }
    metas = {name: read_blob(objects, files[name].oid) for name in chosen_files(set(files))}
    name = readme_of(files)
    return Sources(metas, read_blob(objects, files[name].oid) if name else b"")


def _read(path: str, limit: int) -> bytes:
    """The beginning of a file; nothing of a link, or of what cannot be read."""
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):  # opening a pipe would wait for ever
            return b""
        with open(path, "rb") as file:
            return file.read(limit)
    except OSError:
        return b""
