"""``cmgit mirror``: the commands that keep many repositories as they are elsewhere."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated

import typer

from ..ages import shown_age
from ..errors import UsageError, counted
from ..mirror import fleet
from ..mirror.signed import TIPS, parse_what
from ..mirror.sources import Mirror, Mirrors, new_mirror, read_list
from ..mirror.sync import FAILED, SAME, Outcome
from ..store.transport import Received
from .app import finish, group
from .complete import complete_mirror
from .options import Json
from .output import WARNING, open_workspace, out, shown_size
from .progress import Rows

mirror = group(
    "mirror",
    "Keep many repositories as they are elsewhere, in step and checked.",
    "Examples: cmgit mirror add mlcommons@cm4mlops; cmgit mirror sync; cmgit mirror verify",
)

Names = Annotated[
    list[str] | None,
    typer.Argument(
        help="Names, patterns or URLs of mirrors; all by default.",
        autocompletion=complete_mirror,
    ),
]


Signed = Annotated[
    str,
    typer.Option(
        help="What must be signed: tips (of branches, and tags), all commits, or those after one."
    ),
]
SignersFile = Annotated[
    str, typer.Option(help="A file of who may sign; else allowed_signers in the home.")
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
    signed: Signed = "",
    signers: SignersFile = "",
    no_lfs: Annotated[
        bool, typer.Option("--no-lfs", help="Without the contents of its large files.")
    ] = False,
    json: Json = False,
) -> None:
    """Say what to mirror; 'mirror sync' brings it.

    With --signed or --signers a sync takes only what branches and tags name that somebody signed
    who may, and fails else.
    """
    if not urls and not from_:
        raise UsageError("nothing to mirror", "cmgit mirror add URL")
    if name and (from_ or len(urls or []) > 1):
        raise UsageError("one --name is for one URL")
    signers = os.path.abspath(os.path.expanduser(signers)) if signers else ""
    wanted = [new_mirror(url, name, recursive, signed, signers) for url in urls or []]
    wanted += map(demanding(signed, signers), read_list(from_) if from_ else [])
    wanted = [replace(item, lfs=item.lfs and not no_lfs) for item in wanted]
    with Mirrors(open_workspace().home).change() as mirrors:
        new = [item for item in wanted if mirrors.add(item)]
    _show(new, json)


def demanding(signed: str, signers: str) -> Callable[[Mirror], Mirror]:
    """What makes mirrors such that they have to be signed, where that is asked for."""
    if not signed and not signers:
        return lambda item: item
    return lambda item: replace(item, signed=parse_what(signed or TIPS), signers=signers)


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


Jobs = Annotated[int, typer.Option("-j", "--jobs", min=1, help="So many at once.")]


@mirror.command("sync", epilog="Examples: cmgit mirror sync; cmgit mirror sync 'mlcommons@*' -j 8")
def sync(
    names: Names = None,
    jobs: Jobs = 4,
    retries: Annotated[
        int, typer.Option(min=0, help="So many more tries when the network fails.")
    ] = 2,
    json: Json = False,
) -> None:
    """Bring mirrors in step with their sources; nothing that was seen is lost.

    What fails keeps nothing else from going on; it is told at the end, and the exit code is 1.
    Refs that are gone or forced there are kept here under refs/cmgit/kept/DATE/.
    """
    workspace = open_workspace()
    chosen = Mirrors(workspace.home).find(names or [])
    board = Board(len(chosen), json)
    for outcome in fleet.sync(workspace, chosen, jobs, retries, board.tell):
        board.ended(outcome)
    board.close()
    finish(1 if board.failed else 0)


class Board:
    """What is shown of a sync: a line for each mirror that ended, and on a terminal one for each
    that is under way, and what is left."""

    def __init__(self, total: int, json: bool) -> None:
        self._total = total
        self._json = json
        self._begun = time.monotonic()
        self._rows = Rows()
        self._ended = 0
        self._bytes = 0
        self.failed: list[Outcome] = []

    def tell(self, name: str, line: str) -> None:
        """Show what is going on with one mirror."""
        size, total = (line.size, line.total) if isinstance(line, Received) else (0, 0)
        if self._json:
            counted = {"bytes": size} if size else {}
            self._rows.data({"event": "progress", "name": name, "text": line, **counted})
            return
        if line.startswith(WARNING):
            self._rows.note(line)
        self._rows.show(name, size, total, text="" if size else line)
        self._rows.show("", self._bytes, text=f"{self._ended}/{self._total}{self._left()}")

    def _left(self) -> str:
        spent = time.monotonic() - self._begun
        if self._ended < 3 or spent < 3:
            return ""
        left = spent / self._ended * max(0, self._total - self._ended)
        return f", {shown_size(self._bytes / spent)}/s, {shown_age(left)} left"

    def ended(self, outcome: Outcome) -> None:
        """Show how it went with one mirror."""
        self._ended += 1
        self._total = max(self._total, self._ended)
        self._bytes += outcome.bytes
        if outcome.state == FAILED:
            self.failed.append(outcome)
        self._rows.end(outcome.name)
        if self._json:
            self._rows.data({"event": "ended", **outcome.to_dict()})
        elif outcome.state != FAILED:
            self._rows.line(outcome_line(outcome))

    def close(self) -> None:
        """Show what failed, and what came in all."""
        if self._json:
            return
        for outcome in self.failed:
            out.note(f"failed: {outcome.name}: {outcome.error}")
        out.note(
            f"{self._ended - len(self.failed)} of {self._ended} mirrors in step, "
            f"{shown_size(self._bytes)}, {time.monotonic() - self._begun:.1f} s"
        )


def outcome_line(outcome: Outcome) -> str:
    """One mirror that is in step, on one line."""
    size = f", {shown_size(outcome.bytes)} in {outcome.seconds:.1f} s"
    kept = f", {len(outcome.kept)} kept under {kept_place(outcome)}" if outcome.kept else ""
    return (
        f"{outcome.name}: {outcome.state}, {counted(outcome.refs, 'ref')}"
        f"{'' if outcome.state == SAME else size}{kept}"
    )


def kept_place(outcome: Outcome) -> str:
    """The date that refs are kept under, with what is before it."""
    return "/".join(outcome.kept[0].split("/")[:4])


def without_large(lfs: bool) -> str:
    """What to add to a mirror that leaves large files out."""
    return "" if lfs else ", without large files"


def _show(mirrors: list[Mirror], json: bool) -> None:
    if json:
        for item in mirrors:
            out.json({"name": item.name, **item.to_dict()})
    else:
        out.lines(f"{item.name} = {item.url}{without_large(item.lfs)}" for item in mirrors)
