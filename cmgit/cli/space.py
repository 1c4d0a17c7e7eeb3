"""``cmgit du`` and ``cmgit gc``."""

from __future__ import annotations

from typing import Annotated

import typer

from .. import space
from ..ages import parse_age
from .app import app, finish
from .options import Json
from .output import open_workspace, out, shown_size
from .repositories import Name

_REPOSITORY = ("packs", "objects", "git", "files", "large_files")
_HOME = ("large_files", "check_outs", "index", "text_index", "other")


@app.command("du", epilog="Examples: cmgit du; cmgit du 'mlcommons@*' --json")
def du(name: Name = "", json: Json = False) -> None:
    """Say who uses the space: each repository, and what they have in common in the home.

    The large files of a repository are those its refs name; they are kept once for all, and count
    in the total of the home. With --json in bytes, an object each.
    """
    workspace = open_workspace()
    failed = False
    for use in space.use_of_repositories(workspace, name):
        failed = failed or bool(use.problem)
        if json:
            out.json(use.to_dict())
        elif use.problem:
            out.warn(f"{use.repo}: {use.problem}")
        else:
            out.line(_line(use.repo, use.total, use.to_dict(), _REPOSITORY))
    if not name:
        home = space.use_of_home(workspace)
        if json:
            out.json(home.to_dict())
        else:
            out.line(_line("(home)", home.total, home.to_dict(), _HOME))
    finish(1 if failed else 0)


def _line(name: str, total: int, values: dict[str, object], parts: tuple[str, ...]) -> str:
    shown = [
        f"{part.replace('_', ' ')} {shown_size(int(str(values[part])))}"
        for part in parts
        if values[part]
    ]
    return f"{shown_size(total)} {name}" + (f": {', '.join(shown)}" if shown else "")


@app.command("gc", epilog="Examples: cmgit gc --dry-run; cmgit gc --grace=7d")
def gc(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be freed.")
    ] = False,
    grace: Annotated[
        str, typer.Option(help="Leave alone what is younger: 90m, 12h, 1d, 2w.")
    ] = "1d",
    json: Json = False,
) -> None:
    """Free what nothing refers to: check-outs, large files that no ref names, left-overs.

    Check-outs are made again when they are asked for. No object of Git is removed.
    """
    freed = 0
    for item in space.gc(open_workspace(), dry_run, parse_age(grace)):
        freed += item.bytes
        if json:
            out.json(item.to_dict())
        else:
            out.line(f"{shown_size(item.bytes)} {item.kind} {item.path}")
    if not json:
        out.note(f"{shown_size(freed)} {'would be freed' if dry_run else 'freed'}")
