"""Whether a mirror that is not what it should be is noticed, by name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cmgit.ages import parse_age
from cmgit.errors import NotFound
from cmgit.mirror.sources import Mirrors
from cmgit.mirror.state import read_state, write_state
from cmgit.mirror.verify import (
    Verdict,
    to_verify,
    verify_imported,
    verify_mirror,
)
from cmgit.workspace import Workspace
from tests.conftest import run_git

from .origins import Origins, bare, mirror, synced
from .world import World


@pytest.fixture(params=["", "dulwich"])
def place(
    request: pytest.FixtureRequest, workspace: Workspace, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:  # fmt: skip
    """A mirror that is in step, with git and without."""
    monkeypatch.setenv("CMGIT_TRANSPORT", request.param)
    origins = Origins(tmp_path / "origins")
    mirror(workspace, origins.make("one"))
    synced(workspace)
    return bare(workspace, "one")


def verdict(workspace: Workspace, max_age: float | None = None, remote: bool = False) -> Verdict:
    """What is found out about the mirror."""
    return verify_mirror(workspace.home, Mirrors(workspace.home).items[0], max_age, remote)


def problems(workspace: Workspace, **options: object) -> str:
    """What is wrong, in one text."""
    return "; ".join(verdict(workspace, **options).problems)  # type: ignore[arg-type]


def test_all_is_well(workspace: Workspace, place: Path) -> None:
    """Its refs and objects are counted, its age is told."""
    found = verdict(workspace, max_age=3600, remote=True)
    assert found.problems == ()
    count = run_git(place, "rev-list", "--objects", "--all").splitlines()
    assert (found.refs, found.objects) == (3, len(count))
    assert found.age is not None
    assert found.age < 600


def test_refs_that_differ(workspace: Workspace, place: Path) -> None:
    """A ref that is gone, one that moved, one too many, another head."""
    run_git(place, "update-ref", "-d", "refs/heads/side")
    assert "ref refs/heads/side is missing" in problems(workspace)
    other = run_git(place, "commit-tree", "-m", "x", "HEAD^{tree}").strip()
    run_git(place, "update-ref", "refs/heads/side", other)
    assert "ref refs/heads/side is" in problems(workspace)
    run_git(place, "update-ref", "refs/heads/side", "refs/heads/main")
    run_git(place, "update-ref", "refs/heads/more", "refs/heads/main")
    assert "ref refs/heads/more is not at the source" in problems(workspace)
    run_git(place, "update-ref", "-d", "refs/heads/more")
    run_git(place, "symbolic-ref", "HEAD", "refs/heads/side")
    assert "HEAD is refs/heads/side" in problems(workspace)


def test_empty(workspace: Workspace, place: Path) -> None:
    """A repository without refs is healthy to ``git fsck``, and no mirror."""
    names = run_git(place, "for-each-ref", "--format=delete %(refname)")
    run_git(place, "update-ref", "--stdin", input=names)
    assert "it is empty" in problems(workspace)
    assert "ref refs/heads/main is missing" in problems(workspace)


def test_damaged_objects(workspace: Workspace, place: Path) -> None:
    """One flipped byte anywhere in a pack, or a pack that is gone."""
    pack = next(place.glob("objects/pack/*.pack"))
    pack.chmod(0o644)
    data = pack.read_bytes()
    for at in range(12, len(data), max(1, len(data) // 12)):
        pack.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        if os.environ["CMGIT_TRANSPORT"] == "" or at < len(data) - 20:
            assert problems(workspace), at
    pack.write_bytes(data)
    assert not problems(workspace)
    pack.unlink()
    next(place.glob("objects/pack/*.idx")).unlink()
    assert problems(workspace)


def test_stale(workspace: Workspace, place: Path) -> None:
    """The age counts from the last sync that succeeded; a clock that is wrong is noticed."""
    state = read_state(workspace.home, Mirrors(workspace.home).items[0].url)
    write_state(workspace.home, type(state)(**{**vars(state), "synced": state.synced - 10 * 86400}))
    assert "it is stale: in step 10d ago" in problems(workspace, max_age=parse_age("7d"))
    assert not problems(workspace, max_age=parse_age("2w"))
    assert not problems(workspace)
    write_state(workspace.home, type(state)(**{**vars(state), "synced": state.synced + 86400}))
    assert "in the future" in problems(workspace, max_age=parse_age("7d"))


def test_behind_its_source(workspace: Workspace, place: Path, tmp_path: Path) -> None:
    """Only who asks the source knows."""
    run_git(tmp_path / "origins" / "one", "commit", "-q", "--allow-empty", "-m", "new")
    assert not problems(workspace)
    assert "ref refs/heads/main is" in problems(workspace, remote=True)


def test_never_in_step(workspace: Workspace, tmp_path: Path) -> None:
    """A mirror that was added and not brought yet, and one whose directory is gone."""
    mirror(workspace, Origins(tmp_path / "origins").make("one"))
    assert "not there yet" in problems(workspace, max_age=1.0)
    synced(workspace)
    bare(workspace, "one").rename(tmp_path / "away")
    assert "not a Git repository" in problems(workspace)


# -- what was imported ------------------------------------------------------------------------


def imported(world: World, max_age: float | None = None, **options: str) -> Verdict:
    """What is found out about the one repository that was imported."""
    _, (entry,) = to_verify(world.there, [])
    return verify_imported(world.there.home, entry, max_age, **options)


def test_an_import_is_what_its_manifest_said(world: World) -> None:
    """Refs that are missing, that moved, or are too many; its age is that of the export."""
    world.add("one")
    run_git(world.work("one"), "branch", "side", "HEAD~1")
    world.sync("one")
    world.take(world.export().directory)
    found = imported(world, max_age=3600)
    assert (found.problems, found.refs, found.objects > 5) == ((), 2, True)
    assert len(found.export) == 8
    assert found.age is not None
    assert "it is stale" in " ".join(imported(world, max_age=-1).problems)
    place = world.arrived("one")
    run_git(place, "update-ref", "-d", "refs/heads/side")
    run_git(place, "update-ref", "refs/heads/more", "refs/heads/main")
    assert imported(world).problems == (
        "ref refs/heads/side is missing", "ref refs/heads/more is not in the manifest")  # fmt: skip
    next(place.glob("objects/pack/*.idx")).unlink()
    next(place.glob("objects/pack/*.pack")).unlink()
    assert len(imported(world).problems) > 2


def test_what_there_is_to_verify(workspace: Workspace, world: World, tmp_path: Path) -> None:
    """Mirrors and imports by name; what was imported and is no mirror when it is asked for."""
    world.add("one")
    world.add("two", 2)
    run_git(world.bare("two"), "config", "remote.origin.mirror", "false")
    world.take(world.export().directory)
    assert [entry.alias for entry in to_verify(world.there, [])[1]] == ["one"]
    assert [entry.alias for entry in to_verify(world.there, ["t*"])[1]] == ["two"]
    mirror(world.there, "https://example.org/one")
    assert [len(found) for found in to_verify(world.there, ["one", "*"])] == [1, 1]
    with pytest.raises(NotFound, match="no mirror 'three'"):
        to_verify(world.there, ["three"])
    signers = tmp_path / "signers"
    signers.write_text("")
    (entry,) = to_verify(world.there, ["two"])[1]
    found = verify_imported(world.there.home, entry, signers=str(signers))
    assert "it is not signed" in found.problems[0]
