"""Manifests: numbered, put in place by compare-and-swap, checked when read."""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmgit.index import writer
from cmgit.index.manifest import (
    INLINE,
    Manifest,
    Repositories,
    RepositoryState,
    SegmentState,
    manifest_numbers,
    manifest_path,
    read_manifest,
)
from cmgit.index.pages import DamagedIndex
from cmgit.index.record import digest
from cmgit.index.writer import publish, write_watch
from cmgit.names import Name

from .conftest import record, states, write_segment
from .test_segment import damage

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=6)
repository_states = st.builds(
    RepositoryState,
    number=st.integers(0, 2**31),
    alias=texts,
    path=texts,
    problem=texts,
    warnings=st.lists(st.lists(texts, min_size=2, max_size=2), max_size=2),
)
segment_states = st.builds(
    SegmentState, texts, st.integers(0, 2**31), st.integers(0, 2**31), st.sampled_from(["", "3a30"])
)


@pytest.fixture
def directory(tmp_path: Path) -> str:
    """An empty directory for an index."""
    path = tmp_path / "index"
    path.mkdir()
    return str(path)


def test_without_a_manifest_there_is_an_empty_one(directory: str) -> None:
    """Number 0, whether the directory is there or not."""
    for place in (directory, directory + "/none"):
        manifest = read_manifest(place)
        assert (manifest.number, list(manifest.repositories), manifest.segments) == (0, [], [])


@given(
    st.lists(repository_states, max_size=3, unique_by=lambda state: state.number), st.lists(segment_states, max_size=3), texts,
)  # fmt: skip
def test_a_manifest_reads_back(
    tmp_path_factory: pytest.TempPathFactory,
    repositories: list[RepositoryState],
    segments: list[SegmentState],
    registry: str,
) -> None:
    """Every value survives; the number is that of the file."""
    directory = str(tmp_path_factory.mktemp("index"))
    manifest = Manifest(7, registry, Repositories.of(repositories), segments)
    assert publish(directory, manifest)
    read = read_manifest(directory)
    assert read.number == 7
    assert read.to_dict() == manifest.to_dict()
    assert list(read.repositories) == repositories


def test_the_newest_counts(directory: str) -> None:
    """Ten comes after nine, and what does not end in a number is no manifest."""
    for number in (9, 10):
        assert publish(directory, Manifest(number, str(number)))
    for name in ("manifest-11.tmp", "manifest-", "manifest-x"):
        Path(directory, name).touch()
    assert read_manifest(directory).registry == "10"
    assert manifest_numbers(directory) == [10]


@pytest.mark.parametrize("number", [4, 5])
def test_a_number_is_taken_once(directory: str, number: int) -> None:
    """Publishing under a number that is not the next changes nothing."""
    assert publish(directory, Manifest(5, "first"))
    assert not publish(directory, Manifest(number, "second"))
    assert read_manifest(directory).registry == "first"
    assert os.listdir(directory) == ["manifest-5"]


def test_a_writer_that_slept_has_lost(directory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A number that was free when it was looked at, and was published and swept since, is not
    taken: readers would never see it."""
    publish(directory, Manifest(4, "before"))
    link = os.link

    def sleepy(source: str, target: str) -> None:
        monkeypatch.setattr(writer.os, "link", link)
        assert publish(directory, Manifest(5, "fast"))
        assert publish(directory, Manifest(6, "faster"))
        link(source, target)

    monkeypatch.setattr(writer.os, "link", sleepy)
    assert not publish(directory, Manifest(5, "slow"))
    assert read_manifest(directory).registry == "faster"


def add_to_registry(directory: str, word: str) -> None:
    """Add a word to what the newest manifest says, again until it worked."""
    while True:
        newest = read_manifest(directory)
        if publish(directory, Manifest(newest.number + 1, f"{newest.registry} {word}")):
            return


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_no_update_is_lost(directory: str, kind: str) -> None:
    """Whatever several writers add at once is there at the end; one that was overtaken may have
    added it twice."""
    words = [f"w{n}" for n in range(40)]
    pool = (
        ThreadPoolExecutor(4)
        if kind == "threads"
        else ProcessPoolExecutor(3, mp_context=get_context("spawn"))
    )
    with pool:
        list(pool.map(add_to_registry, [directory] * len(words), words))
    newest = read_manifest(directory)
    added = newest.registry.split()
    assert set(added) == set(words)
    assert newest.number == len(added)
    assert manifest_numbers(directory)[0] == newest.number


def test_readers_see_whole_states_that_only_grow(directory: str) -> None:
    """While one writer publishes, a reader never sees an older state after a newer one, or half."""
    publish(directory, Manifest(1, "1"))
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(
            lambda: [publish(directory, Manifest(n, str(n))) for n in range(2, 200)]
        )
        seen = [read_manifest(directory)]
        while not writing.done():
            seen.append(read_manifest(directory))
        assert all(writing.result())
    numbers = [manifest.number for manifest in seen]
    assert numbers == sorted(numbers)
    assert all(manifest.registry == str(manifest.number) for manifest in seen)
    assert read_manifest(directory).number == 199


def test_a_damaged_manifest_is_noticed(directory: str) -> None:
    """Cut, zeroed, extended or with one bit flipped: never a state from it."""
    state = SegmentState("x.segment", 3, 2, "00")
    repositories = Repositories([RepositoryState("/h", number=0, alias="a")])
    publish(directory, Manifest(1, "r", repositories, [state]))
    path = Path(manifest_path(directory, 1))
    whole = path.read_bytes()
    for data in damage(whole):
        if data.rstrip(b"\n") != whole.rstrip(b"\n"):
            path.write_bytes(data)
            with pytest.raises(DamagedIndex):
                read_manifest(directory)


@pytest.mark.parametrize("body", [b'{"format":2}', b'{"format":4}'])
def test_a_manifest_of_another_format(directory: str, body: bytes) -> None:
    """It is not read, though its digest is right."""
    Path(manifest_path(directory, 1)).write_bytes(body + b"\n" + digest(body).encode() + b"\n")
    with pytest.raises(DamagedIndex, match="format"):
        read_manifest(directory)


def test_old_files_are_swept(directory: str) -> None:
    """What no manifest needs goes after a time of grace; what it needs, and others', stays."""
    kept = write_segment(directory, [(0, record("script/a"))])
    watch = write_watch(directory, "/h", {"/x": (1, 2, 3, 4)})
    old, young = (write_segment(directory, [(n, record("script/b"))]).name for n in (1, 2))
    for name in ("1.2.tmp", "notes.txt"):
        Path(directory, name).touch()
    for name in (kept.name, watch, old, "1.2.tmp", "notes.txt"):
        os.utime(Path(directory, name), (time.time() - 3600,) * 2)
    repositories = Repositories([RepositoryState("/h", number=0, watch=watch)])
    publish(directory, Manifest(1, "", repositories, [kept]))
    assert set(os.listdir(directory)) == {kept.name, watch, young, "notes.txt", "manifest-1"}


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="needs a user's rights")
def test_a_directory_that_cannot_be_written(directory: str) -> None:
    """An OSError, and the state stays as it was."""
    publish(directory, Manifest(1, "before"))
    os.chmod(directory, 0o555)
    with pytest.raises(PermissionError):
        publish(directory, Manifest(2, "after"))
    os.chmod(directory, 0o755)
    assert read_manifest(directory).registry == "before"


# -- the table of repositories ------------------------------------------------------------------

names = [
    Name("repo7"), Name("REPO12"), Name("repo1"), Name("repo*"), Name("*5"), Name("none"),
    Name("x", f"{17:016x}"), Name("", "f" * 16), Name(),
]  # fmt: skip
numbers = st.lists(st.integers(0, 3 * INLINE), unique=True, max_size=3 * INLINE)


@given(st.lists(st.tuples(numbers, st.sets(st.integers(0, 3 * INLINE), max_size=5)), max_size=4))
def test_states_whatever_is_in_the_table(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[list[int], set[int]]]
) -> None:
    """However many repositories come, go and change, and in whatever order: all are read back."""
    directory = str(tmp_path_factory.mktemp("index"))
    known: dict[int, RepositoryState] = {}
    for step, (numbers, changed) in enumerate(steps, start=1):
        fresh = {state.number: state for state in states(numbers)}
        for number in changed & known.keys() & fresh.keys():
            fresh[number].commit = str(step)
            fresh[number].problem = "absent" if number % 7 == 0 else ""
        before = read_manifest(directory).repositories
        new = {n: s for n, s in fresh.items() if n not in known or n in changed}
        known = {n: new.get(n) or known[n] for n in numbers}
        assert publish(directory, Manifest(step, "", before.updated(new.values(), numbers)))
        read = read_manifest(directory).repositories
        assert list(read) == list(known.values())
        assert len(read) == len(numbers)
        assert sorted(numbers, key=read.position) == numbers
        assert {s.number for s in read.special} == {n for n, s in known.items() if s.special}
        for name in names:
            accepted = {n for n, s in known.items() if name.accepts(s.alias, s.uid)}
            assert read.named(name) == accepted


def test_few_states_are_read_where_many_are(directory: str) -> None:
    """A table holds what no lookup needs; one changed state leaves it as it is."""
    many = states(range(5 * INLINE))
    many[3].warnings = [["a", "bad"]]
    publish(directory, Manifest(1, "", Repositories.of(many)))
    read = read_manifest(directory).repositories
    assert list(read.inline) == [3]
    table = read.table
    assert table is not None
    many[9].commit = "new"
    publish(directory, Manifest(2, "", read.updated([many[9]], range(5 * INLINE))))
    again = read_manifest(directory).repositories
    assert again.table is not None
    assert again.table.name == table.name
    assert set(again.inline) == {3, 9}
    assert list(again) == many


def test_a_damaged_table_is_noticed(directory: str) -> None:
    """Cut or gone: never a state from it."""
    publish(directory, Manifest(1, "", Repositories.of(states(range(5 * INLINE)))))
    table = next(Path(directory).glob("*.repositories"))
    data = table.read_bytes()
    for damaged in damage(data)[::9]:
        table.write_bytes(damaged)
        with pytest.raises(DamagedIndex):
            list(read_manifest(directory).repositories)
    table.unlink()
    with pytest.raises(DamagedIndex):
        read_manifest(directory)
