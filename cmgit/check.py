"""``reindex`` and ``check``: rebuilding what is derived, verifying what is not."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from typing import NamedTuple

from .errors import CmgitError, counted
from .index.lookup import PENDING, Index
from .index.manifest import DIRECTORY
from .lfs.pointer import Pointer
from .names import is_temporary
from .refresh import Mode, refresh
from .registry import Entry
from .repository import Repository
from .store.checkout import changed_files, remove_checkout
from .store.git import GitRepository
from .store.locks import process_lock
from .store.objects import ObjectID, verify
from .store.quarantine import links
from .text.verify import forget_text, verify_text
from .workspace import Workspace


class Finding(NamedTuple):
    """Something that ``check`` found: where, what, and in which state it is now.

    ``wrong`` needs a person; ``repaired`` was put right; ``note`` is what the author of an
    artifact should know, and does no harm.
    """

    where: str
    problem: str
    state: str = "wrong"


def verdict(left: int) -> str:
    """What to say at the end, when so many findings are wrong still."""
    if not left:
        return "all is well"
    return f"{counted(left, 'problem')} {'is' if left == 1 else 'are'} left"


def reindex(workspace: Workspace) -> Index:
    """Build the index anew from Git and the disk, and the text index when text is searched; returns
    the index.

    Raises CmgitError when it could not be written.
    """
    index = _built_anew(workspace)
    if not _is_written(workspace, index):
        if os.access(os.path.join(workspace.home, DIRECTORY), os.W_OK):
            raise CmgitError(
                f"the index was not written: {os.strerror(errno.ENOSPC)}: {workspace.home}"
            )
        raise CmgitError(
            f"the index was not written: {workspace.home} cannot be written",
            "set CMGIT_HOME to a directory of your own",
        )
    forget_text(workspace.home)
    return index


def _built_anew(workspace: Workspace) -> Index:
    return refresh(
        workspace.home, workspace.report, Mode(anew=True, publishing=True, jobs=workspace.jobs)
    )


def _is_written(workspace: Workspace, index: Index) -> bool:
    """Whether an index is in the home; else it is in memory only."""
    return index.directory == os.path.join(workspace.home, DIRECTORY)


def check(workspace: Workspace) -> Iterator[Finding]:
    """Verify the home; yields what is wrong, and puts right what is derived.

    Looks at the registry, every repository (refs, and every object reachable from them, hashed
    again), the artifacts that cannot be read, the index against Git, the checksums of the text
    index, the large files of the home, and the check-outs.
    """
    registry = workspace.registry
    for warning in registry.warnings:
        with registry.change():
            pass
        yield Finding("registry", warning, state="repaired")
    for entry in registry.entries:
        workspace.report(f"checking {entry.alias}")
        yield from _check_repository(workspace, entry)
    yield from _check_index(workspace)
    yield from _check_text(workspace)
    yield from _check_large(workspace)
    yield from _check_checkouts(workspace)
    yield from _sweep(workspace)


def _check_repository(workspace: Workspace, entry: Entry) -> Iterator[Finding]:
    try:
        repository = Repository.open(entry.path, entry.alias)
        if os.access(repository.git.git_directory, os.W_OK):
            with repository.locked(wait_seconds=10):
                pass  # finishes what a killed process began
        repository.description()
    except CmgitError as error:
        yield Finding(entry.alias, str(error))
        return
    for name, oid in sorted(repository.git.refs().items()):
        if oid not in repository.git.objects:
            yield Finding(entry.alias, f"{name} points to {oid}, which is missing")
    for problem in _check_objects(repository.git):
        yield Finding(entry.alias, problem)
    repository.git.close()


def _check_objects(git: GitRepository) -> Iterator[str]:
    """Hash every object that the refs reach; the boundary of a shallow clone counts as an end."""
    todo: list[ObjectID] = [oid for oid in git.refs().values() if oid in git.objects]
    seen: set[ObjectID] = set()
    while todo:
        oid = todo.pop()
        if oid in seen:
            continue
        seen.add(oid)
        problems = list(verify(git.objects, [oid]))
        yield from problems
        if not problems:
            todo += links(git, oid)


def _check_index(workspace: Workspace) -> Iterator[Finding]:
    before = workspace.ask(_content)
    fresh = _built_anew(workspace)
    after = _content(fresh)
    if before != after:
        differ = len(set(map(repr, before)) ^ set(map(repr, after)))
        state = "repaired" if _is_written(workspace, fresh) else "wrong"
        records = f"{counted(differ, 'record')} {'was' if differ == 1 else 'were'}"
        yield Finding("index", f"{records} not what Git says", state)
    for repository in fresh.manifest.repositories:
        for _, warning in repository.warnings:
            yield Finding("artifact", warning, state="note")
    uids: dict[str, list[str]] = {}
    names = {repo.number: repo.alias for repo in fresh.manifest.repositories}
    for number, record in fresh.records():
        uids.setdefault(record["uid"], []).append(f"{names[number]}/{record['path']}")
    for uid, places in sorted(uids.items()):
        if len(places) > 1:
            yield Finding(
                "artifact", f"UID {uid} is that of {', '.join(sorted(places))}", state="note"
            )


def _content(index: Index) -> list[tuple[int, str, str]]:
    return sorted((number, r["path"], repr(sorted(r.items()))) for number, r in index.records())


def _check_text(workspace: Workspace) -> Iterator[Finding]:
    problems = list(verify_text(workspace.home))
    state = "repaired"
    try:
        if problems:
            forget_text(workspace.home)
    except OSError:  # where nothing may be written
        state = "wrong"
    for problem in problems:
        yield Finding("text", problem, state)


def _check_large(workspace: Workspace) -> Iterator[Finding]:
    """Hash the contents of large files again. One that is damaged makes room for one that is not."""
    objects = workspace.large.objects
    for oid, found in objects:
        problem = objects.verify(Pointer(oid, found.st_size))
        if problem and Pointer(oid, found.st_size) in objects:
            place = objects.set_aside(oid)
            yield Finding(
                "large file", f"{problem}; now {place}, it is fetched anew when it is needed"
            )


def _check_checkouts(workspace: Workspace) -> Iterator[Finding]:
    directory = os.path.join(workspace.home, "trees")
    stores = []
    for entry in workspace.registry.entries:
        try:
            stores.append(GitRepository.open(entry.path).objects)
        except CmgitError:
            continue
    for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else []:
        path = os.path.join(directory, name)
        if len(name) != 40:
            continue
        store = next((store for store in stores if ObjectID(name) in store), None)
        if store is None or changed_files(store, name, path):
            remove_checkout(path)
            what = "changed" if store else "of no repository any more"
            yield Finding("check-out", f"{path} is {what}; removed", state="repaired")


def _sweep(workspace: Workspace) -> Iterator[Finding]:
    """Remove what killed processes left: clones and markers."""
    repos = os.path.join(workspace.home, "repos")
    for name in sorted(os.listdir(repos)) if os.path.isdir(repos) else []:
        if is_temporary(name):
            key = name[len("tmp-") :]
            with process_lock(os.path.join(workspace.home, "locks", f"pull-{key}")):
                shutil.rmtree(os.path.join(repos, name), ignore_errors=True)
            yield Finding("repos", f"{name} was left by a pull that ended early", state="repaired")
    entries = {str(entry.number): entry for entry in workspace.registry.entries}
    pending = os.path.join(workspace.home, PENDING)
    for name in sorted(os.listdir(pending)):
        entry = entries.get(name)
        if entry is not None:
            with workspace.changing(entry):
                pass
        elif os.path.exists(os.path.join(pending, name)):
            os.unlink(os.path.join(pending, name))
        yield Finding("pending", f"marker {name} was left by a killed process", state="repaired")
