"""Actions on a home as a whole, or on one of its repositories."""

from __future__ import annotations

from .. import artifacts, check, space
from ..ages import parse_age
from ..grammar import Input
from ..workspace import Workspace
from .selection import Action, Output


def _save(workspace: Workspace, given: Input) -> Output:
    repo = str(given.get("repo") or given.get("artifact") or "")
    message = str(given.get("message") or given.get("m") or "")
    return {"paths": artifacts.save(workspace, repo, message)}


def _reindex(workspace: Workspace, given: Input) -> Output:
    index = check.reindex(workspace)
    count = index.count
    return {"artifacts": count, "repositories": len(index.manifest.repositories)}


def _du(workspace: Workspace, given: Input) -> Output:
    name = str(given.get("artifact") or "")
    found = [use.to_dict() for use in space.use_of_repositories(workspace, name)]
    home = {} if name else {"home": space.use_of_home(workspace).to_dict()}
    return {"list": found, **home}


def _gc(workspace: Workspace, given: Input) -> Output:
    grace = given.get("grace")
    seconds = space.GRACE if grace is None else parse_age(str(grace))
    freed = list(space.gc(workspace, bool(given.get("dry_run")), seconds))
    return {"list": [item.to_dict() for item in freed], "bytes": sum(f.bytes for f in freed)}


def _check(workspace: Workspace, given: Input) -> Output:
    found = list(check.check(workspace))
    left = sum(finding.state == "wrong" for finding in found)
    failed = {"return": 1, "error": check.verdict(left), "hint": ""} if left else {}
    return {**failed, "list": [finding._asdict() for finding in found]}


ACTIONS: dict[str, Action] = {
    "save": _save, "reindex": _reindex, "check": _check, "du": _du, "gc": _gc,
}  # fmt: skip
