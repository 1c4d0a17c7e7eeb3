"""The past of artifacts: log, diff, and the database as it was."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from io import BytesIO
from typing import BinaryIO, NamedTuple

from .artifact import Artifact
from .errors import MetaError, NotFound, UsageError
from .index.inherit import inherit
from .index.lookup import Index
from .index.manifest import Manifest, Repositories, RepositoryState
from .index.writer import order, write_segments
from .lfs.pointer import parse_pointer
from .meta.files import chosen_files
from .names import ANY, Name
from .registry import Entry
from .repository import Repository
from .scan import read_artifact, record_of, tree_artifacts
from .store.commits import Commit
from .store.dates import parse_date
from .store.diff import FileChange, diff_text, tree_changes
from .store.git import GitRepository
from .store.objects import ObjectID, TreeEntry
from .store.trees import changed, lookup
from .workspace import Workspace

_MAX_DIFF = 1 << 20  # bytes of text that --json prints of one file
_DATE = re.compile(r"^\d{4}-\d\d| |\d:\d|\.ago$|^(now|today|yesterday)$")
_REVISION = re.compile(r"^:/|@\{|\^\{")  # though there be words in it


class Change(NamedTuple):
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

    Raises NotFound for a revision that is not in the repository, UsageError for what names no
    commit.
    """
    if _REVISION.search(at) or not _DATE.search(at):
        return git.resolve(at)
    return git.before(parse_date(at))


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
        segments = write_segments(directory, sorted(records, key=order))
        draft = Manifest(0, "", Repositories.of(states), segments)
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
    prefix = prefix_at(repository, commit)
    records = []
    for raw in tree_artifacts(repository.git.objects, tree, prefix):
        try:
            records.append(record_of(raw, entry.alias))
        except MetaError as error:
            workspace.report(f"warning: {error}")
    state = RepositoryState(
        workspace.home, number=entry.number, alias=entry.alias, uid=entry.uid, kind=entry.kind,
        path=entry.path, commit=commit or "", tree=tree, prefix=prefix,
    )  # fmt: skip
    repository.git.close()
    return state, records


def prefix_at(repository: Repository, commit: ObjectID | None) -> str:
    """The sub-directory that held the artifacts at a commit."""
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
        path, _ = _place_at(repository, artifact, head)
        yield from _log(repository, artifact.uid, path or artifact.path, head)


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
    for path, entry in vanished(repository, parent, commit):
        if _uid_of(repository, path, entry) == uid:
            return path
    return ""


def vanished(
    repository: Repository, parent: Commit, commit: Commit
) -> Iterator[tuple[str, TreeEntry]]:
    """The directories of artifacts that a parent has and a commit does not."""
    git = repository.git
    prefix = prefix_at(repository, parent.oid)
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


class FileDiff(NamedTuple):
    """A file that differs, and how, as ``git diff`` prints it."""

    change: FileChange
    text: bytes

    def to_dict(self) -> dict[str, str | None]:
        """The values that ``diff --json`` prints; no text where there is none or a long one."""
        change = self.change
        return {
            "path": change.path,
            "status": change.status,
            "old_path": change.old_path or None,
            "old_blob": change.old.oid if change.old else None,
            "new_blob": change.new.oid if change.new else None,
            "old_mode": f"{change.old.mode:06o}" if change.old else None,
            "new_mode": f"{change.new.mode:06o}" if change.new else None,
            "diff": self._shown(),
        }

    def _shown(self) -> str | None:
        try:
            return self.text.decode() if len(self.text) <= _MAX_DIFF else None
        except UnicodeDecodeError:
            return None


def diff(workspace: Workspace, artifact: Artifact, old: str, new: str = "") -> Iterator[FileDiff]:
    """The files of an artifact that differ between two revisions or dates (``new`` empty: the
    head); paths are those in the artifact, and a rename of it in between is followed by UID."""
    repository = workspace.repository(workspace.entry(artifact))
    trees = [_tree_at(repository, artifact, at) for at in (old, new or "HEAD")]
    for change in tree_changes(repository.git, *trees):
        yield FileDiff(change, diff_text(repository.git, change))


def _tree_at(repository: Repository, artifact: Artifact, at: str) -> ObjectID | None:
    commit = commit_at(repository.git, at)
    return _place_at(repository, artifact, commit)[1] if commit else None


def _place_at(
    repository: Repository, artifact: Artifact, commit: ObjectID
) -> tuple[str, ObjectID | None]:
    """The path and the tree that an artifact had at a commit, found by its UID; empty and None
    when it was not there."""
    tree = repository.tree(commit)
    entry = lookup(repository.git.objects, tree, artifact.path)
    if entry is not None and _uid_of(repository, artifact.path, entry) == artifact.uid:
        return artifact.path, entry.oid
    for raw in tree_artifacts(repository.git.objects, tree, prefix_at(repository, commit)):
        found = TreeEntry(0, ObjectID(raw.tree))
        if raw.tree and _uid_of(repository, raw.path, found) == artifact.uid:
            return raw.path, found.oid
    return "", None


def cat(workspace: Workspace, artifact: Artifact, file: str, at: str = "") -> bytes:
    """The content of a file of an artifact; the meta itself for an empty name.

    Raises NotFound.
    """
    with open_file(workspace, artifact, file, at) as stream:
        return stream.read()


def open_file(workspace: Workspace, artifact: Artifact, file: str, at: str = "") -> BinaryIO:
    """The same, to be read piece by piece: a large file need not fit into memory. Its content is
    fetched, if it is not here."""
    repository = workspace.repository(workspace.entry(artifact))
    commit = ObjectID(artifact.commit) if at else None
    if not file:
        names = chosen_files(set(repository.files(artifact.path, commit)))
        file = names[-1] if names else "_cm.json"
    parts = file.split("/")
    if any(part in ("", ".", "..", ".git") for part in parts):
        raise UsageError(f"{file!r} is not a path inside an artifact")
    data = repository.read_file(f"{artifact.path}/{file}", commit)
    pointer = parse_pointer(data)
    if pointer is None:
        return BytesIO(data)
    return workspace.large.provide(repository, [pointer]).read(pointer)
