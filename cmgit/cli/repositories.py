"""Commands on repositories, the index and the home."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from .. import actions, adopt, check, repositories
from ..errors import NotFound, UsageError, counted
from ..pull import pull
from ..store.transport import network
from . import here
from .app import app, finish
from .artifacts import answer, show
from .complete import complete_repo
from .options import Json, Out
from .output import confirm, open_workspace, out

Name = Annotated[
    str,
    typer.Argument(
        help="Alias, UID, alias,UID or pattern; '.' is the one of here.",
        autocompletion=complete_repo,
        parser=here.repository,
    ),
]


def _run(action: str, name: str) -> dict[str, Any]:
    given = {"action": action, "automation": "repo", "artifact": name}
    return actions.run(open_workspace(), given)


@app.command("find repo", epilog="Example: cmgit find repo '*mlc*'")
def find_repo(name: Name = "", json: Json = False, out_format: Out = "") -> None:
    """List repositories (also: ls, list, search): alias,uid = path."""
    if out_format:
        answer("find", {"automation": "repo", "artifact": name})
    found = _run("find", name)["list"]
    for repo in found:
        if repo["problem"]:
            out.warn(str(repo["problem"]))
    if json:
        for repo in found:
            out.json(repo)
    else:
        out.lines(f"{repo['alias']},{repo['uid']} = {repo['path']}" for repo in found)


@app.command("show repo", epilog="Example: cmgit show repo cmx4mlops")
def show_repo(name: Name = "", json: Json = False, out_format: Out = "") -> None:
    """Print what is known of repositories: kind, place, source, branch, commit."""
    if out_format:
        answer("show", {"automation": "repo", "artifact": name})
    for repo in _run("show", name)["list"]:
        if json:
            out.json(repo)
        else:
            out.lines(f"{key} = {value}" for key, value in repo.items() if value)


@app.command("where repo", epilog="Example: cd $(cmgit where repo local)")
def where_repo(name: Name = "", json: Json = False) -> None:
    """Print the directory of each repository."""
    output = _run("where", name)
    show(output, output["list"], json)


@app.command(
    "init repo", epilog="Examples: cmgit init repo results; cmgit init repo --path=~/my/project"
)
def init_repo(
    name: Annotated[str, typer.Argument(help="ALIAS or ALIAS,UID.")] = "",
    path: Annotated[str, typer.Option(help="The directory; ./NAME by default.")] = "",
    desc: Annotated[str, typer.Option(help="A description.")] = "",
    prefix: Annotated[str, typer.Option(help="Sub-directory for the artifacts.")] = "",
    json: Json = False,
) -> None:
    """Make any directory a working repository (also: add repo): cmr.yaml, and Git if need be."""
    path = path or (name.split(",")[0] if name else ".")
    entry = repositories.init(open_workspace(), name, path, desc, prefix)
    _show_entry(entry, json)


app.command("add repo", hidden=True, epilog="Example: cmgit add repo results")(init_repo)


def _show_entry(entry: Any, json: bool) -> None:
    output = {"alias": entry.alias, "uid": entry.uid, "path": entry.path}
    show(output, [f"{entry.alias},{entry.uid} = {entry.path}"], json)


@app.command(
    "pull repo",
    epilog="Examples: cmgit pull repo mlcommons@cm4mlops; cmgit pull repo mine --url=/data/repo; "
    "cmgit pull repo package:cmx4mlops; cmgit pull repo mine; "
    "cmgit pull repo mlcommons@cm4mlops --from=http://mirror:8417",
)
def pull_repo(
    name: Annotated[
        str,
        typer.Argument(
            help="A name to give, a known repository, owner@name, package:NAME or a URL.",
            autocompletion=complete_repo,
        ),
    ] = "",
    url: Annotated[str, typer.Option(help="A Git URL, a path, owner@name, package:NAME.")] = "",
    branch: Annotated[str, typer.Option(help="The branch to follow.")] = "",
    checkout: Annotated[str, typer.Option(help="A revision to be at.")] = "",
    depth: Annotated[
        int | None, typer.Option(min=1, help="Only so many commits of history.")
    ] = None,
    from_: Annotated[
        str, typer.Option("--from", help="A mirror to ask first; else $CMGIT_MIRROR.")
    ] = "",
    offline: Annotated[
        bool, typer.Option("--offline", help="Without the network, as with CMGIT_OFFLINE=1.")
    ] = False,
    lfs: Annotated[
        bool, typer.Option("--lfs", help="Its large files too, now and not when they are read.")
    ] = False,
    json: Json = False,
) -> None:
    """Take in a repository, or bring it up to date: objects only, no files.

    A mirror is a directory of bare repositories, a home of cmgit, or the URL of 'cmgit serve'.
    What it does not have comes from the source; with --offline it is an error, and named.
    """
    workspace = open_workspace()
    entry = pull(workspace, name, url, branch, checkout, depth, from_, offline)
    if lfs:
        with network(forbidden=offline):
            workspace.large.provide_all(workspace.repository(entry))
    _show_entry(entry, json)


app.command("pull", hidden=True, epilog="Example: cmgit pull mlcommons@cm4mlops")(pull_repo)


@app.command("adopt", epilog="Examples: cmgit adopt; cmgit adopt ~/CM --dry-run")
def adopt_command(
    path: Annotated[str, typer.Argument(help="A home; by default those of both.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell.")] = False,
    json: Json = False,
) -> None:
    """Register all that a home of CM or MLC holds, where it is; nothing is changed there.

    Homes are looked for as cm and mlc do: $CM_REPOS or ~/CM, $MLC_REPOS or ~/MLC/repos. The exit
    code is 1 when one of the repositories is absent or cannot be registered.
    """
    homes = [adopt.home_at(path)] if path else adopt.usual_homes(os.environ)
    adopted = adopt.adopt(open_workspace(), homes, dry_run)
    failed = [one for one in adopted if one.state == adopt.FAILED]
    if json:
        for one in adopted:
            out.json(one._asdict())
    else:
        done = [one for one in adopted if one not in failed]
        out.lines(f"{one.state}: {one.alias},{one.uid} = {one.path}" for one in done)
        for one in (one for one in done if not one.git):
            out.note(f"{one.alias} has no Git repository: it is only read, until 'git init' there")
        for one in failed:
            out.note(f"failed: {one.problem}{one.hint and f' ({one.hint})'}")
    finish(1 if failed else 0)


@app.command("checkout repo", epilog="Example: cmgit checkout repo mlcommons@cm4mlops ~/cm4mlops")
def checkout_repo(
    name: Name,
    directory: Annotated[str, typer.Argument(help="Where its files shall be.")],
    json: Json = False,
) -> None:
    """Make a working repository out of a bare one."""
    _show_entry(repositories.checkout(open_workspace(), name, directory), json)


@app.command("rm repo", epilog="Examples: cmgit rm repo mine; cmgit rm repo mine --all -f")
def remove_repo(
    name: Name,
    all_: Annotated[bool, typer.Option("--all", help="Delete its files too.")] = False,
    force: Annotated[bool, typer.Option("-f", "--force", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Unregister repositories (also: delete repo); their files stay without --all."""
    workspace = open_workspace()
    lost = repositories.loss(workspace, name) if all_ else repositories.Loss()
    words = str(lost)
    if all_ and not force and not confirm(f"Delete {name}{words and f', {words} included'}?"):
        hint = "say -f to delete without being asked"
        hint += "; cmgit save commits the files" if lost.files else ""
        hint += "; git push sends the commits" if lost.commits else ""
        raise UsageError(f"nothing was removed{words and f': {name} has {words}'}", hint)
    gone = repositories.remove(workspace, name, all_)
    if words:
        out.note(f"deleted {words}")
    show(
        {
            "list": [e.alias for e in gone],
            "uncommitted": lost.files,
            "unpushed": lost.commits,
        },
        [f"{e.alias},{e.uid}" for e in gone],
        json,
    )


@app.command("detect repo", epilog="Example: cmgit detect repo")
def detect_repo(
    path: Annotated[str, typer.Option(help="The current directory by default.")] = ".",
    json: Json = False,
) -> None:
    """Print the repository that a directory is in."""
    entry = repositories.detect(open_workspace(), path)
    if entry is None:
        raise NotFound(
            f"{os.path.abspath(path)} is in no registered repository",
            "'cmgit init repo' makes it one",
        )
    _show_entry(entry, json)


@app.command("update repo", epilog="Example: cmgit update repo mine --desc='our results'")
def update_repo(
    name: Name,
    desc: Annotated[str, typer.Option(help="The new description.")],
    json: Json = False,
) -> None:
    """Change the description of a repository, in one commit."""
    _show_entry(repositories.update(open_workspace(), name, desc), json)


@app.command("reindex", epilog="Example: cmgit reindex")
def reindex(json: Json = False) -> None:
    """Build the index anew from Git and the disk."""
    workspace = open_workspace()
    index = check.reindex(workspace)
    count = index.count
    repos = len(index.manifest.repositories)
    show(
        {"artifacts": count, "repositories": repos},
        [f"{counted(count, 'artifact')} in {counted(repos, 'repository', 'repositories')}"],
        json,
    )


app.command("reindex repo", hidden=True, epilog="Example: cmgit reindex repo")(reindex)


@app.command("check", epilog="Example: cmgit check --json")
def check_command(json: Json = False, out_format: Out = "") -> None:
    """Verify registry, repositories, objects, index and check-outs; repair what is derived.

    Exit code 0 when all is well or repaired, 1 when something is left.
    """
    if out_format:
        answer("check", {})
    left = 0
    for finding in check.check(open_workspace()):
        left += finding.state == "wrong"
        if json:
            out.json(finding._asdict())
        else:
            out.line(f"{finding.state}: {finding.where}: {finding.problem}")
    if not json:
        out.note(check.verdict(left))
    finish(1 if left else 0)
