"""The CM door: ``access(input) -> dict``. The only place where errors become return codes.

The input has the keys of the command line: ``action``, ``automation``, ``artifact``, ``artifacts``
and the flags. The answer has ``return`` (0 is success) and, on failure, ``error`` and ``hint``.
"""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from itertools import islice
from shlex import split
from typing import Any

from . import artifacts, check, history, removed, repositories, space, transfer
from .artifact import Artifact
from .errors import ActionNotFound, AutomationNotFound, CmgitError, NotFound, UsageError
from .grammar import Input, parse_words
from .index.facets import most_frequent
from .names import parse_object
from .query import Query
from .store.objects import ObjectID
from .workspace import Workspace

Output = dict[str, Any]
Action = Callable[[Workspace, Input], Output]


def access(
    request: Mapping[str, Any] | str | Sequence[str], workspace: Workspace | None = None
) -> Output:
    """Run one action, given as a dict, a command line or its words; never raises a CmgitError.

    Artifacts in the answer are :class:`~cmgit.artifact.Artifact` objects, or plain dicts when the
    input asks for ``out: json``.
    """
    try:
        if isinstance(request, str):
            request = _split(request)
        given = dict(request) if isinstance(request, Mapping) else parse_words(request)
        output = run(workspace or Workspace(), given)
        return {"return": 0, **(plain(output) if given.get("out") == "json" else output)}
    except CmgitError as error:
        return failure(error)
    except (TypeError, ValueError) as error:  # a value of a kind that no action takes
        return failure(UsageError(f"the input makes no sense: {error}"))
    except OSError as error:
        return {"return": 1, "error": f"{error.filename or ''}: {error.strerror}", "hint": ""}


def _split(line: str) -> list[str]:
    try:
        return split(line)
    except ValueError as error:
        raise UsageError(f"the command line {line!r} makes no sense: {error}") from None


def failure(error: CmgitError) -> Output:
    """The answer that an error becomes."""
    return {"return": error.code, "error": str(error), "hint": error.hint}


def run(workspace: Workspace, given: Input) -> Output:
    """Run the action of an input; raises CmgitError."""
    action = str(given.get("action") or "").replace("-", "_")
    automation = str(given.get("automation") or "")
    name = ALIASES.get(action, action)
    table = REPOSITORY_ACTIONS if is_repo(automation) else ARTIFACT_ACTIONS
    if name not in table:
        from difflib import get_close_matches

        close = get_close_matches(name, [*table, *ALIASES], 1)
        raise ActionNotFound(
            f"action {action!r} not found for automation {automation or 'none'!r}",
            f"did you mean {close[0]!r}?" if close else "see 'cmgit --help'",
        )
    return table[name](workspace, given)


def is_repo(automation: str) -> bool:
    """Whether an automation is CM's ``repo``, that of repositories; raises UsageError."""
    name = Query.parse(automation).automation
    return name.accepts("repo", "55c3e27e8a140e48") and not name.is_pattern


def plain(output: Output) -> Output:
    """The answer of an action in values that JSON has; bytes that are no UTF-8 text become
    ``{"base64": …}``."""
    return {key: _plain(value) for key, value in output.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Artifact):
        return value.to_dict()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"base64": b64encode(value).decode("ascii")}
    return value


# -- selecting ------------------------------------------------------------------------------------


def select(
    workspace: Workspace, given: Input, text: str = "", limit: int | None = None
) -> list[Artifact]:
    """The artifacts that an input names: each of its names, or all that match without any; of
    each name those that have the words of a text, best first, and at most so many."""
    names = [str(given.get("artifact") or ""), *map(str, given.get("artifacts") or [])]
    found: dict[tuple[int, str], Artifact] = {}
    for name in names:
        for artifact in workspace.find(
            str(given.get("automation") or ""),
            name,
            given.get("tags") or (),
            str(given.get("repo") or ""),
            str(given.get("at") or ""),
            text,
            limit,
        ):
            found[artifact.number, artifact.path] = artifact
    return list(found.values())


def select_one(workspace: Workspace, given: Input) -> Artifact:
    """The one artifact that an input names; raises NotFound or AmbiguousError."""
    automation, artifact = (str(given.get(key) or "") for key in ("automation", "artifact"))
    found = select(workspace, given)
    return workspace.only(found, automation, artifact, given.get("tags") or ())


def select_past(workspace: Workspace, given: Input) -> Artifact:
    """The one artifact that an input names, or else the one that had the name last, though it was
    removed or renamed; raises what select_one raises when there never was one."""
    try:
        return select_one(workspace, given)
    except (NotFound, AutomationNotFound):
        automation, artifact, at = (
            str(given.get(key) or "") for key in ("automation", "artifact", "at")
        )
        if not artifact or given.get("tags"):
            raise
        with suppress(NotFound):
            return removed.find(workspace, automation, artifact, at)
        raise


def select_some(workspace: Workspace, given: Input) -> list[Artifact]:
    """The artifacts that an input names, at least one; raises NotFound.

    An input that names nothing at all is refused: it would mean everything.
    """
    if not any(given.get(key) for key in ("artifact", "artifacts", "tags")):
        raise UsageError("no artifact was named", "write '*' to mean all of them")
    found = select(workspace, given)
    if not found:
        automation, artifact = (str(given.get(key) or "") for key in ("automation", "artifact"))
        hint = workspace.suggestion(automation, artifact, given.get("tags") or ())
        raise NotFound(f"no artifact matches {f'{automation} {artifact}'.strip()!r}", hint)
    return found


def targets(given: Input) -> str:
    """The second name of a move or copy."""
    others = given.get("artifacts") or []
    if len(others) != 1:
        raise UsageError("two names are needed: what, and where to", "cmgit mv script OLD NEW")
    return str(others[0])


def _number(given: Input, key: str, least: int = 0) -> int | None:
    """A whole number of an input, None when it was not given; raises UsageError for another."""
    value = given.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not str(value).isdecimal() or int(value) < least:
        raise UsageError(f"{key} {value!r} is not a number from {least} on")
    return int(value)


# -- actions on artifacts -------------------------------------------------------------------------


SORT_KEYS = ("alias", "uid", "automation_alias", "repo", "path")


def _find(workspace: Workspace, given: Input) -> Output:
    if given.get("by"):
        return {"list": _listed(_counts(workspace, given, str(given["by"])))}
    sort = str(given.get("sort") or "").replace("-", "_")
    text, limit = str(given.get("text") or ""), _number(given, "limit")
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
    limit = _number(given, "limit")
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
    limit, own = _number(given, "limit"), bool(given.get("all"))
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
            f"{len(found)} artifacts would be removed", "say -f to remove them without being asked"
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
    from . import __version__

    return {"version": __version__}


def _save(workspace: Workspace, given: Input) -> Output:
    repo = str(given.get("repo") or given.get("artifact") or "")
    message = str(given.get("message") or given.get("m") or "")
    return {"paths": artifacts.save(workspace, repo, message)}


def _where(workspace: Workspace, given: Input) -> Output:
    at = str(given.get("at") or "")
    return {"list": [workspace.directory(found, at) for found in select_some(workspace, given)]}


def _log(workspace: Workspace, given: Input) -> Output:
    changes = history.log(workspace, select_past(workspace, given))
    return {"list": [change.to_dict() for change in islice(changes, _number(given, "limit"))]}


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
    from .mirror.verify import parse_age

    grace = given.get("grace")
    seconds = space.GRACE if grace is None else parse_age(str(grace))
    freed = list(space.gc(workspace, bool(given.get("dry_run")), seconds))
    return {"list": [item.to_dict() for item in freed], "bytes": sum(f.bytes for f in freed)}


def _check(workspace: Workspace, given: Input) -> Output:
    found = list(check.check(workspace))
    left = sum(finding.state == "wrong" for finding in found)
    failed = {"return": 1, "error": check.verdict(left), "hint": ""} if left else {}
    return {**failed, "list": [asdict(finding) for finding in found]}


# -- actions on repositories ----------------------------------------------------------------------


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
    entry = repositories.pull(
        workspace,
        str(given.get("artifact") or ""),
        str(given.get("url") or ""),
        str(given.get("branch") or ""),
        str(given.get("checkout") or ""),
        _number(given, "depth", least=1),
        str(given.get("from") or ""),
        bool(given.get("offline")),
    )
    if given.get("lfs"):
        workspace.large.provide_all(workspace.repository(entry))
    return {"alias": entry.alias, "uid": entry.uid, "path": entry.path}


def _remove_repo(workspace: Workspace, given: Input) -> Output:
    name, everything = str(given.get("artifact") or ""), bool(given.get("all"))
    lost = repositories.uncommitted(workspace, name) if everything else 0
    if everything and not (given.get("f") or given.get("force")):
        raise UsageError(
            f"the files of {name} would be deleted, {lost} that no commit has",
            "say -f to delete them without being asked",
        )
    gone = repositories.remove(workspace, name, everything)
    return {"list": [entry.alias for entry in gone], "uncommitted": lost}


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


ALIASES = {
    "search": "find", "ls": "find", "list": "find", "delete": "rm", "move": "mv", "ren": "mv",
    "rename": "mv", "copy": "cp", "show": "info",
}  # fmt: skip

ARTIFACT_ACTIONS: dict[str, Action] = {
    "find": _find, "load": _load, "add": _add, "update": _update, "rm": _remove, "mv": _move,
    "cp": _copy, "info": _info, "save": _save, "print_input": _print_input, "version": _version,
    "where": _where, "log": _log, "diff": _diff, "restore": _restore, "cat": _cat,
    "reindex": _reindex, "check": _check, "tags": _tags, "du": _du, "gc": _gc,
}  # fmt: skip

REPOSITORY_ACTIONS: dict[str, Action] = {
    "find": _find_repos, "show": _show_repos, "where": _where_repo, "init": _init_repo,
    "add": _init_repo, "pull": _pull_repo, "rm": _remove_repo, "update": _update_repo,
    "checkout": _checkout_repo, "detect": _detect_repo, "info": _show_repos,
    "reindex": _reindex, "save": _save, "check": _check, "du": _du, "gc": _gc,
}  # fmt: skip
