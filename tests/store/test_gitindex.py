"""Git's index file: all that it may hold is kept, against the real Git."""

from __future__ import annotations

import subprocess

import pytest

from cmgit.errors import Unsupported

from ..conftest import write_files
from .conftest import clean, pending, write


@pytest.mark.parametrize("version", ["2", "3", "4"])
def test_index_versions(path, git, version):
    """A change keeps the version of the index, its flags, and what was staged."""
    git(path, "update-index", "--index-version", version)
    write_files(path, {"staged": "s", "intended": "i", "skipped": "k"})
    git(path, "add", "staged", "skipped")
    git(path, "commit", "-q", "-m", "files")
    write_files(path, {"staged": "s2", "assumed": "x"})
    git(path, "add", "staged", "assumed")
    if version != "2":
        git(path, "add", "-N", "intended")
    git(path, "update-index", "--skip-worktree", "skipped")
    git(path, "update-index", "--assume-unchanged", "assumed")
    (path / "assumed").write_text("changed")
    (path / "skipped").unlink()
    before = [git(path, "diff"), git(path, "diff", "--cached"), git(path, "ls-files", "-v")]
    write(path, **{"new/file": "hello"})
    after = [git(path, "diff"), git(path, "diff", "--cached"), git(path, "ls-files", "-v")]
    after[2] = after[2].replace("H new/file\n", "")
    assert after == before
    # flags such as --skip-worktree need version 3; Git chooses between 2 and 3 by itself
    assert (path / ".git" / "index").read_bytes()[7] == max(3, int(version))
    git(path, "fsck", "--strict")


@pytest.mark.parametrize(
    "words", [["--untracked-cache"], ["--fsmonitor"], ["--force-untracked-cache"]]
)
def test_index_extensions(path, git, words):
    """Extensions that only speed Git up are no obstacle."""
    git(path, "config", "core.fsmonitor", "false")
    subprocess.run(["git", "update-index", *words], cwd=path, capture_output=True)
    git(path, "status")
    write(path, file="hello")
    clean(git, path)
    assert pending(path) == []


def test_many_entries(path, git):
    """Git writes an offset table when the index is big and threads are on."""
    git(path, "config", "index.threads", "2")
    write_files(path, {f"many/{number}": str(number) for number in range(300)})
    git(path, "add", "--all")
    git(path, "commit", "-q", "-m", "many")
    write(path, file="hello")
    clean(git, path)


def test_split_index_is_refused_by_name(path, git):
    """Nothing changes, and the hint is the command that helps."""
    git(path, "update-index", "--split-index")
    before = git(path, "rev-parse", "HEAD")
    with pytest.raises(Unsupported, match="split index") as caught:
        write(path, file="hello")
    assert git(path, "rev-parse", "HEAD") == before
    assert not (path / "file").exists()
    clean(git, path)
    git(path, *caught.value.hint.split("'")[1].split()[1:])
    write(path, file="hello")
    clean(git, path)


def test_sparse_index_is_refused_by_name(path, git):
    """Nothing changes, and the hint is the command that helps."""
    git(path, "sparse-checkout", "set", "--cone", "--sparse-index", "script/a")
    with pytest.raises(Unsupported, match="sparse index") as caught:
        write(path, **{"script/a/file": "hello"})
    assert not (path / "script" / "a" / "file").exists()
    clean(git, path)
    git(path, *caught.value.hint.split("'")[1].split()[1:])
    write(path, **{"script/a/file": "hello"})
    clean(git, path)
