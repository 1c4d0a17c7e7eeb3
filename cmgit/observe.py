"""What changed in one repository since it was indexed.

In a bare one, and in the commits of a working one, what a new head changed is found by comparing
trees, equal subtrees unread; a work tree is compared with the disk by signatures. What is read is
checked against processes that change things meanwhile: a repository in the middle of a change
counts as it was before, and a work tree that was changed while it was scanned is scanned again.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import islice

from .errors import Busy, CmgitError, Damaged, MetaError
from .index.manifest import RepositoryState
from .index.record import Record
from .index.watch import ABSENT, Signature, read_watch, signature, unchanged
from .index.writer import write_watch
from .jobs import spread
from .registry import BARE, Entry
from .repository import DESCRIPTION_FILES, MLC_FILE, Repository
from .scan import Raw, disk_artifact, entry_artifact, read_artifact, record_of, scan_disk
from .store.git import GitRepository
from .store.objects import Tree, TreeEntry
from .store.trees import Difference, changed, lookup, subtree

Report = Callable[[str], None]
Changes = dict[str, Record | None]  # by path in the repository; None where nothing is any more

Found = tuple[str, Record | None, str]  # path, what is there, why it cannot be read

_SCANS = 3
_PART, _PARTS = 500, 4  # so many artifacts are read by one process; of so many parts, several do
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class Observer:
    """Finding out what changed in one repository: ``state`` and ``changes`` say, after ``run``.

    ``old`` is what the index knows of it; with ``anew`` that only counts when the repository
    cannot be read. ``moved`` says that none of its old records counts any more.
    """

    def __init__(
        self,
        home: str,
        directory: str,
        entry: Entry,
        old: RepositoryState | None,
        anew: bool = False,
    ) -> None:
        self.entry = entry
        self._jobs = 1
        self._home = home
        self._directory = directory
        same = old is not None and (old.uid, old.path) == _identity(entry)
        self._last = old if same else None
        self._old = None if anew else self._last
        self._lost = old is not None and self._old is None  # its old records do not count
        self._begin()

    def _begin(self) -> None:
        """Begin with what the index knows."""
        entry, old = self.entry, self._old
        self.changes: Changes = {}
        self.moved = self._lost  # whether none of its old records counts any more
        self.state = RepositoryState(
            self._home,
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

    def run(self, look: bool, report: Report, jobs: int = 1) -> None:
        """Find the state that the repository is in now; what is not as it was is in ``changes``.

        A large one is read by several processes.
        """
        old, self._jobs = self._old, jobs
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
            if error.errno in NO_ROOM or str(error.filename).startswith(self._directory):
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
        return bool(old.watch) and unchanged(self._watched(old))

    def _watched(self, state: RepositoryState) -> dict[str, Signature]:
        return read_watch(os.path.join(self._directory, state.watch), self._home)

    def _unreadable(self, error: CmgitError | OSError) -> None:
        if self._last is not None:  # better what was last known
            self._old, self._lost = self._last, False
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
        if repository.worktree is not None:
            found = self._read(self._disk(repository, prefix, tree).items())
        else:
            trees = _tree_id(git, state.tree, prefix), _tree_id(git, tree, prefix)
            found = self._committed(prefix, changed(git.objects, *trees, 2))
        state.prefix, state.commit, state.tree = prefix, head.commit or "", tree
        state.problem = ""
        self._take(found)

    def _forget(self) -> None:
        """Begin anew, with artifacts in another place: the old ones are all gone."""
        self.moved = True
        self.state.tree = self.state.watch = ""
        self.state.warnings = []

    def _disk(self, repository: Repository, prefix: str, tree: str) -> dict[str, Raw | None]:
        git, state = repository.git, self.state
        old: Mapping[str, Signature] = {}
        if state.watch:
            old = self._watched(state)
        scan = scan_disk(git.path, prefix, old)
        touched = dict(scan.changed)
        before, after = _tree_id(git, state.tree, prefix), _tree_id(git, tree, prefix)
        for path, _, _ in changed(git.objects, before, after, 2):
            place = f"{prefix}/{path}" if prefix else path
            if place not in touched:
                touched[place] = _from_disk(git.path, place)
        touched.update(_sparse(repository, tree, prefix, touched))
        watched = [*git.head_files(), os.path.join(git.git_directory, "info", "sparse-checkout")]
        watched += [os.path.join(git.path, name) for name in (*DESCRIPTION_FILES, MLC_FILE)]
        signatures = {**{path: signature(path) for path in watched}, **scan.signatures}
        if repository.worktree is not None:
            signatures[repository.worktree.journal_path] = ABSENT
        state.watch = write_watch(self._directory, self._home, signatures)
        committed = _tree_ids(git, tree, touched)
        return {
            path: raw and raw._replace(tree=raw.tree or committed[path])
            for path, raw in touched.items()
        }

    def _committed(self, prefix: str, changes: Iterable[Difference]) -> Iterator[Found]:
        """What a bare repository holds where its tree changed; of much, parts are read at once."""
        entries = ((f"{prefix}/{path}" if prefix else path, entry) for path, _, entry in changes)
        parts = iter(lambda: list(islice(entries, _PART)), [])
        work = partial(_read_part, self.entry)
        for found in spread(self._jobs, work, parts, _PARTS):
            if isinstance(found, str):
                raise Damaged(found)
            yield from found

    def _read(self, raws: Iterable[tuple[str, Raw | None]]) -> Iterator[Found]:
        return (_record(path, raw, self.entry.alias) for path, raw in raws)

    def _take(self, found: Iterable[Found]) -> None:
        warnings = dict(self.state.warnings)
        for path, record, problem in found:
            self.changes[path] = record
            warnings.pop(path, None)
            if problem:
                warnings[path] = problem
        self.state.warnings = [[path, text] for path, text in warnings.items()]


def observed(work: tuple[Observer, bool]) -> Observer:
    """An observer that ran, in another process perhaps; whether it has to look is beside it."""
    observer, look = work
    observer.run(look, lambda line: None)
    return observer


def _read_part(entry: Entry, part: list[tuple[str, TreeEntry | None]]) -> list[Found] | str:
    """What is at some places of the tree of a bare repository, or why it cannot be read."""
    git = GitRepository.open(entry.path)
    try:
        return [
            _record(path, entry_artifact(git.objects, path, found), entry.alias)
            for path, found in part
        ]
    except CmgitError as error:  # not itself: its traceback holds what close has to free
        return str(error)
    finally:
        git.close()


def _record(path: str, raw: Raw | None, alias: str) -> Found:
    try:
        return path, record_of(raw, alias) if raw else None, ""
    except (MetaError, Damaged) as error:
        return path, None, str(error)


def _identity(entry: Entry) -> tuple[str, str]:
    return entry.uid, entry.path


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
