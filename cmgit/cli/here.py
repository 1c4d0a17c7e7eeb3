"""``.`` in a name: the automation, artifact or repository of the current directory.

Each function reads one word of a command line; a word without ``.`` comes back as it is.
"""

from __future__ import annotations

import os

from .. import repositories
from ..artifact import Artifact
from ..errors import NotFound
from ..names import Name
from ..query import Query
from ..registry import Entry
from ..workspace import Workspace
from .output import open_workspace

HERE = "."


def automation(word: str) -> str:
    """An automation: ``.`` is that of the current directory, ``.:NAME`` is in its repository."""
    if word != HERE:
        return _in_repository(word)
    artifact = _first_below(open_workspace(), levels=1, what="automation")
    return str(Name(artifact.automation_alias, artifact.automation_uid))


def artifact(word: str) -> str:
    """An artifact: ``.`` is that of the current directory, ``.:NAME`` is in its repository."""
    if word != HERE:
        return _in_repository(word)
    workspace = open_workspace()
    found = _first_below(workspace, levels=2, what="artifact")
    return f"{workspace.entry(found).name}:{Name(found.alias, found.uid)}"


def repository(word: str) -> str:
    """A repository: ``.`` is that of the current directory."""
    return _entry(open_workspace()).name if word.rstrip(":") == HERE else word


def _in_repository(word: str) -> str:
    if not word.startswith(f"{HERE}:"):
        return word
    return _entry(open_workspace()).name + word[len(HERE) :]


def _entry(workspace: Workspace) -> Entry:
    entry = repositories.detect(workspace, HERE)
    if entry is None:
        raise NotFound(
            f"'.': {os.getcwd()} is in no registered repository", "'cmgit init repo' makes it one"
        )
    return entry


def _first_below(workspace: Workspace, levels: int, what: str) -> Artifact:
    """The first artifact at or below the directory that is ``levels`` deep on the way from the
    repository's top to here; raises NotFound."""
    entry = _entry(workspace)
    inside = os.path.relpath(os.path.realpath(HERE), os.path.realpath(entry.path))
    parts = inside.split(os.sep)
    prefix = workspace.repository(entry).description().prefix
    depth = levels + (len(prefix.split("/")) if prefix else 0)
    for found in workspace.find(Query(repo=Name(entry.alias, entry.uid))):
        if len(parts) >= depth and found.path.split("/")[:depth] == parts[:depth]:
            return found
    raise NotFound(f"'.': {os.getcwd()} is not in the directory of an {what}", "name it")
