"""What an action is, and what its input names: artifacts, and values that several actions take."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from .. import removed
from ..artifact import Artifact
from ..errors import AutomationNotFound, NotFound, UsageError
from ..grammar import Input
from ..workspace import Workspace

Output = dict[str, Any]
Action = Callable[[Workspace, Input], Output]


def select(
    workspace: Workspace, given: Input, text: str = "", limit: int | None = None
) -> list[Artifact]:
    """The artifacts that an input names: each of its names, or all that match without any; of
    each name those that have the words of a text, best first, and at most so many."""
    names = [str(given.get("artifact") or ""), *map(str, given.get("artifacts") or [])]
    found: dict[tuple[int, str], Artifact] = {}
    for name in names:
        for artifact in workspace.find(
            str(given.get("automation") or ""),
            name,
            given.get("tags") or (),
            str(given.get("repo") or ""),
            str(given.get("at") or ""),
            text,
            limit,
        ):
            found[artifact.number, artifact.path] = artifact
    return list(found.values())


def select_one(workspace: Workspace, given: Input) -> Artifact:
    """The one artifact that an input names; raises NotFound or AmbiguousError."""
    automation, artifact = (str(given.get(key) or "") for key in ("automation", "artifact"))
    found = select(workspace, given)
    return workspace.only(found, automation, artifact, given.get("tags") or ())


def select_past(workspace: Workspace, given: Input) -> Artifact:
    """The one artifact that an input names, or else the one that had the name last, though it was
    removed or renamed; raises what select_one raises when there never was one."""
    try:
        return select_one(workspace, given)
    except (NotFound, AutomationNotFound):
        automation, artifact, at = (
            str(given.get(key) or "") for key in ("automation", "artifact", "at")
        )
        if not artifact or given.get("tags"):
            raise
        with suppress(NotFound):
            return removed.find(workspace, automation, artifact, at)
        raise


def select_some(workspace: Workspace, given: Input) -> list[Artifact]:
    """The artifacts that an input names, at least one; raises NotFound.

    An input that names nothing at all is refused: it would mean everything.
    """
    if not any(given.get(key) for key in ("artifact", "artifacts", "tags")):
        raise UsageError("no artifact was named", "write '*' to mean all of them")
    found = select(workspace, given)
    if not found:
        automation, artifact = (str(given.get(key) or "") for key in ("automation", "artifact"))
        hint = workspace.suggestion(automation, artifact, given.get("tags") or ())
        raise NotFound(f"no artifact matches {f'{automation} {artifact}'.strip()!r}", hint)
    return found


def targets(given: Input) -> str:
    """The second name of a move or copy."""
    others = given.get("artifacts") or []
    if len(others) != 1:
        words = f"{given.get('action')} {given.get('automation')}"
        raise UsageError("two names are needed: what, and where to", f"cmgit {words} NAME TARGET")
    return str(others[0])


def number(given: Input, key: str, least: int = 0) -> int | None:
    """A whole number of an input, None when it was not given; raises UsageError for another."""
    value = given.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not str(value).isdecimal() or int(value) < least:
        raise UsageError(f"{key} {value!r} is not a number from {least} on")
    return int(value)
