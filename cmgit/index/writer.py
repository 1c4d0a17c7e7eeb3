"""Writing segments, watch files and manifests: whole files, named by their digest, never changed."""

from __future__ import annotations

import json
import os
import time
from array import array
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from ..names import same_word
from .manifest import (
    Manifest,
    SegmentState,
    encode_manifest,
    is_index_file,
    manifest_numbers,
    manifest_path,
)
from .record import Record, digest, terms
from .segment import HEADER, MAGIC, SUFFIX, VERSION, Segment, padded
from .watch import SUFFIX as WATCH_SUFFIX
from .watch import Signature, encode_watch

Numbered = tuple[int, Record]  # a record with its repository's number
_GRACE_SECONDS = 600  # a file this young may belong to a manifest that is about to appear


def encode_segment(records: Iterable[Numbered]) -> tuple[bytes, int]:
    """The bytes of a segment with these records, and how many they are."""
    ordered = sorted(records, key=lambda item: (item[0], item[1]["path"].split("/")))
    postings: dict[int, list[int]] = {}
    for number, (_, record) in enumerate(ordered):
        for key in set(terms(record)):
            postings.setdefault(key, []).append(number)
    keys = sorted(postings)
    starts, total = array("I", [0]), 0
    for key in keys:
        total += len(postings[key])
        starts.append(total)
    lines = [orjson.dumps(record) for _, record in ordered]
    offsets, end = array("Q", [0]), 0
    for line in lines:
        end += len(line)
        offsets.append(end)
    names = "\n".join(same_word(record["alias"]) for _, record in ordered).encode()
    tables = [
        HEADER.pack(MAGIC, VERSION, len(ordered), len(keys), total, len(names)),
        array("Q", keys).tobytes(),
        starts.tobytes(),
        array("I", [number for key in keys for number in postings[key]]).tobytes(),
        array("I", [repository for repository, _ in ordered]).tobytes(),
        offsets.tobytes(),
        names,
    ]
    head = b"".join(table.ljust(padded(len(table)), b"\0") for table in tables)
    return head + b"".join(lines), len(ordered)


def write_segment(directory: str, records: Iterable[Numbered]) -> SegmentState:
    """Write a segment; returns its state, with every record alive."""
    data, count = encode_segment(records)
    return SegmentState(_write_named(directory, data, SUFFIX), count, set())


def write_watch(directory: str, signatures: Mapping[str, Signature]) -> str:
    """Write a watch file; returns its name."""
    return _write_named(directory, encode_watch(signatures), WATCH_SUFFIX)


def _write_named(directory: str, data: bytes, suffix: str) -> str:
    name = digest(data) + suffix
    path = os.path.join(directory, name)
    temporary = f"{path}.{os.getpid()}.{time.monotonic_ns()}.tmp"
    try:
        with open(temporary, "xb") as file:
            file.write(data)
        os.replace(temporary, path)
    except BaseException:
        _unlink(temporary)
        raise
    return name


def _json(value: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # a path that is not UTF-8
        return json.dumps(value).encode()


def publish(directory: str, manifest: Manifest) -> bool:
    """Put a manifest in place under its number; False when that number is taken already, or when
    a newer manifest is there that may or may not know of this one.

    After success, manifests before it and files that none needs are swept.
    """
    data = encode_manifest(_json(manifest.to_dict()))
    path = manifest_path(directory, manifest.number)
    temporary = os.path.join(directory, f"{os.getpid()}.{time.monotonic_ns()}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
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


def _newest(directory: str) -> int:
    return max(manifest_numbers(directory), default=0)


def _sweep(directory: str, manifest: Manifest) -> None:
    keep, now = manifest.files(), time.time()
    for number in manifest_numbers(directory):
        if number < manifest.number:
            _unlink(manifest_path(directory, number))
    for entry in os.scandir(directory):
        if entry.name in keep or not (is_index_file(entry.name) or entry.name.endswith(".tmp")):
            continue
        try:
            if now - entry.stat().st_mtime > _GRACE_SECONDS:
                _unlink(entry.path)
        except OSError:
            continue


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass


def compact(directory: str, segments: list[SegmentState]) -> list[SegmentState]:
    """Merge segments until each holds more than twice the records that count of the next.

    So their number grows with the logarithm of the number of changes, and every record is
    written again only that often.
    """
    segments = [segment for segment in segments if segment.live]
    while segments and _needs_merge(segments):
        first = len(segments) - 1 if len(segments) == 1 else len(segments) - 2
        merged = [item for state in segments[first:] for item in _live_records(directory, state)]
        segments = [*segments[:first], write_segment(directory, merged)]
    return segments


def _needs_merge(segments: list[SegmentState]) -> bool:
    last = segments[-1]
    if len(segments) > 1:
        return segments[-2].live <= 2 * last.live
    return len(last.dead) > last.live


def _live_records(directory: str, state: SegmentState) -> list[Numbered]:
    segment = Segment(os.path.join(directory, state.name))
    return [
        (segment.repositories[number], segment.record(number))
        for number in range(segment.count)
        if number not in state.dead
    ]
