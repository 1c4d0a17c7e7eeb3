"""Reading a segment: an immutable, memory-mapped set of records with its posting lists."""

from __future__ import annotations

import os
from _struct import Struct
from mmap import ACCESS_READ, mmap

from ..names import Name, glob, same_word
from .record import decode, digest, key_term, term

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..query import Query
    from .record import Record

MAGIC = b"CMGITSEG"
VERSION = 1
HEADER = Struct("<8sIIIIQ")  # magic, version, records, terms, postings, bytes of names
SUFFIX = ".segment"


class DamagedIndex(Exception):
    """A file of the index is missing, cut or changed; the index has to be built anew."""


def padded(size: int) -> int:
    """The size up to the next multiple of eight, where the next table starts."""
    return (size + 7) & ~7


class Segment:
    """One segment file. Record numbers run from 0 in the order (repository, path)."""

    def __init__(self, path: str) -> None:
        """Map and verify a file; raises DamagedIndex when it is not what its name says."""
        try:
            with open(path, "rb") as file:
                self._map = mmap(file.fileno(), 0, access=ACCESS_READ)
        except (OSError, ValueError) as error:
            raise DamagedIndex(f"{path}: {error}") from None
        name = os.path.basename(path)
        if digest(self._map) + SUFFIX != name or len(self._map) < HEADER.size:
            raise DamagedIndex(f"{path}: the contents do not match the name")
        magic, version, self.count, terms, postings, names = HEADER.unpack_from(self._map)
        if magic != MAGIC or version != VERSION:
            raise DamagedIndex(f"{path}: not a segment of version {VERSION}")
        self._lay_out(terms, postings, names)

    def _lay_out(self, terms: int, postings: int, names: int) -> None:
        view, at = memoryview(self._map), padded(HEADER.size)

        def table(size: int) -> memoryview:
            nonlocal at
            start, at = at, at + padded(size)
            return view[start : start + size]

        self._terms = table(8 * terms).cast("Q")
        self._starts = table(4 * (terms + 1)).cast("I")
        self._postings = table(4 * postings).cast("I")
        self.repositories = table(4 * self.count).cast("I")
        self._offsets = table(8 * (self.count + 1)).cast("Q")
        self._names = table(names)
        self._text = at

    def raw(self, number: int) -> bytes:
        """The record as it was written: a JSON object on one line."""
        start, end = self._offsets[number], self._offsets[number + 1]
        return self._map[self._text + start : self._text + end]

    def record(self, number: int) -> Record:
        """The record as a dict."""
        return decode(self.raw(number).decode())  # type: ignore[no-any-return]

    def of_repository(self, repository: int) -> range:
        """The numbers of all records of a repository."""
        from _bisect import bisect_left, bisect_right

        table = self.repositories
        return range(bisect_left(table, repository), bisect_right(table, repository))

    def locate(self, repository: int, path: str) -> int | None:
        """The number of the record of a path in a repository."""
        numbers = self.of_repository(repository)
        low, high, wanted = numbers.start, numbers.stop, path.split("/")
        while low < high:
            middle = (low + high) // 2
            found = self.record(middle)["path"].split("/")
            if found == wanted:
                return middle
            if found < wanted:
                low = middle + 1
            else:
                high = middle
        return None

    def postings(self, key: int) -> memoryview:
        """The ascending numbers of the records that have a term."""
        from _bisect import bisect_left

        at = bisect_left(self._terms, key)
        if at == len(self._terms) or self._terms[at] != key:
            return self._postings[:0]
        return self._postings[self._starts[at] : self._starts[at + 1]]

    def candidates(self, query: Query) -> Iterable[int]:
        """Ascending numbers of all records that may match; the caller checks each."""
        lists = sorted((self.postings(key) for key in query_terms(query)), key=len)
        if not lists:
            found: Iterable[int] = range(self.count)
        elif len(lists) == 1 or not len(lists[0]):
            found = lists[0]
        else:
            found = sorted(set(lists[0]).intersection(*lists[1:]))
        pattern = query.artifact
        if pattern.alias and pattern.is_pattern:
            names = bytes(self._names).decode("utf-8", "surrogatepass").split("\n")
            wanted = same_word(pattern.alias)
            found = [number for number in found if glob(wanted, names[number])]
        return found


def query_terms(query: Query) -> list[int]:
    """The terms that every match has; empty when only a scan can tell."""
    artifact, automation = query.artifact, query.automation
    keys = [term("t", tag) for tag in query.tags]
    if artifact.uid:
        keys.append(int(artifact.uid, 16))
    elif not artifact.is_pattern:
        if not automation.uid and not automation.is_pattern:
            return [*keys, key_term(automation.alias, artifact.alias)]
        keys.append(term("n", same_word(artifact.alias)))
    return keys + automation_terms(automation)


def automation_terms(automation: Name) -> list[int]:
    """The term of all artifacts of an automation, or nothing for a pattern."""
    if automation.uid:
        return [term("A", automation.uid)]
    return [] if automation.is_pattern else [term("a", same_word(automation.alias))]
