"""Segments: what is written is read, and what is damaged is noticed."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given

from cmgit.index.record import digest, key_term, term, terms
from cmgit.index.segment import HEADER, MAGIC, VERSION, DamagedIndex, Segment
from cmgit.index.writer import encode_segment, write_segment

from .conftest import Numbered, contents, numbered, order, record

PART: list[Numbered] = [(n, record(f"script/{name}")) for n in (0, 2) for name in ("a", "b-ü")]


@given(numbered)
def test_a_segment_holds_its_records(part: list[Numbered]) -> None:
    """Records come back in order, by number and by place, with their posting lists."""
    with tempfile.TemporaryDirectory() as directory:
        state = write_segment(directory, reversed(part))
        segment = Segment(f"{directory}/{state.name}")
        assert (state.count, state.live, state.dead) == (len(part), len(part), set())
        assert contents(segment) == sorted(part, key=order)
        assert [json.loads(segment.raw(n)) for n in range(segment.count)] == [
            item for _, item in contents(segment)
        ]
        check_places(segment)
        check_postings(segment)


def check_places(segment: Segment) -> None:
    """Every record is found by repository and path, and nothing else is."""
    for n, (repository, item) in enumerate(contents(segment)):
        assert segment.locate(repository, item["path"]) == n
        assert n in segment.of_repository(repository)
        assert segment.locate(repository, item["path"] + "/x") is None
        assert segment.locate(9, item["path"]) is None
    assert len(segment.of_repository(9)) == 0


def check_postings(segment: Segment) -> None:
    """The posting list of each term has exactly the records with the term, ascending."""
    by_term: dict[int, list[int]] = {}
    for n, (_, item) in enumerate(contents(segment)):
        for key in set(terms(item)):
            by_term.setdefault(key, []).append(n)
    for key, expected in by_term.items():
        assert list(segment.postings(key)) == expected
    for key in {0, 1, 2**64 - 1} - by_term.keys():
        assert not len(segment.postings(key))


def test_the_same_records_are_the_same_file(tmp_path: Path) -> None:
    """The order of writing does not matter, and the name is the digest."""
    one = write_segment(str(tmp_path), PART)
    two = write_segment(str(tmp_path), PART[::-1])
    assert one.name == two.name == digest(encode_segment(PART)[0]) + ".segment"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [one.name]


def test_terms_do_not_mix() -> None:
    """A tag, an alias and an automation of the same text are different terms; case is folded."""
    assert len({term(kind, "os") for kind in "tnaA"}) == 4
    assert key_term("Script", "STRASSE") == key_term("script", "straße")
    assert key_term("script", "a") != key_term("script", "b")


def damage(data: bytes) -> list[bytes]:
    """Ways in which a file of this content can be damaged."""
    size = len(data)
    cuts = [data[:n] for n in (0, 1, 7, HEADER.size - 1, HEADER.size, size // 2, size - 1)]
    flips = [flip(data, n) for n in range(0, size, max(1, size // 60))]
    return [*cuts, *flips, bytes(size), data + b"\0", flip(data, size - 1)]


def flip(data: bytes, at: int) -> bytes:
    """The data with one bit the other way."""
    return data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]


def test_a_damaged_segment_is_noticed(tmp_path: Path) -> None:
    """Cut, zeroed, extended or with one bit flipped: never a record from it."""
    path = tmp_path / write_segment(str(tmp_path), PART).name
    for data in damage(path.read_bytes()):
        path.write_bytes(data)
        with pytest.raises(DamagedIndex):
            Segment(str(path))


def test_a_segment_that_is_not_there(tmp_path: Path) -> None:
    """A missing file and a directory are damage too."""
    for path in (tmp_path / "none.segment", tmp_path):
        with pytest.raises(DamagedIndex):
            Segment(str(path))


@pytest.mark.parametrize(("magic", "version"), [(b"CMGITXXX", VERSION), (MAGIC, VERSION + 1)])
def test_a_segment_of_another_kind(tmp_path: Path, magic: bytes, version: int) -> None:
    """With a right name but another magic or version it is not read."""
    data = HEADER.pack(magic, version, 0, 0, 0, 0)
    path = tmp_path / f"{digest(data)}.segment"
    path.write_bytes(data)
    with pytest.raises(DamagedIndex, match="not a segment"):
        Segment(str(path))


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    """When the directory is not there, nothing is made."""
    with pytest.raises(OSError, match="none"):
        write_segment(str(tmp_path / "none"), PART)
    assert list(tmp_path.rglob("*.segment*")) == []
