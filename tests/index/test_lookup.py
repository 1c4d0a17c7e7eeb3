"""What the index answers, held against a plain scan of the same records."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmgit.errors import AutomationNotFound
from cmgit.index.lookup import Index, check_automation, open_fresh
from cmgit.index.manifest import (
    DIRECTORY,
    Manifest,
    Repositories,
    SegmentState,
    manifest_numbers,
    manifest_path,
)
from cmgit.index.writer import Numbered, bury, compact, order
from cmgit.names import ANY, Name, parse_name
from cmgit.query import Query
from cmgit.workspace import Workspace
from tests.conftest import artifact_files, write_files

from .conftest import (
    ALIASES,
    AUTOMATIONS,
    SETS,
    TAGS,
    UIDS,
    make_index,
    numbered,
    record,
    states,
    write_segment,
)

aliases = st.sampled_from([*ALIASES, "none", "*", "d*", "?etect*", "*-os", "*S*", "x[1]", "STRA*E"])
names = st.builds(Name, aliases, st.sampled_from(["", "", "", *UIDS]))
automations = st.builds(
    Name, st.sampled_from([*(a for a, _ in AUTOMATIONS), "s*", "*a", "none"]),
    st.sampled_from(["", "", "", *UIDS]),
)  # fmt: skip
repositories = st.sampled_from(
    ["", "", "", "repo1", "repo*", "REPO2", "none", "x,000000000000000c"]
)
tags = st.lists(st.sampled_from([*TAGS, "none"]), max_size=2)
queries = st.builds(Query, automations, names, repositories.map(parse_name), tags, tags)


def scan(live: list[Numbered], query: Query, numbers: list[int]) -> list[Numbered]:
    """The answer by definition: every record asked, in the order of repositories and paths."""
    known = {s.number: s for s in states(numbers) if query.repo.accepts(s.alias, s.uid)}
    keys = ("alias", "uid", "automation_alias", "automation_uid", "tags")
    found = [
        (number, record)
        for number, record in live
        if number in known and query.accepts(*(record[key] for key in keys))
    ]
    return sorted(found, key=lambda item: (numbers.index(item[0]), order(item)[1]))


def found(index: Index, query: Query) -> list[Numbered]:
    """The answer of the index."""
    return [(hit.repository.number, hit.record) for hit in index.find(query)]


@given(numbered, st.data())
def test_the_index_finds_what_a_scan_finds(everything: list[Numbered], data: st.DataObject) -> None:
    """Over several segments with dead records, and repositories in any order, some of them gone."""
    cut = data.draw(st.integers(0, len(everything)))
    numbers = data.draw(st.permutations(range(4)))[data.draw(st.integers(0, 1)) :]
    with tempfile.TemporaryDirectory() as directory:
        segments, live = [], []
        for part in filter(None, (everything[:cut], everything[cut:])):
            dead = data.draw(st.sets(st.integers(0, len(part) - 1)))
            ordered = sorted(part, key=order)
            dead |= {n for n, item in enumerate(ordered) if item[0] not in numbers}
            segments.append(bury(write_segment(directory, part), dead))
            live += [item for n, item in enumerate(ordered) if n not in dead]
        repositories, sets = Repositories.of(states(numbers)), data.draw(st.sampled_from(SETS))
        index = Index(directory, Manifest(1, "", repositories, segments), sets)
        compacted = compact(directory, list(segments))
        merged = Index(directory, Manifest(2, "", repositories, compacted), sets)
        assert sorted(index.records(), key=order) == sorted(live, key=order)
        for query in data.draw(st.lists(queries, min_size=1, max_size=6)):
            expected = scan(live, query, list(numbers))
            assert found(index, query) == expected
            assert found(merged, query) == expected
            assert len(index.find(query)) == len(expected)


@given(st.lists(st.tuples(numbered, st.data()), max_size=5))
def test_compacting_keeps_the_content(steps: list[tuple[list[Numbered], st.DataObject]]) -> None:
    """Whatever dies between, exactly the live records stay, and no segment without any."""
    with tempfile.TemporaryDirectory() as directory:
        segments: list[SegmentState] = []
        for part, data in steps:
            segments = [
                bury(state, data.draw(st.sets(st.integers(0, state.count - 1))))
                for state in segments
            ]
            segments += [write_segment(directory, part)] if part else []
            before = live_records(directory, segments)
            segments = compact(directory, segments)
            assert live_records(directory, segments) == before
            assert all(segment.live for segment in segments)


def live_records(directory: str, segments: list[SegmentState]) -> list[Numbered]:
    """What counts in these segments, sorted."""
    index = Index(directory, Manifest(1, "", Repositories(), segments))
    return sorted(index.records(), key=lambda item: (order(item), repr(item)))


def test_segments_grow_with_the_logarithm(tmp_path: Path) -> None:
    """A hundred additions of one record leave a handful of segments."""
    segments: list[SegmentState] = []
    for n in range(100):
        added = write_segment(str(tmp_path), [(0, record(f"script/{n}"))])
        segments = compact(str(tmp_path), [*segments, added])
    assert sum(segment.live for segment in segments) == 100
    assert len(segments) <= 7


def test_what_is_mostly_dead_is_written_anew(tmp_path: Path) -> None:
    """A single segment that has more dead records than live ones shrinks; an empty one goes."""
    state = write_segment(str(tmp_path), [(0, record(f"script/{n}")) for n in range(10)])
    (smaller,) = compact(str(tmp_path), [bury(state, range(6))])
    assert (smaller.count, smaller.dead) == (4, "")
    assert compact(str(tmp_path), [bury(smaller, range(4))]) == []


def test_the_order_is_by_the_parts_of_a_path(tmp_path: Path) -> None:
    """``a/z`` comes before ``a-b/a`` though ``-`` sorts before ``/``; repositories come first."""
    paths = ["a/z", "a/zz", "a-b/a", "a.b/a", "b/a"]
    part = [(n, record(path)) for path in reversed(paths) for n in (0, 1)]
    index = make_index(str(tmp_path), [part[:5], part[5:]], [1, 0])
    hits = [(hit.repository.number, hit.record["path"]) for hit in index.find(Query())]
    assert hits == [(n, path) for n in (1, 0) for path in paths]


def test_a_hit_has_a_name_that_any_command_takes(tmp_path: Path) -> None:
    """The words parse back to a query that finds only it; missing aliases are left out."""
    part = [(0, record("script/a")), (0, record("script/b", uid=UIDS[0], alias="")),
            (0, record("script/c", uid=UIDS[3], automation_alias=""))]  # fmt: skip
    index = make_index(str(tmp_path), [part])
    hits = index.find(Query())
    assert [hit.name() for hit in hits] == [
        "script Repo0:a,863735b7db8c44fc", f"script Repo0:{UIDS[0]}", f"{UIDS[1]} Repo0:c,{UIDS[3]}",
    ]  # fmt: skip
    for hit in hits:
        again = index.find(Query.parse(*hit.name().split(" ")))
        assert [other.record["uid"] for other in again] == [hit.record["uid"]]


@pytest.mark.parametrize(
    "word", ["script", "SCRIPT", UIDS[1], f"wrong,{UIDS[1]}", "", "s*", "n*", "mine", "automation",
             "REPO", "bbeb15d8f0a944a4", "x,55c3e27e8a140e48"]
)  # fmt: skip
def test_a_known_automation(tmp_path: Path, word: str) -> None:
    """One that an artifact has, or that is an artifact, or built in; a pattern is always fine."""
    part = [(0, record("script/a")), (0, record("automation/mine", automation_alias="automation"))]
    check_automation(make_index(str(tmp_path), [part]), parse_name(word))


@pytest.mark.parametrize("word", ["scrip", "none", f"script,{UIDS[2]}", UIDS[0]])
def test_an_unknown_automation(tmp_path: Path, word: str) -> None:
    """Return 4, and a hint."""
    with pytest.raises(AutomationNotFound) as caught:
        check_automation(make_index(str(tmp_path), [[(0, record("script/a"))]]), parse_name(word))
    assert caught.value.code == 4
    assert caught.value.hint


# -- freshness ------------------------------------------------------------------------------------


def test_a_fresh_index_opens(workspace: Workspace) -> None:
    """After a look-up the index is fresh, and holds what is there."""
    assert open_fresh(workspace.home) is None
    write_files(Path(workspace.home, "local"), artifact_files("a"))
    workspace.index()
    index = open_fresh(workspace.home)
    assert index is not None
    assert [hit.record["alias"] for hit in index.find(Query(ANY, Name("a")))] == ["a"]


@pytest.mark.parametrize("change", ["registry", "pending", "manifest", "segment", "edit", "gone"])
def test_an_index_that_is_no_longer_true(workspace: Workspace, change: str) -> None:
    """Each way to be stale or damaged makes it None, never a wrong answer; a refresh heals it."""
    home, local = Path(workspace.home), Path(workspace.home, "local")
    write_files(local, artifact_files("a"))
    workspace.index()
    directory = home / DIRECTORY
    if change == "registry":
        (home / "registry.json").write_bytes((home / "registry.json").read_bytes() + b" ")
    elif change == "pending":
        (home / "pending" / "7").touch()
    elif change == "manifest":
        newest = manifest_path(str(directory), manifest_numbers(str(directory))[0])
        os.truncate(newest, 10)
    elif change == "segment":
        os.unlink(next(directory.glob("*.segment")))
    elif change == "edit":
        (local / "script" / "a" / "_cm.yaml").write_text("alias: a\n")
    else:
        (local / "script" / "a" / "_cm.yaml").unlink()
    assert open_fresh(workspace.home) is None
    wanted = [] if change in ("edit", "gone") else ["a"]
    assert [artifact.alias for artifact in workspace.find()] == wanted
