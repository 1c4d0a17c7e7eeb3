"""kill -9 in the middle of an export or an import, and two at once: the next one completes."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cmgit.errors import CmgitError
from cmgit.index.manifest import DIRECTORY
from cmgit.mirror.manifest import read_export
from cmgit.workspace import Workspace
from tests.conftest import run_git

from .world import World, refs

KILLS = int(os.environ.get("CMGIT_KILLS", "0")) or 4
SEED = int(os.environ.get("CMGIT_SEED", "0")) or random.randrange(1, 1_000_000)


def start(home: str, *words: str) -> subprocess.Popen[bytes]:
    """Start a process of cmgit in a home."""
    environment = {**os.environ, "CMGIT_HOME": home}
    if os.environ.get("CMGIT_TRANSPORT") == "dulwich":  # without git
        environment["PATH"] = str(Path(home).parent)
    command = [sys.executable, "-m", "cmgit", *words]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)


def run_for(seconds: float, home: str, *words: str) -> bool:
    """Run a process, killed after a time with all its children; returns whether it was."""
    process = start(home, *words)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
    return process.wait() != 0


@pytest.fixture
def world(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Three repositories, and processes that do as the world does."""
    if not world.program:
        monkeypatch.setenv("CMGIT_TRANSPORT", "dulwich")
    for number, alias in enumerate(["one", "two", "three"], 1):
        world.add(alias, number, {"noise": random.Random(alias).randbytes(200_000).hex()})
    return world


def duration(*words: str) -> float:
    """How long a process takes."""
    begin = time.monotonic()
    assert start(*words).wait() == 0
    return time.monotonic() - begin


def test_a_killed_export(world: World) -> None:
    """What is there is whole; what is not is gone after the next one."""
    words = (world.here.home, "mirror", "export", f"--to={world.disk}")
    whole = duration(*words)
    chance = random.Random(SEED)
    for _ in range(KILLS):
        run_for(whole * chance.uniform(0.3, 1), *words)
    assert start(*words).wait() == 0, SEED
    names = os.listdir(world.disk)
    assert not [name for name in names if name.startswith(".")], SEED
    for name in names:
        export = read_export(str(world.disk / name))
        for held in export.manifest.repositories:
            run_git(
                world.bare(held.alias),
                "bundle",
                "verify",
                str(world.disk / name / held.parts[0].file),
            )


def test_a_killed_import(world: World) -> None:
    """New repositories, and an increment to some: each is as before or as after, never between."""
    words = ("mirror", "import", str(world.disk))
    first = world.export()
    whole = duration(str(world.top / "timed"), *words)
    chance = random.Random(SEED)
    for _ in range(KILLS):
        run_for(whole * chance.uniform(0.3, 1), world.there.home, *words)
        check(world, [state_of(world)])
    assert start(world.there.home, *words).wait() == 0
    check(world, [state_of(world)], whole=True)
    before = state_of(world)
    for alias in before:
        world.commit(alias, {"new.txt": "new\n"})
        world.sync(alias)
    world.export(since=first.directory)
    after = state_of(world)
    for _ in range(KILLS):
        run_for(whole * chance.uniform(0.3, 1), world.there.home, *words)
        check(world, [before, after])
    assert start(world.there.home, *words).wait() == 0
    check(world, [after], whole=True)


def state_of(world: World) -> dict[str, dict[str, str]]:
    """The refs of what is exported."""
    return {alias: refs(world.bare(alias)) for alias in ("one", "two", "three")}


def check(world: World, states: list[dict[str, dict[str, str]]], whole: bool = False) -> None:
    """Every repository is in one of the states, and Git has nothing against it."""
    names = {path.name for path in Path(world.there.home, "repos").glob("*.git")}
    for name in names:
        alias = name.removesuffix(".git")
        run_git(world.arrived(alias), "fsck", "--strict")
        assert refs(world.arrived(alias)) in [state[alias] for state in states], SEED
    if whole:
        assert len(names) == 3, SEED
        registered = {entry.alias for entry in Workspace(world.there.home).registry.entries}
        assert registered == {"local", "one", "two", "three"}, SEED
        age(Path(world.there.home))
        left = [str(p) for p in Path(world.there.home).rglob("*") if is_left(p)]
        assert not left, (SEED, left)


def age(home: Path) -> None:
    """What the index was writing goes when it is ten minutes old: somebody may still write it."""
    found = list((home / DIRECTORY).glob("*.tmp"))
    for path in found:
        os.utime(path, (0, 0))
    if found:
        assert start(str(home), "reindex").wait() == 0


def is_left(path: Path) -> bool:
    """Whether a file should have been removed."""
    return path.name.startswith(("tmp", ".tmp")) or path.name.endswith(".tmp")


def test_two_at_once(world: World) -> None:
    """Exports to one disk, imports of one export: all of them do it."""
    export = (world.here.home, "mirror", "export", f"--to={world.disk}")
    assert [process.wait() for process in [start(*export), start(*export)]] == [0, 0]
    assert len([read_export(str(world.disk / name)) for name in os.listdir(world.disk)]) == 2
    words = (world.there.home, "mirror", "import", str(world.disk))
    assert [process.wait() for process in [start(*words), start(*words)]] == [0, 0]
    check(world, [state_of(world)], whole=True)


def fill(disk: Path, left: int) -> None:
    """Leave so many bytes of a file system."""
    room = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    (disk / "filler").write_bytes(bytes(max(0, room - left)))


def test_an_export_to_a_full_disk(world: World, disk: Path) -> None:
    """It says so, and leaves nothing; with room it is whole."""
    world.disk = disk / "exports"
    world.disk.mkdir()
    fill(disk, 300_000)
    with pytest.raises(OSError, match=r"No space left|Disk quota"):
        world.export()
    assert os.listdir(world.disk) == []
    (disk / "filler").unlink()
    world.export()
    world.take()
    assert all(world.same(alias) for alias in ("one", "two", "three"))


def test_an_import_to_a_full_disk(world: World, disk: Path) -> None:
    """It says so, and nothing changes; with room it is completed."""
    world.there = Workspace(str(disk / "there"))
    first = world.export("one")
    world.take(first.directory)
    before = refs(world.arrived("one"))
    world.commit("one", {"big": random.Random(1).randbytes(300_000).hex()})
    world.sync("one")
    second = world.export(since=first.directory)
    fill(disk, 300_000)
    with pytest.raises((OSError, CmgitError)) as caught:
        world.take(second.directory)
    assert "space" in str(caught.value), caught.value
    assert refs(world.arrived("one")) == before
    run_git(world.arrived("one"), "fsck", "--strict")
    (disk / "filler").unlink()
    world.take(second.directory)
    check(world, [state_of(world)], whole=True)
