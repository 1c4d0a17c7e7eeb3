"""Moving and copying artifacts, inside a repository and to another. Each is one commit there."""

from __future__ import annotations

from collections.abc import Iterable

from .artifact import Artifact
from .change import Change
from .errors import UsageError
from .meta.files import chosen_files
from .meta.parse import Meta
from .metafiles import read_meta, set_values
from .moves import Move, Place, begin, content_tree, take_back
from .names import Name, new_uid
from .query import split_tags
from .registry import Entry
from .repository import Repository
from .targets import found_at, free_path, target
from .workspace import Workspace


def move(workspace: Workspace, artifact: Artifact, words: str) -> Artifact:
    """Rename an artifact or move it to another repository; its UID stays.

    ``words`` is ``name``, ``repo:`` or ``repo:name``. Raises CmgitError (1) when that exists.
    """
    source = workspace.entry(artifact)
    place = target(workspace, words, source)
    alias = place.name.alias or artifact.alias
    if place.entry.number != source.number:
        return _move_across(workspace, artifact, source, place.entry, alias)
    with workspace.changing(source) as repository:
        files, _ = read_meta(repository, artifact)
        path = free_path(repository, artifact, alias)
        with repository.change(f"mv {artifact.name} {alias}") as change:
            change.move(artifact.path, path)
            set_values(change, path, files, {"alias": alias})
    return found_at(workspace, source, {path: artifact.uid})[0]


def _move_across(
    workspace: Workspace, artifact: Artifact, source: Entry, to: Entry, alias: str
) -> Artifact:
    """Move to another repository: there first, then away here; see :mod:`.moves`."""
    with workspace.changing_all([source, to], moving=artifact.uid) as opened:
        old, new = opened[source.number], opened[to.number]
        read_meta(old, artifact)
        _refuse_left_behind(old, artifact)
        path = free_path(new, artifact, alias)
        message = f"mv {artifact.name} to {to.alias}"
        place = Place(source.number, artifact.path, content_tree(old, artifact.path))
        move = None
        try:
            with old.change(message) as leave:
                with new.change(f"mv {artifact.name} from {source.alias}") as arrive:
                    _graft(workspace, arrive, old, artifact, path, {"alias": alias})
                    arrival = Place(to.number, path, arrive.tree(path))
                    move = Move(artifact.uid, place, arrival, message)
                    begin(workspace.home, move, new)
                leave.remove(artifact.path)
        except BaseException:
            if move is not None:
                take_back(workspace.home, move, opened)
            raise
    return found_at(workspace, to, {path: artifact.uid})[0]


def _refuse_left_behind(repository: Repository, artifact: Artifact) -> None:
    """Raise UsageError for files that would be lost, because Git does not take them along."""
    if repository.worktree is None:
        return
    taken = set(repository.files(artifact.path))
    for name in repository.worktree.all_files(artifact.path):
        if name not in taken:
            raise UsageError(
                f"{artifact.repo}/{artifact.path}/{name} is ignored by Git or in a repository of "
                "its own, and would be lost",
                "move it away or remove it first",
            )


def _graft(
    workspace: Workspace,
    change: Change,
    source: Repository,
    artifact: Artifact,
    path: str,
    values: Meta,
) -> None:
    """Put the files of an artifact to a path, maybe from another repository, which need not be
    locked: its meta is read last, so that nothing else can have taken the artifact's place."""
    commit = None if source.working else source.git.head().commit
    content = source.content(artifact.path, commit)
    files, _ = read_meta(source, artifact, commit)
    workspace.large.carry(source, change.repository, content)
    change.graft(path, content, source.git.objects, chosen_files(files)[-1:])
    set_values(change, path, files, values)


def copy(
    workspace: Workspace, artifact: Artifact, words: str, tags: str | Iterable[str] = ()
) -> Artifact:
    """Copy an artifact under a new UID; ``tags`` are added to the copy's.

    Raises CmgitError (1) when the target exists.
    """
    source = workspace.entry(artifact)
    place = target(workspace, words, source)
    alias, uid = place.name.alias or artifact.alias, place.name.uid or new_uid()
    with workspace.changing(place.entry) as repository:
        path = free_path(repository, artifact, alias)
        origin = repository if place.entry.number == source.number else workspace.repository(source)
        with repository.change(f"cp {artifact.name} {Name(alias, uid)}") as change:
            values: Meta = {"alias": alias, "uid": uid}
            if tags:
                values["tags"] = list(dict.fromkeys([*artifact.tags, *split_tags(tags)]))
            _graft(workspace, change, origin, artifact, path, values)
    return found_at(workspace, place.entry, {path: uid})[0]
