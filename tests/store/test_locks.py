"""Locks between processes, and the lock files of Git after ``kill -9``."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cmgit.errors import Busy
from cmgit.store import locks
from cmgit.store.locks import GitLock, process_lock, release_dead

HOLD = """
import sys, time
from cmgit.store.locks import GitLock, process_lock
with {lock}:
    print("held", flush=True)
    time.sleep(60)
"""


def holder(lock: str, *arguments: Path) -> subprocess.Popen[str]:
    """A process that holds a lock; returns when it does."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD.format(lock=lock), *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    """Kill a process as hard as can be."""
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.fixture
def anchors(tmp_path: Path) -> Path:
    """The directory of the anchors, not made yet."""
    return tmp_path / "private"


@pytest.mark.parametrize("way", ["flock", "filelock"])
def test_process_lock_excludes_and_is_freed_by_death(tmp_path, monkeypatch, way):
    """Another process is refused while the lock is held, and gets it when the holder is killed,
    though it may do without the system's own call."""
    path = tmp_path / "locks" / "lock"
    process = holder("process_lock(sys.argv[1])", path)
    if way == "filelock":
        monkeypatch.setattr(locks, "fcntl", None)
    try:
        with pytest.raises(Busy), process_lock(str(path), 0.05):
            pass
    finally:
        end(process)
    with process_lock(str(path), 5), pytest.raises(Busy), process_lock(str(path), 0):
        pass
    with process_lock(str(path), 0):
        pass


def test_process_lock_where_the_file_system_has_none(tmp_path, monkeypatch):
    """filelock has a way of its own then, which excludes too; every other error is told."""
    path = tmp_path / "locks" / "lock"

    def flock(file: int, operation: int) -> None:
        raise OSError(failure, os.strerror(failure))

    monkeypatch.setattr(fcntl, "flock", flock)
    failure = errno.ENOSYS
    with process_lock(str(path), 5), pytest.raises(Busy), process_lock(str(path), 0):
        pass
    with process_lock(str(path), 0):
        pass
    failure = errno.EIO
    before = os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else []
    with pytest.raises(OSError, match="rror"), process_lock(str(path)):
        pass
    assert len(os.listdir("/proc/self/fd") if before else []) == len(before)


def test_process_lock_that_was_removed_before_it_was_locked(tmp_path, monkeypatch):
    """A lock on a file that has no name any more excludes nobody: the lock is taken again."""
    path = tmp_path / "lock"
    real, removed = fcntl.flock, []

    def flock(file: int, operation: int) -> None:
        if not removed:
            path.unlink()
            removed.append(path)
        real(file, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    with process_lock(str(path)):
        assert path.exists()
        with pytest.raises(Busy), process_lock(str(path), 0):
            pass


def test_git_lock_replaces_at_once(tmp_path, anchors):
    """The file has the new contents, and neither lock nor anchor is left."""
    path = tmp_path / "FILE"
    path.write_text("old and longer")
    with GitLock(str(path), str(anchors)) as lock:
        assert path.read_text() == "old and longer"
        assert Path(f"{path}.lock").exists()
        lock.replace(b"new")
    assert path.read_text() == "new"
    assert sorted(os.listdir(tmp_path)) == ["FILE", "private", "user"]
    assert os.listdir(anchors) == []


@pytest.mark.parametrize("error", [None, ValueError])
def test_git_lock_without_replace_changes_nothing(tmp_path, anchors, error):
    """Leaving the block, by an exception too, lets go."""
    path = tmp_path / "FILE"
    path.write_text("old")
    try:
        with GitLock(str(path), str(anchors)):
            if error:
                raise error
    except ValueError:
        pass
    assert path.read_text() == "old"
    assert not Path(f"{path}.lock").exists()
    assert os.listdir(anchors) == []


def test_git_lock_waits_then_gives_up(tmp_path, anchors):
    """A lock file of another program is waited for, refused with a hint, and left alone."""
    path = tmp_path / "FILE"
    Path(f"{path}.lock").write_text("theirs")
    start = time.monotonic()
    with pytest.raises(Busy, match=r"FILE\.lock exists") as caught:  # noqa: SIM117
        with GitLock(str(path), str(anchors), wait_seconds=0.2):
            pass
    assert 0.2 <= time.monotonic() - start < 2
    assert "remove the file" in caught.value.hint
    assert Path(f"{path}.lock").read_text() == "theirs"
    assert os.listdir(anchors) == []
    assert release_dead(str(anchors)) == []
    assert Path(f"{path}.lock").exists()


def test_git_lock_is_taken_when_it_becomes_free(tmp_path, anchors):
    """The wait ends as soon as the other program lets go."""
    path = tmp_path / "FILE"
    process = holder("GitLock(sys.argv[1], sys.argv[2])", path, tmp_path / "other")
    killer = subprocess.Popen(["sh", "-c", f"sleep 0.3; rm '{path}.lock'"])
    try:
        with GitLock(str(path), str(anchors), wait_seconds=10) as lock:
            lock.replace(b"mine")
    finally:
        end(process)
        killer.wait()
    assert path.read_text() == "mine"


def test_release_dead_frees_the_lock_of_a_killed_process(tmp_path, anchors):
    """What a killed process held is freed, and named."""
    path = tmp_path / "a b" / "FILE"
    end(holder("GitLock(sys.argv[1], sys.argv[2])", path, anchors))
    assert Path(f"{path}.lock").exists()
    assert release_dead(str(anchors)) == [f"{path}.lock"]
    assert os.listdir(path.parent) == []
    assert os.listdir(anchors) == []
    assert release_dead(str(anchors)) == []


@pytest.mark.parametrize("length", [200, 249])
def test_long_names(tmp_path, length):
    """Where the home is and how long a name is, within what Git can do, makes no difference."""
    place = tmp_path / ("home" * 30)
    path, anchors = place / "refs" / "heads" / ("b" * length), place / "private"
    with GitLock(str(path), str(anchors)) as lock:
        with pytest.raises(Busy), GitLock(str(path), str(place / "other"), wait_seconds=0):
            pass
        lock.replace(b"new")
    assert path.read_text() == "new"
    assert os.listdir(path.parent) == [path.name]
    assert os.listdir(anchors) == []


def test_release_dead_leaves_the_locks_of_others(tmp_path, anchors):
    """After a killed process was cleaned up by hand, a lock that Git took since is not touched."""
    path = tmp_path / "FILE"
    end(holder("GitLock(sys.argv[1], sys.argv[2])", path, anchors))
    os.unlink(f"{path}.lock")
    Path(f"{path}.lock").write_text("of a living Git")
    assert release_dead(str(anchors)) == []
    assert Path(f"{path}.lock").read_text() == "of a living Git"
    assert os.listdir(anchors) == []


def test_without_hard_links(tmp_path, anchors, monkeypatch):
    """On a file system without hard links the lock still excludes."""

    def refuse(*_: object) -> None:
        raise OSError("no hard links")

    monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "FILE"
    with GitLock(str(path), str(anchors)) as lock:
        with pytest.raises(Busy), GitLock(str(path), str(anchors), wait_seconds=0):
            pass
        lock.replace(b"x")
    assert path.read_text() == "x"
