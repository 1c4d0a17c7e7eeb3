"""The past of artifacts: log, diff, restore, and the database as it was."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import islice
from typing import NamedTuple

from .artifact import Artifact
from .errors import AlreadyExists, CmgitError, MetaError, NotFound, UsageError
from .index.inherit import inherit
from .index.lookup import Index
from .index.manifest import Manifest, RepositoryState
from .index.record import Record
from .index.writer import write_segment
from .meta.parse import chosen_files
from .names import ANY, Name, parse_object
from .query import Query
from .registry import Entry
from .repository import Repository
from .scan import read_artifact, record_of, tree_artifacts
from .store.commits import Commit
from .store.dates import approximate_date
from .store.diff import tree_diff
from .store.git import GitRepository
from .store.objects import ObjectID, TreeEntry
from .store.trees import changed, lookup, walk
from .workspace import Workspace

_DATE = re.compile(r"^\d{4}-\d\d|[ :]|^(now|today|yesterday)$")


@dataclass(frozen=True)
class Change:
    """A commit that changed an artifact, and the path that the artifact had after it (before it,
    where the commit removed the artifact)."""

    commit: Commit
    path: str

    def to_dict(self) -> dict[str, str]:
        """The values that ``log --json`` prints."""
        zone = timezone(timedelta(seconds=self.commit.zone))
        return {
            "commit": self.commit.oid,
            "author": self.commit.author,
            "date": datetime.fromtimestamp(self.commit.time, zone).isoformat(),
            "message": self.commit.message.strip(),
            "path": self.path,
        }


def commit_at(git: GitRepository, at: str) -> ObjectID | None:
    """The commit that a revision or a date means; None before the first.

    Raises NotFound for a revision that is not in the repository, UsageError for neither.
    """
    if not _DATE.search(at):
        return git.resolve(at)
    return git.before(parse_date(at))


def parse_date(text: str) -> int:
    """Seconds since 1970 of an ISO date (a day means its end) or of words such as ``2 weeks ago``."""
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            text += " 23:59:59"
        return int(datetime.fromisoformat(text).timestamp())
    except ValueError:
        pass
    try:
        return approximate_date(text)
    except ValueError:
        raise UsageError(
            f"{text!r} is neither a revision nor a date", "write 2026-01-31 or '2 weeks ago'"
        ) from None


@contextmanager
def index_at(workspace: Workspace, at: str, repo: Name = ANY) -> Iterator[Index]:
    """An index of the repositories as they were at a revision or date, in a temporary directory.

    Repositories that do not know the revision are left out; NotFound when none knows it.
    """
    directory = tempfile.mkdtemp(prefix="cmgit-at-")
    try:
        states, records, known = [], [], False
        for entry in workspace.registry.entries:
            if not repo.accepts(entry.alias, entry.uid):
                continue
            try:
                state, found = _state_at(entry, at, workspace)
            except NotFound:
                continue
            known = True
            states.append(state)
            records += [(entry.number, record) for record in found]
        if not known:
            raise NotFound(f"no repository has the revision {at!r}", "see 'cmgit log'")
        draft = Manifest(0, "", states, [write_segment(directory, records)])
        inherit(directory, draft)
        yield Index(directory, draft)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _state_at(
    entry: Entry, at: str, workspace: Workspace
) -> tuple[RepositoryState, list[dict[str, object]]]:
    repository = Repository.open(entry.path, entry.alias)
    commit = commit_at(repository.git, at)
    tree = repository.git.read_commit(commit).tree if commit else ""
    prefix = _prefix_at(repository, commit)
    records = []
    for raw in tree_artifacts(repository.git.objects, tree, prefix):
        try:
            records.append(record_of(raw, entry.alias))
        except MetaError as error:
            workspace.report(f"warning: {error}")
    state = RepositoryState(
        number=entry.number, alias=entry.alias, uid=entry.uid, kind=entry.kind,
        path=entry.path, commit=commit or "", tree=tree, prefix=prefix,
    )  # fmt: skip
    repository.git.close()
    return state, records


def _prefix_at(repository: Repository, commit: ObjectID | None) -> str:
    if commit is None:
        return ""
    try:
        return repository.description(commit).prefix
    except NotFound:
        return ""


# -- log ------------------------------------------------------------------------------------------


def log(workspace: Workspace, artifact: Artifact) -> Iterator[Change]:
    """The commits that changed an artifact's tree, newest first, followed through renames."""
    repository = workspace.repository(workspace.entry(artifact))
    head = ObjectID(artifact.commit) if artifact.commit else repository.git.head().commit
    if head is not None:
        yield from _log(repository, artifact.uid, artifact.path, head)


def _log(repository: Repository, uid: str, path: str, head: ObjectID) -> Iterator[Change]:
    git = repository.git
    paths = {head: path}
    ours: dict[ObjectID, bool] = {}  # whether a tree is one of this artifact

    def entry(tree: str, path: str) -> TreeEntry | None:
        found = lookup(git.objects, tree, path)
        if found is None or not found.is_tree:
            return None
        if found.oid not in ours:
            ours[found.oid] = _uid_of(repository, path, found) in (uid, "")
        return found if ours[found.oid] else None

    for commit in git.commits(head, children_first=True):
        path = paths.get(commit.oid, path)
        here = entry(commit.tree, path)
        parents = [git.read_commit(parent) for parent in commit.parents]
        if not parents and here is not None:
            yield Change(commit, path)
        differs = bool(parents)
        for parent in parents:
            before = entry(parent.tree, path)
            paths.setdefault(parent.oid, path)
            if before is None and here is not None:
                old_path = _renamed_from(repository, uid, parent, commit)
                if old_path:
                    paths[parent.oid] = old_path
            if before == here:
                differs = False
        if differs:
            yield Change(commit, path)


def _renamed_from(repository: Repository, uid: str, parent: Commit, commit: Commit) -> str:
    """Where an artifact that appears in a commit was before: among what the commit removed."""
    for path, entry in _vanished(repository, parent, commit):
        if _uid_of(repository, path, entry) == uid:
            return path
    return ""


def _vanished(
    repository: Repository, parent: Commit, commit: Commit
) -> Iterator[tuple[str, TreeEntry]]:
    """The directories of artifacts that a parent has and a commit does not."""
    git = repository.git
    prefix = _prefix_at(repository, parent.oid)
    depth = 2 + (len(prefix.split("/")) if prefix else 0)
    for path, before, after in changed(git.objects, parent.tree, commit.tree, depth):
        if before is not None and before.is_tree and (after is None or not after.is_tree):
            yield path, before


def _uid_of(repository: Repository, path: str, entry: TreeEntry) -> str:
    raw = read_artifact(repository.git.objects, path, entry.oid)
    try:
        return str(record_of(raw, repository.alias)["uid"]) if raw else ""
    except MetaError:
        return ""


# -- diff and files -------------------------------------------------------------------------------


def diff(workspace: Workspace, artifact: Artifact, old: str, new: str = "") -> bytes:
    """How an artifact's files differ between two revisions or dates (``new`` empty: the head),
    as ``git diff`` prints it; a rename in between is followed by UID."""
    repository = workspace.repository(workspace.entry(artifact))
    trees = [_tree_at(repository, artifact, at) for at in (old, new or "HEAD")]
    return tree_diff(repository.git, *trees)


def _tree_at(repository: Repository, artifact: Artifact, at: str) -> ObjectID | None:
    commit = commit_at(repository.git, at)
    if commit is None:
        return None
    tree = repository.tree(commit)
    entry = lookup(repository.git.objects, tree, artifact.path)
    if entry is not None and _uid_of(repository, artifact.path, entry) == artifact.uid:
        return entry.oid
    prefix = _prefix_at(repository, commit)
    for raw in tree_artifacts(repository.git.objects, tree, prefix):
        found = TreeEntry(0, ObjectID(raw.tree))
        if raw.tree and _uid_of(repository, raw.path, found) == artifact.uid:
            return ObjectID(raw.tree)
    return None


def cat(workspace: Workspace, artifact: Artifact, file: str, at: str = "") -> bytes:
    """The content of a file of an artifact; the meta itself for an empty name.

    Raises NotFound.
    """
    repository = workspace.repository(workspace.entry(artifact))
    commit = ObjectID(artifact.commit) if at else None
    if not file:
        names = chosen_files(set(repository.files(artifact.path, commit)))
        file = names[-1] if names else "_cm.json"
    parts = file.split("/")
    if any(part in ("", ".", "..", ".git") for part in parts):
        raise UsageError(f"{file!r} is not a path inside an artifact")
    return repository.read_file(f"{artifact.path}/{file}", commit)


# -- restore --------------------------------------------------------------------------------------


class _Removed(NamedTuple):
    """An artifact of the past: where it was, and when it was removed (seconds since 1970)."""

    entry: Entry
    path: str
    tree: ObjectID
    record: Record
    time: int


def restore(workspace: Workspace, automation: str, artifact: str, at: str = "") -> Artifact:
    """Bring back a removed artifact, as it last was or as it was at a revision or date.

    It comes back in the repository where it was last. Raises NotFound when the history holds
    none, AlreadyExists when it is there (under another name, maybe) or its place is taken.
    """
    repo, name = parse_object(artifact)
    query = Query(parse_object(automation)[1], name)
    _refuse_present(workspace, Query(query.automation, name, repo))
    found = [
        removed
        for entry in workspace.registry.find(repo)
        for removed in _removed_from(workspace, entry, query, at, strict=bool(repo))
    ]
    if not found:
        raise NotFound(
            f"no repository ever held {automation} {artifact}",
            "'cmgit find --at=DATE' shows what there was",
        )
    last = max(found, key=lambda removed: removed.time)
    _refuse_present(workspace, Query(artifact=Name("", last.record["uid"])))
    record = last.record
    title = f"restore {record['automation_alias']} {record['alias']},{record['uid']}"
    with workspace.changing(last.entry) as repository:
        if repository.exists(last.path):
            raise AlreadyExists(f"{last.entry.alias}/{last.path} is taken", "move it away first")
        content = dict(walk(repository.git.objects, last.tree))
        with repository.change(title) as change:
            change.graft(last.path, content, repository.git.objects, chosen_files(content))
    repo = Name(last.entry.alias, last.entry.uid)
    return workspace.find(Query(artifact=Name("", record["uid"]), repo=repo))[0]


def _refuse_present(workspace: Workspace, query: Query) -> None:
    there = workspace.index().find(query)
    if there:
        raise AlreadyExists(
            f"{there[0].name()} is there", "'cmgit log' and 'cmgit diff' show its past"
        )


def _removed_from(
    workspace: Workspace, entry: Entry, query: Query, at: str, strict: bool
) -> list[_Removed]:
    """What one repository removed of what is asked for, the newest; a broken repository is passed
    over with a warning, unless it was named."""
    try:
        repository = Repository.open(entry.path, entry.alias)
        with closing(repository.git):
            return list(islice(_removed(repository, entry, query, at), 1))
    except CmgitError as error:
        if strict:
            raise
        if not isinstance(error, NotFound):
            workspace.report(f"warning: {entry.alias}: {error}")
        return []


def _removed(repository: Repository, entry: Entry, query: Query, at: str) -> Iterator[_Removed]:
    """The artifacts that match and were removed, newest first; with ``at``, those of then."""
    git, head = repository.git, repository.git.head().commit
    start = commit_at(git, at) if at else head
    if start is None:
        return
    if at:
        then = git.read_commit(start)
        for raw in tree_artifacts(git.objects, then.tree, _prefix_at(repository, start)):
            tree = ObjectID(raw.tree)
            record = _matching(repository, query, raw.path, TreeEntry(0, tree))
            if record:
                yield _Removed(entry, raw.path, tree, record, then.time)
        return
    for commit in git.commits(start):
        for parent in commit.parents:
            for path, old in _vanished(repository, git.read_commit(parent), commit):
                record = _matching(repository, query, path, old)
                if record:
                    yield _Removed(entry, path, old.oid, record, commit.time)


def _matching(repository: Repository, query: Query, path: str, entry: TreeEntry) -> Record | None:
    if not entry.oid:
        return None
    raw = read_artifact(repository.git.objects, path, entry.oid)
    try:
        record = record_of(raw, repository.alias) if raw else None
    except MetaError:
        return None
    if record and query.accepts(
        record["alias"], record["uid"], record["automation_alias"], record["automation_uid"], ()
    ):
        return record
    return None
