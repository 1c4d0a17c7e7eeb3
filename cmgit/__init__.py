"""cmgit: a Git-native collective database of reusable artifacts.

>>> import cmgit
>>> workspace = cmgit.Workspace()                                    # doctest: +SKIP
>>> [artifact.alias for artifact in workspace.find("script", tags="detect,os")]  # doctest: +SKIP
['detect-os']

:func:`access` is the door of Collective Mind: a dict in, a dict with ``return`` out. What is
named here is imported when it is first used, so that the command line starts fast.
"""

from __future__ import annotations

__version__ = "0.1.0"

_HOMES = {
    "Artifact": "artifact",
    "CmgitError": "errors",
    "Entry": "registry",
    "Query": "query",
    "Workspace": "workspace",
    "access": "actions",
}

__all__ = ["Artifact", "CmgitError", "Entry", "Query", "Workspace", "__version__", "access"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .actions import access
    from .artifact import Artifact
    from .errors import CmgitError
    from .query import Query
    from .registry import Entry
    from .workspace import Workspace


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'cmgit' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value
