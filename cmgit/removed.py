"""Artifacts of the past: finding what was removed, and bringing it back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from typing import NamedTuple

from .artifact import Artifact
from .errors import AlreadyExists, CmgitError, MetaError, NotFound
from .history import commit_at, prefix_at, vanished
from .index.record import Record
from .meta.parse import chosen_files
from .names import Name, parse_object
from .query import Query
from .registry import Entry
from .repository import Repository
from .scan import read_artifact, record_of, tree_artifacts
from .store.objects import ObjectID, TreeEntry
from .store.trees import walk
from .workspace import Workspace


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
        for raw in tree_artifacts(git.objects, then.tree, prefix_at(repository, start)):
            tree = ObjectID(raw.tree)
            record = _matching(repository, query, raw.path, TreeEntry(0, tree))
            if record:
                yield _Removed(entry, raw.path, tree, record, then.time)
        return
    for commit in git.commits(start):
        for parent in commit.parents:
            for path, old in vanished(repository, git.read_commit(parent), commit):
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
