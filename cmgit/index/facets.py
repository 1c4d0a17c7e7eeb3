"""How many of the artifacts of a query have each tag, are of each automation, in each repository.

Part of the short path. A set of the index is counted where many artifacts are selected, else the
tags of each of them.
"""

from __future__ import annotations

from _bisect import bisect_left
from itertools import chain

from ..names import Name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from typing import TypeAlias

    from ..query import Query
    from .bitmap import Numbers
    from .lookup import Index
    from .segment import Segment

    Counts: TypeAlias = list[tuple[str, int]]
    Some: TypeAlias = Sequence[int] | Numbers  # ascending

KINDS = ("repo", "automation", "tag")
FEW = 1000  # artifacts that are counted one by one
MANY = 50_000  # artifacts from which on pyroaring counts sooner, the time of its import included
A_SET = 9  # times the time that the tags of an artifact take


def count_by(index: Index, query: Query, kind: str, limit: int | None = None) -> Counts:
    """How many artifacts of a query there are of each of a kind: ``tag``, or ``repo`` or
    ``automation`` by the words that name them. The most frequent first, then by name."""
    if kind == "tag":
        return tags_of(index, query, limit)
    total: dict[Name, int] = {}
    for segment, numbers in index.find(query).found:
        parts = _automations if kind == "automation" else _repositories
        for name, count in parts(index, segment, numbers):
            total[name] = total.get(name, 0) + count
    return most_frequent((str(name), count) for name, count in total.items())[:limit]


def most_frequent(counts: Iterable[tuple[str, int]]) -> Counts:
    """Names and their counts in the order in which they are shown: by count, then by name."""
    return sorted(counts, key=lambda item: (-item[1], item[0]))


def _automations(index: Index, segment: Segment, numbers: Some) -> Iterator[tuple[Name, int]]:
    for at, pair in enumerate(segment.automations()):
        those = segment.having_automation(at)
        if isinstance(numbers, list):
            count = sum(number in those for number in numbers)
        else:
            count = len(numbers & those)  # type: ignore[operator]
        if count:
            yield Name(*pair), count


def _repositories(index: Index, segment: Segment, numbers: Some) -> Iterator[tuple[Name, int]]:
    ordered, at = list(numbers), 0
    while at < len(ordered):
        number = segment.repository(ordered[at])
        end = bisect_left(ordered, segment.of_repository(number).stop, at)
        state = index.manifest.repositories.state(number)
        yield Name(state.alias, state.uid), end - at
        at = end


def tags_of(index: Index, query: Query, limit: int | None = None, own: bool = True) -> Counts:
    """The tags of the artifacts of a query with how many have each, the most frequent first, then
    by name; without ``own`` those are left out that the query asks for."""
    parts = [(segment, _tag_counts(segment, some)) for segment, some in index.find(query).found]
    without = frozenset() if own else query.tags
    if len(parts) != 1:
        total: dict[str, int] = {}
        for segment, counts in parts:
            for at, count in counts.items():
                tag = segment.tag(at)
                total[tag] = total.get(tag, 0) + count
        return most_frequent(item for item in total.items() if item[0] not in without)[:limit]
    segment, counts = parts[0]
    for tag in without:
        counts.pop(segment.tag_id(tag), None)  # type: ignore[arg-type]
    best = _first(counts, lambda at: (-counts[at], at), limit)  # tags are in order
    return [(segment.tag(at), counts[at]) for at in best]


def _first(
    items: Collection[int], key: Callable[[int], tuple[int, int]], limit: int | None
) -> list[int]:
    """The first of them in an order, or all; of many without sorting the rest."""
    if limit is None or len(items) < FEW:
        return sorted(items, key=key)[:limit]
    from heapq import nsmallest

    return nsmallest(limit, items, key=key)


def _tag_counts(segment: Segment, numbers: Some) -> dict[int, int]:
    """How many of some records have each tag, by its position."""
    many = len(numbers) > FEW and not isinstance(numbers, list)
    if many and len(numbers) > A_SET * segment.tag_count:
        having = ((at, segment.having_tag(at)) for at in range(segment.tag_count))
        sizes = ((at, len(numbers & those)) for at, those in having)  # type: ignore[operator]
        return {at: size for at, size in sizes if size}
    if many:
        from collections import Counter

        return Counter(chain.from_iterable(segment.tag_ids_of(numbers)))
    counts: dict[int, int] = {}
    for at in chain.from_iterable(map(segment.tag_ids, numbers)):
        counts[at] = counts.get(at, 0) + 1
    return counts
