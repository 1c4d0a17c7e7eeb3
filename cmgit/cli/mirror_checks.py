"""``cmgit mirror status`` and ``verify``: how mirrors are."""

from __future__ import annotations

import os
import time
from typing import Annotated, Any

import typer

from ..ages import parse_age, shown_age
from ..errors import counted
from ..mirror.sources import Mirror, Mirrors
from ..mirror.state import read_state
from ..mirror.verify import (
    Verdict,
    to_verify,
    verify_imported,
    verify_mirror,
)
from .app import finish
from .mirror import Names, Signed, SignersFile, demanding, mirror, without_large
from .options import Json
from .output import open_workspace, out


@mirror.command("status", epilog="Example: cmgit mirror status --json")
def status(names: Names = None, json: Json = False) -> None:
    """Tell of each mirror when it was last in step, and what went wrong since; asks no one."""
    home = open_workspace().home
    for item in Mirrors(home).find(names or []):
        values = _status(home, item)
        if json:
            out.json(values)
        else:
            wrong = f"; {values['error']}" if values["error"] else ""
            age = f"in step {values['age']} ago" if values["synced"] else "never in step"
            refs = counted(values["refs"], "ref")
            out.line(f"{item.name}: {age}, {refs}{without_large(item.lfs)}{wrong}")


def _status(home: str, item: Mirror) -> dict[str, Any]:
    state = read_state(home, item.url)
    age = time.time() - state.synced if state.synced else None
    refs = sum(name.startswith("refs/") for name in state.refs)
    return {
        "name": item.name, "url": item.url, "synced": state.synced, "tried": state.tried,
        "age": shown_age(age), "refs": refs, "error": state.error,
        "lfs": item.lfs,
    }  # fmt: skip


@mirror.command("verify", epilog="Examples: cmgit mirror verify; cmgit mirror verify --max-age=7d")
def verify(
    names: Names = None,
    max_age: Annotated[
        str, typer.Option(help="The longest time since it was in step: 90m, 12h, 7d, 2w.")
    ] = "",
    signed: Signed = "",
    signers: SignersFile = "",
    remote: Annotated[
        bool, typer.Option("--remote", help="Compare with what the sources have now.")
    ] = False,
    json: Json = False,
) -> None:
    """Check that mirrors are there, whole, as their sources were at the last sync, or as the export
    had them that they were imported from, and not empty.

    Every object is hashed again, and signatures are verified where a mirror has to be signed, by
    its entry in mirrors.yaml or by --signed. The exit code is 1 when anything is wrong with any.
    """
    allowed = parse_age(max_age) if max_age else None
    signers = os.path.abspath(os.path.expanduser(signers)) if signers else ""
    demanded = demanding(signed, signers)
    workspace = open_workspace()
    mirrors, imported = to_verify(workspace, names or [])
    if not mirrors and not imported:
        out.note("nothing is mirrored; 'cmgit mirror add URL' begins")
    bad = 0
    for item in mirrors:
        verdict = verify_mirror(workspace.home, demanded(item), allowed, remote)
        bad += _show_verdict(verdict, json)
    for entry in imported:
        verdict = verify_imported(workspace.home, entry, allowed, signed, signers)
        bad += _show_verdict(verdict, json)
    finish(1 if bad else 0)


def _show_verdict(verdict: Verdict, json: bool) -> bool:
    """Show it; returns whether something is wrong."""
    if json:
        out.json(verdict.to_dict())
        return bool(verdict.problems)
    for problem in verdict.problems:
        out.line(f"{verdict.name}: wrong: {problem}")
    if not verdict.problems:
        out.line(
            f"{verdict.name}: ok, {counted(verdict.refs, 'ref')}, "
            f"{counted(verdict.objects, 'object')}, "
            f"{'exported' if verdict.export else 'in step'} {shown_age(verdict.age)} ago"
            f"{without_large(verdict.lfs)}"
        )
    return bool(verdict.problems)
