"""``tags`` and ``find --by``."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...index.facets import Counts
    from ...index.lookup import Index
    from ...query import Query
    from .words import Asked


def answer(index: Index, query: Query, asked: Asked) -> tuple[bytes, int] | None:
    """How many artifacts there are of each: a line or a JSON object each."""
    from .find import NOT_FOUND, asks

    counts = _counts(index, query, asked)
    if counts is None or (asked.action == "find" and not counts and asks()):
        return None
    return _printed(counts, asked), NOT_FOUND if asked.has("strict") and not counts else 0


def _counts(index: Index, query: Query, asked: Asked) -> Counts | None:
    from ...index.facets import KINDS, MANY, count_by, tags_of

    kind = asked.flag("by") or "tag"
    if kind not in KINDS or asked.sort or asked.flag("text"):
        return None
    if kind == "tag" and len(index.find(query)) > MANY:
        from ...index import roaring
        from ...index.lookup import Index

        index = Index(index.directory, index.manifest, roaring)
    if asked.action == "tags":
        return tags_of(index, query, asked.limit, own=asked.has("all"))
    return count_by(index, query, kind, asked.limit)


def _printed(counts: Counts, asked: Asked) -> bytes:
    from .find import lines

    if not asked.has("json"):
        return lines(f"{count} {name}" for name, count in counts)
    from _json import encode_basestring as quoted

    return lines(f'{{"count":{count},"name":{quoted(name)}}}' for name, count in counts)
