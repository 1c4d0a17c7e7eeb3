"""Commands on artifacts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import orjson
import typer

from .. import actions, artifacts
from ..actions.artifacts import SORT_KEYS
from ..actions.selection import select_one, select_some
from ..artifact import Artifact
from ..errors import NotFound, UsageError
from ..grammar import Input, set_flag
from ..index.facets import KINDS
from ..names import ANY, parse_object
from ..registry import LOCAL
from ..workspace import Workspace
from . import here
from .app import app, finish
from .complete import complete_repo
from .keep import keep
from .options import (
    AUTOMATION,
    Artifacts,
    At,
    Automation,
    Free,
    Json,
    OneArtifact,
    Out,
    Repo,
    Tags,
)
from .output import confirm, open_workspace, out
from .short.text import BEST, MORE

if TYPE_CHECKING:
    from ..text.ranked import Ranked


@app.command(
    "find",
    epilog="Examples: cmgit find script --tags=detect,os; cmgit find '*' --count --by=repo; "
    "cmgit find --text='image classification onnx'",
)
def find(
    automation: Annotated[str | None, AUTOMATION] = None,
    names: Artifacts = None,
    tags: Tags = "",
    text: Annotated[
        str, typer.Option(help="Words of alias, tags, name, description and README; best first.")
    ] = "",
    repo: Repo = "",
    at: At = "",
    limit: Annotated[int | None, typer.Option(min=0, help="At most this many.")] = None,
    count: Annotated[bool, typer.Option("--count", help="Only how many there are.")] = False,
    by: Annotated[str, typer.Option(help=f"Count each: one of {', '.join(KINDS)}.")] = "",
    sort: Annotated[str, typer.Option(help=f"By one of: {', '.join(SORT_KEYS)}.")] = "",
    path: Annotated[bool, typer.Option("--path", help="Print directories, as cm does.")] = False,
    snippets: Annotated[
        bool | None,
        typer.Option(
            "--snippets/--no-snippets",
            help="What was found of --text, below each; the default on a terminal.",
        ),
    ] = None,
    json: Json = False,
    out_format: Out = "",
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail when nothing is found or something is broken.")
    ] = False,
) -> None:
    """Find artifacts (also: search, ls, list). Prints the words that name each."""
    if automation is None and not (text or by):
        raise UsageError("Missing argument 'AUTOMATION', or --text", "cmgit find '*' finds all")
    workspace = open_workspace()
    given = _given(
        automation or "", names, tags=tags, repo=repo, at=at, sort=sort, text=text, by=by
    )
    best = BEST if text and limit is None and not (count or sort or by) else None
    given["limit"] = best + 1 if best else limit
    found = actions.run(workspace, {"action": "find", **given})["list"]
    if best and len(found) > best:
        out.note(MORE)
        del found[best:]
    warnings = _warn(workspace, repo, names or [])
    if by:
        out.counts(found, json, out_format)
    elif count:
        out.line(str(len(found)))
    elif out_format == "json":
        out.answer({"return": 0, "list": found})
    elif json:
        out.data(b"".join(_json_line(artifact) for artifact in found))
    elif path:
        out.lines(workspace.directory(artifact, at) for artifact in found)
    elif text and (out.on_terminal if snippets is None else snippets):
        out.lines(_with_snippet(artifact) for artifact in found)
    else:
        out.lines(artifact.name for artifact in found)
    if not found and not text and out.asked_by_person:
        _ask(workspace, given)
    if strict:
        finish(_strict_code(found, warnings))


@app.command(
    "tags", epilog="Examples: cmgit tags script --limit=20; cmgit tags script --tags=detect"
)
def show_tags(
    automation: Annotated[str, AUTOMATION] = "",
    tags: Tags = "",
    repo: Repo = "",
    limit: Annotated[int | None, typer.Option(min=0, help="At most this many.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also those asked for, which all have.")
    ] = False,
    json: Json = False,
    out_format: Out = "",
) -> None:
    """List the tags by which artifacts can be narrowed: how many have each, the most frequent first."""
    workspace = open_workspace()
    given = _given(automation, None, tags=tags, repo=repo, all=everything)
    given["limit"] = limit
    found = actions.run(workspace, {"action": "tags", **given})["list"]
    _warn(workspace, repo, [])
    out.counts(found, json, out_format)


def _warn(workspace: Workspace, repo: str, names: list[str]) -> list[str]:
    """Say what could not be read, and what is named that is not there; returns the former."""
    _warn_of_unknown_repositories(workspace, [repo and f"{repo.rstrip(':')}:", *names])
    warnings = workspace.warnings(parse_object(repo.rstrip(":"))[1] if repo else ANY)
    for warning in warnings:
        out.warn(warning)
    return warnings


def _ask(workspace: Workspace, given: Input) -> None:
    """Ask what may have been meant by what finds nothing."""
    words = [given["automation"], given.get("artifact", ""), given.get("tags", "")]
    question = workspace.suggestion(*words)
    if question.startswith("did you mean"):
        out.note(question)


def _with_snippet(artifact: Ranked) -> str:
    snippet = artifact.found.marked(*out.bold)
    return artifact.name + (f"\n    {snippet}" if snippet else "")


def _warn_of_unknown_repositories(workspace: Workspace, names: list[str]) -> None:
    """Say which repositories of the names there are none of: nothing found is no error."""
    for name in names:
        repo = parse_object(name)[0]
        if repo and not workspace.registry.find(repo):
            out.warn(f"no repository is called {str(repo)!r}; see 'cmgit find repo'")


def _strict_code(found: list[Artifact], warnings: list[str]) -> int:
    if not found:
        return NotFound.code
    return 4 if warnings else 0


def _json_line(artifact: Artifact) -> bytes:
    return orjson.dumps(artifact, default=lambda a: a.to_dict(), option=_ARTIFACT_JSON)


_ARTIFACT_JSON = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_APPEND_NEWLINE


def _given(automation: str, names: list[str] | None, **values: Any) -> Input:
    names = names or []
    given: Input = {"automation": automation, **{k: v for k, v in values.items() if v}}
    if names:
        given["artifact"] = names[0]
    if names[1:]:
        given["artifacts"] = names[1:]
    return given


def free_flags(context: typer.Context) -> Input:
    """The flags that Typer does not know, read by CM's grammar; only ``meta`` is allowed."""
    result: Input = {}
    for word in context.args:
        if not word.startswith("--"):
            raise UsageError(f"{word!r} is one name too many")
        set_flag(result, word)
    unknown = [key for key in result if key != "meta"]
    if unknown:
        raise UsageError(
            f"no such option: --{unknown[0]}", "values for the meta are --meta.KEY=VALUE"
        )
    return result


def answer(action: str, given: Input) -> NoReturn:
    """Run an action, print its whole return dict as JSON, and end with its code: what
    ``--out=json`` asks for."""
    output = {"return": 0, **actions.run(open_workspace(), {"action": action, **given})}
    out.answer(actions.plain(output))
    raise typer.Exit(output["return"])


def show(output: dict[str, Any], names: list[str], json: bool) -> None:
    """Print the answer of a change: what it is about by name, or all of it as JSON."""
    if json:
        out.answer({"return": 0, **output})
    else:
        out.lines(names)


@app.command(
    "load",
    epilog="Examples: cmgit load script detect-os; cmgit load $(cmgit find script --limit=1)",
)
def load(
    automation: Automation,
    artifact: OneArtifact = "",
    tags: Tags = "",
    at: At = "",
    yaml: Annotated[bool, typer.Option("--yaml", help="YAML instead of JSON.")] = False,
    original: Annotated[bool, typer.Option("--original", help="Without what it inherits.")] = False,
    json: Json = False,
    out_format: Out = "",
) -> None:
    """Print the meta description of one artifact, inheritance resolved, as sorted JSON."""
    given = _given(automation, [artifact], tags=tags, at=at)
    if out_format:
        answer("load", given)
    workspace = open_workspace()
    found = select_one(workspace, given)
    meta = workspace.original(found, at) if original else workspace.load(found, at)
    out.json(meta) if json else out.meta(meta, yaml)
    if not at:
        keep(workspace, found)


@app.command(
    "add",
    context_settings=Free,
    epilog="Examples: cmgit add model bert --tags=nlp --meta.size=340; "
    "cmgit add script local:hello --from=./hello --yaml",
)
def add(
    context: typer.Context,
    automation: Automation,
    artifact: Annotated[
        str,
        typer.Argument(help="[REPO:]ALIAS; the default is local:UID.", parser=here.artifact),
    ] = "",
    tags: Annotated[str, typer.Option(help="Its tags, with commas.")] = "",
    yaml: Annotated[bool, typer.Option("--yaml", help="Write _cm.yaml, not _cm.json.")] = False,
    source: Annotated[str, typer.Option("--from", help="A file or directory to take in.")] = "",
    json: Json = False,
) -> None:
    """Add an artifact, in one commit. --meta.KEY=VALUE sets what its meta shall say."""
    given = _given(automation, [artifact], tags=tags, yaml=yaml, **free_flags(context))
    given["from"] = source
    output = actions.run(open_workspace(), {"action": "add", **given})
    show(output, [output["artifact"].name], json)


@app.command(
    "update",
    context_settings=Free,
    epilog="Examples: cmgit update script hello --tags=new --meta.env.X=1; "
    "cmgit update model bert --replace --meta.size=12",
)
def update(
    context: typer.Context,
    automation: Automation,
    artifact: OneArtifact,
    tags: Annotated[str, typer.Option(help="Tags to add.")] = "",
    replace: Annotated[bool, typer.Option("--replace", help="Keep only the identity.")] = False,
    replace_lists: Annotated[
        bool, typer.Option("--replace-lists", help="Replace lists, not add to them.")
    ] = False,
    yaml: Annotated[bool, typer.Option("--yaml", help="When created: _cm.yaml.")] = False,
    json: Json = False,
) -> None:
    """Change metas, in one commit; adds the artifact when nothing matches."""
    given = _given(
        automation, [artifact], tags=tags, replace=replace, replace_lists=replace_lists, yaml=yaml,
        **free_flags(context),
    )  # fmt: skip
    output = actions.run(open_workspace(), {"action": "update", **given})
    show(output, [found.name for found in output["list"]], json)


@app.command("rm", epilog="Examples: cmgit rm script hello -f; cmgit rm script --tags=old -f")
def remove(
    automation: Automation,
    names: Artifacts = None,
    tags: Tags = "",
    force: Annotated[bool, typer.Option("-f", "--force", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Remove artifacts (also: delete), in one commit; cmgit restore brings them back.

    What is not committed yet is committed first; files that Git ignores are gone for good.
    """
    workspace = open_workspace()
    found = select_some(workspace, _given(automation, names, tags=tags))
    if not force and not confirm(f"Remove {', '.join(a.name for a in found[:5])}?"):
        raise UsageError("nothing was removed", "say -f to remove without being asked")
    artifacts.remove(workspace, found)
    show({"list": found}, [artifact.name for artifact in found], json)


Target = Annotated[str, typer.Argument(help="NAME, REPO: or REPO:NAME", parser=here.artifact)]


@app.command("mv", epilog="Examples: cmgit mv script hello hello2; cmgit mv script hello myrepo:")
def move(automation: Automation, artifact: OneArtifact, target: Target, json: Json = False) -> None:
    """Rename an artifact or move it to another repository (also: move, ren, rename)."""
    _move_or_copy("mv", _given(automation, [artifact, target]), json)


@app.command("cp", epilog="Example: cmgit cp script hello myrepo:hello2 --new-tags=mine")
def copy(
    automation: Automation,
    artifact: OneArtifact,
    target: Target,
    new_tags: Annotated[str, typer.Option(help="Tags that the copy gets in addition.")] = "",
    json: Json = False,
) -> None:
    """Copy an artifact under a new UID (also: copy)."""
    _move_or_copy("cp", _given(automation, [artifact, target], new_tags=new_tags), json)


def _move_or_copy(action: str, given: Input, json: bool) -> None:
    output = actions.run(open_workspace(), {"action": action, **given})
    show(output, [output["artifact"].name], json)


@app.command("info", epilog="Example: cmgit info script detect-os")
def info(
    automation: Automation,
    artifact: OneArtifact = "",
    tags: Tags = "",
    at: At = "",
    json: Json = False,
) -> None:
    """Print the identity of an artifact, its directory and its files (also: show)."""
    given = _given(automation, [artifact], tags=tags, at=at)
    output = actions.run(open_workspace(), {"action": "info", **given})
    lines = [f"CID = {output['cid']}", f"path = {output['path']}", "files ="]
    show(output, lines + [f"  {name}" for name in output["files"]], json)


@app.command("where", epilog="Example: cd $(cmgit where script detect-os)")
def where(
    automation: Automation,
    names: Artifacts = None,
    tags: Tags = "",
    at: At = "",
    json: Json = False,
) -> None:
    """Print the directory of each artifact."""
    given = _given(automation, names or ["*"], tags=tags, at=at)
    output = actions.run(open_workspace(), {"action": "where", **given})
    show(output, output["list"], json)


@app.command("save", epilog="Example: cmgit save myrepo -m 'new results'")
def save(
    repo: Annotated[
        str,
        typer.Argument(
            help="A working repository; the default is local.",
            autocompletion=complete_repo,
            parser=here.repository,
        ),
    ] = "",
    message: Annotated[str, typer.Option("-m", "--message", help="The commit message.")] = "",
    json: Json = False,
) -> None:
    """Commit everything that is pending in a working repository."""
    paths = artifacts.save(open_workspace(), repo, message)
    if not (paths or json):
        out.note(f"nothing to save in {repo or LOCAL.alias}")
    show({"paths": paths}, paths, json)


@app.command("print-input", context_settings=Free, epilog="Example: cmgit print-input x --a.b=1")
def print_input(context: typer.Context) -> None:
    """Print how a command line is read."""
    from ..grammar import parse_words

    out.answer(parse_words(["print-input", *context.args]))


@app.command("version", epilog="Example: cmgit version")
def version(json: Json = False) -> None:
    """Print the version."""
    from .. import __version__

    show({"version": __version__}, [__version__], json)
