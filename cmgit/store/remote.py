"""Where repositories come from: URLs, paths and installed Python packages."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

from ..errors import Damaged, NotFound, Unsupported, UsageError
from . import git_program
from .address import Source, parse_source
from .commits import Signature
from .formats import refuse_unsupported
from .git import GitRepository
from .local_packs import copy_packs
from .login import Login, given_login, stored_login
from .objects import EXECUTABLE, FILE, ObjectID, TreeEntry
from .quarantine import Quarantine
from .ref_files import git_directory, read_refs
from .transport import (
    Fetched,
    Incoming,
    Interrupted,
    LoginNeeded,
    Progress,
    asked_for_git,
    check_online,
    chosen,
    copy_shallow,
    fetched,
)
from .trees import edit

__all__ = [
    "REMOTE_REFS", "Fetched", "Source", "advertised", "clone", "fetch", "logged_in", "package_directory", "parse_source",
    "receive", "snapshot",
]  # fmt: skip

REMOTE_REFS = "refs/remotes/origin/"
_SNAPSHOT = Signature("cmgit", "cmgit@localhost", 315532800)  # the content alone decides the id
_LEFT_OUT = ("__pycache__", ".git")

T = TypeVar("T")


def advertised(source: Source) -> Fetched:
    """What the other side has now. Raises RemoteError, without any secret in the message."""
    plain = read_refs(git_directory(source.path)) if source.path and not asked_for_git() else None
    if plain is not None:
        return fetched(plain.refs.items(), plain.head)
    transport, program = chosen()
    return logged_in(source, program, partial(transport.advertised, source))


def fetch(
    git: GitRepository,
    source: Source,
    depth: int | None = None,
    progress: Progress | None = None,
) -> Fetched:
    """Bring every branch and tag of the source into a repository, as ``refs/remotes/origin/*``.

    Objects are hashed as they arrive. Raises RemoteError, without any secret in the message.
    """
    got = receive(git, source, depth, progress)
    with git.foreign_locks():
        _track(git, got.refs)
    return got


def receive(
    git: GitRepository,
    source: Source,
    depth: int | None = None,
    progress: Progress | None = None,
) -> Fetched:
    """Bring the objects of every ref of the source into a repository, and move no ref.

    What comes is in quarantine until it is whole: every object hashed, all that one refers to
    there, nothing that was advertised missing. Then it is made durable. Call it with the
    repository's lock held. Raises RemoteError.
    """
    place = os.path.join(git.private_directory, "incoming")
    shutil.rmtree(place, ignore_errors=True)  # of a killed process
    incoming = Incoming(git, place, depth)
    try:
        got = _bring(incoming, source, progress)
        if incoming.begun:
            incoming.quarantine.move_objects()
        if incoming.shallow:
            copy_shallow(incoming.quarantine.path, git.common_directory)
    finally:
        incoming.close()
        shutil.rmtree(place, ignore_errors=True)
    return got


def clone(
    source: Source,
    place: str,
    complete: Callable[[Quarantine, Fetched], None],
    progress: Progress | None = None,
) -> Fetched:
    """Make a directory a bare repository with all that the source has, checked as :func:`receive`
    does; ``complete`` gives it its refs. Raises RemoteError, and leaves what there is then."""
    incoming = Incoming(None, place)
    try:
        got = _bring(incoming, source, progress)
        complete(incoming.quarantine, got)
    finally:
        incoming.close()
    return got


def _bring(incoming: Incoming, source: Source, progress: Progress | None) -> Fetched:
    """What the source has, once all of it that is not here is in quarantine, and whole."""
    if source.path and os.path.isdir(source.path):
        refuse_unsupported(source.path, partial=True)
    transport, program = chosen()
    try:
        got = copy_packs(source, incoming, program) or logged_in(
            source, program, lambda login: transport.fetch(source, incoming, login, progress)
        )
        _check(incoming, got, program)
    except Damaged as error:
        text = f"{source.url}: {error}"
        raise Interrupted(text, "try again; what stays so, is there") from None
    return got


def logged_in(source: Source, program: str, call: Callable[[Login | None], T]) -> T:
    """Call with the login that is given in an address or the environment; when that is not enough,
    with the one that Git keeps."""
    check_online(source)
    login = given_login(source)
    try:
        return call(login)
    except LoginNeeded:
        stored = stored_login(source, program)
        if stored is None or stored == login:
            raise
        return call(stored)


def _check(incoming: Incoming, got: Fetched, program: str) -> None:
    """Raise Damaged when something is missing."""
    there = (
        incoming.git.objects
        if incoming.git and not incoming.begun
        else incoming.quarantine.git.objects
    )
    for name, oid in got.refs.items():
        if oid not in there:
            raise Damaged(f"{name} ({oid}) was not sent")
    if incoming.begun and not incoming.quarantine.connected:
        _check_connected(incoming, got, program)


def _check_connected(incoming: Incoming, got: Fetched, program: str) -> None:
    """Raise Damaged when something is missing between what was there and what is now."""
    old = set(incoming.git.refs().values()) if incoming.git else set()
    words = [*sorted(set(got.refs.values()) - old), *(f"^{oid}" for oid in old), ""]
    done = git_program.run(
        program,
        ["rev-list", "--objects", "--quiet", "--stdin", "--ignore-missing"],
        incoming.quarantine.path,
        "\n".join(words),
    )
    if done.code:
        raise Damaged(f"objects are missing: {done.complaint}")


def _raw(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _track(git: GitRepository, refs: Mapping[str, ObjectID]) -> None:
    container = git.dulwich.refs
    for name in git.refs():  # first, since a branch x may have become x/y
        if name.startswith(REMOTE_REFS) and f"refs/heads/{name[len(REMOTE_REFS) :]}" not in refs:
            container.remove_if_equals(_raw(name), None)  # type: ignore[arg-type]
    for name, oid in refs.items():
        if name.startswith("refs/heads/"):
            container[_raw(REMOTE_REFS + name[11:])] = oid.encode()  # type: ignore[index,assignment]
        elif name.startswith("refs/tags/"):
            container[_raw(name)] = oid.encode()  # type: ignore[index,assignment]


# -- installed packages ------------------------------------------------------------------------


def package_directory(name: str) -> str:
    """The directory of an installed package that carries a ``cmr.yaml``, at its top or in
    ``repo``, where CM looks too; nothing is imported.

    Raises NotFound when there is no such package or it is no repository.
    """
    if not re.fullmatch(r"\w[\w-]*", name):
        raise UsageError(f"{name!r} is not the name of a Python package")
    spec = importlib.util.find_spec(name.replace("-", "_"))
    for top in (spec.submodule_search_locations or []) if spec else []:
        for directory in (top, os.path.join(top, "repo")):
            if any(os.path.isfile(os.path.join(directory, f)) for f in ("cmr.yaml", "cmr.json")):
                return directory
    what = "carries no cmr.yaml" if spec else "is not installed beside cmgit"
    raise NotFound(f"the Python package {name!r} {what}", f"pip install {name}")


def snapshot(git: GitRepository, directory: str, message: str) -> ObjectID:
    """Put and flush a directory as a commit without parents, whose id depends on the content
    and the message only. Compiled Python files are left out."""
    edits: dict[str, TreeEntry | None] = {}
    for parent, directories, files in os.walk(directory):
        directories[:] = sorted(d for d in directories if d not in _LEFT_OUT)
        below = os.path.relpath(parent, directory)
        for name in sorted(files):
            path = os.path.join(parent, name)
            if name.endswith(".pyc") or os.path.islink(path):
                continue
            with open(path, "rb") as file:
                oid = git.objects.put("blob", file.read())
            place = name if below == "." else "/".join([*below.split(os.sep), name])
            mode = EXECUTABLE if os.stat(path).st_mode & 0o100 else FILE
            edits[place] = TreeEntry(mode, oid)
    if not edits:
        raise Unsupported(f"{directory} holds no files")
    commit = git.commit(edit(git.objects, "", edits), (), message, by=_SNAPSHOT)
    git.objects.flush()
    return commit
