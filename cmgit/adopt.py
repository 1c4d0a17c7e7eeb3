"""Moving in: what a home of CM or MLC holds is registered where it is, and stays as it is.

CM keeps ``repos.json``, a list of paths, in ``$CM_REPOS`` or ``~/CM``, beside the directory ``repos``
that relative ones are below; MLC keeps it in ``$MLC_REPOS`` or ``~/MLC/repos``, among the
repositories.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import NamedTuple

import orjson

from .errors import CmgitError, MetaError, NotFound, UsageError
from .index.record import digest
from .names import Name, check_alias, same_word
from .registry import WORKING, Entry, Registry
from .repository import Repository
from .workspace import Workspace

FILE = "repos.json"
NEW, SAME, FAILED = "new", "same", "failed"


class Home(NamedTuple):
    """A home of another tool: the directory with its ``repos.json``, and whose it is."""

    path: str
    tool: str  # cm or mlc


class Adopted(NamedTuple):
    """How it went with one repository of such a home."""

    path: str
    state: str
    alias: str = ""
    uid: str = ""
    problem: str = ""
    hint: str = ""
    git: bool = True  # whether it is a Git repository; others are only read


def usual_homes(environ: Mapping[str, str]) -> list[Home]:
    """The homes of CM and MLC that are where those look for them. Raises NotFound for none."""
    cm = environ.get("CM_REPOS", "").strip() or "~/CM"
    mlc = environ.get("MLC_REPOS", "").strip() or os.path.join("~", "MLC", "repos")
    places = [Home(os.path.expanduser(cm), "cm"), Home(os.path.expanduser(mlc), "mlc")]
    found = [home for home in places if os.path.isfile(os.path.join(home.path, FILE))]
    if not found:
        names = " or ".join(os.path.join(home.path, FILE) for home in places)
        raise NotFound(f"no {names}", "name the home: cmgit adopt PATH")
    return found


def home_at(path: str) -> Home:
    """The home of CM or MLC at a path (of MLC also the directory above). Raises NotFound."""
    path = os.path.abspath(os.path.expanduser(path))
    if os.path.isfile(os.path.join(path, FILE)):
        of_mlc = os.path.isfile(os.path.join(path, "local", "meta.yaml"))
        return Home(path, "mlc" if of_mlc else "cm")
    if os.path.isfile(os.path.join(path, "repos", FILE)):
        return Home(os.path.join(path, "repos"), "mlc")
    raise NotFound(f"{path} is no home of CM or MLC: it has no {FILE}", "cmgit adopt ~/CM")


def adopt(workspace: Workspace, homes: list[Home], dry: bool = False) -> list[Adopted]:
    """Register every repository of these homes where it is, and change nothing there; tells how it
    went with each. A name or UID that is taken is replaced by one of its own. With ``dry`` nothing
    is registered.

    Raises MetaError when a ``repos.json`` cannot be read; then nothing is registered.
    """
    paths = [(home, path) for home in homes for path in _listed(home)]
    if dry:
        return list(_registered(workspace.registry, paths))
    with workspace.registry.change() as registry:
        adopted = list(_registered(registry, paths))
    workspace.index()
    return adopted


def _listed(home: Home) -> list[str]:
    """The directories that a home lists, and ``local`` first, which counts in any case."""
    file = os.path.join(home.path, FILE)
    try:
        with open(file, "rb") as stream:
            value = orjson.loads(stream.read())
    except OSError as error:
        raise NotFound(f"{file}: {error.strerror}") from None
    except ValueError as error:
        raise MetaError(f"{file} is damaged: {error}", "mend it, or make it anew") from None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise MetaError(f"{file} is no list of paths")
    paths = [item.strip() for item in value if item.strip()]
    top = os.path.join(home.path, "repos") if home.tool == "cm" else home.path
    local = os.path.join(top, "local")
    paths = [local, *paths] if os.path.isdir(local) else paths
    return list(dict.fromkeys(os.path.normpath(os.path.join(top, path)) for path in paths))


def _registered(registry: Registry, paths: list[tuple[Home, str]]) -> Iterator[Adopted]:
    known = {os.path.realpath(entry.path): entry for entry in registry.entries}
    for home, path in paths:
        entry = known.get(os.path.realpath(path))
        if entry is not None:
            yield Adopted(path, SAME, entry.alias, entry.uid)
            continue
        try:
            entry = _register(registry, home, path)
        except CmgitError as error:
            yield Adopted(path, FAILED, problem=str(error), hint=error.hint)
        else:
            known[os.path.realpath(path)] = entry
            git = os.path.lexists(os.path.join(path, ".git"))
            yield Adopted(path, NEW, entry.alias, entry.uid, git=git)


def _register(registry: Registry, home: Home, path: str) -> Entry:
    repository = Repository.open(path)
    with closing(repository.git):
        if not repository.working:
            raise UsageError(f"{path} is a bare repository", f"cmgit pull repo --url={path}")
        said = repository.description()
    alias, uid = said.alias or os.path.basename(path), said.uid or digest(path.encode())
    name = _free(registry, Name(alias, uid), home, path)
    check_alias(name.alias)
    return registry.add(Entry(0, name.alias, name.uid, WORKING, path))


def _free(registry: Registry, name: Name, home: Home, path: str) -> Name:
    """The name, or where another repository has it one that follows from the home: each tool has a
    ``local``, and the same repository may be in several homes."""
    alias, uid = name.alias, name.uid
    if any(same_word(entry.alias) == same_word(alias) for entry in registry.entries):
        alias = f"{home.tool}-{alias}"
    if any(entry.uid == uid for entry in registry.entries):
        uid = digest(path.encode())
    return Name(alias, uid)
