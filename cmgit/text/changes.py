"""What changed between two states of the index, found without reading what did not.

A text index keeps links to the segments that it was made from, and to their manifest: the index
itself sweeps them when it merges them. Segments are named by their contents, so that of one that
is in both states only what died since is looked at. Of the others, the records are compared.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import blake2b

from ..index.lookup import Index
from ..index.manifest import manifest_path, read_manifest
from ..index.record import Record
from ..index.segment import DamagedIndex

Numbered = tuple[int, Record]  # a record with its repository's number


def keep(index: Index, directory: str) -> None:
    """Put links to the files of an index into a directory, which is made; FileNotFoundError when
    the index was replaced by a newer one, and swept."""
    os.mkdir(directory)
    manifest = os.path.basename(manifest_path(index.directory, index.manifest.number))
    for name in (manifest, *index.manifest.files()):
        os.link(os.path.join(index.directory, name), os.path.join(directory, name))


def kept(directory: str) -> Index:
    """The index that a directory has links to; raises DamagedIndex."""
    manifest = read_manifest(directory)
    if not manifest.number:
        raise DamagedIndex(f"{directory} has no manifest")
    return Index(directory, manifest)


class Changes:
    """The difference between two states of the index; the old one is None when there was none."""

    def __init__(self, old: Index | None, new: Index) -> None:
        self._old, self._new = old, new
        self._same: set[bytes] = set()
        if old is not None:
            before = {_stamp(item) for item in _unshared(old, new)}
            self._same = {
                found for item in _unshared(new, old) if (found := _stamp(item)) in before
            }

    @property
    def size(self) -> int:
        """About how many records are fresh; no fewer."""
        known = {state.name for state in self._old.manifest.segments} if self._old else ()
        return sum(s.live for s in self._new.manifest.segments if s.name not in known)

    def gone(self) -> Iterator[Numbered]:
        """The records that were, and are no longer, or not so."""
        if self._old is not None:
            yield from self._different(_unshared(self._old, self._new))

    def fresh(self) -> Iterator[Numbered]:
        """The records that are, and were not, or not so."""
        if self._old is None:
            yield from self._new.records()
        else:
            yield from self._different(_unshared(self._new, self._old))

    def _different(self, items: Iterator[Numbered]) -> Iterator[Numbered]:
        return (item for item in items if not self._same or _stamp(item) not in self._same)


def _unshared(one: Index, other: Index) -> Iterator[Numbered]:
    """The records of one state that the other does not have in a segment of the same name."""
    theirs = dict(zip((s.name for s in other.manifest.segments), other.segments, strict=True))
    for state, (segment, dead) in zip(one.manifest.segments, one.segments, strict=True):
        dead_there = theirs[state.name][1] if state.name in theirs else None
        if dead == dead_there:
            continue
        for number in range(segment.count):
            if number not in dead and (dead_there is None or number in dead_there):
                yield segment.repositories[number], segment.record(number)


def _stamp(item: Numbered) -> bytes:
    return blake2b(repr(item).encode("utf-8", "surrogatepass"), digest_size=16).digest()
