"""``where`` and ``find --path``: directories that are there already."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...index.lookup import Hit, Index
    from ...query import Query
    from .words import Asked

_WORKING = "working"


def answer(index: Index, query: Query, asked: Asked) -> tuple[bytes, int] | None:
    """What ``where`` prints; None when there is nothing, which is an error."""
    found = index.find(query)
    data = directories(found, asked.home) if len(found) else None
    return None if data is None else (data, 0)


def directories(hits: Iterable[Hit], home: str) -> bytes | None:
    """The directory of each hit, a line each; None when one has to be made first."""
    from .find import lines

    found = []
    for hit in hits:
        place = directory(hit, home)
        if not place:
            return None
        found.append(place)
    return lines(found)


def directory(hit: Hit, home: str) -> str:
    """The directory of an artifact, as ``Workspace.directory`` has it: in its work tree, or the
    check-out of its tree, which is complete when it is there; empty when it is not."""
    repository = hit.repository
    if repository.kind == _WORKING:
        place = os.path.join(repository.path, *hit.path.split("/"))
        return place if os.path.isdir(place) else ""
    tree = hit.segment.tree(hit.number)
    place = os.path.join(home, "trees", tree)
    return place if tree and os.path.isdir(place) and os.path.isdir(repository.path) else ""
