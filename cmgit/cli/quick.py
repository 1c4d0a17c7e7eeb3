"""What is done without the Typer application, which takes longer to import than this takes.

* ``add``: what is plainly written.
* Lookups whose index was not up to date: it is brought up to date, and :mod:`.short` asked again.

Everything else (another action, an unknown flag, a name with ``.`` for here) is left to the full
command line by returning None, before anything is done.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..grammar import Input

_KINDS = {"tags": str, "from": str, "meta": dict, "yaml": bool, "json": bool}
_OTHER_COMMANDS = ("repo", "automation", "55c3e27e8a140e48", "bbeb15d8f0a944a4")


def run(words: Sequence[str]) -> int | None:
    """Carry out the command line; returns the exit code, or None when this is not its job."""
    if words[:1] != ["add"]:
        return _look_up(words)
    if len(words) < 2:
        return None
    names = [word for word in words[1:] if not word.startswith("-")]
    flags = [word for word in words[1:] if word.startswith("-")]
    if not 1 <= len(names) <= 2 or any(name[:1] in ("", ".", "@") for name in names):
        return None
    if any(part in _OTHER_COMMANDS for part in names[0].lower().split(",")):
        return None
    given = _read(flags)
    if given is None:
        return None
    from .output import guarded

    return guarded(lambda: _add(names, given))


def _look_up(words: Sequence[str]) -> int | None:
    """Answer from the index when it was only out of date."""
    import os

    from ..home import default_home
    from ..index.lookup import open_fresh
    from . import short

    home = default_home(os.environ)
    if not short.is_lookup(words) or not os.path.exists(os.path.join(home, "registry.json")):
        return None
    if open_fresh(home) is not None:
        return None  # it was not that
    from .output import guarded, open_workspace, out

    workspace = open_workspace()
    if workspace.registry.warnings:
        return None  # to be told once

    def refresh() -> int:
        workspace.index()
        out.quiet()
        return 0

    return guarded(refresh) or short.run(words)


def _read(flags: Sequence[str]) -> Input | None:
    from ..errors import UsageError
    from ..grammar import set_flag

    given: Input = {}
    try:
        for flag in flags:
            set_flag(given, flag)
    except UsageError:
        return None
    plain = all(isinstance(value, _KINDS.get(key, ())) for key, value in given.items())
    return given if plain and all(flag.startswith("--") for flag in flags) else None


def _add(names: list[str], given: Input) -> int:
    from ..artifacts import add
    from .output import open_workspace, out

    artifact = add(
        open_workspace(),
        names[0],
        names[1] if len(names) > 1 else "",
        tags=given.get("tags", ""),
        meta=given.get("meta"),
        yaml=given.get("yaml", False),
        source=given.get("from", ""),
    )
    if given.get("json"):
        values = {"artifact": artifact, "path": artifact.path, "uid": artifact.uid}
        out.answer({"return": 0, **values})
    else:
        out.line(artifact.name)
    return 0
