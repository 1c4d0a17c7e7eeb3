"""Refs read from files; the reference is git for-each-ref."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmgit.store.git import GitRepository
from cmgit.store.objects import ObjectID
from cmgit.store.ref_files import git_directory, read_refs

from ..conftest import Git


@pytest.fixture
def path(make_repo) -> Path:
    """A repository with one commit."""
    return make_repo("demo", "a")


def by_git(git: Git, path: Path) -> dict[str, str]:
    """What git lists, and HEAD."""
    lines = git(path, "for-each-ref", "--format=%(refname) %(objectname)").splitlines()
    return {"HEAD": git(path, "rev-parse", "HEAD").strip()} | dict(line.split() for line in lines)


def test_loose_and_packed(path, git):
    """Packed ones, one that moved since, annotated tags, symbolic ones, names of other bytes."""
    git(path, "branch", "a/b")
    git(path, "tag", "-a", "v1", "-m", "one")
    git(path, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main")
    git(path, "symbolic-ref", "refs/heads/link", "refs/heads/a/b")
    git(path, "pack-refs", "--all")
    git(path, "commit", "-q", "--allow-empty", "-m", "another")
    git(path, "branch", "\u00e9")
    found = read_refs(git_directory(str(path)))
    assert found is not None
    assert found.refs == by_git(git, path)
    assert found.refs == GitRepository.open(str(path)).refs()
    assert found.head == git(path, "symbolic-ref", "HEAD").strip()


def test_head_that_is_detached_or_unborn(path, git, tmp_path):
    """It has a commit and no branch, or a branch and no commit."""
    git(path, "checkout", "-q", "--detach")
    found = read_refs(git_directory(str(path)))
    assert (found.head, found.refs["HEAD"]) == ("", git(path, "rev-parse", "HEAD").strip())
    git(tmp_path, "init", "-q", "--bare", "-b", "main", "new.git")
    assert read_refs(git_directory(str(tmp_path / "new.git"))) == ({}, "refs/heads/main")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("refs/heads/x", ""),
        ("refs/heads/x", "0" * 39),
        ("refs/heads/x", "a" * 64),  # SHA-256
        ("refs/heads/x", "ref: refs/heads/x"),
        ("refs/heads/a~b", "a" * 40),
        ("packed-refs", "nonsense\n"),
        ("HEAD", ""),
        ("commondir", ".."),
    ],
)
def test_what_is_left_to_others(path, name, text):
    """Whatever is not plainly written, as damage is not."""
    (path / ".git" / name).write_text(text)
    assert read_refs(str(path / ".git")) is None


def test_no_repository(tmp_path):
    """Nor is what is not there."""
    assert read_refs(str(tmp_path)) is None


@given(st.binary(max_size=200))
def test_any_packed_refs(tmp_path_factory, data):
    """Every name that is read has an id."""
    place = tmp_path_factory.mktemp("git")
    (place / "refs").mkdir()
    (place / "HEAD").write_text("ref: refs/heads/main\n")
    (place / "packed-refs").write_bytes(data)
    found = read_refs(str(place))
    assert found is None or all(len(ObjectID(oid)) == 40 for oid in found.refs.values())
