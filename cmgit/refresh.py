"""Bringing the index up to what the repositories hold now.

Bare repositories of the home change only through cmgit, which leaves a marker in ``pending/``
while it does, so only those with a marker are looked at; ``everything`` looks at all. A working
repository is compared with the disk by signatures. In both, what a new head changed is found by
comparing trees, equal subtrees unread.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress

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
from .names import Name
from .query import Query
from .registry import BARE, Entry, Registry
from .repository import Repository
from .scan import Raw, disk_artifact, read_artifact, record_of, scan_disk, tree_artifact
from .store.git import GitRepository
from .store.trees import changed, lookup

Report = Callable[[str], None]
Changes = dict[str, Record | None]  # by path in the repository; None where nothing is any more

_TRIES = 50


class Refresher:
    """One run of bringing the index of a home up to date."""

    def __init__(
        self, home: str, report: Report, everything: bool = False, publishing: bool = False
    ) -> None:
        self.home = home
        self.directory = os.path.join(home, DIRECTORY)
        self._report = report
        self._everything = everything
        self._publishing = publishing

    def run(self) -> Index:
        """Return an index that holds what is there now.

        It is published unless another process is faster; ``publishing`` tries until it is.
        """
        for _ in range(_TRIES):
            manifest, opened = self._current()
            registry = Registry(self.home)
            for warning in registry.warnings:
                self._report(f"warning: {warning}")
            digest = registry_digest(self.home)
            try:
                fresh = self._next(manifest, opened, registry, digest)
                index = Index(self.directory, fresh)
            except DamagedIndex:
                continue  # swept by a faster process
            same = manifest.number > 0 and fresh.to_dict() == manifest.to_dict()
            if same or publish(self.directory, fresh) or not self._publishing:
                return index
        raise Busy("the index kept changing", "try it again")

    def _current(self) -> tuple[Manifest, list[Segment]]:
        try:
            os.makedirs(self.directory, exist_ok=True)
            manifest = read_manifest(self.directory)
            segments = [
                Segment(os.path.join(self.directory, state.name)) for state in manifest.segments
            ]
            for repo in manifest.repositories:
                if repo.watch:
                    read_watch(os.path.join(self.directory, repo.watch))
            return manifest, segments
        except DamagedIndex as error:
            if self._still_damaged():
                self._report(f"warning: the index was damaged and is built anew ({error})")
            return Manifest(max(manifest_numbers(self.directory), default=0)), []

    def _still_damaged(self) -> bool:
        """Whether it was not just replaced and swept by another process."""
        try:
            for name in read_manifest(self.directory).files():
                if name not in os.listdir(self.directory):
                    return True
        except DamagedIndex:
            return True
        return False

    def _next(
        self, manifest: Manifest, opened: list[Segment], registry: Registry, digest: str
    ) -> Manifest:
        old = {state.number: state for state in manifest.repositories}
        pending = _pending(self.home)
        states, changes, gone = [], {}, set(old)
        for entry in registry.entries:
            updater = _Update(self.directory, entry, old.get(entry.number))
            look = self._everything or entry.number in pending
            states.append(updater.run(look, self._report))
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


class _Update:
    """Finding out what changed in one repository."""

    def __init__(self, directory: str, entry: Entry, old: RepositoryState | None) -> None:
        self.entry = entry
        self.changes: Changes = {}
        self.moved = False  # whether none of its old records counts any more
        self._directory = directory
        self._old = old
        self._state = RepositoryState(
            number=entry.number,
            alias=entry.alias,
            uid=entry.uid,
            kind=entry.kind,
            path=entry.path,
        )
        if old is not None:
            for key in ("commit", "tree", "prefix", "watch"):
                setattr(self._state, key, getattr(old, key))
            self._state.warnings = list(old.warnings)

    def run(self, look: bool, report: Report) -> RepositoryState:
        """The state that the repository is in now; what differs from the old is in ``changes``."""
        old = self._old
        if old is not None and not old.problem and not look and self._untouched(old):
            return self._state
        try:
            repository = Repository.open(self.entry.path, self.entry.alias)
        except CmgitError as error:
            return self._unreadable(error)
        try:
            if old is None:
                report(f"indexing {self.entry.alias}")
            if _settle(repository, wait=old is None):
                self._update(repository)
        except (CmgitError, OSError) as error:
            return self._unreadable(error)
        finally:
            repository.git.close()
        return self._state

    def _untouched(self, old: RepositoryState) -> bool:
        if self.entry.kind == BARE:
            return True
        return bool(old.watch) and unchanged(read_watch(os.path.join(self._directory, old.watch)))

    def _unreadable(self, error: CmgitError | OSError) -> RepositoryState:
        self._state.problem = f"{self.entry.alias}: {error}"
        self._state.watch = ""
        self.changes = {}
        return self._state

    def _update(self, repository: Repository) -> None:
        state, git = self._state, repository.git
        prefix = repository.description().prefix
        head = git.head()
        tree = git.read_commit(head.commit).tree if head.commit else ""
        if self._old is not None and state.prefix != prefix:
            self._forget()
        raws = self._disk(repository, prefix, tree) if repository.worktree else {}
        for path, _, entry in changed(
            git.objects, _tree_id(git, state.tree, prefix), _tree_id(git, tree, prefix), 2
        ):
            place = f"{prefix}/{path}" if prefix else path
            if repository.worktree is None:
                raws[place] = tree_artifact(git.objects, tree, place) if entry else None
        state.prefix, state.commit, state.tree = prefix, head.commit or "", tree
        self._take(raws)

    def _forget(self) -> None:
        """Begin anew, with artifacts in another place: the old ones are all gone."""
        self.moved = True
        self._state.tree = self._state.watch = ""
        self._state.warnings = []

    def _disk(self, repository: Repository, prefix: str, tree: str) -> dict[str, Raw | None]:
        git, state = repository.git, self._state
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
        return {
            path: raw and raw._replace(tree=raw.tree or _tree_id(git, tree, path))
            for path, raw in touched.items()
        }

    def _take(self, raws: Mapping[str, Raw | None]) -> None:
        state = self._state
        state.warnings = [w for w in state.warnings if w[0] not in raws]
        for path, raw in raws.items():
            try:
                self.changes[path] = record_of(raw, self.entry.alias) if raw else None
            except (MetaError, Damaged) as error:
                self.changes[path] = None
                state.warnings.append([path, str(error)])


def _pending(home: str) -> set[int]:
    try:
        return {int(name) for name in os.listdir(os.path.join(home, PENDING)) if name.isdigit()}
    except OSError:
        return set()


def _settle(repository: Repository, wait: bool) -> bool:
    """Whether the repository is between changes, finishing that of a process that was killed."""
    if not repository.unfinished:
        return True
    try:
        with repository.locked(wait_seconds=-1 if wait else 0):
            return True
    except Busy:
        return False  # a living process is at it: what was before still holds
    except CmgitError:
        return not wait


def _tree_id(git: GitRepository, tree: str, path: str) -> str:
    """The id of the directory at a path of a tree, or an empty string."""
    entry = lookup(git.objects, tree, path)
    return entry.oid if entry is not None and entry.is_tree else ""


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


def refresh(home: str, report: Report, everything: bool = False, publishing: bool = False) -> Index:
    """Bring the index of a home up to date and return it; in memory where nothing can be written.

    ``everything`` looks at every repository, ``publishing`` does not return before the index is
    written. ``report`` gets one line for each repository that is indexed anew, and for a rebuild.
    """
    try:
        return Refresher(home, report, everything, publishing).run()
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        return _in_memory(home, report)


def _in_memory(home: str, report: Report) -> Index:
    """The same in a temporary directory, for a home that cannot be written."""
    scratch = tempfile.mkdtemp(prefix="cmgit-")
    try:
        refresher = Refresher(home, report, everything=True)
        refresher.directory = scratch
        existing = os.path.join(home, DIRECTORY)
        if os.path.isdir(existing):
            shutil.copytree(existing, scratch, dirs_exist_ok=True)
        return refresher.run()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
