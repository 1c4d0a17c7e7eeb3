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
from itertools import groupby, islice
from operator import itemgetter
from typing import NamedTuple

from ..errors import CmgitError, Damaged
from ..index.manifest import RepositoryState
from ..index.record import Record
from ..index.watch import TICK_NS, UNSURE, Signature, settled, signature
from ..meta.files import chosen_files
from ..meta.parse import MAX_META_BYTES
from ..repository import Repository
from ..store.objects import LINK, SUBMODULE, ObjectStore, read_blob, read_tree
from .document import MAX_README_BYTES, Document, Sources, document

READMES = ("readme.md", "readme.rst", "readme.txt", "readme")  # the first, in any case, counts

Numbered = tuple[int, Record]  # a record with its repository's number
_TOGETHER = 200  # records of a job


class Job(NamedTuple):
    """Records of one repository, to be read; ``number``, ``path`` and ``alias`` are its own."""

    number: int
    path: str
    alias: str
    records: list[Record]


class Texts(NamedTuple):
    """The documents that were read, and the signatures of what was on a disk."""

    documents: list[Document]
    watched: dict[str, Signature]


def jobs_of(states: Iterable[RepositoryState], records: Iterable[Numbered]) -> Iterator[Job]:
    """The jobs of reading records; those of one repository should come together."""
    known = {state.number: state for state in states}
    for number, group in groupby(records, key=itemgetter(0)):
        state = known[number]
        while some := [record for _, record in islice(group, _TOGETHER)]:
            yield Job(number, state.path, state.alias, some)


def read(job: Job) -> Texts:
    """Do a job. Of what cannot be read, the document says what the record does."""
    try:
        repository = Repository.open(job.path, job.alias)
    except CmgitError:
        return Texts([document(job.number, record, Sources()) for record in job.records], {})
    with closing(repository.git):
        reader = _Reader(repository)
        documents = [document(job.number, record, reader.sources(record)) for record in job.records]
    return Texts(documents, reader.watched)


class _Reader:
    """Reads the files of artifacts of one repository; ``watched`` are signatures of READMEs."""

    def __init__(self, repository: Repository) -> None:
        self.watched: dict[str, Signature] = {}
        self._repository = repository
        self._waited = False

    def sources(self, record: Record) -> Sources:
        """The files of an artifact; none when they cannot be read."""
        git, tree = self._repository.git, record["tree"]
        if self._repository.working:
            found = self._of_disk(place_of(git.path, record["path"]))
            if found.metas or not tree:
                return found
        try:
            return of_tree(git.objects, tree)
        except Damaged:
            return Sources()

    def _of_disk(self, place: str) -> Sources:
        """What is in a directory; its README is watched."""
        try:
            names = os.listdir(place)
        except OSError:
            return Sources()
        metas = {
            name: _beginning(os.path.join(place, name), MAX_META_BYTES)
            for name in chosen_files(set(names))
        }
        name = readme_of(names)
        if name is None:
            return Sources(metas)
        file = os.path.join(place, name)
        self.watched[file] = self._steady(file)
        return Sources(metas, _beginning(file, MAX_README_BYTES))

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


def _beginning(path: str, limit: int) -> bytes:
    """The beginning of a file; nothing of a link, or of what cannot be read."""
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):  # opening a pipe would wait for ever
            return b""
        with open(path, "rb") as file:
            return file.read(limit)
    except OSError:
        return b""
