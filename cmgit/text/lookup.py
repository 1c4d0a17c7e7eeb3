"""From words to ranked artifacts, for as long as the text index is true. Part of the short path."""

from __future__ import annotations

import os

from ..index.pages import DamagedIndex
from ..index.watch import read_watch, unchanged
from ..names import Name
from ..query import Query
from .engine import VERSION, Engine, Filters, Found
from .snippet import Snippet, snippet
from .state import ENGINE, DamagedText, generation, generations, identity, read_state
from .terms import automation_term, key, repository_term, tag_term
from .words import PLAIN, parse_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..index.lookup import Hit, Index
    from ..index.record import Record

FEW = 5_000  # artifacts that a query names, to be looked for by their keys
_TRIES = 3


class Match:
    """An artifact that answers, and how well it does."""

    __slots__ = ("_found", "_shown", "hit", "score")

    def __init__(self, hit: Hit, found: Found, shown: Callable[[str], Snippet]) -> None:
        self.hit = hit
        self.score = round(found.score, 3)
        self._found = found
        self._shown = shown

    def snippet(self) -> Snippet:
        """The part of its text that has most of the words."""
        return self._shown(self._found.body)


class Matches(list["Match"]):
    """Matches, best first; ``partial`` when no artifact has all of the words."""

    partial = False


def open_text(home: str, index: Index) -> TextIndex | None:
    """The text index of a home, or None when it is missing, damaged or not true of this index.

    True means: made from this state of the index, and every README of a working repository is
    as it was.
    """
    for _ in range(_TRIES):
        numbers = generations(home)
        if not numbers:
            return None
        try:
            return _open(home, generation(home, numbers[0]), index)
        except (DamagedText, DamagedIndex, OSError):
            if generations(home) == numbers:
                return None  # not replaced by a newer one meanwhile
    return None


def _open(home: str, directory: str, index: Index) -> TextIndex | None:
    state = read_state(directory, VERSION)
    if state["index"] != identity(index.manifest):
        return None
    watch = state["watch"]
    if watch and not unchanged(read_watch(os.path.join(directory, watch), home)):
        return None
    return TextIndex(directory, index)


class _Asked:
    """What tantivy is asked for: all words, then some of them; with their tokens, and whether it
    finds nothing that a query does not accept."""

    __slots__ = ("sure", "tokens", "ways")

    def __init__(self, ways: list[tuple[bool, Any]], tokens: list[str], sure: bool) -> None:
        self.ways = ways
        self.tokens = tokens
        self.sure = sure


class TextIndex:
    """A text index, with the index that it belongs to."""

    def __init__(self, directory: str, index: Index) -> None:
        """Open a generation; raises DamagedText."""
        self._engine = Engine(os.path.join(directory, ENGINE))
        self._index = index

    def find(self, query: Query, text: str, limit: int | None = None) -> Matches:
        """The artifacts that a query selects and that have the words, best first.

        When none has all words, those that have some (``partial``). Raises UsageError for a text
        without words, DamagedText.
        """
        matches, engine = Matches(), self._engine
        asked = self._asked(query, text)
        for every, words in asked.ways:
            found = self._accepted(query, words, limit, asked.sure)
            if found:
                matches.partial = not every
                break
        else:
            return matches
        matches += [
            Match(hit, one, lambda body: snippet(body, asked.tokens, engine.tokens))
            for hit, one in found
        ]
        return matches

    def count(self, query: Query, text: str) -> tuple[int, bool]:
        """How many artifacts :meth:`find` finds, and whether none has all words; raises what it
        raises."""
        asked = self._asked(query, text)
        if not asked.sure:
            matches = self.find(query, text)
            return len(matches), matches.partial
        for every, words in asked.ways:
            if count := self._engine.matches(words):
                return count, not every
        return 0, False

    def _asked(self, query: Query, text: str) -> _Asked:
        wanted, unwanted = parse_text(text)
        filters = Filters()
        sure = self._select(query, filters)
        tokens = dict.fromkeys(t for piece in wanted for t in self._engine.tokens(piece.text))
        one = len(wanted) == 1 and (wanted[0].kind != PLAIN or len(tokens) < 2)
        ways = [
            (every, self._engine.query(wanted, unwanted, every, filters))
            for every in ((True,) if one else (True, False))
        ]
        return _Asked(ways, list(tokens), sure)

    def _select(self, query: Query, filters: Filters) -> bool:
        """Fill in the filters; returns whether they leave nothing for ``accepts`` to refuse."""
        filters.every += [[tag_term(tag)] for tag in query.tags]
        filters.no += [tag_term(tag) for tag in query.no_tags]
        if query.repo:
            numbers = self._index.repository_numbers(query.repo)
            filters.every.append([repository_term(number) for number in numbers])
        if not query.automation.is_pattern:
            filters.every.append([automation_term(query.automation)])
        if not _names(query.artifact) and not (
            query.automation.is_pattern and _names(query.automation)
        ):
            return True
        hits = self._index.find(query)
        if len(hits) <= FEW:
            filters.keys = [key(hit.segment.repository(hit.number), hit.path) for hit in hits]
        return len(hits) <= FEW

    def _accepted(
        self, query: Query, asked: Any, limit: int | None, sure: bool
    ) -> list[tuple[Hit, Found]]:
        """The best that the query accepts; of what tantivy finds as much as that takes."""
        wanted = self._engine.count if limit is None else limit
        number = wanted if sure else 4 * wanted
        while True:
            found = self._engine.search(asked, number)
            hits = ((self._hit(one), one) for one in found)
            good = [(h, one) for h, one in hits if h and (sure or _accepts(query, h.record))]
            if len(good) >= wanted or len(found) < number:
                good.sort(key=lambda item: (-item[1].score, item[1].place))
                return good[:wanted]
            number *= 4

    def _hit(self, found: Found) -> Hit | None:
        """What the index knows of a document."""
        number, path = found.place
        for hit in self._index.find(Query(artifact=Name("", found.uid))):
            if hit.segment.repository(hit.number) == number and hit.path == path:
                return hit
        return None


def _accepts(query: Query, record: Record) -> bool:
    """Whether a record answers a query, whatever its repository."""
    automation = record["automation_alias"], record["automation_uid"]
    return query.accepts(record["alias"], record["uid"], *automation, record["tags"])


def _names(name: Name) -> bool:
    """Whether a name leaves anything out."""
    return bool(name.uid or name.alias.strip("*"))
