"""``cmgit mirror``: the commands that keep many repositories as they are elsewhere."""

from __future__ import annotations

from typing import Annotated

import typer

from ..errors import UsageError
from ..mirror.sources import Mirror, Mirrors, new_mirror, read_list
from .app import app
from .artifacts import Json
from .complete import complete_mirror
from .output import open_workspace, out

mirror = typer.Typer(
    name="mirror",
    help="Keep many repositories as they are elsewhere, in step and checked.",
    epilog="Examples: cmgit mirror add mlcommons@cm4mlops; cmgit mirror sync; cmgit mirror verify",
    rich_markup_mode=None,
)
app.add_typer(mirror)


@mirror.callback(invoke_without_command=True)
def _top(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        out.line(context.get_help())


Names = Annotated[
    list[str] | None,
    typer.Argument(
        help="Names, patterns or URLs of mirrors; all by default.",
        autocompletion=complete_mirror,
    ),
]


@mirror.command(
    "add",
    epilog="Examples: cmgit mirror add mlcommons@cm4mlops https://example.org/x.git; "
    "cmgit mirror add /data/repo --name=mine; cmgit mirror add --from=list.txt",
)
def add(
    urls: Annotated[list[str] | None, typer.Argument(help="URLs, paths or owner@name.")] = None,
    name: Annotated[str, typer.Option(help="What it shall be called here.")] = "",
    from_: Annotated[
        str, typer.Option("--from", help="A file of URLs, one a line, or of YAML.")
    ] = "",
    recursive: Annotated[
        bool, typer.Option(help="What its cmr.yaml depends on, too, to the end.")
    ] = False,
    json: Json = False,
) -> None:
    """Say what to mirror; 'mirror sync' brings it."""
    if not urls and not from_:
        raise UsageError("nothing to mirror", "cmgit mirror add URL")
    if name and (from_ or len(urls or []) > 1):
        raise UsageError("one --name is for one URL")
    wanted = [new_mirror(url, name, recursive) for url in urls or []]
    wanted += read_list(from_) if from_ else []
    with Mirrors(open_workspace().home).change() as mirrors:
        new = [item for item in wanted if mirrors.add(item)]
    _show(new, json)


@mirror.command("rm", epilog="Example: cmgit mirror rm 'mlcommons@*'")
def rm(
    names: Annotated[
        list[str],
        typer.Argument(help="Names, patterns or URLs of mirrors.", autocompletion=complete_mirror),
    ],
    json: Json = False,
) -> None:
    """Mirror something no more; its repository stays ('cmgit rm repo' removes it)."""
    with Mirrors(open_workspace().home).change() as mirrors:
        gone = mirrors.find(names)
        mirrors.remove(gone)
    _show(gone, json)


@mirror.command("ls", epilog="Example: cmgit mirror ls")
def ls(names: Names = None, json: Json = False) -> None:
    """List what is mirrored: name = URL."""
    _show(Mirrors(open_workspace().home).find(names or []), json)


def _show(mirrors: list[Mirror], json: bool) -> None:
    if json:
        for item in mirrors:
            out.json({"name": item.name, **item.to_dict()})
    else:
        out.lines(f"{item.name} = {item.url}" for item in mirrors)
