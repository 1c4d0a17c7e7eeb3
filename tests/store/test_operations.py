"""What changes do to files and to Git's index; edits in between stay visible to the real Git."""

from __future__ import annotations

import os
import time

import pytest

from cmgit.repository import Repository
from cmgit.store import operations, status
from cmgit.store.gitindex import GitIndex, encode_index, same_stat
from cmgit.store.objects import EXECUTABLE, FILE, LINK
from cmgit.store.worktree import WorkTree

from .conftest import clean, pending, write


def test_modes(path, git):
    """Files, executable files and links are written as what they are."""
    repository = Repository.open(str(path))
    with repository.locked(), repository.change("modes") as change:
        change.write("file", b"x", FILE)
        change.write("tool", b"x", EXECUTABLE)
        change.write("link", b"script/a", LINK)
    lines = git(path, "ls-files", "-s", "file", "tool", "link").splitlines()
    assert [line[:6] for line in lines] == ["100644", "120000", "100755"]
    assert os.readlink(path / "link") == "script/a"
    clean(git, path)


def test_remove_and_move_leave_no_empty_directories(path, git):
    """Directories go with their last file, as with ``git rm`` and ``git mv``."""
    repository = Repository.open(str(path))
    with repository.locked(), repository.change("rm") as change:
        change.remove("script/a")
        change.move("script/b", "other/c")
    assert sorted(os.listdir(path)) == [".git", "cmr.yaml", "other"]
    assert sorted(git(path, "show", "--format=", "--name-status", "-M").splitlines()) == [
        "D\tscript/a/_cm.yaml",
        "D\tscript/a/run.sh",
        "R100\tscript/b/_cm.yaml\tother/c/_cm.yaml",
        "R100\tscript/b/run.sh\tother/c/run.sh",
    ]
    clean(git, path)


@pytest.mark.parametrize("theirs", ["theirs", None])
def test_an_edit_after_the_commit_stays(path, git, theirs):
    """A file that is edited or removed between the commit and its turn is left alone: it is an
    edit of what is committed."""
    repository = Repository.open(str(path))
    worktree, file = repository.worktree, path / "script/a/run.sh"
    worktree.read("script/a/run.sh")
    entry = worktree.put_file("script/a/run.sh", b"mine")
    repository.git.objects.flush()
    file.unlink() if theirs is None else file.write_text(theirs)
    entries, version = worktree.index.read()
    operations.carry_out(worktree, [["write", "script/a/run.sh", *entry[::-1]]], entries)
    (path / ".git/index").write_bytes(encode_index(entries, version))
    assert (file.read_text() if file.exists() else None) == theirs
    assert git(path, "show", ":script/a/run.sh") == "mine"
    assert git(path, "diff", "--name-only") == "script/a/run.sh\n"
    assert not list(file.parent.glob(".cmgit-*"))


# -- edits in between ---------------------------------------------------------------------------


SECOND = 1_700_000_000_000_000_000  # in ns: any whole one


@pytest.mark.parametrize(("added", "edited"), [(0, 0), (100, 100), (100, 300), (300, 200)])
def test_racily_clean_entries_stay_visible(path, git, added, edited):
    """An edit of the same size, in the second in which ``git add`` made the index, is seen after
    cmgit wrote the index too: cmgit smudges such entries as Git does, which compares seconds."""
    git(path, "config", "core.trustctime", "false")
    (path / "racy").write_text("one")
    os.utime(path / "racy", ns=(SECOND + added, SECOND + added))
    git(path, "add", "racy")
    git(path, "commit", "-q", "-m", "racy")
    (path / "racy").write_text("two")
    os.utime(path / "racy", ns=(SECOND + edited, SECOND + edited))
    os.utime(path / ".git" / "index", ns=(SECOND + 200, SECOND + 200))
    assert git(path, "diff", "--name-only") == "racy\n"
    write(path, file="hello")
    assert git(path, "diff", "--name-only") == "racy\n"
    assert pending(path) == ["racy"]


def test_an_edit_to_nothing_of_a_racy_entry(path, git):
    """The size 0 of a smudged entry is not that of a file that became empty."""
    git(path, "config", "core.trustctime", "false")
    (path / "racy").write_text("one")
    os.utime(path / "racy", ns=(SECOND, SECOND))
    git(path, "add", "racy")
    git(path, "commit", "-q", "-m", "racy")
    (path / "racy").write_text("")
    os.utime(path / "racy", ns=(SECOND, SECOND))
    os.utime(path / ".git" / "index", ns=(SECOND, SECOND))
    write(path, file="hello")
    assert git(path, "diff", "--name-only") == "racy\n"
    index = GitIndex(str(path / ".git"))
    assert not same_stat(index.read()[0]["racy"], os.lstat(path / "racy"))
    assert pending(path) == ["racy"]


def test_an_edit_of_what_a_change_has_just_written(path, git, monkeypatch):
    """It is seen, though of the same size and second, when the index is written later."""
    git(path, "config", "core.trustctime", "false")
    real = operations._move

    def edit_meanwhile(worktree: WorkTree, source: str, target: str) -> None:
        found = (path / "written").stat()
        (path / "written").write_text("two")
        os.utime(path / "written", ns=(found.st_mtime_ns, found.st_mtime_ns))
        real(worktree, source, target)

    monkeypatch.setattr(operations, "_move", edit_meanwhile)
    repository = Repository.open(str(path))
    with repository.locked(), repository.change("two files") as change:
        change.write("written", b"one")
        change.move("script/a", "script/c")
    later = time.time() + 5
    os.utime(path / ".git" / "index", (later, later))
    assert git(path, "diff", "--name-only") == "written\n"
    assert pending(path) == ["written"]


@pytest.mark.parametrize("text", ["edited", "edited again and longer", ""])
def test_an_edit_between_reading_and_staging(path, git, text):
    """What is saved is what was read; the edit since is still seen, as one that is not saved."""
    (path / "file").write_text("before")
    repository = Repository.open(str(path))
    with repository.locked(), repository.change("save") as change:
        assert repository.worktree is not None
        change.stage(*status.pending(repository.worktree))
        (path / "file").write_text(text)
        os.utime(path / "file", ns=(SECOND, SECOND))
    assert git(path, "show", "HEAD:file") == "before"
    assert git(path, "status", "--porcelain") == " M file\n"
    assert pending(path) == ["file"]
