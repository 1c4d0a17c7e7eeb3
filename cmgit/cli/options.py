"""The arguments and options that more than one command has."""

from __future__ import annotations

from typing import Annotated

import typer

from ..errors import UsageError
from . import here
from .complete import complete_artifact, complete_automation, complete_tags


def _known_format(word: str) -> str:
    if word not in ("", "json"):
        raise UsageError(f"no output format {word!r}", "the one there is, is json")
    return word


AUTOMATION = typer.Argument(
    help="The automation: alias, UID, pattern, or REPO:AUTOMATION; '.' is the one of here.",
    autocompletion=complete_automation,
    parser=here.automation,
)
Automation = Annotated[str, AUTOMATION]
Artifacts = Annotated[
    list[str] | None,
    typer.Argument(
        help="[REPO:]ARTIFACT, any number; '.' is the one of here.",
        autocompletion=complete_artifact,
        parser=here.artifact,
    ),
]
OneArtifact = Annotated[
    str,
    typer.Argument(
        help="[REPO:]ARTIFACT; '.' is the one of here.",
        autocompletion=complete_artifact,
        parser=here.artifact,
    ),
]
Tags = Annotated[
    str,
    typer.Option(help="Tags, with commas; -TAG must not be there.", autocompletion=complete_tags),
]
At = Annotated[str, typer.Option(help="The database as it was: a revision or a date.")]
Repo = Annotated[
    str, typer.Option(help="Only this repository (or pattern).", parser=here.repository)
]
Json = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]
Out = Annotated[str, typer.Option("--out", help="'json': the return dict.", callback=_known_format)]
Free = {"allow_extra_args": True, "ignore_unknown_options": True}
