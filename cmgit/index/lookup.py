"""Answering queries from the index, for as long as it is fresh."""

from __future__ import annotations

import os
from _bisect import bisect_left

from ..errors import AutomationNotFound
from ..names import Name, same_word
from ..query import Query
from .bitmap import Bitmap
from .manifest import DIRECTORY, Manifest, RepositoryState, read_manifest
from .pages import DamagedIndex
from .record import digest
from .segment import Segment
from .watch import read_watch, unchanged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from .bitmap import Numbers, Sets
    from .record import Record

BUILT_IN_AUTOMATIONS = {"automation": "bbeb15d8f0a944a4", "repo": "55c3e27e8a140e48"}
PENDING = "pending"


class Hit:
    """One artifact that answers a query: its number in a segment, and what can be read there."""

    __slots__ = ("_index", "number", "segment")

    def __init__(self, index: Index, segment: Segment, number: int) -> None:
        self._index = index
        self.segment = segment
        self.number = number

    @property
    def record(self) -> Record:
        """All that the index knows of the artifact."""
        return self.segment.record(self.number)

    @property
    def repository(self) -> RepositoryState:
        """The state of the repository that it is in."""
        return self._index.manifest.repositories.state(self.segment.repository(self.number))

    @property
    def path(self) -> str:
        """Its directory in the repository."""
        return self.segment.path(self.number)

    def name(self) -> str:
        """``AUTOMATION REPO:ALIAS,UID``: the words that name it to any command."""
        segment, number = self.segment, self.number
        automation, alias, uid = (
            segment.automation(number),
            segment.alias(number),
            segment.uid(number),
        )
        artifact = f"{alias},{uid}" if alias else uid
        return f"{automation[0] or automation[1]} {self.repository.alias}:{artifact}"


class Hits:
    """What answers a query: its number is known, its parts are read where they are asked for.

    In the order of the repositories, then of the artifacts' directories.
    """

    def __init__(self, index: Index, found: list[tuple[Segment, Sequence[int] | Numbers]]) -> None:
        self._index = index
        self.found = [(segment, numbers) for segment, numbers in found if len(numbers)]

    def __len__(self) -> int:
        return sum(len(numbers) for _, numbers in self.found)

    def __iter__(self) -> Iterator[Hit]:
        index = self._index
        if len(self.found) == 1 and not index.manifest.repositories.order:
            segment, numbers = self.found[0]
            return (Hit(index, segment, number) for number in numbers)
        return self._merged()

    def _merged(self) -> Iterator[Hit]:
        parts: dict[int, list[tuple[Segment, list[int]]]] = {}
        for segment, numbers in self.found:
            for repository, some in _by_repository(segment, numbers):
                parts.setdefault(repository, []).append((segment, some))
        for repository in sorted(parts, key=self._index.manifest.repositories.position):
            for segment, number in _woven(parts[repository]):
                yield Hit(self._index, segment, number)


def _woven(parts: list[tuple[Segment, list[int]]]) -> Iterator[tuple[Segment, int]]:
    """What several segments have of one repository, by directory.

    The most are in the largest, in order. The places of the others among them are looked up.
    """
    segment, numbers = max(parts, key=lambda part: len(part[1]))
    others = [(other, n) for other, some in parts if some is not numbers for n in some]

    def order(number: int) -> list[str]:
        return segment.path(number).split("/")

    at = 0
    for key, other, number in sorted(
        ((other.path(n).split("/"), other, n) for other, n in others), key=lambda found: found[0]
    ):
        before = bisect_left(numbers, key, at, key=order)
        yield from ((segment, n) for n in numbers[at:before])
        yield other, number
        at = before
    yield from ((segment, n) for n in numbers[at:])


def _by_repository(segment: Segment, numbers: Iterable[int]) -> Iterator[tuple[int, list[int]]]:
    """Ascending numbers, those of each repository together."""
    repository, end = -1, -1
    some: list[int] = []
    for number in numbers:
        if number >= end:
            if some:
                yield repository, some
            repository = segment.repository(number)
            end, some = segment.of_repository(repository).stop, []
        some.append(number)
    if some:
        yield repository, some


class Index:
    """A state of the index, ready to be asked. Any of its methods may raise DamagedIndex."""

    def __init__(self, directory: str, manifest: Manifest, sets: Sets = Bitmap) -> None:
        """Open the segments of a manifest; ``sets`` is as in :class:`Segment`."""
        self.directory = directory
        self.manifest = manifest
        nothing = sets.of(())
        self.segments = [
            (
                Segment(os.path.join(directory, state.name), sets),
                sets.deserialize(bytes.fromhex(state.dead)) if state.dead else nothing,
            )
            for state in manifest.segments
        ]

    @property
    def count(self) -> int:
        """How many artifacts it knows."""
        return sum(state.live for state in self.manifest.segments)

    def find(self, query: Query) -> Hits:
        """All matches."""
        numbers = self.repository_numbers(query.repo) if query.repo else None
        if numbers is not None and not numbers:
            return Hits(self, [])
        found = [(segment, segment.find(query, numbers, dead)) for segment, dead in self.segments]
        return Hits(self, found)

    def repository_numbers(self, name: Name) -> set[int]:
        """The numbers of the repositories that go by a name."""
        return self.manifest.repositories.named(name)

    def records(self) -> Iterator[tuple[int, Record]]:
        """Every record that counts, with its repository's number, in no particular order."""
        for segment, dead in self.segments:
            for number in range(segment.count):
                if number not in dead:
                    yield segment.repository(number), segment.record(number)

    def has_automation(self, name: Name) -> bool:
        """Whether anything is of this automation, or it is there as an artifact itself."""
        if name.is_pattern or name.uid in BUILT_IN_AUTOMATIONS.values():
            return True
        if same_word(name.alias) in BUILT_IN_AUTOMATIONS and not name.uid:
            return True
        return any(
            len(segment.having_automation(at) - dead)
            for segment, dead in self.segments
            for at in segment.of_automation(name)
        ) or bool(len(self.find(Query(Name("automation"), name))))


def check_automation(index: Index, name: Name) -> None:
    """Raise AutomationNotFound for an automation that nothing knows."""
    if not index.has_automation(name):
        raise AutomationNotFound(
            f"automation {str(name)!r} not found",
            f"see 'cmgit find automation'; 'cmgit add automation {name}' makes one",
        )


def open_fresh(home: str, sets: Sets = Bitmap) -> Index | None:
    """The index of a home, or None when it is missing, damaged or no longer true.

    Fresh means: made from the registry as it is now, no change of a bare repository under way,
    every repository could be read, and every watched path of the working ones is as it was.
    """
    directory = os.path.join(home, DIRECTORY)
    try:
        manifest = read_manifest(directory)
        if manifest.number == 0 or manifest.registry != registry_digest(home):
            return None
        if os.listdir(os.path.join(home, PENDING)):
            return None
        for repo in manifest.repositories.special:
            if repo.problem:
                return None  # it may be there again
            if repo.watch and not unchanged(read_watch(os.path.join(directory, repo.watch), home)):
                return None
        return Index(directory, manifest, sets)
    except (DamagedIndex, OSError):
        return None


def registry_digest(home: str) -> str:
    """The digest of the registry file, empty when there is none."""
    try:
        with open(os.path.join(home, "registry.json"), "rb") as file:
            return digest(file.read())
    except OSError:
        return ""
