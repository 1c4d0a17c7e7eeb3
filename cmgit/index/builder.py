"""Making a segment out of records that come in order."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson

from ..names import same_word
from . import roaring
from .pages import FENCE
from .record import Record, hash64
from .segment import TREE_BYTES, encoded, trigrams

TRIGRAMS_FROM = 1_000  # aliases: looking at each takes 2 us, finding the sets 1 ms
MAX_RECORDS = 1 << 20  # in one segment, so that making one needs no more memory than for these


class SegmentBuilder:
    """Collects records, ascending by (repository number, path split at ``/``)."""

    def __init__(self) -> None:
        self._uids = array("Q")
        self._trees = bytearray()
        self._aliases = _Words()
        self._alias_of = array("I")
        self._tags = _Words()
        self._tag_starts = array("I", [0])
        self._tag_ids = array("I")
        self._places = _Words()
        self._automations = _Words()
        self._groups: list[tuple[int, int, int]] = []  # repository, place, automation
        self._group_starts = array("I")
        self._extras: dict[int, bytes] = {}

    def __len__(self) -> int:
        return len(self._uids)

    def add(self, repository: int, record: Record) -> None:
        """Take in the next record."""
        place, _, name = record["path"].rpartition("/")
        automation = f"{record['automation_alias']}\0{record['automation_uid']}"
        group = (repository, self._places.id(place), self._automations.id(automation))
        if not self._groups or self._groups[-1] != group:
            self._groups.append(group)
            self._group_starts.append(len(self))
        alias = same_word(record["alias"])
        extra: dict[str, Any] = {} if record["alias"] == alias else {"alias": record["alias"]}
        if name != record["alias"]:
            extra["name"] = name
        if "base" in record:
            extra.update(base=record["base"], own_tags=record["own_tags"])
        if extra:
            self._extras[len(self)] = orjson.dumps(extra)
        self._alias_of.append(self._aliases.id(alias))
        self._tag_ids.extend(map(self._tags.id, record["tags"]))
        self._tag_starts.append(len(self._tag_ids))
        self._trees += bytes.fromhex(record["tree"]) or bytes(TREE_BYTES)
        self._uids.append(int(record["uid"], 16))

    def sections(self) -> Iterator[Any]:
        """The sections of the file, in the order of :mod:`.segment`."""
        aliases = self._aliases.sorted(encoded)
        tags = self._tags.sorted(encoded)
        alias_of = array("I", map(aliases.position.__getitem__, self._alias_of))
        tag_ids = array("I", map(tags.position.__getitem__, self._tag_ids))
        yield from (self._uids, self._trees, alias_of, self._tag_starts, tag_ids)
        yield self._group_starts
        for column in range(3):
            yield array("I", [group[column] for group in self._groups])
        yield from texts(map(encoded, self._places.words))
        yield from texts(map(encoded, self._automations.words))
        yield from texts(map(roaring.serialize, self._by_automation()))
        yield array("I", self._extras)
        yield from texts(self._extras.values())
        yield from self._by_uid()
        yield from _alias_sections(aliases.words, alias_of)
        yield from texts(map(encoded, tags.words))
        yield from texts(map(roaring.serialize, self._by_tag(tag_ids, len(tags.words))))

    def _by_automation(self) -> list[array[int]]:
        """The records of each automation."""
        sets = [array("I") for _ in self._automations.words]
        ends = [*self._group_starts[1:], len(self)]
        for group, start, end in zip(self._groups, self._group_starts, ends, strict=True):
            sets[group[2]].extend(range(start, end))
        return sets

    def _by_uid(self) -> Iterator[array[int]]:
        numbers = array("I", sorted(range(len(self)), key=self._uids.__getitem__))
        keys = array("Q", map(self._uids.__getitem__, numbers))
        yield from (keys, keys[::FENCE], numbers)

    def _by_tag(self, tag_ids: array[int], count: int) -> list[array[int]]:
        sets = [array("I") for _ in range(count)]
        for number in range(len(self)):
            for tag in tag_ids[self._tag_starts[number] : self._tag_starts[number + 1]]:
                sets[tag].append(number)
        return sets


class _Words:
    """Different strings, each with a number: ``id(word)``."""

    def __init__(self) -> None:
        self._ids: defaultdict[str, int] = defaultdict()
        self._ids.default_factory = self._ids.__len__  # the next number, for a new one
        self.id = self._ids.__getitem__

    @property
    def words(self) -> Sequence[str]:
        """All of them, by number."""
        return list(self._ids)

    def sorted(self, key: Any) -> _Sorted:
        """All of them in another order."""
        return _Sorted(sorted(self._ids, key=key), self._ids)


class _Sorted:
    """Strings in order; ``position`` tells where the one with a number is."""

    def __init__(self, words: Sequence[str], ids: dict[str, int]) -> None:
        self.words = words
        self.position = array("I", bytes(4 * len(ids)))
        for at, word in enumerate(words):
            self.position[ids[word]] = at


def texts(items: Iterable[bytes]) -> Iterator[Any]:
    """The two sections of strings, as :class:`~.pages.Texts` reads them."""
    offsets, data = array("Q", [0]), bytearray()
    for item in items:
        data += item
        offsets.append(len(data))
    yield from (offsets, data)


def _alias_sections(words: Sequence[str], alias_of: array[int]) -> Iterator[Any]:
    yield from texts(map(encoded, words))
    records = array("I", sorted(range(len(alias_of)), key=alias_of.__getitem__))
    starts = array("I", bytes(4 * (len(words) + 1)))
    for alias in alias_of:
        starts[alias + 1] += 1
    for at in range(len(words)):
        starts[at + 1] += starts[at]
    yield from (starts, records)
    hashes = sorted((hash64(encoded(word)), at) for at, word in enumerate(words))
    keys = array("Q", [key for key, _ in hashes])
    yield from (keys, keys[::FENCE], array("I", [at for _, at in hashes]))
    yield from _trigram_sections(words if len(words) >= TRIGRAMS_FROM else ())


def _trigram_sections(words: Sequence[str]) -> Iterator[Any]:
    sets: dict[int, array[int]] = {}
    for at, word in enumerate(words):
        for key in trigrams(encoded(word)):
            if key not in sets:
                sets[key] = array("I")
            sets[key].append(at)
    keys = sorted(sets)
    yield array("I", keys)
    yield from texts(roaring.serialize(sets[key]) for key in keys)
