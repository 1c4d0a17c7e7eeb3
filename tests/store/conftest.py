"""A work tree with two artifacts, and what the real Git says of it."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest

from cmgit.repository import Repository
from cmgit.store import status
from cmgit.store.worktree import WorkTree

from ..conftest import Git, MakeRepo


@pytest.fixture
def path(make_repo: MakeRepo) -> Path:
    """A repository with two artifacts."""
    return make_repo("demo", "a", "b")


def worktree_of(path: Path) -> WorkTree:
    """The work tree of a repository."""
    worktree = Repository.open(str(path)).worktree
    assert worktree is not None
    return worktree


def write(path: Path, **files: str) -> None:
    """One commit by cmgit that writes files."""
    repository = Repository.open(str(path))
    with repository.locked(), repository.change("write") as change:
        for name, text in files.items():
            change.write(name, text.encode())


def pending(path: Path) -> list[str]:
    """What ``save`` would commit."""
    return sorted(status.pending(worktree_of(path)).edits)


def clean(git: Git, path: Path) -> None:
    """Assert that Git sees neither edits nor damage."""
    assert git(path, "status", "--porcelain") == ""
    git(path, "fsck", "--strict")


def staged_by_git(git: Git, path: Path) -> str:
    """The tree that ``git add --all`` makes, in an index of its own."""
    index = path / ".git" / "scratch"
    index.write_bytes((path / ".git" / "index").read_bytes())
    os.environ["GIT_INDEX_FILE"] = str(index)
    try:
        subprocess.run(["git", "add", "--all"], cwd=path, capture_output=True, check=True)
        return git(path, "write-tree").strip()
    finally:
        del os.environ["GIT_INDEX_FILE"]


def saved(git: Git, path: Path) -> str:
    """The tree that ``save`` commits."""
    repository = Repository.open(str(path))
    with repository.locked(), repository.change("save") as change:
        assert repository.worktree is not None
        change.stage(*status.pending(repository.worktree))
    return git(path, "rev-parse", "HEAD^{tree}").strip()


@pytest.fixture
def repository(tmp_path: Path, git: Git) -> Path:
    """A bare repository with objects of all kinds, many of them alike, all of them loose."""
    path = tmp_path / "work"
    subprocess.run(["git", "init", "-q", "-b", "main", str(path)], check=True)
    rng = random.Random(1)
    lines = [rng.randbytes(30).hex() for _ in range(400)]
    for number in range(40):
        lines[rng.randrange(len(lines))] = rng.randbytes(30).hex()
        (path / "same.txt").write_text("\n".join(lines))
        (path / f"{number}.bin").write_bytes(rng.randbytes(rng.randrange(3) * 1000))
        git(path, "add", "-A")
        git(path, "commit", "-qm", f"number {number}")
    git(path, "tag", "-a", "v1", "-m", "a tag")
    return path / ".git"
