"""Files, Git's index and the branch changed as one: beside the real Git, and after ``kill -9``."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from cmgit.errors import Busy, GitError
from cmgit.repository import Repository
from cmgit.store import locks

from ..conftest import write_files
from .conftest import clean, write


def test_index_lock_of_git_is_waited_for(path, git, monkeypatch):
    """A change is refused while Git holds the index, and nothing has happened."""
    monkeypatch.setattr(locks, "GIT_WAIT_SECONDS", 0.1)
    lock = path / ".git" / "index.lock"
    lock.touch()
    before = git(path, "rev-parse", "HEAD")
    with pytest.raises(Busy, match=r"index\.lock"):
        write(path, file="hello")
    lock.unlink()
    assert git(path, "rev-parse", "HEAD") == before
    assert not (path / "file").exists()
    clean(git, path)
    lock.touch()
    monkeypatch.setattr(locks, "GIT_WAIT_SECONDS", 10)
    with subprocess.Popen(["sh", "-c", f"sleep 0.2; rm '{lock}'"]):
        write(path, file="hello")
    clean(git, path)


def test_ref_lock_of_git_is_waited_for(path, git, monkeypatch):
    """The same for the lock of the branch; no journal is left."""
    monkeypatch.setattr(locks, "GIT_WAIT_SECONDS", 0.1)
    lock = path / ".git" / "refs" / "heads" / "main.lock"
    lock.touch()
    with pytest.raises(Busy, match=r"main\.lock"):
        write(path, file="hello")
    lock.unlink()
    clean(git, path)
    assert not Repository.open(str(path)).unfinished


def test_a_filter_that_fails(path, git):
    """It does so before anything is changed, and what comes next works."""
    git(path, "config", "filter.bad.clean", "cat")
    git(path, "config", "filter.bad.smudge", "false")
    git(path, "config", "filter.bad.required", "true")
    (path / ".git/info/attributes").write_text("*.bad filter=bad\n")
    before = git(path, "rev-parse", "HEAD")
    with pytest.raises(GitError, match=r"the filter of .*x\.bad failed"):
        write(path, **{"first": "1", "x.bad": "hello"})
    assert git(path, "rev-parse", "HEAD") == before
    assert not (path / "first").exists()
    clean(git, path)
    write(path, file="hello")
    clean(git, path)


KILL = """
import os, signal, sys
from cmgit.repository import Repository
from cmgit.store import git, journal, operations
def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)
{patch}
repository = Repository.open(sys.argv[1])
with repository.locked(), repository.change("killed") as change:
    change.write("new/file", b"hello")
    change.remove("script/a")
    change.move("script/b", "script/c")
"""
MOMENTS = {
    "before the journal": ("journal._write = kill", False),
    "before the branch moves": ("git.GitRepository.move_ref = kill", False),
    "before the files": ("journal.carry_out = kill", True),
    "at the first file": ("operations._write = kill", True),
    "in the middle": ("operations._move = kill", True),
    "after a removal": ("operations._delete = kill", True),
    "before the index": ("journal.encode_index = kill", True),
    "holding the index": (
        "real = os.replace\n"
        "os.replace = lambda a, b: kill() if b.endswith('/index') else real(a, b)", True,
    ),
    "before the journal goes": (
        "real = os.unlink\n"
        "os.unlink = lambda p, **k: kill() if str(p).endswith('/journal') else real(p, **k)", True,
    ),
}  # fmt: skip


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed(path, git, moment):
    """A change by a process that is killed at any moment is made whole or not at all; edits and
    what was staged stay, and Git works at once afterwards."""
    write_files(path, {"edited": "e", "staged": "s", "script/b/pending": "p"})
    git(path, "add", "staged")
    before = git(path, "rev-parse", "HEAD")
    patch, happened = MOMENTS[moment]
    done = subprocess.run([sys.executable, "-c", KILL.format(patch=patch), str(path)])
    assert done.returncode == -9
    assert (git(path, "rev-parse", "HEAD") != before) == happened
    repository = Repository.open(str(path))
    with repository.locked():
        pass
    where = "script/c" if happened else "script/b"
    assert sorted(git(path, "status", "--porcelain", "-uall").splitlines()) == sorted(
        ["A  staged", "?? edited", f"?? {where}/pending"]
    )
    assert (path / "new" / "file").exists() == happened == (not (path / "script" / "a").exists())
    assert not list((path / ".git").rglob("*.lock"))
    assert sorted(os.listdir(path / ".git" / "cmgit")) == ["lock"]
    git(path, "fsck", "--strict")
    write(path, again="x")
    git(path, "commit", "-q", "-m", "by a person")
