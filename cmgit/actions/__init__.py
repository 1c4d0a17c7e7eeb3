"""The CM door: ``access(input) -> dict``. The only place where errors become return codes.

The input has the keys of the command line: ``action``, ``automation``, ``artifact``, ``artifacts``
and the flags. The answer has ``return`` (0 is success) and, on failure, ``error`` and ``hint``.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from shlex import split
from typing import Any

from ..artifact import Artifact
from ..errors import ActionNotFound, CmgitError, UsageError
from ..grammar import ALIASES, Input, is_repo, parse_words
from ..workspace import Workspace
from .artifacts import ACTIONS as ARTIFACT_ACTIONS
from .repositories import ACTIONS as REPOSITORY_ACTIONS
from .selection import Output


def access(
    request: Mapping[str, Any] | str | Sequence[str], workspace: Workspace | None = None
) -> Output:
    """Run one action, given as a dict, a command line or its words; never raises a CmgitError.

    Artifacts in the answer are :class:`~cmgit.artifact.Artifact` objects, or plain dicts when the
    input asks for ``out: json``.
    """
    try:
        if isinstance(request, str):
            request = _split(request)
        given = (
            dict(request)
            if isinstance(request, Mapping)
            else parse_words([str(word) for word in request])
        )
        output = run(workspace or Workspace(), given)
        return {"return": 0, **(plain(output) if given.get("out") == "json" else output)}
    except CmgitError as error:
        return failure(error)
    except (TypeError, ValueError) as error:  # a value of a kind that no action takes
        return failure(UsageError(f"the input makes no sense: {error}"))
    except OSError as error:
        return {"return": 1, "error": f"{error.filename or ''}: {error.strerror}", "hint": ""}


def _split(line: str) -> list[str]:
    try:
        return split(line)
    except ValueError as error:
        raise UsageError(f"the command line {line!r} makes no sense: {error}") from None


def failure(error: CmgitError) -> Output:
    """The answer that an error becomes."""
    return {"return": error.code, "error": str(error), "hint": error.hint}


def run(workspace: Workspace, given: Input) -> Output:
    """Run the action of an input; raises CmgitError."""
    action = str(given.get("action") or "").replace("-", "_")
    automation = str(given.get("automation") or "")
    name = ALIASES.get(action, action)
    table = REPOSITORY_ACTIONS if is_repo(automation) else ARTIFACT_ACTIONS
    if name not in table:
        from difflib import get_close_matches

        close = get_close_matches(name, [*table, *ALIASES], 1)
        raise ActionNotFound(
            f"action {action!r} not found for automation {automation or 'none'!r}",
            f"did you mean {close[0]!r}?" if close else "see 'cmgit --help'",
        )
    return table[name](workspace, given)


def plain(output: Output) -> Output:
    """The answer of an action in values that JSON has; bytes that are no UTF-8 text become
    ``{"base64": …}``."""
    return {key: _plain(value) for key, value in output.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Artifact):
        return value.to_dict()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"base64": b64encode(value).decode("ascii")}
    return value
