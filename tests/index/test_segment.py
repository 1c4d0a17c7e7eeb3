"""Segments: what is written is read, and what is damaged is noticed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmgit.index import builder, writer
from cmgit.index.bitmap import Bitmap
from cmgit.index.pages import DamagedIndex
from cmgit.index.record import Record
from cmgit.index.segment import Segment
from cmgit.index.writer import Numbered, order, write_segments
from cmgit.names import ANY, Name, same_word

from .conftest import SETS, contents, numbered, record, write_segment

PART: list[Numbered] = [(n, record(f"script/{name}")) for n in (0, 2) for name in ("a", "b-ü")]


@given(numbered.filter(bool), st.sampled_from(SETS))
def test_a_segment_holds_its_records(part: list[Numbered], sets: Any) -> None:
    """Records come back in order, by number and by place, and so does every set of them."""
    with tempfile.TemporaryDirectory() as directory:
        state = write_segment(directory, part)
        segment = Segment(f"{directory}/{state.name}", sets)
        assert (state.count, state.live, state.dead) == (len(part), len(part), "")
        assert contents(segment) == sorted(part, key=order)
        check_places(segment)
        check_sets(segment)


def check_places(segment: Segment) -> None:
    """Every record is found by repository and path, and nothing else is."""
    for n, (repository, item) in enumerate(contents(segment)):
        assert segment.locate(repository, item["path"]) == n
        assert n in segment.of_repository(repository)
        assert segment.locate(repository, item["path"] + "/x") is None
        assert segment.locate(9, item["path"]) is None
    assert len(segment.of_repository(9)) == 0


def check_sets(segment: Segment) -> None:
    """Those that have a UID, an alias, a tag, an automation, a base: all of them, no other."""
    items = [item for _, item in contents(segment)]

    def numbers(value: Callable[[Record], object], wanted: object) -> list[int]:
        return [n for n, item in enumerate(items) if value(item) == wanted]

    assert segment.inheriting() == numbers(lambda item: "base" in item, True)
    for item in items:
        uid, alias = item["uid"], same_word(item["alias"])
        assert list(segment.having_uid(uid)) == numbers(lambda other: other["uid"], uid)
        if alias:
            same = numbers(lambda other: same_word(other["alias"]), alias)
            assert sorted(segment.having_alias(alias)) == same
        for tag in item["tags"]:
            at = segment.tag_id(tag)
            assert at is not None
            assert segment.tag(at) == tag
            tagged = [n for n, other in enumerate(items) if tag in other["tags"]]
            assert list(segment.having_tag(at)) == tagged
    for at, pair in enumerate(segment.automations()):
        assert list(segment.having_automation(at)) == numbers(
            lambda item: (item["automation_alias"], item["automation_uid"]), pair
        )
    assert not len(segment.having_uid("ffffffffffffff00"))
    assert not len(segment.having_alias("nobody"))
    assert segment.tag_id("nothing") is None


def test_aliases_with_the_same_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every word is compared itself, so that a collision gives no wrong answer."""
    monkeypatch.setattr("cmgit.index.builder.hash64", lambda data: 7)
    monkeypatch.setattr("cmgit.index.segment.hash64", lambda data: 7)
    part = [(0, record(f"script/{name}")) for name in "abc"]
    segment = Segment(str(tmp_path / write_segment(str(tmp_path), part).name))
    assert [list(segment.having_alias(name)) for name in "abcd"] == [[0], [1], [2], []]


@pytest.mark.parametrize(
    "pattern", ["*etec*", "det*", "*-7*", "d*t-1?", "*é-9*", "?et*", "*", "*e*", "detect-1*", "*x*"]
)
def test_trigrams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str) -> None:
    """With sets of trigrams the aliases that a pattern accepts are the same as by looking at each."""
    part = [(0, record(f"script/{word}-{n}")) for n in range(30) for word in ("Detect", "été", "é")]
    plain = Segment(str(tmp_path / write_segment(str(tmp_path), part).name))
    monkeypatch.setattr(builder, "TRIGRAMS_FROM", 1)
    for sets in SETS:
        segment = Segment(str(tmp_path / write_segment(str(tmp_path), part).name), sets)
        found = sorted(segment.having_alias(pattern))
        assert found == sorted(plain.having_alias(pattern))
        assert found == [
            n for n in range(90) if Name(pattern).accepts(segment.alias(n), segment.uid(n))
        ]


def test_the_same_records_are_the_same_file(tmp_path: Path) -> None:
    """What is in a file does not depend on when it was written."""
    one, two = (write_segment(str(tmp_path), PART) for _ in range(2))
    assert one.name == two.name
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [one.name]


def test_very_many_records_are_several_segments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that making one takes bounded memory."""
    monkeypatch.setattr(writer, "MAX_RECORDS", 3)
    part = [(0, record(f"script/{n}")) for n in range(7)]
    states = write_segments(str(tmp_path), part)
    assert [state.count for state in states] == [3, 3, 1]
    assert [item for s in states for item in contents(Segment(str(tmp_path / s.name)))] == part
    assert write_segments(str(tmp_path), []) == []


def damage(data: bytes) -> list[bytes]:
    """Ways in which a file of this content can be damaged."""
    size = len(data)
    cuts = [data[:n] for n in (0, 1, 7, 31, 32, size // 2, size - 1)]
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
            contents(Segment(str(path)))


def test_a_segment_that_is_not_there(tmp_path: Path) -> None:
    """A missing file and a directory are damage too."""
    for path in (tmp_path / "none.segment", tmp_path):
        with pytest.raises(DamagedIndex):
            Segment(str(path))


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    """When the directory is not there, nothing is made."""
    with pytest.raises(OSError, match="none"):
        write_segment(str(tmp_path / "none"), PART)
    assert list(tmp_path.rglob("*.segment*")) == []


def test_few_and_many_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether records are looked at one by one or as sets changes no answer."""
    from cmgit.query import Query

    part = [
        (n % 3, record(f"script/x{n % 7}-{n}", tags=["a"] * (n % 2) + ["b"] * (n % 5 == 0)))
        for n in range(60)
    ]
    segment = Segment(str(tmp_path / write_segment(str(tmp_path), part).name))
    dead = Bitmap.of([3, 4, 50])
    for query in (
        Query(artifact=Name("x1*")),
        Query(Name("script"), Name("x*"), tags=["a"], no_tags=["b"]),
        Query(ANY, Name("*2*"), no_tags=["a"]),
        Query(ANY, Name("x*"), tags=["none"]),
    ):
        for repositories in (None, {0, 2}):
            few = list(segment.find(query, repositories, dead))
            monkeypatch.setattr(Bitmap, "few", -1)
            assert list(segment.find(query, repositories, dead)) == few
            monkeypatch.undo()
