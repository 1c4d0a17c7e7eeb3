"""One repository that comes in: looked through in a quarantine, then accepted."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO, NamedTuple, cast

import orjson

from ..errors import CmgitError, Damaged, NotFound, Untrusted, UsageError
from ..index.record import digest
from ..registry import BARE, Entry
from ..repository import Repository
from ..store.bundle import HEAD, Header, read_header
from ..store.git import GitRepository
from ..store.objects import ObjectID
from ..store.quarantine import Quarantine
from ..store.refs import check_together, replace_refs
from .manifest import Held, Part, Stamp, quoted, unquoted
from .parts import PartReader
from .signed import Policy, check_signed

RECORD = "imports.json"  # in cmgit's directory of the Git directory
_BUFFER = 1 << 18
Count = Callable[[int], None]


class Source(NamedTuple):
    """A repository in one export, or in one bundle, which says nothing of refs that it has not."""

    held: Held
    place: str
    stamp: Stamp | None = None
    since: Stamp | None = None


class Incoming(NamedTuple):
    """A repository with all that brings it, in order, what it is in the home, if it is, and what
    of it has to be signed, if anything."""

    sources: tuple[Source, ...]
    entry: Entry | None
    policy: Policy | None = None

    @property
    def held(self) -> Held:
        """What it is at last."""
        return self.sources[-1].held


@dataclass
class Staged:
    """A repository that was looked through: what it becomes, of which sources."""

    held: Held
    entry: Entry | None
    place: Quarantine | None = None
    sources: list[Source] = field(default_factory=list)
    reached: set[ObjectID] = field(default_factory=set)

    @property
    def quarantine(self) -> Quarantine:
        """Where it is; not for one that has nothing new."""
        assert self.place is not None
        return self.place

    @property
    def objects(self) -> int:
        """How many came."""
        return sum(source.held.objects for source in self.sources)

    @property
    def bytes(self) -> int:
        """How many came."""
        return sum(source.held.size for source in self.sources)


def stage(incoming: Incoming, path: str, program: str, tell: Count) -> Staged:
    """Take all of a repository into a quarantine at a path, and check it; tells of the bytes.

    Raises NotFound for what is missing, Damaged, Untrusted for what is stale.
    """
    entry = incoming.entry
    if entry is not None and entry.kind != BARE:
        raise UsageError(
            f"it is a working repository here ({entry.path}): its branches are yours",
            "'git fetch' there takes a bundle",
        )
    target = GitRepository.open(entry.path) if entry else None
    try:
        return _stage(incoming, path, target, program, tell)
    finally:
        if target is not None:
            target.close()


def _stage(
    incoming: Incoming, path: str, target: GitRepository | None, program: str, tell: Count
) -> Staged:
    staged = Staged(incoming.held, incoming.entry)
    todo = _todo(incoming.sources, read_record(target) if target else [])
    if not todo:
        return staged
    tips = _refs(target) if target else {}
    with closing(Quarantine(path, target)) as staged.place:
        for source in todo:
            if not source.held.refs and source.stamp:
                raise Damaged("it is empty: the manifest has no refs for it")
            tips = _take(staged, source, tips, program, tell)
        if incoming.policy:
            check_signed(staged.quarantine.git, staged.held.refs, incoming.policy)
        if target is None:
            _complete(staged)
    return staged


def _complete(staged: Staged) -> None:
    """Make a quarantine the repository that it becomes, but for its place."""
    held = staged.held
    staged.quarantine.make_repository(held.refs, held.head, held.url, held.mirror)
    write_record(staged.quarantine.git, held, staged.sources)


def _refs(git: GitRepository) -> dict[str, ObjectID]:
    return {name: oid for name, oid in git.refs().items() if name != HEAD}


def _todo(sources: Iterable[Source], record: Sequence[Stamp]) -> list[Source]:
    """The sources that have not been imported; raises Untrusted for one older than the last."""
    newest = max(record, key=lambda stamp: stamp.created, default=None)
    todo = [s for s in sources if s.stamp is None or s.stamp.id not in {r.id for r in record}]
    for source in todo:
        stamp, since = source.stamp, source.since
        follows = since is not None and newest is not None and since.id == newest.id
        if stamp and newest and stamp.created < newest.created and not follows:
            raise Untrusted(
                f"the export {stamp} is stale: {newest} was imported already",
                "bring a later one",
            )
    return todo


# -- the bytes --------------------------------------------------------------------------------


def _take(
    staged: Staged, source: Source, tips: dict[str, ObjectID], program: str, tell: Count
) -> dict[str, ObjectID]:
    """Take in one source; returns the refs as they are after it."""
    if source.stamp is None:
        with open(source.place, "rb") as file:
            header = _take_bundle(staged, source, file, tips, program)
        source = _described(staged, source, header, os.path.getsize(source.place))
        refs = {**tips, **source.held.refs}
    else:
        if source.held.parts:
            _take_parts(staged, source, tips, program, tell)
        refs = source.held.refs
    check_together(refs)
    git = staged.quarantine.git
    for name, oid in refs.items():
        if oid not in git.objects:
            raise _missing(source, f"{name} points to {oid}, which is neither here nor there")
    staged.sources.append(source)
    staged.held = replace(source.held, refs=refs)
    return refs


def _take_parts(
    staged: Staged, source: Source, tips: dict[str, ObjectID], program: str, tell: Count
) -> None:
    parts = PartReader(source.place, source.held.parts, tell)
    with closing(io.BufferedReader(parts, _BUFFER)) as stream:
        try:
            _take_bundle(staged, source, cast(BinaryIO, stream), tips, program)
        except Damaged:
            parts.finish()  # where bytes are not as they were written, that is what is wrong
            raise
        parts.finish()


def _take_bundle(
    staged: Staged, source: Source, stream: BinaryIO, tips: dict[str, ObjectID], program: str
) -> Header:
    header, start = read_header(stream)
    if source.stamp is not None:
        _check_header(source, header)
    _check_prerequisites(staged.quarantine, source, header, tips.values())
    staged.quarantine.take(start, stream, program, threads=True)
    staged.reached.update(header.prerequisites)
    return header


def _check_header(source: Source, header: Header) -> None:
    """Raise Damaged when a bundle is not that of the manifest."""
    held = source.held
    for name, oid in header.refs.items():
        if name != HEAD and held.refs.get(name) != oid:
            raise Damaged(f"its bundle has {name} at {oid}, the manifest has not")
    if source.since is None:
        for name in held.refs:
            if name not in header.refs:
                raise Damaged(f"{name} is missing in its bundle")
    if (header.objects, set(header.prerequisites)) != (held.objects, set(held.prerequisites)):
        raise Damaged("its bundle has other objects than the manifest says")


def _check_prerequisites(
    quarantine: Quarantine, source: Source, header: Header, tips: Iterable[ObjectID]
) -> None:
    """Raise NotFound for a commit that must be there, with all before it, and is not."""
    if not header.prerequisites:
        return
    git = quarantine.git
    for oid in header.prerequisites:
        if oid not in git.objects:
            raise _missing(source, f"commit {oid}, on which it builds, is not here")
    left = set(header.prerequisites) - set(tips)
    if not left:
        return
    starts = {git.peel(oid) for oid in tips} - {None}
    for commit in git.commits(*starts):  # type: ignore[arg-type]
        left.discard(commit.oid)
        if not left:
            return
    raise _missing(source, f"commit {min(left)}, on which it builds, is of no ref here")


def _missing(source: Source, what: str) -> NotFound:
    if source.since is None:
        return NotFound(what, "bring what it builds on first")
    return NotFound(f"{what}; it came with the export {source.since}", "import that one first")


def _described(staged: Staged, source: Source, header: Header, size: int) -> Source:
    """A bundle of Git, as a manifest would have it."""
    refs = {name: oid for name, oid in header.refs.items() if name != HEAD}
    if not refs:
        raise Damaged("the bundle has no refs")
    held = replace(source.held, refs=refs, head=_head(header.refs), objects=header.objects)
    if not held.uid:
        held = replace(held, uid=_uid(staged.quarantine.git, held))
    return source._replace(held=replace(held, parts=(Part(source.place, size, ""),)))


def _head(refs: Mapping[str, ObjectID]) -> str:
    branches = [n for n in refs if n.startswith("refs/heads/") and refs[n] == refs.get(HEAD)]
    preferred = [n for n in ("refs/heads/main", "refs/heads/master") if n in branches]
    return next(iter(preferred + branches), "")


def _uid(git: GitRepository, held: Held) -> str:
    """The UID that its ``cmr.yaml`` gives to a repository, or one that follows from its name."""
    tip = held.refs.get(held.head) or next(iter(held.refs.values()))
    try:
        uid = Repository(git, held.alias).description(git.peel(tip)).uid
    except CmgitError:
        uid = ""
    return uid or digest(f"bundle:{held.alias}".encode())


# -- accepting --------------------------------------------------------------------------------


def accept(git: GitRepository, staged: Staged, date: str, program: str) -> list[str]:
    """Bring what came into its repository, whose lock is held; returns the names under which
    something was kept."""
    staged.quarantine.move_objects()
    held = staged.held
    prune = all(source.stamp for source in staged.sources)
    kept = replace_refs(git, held.refs, date, prune, staged.reached, program)
    if held.head in held.refs:
        git.point_head(held.head, held.refs[held.head])
    write_record(git, held, staged.sources)
    return kept


def read_record(git: GitRepository) -> list[Stamp]:
    """The exports that a repository was imported from."""
    return [Stamp(item["id"], item["created"]) for item in _record(git).get("imports", ())]


def recorded_refs(git: GitRepository) -> tuple[dict[str, ObjectID], str]:
    """The refs that the last import gave to a repository, and the branch that was its head."""
    record = _record(git)
    found = {unquoted(name): ObjectID(oid) for name, oid in record.get("refs", {}).items()}
    return found, unquoted(record.get("head", ""))


def recorded_uid(git: GitRepository) -> str:
    """The UID under which a repository was imported, or an empty string."""
    return str(_record(git).get("uid", ""))


def recorded_lfs(git: GitRepository) -> bool:
    """Whether the last import of a repository carried its large files."""
    return bool(_record(git).get("lfs", True))


def _record(git: GitRepository) -> dict[str, Any]:
    try:
        with open(os.path.join(git.private_directory, RECORD), "rb") as file:
            value = orjson.loads(file.read())
        return value if isinstance(value, dict) else {}
    except (FileNotFoundError, ValueError):
        return {}


def write_record(git: GitRepository, held: Held, sources: Iterable[Source]) -> None:
    """Remember what a repository was imported from, and as what; with its lock held."""
    stamps = {s.id: s.created for s in read_record(git)}
    stamps |= {s.stamp.id: s.stamp.created for s in sources if s.stamp}
    refs = {quoted(name): oid for name, oid in held.refs.items()}
    imports = [{"id": i, "created": c} for i, c in stamps.items()]
    value: dict[str, Any] = {
        "uid": held.uid,
        "imports": imports,
        "refs": refs,
        "head": quoted(held.head),
    }
    value |= {} if held.lfs else {"lfs": False}
    os.makedirs(git.private_directory, exist_ok=True)
    path = os.path.join(git.private_directory, RECORD)
    with open(f"{path}.tmp", "wb") as file:  # with the lock held: who was killed left this name
        file.write(orjson.dumps(value))
        file.flush()
        os.fsync(file.fileno())
    os.replace(f"{path}.tmp", path)
