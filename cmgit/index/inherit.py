"""Tags that artifacts inherit through ``_base``, across repositories."""

from __future__ import annotations

from contextlib import suppress

from ..errors import CmgitError
from ..meta.merge import MAX_BASES, join_tags, parse_base
from ..names import Name
from ..query import Query
from . import roaring
from .lookup import Index
from .manifest import Manifest
from .record import Record
from .writer import Numbered, bury, order, write_segments


def inherit(directory: str, draft: Manifest) -> None:
    """Give every artifact of a draft that has a ``_base`` the tags that it inherits now."""
    index = Index(directory, draft, roaring)
    old: dict[int, list[int]] = {}
    again: list[Numbered] = []
    for at, (segment, dead) in enumerate(index.segments):
        for number in segment.inheriting():
            if number in dead:
                continue
            record, repository = segment.record(number), segment.repository(number)
            tags = _inherited_tags(index, record, repository, MAX_BASES)
            if tags != record["tags"]:
                old.setdefault(at, []).append(number)
                again.append((repository, {**record, "tags": tags}))
    for at, numbers in old.items():  # only now: what is dead is no base either
        draft.segments[at] = bury(draft.segments[at], numbers)
    draft.segments += write_segments(directory, sorted(again, key=order))


def _inherited_tags(index: Index, record: Record, repository: int, limit: int) -> list[str]:
    if "base" not in record:
        return record["tags"]  # type: ignore[no-any-return]
    base = find_base(index, record, repository) if limit else None
    if base is None:
        return record["own_tags"]  # type: ignore[no-any-return]
    return join_tags(_inherited_tags(index, base[1], base[0], limit - 1), record["own_tags"])


def find_base(index: Index, record: Record, repository: int) -> tuple[int, Record] | None:
    """The artifact that ``base`` of a record names: in its own repository first, then in order."""
    automation, artifact = parse_base(record["base"])
    with suppress(CmgitError):
        query = Query.parse(automation, artifact)
        if not automation:
            query.automation = Name(record["automation_alias"], record["automation_uid"])
        hits = sorted(index.find(query), key=lambda hit: hit.repository.number != repository)
        for hit in hits:
            return hit.repository.number, hit.record
    return None
