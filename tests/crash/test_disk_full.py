"""A full disk: an error in one line, the state as before, and all is well when there is room again.

The home is on a small file system in memory, which only root may mount; else these tests are
skipped. Counts are small by default; ``CMGIT_FULL=1 pytest tests/crash`` runs the full ones.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from crash_support import (
    FULL,
    Home,
    Result,
    State,
    Zygote,
    check_no_locks,
    check_repository,
    git,
    make_home,
    names,
    records,
    state,
    uid,
    write_artifact,
)

KIB = 1024
LEFT = [0, 4, 8, 12, 16, 24, 32, 40, 48, 64, 80, 96, 128, 160, 192, 256]
ROOMS = LEFT if FULL else LEFT[1::5]

COMMANDS = {
    "add": ["add", "model", f"new,{uid(100)}", "--from=big"],
    "add-bare": ["add", "model", f"up:new,{uid(100)}", "--from=big"],
    "update": ["update", "model", "l0", "--tags=b"],
    "rename": ["mv", "model", "l0", "other"],
    "mv-to-bare": ["mv", "model", "l0", "up:"],
    "mv-to-working": ["mv", "model", "u0", "local:"],
    "rm": ["rm", "model", "l*", "-f"],
    "pull": ["pull", "repo", "up"],
    "reindex": ["reindex"],
}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "cmgit-test", str(place)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount")
    if done.returncode:
        pytest.skip("mounting is not permitted")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


class Ballast:
    """A file that leaves only so much room."""

    def __init__(self, disk: Path) -> None:
        self._path = disk / "ballast"

    def leave(self, size: int) -> None:
        """Fill the disk but for so many bytes."""
        found = os.statvfs(self._path.parent)
        with self._path.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, found.f_bavail * found.f_frsize - size))

    def remove(self) -> None:
        """Give the room back."""
        self._path.unlink(missing_ok=True)


def check_failure(result: Result) -> None:
    """One line about the disk, and the exit code of an error."""
    assert result.code == 1, result
    assert "Traceback" not in result.err
    lines = [line for line in result.err.splitlines() if "hint:" not in line]
    assert len(lines) == 1, result
    assert "No space left on device" in lines[0]


@pytest.fixture
def home(disk: Path, tmp_path: Path, zygote: Zygote) -> Home:
    """A home on the small disk, with something to pull that is not on it."""
    local, up = {"l0": 10, "l1": 11, "l2": 12}, {"u0": 20, "u1": 21, "u2": 22}
    made = make_home(tmp_path / "first", local, up, zygote)
    made.path.rename(tmp_path / "first" / "moved")
    (tmp_path / "first" / "home").symlink_to(disk / "home")
    subprocess.run(["cp", "-a", tmp_path / "first" / "moved", disk / "home"], check=True)
    subprocess.run(["cp", "-a", disk / "home", disk / "home0"], check=True)
    upstream = tmp_path / "first" / "upstream"
    for number in range(500, 510):
        write_artifact(upstream, f"pulled{number}", number)
        (upstream / "model" / f"pulled{number}" / "random").write_bytes(os.urandom(5000))
    git(upstream, "add", "-A")
    git(upstream, "commit", "-q", "-m", "more")
    big = tmp_path / "first" / "big"
    big.mkdir()
    for number in range(10):
        (big / f"file{number}").write_bytes(os.urandom(7000))
    return made


def restore(home: Home, disk: Path) -> None:
    """The home as it was, with a fresh index."""
    subprocess.run(["rm", "-rf", str(disk / "home")], check=True)
    subprocess.run(["cp", "-a", disk / "home0", disk / "home"], check=True)
    git(home.local, "status", "--porcelain")
    home.quick("find", "model").ok()


def check(home: Home, expected: tuple[State, ...]) -> None:
    """The state is one of these, and what comes next works."""
    assert state(home) in expected
    home.quick("add", "model", f"next,{uid(900)}").ok()
    home.quick("update", "model", "u1", "--tags=next").ok()
    check_no_locks(home)
    check_repository(home.local, working=True)
    check_repository(home.bare(), working=False)
    git(home.local, "commit", "-q", "--allow-empty", "-m", "empty")
    assert names(records(home.quick("find", "*", "--json").ok()))["next"] == 1
    assert os.listdir(home.path / "pending") == []


@pytest.mark.parametrize("name", COMMANDS if FULL else ["add", "mv-to-bare", "pull"])
def test_a_full_disk(name: str, home: Home, disk: Path, tmp_path: Path) -> None:
    words = [w.replace("=big", f"={tmp_path / 'first' / 'big'}") for w in COMMANDS[name]]
    restore(home, disk)
    before = state(home)
    home.quick(*words).ok()
    after = state(home)
    ballast = Ballast(disk)
    failures = 0
    for room in ROOMS:
        restore(home, disk)
        ballast.leave(room * KIB)
        done = home.quick(*words)
        try:
            if done.code:
                check_failure(done)
                failures += 1
            else:
                done.ok()
            home.quick("find", "model", "l1").ok()
            ballast.remove()
            check(home, (before,) if done.code else (after,))
        except AssertionError as error:
            raise AssertionError(f"{name} with {room} KiB left") from error
        finally:
            ballast.remove()
    assert failures or name in ("rm", "reindex", "update", "rename")


def test_a_home_on_a_full_disk(disk: Path, zygote: Zygote) -> None:
    """The very first command has no room for a home."""
    ballast = Ballast(disk)
    for room in ROOMS:
        home = Home(disk / f"new{room}" / "home", zygote)
        home.path.parent.mkdir()
        ballast.leave(room * KIB)
        done = home.quick("add", "automation", f"first,{uid(1)}")
        ballast.remove()
        if done.code:
            check_failure(done)
            home.quick("add", "automation", f"first,{uid(1)}").ok()
        found = records(home.quick("find", "*", "--json").ok())
        assert names(found) == {"first": 1}
        check_repository(home.local, working=True)
        check_no_locks(home)
        subprocess.run(["rm", "-rf", str(home.path.parent)], check=True)
