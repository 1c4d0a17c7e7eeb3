"""Changing artifacts: add, update, move, copy, remove, save. Each change is one commit."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from .artifact import Artifact
from .errors import AlreadyExists, CmgitError, NotFound, UsageError
from .meta.merge import merge
from .meta.parse import (
    IDENTITY_KEYS,
    META_FILES,
    Identity,
    Meta,
    chosen_files,
    parse_file,
    parse_meta,
)
from .meta.write import dump_file, edit_file
from .moves import Move, Place, begin, content_tree, take_back
from .names import Name, check_alias, is_uid, new_uid, parse_name, parse_object, same_word
from .query import Query, split_tags
from .registry import LOCAL, Entry
from .repository import Change, File, Repository
from .store.checkout import contained_link
from .store.objects import EXECUTABLE, FILE, LINK, ObjectID
from .store.operations import index_operation
from .store.status import pending
from .workspace import Workspace


@dataclass(frozen=True)
class Target:
    """Where an artifact shall go: the repository, and the name that it shall have."""

    entry: Entry
    name: Name


@dataclass
class New:
    """An artifact to be added: its name, meta, and the files it brings."""

    artifact: Name
    meta: Meta = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    files: Mapping[str, File] = field(default_factory=dict)


def target(workspace: Workspace, words: str, default: Entry | None = None) -> Target:
    """Read ``[repo:][artifact]`` as a place to put something; raises NotFound for the repository.

    Without a repository it is the default one, else ``local``.
    """
    repo, name = parse_object(words)
    if repo or default is None:
        default = workspace.registry.one(repo or LOCAL)
    return Target(default, name)


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
    AutomationNotFound for an unknown automation.
    """
    kind = workspace.automation(automation)
    place = target(workspace, artifact)
    new = New(place.name, meta or {}, split_tags(tags), read_source(source) if source else {})
    return add_many(workspace, place.entry, kind, [new], yaml)[0]


def add_many(
    workspace: Workspace, entry: Entry, automation: Name, news: Iterable[New], yaml: bool = False
) -> list[Artifact]:
    """Add any number of artifacts to a repository in one commit; all of them or none."""
    news = list(news)
    uids = []
    with workspace.changing(entry) as repository:
        directory = automation_directory(repository, automation)
        taken = {same_word(name): name for name in repository.names(directory)}
        message = _message("add", automation, [new.artifact for new in news])
        with repository.change(message) as change:
            for new in news:
                meta = _new_meta(new, automation)
                name = check_alias(meta["alias"] or meta["uid"])
                _check_free(repository, taken, directory, name)
                taken[same_word(name)] = name
                _put(change, f"{directory}/{name}", new, meta, yaml)
                uids.append(meta["uid"])
    return _found(workspace, entry, uids)


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
    files = dict(new.files)
    existing = chosen_files(files)
    name = existing[-1] if existing else ("_cm.yaml" if yaml else "_cm.json")
    if existing:
        theirs = parse_meta({file: files[file].data for file in existing}, path)
        meta = merge(theirs, meta, "unique")
        for file in existing[:-1]:
            del files[file]
    files[name] = File(dump_file(name, meta))
    change.put(path, files, last=(name,))


def automation_directory(repository: Repository, automation: Name) -> str:
    """The directory of a repository in which artifacts of an automation are.

    Raises AlreadyExists when a file is in its place.
    """
    prefix = repository.description().prefix
    name = check_alias(automation.alias or automation.uid)
    for existing in repository.names(prefix):
        if same_word(existing) == same_word(name):
            name = existing
    directory = f"{prefix}/{name}" if prefix else name
    if repository.exists(directory) and not repository.is_directory(directory):
        raise AlreadyExists(
            f"{repository.alias}/{directory} is a file where a directory should be",
            "move it away first",
        )
    return directory


def _check_free(
    repository: Repository, taken: Mapping[str, str], directory: str, name: str
) -> None:
    other = taken.get(same_word(name))
    if other is None:
        return
    how = "exists" if other == name else f"differs only in case from {other!r}, which exists"
    raise AlreadyExists(f"{name!r} {how} in {repository.alias}/{directory}", "choose another name")


def _found(workspace: Workspace, entry: Entry, uids: list[str]) -> list[Artifact]:
    repo = Name(entry.alias, entry.uid)
    if len(uids) > 20:
        wanted = {uid: at for at, uid in enumerate(uids)}
        everything = workspace.found_after(Query(repo=repo))
        return sorted((a for a in everything if a.uid in wanted), key=lambda a: wanted[a.uid])
    return [workspace.found_after(Query(artifact=Name("", uid), repo=repo))[0] for uid in uids]


def read_source(path: str) -> dict[str, File]:
    """The content of a file, or of a directory with what is below it.

    Git directories, and files that stand for them, are left out. A link that leads out of the
    directory is refused (UsageError), as is anything that is neither file, directory nor link.
    """
    path = os.path.abspath(os.path.expanduser(path))
    if os.path.isfile(path):  # a link that is named itself means what it names
        return {os.path.basename(path): _read(os.path.realpath(path), os.path.basename(path))}
    if not os.path.isdir(path):
        raise NotFound(f"{path} is neither a file nor a directory")
    files = {}
    for parent, directories, names in os.walk(path):
        directories[:] = sorted(d for d in directories if d.casefold() != ".git")
        links = [d for d in directories if os.path.islink(os.path.join(parent, d))]
        for name in sorted(n for n in (*names, *links) if n.casefold() != ".git"):
            full = os.path.join(parent, name)
            relative = os.path.relpath(full, path).replace(os.sep, "/")
            files[relative] = _read(full, relative)
    return files


def _read(path: str, relative: str) -> File:
    if os.path.islink(path):
        link = os.fsencode(os.readlink(path))
        if not contained_link(relative, link):
            raise UsageError(f"the link {path} leads out of what is added", "copy what it names")
        return File(link, LINK)
    if not os.path.isfile(path):
        raise UsageError(f"{path} is neither a file nor a directory")
    with open(path, "rb") as file:
        return File(file.read(), EXECUTABLE if os.stat(path).st_mode & 0o100 else FILE)


# -- update ---------------------------------------------------------------------------------------


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
    The file keeps its format, comments and order. One commit a repository.
    """
    changes = dict(meta or {})
    for key in IDENTITY_KEYS:
        if key in changes:
            raise UsageError(f"update does not change {key!r}", "'cmgit mv' renames")
    for entry, group in _by_repository(workspace, artifacts):
        names = [Name(artifact.alias, artifact.uid) for artifact in group]
        kind = Name(group[0].automation_alias, group[0].automation_uid)
        with (
            workspace.changing(entry) as repository,
            repository.change(_message("update", kind, names)) as change,
        ):
            for artifact in group:
                _update(
                    repository, change, artifact, changes, split_tags(tags), replace, replace_lists
                )
    return [_again(workspace, artifact) for artifact in artifacts]


def _update(
    repository: Repository,
    change: Change,
    artifact: Artifact,
    changes: Meta,
    tags: list[str],
    replace: bool,
    replace_lists: bool,
) -> None:
    files, old = read_meta(repository, artifact)
    under = {key: old[key] for key in IDENTITY_KEYS if key in old} if replace else old
    new = merge(under, changes, "replace" if replace_lists else "unique")
    if tags:
        new["tags"] = list(dict.fromkeys([*split_tags(new.get("tags") or []), *tags]))
    if new != old:
        _write_meta(change, artifact.path, files, new, f"{artifact.repo}/{artifact.path}")


def _write_meta(
    change: Change, path: str, files: Mapping[str, bytes], new: Meta, where: str
) -> None:
    """Make meta files say ``new``. Of two, the YAML loses what is gone, and the JSON that is laid
    over it gets what is different."""
    *below, top = chosen_files(files)
    said: Meta = {}
    for name in below:
        old = parse_file(name, files[name], f"{where}/{name}")
        said = {key: value for key, value in old.items() if key in new}
        if said != old:
            change.write(f"{path}/{name}", edit_file(name, files[name], said, f"{where}/{name}"))
    old = parse_file(top, files[top], f"{where}/{top}")
    rest = {k: v for k, v in new.items() if k in old or k not in said or said[k] != v}
    if rest != old:
        change.write(f"{path}/{top}", edit_file(top, files[top], rest, f"{where}/{top}"))


class MetaFiles(NamedTuple):
    """The bytes of the meta files of an artifact, by name, and what they say together."""

    files: dict[str, bytes]
    meta: Meta


def read_meta(
    repository: Repository, artifact: Artifact, commit: ObjectID | None = None
) -> MetaFiles:
    """Read the meta of an artifact at the path where it was found, now or in a commit.

    Raises NotFound when it is not there any more, or another artifact is: with the repository
    locked, what is done at that path after this is done to the artifact that was found.
    """
    where, files = f"{artifact.repo}/{artifact.path}", {}
    for name in META_FILES:
        with suppress(NotFound):
            files[name] = repository.read_file(f"{artifact.path}/{name}", commit)
    names = chosen_files(files)
    files = {name: files[name] for name in names}
    meta = parse_meta(files, where)
    if not names or Identity(meta, f"{where}/{names[0]}").uid != artifact.uid:
        raise _gone(artifact)
    return MetaFiles(files, meta)


def _gone(artifact: Artifact) -> NotFound:
    automation = artifact.automation_alias or artifact.automation_uid
    return NotFound(
        f"{artifact.name} is gone: somebody else moved or removed it",
        f"'cmgit find {automation} {artifact.uid}' says where it is now",
    )


def _by_repository(
    workspace: Workspace, artifacts: list[Artifact]
) -> list[tuple[Entry, list[Artifact]]]:
    groups: dict[int, list[Artifact]] = {}
    for artifact in artifacts:
        groups.setdefault(artifact.number, []).append(artifact)
    return [(workspace.entry(group[0]), group) for group in groups.values()]


def _again(workspace: Workspace, artifact: Artifact, entry: Entry | None = None) -> Artifact:
    repo = Name(entry.alias, entry.uid) if entry else Name(artifact.repo, artifact.repo_uid)
    found = workspace.found_after(Query(artifact=Name("", artifact.uid), repo=repo))
    same = [other for other in found if other.path == artifact.path]
    if not found:
        raise _gone(artifact)
    return (same or found)[0]


# -- remove, move, copy ---------------------------------------------------------------------------


def remove(workspace: Workspace, artifacts: list[Artifact]) -> None:
    """Remove artifacts, one commit a repository; ``cmgit restore`` brings them back.

    What is not committed yet is committed first. Files that Git ignores are gone for good.
    """
    for entry, group in _by_repository(workspace, artifacts):
        names = [Name(artifact.alias, artifact.uid) for artifact in group]
        kind = Name(group[0].automation_alias, group[0].automation_uid)
        with workspace.changing(entry) as repository:
            for artifact in group:
                read_meta(repository, artifact)
            _commit_pending(repository, group)
            with repository.change(_message("rm", kind, names)) as change:
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
        path = _free_path(repository, artifact, alias)
        with repository.change(f"mv {artifact.name} {alias}") as change:
            change.move(artifact.path, path)
            _set_values(change, path, files, {"alias": alias})
    return _again(workspace, artifact)


def _free_path(repository: Repository, artifact: Artifact, alias: str) -> str:
    kind = Name(artifact.automation_alias, artifact.automation_uid)
    directory = automation_directory(repository, kind)
    name = check_alias(alias or artifact.uid)
    try:
        taken = {same_word(n): n for n in repository.names(directory)}
        if taken.get(same_word(name)) != artifact.path.rpartition("/")[2] or name in taken.values():
            _check_free(repository, taken, directory, name)
    except AlreadyExists as error:
        raise CmgitError(str(error), error.hint) from None
    return f"{directory}/{name}"


def _set_values(change: Change, path: str, files: Mapping[str, bytes], values: Meta) -> None:
    """Set values in the meta file that is laid over the other, if there are two."""
    name = chosen_files(files)[-1]
    old = parse_file(name, files[name], f"{path}/{name}")
    new = edit_file(name, files[name], {**old, **values}, f"{path}/{name}")
    change.write(f"{path}/{name}", new)


def _move_across(
    workspace: Workspace, artifact: Artifact, source: Entry, to: Entry, alias: str
) -> Artifact:
    """Move to another repository: there first, then away here; see :mod:`.moves`."""
    with workspace.changing_all([source, to], moving=artifact.uid) as opened:
        old, new = opened[source.number], opened[to.number]
        read_meta(old, artifact)
        _refuse_left_behind(old, artifact)
        path = _free_path(new, artifact, alias)
        message = f"mv {artifact.name} to {to.alias}"
        place = Place(source.number, artifact.path, content_tree(old, artifact.path))
        move = None
        try:
            with old.change(message) as leave:
                with new.change(f"mv {artifact.name} from {source.alias}") as arrive:
                    _graft(arrive, old, artifact, path, {"alias": alias})
                    target = Place(to.number, path, arrive.tree(path))
                    move = Move(artifact.uid, place, target, message)
                    begin(workspace.home, move, new)
                leave.remove(artifact.path)
        except BaseException:
            if move is not None:
                take_back(workspace.home, move, opened)
            raise
    return _again(workspace, artifact, to)


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


def _graft(change: Change, source: Repository, artifact: Artifact, path: str, values: Meta) -> None:
    """Put the files of an artifact to a path, maybe from another repository, which need not be
    locked: its meta is read last, so that nothing else can have taken the artifact's place."""
    commit = None if source.working else source.git.head().commit
    content = source.content(artifact.path, commit)
    files, _ = read_meta(source, artifact, commit)
    change.graft(path, content, source.git.objects, chosen_files(files)[-1:])
    _set_values(change, path, files, values)


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
        path = _free_path(repository, artifact, alias)
        origin = repository if place.entry.number == source.number else workspace.repository(source)
        with repository.change(f"cp {artifact.name} {Name(alias, uid)}") as change:
            values: Meta = {"alias": alias, "uid": uid}
            if tags:
                values["tags"] = list(dict.fromkeys([*artifact.tags, *split_tags(tags)]))
            _graft(change, origin, artifact, path, values)
    return _found(workspace, place.entry, [uid])[0]


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
