"""``load`` of what was loaded before and is as it was."""

from __future__ import annotations

from .kept import key_of, read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...index.lookup import Index
    from ...query import Query
    from .words import Asked


def answer(index: Index, query: Query, asked: Asked) -> tuple[bytes, int] | None:
    """What ``load`` prints of the one artifact that there is; None when it was not kept."""
    found = index.find(query)
    if len(found) != 1:
        return None
    (hit,) = found
    repository = hit.repository
    key = key_of(repository.kind, repository.path, hit.path, hit.segment.tree(hit.number))
    text = read(asked.home, key) if key else None
    return None if text is None else (text, 0)
