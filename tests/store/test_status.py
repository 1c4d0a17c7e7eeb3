"""What is pending: what the real Git would stage."""

from __future__ import annotations

import os
import random
import subprocess
from contextlib import closing

import pytest

from cmgit.store import status
from cmgit.store.git import GitRepository

from ..conftest import write_files
from .conftest import clean, pending, saved, staged_by_git, worktree_of


def test_same_time_and_size_but_other_content(path, git):
    """A file that was replaced by one with its time and size is seen, as Git sees it."""
    (path / "file").write_text("one")
    git(path, "add", "file")
    git(path, "commit", "-q", "-m", "file")
    found = (path / "file").stat()
    (path / "other").write_text("two")
    os.utime(path / "other", ns=(found.st_mtime_ns, found.st_mtime_ns))
    os.replace(path / "other", path / "file")
    os.utime(path / ".git" / "index")
    assert git(path, "diff", "--name-only") == "file\n"
    assert pending(path) == ["file"]


def test_uncommitted(path, git):
    """What no commit has: edited, staged, new, ignored, of a repository inside; not what is gone."""
    write_files(
        path, {".gitignore": "*.bin\n", "same": "s", "gone": "g", "staged": "1", "mode": "m"}
    )
    git(path, "add", "--all")
    git(path, "commit", "-q", "-m", "files")
    git(path, "init", "-q", "inner")
    write_files(
        path, {"staged": "2", "new": "n", "w.bin": "w", "script/a/run.sh": "echo", "inner/x": "x"}
    )
    git(path, "add", "staged")
    git(path, "rm", "-q", "--cached", "same")
    (path / "gone").unlink()
    (path / "mode").chmod(0o755)
    assert sorted(status.uncommitted(worktree_of(path))) == [
        "inner/x", "mode", "new", "script/a/run.sh", "staged", "w.bin",
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
def test_save_is_add_all(path, git, seed):
    """After random edits and random staging, what is saved is what ``git add --all`` stages."""
    chance = random.Random(seed)
    places = ["script/a/run.sh", "script/a/x/y", "script/b", "top", "é ö", "script/a/x", "-dash"]
    for _ in range(12):
        place = path / chance.choice(places)
        match chance.choice(["write", "remove", "mode", "link", "stage", "commit"]):
            case "write" if not place.is_dir() and all(not p.is_file() for p in place.parents):
                place.parent.mkdir(parents=True, exist_ok=True)
                place.unlink(missing_ok=True)
                place.write_text(chance.choice(["", "one\n", "two\n"]))
            case "remove" if place.is_dir():
                subprocess.run(["rm", "-r", str(place)], check=True)
            case "remove":
                if all(not p.is_file() for p in place.parents):
                    place.unlink(missing_ok=True)
            case "mode" if place.is_file():
                place.chmod(chance.choice([0o644, 0o755]))
            case "link" if not os.path.lexists(place) and place.parent.is_dir():
                place.symlink_to("a")
            case "stage":
                git(path, "add", "--all", ":/" + chance.choice(["script", ""]))
            case "commit":
                git(path, "commit", "-q", "--allow-empty", "-m", "more")
    wanted = staged_by_git(git, path)
    tree = saved(git, path)
    assert git(path, "diff", wanted, tree) == ""
    clean(git, path)
    assert pending(path) == []


def test_tracked_though_ignored(path, git):
    """A file that is ignored and committed is saved when it changes."""
    write_files(path, {"x.log": "one"})
    git(path, "add", "x.log")
    git(path, "commit", "-q", "-m", "x")
    write_files(path, {".gitignore": "*.log\n", "x.log": "two", "y.log": "no"})
    assert pending(path) == [".gitignore", "x.log"]


def test_unpushed(path, git, tmp_path):
    """Commits that no branch of a remote reaches: all without one, none of a mirror."""
    with closing(GitRepository.open(str(path))) as repository:
        assert len(status.unpushed(repository)) == 1
    git(tmp_path, "clone", "-q", str(path), "clone")
    clone = tmp_path / "clone"
    for _ in range(2):
        git(clone, "commit", "-q", "--allow-empty", "-m", "more")
    git(clone, "checkout", "-q", "-b", "other", "HEAD~1")
    git(clone, "commit", "-q", "--allow-empty", "-m", "aside")
    with closing(GitRepository.open(str(clone))) as repository:
        assert len(status.unpushed(repository)) == 3
    git(tmp_path, "clone", "-q", "--mirror", str(path), "mirror")
    with closing(GitRepository.open(str(tmp_path / "mirror"))) as repository:
        assert status.unpushed(repository) == set()
