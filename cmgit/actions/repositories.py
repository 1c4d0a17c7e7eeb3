"""Actions on repositories."""

from __future__ import annotations

from typing import Any

from .. import repositories
from ..errors import NotFound, UsageError
from ..grammar import Input
from ..names import parse_object
from ..pull import pull
from ..workspace import Workspace
from .home import ACTIONS as HOME_ACTIONS
from .selection import Action, Output, number, targets


def select_repositories(workspace: Workspace, given: Input) -> list[dict[str, Any]]:
    """What is known of each repository that an input names, all without a name."""
    name = parse_object(str(given.get("artifact") or "").rstrip(":"))[1]
    return [repositories.describe(workspace, entry) for entry in workspace.registry.find(name)]


def _find_repos(workspace: Workspace, given: Input) -> Output:
    return {"list": select_repositories(workspace, given)}


def _init_repo(workspace: Workspace, given: Input) -> Output:
    entry = repositories.init(
        workspace,
        str(given.get("artifact") or ""),
        str(given.get("path") or given.get("artifact") or "."),
        str(given.get("desc") or ""),
        str(given.get("prefix") or ""),
    )
    return {"alias": entry.alias, "uid": entry.uid, "path": entry.path}


def _pull_repo(workspace: Workspace, given: Input) -> Output:
    entry = pull(
        workspace,
        str(given.get("artifact") or ""),
        str(given.get("url") or ""),
        str(given.get("branch") or ""),
        str(given.get("checkout") or ""),
        number(given, "depth", least=1),
        str(given.get("from") or ""),
        bool(given.get("offline")),
    )
    if given.get("lfs"):
        workspace.large.provide_all(workspace.repository(entry))
    return {"alias": entry.alias, "uid": entry.uid, "path": entry.path}


def _remove_repo(workspace: Workspace, given: Input) -> Output:
    name, everything = str(given.get("artifact") or ""), bool(given.get("all"))
    lost = repositories.loss(workspace, name) if everything else repositories.Loss()
    words = str(lost)
    if everything and not (given.get("f") or given.get("force")):
        raise UsageError(
            f"the files of {name} would be deleted{words and f', with {words}'}",
            "say -f to delete them without being asked",
        )
    gone = repositories.remove(workspace, name, everything)
    return {
        "list": [entry.alias for entry in gone],
        "uncommitted": lost.files,
        "unpushed": lost.commits,
    }


def _show_repos(workspace: Workspace, given: Input) -> Output:
    found = select_repositories(workspace, given)
    if not found:
        raise NotFound(f"repository {given.get('artifact')!r} not found", "see 'cmgit find repo'")
    return {"list": found}


def _where_repo(workspace: Workspace, given: Input) -> Output:
    return {"list": [repo["path"] for repo in _show_repos(workspace, given)["list"]]}


def _update_repo(workspace: Workspace, given: Input) -> Output:
    name = str(given.get("artifact") or "")
    entry = repositories.update(workspace, name, str(given.get("desc") or ""))
    return {"alias": entry.alias, "uid": entry.uid}


def _checkout_repo(workspace: Workspace, given: Input) -> Output:
    entry = repositories.checkout(workspace, str(given.get("artifact") or ""), targets(given))
    return {"alias": entry.alias, "path": entry.path}


def _detect_repo(workspace: Workspace, given: Input) -> Output:
    path = str(given.get("path") or ".")
    entry = repositories.detect(workspace, path)
    if entry is None:
        raise NotFound(f"{path} is in no registered repository", "'cmgit init repo' makes it one")
    return {"alias": entry.alias, "uid": entry.uid, "path": entry.path}


ACTIONS: dict[str, Action] = {
    "find": _find_repos, "show": _show_repos, "where": _where_repo, "init": _init_repo,
    "add": _init_repo, "pull": _pull_repo, "rm": _remove_repo, "update": _update_repo,
    "checkout": _checkout_repo, "detect": _detect_repo, "info": _show_repos,
    **HOME_ACTIONS,
}  # fmt: skip
