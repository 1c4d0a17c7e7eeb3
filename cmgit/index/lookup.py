"""Answering queries from the index, for as long as it is fresh."""

from __future__ import annotations

import os

from ..errors import AutomationNotFound
from ..names import Name, same_word
from ..query import Query
from .manifest import DIRECTORY, Manifest, RepositoryState, read_manifest
from .record import digest, key_term
from .segment import DamagedIndex, Segment, automation_terms
from .watch import read_watch, unchanged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .record import Record

BUILT_IN_AUTOMATIONS = {"automation": "bbeb15d8f0a944a4", "repo": "55c3e27e8a140e48"}
PENDING = "pending"


class Hit:
    """One artifact that answers a query: its record, and the state of the repository it is in."""

    __slots__ = ("raw", "record", "repository")

    def __init__(self, raw: bytes, record: Record, repository: RepositoryState) -> None:
        self.raw = raw
        self.record = record
        self.repository = repository

    def name(self) -> str:
        """``AUTOMATION REPO:ALIAS,UID``: the words that name it to any command."""
        record = self.record
        automation = record["automation_alias"] or record["automation_uid"]
        artifact = f"{record['alias']},{record['uid']}" if record["alias"] else record["uid"]
        return f"{automation} {self.repository.alias}:{artifact}"


class Index:
    """A state of the index, ready to be asked."""

    def __init__(self, directory: str, manifest: Manifest) -> None:
        """Open the segments of a manifest; raises DamagedIndex."""
        self.directory = directory
        self.manifest = manifest
        self.segments = [
            (Segment(os.path.join(directory, state.name)), state.dead)
            for state in manifest.segments
        ]
        self._by_number = {repo.number: repo for repo in manifest.repositories}
        self._position = {repo.number: at for at, repo in enumerate(manifest.repositories)}

    def find(self, query: Query) -> list[Hit]:
        """All matches: repositories in their order, then by automation and artifact directory."""
        numbers = self.repository_numbers(query.repo)
        hits = []
        for segment, dead in self.segments:
            for number in segment.candidates(query):
                if number in dead or segment.repositories[number] not in numbers:
                    continue
                raw = segment.raw(number)
                hit = self._hit(segment, number, raw)
                if accepts(query, hit.record):
                    hits.append(hit)
        hits.sort(key=lambda hit: self._order(hit.repository.number, hit.record["path"]))
        return hits

    def _hit(self, segment: Segment, number: int, raw: bytes) -> Hit:
        repository = self._by_number[segment.repositories[number]]
        return Hit(raw, segment.record(number), repository)

    def _order(self, repository: int, path: str) -> tuple[int, list[str]]:
        return (self._position[repository], path.split("/"))

    def repository_numbers(self, name: Name) -> set[int]:
        """The numbers of the repositories that go by a name."""
        return {
            repo.number for repo in self.manifest.repositories if name.accepts(repo.alias, repo.uid)
        }

    def records(self) -> Iterator[tuple[int, Record]]:
        """Every record that counts, with its repository's number, in no particular order."""
        for segment, dead in self.segments:
            for number in range(segment.count):
                if number not in dead:
                    yield segment.repositories[number], segment.record(number)

    def has_automation(self, name: Name) -> bool:
        """Whether anything is of this automation, or it is there as an artifact itself."""
        if name.is_pattern or name.uid in BUILT_IN_AUTOMATIONS.values():
            return True
        if same_word(name.alias) in BUILT_IN_AUTOMATIONS and not name.uid:
            return True
        keys = [*automation_terms(name)]
        keys.append(int(name.uid, 16) if name.uid else key_term("automation", name.alias))
        return any(len(segment.postings(key)) for segment, _ in self.segments for key in keys)


def accepts(query: Query, record: Record) -> bool:
    """Whether a record answers a query, whatever its repository."""
    return query.accepts(
        record["alias"],
        record["uid"],
        record["automation_alias"],
        record["automation_uid"],
        record["tags"],
    )


def check_automation(index: Index, name: Name) -> None:
    """Raise AutomationNotFound for an automation that nothing knows."""
    if not index.has_automation(name):
        raise AutomationNotFound(
            f"automation {str(name)!r} not found",
            f"see 'cmgit find automation'; 'cmgit add automation {name}' makes one",
        )


def open_fresh(home: str) -> Index | None:
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
        for repo in manifest.repositories:
            if repo.problem:
                return None  # it may be there again
            if repo.watch and not unchanged(read_watch(os.path.join(directory, repo.watch))):
                return None
        return Index(directory, manifest)
    except (DamagedIndex, OSError):
        return None


def registry_digest(home: str) -> str:
    """The digest of the registry file, empty when there is none."""
    try:
        with open(os.path.join(home, "registry.json"), "rb") as file:
            return digest(file.read())
    except OSError:
        return ""
