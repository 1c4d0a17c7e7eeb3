"""Where artifacts go: the repository, the directory, a name that is free there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .artifact import Artifact
from .errors import AlreadyExists, CmgitError, NotFound
from .names import Name, by_word, check_alias, parse_object, same_word
from .query import Query
from .registry import LOCAL, Entry
from .repository import Repository
from .workspace import Workspace

_FEW = 20  # artifacts that are asked for one by one


class Target(NamedTuple):
    """Where an artifact shall go: the repository, and the name that it shall have."""

    entry: Entry
    name: Name


def target(workspace: Workspace, words: str, default: Entry | None = None) -> Target:
    """Read ``[repo:][artifact]`` as a place to put something; raises NotFound for the repository.

    Without a repository it is the default one, else ``local``.
    """
    repo, name = parse_object(words)
    if repo or default is None:
        default = workspace.registry.one(repo or LOCAL)
    return Target(default, name)


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


def check_free(repository: Repository, taken: Mapping[str, str], directory: str, name: str) -> None:
    """Raise AlreadyExists for a name that is taken, in any case; ``taken`` has the names that
    are, by what they are compared by."""
    other = taken.get(same_word(name))
    if other is None:
        return
    how = "exists" if other == name else f"differs only in case from {other!r}, which exists"
    raise AlreadyExists(f"{name!r} {how} in {repository.alias}/{directory}", "choose another name")


def free_path(repository: Repository, artifact: Artifact, alias: str) -> str:
    """The path that an artifact gets under a name; raises CmgitError (1) when that is taken."""
    kind = Name(artifact.automation_alias, artifact.automation_uid)
    directory = automation_directory(repository, kind)
    name = check_alias(alias or artifact.uid)
    try:
        taken = by_word(repository.names(directory), {same_word(name)})
        if taken.get(same_word(name)) != artifact.path.rpartition("/")[2] or name in taken.values():
            check_free(repository, taken, directory, name)
    except AlreadyExists as error:
        raise CmgitError(str(error), error.hint) from None
    return f"{directory}/{name}"


def found_at(workspace: Workspace, entry: Entry, places: Mapping[str, str]) -> list[Artifact]:
    """The artifacts that a change has just put to paths of a repository, in their order;
    ``places`` has their UIDs by path.

    Raises NotFound when somebody else moved or removed one in the same moment.
    """
    repo = Name(entry.alias, entry.uid)
    uids = [Name()] if len(places) > _FEW else [Name("", uid) for uid in places.values()]
    found = {
        artifact.path: artifact
        for uid in uids
        for artifact in workspace.found_after(Query(artifact=uid, repo=repo))
    }
    for path in places:
        if path not in found:
            raise NotFound(f"{entry.alias}/{path} is gone: somebody else moved or removed it")
    return [found[path] for path in places]
