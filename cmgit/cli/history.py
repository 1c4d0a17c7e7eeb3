"""Commands on the past."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import typer

from .. import history, removed
from ..actions.selection import select_one, select_past
from ..errors import UsageError
from . import here
from .app import app
from .artifacts import answer, show
from .complete import complete_artifact
from .options import At, Automation, Json, OneArtifact, Out
from .output import open_workspace, out


@app.command("log", epilog="Example: cmgit log script detect-os --limit=5")
def log(
    automation: Automation,
    artifact: OneArtifact,
    at: At = "",
    limit: Annotated[int | None, typer.Option(min=0, help="At most so many commits.")] = None,
    json: Json = False,
    out_format: Out = "",
) -> None:
    """List the commits that changed an artifact, newest first, followed through renames.

    An artifact that was removed is found too, by any name that it ever had.
    """
    given = {"automation": automation, "artifact": artifact, "at": at}
    if out_format:
        answer("log", {**given, "limit": limit})
    workspace = open_workspace()
    found = select_past(workspace, given)
    for change in islice(history.log(workspace, found), limit):
        values = change.to_dict()
        out.json(values) if json else out.line(_log_line(values))


def _log_line(values: dict[str, str]) -> str:
    title = (values["message"].splitlines() or [""])[0]
    when = values["date"][:16].replace("T", " ")
    return f"{values['commit'][:12]} {when} {values['author']}: {title}"


@app.command("diff", epilog="Example: cmgit diff script detect-os HEAD~3 HEAD")
def diff(
    automation: Automation,
    artifact: OneArtifact,
    old: Annotated[str, typer.Argument(help="A revision or a date.")],
    new: Annotated[str, typer.Argument(help="Another; the newest by default.")] = "",
    json: Json = False,
    out_format: Out = "",
) -> None:
    """Print how the files of an artifact differ between two revisions.

    With --json a line for each file: path and old_path, status (added, deleted, modified or
    renamed), blobs and modes, and the text of the difference, null where it is none of UTF-8 or
    longer than 1 MiB.
    """
    given = {"automation": automation, "artifact": artifact}
    if out_format:
        answer("diff", {**given, "artifacts": [old, new]})
    workspace = open_workspace()
    for file in history.diff(workspace, select_past(workspace, given), old, new):
        out.json(file.to_dict()) if json else out.data(file.text)


@app.command("restore", epilog="Example: cmgit restore script hello")
def restore(
    automation: Automation,
    artifact: Annotated[
        str, typer.Argument(help="[REPO:]ARTIFACT that was removed.", parser=here.artifact)
    ],
    at: At = "",
    json: Json = False,
) -> None:
    """Bring back a removed artifact, in one commit."""
    artifact_ = removed.restore(open_workspace(), automation, artifact, at)
    show({"artifact": artifact_}, [artifact_.name], json)


@app.command(
    "cat",
    epilog="Examples: cmgit cat 863735b7db8c44fc:run.sh; cmgit cat script detect-os customize.py",
)
def cat(
    words: Annotated[
        list[str],
        typer.Argument(
            help="UID:FILE, or AUTOMATION ARTIFACT FILE; without FILE, the meta.",
            autocompletion=complete_artifact,
        ),
    ],
    at: At = "",
    json: Json = False,
) -> None:
    """Print a file of an artifact, byte for byte; with --json as text, or in base64."""
    automation, artifact, file = _file_words(words)
    given = {"automation": automation, "artifact": artifact, "at": at}
    if json:
        answer("cat", {**given, "artifacts": [file] if file else []})
    workspace = open_workspace()
    found = select_one(workspace, given)
    with history.open_file(workspace, found, file, at) as stream:
        out.stream(stream)


def _file_words(words: list[str]) -> tuple[str, str, str]:
    if len(words) == 1:
        name, _, file = words[0].partition(":")
        return "", name, file
    if len(words) > 3:
        raise UsageError("too many words", "cmgit cat AUTOMATION ARTIFACT FILE")
    automation, artifact, *file_words = words
    file = file_words[0] if file_words else ""
    return here.automation(automation), here.artifact(artifact), file
