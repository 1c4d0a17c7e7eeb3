"""Reading a segment: an immutable set of records, found by UID, alias, tag and automation.

README.md describes the sections. Record numbers run from 0 in the order (repository, path).
"""

from __future__ import annotations

from _bisect import bisect_left, bisect_right

from ..names import glob, same_word
from .bitmap import Bitmap
from .pages import Column, Pages, SortedColumn, Texts
from .record import decode, hash64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ..names import Name
    from ..query import Query
    from .bitmap import Numbers, Sets
    from .record import Record

MAGIC = b"CMGITSEG"
VERSION = 2
SUFFIX = ".segment"
(
    UIDS, TREES, ALIAS_OF, TAG_STARTS, TAG_IDS,
    GROUP_STARTS, GROUP_REPOSITORIES, GROUP_PLACES, GROUP_AUTOMATIONS,
    PLACES, PLACE_TEXT, AUTOMATIONS, AUTOMATION_TEXT, AUTOMATION_SETS, AUTOMATION_SET_DATA,
    EXTRA_RECORDS, EXTRAS, EXTRA_TEXT,
    UID_KEYS, UID_FENCES, UID_RECORDS,
    ALIASES, ALIAS_TEXT, ALIAS_STARTS, BY_ALIAS, ALIAS_KEYS, ALIAS_FENCES, ALIAS_IDS,
    TRIGRAMS, TRIGRAM_SETS, TRIGRAM_SET_DATA,
    TAGS, TAG_TEXT, TAG_SETS, TAG_SET_DATA,
) = range(35)  # fmt: skip
SECTIONS = 35
TREE_BYTES = 20


class Segment:
    """One segment file."""

    def __init__(self, path: str, sets: Sets = Bitmap) -> None:
        """Map a file; ``sets`` is what reads and makes sets of numbers. Raises DamagedIndex, as
        any method may, when the file is not what its name says."""
        pages = self._pages = Pages(path, MAGIC, VERSION, SECTIONS)
        self._sets = sets
        self._uids = Column(pages, UIDS, "Q")
        self.count = len(self._uids)
        self._trees = pages.bounds(TREES)[0]
        self._group_starts = Column(pages, GROUP_STARTS).all()
        self._group_repositories = Column(pages, GROUP_REPOSITORIES).all()
        self._group_places = Column(pages, GROUP_PLACES)
        self._group_automations = Column(pages, GROUP_AUTOMATIONS)
        self._places = Texts(pages, PLACES, PLACE_TEXT)
        self._extra_records = Column(pages, EXTRA_RECORDS).all()
        self._extras = Texts(pages, EXTRAS, EXTRA_TEXT)
        self._uid_keys = SortedColumn(pages, UID_KEYS, UID_FENCES)
        self._uid_records = Column(pages, UID_RECORDS)
        self._alias_of = Column(pages, ALIAS_OF)
        self._aliases = Texts(pages, ALIASES, ALIAS_TEXT)
        self._alias_keys = SortedColumn(pages, ALIAS_KEYS, ALIAS_FENCES)
        self._alias_ids = Column(pages, ALIAS_IDS)
        self._alias_starts = Column(pages, ALIAS_STARTS)
        self._by_alias = Column(pages, BY_ALIAS)
        self._tag_starts = Column(pages, TAG_STARTS)
        self._tag_ids = Column(pages, TAG_IDS)
        self._tags = Texts(pages, TAGS, TAG_TEXT)
        self._tag_positions: dict[str, int | None] = {}
        self._automations: list[tuple[str, str]] = []
        self._named: dict[tuple[str, str], list[int]] = {}
        self._opened: dict[tuple[int, int], Numbers] = {}

    # -- one record ---------------------------------------------------------------------------

    def uid(self, number: int) -> str:
        """The UID of a record."""
        return f"{self._uids[number]:016x}"

    def alias(self, number: int) -> str:
        """The alias of a record, as it was written."""
        return self._alias(number, self._extra(number))

    def _alias(self, number: int, extra: Record) -> str:
        if "alias" in extra:
            return extra["alias"]  # type: ignore[no-any-return]
        return self._aliases.text(self._alias_of[number])

    def repository(self, number: int) -> int:
        """The number of the repository that a record is in."""
        return self._group_repositories[bisect_right(self._group_starts, number) - 1]

    def automation(self, number: int) -> tuple[str, str]:
        """The alias and the UID of the automation of a record."""
        group = bisect_right(self._group_starts, number) - 1
        return self.automations()[self._group_automations[group]]

    def path(self, number: int) -> str:
        """The directory of a record in its repository."""
        return self._path(number, self._extra(number))

    def _path(self, number: int, extra: Record) -> str:
        group = bisect_right(self._group_starts, number) - 1
        place = self._places.text(self._group_places[group])
        name = extra["name"] if "name" in extra else self._alias(number, extra)
        return f"{place}/{name}" if place else name

    def _extra(self, number: int) -> Record:
        at = bisect_left(self._extra_records, number)
        if at == len(self._extra_records) or self._extra_records[at] != number:
            return {}
        return decode(self._extras.text(at))  # type: ignore[no-any-return]

    def tags(self, number: int) -> list[str]:
        """The tags of a record, those that it inherits included."""
        text = self._tags.text
        return [text(at) for at in self.tag_ids(number)]

    def tag_ids(self, number: int) -> memoryview:
        """The same as positions among all tags."""
        return self._tag_ids.part(self._tag_starts[number], self._tag_starts[number + 1])

    def tag_ids_of(self, numbers: Iterable[int]) -> Iterator[list[int]]:
        """The same for each of many records, ascending; those in a row together."""
        starts, ids = self._tag_starts.all(), self._tag_ids.all()
        first = end = 0
        for number in numbers:
            if number != end:
                yield ids[starts[first] : starts[end]].tolist()
                first = number
            end = number + 1
        yield ids[starts[first] : starts[end]].tolist()

    def tree(self, number: int) -> str:
        """The id of the tree of a record, empty when it is not committed."""
        start = self._trees + TREE_BYTES * number
        tree = self._pages.read(start, start + TREE_BYTES)
        return tree.hex() if any(tree) else ""

    def record(self, number: int) -> Record:
        """The record as a dict."""
        extra, automation = self._extra(number), self.automation(number)
        record: Record = {
            "uid": self.uid(number),
            "alias": self._alias(number, extra),
            "automation_alias": automation[0],
            "automation_uid": automation[1],
            "path": self._path(number, extra),
            "tags": self.tags(number),
            "tree": self.tree(number),
        }
        if "base" in extra:
            record["base"], record["own_tags"] = extra["base"], extra["own_tags"]
        return record

    # -- repositories -------------------------------------------------------------------------

    def of_repository(self, repository: int) -> range:
        """The numbers of all records of a repository."""
        first = bisect_left(self._group_repositories, repository)
        last = bisect_right(self._group_repositories, repository, first)
        return range(self._start(first), self._start(last))

    def _start(self, group: int) -> int:
        return self._group_starts[group] if group < len(self._group_starts) else self.count

    def locate(self, repository: int, path: str) -> int | None:
        """The number of the record of a path in a repository."""
        numbers, wanted = self.of_repository(repository), path.split("/")
        low, high = numbers.start, numbers.stop
        while low < high:
            middle = (low + high) // 2
            found = self.path(middle).split("/")
            if found == wanted:
                return middle
            if found < wanted:
                low = middle + 1
            else:
                high = middle
        return None

    # -- sets of records ----------------------------------------------------------------------

    def inheriting(self) -> list[int]:
        """The numbers of the records of artifacts that inherit."""
        return [number for number in self._extra_records if "base" in self._extra(number)]

    def find(
        self, query: Query, repositories: set[int] | None, dead: Numbers
    ) -> Sequence[int] | Numbers:
        """The ascending numbers of all records that answer a query.

        They are in one of the repositories, or in any for None, and not among the dead.
        """
        few = self._few(query)
        if few is not None and len(few) <= self._sets.few:
            return self._among(few, query, repositories, dead)
        parts = self._parts(query, repositories)
        if parts is None:
            return ()
        if few is not None:
            parts.append(self._sets.of(few))
        parts.sort(key=len)
        found = parts[0] if parts else self._sets.of_ranges([(0, self.count)])
        for part in parts[1:]:
            found = found & part
        for tag in query.no_tags:
            at = self.tag_id(tag)
            if at is not None:
                found = found - self.having_tag(at)
        return found - dead if len(dead) else found

    def _among(
        self, few: Sequence[int], query: Query, repositories: set[int] | None, dead: Numbers
    ) -> Sequence[int]:
        """Those of a few records that all but the artifact's name fits, ascending."""
        if len(few) > 1:
            few = sorted(few)
        if len(dead):
            few = [number for number in few if number not in dead]
        if few and repositories is not None:
            few = [number for number in few if self.repository(number) in repositories]
        if few and query.automation:
            starts, automations = self._group_starts, self._group_automations
            those = self.of_automation(query.automation)
            few = [n for n in few if automations[bisect_right(starts, n) - 1] in those]
        if few and (query.tags or query.no_tags):
            few = [number for number in few if self._tagged(number, query)]
        return few

    def _few(self, query: Query) -> Sequence[int] | None:
        """The records that the artifact's name alone leaves; None when it leaves all."""
        name = query.artifact
        if name.uid:
            return self.having_uid(name.uid)
        return self.having_alias(name.alias) if name.alias.strip("*") else None

    def _tagged(self, number: int, query: Query) -> bool:
        """Whether a record has the tags that it should, and none of the others."""
        tags = self.tags(number)
        return query.tags.issubset(tags) and query.no_tags.isdisjoint(tags)

    def _parts(self, query: Query, repositories: set[int] | None) -> list[Numbers] | None:
        """The sets that an answer is in all of; None when one is empty."""
        parts = []
        for tag in query.tags:
            at = self.tag_id(tag)
            if at is None:
                return None
            parts.append(self.having_tag(at))
        if query.automation:
            some = [self.having_automation(at) for at in self.of_automation(query.automation)]
            if not some:
                return None
            while len(some) > 1:
                some.append(some.pop() | some.pop())
            parts += some
        if repositories is not None:
            ranges = [self.of_repository(number) for number in sorted(repositories)]
            parts.append(self._sets.of_ranges((part.start, part.stop) for part in ranges))
        return parts

    def automations(self) -> list[tuple[str, str]]:
        """The alias and UID of every automation that a record is of."""
        if not self._automations:
            texts = Texts(self._pages, AUTOMATIONS, AUTOMATION_TEXT)
            pairs = (texts.text(at).partition("\0") for at in range(len(texts)))
            self._automations = [(alias, uid) for alias, _, uid in pairs]
        return self._automations

    def of_automation(self, name: Name) -> list[int]:
        """The positions, in :meth:`automations`, of those that go by a name."""
        found = self._named.get((name.alias, name.uid))
        if found is None:
            found = [at for at, pair in enumerate(self.automations()) if name.accepts(*pair)]
            self._named[name.alias, name.uid] = found
        return found

    def having_automation(self, at: int) -> Numbers:
        """The records of one automation."""
        return self._set(AUTOMATION_SETS, AUTOMATION_SET_DATA, at)

    def tag_id(self, tag: str) -> int | None:
        """The position of a tag among all, which are in order."""
        if tag not in self._tag_positions:
            wanted = encoded(tag)
            at = self._tags.first(wanted)
            found = at if at < len(self._tags) and self._tags.data(at) == wanted else None
            self._tag_positions[tag] = found
        return self._tag_positions[tag]

    def tag(self, at: int) -> str:
        """The tag at a position."""
        return self._tags.text(at)

    @property
    def tag_count(self) -> int:
        """How many different tags there are."""
        return len(self._tags)

    def having_tag(self, at: int) -> Numbers:
        """The records that have a tag."""
        return self._set(TAG_SETS, TAG_SET_DATA, at)

    def _set(self, offsets: int, data: int, at: int) -> Numbers:
        found = self._opened.get((data, at))
        if found is None:
            raw = Texts(self._pages, offsets, data).data(at)
            found = self._opened[data, at] = self._sets.deserialize(raw)
        return found

    def having_uid(self, uid: str) -> Sequence[int]:
        """The records of a UID, ascending."""
        return self._uid_records.part(*self._uid_keys.span(int(uid, 16)))

    def having_alias(self, pattern: str) -> Sequence[int]:
        """The records whose alias a pattern accepts; each once, in the order of aliases."""
        wanted = same_word(pattern)
        if "*" not in wanted and "?" not in wanted:
            at = self._alias_id(wanted)
            return () if at is None else self._of_aliases(at, at + 1)
        if wanted.find("*") == len(wanted) - 1 and "?" not in wanted:
            return self._of_aliases(*self._prefixed(wanted[:-1]))
        return [n for at in self._matching(wanted) for n in self._of_aliases(at, at + 1)]

    def _of_aliases(self, first: int, end: int) -> memoryview[int]:
        if end == first + 1:
            return self._by_alias.part(*self._alias_starts.pair(first))
        starts = self._alias_starts
        return self._by_alias.part(starts[first], starts[end])

    def _alias_id(self, folded: str) -> int | None:
        key = encoded(folded)
        first, last = self._alias_keys.span(hash64(key))
        for at in range(first, last):
            alias = self._alias_ids[at]
            if self._aliases.data(alias) == key:
                return alias
        return None

    def _prefixed(self, prefix: str) -> tuple[int, int]:
        """The aliases, which are in order, that begin so: the first, and that behind the last."""
        key, aliases, step = encoded(prefix), self._aliases, 1
        if not key:
            return 0, len(aliases)
        first = aliases.first(key)
        while first + step < len(aliases) and aliases.data(first + step).startswith(key):
            step *= 2
        behind = key[:-1] + bytes([key[-1] + 1])  # the least that is greater; no UTF-8 ends in 255
        end = min(first + step, len(aliases))
        return first, aliases.first(behind, first + step // 2, end)

    def _matching(self, pattern: str) -> Iterator[int]:
        candidates = self._with_trigrams(pattern)
        for at in range(len(self._aliases)) if candidates is None else candidates:
            if glob(pattern, self._aliases.text(at)):
                yield at

    def _with_trigrams(self, pattern: str) -> Numbers | None:
        """The aliases that hold all trigrams of a pattern; None when that cannot be told."""
        keys = Column(self._pages, TRIGRAMS).all()
        wanted = {
            key for part in pattern.replace("?", "*").split("*") for key in trigrams(encoded(part))
        }
        if not len(keys) or not wanted:
            return None
        found: Numbers | None = None
        for key in sorted(wanted):
            at = bisect_left(keys, key)
            if at == len(keys) or keys[at] != key:
                return Bitmap({})
            those = self._set(TRIGRAM_SETS, TRIGRAM_SET_DATA, at)
            found = those if found is None else found & those
        return found


def encoded(text: str) -> bytes:
    """The bytes of a string, which JSON may give half of a pair of surrogates."""
    return text.encode("utf-8", "surrogatepass")


def trigrams(data: bytes) -> set[int]:
    """Every three bytes that follow each other, as big-endian numbers."""
    return {data[at] << 16 | data[at + 1] << 8 | data[at + 2] for at in range(len(data) - 2)}
