"""Artifacts of the past: finding what was removed, and bringing it back."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice
from typing import NamedTuple

from .artifact import Artifact
from .errors import AlreadyExists, CmgitError, MetaError, NotFound
from .history import commit_at, prefix_at, vanished
from .index.record import Record
from .meta.files import chosen_files
from .names import Name, parse_object
from .query import Query
from .registry import Entry
from .repository import Repository
from .scan import read_artifact, record_of, tree_artifacts
from .store.objects import ObjectID, TreeEntry
from .store.trees import walk
from .workspace import Workspace


class _Past(NamedTuple):
    """An artifact of the past: where and what it was, and when it was removed (seconds since
    1970). ``commit`` is where the search began, the newest that does not have it."""

    entry: Entry
    path: str
    tree: ObjectID
    record: Record
    time: int
    commit: ObjectID


_Search = Callable[[Repository, Entry, Query, ObjectID], Iterator[_Past]]


def find(workspace: Workspace, automation: str, artifact: str, at: str = "") -> Artifact:
    """The artifact that had a name last, ``at`` a revision or date or until now: as it is under
    its name of today, or as it was when it was removed.

    Raises NotFound when no repository ever held one.
    """
    repo = parse_object(artifact)[0]
    last = _last_removed(workspace, automation, artifact, at)
    there = workspace.find(Query(artifact=Name("", last.record["uid"]), repo=repo), at=at)
    there.sort(key=lambda artifact: artifact.number != last.entry.number)
    return there[0] if there else _artifact(last)


def _artifact(past: _Past) -> Artifact:
    record, entry = past.record, past.entry
    return Artifact(
        record["uid"], record["alias"], record["automation_alias"], record["automation_uid"],
        entry.alias, entry.uid, past.path, tuple(record["tags"]), "", past.commit, entry.number,
    )  # fmt: skip


def restore(workspace: Workspace, automation: str, artifact: str, at: str = "") -> Artifact:
    """Bring back a removed artifact, as it last was or as it was at a revision or date.

    It comes back in the repository where it was last. Raises NotFound when the history holds
    none, AlreadyExists when it is there (under another name, maybe) or its place is taken.
    """
    repo, name = parse_object(artifact)
    _refuse_present(workspace, Query(parse_object(automation)[1], name, repo))
    if at:
        last = _last(workspace, automation, artifact, at, _there)
    else:
        last = _last_removed(workspace, automation, artifact)
    record, path = last.record, last.path
    _refuse_present(workspace, Query(artifact=Name("", record["uid"])))
    title = f"restore {record['automation_alias']} {record['alias']},{record['uid']}"
    with workspace.changing(last.entry) as repository:
        if _is_taken(repository, path):
            raise AlreadyExists(f"{last.entry.alias}/{path} is taken", "move it away first")
        content = dict(walk(repository.git.objects, last.tree))
        with repository.change(title) as change:
            if repository.exists(path):  # deleted on the disk, and that was not committed
                change.remove(path)
            workspace.large.carry(repository, repository, content)
            change.graft(path, content, repository.git.objects, chosen_files(content))
    repo = Name(last.entry.alias, last.entry.uid)
    return workspace.find(Query(artifact=Name("", record["uid"]), repo=repo))[0]


def _refuse_present(workspace: Workspace, query: Query) -> None:
    there = workspace.ask(lambda index: [hit.name() for hit in index.find(query)])
    if there:
        raise AlreadyExists(f"{there[0]} is there", "'cmgit log' and 'cmgit diff' show its past")


def _is_taken(repository: Repository, path: str) -> bool:
    """Whether anything is at a path now, whatever the head has there."""
    if repository.worktree is None:
        return repository.exists(path)
    return os.path.lexists(repository.worktree.absolute(path)) or any(repository.files(path))


# -- searching the history ------------------------------------------------------------------------


def _last_removed(workspace: Workspace, automation: str, artifact: str, at: str = "") -> _Past:
    """The removal of what had a name last; a name given up in a renaming leads to the later ones."""
    last = _last(workspace, automation, artifact, at, _removed)
    repo, colon, _ = artifact.rpartition(":")
    return _last(workspace, "", f"{repo}{colon}{last.record['uid']}", at, _removed)


def _last(workspace: Workspace, automation: str, artifact: str, at: str, search: _Search) -> _Past:
    """The newest that a search finds in any repository; raises NotFound."""
    repo, name = parse_object(artifact)
    query = Query(parse_object(automation)[1], name)
    found = [
        past
        for entry in workspace.registry.find(repo)
        for past in _newest(workspace, entry, query, at, search, strict=bool(repo))
    ]
    if not found:
        raise NotFound(
            f"no repository ever held {automation} {artifact}",
            "'cmgit find --at=DATE' shows what there was",
        )
    return max(found, key=lambda past: past.time)


def _newest(
    workspace: Workspace, entry: Entry, query: Query, at: str, search: _Search, strict: bool
) -> list[_Past]:
    """The first that a search finds in one repository; a broken repository is passed over with a
    warning, unless it was named."""
    try:
        repository = Repository.open(entry.path, entry.alias)
        with closing(repository.git):
            start = commit_at(repository.git, at or "HEAD")
            return list(islice(search(repository, entry, query, start), 1)) if start else []
    except CmgitError as error:
        if strict:
            raise
        if not isinstance(error, NotFound):
            workspace.report(f"warning: {entry.alias}: {error}")
        return []


def _there(repository: Repository, entry: Entry, query: Query, commit: ObjectID) -> Iterator[_Past]:
    """The artifacts of a commit that match."""
    git = repository.git
    then = git.read_commit(commit)
    for raw in tree_artifacts(git.objects, then.tree, prefix_at(repository, commit)):
        tree = ObjectID(raw.tree)
        record = _matching(repository, query, raw.path, TreeEntry(0, tree))
        if record:
            yield _Past(entry, raw.path, tree, record, then.time, commit)


def _removed(
    repository: Repository, entry: Entry, query: Query, start: ObjectID
) -> Iterator[_Past]:
    """The artifacts that match and were removed up to a commit, newest first; those that are
    deleted on the disk only come before."""
    git = repository.git
    if repository.working and start == git.head().commit:
        for past in _there(repository, entry, query, start):
            if not _is_taken(repository, past.path):
                yield past._replace(time=int(time.time()))
    for commit in git.commits(start):
        for parent in commit.parents:
            for path, old in vanished(repository, git.read_commit(parent), commit):
                record = _matching(repository, query, path, old)
                if record:
                    yield _Past(entry, path, old.oid, record, commit.time, start)


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
