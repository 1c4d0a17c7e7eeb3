"""Actions on artifacts."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import Any

from .. import artifacts, history, removed, transfer
from ..errors import NotFound, UsageError, counted
from ..grammar import Input
from ..index.facets import most_frequent
from ..query import Query
from ..store.objects import ObjectID
from ..workspace import Workspace
from .home import ACTIONS as HOME_ACTIONS
from .selection import Action, Output, number, select, select_one, select_past, select_some, targets

SORT_KEYS = ("alias", "uid", "automation_alias", "repo", "path")


def _find(workspace: Workspace, given: Input) -> Output:
    if given.get("by"):
        return {"list": _listed(_counts(workspace, given, str(given["by"])))}
    sort = str(given.get("sort") or "").replace("-", "_")
    text, limit = str(given.get("text") or ""), number(given, "limit")
    found = select(workspace, given, text, None if sort else limit)
    if text and given.get("artifacts"):
        found.sort(key=lambda artifact: -getattr(artifact, "score", 0.0))
    if sort:
        if sort not in SORT_KEYS:
            raise UsageError(f"cannot sort by {sort!r}", f"sort by one of {', '.join(SORT_KEYS)}")
        found.sort(key=lambda artifact: str(getattr(artifact, sort)))
    return {"list": found[:limit]}


def _counts(workspace: Workspace, given: Input, kind: str) -> dict[str, int]:
    """How many of the artifacts that an input names there are of each of a kind."""
    limit = number(given, "limit")
    if not any(given.get(key) for key in ("artifacts", "at", "text")):
        words = [given.get(key) or "" for key in ("automation", "artifact", "tags", "repo")]
        automation, artifact, tags, repo = words
        return workspace.count_by(kind, str(automation), str(artifact), tags, str(repo), limit)
    workspace.count_by(kind, limit=0)  # is there such a kind
    found = select(workspace, given, str(given.get("text") or ""))
    count = Counter(name for artifact in found for name in artifact.facets(kind))
    return dict(most_frequent(count.items())[:limit])


def _listed(counts: dict[str, int]) -> list[Output]:
    return [{"count": count, "name": name} for name, count in counts.items()]


def _tags(workspace: Workspace, given: Input) -> Output:
    words = [given.get(key) or "" for key in ("automation", "tags", "repo")]
    automation, tags, repo = words
    limit, own = number(given, "limit"), bool(given.get("all"))
    return {"list": _listed(workspace.tags(str(automation), tags, str(repo), limit, own))}


def _load(workspace: Workspace, given: Input) -> Output:
    artifact, at = select_one(workspace, given), str(given.get("at") or "")
    return {
        "artifact": artifact,
        "meta": workspace.load(artifact, at),
        "original_meta": workspace.original(artifact, at),
        "path": workspace.directory(artifact, at),
    }


def _add(workspace: Workspace, given: Input) -> Output:
    meta = _meta(given)
    artifact = artifacts.add(
        workspace,
        str(given.get("automation") or ""),
        str(given.get("artifact") or ""),
        given.get("tags") or (),
        meta,
        bool(given.get("yaml")),
        str(given.get("from") or ""),
    )
    return {"artifact": artifact, "path": artifact.path, "uid": artifact.uid}


def _meta(given: Input) -> dict[str, Any]:
    meta = given.get("meta") or {}
    if not isinstance(meta, dict):
        raise UsageError("meta is not a mapping", "write --meta.KEY=VALUE")
    return meta


def _update(workspace: Workspace, given: Input) -> Output:
    try:
        found = select_some(workspace, {**given, "tags": given.get("with_tags") or ""})
    except NotFound:
        if Query.parse("", str(given.get("artifact") or "")).artifact.is_pattern:
            raise
        return {"list": [_add(workspace, given)["artifact"]]}
    return {
        "list": artifacts.update(
            workspace,
            found,
            _meta(given),
            given.get("tags") or (),
            bool(given.get("replace")),
            bool(given.get("replace_lists")),
        )
    }


def _remove(workspace: Workspace, given: Input) -> Output:
    found = select_some(workspace, given)
    if not (given.get("f") or given.get("force")):
        raise UsageError(
            f"{counted(len(found), 'artifact')} would be removed",
            "say -f to remove them without being asked",
        )
    artifacts.remove(workspace, found)
    return {"list": found}


def _move(workspace: Workspace, given: Input) -> Output:
    artifact = select_one(workspace, {**given, "artifacts": []})
    return {"artifact": transfer.move(workspace, artifact, targets(given))}


def _copy(workspace: Workspace, given: Input) -> Output:
    artifact = select_one(workspace, {**given, "artifacts": []})
    return {
        "artifact": transfer.copy(workspace, artifact, targets(given), given.get("new_tags") or ())
    }


def _info(workspace: Workspace, given: Input) -> Output:
    artifact, at = select_one(workspace, given), str(given.get("at") or "")
    repository = workspace.repository(workspace.entry(artifact))
    commit = ObjectID(artifact.commit) if at else None
    return {
        "artifact": artifact,
        "cid": artifact.cid,
        "path": workspace.directory(artifact, at),
        "files": sorted(repository.files(artifact.path, commit)),
    }


def _print_input(workspace: Workspace, given: Input) -> Output:
    return {"input": given}


def _version(workspace: Workspace, given: Input) -> Output:
    from .. import __version__

    return {"version": __version__}


def _where(workspace: Workspace, given: Input) -> Output:
    at = str(given.get("at") or "")
    return {"list": [workspace.directory(found, at) for found in select_some(workspace, given)]}


def _log(workspace: Workspace, given: Input) -> Output:
    changes = history.log(workspace, select_past(workspace, given))
    return {"list": [change.to_dict() for change in islice(changes, number(given, "limit"))]}


def _diff(workspace: Workspace, given: Input) -> Output:
    old, new, *_ = [*map(str, given.get("artifacts") or []), "", ""]
    if not old:
        raise UsageError("a revision is needed", "cmgit diff script NAME OLD NEW")
    artifact = select_past(workspace, {**given, "artifacts": []})
    found = list(history.diff(workspace, artifact, old, new))
    text = b"".join(file.text for file in found).decode("utf-8", "replace")
    return {"diff": text, "list": [file.to_dict() for file in found]}


def _restore(workspace: Workspace, given: Input) -> Output:
    words = [str(given.get(key) or "") for key in ("automation", "artifact", "at")]
    return {"artifact": removed.restore(workspace, *words)}


def _cat(workspace: Workspace, given: Input) -> Output:
    artifact = select_one(workspace, {**given, "artifacts": []})
    file = str((given.get("artifacts") or [""])[0])
    return {"data": history.cat(workspace, artifact, file, str(given.get("at") or ""))}


ACTIONS: dict[str, Action] = {
    "find": _find, "load": _load, "add": _add, "update": _update, "rm": _remove, "mv": _move,
    "cp": _copy, "info": _info, "print_input": _print_input, "version": _version,
    "where": _where, "log": _log, "diff": _diff, "restore": _restore, "cat": _cat,
    "tags": _tags, **HOME_ACTIONS,
}  # fmt: skip
