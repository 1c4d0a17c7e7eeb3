"""Repositories as a whole: init, checkout, remove, detect, describe."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack, closing
from typing import NamedTuple

from .errors import (
    AlreadyExists,
    CmgitError,
    NotFound,
    UsageError,
    counted,
)
from .index.record import digest
from .meta.write import dump_yaml
from .names import Name, check_alias, new_uid, parse_name
from .registry import LOCAL, WORKING, Entry, check_path
from .repository import DESCRIPTION_FILES, Repository, is_described
from .store import status
from .store.checkout import pointers_of
from .store.git import PRIVATE_DIRECTORY, GitRepository
from .store.locks import process_lock
from .store.operations import populate
from .store.trees import lookup
from .store.worktree import WorkTree
from .workspace import Workspace, init_working


def init(
    workspace: Workspace, name: str = "", path: str = "", desc: str = "", prefix: str = ""
) -> Entry:
    """Make a directory a working repository and register it.

    Creates ``cmr.yaml`` and a Git repository where there are none; a
    directory that has them is registered as it is. Raises AlreadyExists when the name is taken.
    """
    path = os.path.abspath(os.path.expanduser(path))
    if os.path.exists(path) and not os.path.isdir(path):
        raise UsageError(f"{path} is not a directory")
    _refuse_bare(path)
    given = parse_name(name) if name else Name()
    has_description = is_described(path)
    if has_description:
        known = _existing(path).description()
        chosen = Name(given.alias or known.alias, given.uid or known.uid or new_uid())
    else:
        chosen = Name(given.alias or os.path.basename(path), given.uid or new_uid())
    check_alias(chosen.alias)
    _refuse_inside(workspace, path)
    with workspace.registry.change() as registry:
        entry = registry.add(Entry(0, chosen.alias, chosen.uid, WORKING, path))
        if not has_description:
            os.makedirs(path, exist_ok=True)
            init_working(path, chosen, desc, prefix)
    workspace.index()
    return entry


def _refuse_bare(path: str) -> None:
    if os.path.isfile(os.path.join(path, "HEAD")) and os.path.isdir(os.path.join(path, "objects")):
        raise UsageError(
            f"{path} is a bare Git repository: it has no files to work on",
            f"'cmgit pull repo --url={path}' takes it in",
        )


def _refuse_inside(workspace: Workspace, path: str) -> None:
    """A Git repository made among the files of another hides them from that."""
    outer = detect(workspace, path)
    if outer is None or os.path.lexists(os.path.join(path, ".git")) or is_described(path):
        return
    inside = os.path.relpath(os.path.realpath(path), os.path.realpath(outer.path))
    repository = Repository.open(outer.path, outer.alias)
    with closing(repository.git):
        if inside != "." and lookup(repository.git.objects, repository.tree(), inside):
            raise UsageError(
                f"{path} has files of the repository {outer.alias}, which would not see them then",
                "choose a new directory",
            )


def _existing(path: str) -> Repository:
    try:
        return Repository(GitRepository.open(path))
    except NotFound:
        return Repository(GitRepository.init(path))


def checkout(workspace: Workspace, name: str, directory: str) -> Entry:
    """Make a working repository out of a bare one: its objects, branches and files.

    It takes the bare one's place in the registry; pulling goes on with Git, from the same URL.
    Raises AlreadyExists when the directory is there and not empty.
    """
    entry = workspace.registry.one(parse_name(name))
    directory = os.path.abspath(os.path.expanduser(directory))
    check_path(directory)
    if entry.kind == WORKING:
        raise UsageError(f"{entry.alias} is a working repository already: {entry.path}")
    key = digest(os.fsencode(directory))
    temporary = f"{directory}.cmgit-{digest(os.fsencode(workspace.home))}.tmp"
    with ExitStack() as locks:
        locks.enter_context(process_lock(os.path.join(workspace.home, "locks", f"checkout-{key}")))
        _refuse_taken(directory)
        repository = locks.enter_context(workspace.locked([entry]))[entry.number]
        if repository.working:
            raise UsageError(f"{name} is a working repository already: {repository.git.path}")
        shutil.rmtree(temporary, ignore_errors=True)  # of a killed process: the lock is ours
        try:
            _clone(workspace, repository, temporary)
            if os.path.isdir(directory):
                os.rmdir(directory)
            os.rename(temporary, directory)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        with workspace.registry.change() as registry:
            changed = registry.current(entry)._replace(kind=WORKING, path=directory)
            registry.update(changed)
        trash = os.path.join(workspace.home, "repos", f"tmp-{entry.uid}")
        os.rename(entry.path, trash)  # whoever waits for the lock looks into the registry again
    shutil.rmtree(trash)
    workspace.index()
    return changed


def _refuse_taken(directory: str) -> None:
    if os.path.lexists(directory) and (not os.path.isdir(directory) or os.listdir(directory)):
        raise AlreadyExists(f"{directory} exists and is not empty", "choose another directory")


def _clone(workspace: Workspace, repository: Repository, directory: str) -> None:
    os.makedirs(directory)
    git_directory = os.path.join(directory, ".git")

    def left_out(parent: str, names: list[str]) -> list[str]:
        top = parent == repository.git.path
        return [n for n in names if n.endswith(".lock") or (top and n == PRIVATE_DIRECTORY)]

    shutil.copytree(repository.git.path, git_directory, ignore=left_out)
    plain = GitRepository.open(directory)
    config = plain.local_config()
    config.set((b"core",), b"bare", b"false")
    config.write_to_path()
    plain.close()
    git = GitRepository.open(directory)
    pointers = set(pointers_of(git.objects, repository.tree()).values())
    workspace.large.provide(repository, sorted(pointers))
    workspace.large.supply(Repository(git), pointers)
    populate(WorkTree(git))
    git.close()


def remove(workspace: Workspace, name: str, everything: bool = False) -> list[Entry]:
    """Unregister the repositories that a name or pattern fits; ``everything`` deletes them too.

    A pulled repository that is only unregistered keeps its objects; pulling it again is quick.
    Raises NotFound when nothing fits, UsageError for ``local``.
    """
    found = _removable(workspace, name, everything)
    with workspace.registry.change() as registry:
        for entry in found:
            registry.remove(entry)
    for entry in found if everything else []:
        if os.path.isdir(entry.path):
            shutil.rmtree(entry.path)
    workspace.index()
    return found


def _removable(workspace: Workspace, name: str, everything: bool) -> list[Entry]:
    found = workspace.registry.find(parse_name(name))
    if not found:
        raise NotFound(f"repository {name!r} not found", "see 'cmgit find repo'")
    if any(entry.uid == LOCAL.uid for entry in found):
        raise UsageError("local is always there; it cannot be removed", "remove what is in it")
    if everything and any(os.path.islink(entry.path) for entry in found):
        raise UsageError(f"{name} is a link; its files are not deleted", "leave out --all")
    return found


class Loss(NamedTuple):
    """What deleting repositories loses: how many files are in no commit as they are (edited, new,
    or ignored by Git), and how many commits of their branches no remote is known to have."""

    files: int = 0
    commits: int = 0

    def __str__(self) -> str:
        kinds = ((self.files, "file", "commit"), (self.commits, "commit", "remote"))
        return " and ".join(f"{counted(n, what)} that no {by} has" for n, what, by in kinds if n)


def loss(workspace: Workspace, name: str) -> Loss:
    """What is lost when the repositories that a name or pattern fits are deleted.

    Raises what ``remove`` raises when they cannot be deleted.
    """
    found = _removable(workspace, name, everything=True)
    each = [_loss(workspace, entry) for entry in found if os.path.isdir(entry.path)]
    return Loss(sum(one.files for one in each), sum(one.commits for one in each))


def _loss(workspace: Workspace, entry: Entry) -> Loss:
    try:
        repository = Repository.open(entry.path, entry.alias)
        with closing(repository.git):
            files = status.uncommitted(repository.worktree) if repository.worktree else ()
            return Loss(len(list(files)), len(status.unpushed(repository.git)))
    except CmgitError as error:
        workspace.report(f"warning: what {entry.alias} alone has is unknown: {error}")
        return Loss()


def detect(workspace: Workspace, directory: str) -> Entry | None:
    """The registered repository that a directory is in; None when it is in none."""
    directory = os.path.realpath(directory)
    inside = [
        entry
        for entry in workspace.registry.entries
        if os.path.commonpath([os.path.realpath(entry.path), directory])
        == os.path.realpath(entry.path)
    ]
    return max(inside, key=lambda entry: len(entry.path), default=None)


def describe(workspace: Workspace, entry: Entry) -> dict[str, object]:
    """What is known of a repository: the registry's values, its description, its head."""
    values: dict[str, object] = {
        "alias": entry.alias,
        "uid": entry.uid,
        "kind": entry.kind,
        "path": entry.path,
        "url": entry.url,
        "branch": entry.branch,
    }
    try:
        repository = Repository.open(entry.path, entry.alias)
        description = repository.description()
        head = repository.git.head()
        values.update(desc=description.desc, prefix=description.prefix, problem="")
        values["branch"] = (head.ref or "").removeprefix("refs/heads/")
        values["commit"] = head.commit or ""
        repository.git.close()
    except CmgitError as error:
        values["problem"] = str(error)
    return values


def update(workspace: Workspace, name: str, desc: str) -> Entry:
    """Change the description in ``cmr.yaml``; one commit."""
    from .meta.parse import parse_file
    from .meta.write import edit_file

    entry = workspace.registry.one(parse_name(name))
    with workspace.changing(entry) as repository:
        file = next((f for f in DESCRIPTION_FILES if repository.exists(f)), DESCRIPTION_FILES[0])
        data = repository.read_file(file) if repository.exists(file) else dump_yaml({})
        meta = {**parse_file(file, data, f"{entry.alias}/{file}"), "desc": desc}
        with repository.change(f"update repo {entry.alias}") as change:
            change.write(file, edit_file(file, data, meta, f"{entry.alias}/{file}"))
    return entry
