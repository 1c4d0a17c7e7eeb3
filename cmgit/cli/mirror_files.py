"""``cmgit mirror export`` and ``import``: repositories as files, across an air gap."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from ..ages import parse_age
from ..errors import UsageError
from ..mirror import exports, imports
from ..mirror.signed import parse_what
from ..mirror.steps import JOBS, Step, Tell
from ..store.git_program import find_git
from .app import finish
from .complete import complete_repo
from .mirror import mirror
from .options import Json
from .output import open_workspace, out
from .progress import Rows

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_UNITS |= {"KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40}
_BAD = ("refused", "failed")
Jobs = Annotated[int, typer.Option("-j", "--jobs", min=1, help="Repositories at once.")]


def _size(text: str) -> int:
    """The bytes that ``4G``, ``700MB`` or ``2GiB`` says; raises UsageError."""
    found = re.fullmatch(r"(\d+)([KMGT]?I?)B?", text.strip().upper())
    if text and (found is None or found[2] not in _UNITS or int(found[1]) == 0):
        raise UsageError(f"--split={text} is no size", "write 4G, 700M or 2GiB")
    return int(found[1]) * _UNITS[found[2]] if found else 0


def _tell(json: bool, quiet: tuple[str, ...] = ()) -> Tell:
    """What shows the steps: JSON on stdout, or a line each, on stderr for what is wrong; on a
    terminal what is under way too."""

    rows = Rows()

    def tell(step: Step) -> None:
        if json:
            rows.data({"event": "ended" if step.ended else "progress", **step._asdict()})
        elif not step.ended:
            rows.show(step.repository, step.bytes, step.total, step.state)
        else:
            rows.end(step.repository)
            if step.state in _BAD:
                rows.note(f"cmgit: {step}")
            elif step.state not in quiet:
                rows.line(str(step))

    return tell


@mirror.command(
    "export",
    epilog="Examples: cmgit mirror export --to=/media/disk; "
    "cmgit mirror export --to=/media/disk --since=/media/disk --split=4G --sign=~/.ssh/id_ed25519",
)
def export(
    to: Annotated[str, typer.Option(help="The directory that gets a directory with the export.")],
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Repositories: names or patterns; all that were pulled or mirrored by default.",
            autocompletion=complete_repo,
        ),
    ] = None,
    since: Annotated[
        str, typer.Option(help="Only what is new since this export (or the last one in there).")
    ] = "",
    split: Annotated[str, typer.Option(help="The most that a file may have: 4G, 2GiB.")] = "",
    sign: Annotated[
        str, typer.Option(help="Sign with this SSH key (a file), or gpg:KEY of yours.")
    ] = "",
    jobs: Jobs = JOBS,
    json: Json = False,
) -> None:
    """Write repositories as Git bundles with a manifest, to be carried to another machine.

    Exit code 1 when one of them could not be exported; the others are.
    """
    options = exports.Options(_size(split), sign, jobs, find_git())
    done = exports.export(open_workspace(), to, names or (), since, options, _tell(json))
    failed = len(done.manifest.failed)
    if json:
        out.json(
            {
                "event": "done",
                "export": done.directory,
                "id": done.manifest.stamp.id,
                "failed": failed,
            }
        )
    else:
        out.line(done.directory)
    finish(1 if failed else 0)


@mirror.command(
    "import",
    epilog="Examples: cmgit mirror import /media/disk --signers=~/allowed_signers; "
    "cmgit mirror import repo.bundle --name=repo",
)
def import_(
    places: Annotated[
        list[str], typer.Argument(help="Exports, directories with exports, or Git bundles.")
    ],
    name: Annotated[str, typer.Option(help="What the repository of a bundle is called.")] = "",
    signers: Annotated[
        str, typer.Option(help="A file of who may sign; the exports must be signed then.")
    ] = "",
    signed: Annotated[
        str, typer.Option(help="What of the repositories must be signed: tips, all, or a commit.")
    ] = "",
    max_age: Annotated[
        str, typer.Option(help="The longest time since the export: 90m, 12h, 7d, 2w.")
    ] = "",
    jobs: Jobs = JOBS,
    json: Json = False,
) -> None:
    """Take in what was exported, or bundles made by Git. All is checked before any ref moves.

    Exit code 1 when something is wrong, or was missing in the export already.
    """
    allowed = parse_age(max_age) if max_age else None
    what = parse_what(signed) if signed else ""
    options = imports.Options(signers, allowed, name, what, jobs, find_git())
    done = imports.import_all(open_workspace(), places, options, _tell(json, ("checked",)))
    for failed in done.absent:
        _tell(json)(Step(failed.alias, "failed", problem=f"not in the export: {failed.problem}"))
    finish(1 if done.absent else 0)
