"""What changed between two states of the index, found without reading what did not.

A text index keeps links to the segments that it was made from, and to their manifest: the index
itself sweeps them when it merges them. Segments are named by their contents, so that of one that
is in both states only what died since is looked at. Of the others, the records are compared.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import blake2b
from typing import TYPE_CHECKING

from ..index import roaring
from ..index.lookup import Index
from ..index.manifest import manifest_path, read_manifest
from ..index.pages import DamagedIndex
from ..index.record import Record
from ..index.segment import Segment

if TYPE_CHECKING:
    from ..index.bitmap import Numbers

Numbered = tuple[int, Record]  # a record with its repository's number


def keep(index: Index, directory: str) -> None:
    """Put links to the files of an index into a directory, which is made; FileNotFoundError when
    the index was replaced by a newer one, and swept."""
    os.mkdir(directory)
    manifest = os.path.basename(manifest_path(index.directory, index.manifest.number))
    for name in (manifest, *index.manifest.files()):
        os.link(os.path.join(index.directory, name), os.path.join(directory, name))


def kept(directory: str, home: str) -> Index:
    """The index of a home that a directory has links to; raises DamagedIndex."""
    manifest = read_manifest(directory, home)
    if not manifest.number:
        raise DamagedIndex(f"{directory} has no manifest")
    return Index(directory, manifest, roaring)


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
    dead_there = {name: dead for name, _, dead in _named(other)}
    for name, segment, dead in _named(one):
        counted: Numbers = roaring.of_ranges([(0, segment.count)])
        if name in dead_there:
            counted = dead_there[name]
        for number in counted - dead:
            yield segment.repository(number), segment.record(number)


def _named(index: Index) -> Iterator[tuple[str, Segment, Numbers]]:
    """The segments of an index: name, contents, and what of them does not count."""
    for state, (segment, dead) in zip(index.manifest.segments, index.segments, strict=True):
        yield state.name, segment, dead


def _stamp(item: Numbered) -> bytes:
    return blake2b(repr(item).encode("utf-8", "surrogatepass"), digest_size=16).digest()
