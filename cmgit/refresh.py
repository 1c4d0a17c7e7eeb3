"""Bringing the index up to what the repositories hold now.

Bare repositories of the home change only through cmgit, which leaves a marker in ``pending/``
while it does, so only those with a marker are looked at; ``everything`` looks at all. A working
repository is compared with the disk by signatures. In both, what a new head changed is found by
comparing trees, equal subtrees unread.

Nothing is locked for this, so what is read must be checked against processes that change things
meanwhile. A repository in the middle of a change counts as it was before. A work tree that was
changed while it was scanned is scanned again. A move between two repositories (:mod:`.moves`) is
seen in both or in neither: its process publishes the index before it says that the move is over, so
that whoever read one repository before and the other after it finds the next manifest taken.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing, suppress

from . import moves
from .errors import Busy, CmgitError, Damaged, MetaError
from .index.lookup import PENDING, Index, registry_digest
from .index.manifest import (
    DIRECTORY,
    Manifest,
    RepositoryState,
    SegmentState,
    manifest_numbers,
    read_manifest,
)
from .index.record import Record, term
from .index.segment import DamagedIndex, Segment
from .index.watch import ABSENT, Signature, read_watch, signature, unchanged
from .index.writer import compact, publish, write_segment, write_watch
from .meta.merge import MAX_BASES, join_tags, parse_base
from .moves import Move
from .names import Name
from .query import Query
from .registry import BARE, Entry, Registry
from .repository import Repository
from .scan import Raw, disk_artifact, entry_artifact, read_artifact, record_of, scan_disk
from .store.git import GitRepository
from .store.objects import Tree
from .store.trees import changed, lookup, subtree

Report = Callable[[str], None]
Changes = dict[str, Record | None]  # by path in the repository; None where nothing is any more

_TRIES = 200
_SCANS = 3
_READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Refresher:
    """One run of bringing the index of a home up to date.

    ``everything`` looks at every repository, ``anew`` forgets what the index knew, ``publishing``
    does not end before the index is written. ``moving`` is the UID of an artifact that this
    process has just moved between two repositories.
    """

    def __init__(
        self,
        home: str,
        report: Report,
        everything: bool = False,
        publishing: bool = False,
        moving: str = "",
        anew: bool = False,
    ) -> None:
        self.home = home
        self.directory = os.path.join(home, DIRECTORY)
        self._report = report
        self._everything = everything
        self._publishing = publishing
        self._moving = moving
        self._anew = anew
        self._warned: set[str] = set()

    def run(self) -> Index:
        """Return an index that holds what is there now.

        It is published unless two other processes are faster: the second looked at everything
        after this one began, so that its index will do, if it need not be this one's.
        """
        lost = 0
        for _ in range(_TRIES):
            living = self._living_moves()
            manifest, opened = self._current()
            try:
                fresh = self._next(manifest, opened, living)
                index = Index(self.directory, fresh) if fresh else None
            except DamagedIndex:
                continue  # swept by a faster process
            if fresh is None or index is None or self._living_moves() != living:
                continue  # half of a move may have been seen
            if self._is(manifest, fresh) or publish(self.directory, fresh):
                self._release(fresh)
                return index
            lost += 1
            if lost > 1 and not self._publishing:
                with suppress(DamagedIndex):
                    return Index(self.directory, read_manifest(self.directory))
        raise Busy("the index kept changing", "try it again")

    def _is(self, manifest: Manifest, fresh: Manifest) -> bool:
        """Whether the newest manifest says the same already."""
        newest = max(manifest_numbers(self.directory), default=0)
        return 0 < manifest.number == newest and fresh.to_dict() == manifest.to_dict()

    def _living_moves(self) -> list[Move]:
        """The moves that other processes are making; those of killed ones are settled first."""
        return [
            move
            for move in moves.under_way(self.home)
            if (move.undo or move.uid != self._moving) and not settle_move(self.home, move)
        ]

    def _current(self) -> tuple[Manifest, list[Segment]]:
        os.makedirs(self.directory, exist_ok=True)
        while True:
            number = max(manifest_numbers(self.directory), default=0)
            if self._anew:
                return Manifest(number), []
            try:
                return self._read()
            except DamagedIndex as error:
                if max(manifest_numbers(self.directory), default=0) == number:
                    self._warn(f"the index was damaged and is built anew ({error})")
                    return Manifest(number), []

    def _read(self) -> tuple[Manifest, list[Segment]]:
        manifest = read_manifest(self.directory)
        segments = [Segment(os.path.join(self.directory, s.name)) for s in manifest.segments]
        for repo in manifest.repositories:
            if repo.watch:
                read_watch(os.path.join(self.directory, repo.watch))
        return manifest, segments

    def _warn(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            self._report(f"warning: {text}")

    def _next(
        self, manifest: Manifest, opened: list[Segment], living: list[Move]
    ) -> Manifest | None:
        """The manifest that shall come next; None when it has to wait for a move to end first."""
        digest = registry_digest(self.home)  # first: an older one than the entries does no harm
        registry = Registry(self.home)
        for warning in registry.warnings:
            self._warn(warning)
        old = {state.number: state for state in manifest.repositories}
        pending, held = self._pending(), {n for move in living for n in move.numbers}
        states, changes, gone = [], {}, set(old)
        for entry in registry.entries:
            updater = _Update(self.directory, entry, old.get(entry.number))
            if entry.number not in held:
                look = self._everything or entry.number in pending
                updater.run(look, self._report)
            elif updater.moved or entry.number not in old:
                _wait_for(self.home, living)
                return None
            states.append(updater.state)
            changes[entry.number] = updater.changes
            if not updater.moved:
                gone.discard(entry.number)
        segments = [SegmentState(s.name, s.count, set(s.dead)) for s in manifest.segments]
        _bury(segments, opened, gone, changes)
        fresh = [(n, r) for n, c in changes.items() for r in c.values() if r is not None]
        draft = Manifest(manifest.number + 1, digest, states, segments)
        if fresh:
            draft.segments.append(write_segment(self.directory, fresh))
        if fresh or gone or any(changes.values()):
            inherit(self.directory, draft)
            draft.segments = compact(self.directory, draft.segments)
        return draft

    def _pending(self) -> set[int]:
        """The numbers of the repositories that have to be looked at."""
        own = [move for move in moves.under_way(self.home) if move.uid == self._moving]
        return _marked(self.home) | {number for move in own for number in move.numbers}

    def _release(self, fresh: Manifest) -> None:
        """Remove the markers that killed processes left, now that the index knows all."""
        if self.directory != os.path.join(self.home, DIRECTORY):
            return  # it knows in memory only
        states = {str(state.number): state for state in fresh.repositories}
        for name in moves.others(self.home):
            marker = os.path.join(self.home, PENDING, name)
            with suppress(CmgitError, OSError):
                state = states.get(name)
                if state is None:
                    os.unlink(marker)
                    continue
                repository = Repository.open(state.path, state.alias)
                with closing(repository.git), repository.locked(wait_seconds=0):
                    if (repository.git.head().commit or "") == state.commit:
                        os.unlink(marker)


class _Update:
    """Finding out what changed in one repository."""

    def __init__(self, directory: str, entry: Entry, old: RepositoryState | None) -> None:
        self.entry = entry
        self._directory = directory
        self._old = old if old is not None and (old.uid, old.path) == _identity(entry) else None
        self._lost = old is not None and self._old is None  # another repository had its number
        self._begin()

    def _begin(self) -> None:
        """Begin with what the index knows."""
        entry, old = self.entry, self._old
        self.changes: Changes = {}
        self.moved = self._lost  # whether none of its old records counts any more
        self.state = RepositoryState(
            number=entry.number,
            alias=entry.alias,
            uid=entry.uid,
            kind=entry.kind,
            path=entry.path,
        )
        if old is not None:
            for key in ("commit", "tree", "prefix", "problem", "watch"):
                setattr(self.state, key, getattr(old, key))
            self.state.warnings = list(old.warnings)

    def run(self, look: bool, report: Report) -> None:
        """Find the state that the repository is in now; what is not as it was is in ``changes``."""
        old = self._old
        if old is not None and not old.problem and not look and self._untouched(old):
            return
        try:
            repository = Repository.open(self.entry.path, self.entry.alias)
        except CmgitError as error:
            self._unreadable(error)
            return
        try:
            if old is None:
                report(f"indexing {self.entry.alias}")
            self._look(repository)
        except CmgitError as error:
            self._unreadable(error)
        except OSError as error:
            if error.errno in _FULL or str(error.filename).startswith(self._directory):
                raise  # it is the index that cannot be written
            self._unreadable(error)
        finally:
            repository.git.close()

    def _look(self, repository: Repository) -> None:
        """Read a repository between two changes of it; leave it as it was while it is changing."""
        for _ in range(_SCANS):
            if not _settle(repository, wait=self._old is None):
                return
            before = repository.stamp()
            self._update(repository)
            if repository.stamp() == before and not repository.unfinished:
                return
            self._begin()
        if self._old is None:
            with repository.locked():
                self._update(repository)

    def _untouched(self, old: RepositoryState) -> bool:
        if self.entry.kind == BARE:
            return True
        return bool(old.watch) and unchanged(read_watch(os.path.join(self._directory, old.watch)))

    def _unreadable(self, error: CmgitError | OSError) -> None:
        self._begin()
        self.state.problem = f"{self.entry.alias}: {error}"
        self.state.watch = ""

    def _update(self, repository: Repository) -> None:
        state, git = self.state, repository.git
        head = git.head()
        prefix = repository.description(None if repository.working else head.commit).prefix
        tree = git.read_commit(head.commit).tree if head.commit else ""
        if self._old is not None and state.prefix != prefix:
            self._forget()
        raws = self._disk(repository, prefix, tree) if repository.worktree else {}
        for path, _, entry in changed(
            git.objects, _tree_id(git, state.tree, prefix), _tree_id(git, tree, prefix), 2
        ):
            place = f"{prefix}/{path}" if prefix else path
            if repository.worktree is None:
                raws[place] = entry_artifact(git.objects, place, entry)
        state.prefix, state.commit, state.tree = prefix, head.commit or "", tree
        state.problem = ""
        self._take(raws)

    def _forget(self) -> None:
        """Begin anew, with artifacts in another place: the old ones are all gone."""
        self.moved = True
        self.state.tree = self.state.watch = ""
        self.state.warnings = []

    def _disk(self, repository: Repository, prefix: str, tree: str) -> dict[str, Raw | None]:
        git, state = repository.git, self.state
        old: Mapping[str, Signature] = {}
        if state.watch:
            old = read_watch(os.path.join(self._directory, state.watch))
        scan = scan_disk(git.path, prefix, old)
        touched = dict(scan.changed)
        before, after = _tree_id(git, state.tree, prefix), _tree_id(git, tree, prefix)
        for path, _, _ in changed(git.objects, before, after, 2):
            place = f"{prefix}/{path}" if prefix else path
            if place not in touched:
                touched[place] = _from_disk(git.path, place)
        touched.update(_sparse(repository, tree, prefix, touched))
        watched = [*git.head_files(), os.path.join(git.git_directory, "info", "sparse-checkout")]
        watched += [os.path.join(git.path, name) for name in ("cmr.yaml", "cmr.json")]
        signatures = {**{path: signature(path) for path in watched}, **scan.signatures}
        if repository.worktree is not None:
            signatures[repository.worktree.journal_path] = ABSENT
        state.watch = write_watch(self._directory, signatures)
        committed = _tree_ids(git, tree, touched)
        return {
            path: raw and raw._replace(tree=raw.tree or committed[path])
            for path, raw in touched.items()
        }

    def _take(self, raws: Mapping[str, Raw | None]) -> None:
        state = self.state
        state.warnings = [w for w in state.warnings if w[0] not in raws]
        for path, raw in raws.items():
            try:
                self.changes[path] = record_of(raw, self.entry.alias) if raw else None
            except (MetaError, Damaged) as error:
                self.changes[path] = None
                state.warnings.append([path, str(error)])


def _identity(entry: Entry) -> tuple[str, str]:
    return entry.uid, entry.path


def _marked(home: str) -> set[int]:
    """The numbers of the bare repositories that are being changed, or were by a killed process."""
    return {int(name) for name in moves.others(home) if name.isdigit()}


def settle_move(home: str, move: Move, wait_seconds: float = 0) -> bool:
    """Finish or forget a move whose process was killed; False while a living one is making it."""
    entries = [entry for entry in Registry(home).entries if entry.number in move.numbers]
    try:
        with moves.lock_all(entries, wait_seconds) as opened:
            if len(opened) == 2 and move in moves.under_way(home):
                moves.settle(home, move, opened)
                Refresher(home, _silent, publishing=True, moving=move.uid).run()
            moves.end(home, move.uid)
    except Busy:
        return False
    except CmgitError:  # one of the two is not there any more
        with suppress(OSError):
            moves.end(home, move.uid)
    except OSError as error:
        return error.errno in _READ_ONLY
    return True


def _wait_for(home: str, living: list[Move]) -> None:
    for move in living:
        settle_move(home, move, wait_seconds=-1)


def _silent(line: str) -> None:
    """Report nothing."""


def _settle(repository: Repository, wait: bool) -> bool:
    """Whether the repository is between changes, finishing that of a process that was killed."""
    if not repository.unfinished:
        return True
    try:
        with repository.locked(wait_seconds=-1 if wait else 0):
            return True
    except Busy:
        return False  # a living process is at it: what was before still holds
    except (CmgitError, OSError):
        return wait  # it cannot be finished here: better what was before, if it is known


def _tree_id(git: GitRepository, tree: str, path: str) -> str:
    """The id of the directory at a path of a tree, or an empty string."""
    entry = lookup(git.objects, tree, path)
    return entry.oid if entry is not None and entry.is_tree else ""


def _tree_ids(git: GitRepository, tree: str, paths: Iterable[str]) -> dict[str, str]:
    """The same for many paths; what is common to them is read once."""
    parents: dict[str, Tree] = {}
    ids = {}
    for path in paths:
        parent, _, name = path.rpartition("/")
        if parent not in parents:
            parents[parent] = subtree(git.objects, tree, parent)
        entry = parents[parent].get(name)
        ids[path] = entry.oid if entry is not None and entry.is_tree else ""
    return ids


def _from_disk(root: str, path: str) -> Raw | None:
    return disk_artifact(path, os.path.join(root, *path.split("/")))


def _sparse(
    repository: Repository, tree: str, prefix: str, touched: Mapping[str, Raw | None]
) -> dict[str, Raw | None]:
    """Artifacts that a sparse check-out leaves out of the disk: taken from the commit."""
    git = repository.git
    if repository.worktree is None or not os.path.exists(
        os.path.join(git.git_directory, "info", "sparse-checkout")
    ):
        return {}
    result = {}
    for path in repository.worktree.left_out():
        directory = path.rpartition("/")[0]
        entry = lookup(git.objects, tree, directory)
        if entry is not None and entry.is_tree and touched.get(directory) is None:
            result[directory] = read_artifact(git.objects, directory, entry.oid)
    depth = 2 + (len(prefix.split("/")) if prefix else 0)
    return {
        path: raw
        for path, raw in result.items()
        if len(path.split("/")) == depth and path.startswith(prefix)
    }


def _bury(
    segments: list[SegmentState],
    opened: list[Segment],
    gone: set[int],
    changes: Mapping[int, Changes],
) -> None:
    """Mark the records of repositories that are gone, and of paths that changed, as dead."""
    for state, segment in zip(segments, opened, strict=True):
        for repository in gone:
            state.dead.update(segment.of_repository(repository))
        for repository, paths in changes.items():
            for path in paths:
                number = segment.locate(repository, path)
                if number is not None:
                    state.dead.add(number)


def inherit(directory: str, draft: Manifest) -> None:
    """Give every artifact of a draft that has a ``_base`` the tags that it inherits now."""
    index = Index(directory, draft)
    old, again = [], []
    for at, (segment, dead) in enumerate(index.segments):
        for number in segment.postings(term("b", "")):
            if number in dead:
                continue
            record, repository = segment.record(number), segment.repositories[number]
            tags = _inherited_tags(index, record, repository, MAX_BASES)
            if tags != record["tags"]:
                old.append((at, number))
                again.append((repository, {**record, "tags": tags}))
    for at, number in old:  # only now: what is dead is no base either
        draft.segments[at].dead.add(number)
    if again:
        draft.segments.append(write_segment(directory, again))


def _inherited_tags(index: Index, record: Record, repository: int, limit: int) -> list[str]:
    if "base" not in record:
        return record["tags"]  # type: ignore[no-any-return]
    base = find_base(index, record, repository) if limit else None
    if base is None:
        return record["own_tags"]  # type: ignore[no-any-return]
    return join_tags(_inherited_tags(index, base[1], base[0], limit - 1), record["own_tags"])


def find_base(index: Index, record: Record, repository: int) -> tuple[int, Record] | None:
    """The artifact that ``base`` of a record names: in its own repository first, then in order."""
    automation, artifact = parse_base(record["base"])
    with suppress(CmgitError):
        query = Query.parse(automation, artifact)
        if not automation:
            query.automation = Name(record["automation_alias"], record["automation_uid"])
        hits = index.find(query)
        hits.sort(key=lambda hit: hit.repository.number != repository)
        for hit in hits:
            return hit.repository.number, hit.record
    return None


def refresh(
    home: str,
    report: Report,
    everything: bool = False,
    publishing: bool = False,
    moving: str = "",
    anew: bool = False,
) -> Index:
    """Bring the index of a home up to date and return it; in memory where nothing can be written.

    ``report`` gets one line for each repository that is indexed anew, and for a rebuild. For the
    rest see :class:`Refresher`.
    """
    try:
        return Refresher(home, report, everything, publishing, moving, anew).run()
    except OSError as error:
        if error.errno not in (*_READ_ONLY, *_FULL):
            raise
        return _in_memory(home, report, moving)


def _in_memory(home: str, report: Report, moving: str) -> Index:
    """The same in a temporary directory, for a home that cannot be written."""
    scratch = tempfile.mkdtemp(prefix="cmgit-")
    try:
        refresher = Refresher(home, report, everything=True, moving=moving)
        refresher.directory = scratch
        existing = os.path.join(home, DIRECTORY)
        if os.path.isdir(existing):
            for name in os.listdir(existing):  # not the directory's mode: it must be written
                shutil.copyfile(os.path.join(existing, name), os.path.join(scratch, name))
        return refresher.run()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
