"""``cmgit lfs``: the contents of large files, as Git LFS has them."""

from __future__ import annotations

from typing import Annotated

import typer

from ..large import Push
from ..lfs.transfers import refuse_absent
from ..names import parse_name
from ..store.transport import network
from .app import group
from .options import Json
from .output import open_workspace, out, shown_size
from .repositories import Name

lfs = group(
    "lfs",
    "The contents of large files, as Git LFS has them.",
    "Examples: cmgit lfs push; cmgit lfs push --dry-run",
)


@lfs.command(
    "push",
    epilog="Examples: cmgit lfs push; cmgit lfs push mine --dry-run; "
    "cmgit lfs push mine --all --to=s3://bucket/prefix",
)
def push(
    name: Name = ".",
    to: Annotated[
        str, typer.Option(help="An LFS server, a directory, or what fsspec knows; else its own.")
    ] = "",
    all_: Annotated[
        bool, typer.Option("--all", help="Those of all refs, not of the branch alone.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what is lacking there.")
    ] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="Without the network, as with CMGIT_OFFLINE=1.")
    ] = False,
    json: Json = False,
) -> None:
    """Send the large files that the history of a repository names, that of here by default, to
    where they belong.

    'git push' sends pointers only, where git-lfs is not installed. What is there already is not
    sent again. The exit code is 16 when one is neither there nor here, and 1 when one cannot be
    sent; all others are sent nevertheless.
    """
    workspace = open_workspace()
    repository = workspace.repository(workspace.registry.one(parse_name(name.rstrip(":"))))
    with network(forbidden=offline):
        done = workspace.large.push(repository, all_, to, dry_run)
    if json:
        out.json(done.to_dict())
    else:
        _show(done, dry_run)
    refuse_absent(list(done.missing), f"{done.to}, nor here")


def _show(done: Push, dry_run: bool) -> None:
    absent = set(done.missing)
    here = [pointer for pointer in done.lacking if pointer not in absent]
    if dry_run:
        out.lines(f"{pointer.oid} {shown_size(pointer.size)}" for pointer in here)
    count, verb = (len(here), "would be sent") if dry_run else (done.sent, "sent")
    text = f"{done.repo}: {count} of {done.large_files} large files {verb} to {done.to}"
    tell = out.note if dry_run else out.line
    tell(text + (f" ({shown_size(done.bytes)})" if count else ""))
