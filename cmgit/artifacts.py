"""Changing artifacts: add, update, remove, save. Each change is one commit.

Moving and copying them is in :mod:`.transfer`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field

from .artifact import Artifact
from .change import Change, File
from .errors import UsageError
from .large import limit_of, marked
from .meta.files import chosen_files
from .meta.merge import merge
from .meta.parse import IDENTITY_KEYS, Identity, Meta, parse_meta
from .meta.write import dump_file
from .metafiles import read_meta, write_meta
from .names import Name, by_word, check_alias, is_uid, new_uid, parse_name, same_word
from .query import split_tags
from .registry import LOCAL, Entry
from .repository import Repository
from .sources import read_source
from .store.operations import index_operation
from .store.status import pending
from .targets import automation_directory, check_free, found_at, target
from .workspace import Workspace


@dataclass
class New:
    """An artifact to be added: its name, meta, and the files it brings."""

    artifact: Name
    meta: Meta = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    files: Mapping[str, File] = field(default_factory=dict)


def add(
    workspace: Workspace,
    automation: str,
    artifact: str = "",
    tags: str | Iterable[str] = (),
    meta: Meta | None = None,
    yaml: bool = False,
    source: str = "",
) -> Artifact:
    """Add one artifact; ``source`` is a file or directory to take in.

    Raises AlreadyExists when the place is taken, NotFound for an unknown repository,
    AutomationNotFound for an unknown automation, MetaError for a meta that no artifact can have.
    """
    kind = workspace.automation(automation)
    place = target(workspace, artifact)
    files = _taken_in(workspace, place.entry, source) if source else {}
    new = New(place.name, meta or {}, split_tags(tags), files)
    return add_many(workspace, place.entry, kind, [new], yaml)[0]


def _taken_in(workspace: Workspace, entry: Entry, source: str) -> dict[str, File]:
    repository = workspace.repository(entry)
    with closing(repository.git):
        limit = limit_of(repository)
    return marked(read_source(source, limit, workspace.large.objects))


def add_many(
    workspace: Workspace, entry: Entry, automation: Name, news: Iterable[New], yaml: bool = False
) -> list[Artifact]:
    """Add any number of artifacts to a repository in one commit; all of them or none.

    Raises AlreadyExists for a place that is taken, MetaError for a meta that no artifact can have.
    """
    news, places = list(news), {}
    with workspace.changing(entry) as repository:
        directory = automation_directory(repository, automation)
        metas = [_new_meta(new, automation) for new in news]
        names = [check_alias(meta["alias"] or meta["uid"]) for meta in metas]
        taken = by_word(repository.names(directory), set(map(same_word, names)))
        message = _message("add", automation, [new.artifact for new in news])
        with repository.change(message) as change:
            for new, meta, name in zip(news, metas, names, strict=True):
                check_free(repository, taken, directory, name)
                taken[same_word(name)] = name
                workspace.large.supply(
                    repository, filter(None, (f.large for f in new.files.values()))
                )
                _put(change, f"{directory}/{name}", new, meta, yaml)
                places[f"{directory}/{name}"] = meta["uid"]
    return found_at(workspace, entry, places)


def _message(verb: str, automation: Name, names: list[Name]) -> str:
    first = f"{verb} {automation.alias or automation.uid} {names[0] if names else ''}".strip()
    return first if len(names) < 2 else f"{first} and {len(names) - 1} more"


def _new_meta(new: New, automation: Name) -> Meta:
    identity: Meta = {
        "alias": new.artifact.alias,
        "uid": new.artifact.uid or _uid_in(new.meta) or new_uid(),
        "automation_alias": automation.alias,
        "automation_uid": automation.uid,
    }
    meta = {**new.meta, **identity}
    tags = [*split_tags(meta.get("tags") or []), *new.tags]
    meta["tags"] = list(dict.fromkeys(tags))
    return meta


def _uid_in(meta: Meta) -> str:
    uid = str(meta.get("uid") or "").lower()
    if uid and not is_uid(uid):
        raise UsageError(f"{uid!r} is not a UID", "a UID is 16 hexadecimal digits")
    return uid


def _put(change: Change, path: str, new: New, meta: Meta, yaml: bool) -> None:
    files, where = dict(new.files), f"{change.repository.alias}/{path}"
    existing = chosen_files(files)
    name = existing[-1] if existing else ("_cm.yaml" if yaml else "_cm.json")
    if existing:
        theirs = parse_meta({file: files[file].data for file in existing}, where)
        meta = merge(theirs, meta, "unique")
        for file in existing[:-1]:
            del files[file]
    Identity(meta, f"{where}/{name}")  # find shall find it
    files[name] = File(dump_file(name, meta))
    change.put(path, files, last=(name,))


# -- update ---------------------------------------------------------------------------------------


@dataclass
class Edit:
    """What changes in a meta: values that are laid over it, tags that it gains.

    ``replace`` keeps only the identity keys of the old meta; ``replace_lists`` replaces lists.
    """

    values: Meta
    tags: list[str]
    replace: bool
    replace_lists: bool

    def apply(self, old: Meta) -> Meta:
        """The meta that comes out."""
        under = {key: old[key] for key in IDENTITY_KEYS if key in old} if self.replace else old
        new = merge(under, self.values, "replace" if self.replace_lists else "unique")
        if self.tags:
            new["tags"] = list(dict.fromkeys([*split_tags(new.get("tags") or []), *self.tags]))
        return new


def update(
    workspace: Workspace,
    artifacts: list[Artifact],
    meta: Meta | None = None,
    tags: str | Iterable[str] = (),
    replace: bool = False,
    replace_lists: bool = False,
) -> list[Artifact]:
    """Lay values over the metas of artifacts: mappings merge, lists gain what they lack.

    ``replace`` keeps only the identity keys of the old meta; ``replace_lists`` replaces lists.
    The file keeps its format, comments and order. One commit a repository. Raises MetaError for
    values that no artifact can have, NotFound when somebody else moved or removed one meanwhile.
    """
    for key in IDENTITY_KEYS:
        if key in (meta or {}):
            raise UsageError(f"update does not change {key!r}", "'cmgit mv' renames")
    edit = Edit(meta or {}, split_tags(tags), replace, replace_lists)
    after: dict[tuple[int, str], Artifact] = {}
    for entry, group in _by_repository(workspace, artifacts):
        with (
            workspace.changing(entry) as repository,
            repository.change(_message("update", *_names(group))) as change,
        ):
            for artifact in group:
                _update(repository, change, artifact, edit)
        found = found_at(workspace, entry, {a.path: a.uid for a in group})
        after.update(((a.number, a.path), a) for a in found)
    return [after[artifact.number, artifact.path] for artifact in artifacts]


def _update(repository: Repository, change: Change, artifact: Artifact, edit: Edit) -> None:
    (files, old), where = read_meta(repository, artifact), f"{artifact.repo}/{artifact.path}"
    new = edit.apply(old)
    if new != old:
        Identity(new, f"{where}/{chosen_files(files)[-1]}")  # find shall find it
        write_meta(change, artifact.path, files, new, where)


def _by_repository(
    workspace: Workspace, artifacts: list[Artifact]
) -> list[tuple[Entry, list[Artifact]]]:
    groups: dict[int, list[Artifact]] = {}
    for artifact in artifacts:
        groups.setdefault(artifact.number, []).append(artifact)
    return [(workspace.entry(group[0]), group) for group in groups.values()]


def _names(group: list[Artifact]) -> tuple[Name, list[Name]]:
    """The automation of the first of several artifacts, and the names of all."""
    kind = Name(group[0].automation_alias, group[0].automation_uid)
    return kind, [Name(artifact.alias, artifact.uid) for artifact in group]


# -- remove, save --------------------------------------------------------------------------------


def remove(workspace: Workspace, artifacts: list[Artifact]) -> None:
    """Remove artifacts, one commit a repository; ``cmgit restore`` brings them back.

    What is not committed yet is committed first. Files that Git ignores are gone for good. Raises
    NotFound when somebody else moved or removed one meanwhile.
    """
    for entry, group in _by_repository(workspace, artifacts):
        with workspace.changing(entry) as repository:
            for artifact in group:
                read_meta(repository, artifact)
            _commit_pending(repository, group)
            with repository.change(_message("rm", *_names(group))) as change:
                for artifact in group:
                    change.remove(artifact.path)


def _commit_pending(repository: Repository, artifacts: list[Artifact]) -> None:
    """Commit what a person did to artifacts and did not save, so that the history has it."""
    head = repository.git.head().commit
    with repository.change(f"save {artifacts[0].name} before it is removed") as change:
        for artifact in artifacts if repository.working else []:
            before = repository.content(artifact.path, head) if head else {}
            now = repository.content(artifact.path)
            gone = [name for name in before if name not in now]
            fresh = {name: entry for name, entry in now.items() if before.get(name) != entry}
            edits = {f"{artifact.path}/{name}": fresh.get(name) for name in [*gone, *fresh]}
            change.stage(edits, [index_operation(path, edits[path]) for path in edits])


def save(workspace: Workspace, repo: str = "", message: str = "") -> list[str]:
    """Commit everything that is pending in a working repository (``local`` by default).

    Returns the paths that were committed, empty when there was nothing.
    """
    entry = workspace.registry.one(parse_name(repo) if repo else LOCAL)
    with workspace.changing(entry) as repository:
        if repository.worktree is None:
            raise UsageError(f"{entry.alias} is bare: it has no files to save")
        repository.git.check_idle()
        edits, operations = pending(repository.worktree)
        title = message or _save_title(sorted(edits))
        with repository.change(title) as change:
            change.stage(edits, operations)
    return sorted(edits)


def _save_title(paths: list[str]) -> str:
    if not paths:
        return "save"
    return f"save {paths[0]}" + (f" and {len(paths) - 1} more" if len(paths) > 1 else "")
