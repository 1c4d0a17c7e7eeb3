"""Writing the files of the index: whole, named by a digest, never changed."""

from __future__ import annotations

import heapq
import json
import os
import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from mmap import ACCESS_READ, mmap
from typing import IO, Any

import orjson

from . import roaring
from .builder import MAX_RECORDS, SegmentBuilder, texts
from .manifest import (
    INLINE,
    TABLE_MAGIC,
    TABLE_SUFFIX,
    TABLE_VERSION,
    Manifest,
    Repositories,
    RepositoryState,
    SegmentState,
    Table,
    manifest_numbers,
    manifest_path,
    repository_name,
)
from .pages import BLOCK, TRAILER, padded
from .record import Record, digest, hash64, sealed
from .segment import MAGIC, SUFFIX, VERSION, Segment
from .watch import SUFFIX as WATCH_SUFFIX
from .watch import Signature, encode_watch

Numbered = tuple[int, Record]  # a record with its repository's number
_GRACE_SECONDS = 600  # a file this young may belong to a manifest that is about to appear


# -- files -------------------------------------------------------------------------------------


def write_segments(directory: str, records: Iterable[Numbered]) -> list[SegmentState]:
    """Write records, ascending by :func:`order`, as one segment or, when they are very many, as
    several; returns their states."""
    states, builder = [], SegmentBuilder()
    for repository, record in records:
        builder.add(repository, record)
        if len(builder) == MAX_RECORDS:
            states.append(_write_segment(directory, builder))
            builder = SegmentBuilder()
    return [*states, _write_segment(directory, builder)] if len(builder) else states


def order(item: Numbered) -> tuple[int, list[str]]:
    """What records are ordered by."""
    return item[0], item[1]["path"].split("/")


def _write_segment(directory: str, builder: SegmentBuilder) -> SegmentState:
    name = write_pages(directory, SUFFIX, MAGIC, VERSION, builder.sections())
    return SegmentState(name, len(builder), len(builder))


def write_watch(directory: str, home: str, signatures: Mapping[str, Signature]) -> str:
    """Write a watch file; returns its name."""
    data = encode_watch(home, signatures)

    def write(file: IO[bytes]) -> str:
        file.write(data)
        return digest(data) + WATCH_SUFFIX

    return _write_named(directory, write)


def _write_table(directory: str, states: Iterable[RepositoryState]) -> str:
    ordered = sorted(states, key=lambda state: state.number)
    numbers = array("I", [state.number for state in ordered])
    lines = (_json(state.to_dict()) for state in ordered)
    names = (repository_name(state.alias, state.uid) for state in ordered)
    sections = [numbers, *texts(lines), *texts(names)]
    return write_pages(directory, TABLE_SUFFIX, TABLE_MAGIC, TABLE_VERSION, sections)


def write_pages(
    directory: str, suffix: str, magic: bytes, version: int, sections: Iterable[Any]
) -> str:
    """Write a file as :mod:`.pages` describes it; returns its name."""

    def write(file: IO[bytes]) -> str:
        bounds, end = array("Q"), 0
        for section in sections:
            data = memoryview(section).cast("B")
            bounds.extend((end, len(data)))
            file.write(data)
            file.write(bytes(padded(len(data)) - len(data)))
            end += padded(len(data))
        file.flush()
        tail = bounds.tobytes() + _digests(file, end).tobytes()
        tail += TRAILER.pack(magic, version, len(bounds) // 2, end)
        file.write(tail)
        return digest(tail) + suffix

    return _write_named(directory, write)


def _digests(file: IO[bytes], size: int) -> array[int]:
    if not size:
        return array("Q")
    with mmap(file.fileno(), size, access=ACCESS_READ) as pages, memoryview(pages) as view:
        return array("Q", [hash64(view[at : at + BLOCK]) for at in range(0, size, BLOCK)])


def _write_named(directory: str, write: Callable[[IO[bytes]], str]) -> str:
    """Put a file in place under the name that is known when it is written."""
    temporary = os.path.join(directory, f"{os.getpid()}.{time.monotonic_ns()}.tmp")
    try:
        with open(temporary, "x+b") as file:
            name = write(file)
        os.replace(temporary, os.path.join(directory, name))
    except BaseException:
        _unlink(temporary)
        raise
    return name


def _json(value: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # a path that is not UTF-8
        return json.dumps(value).encode()


# -- states ------------------------------------------------------------------------------------


def publish(directory: str, manifest: Manifest) -> bool:
    """Put a manifest in place under its number; False when that number is taken already, or when
    a newer manifest is there that may or may not know of this one.

    After success, manifests before it and files that none needs are swept.
    """
    manifest.repositories = _tabled(directory, manifest.repositories)
    path = manifest_path(directory, manifest.number)
    temporary = os.path.join(directory, f"{os.getpid()}.{time.monotonic_ns()}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(sealed(_json(manifest.to_dict())))
        if _newest(directory) >= manifest.number:
            return False
        os.link(temporary, path)
        if _newest(directory) > manifest.number:  # the number was free because it had been swept
            _unlink(path)
            return False
    except FileExistsError:
        return False
    finally:
        _unlink(temporary)
    _sweep(directory, manifest)
    return True


def _tabled(directory: str, repositories: Repositories) -> Repositories:
    """Write the table anew when many states are not as in it."""
    plain = [state for state in repositories.inline.values() if not state.special]
    if len(plain) + len(repositories.gone) <= INLINE:
        return repositories
    states = list(repositories)
    name = _write_table(directory, [state for state in states if not state.special])
    table = Table(directory, name, states[0].home if states else "")
    return Repositories(repositories.special, table, order=repositories.order)


def _newest(directory: str) -> int:
    return max(manifest_numbers(directory), default=0)


def _sweep(directory: str, manifest: Manifest) -> None:
    keep, now = manifest.files(), time.time()
    for number in manifest_numbers(directory):
        if number < manifest.number:
            _unlink(manifest_path(directory, number))
    for entry in os.scandir(directory):
        if entry.name in keep or not entry.name.endswith(_OURS):
            continue
        try:
            if now - entry.stat().st_mtime > _GRACE_SECONDS:
                _unlink(entry.path)
        except OSError:
            continue


_OURS = (SUFFIX, WATCH_SUFFIX, TABLE_SUFFIX, ".tmp")


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass


# -- segments ----------------------------------------------------------------------------------


def bury(state: SegmentState, numbers: Iterable[int]) -> SegmentState:
    """The state of a segment some records of which no longer count."""
    dead = roaring.of(numbers)
    if state.dead:
        dead |= roaring.deserialize(bytes.fromhex(state.dead))
    if not dead:
        return state
    text = roaring.serialize(dead).hex()
    return SegmentState(state.name, state.count, state.count - len(dead), text)


def compact(directory: str, segments: list[SegmentState]) -> list[SegmentState]:
    """Merge segments until each holds more than twice the records that count of the next.

    So their number grows with the logarithm of the number of changes, and every record is
    written again only that often. A segment most of which is dead is written again alone.
    """
    segments = [segment for segment in segments if segment.live]
    for at, state in enumerate(segments):
        if state.count > 2 * state.live:
            segments[at : at + 1] = _merge(directory, [state])
    while len(segments) > 1 and _belong_together(*segments[-2:]):
        segments[-2:] = _merge(directory, segments[-2:])
    return segments


def _belong_together(older: SegmentState, newer: SegmentState) -> bool:
    return older.live <= 2 * newer.live and older.live + newer.live <= MAX_RECORDS


def _merge(directory: str, states: list[SegmentState]) -> list[SegmentState]:
    parts = [_live_records(directory, state) for state in states]
    return write_segments(directory, heapq.merge(*parts, key=order))


def _live_records(directory: str, state: SegmentState) -> Iterator[Numbered]:
    segment = Segment(os.path.join(directory, state.name))
    dead = roaring.deserialize(bytes.fromhex(state.dead)) if state.dead else ()
    for number in range(segment.count):
        if number not in dead:
            yield segment.repository(number), segment.record(number)
