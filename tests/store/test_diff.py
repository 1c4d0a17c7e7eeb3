"""Differences between trees, against ``git diff``: its headers, and what ``git apply`` makes of it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from cmgit.errors import Damaged
from cmgit.store.diff import diff_text, tree_changes
from cmgit.store.git import GitRepository
from cmgit.store.objects import ObjectID
from tests.conftest import Git, write_files

TEXT = "".join(f"line {n}\n" for n in range(40))


@pytest.fixture
def path(tmp_path: Path, git: Git) -> Path:
    """An empty Git repository."""
    git(tmp_path, "init", "-q", "repo")
    return tmp_path / "repo"


def tree(path: Path, git: Git) -> ObjectID:
    """The tree of everything in the directory."""
    git(path, "add", "--all")
    return ObjectID(git(path, "write-tree").strip())


def text(path: Path, old: ObjectID | None, new: ObjectID | None) -> str:
    """The whole difference."""
    repository = GitRepository.open(str(path))
    changes = tree_changes(repository, old, new)
    return b"".join(diff_text(repository, change) for change in changes).decode()


def headers(diff: str) -> list[str]:
    """What is no content: lines before the first hunk of each file."""
    found, inside = [], False
    for line in diff.split("\n"):
        inside = line.startswith("@@") or (inside and not line.startswith("diff --git "))
        if not inside and not line.startswith("similarity index"):
            found.append(line)
    return [line for line in found if line]


def check(path: Path, git: Git, old: ObjectID, new: ObjectID, binary: bool = False) -> str:
    """Compare with Git's own; returns the difference."""
    mine = text(path, old, new)
    theirs = git(path, "diff", "--no-color", old, new)
    assert headers(mine) == headers(theirs)
    if not binary:
        git(path, "read-tree", old)
        git(path, "apply", "--cached", "--allow-empty", "-", input=mine)
        assert git(path, "write-tree").strip() == new
    return mine


CHANGES = {
    "edit": {"a": TEXT.replace("line 7\n", "line seven\n").replace("line 30\n", "")},
    "add": {"new": "one\ntwo\n", "sub/dir/file": "x"},
    "add empty": {"empty": ""},
    "delete": {"a": None},
    "rename": {"a": None, "b": TEXT},
    "rename and edit": {"a": None, "sub/b": TEXT.replace("line 7\n", "line seven\n")},
    "no newline": {"a": TEXT + "end"},
    "carriage returns": {"a": TEXT.replace("5\n", "5\r\n") + "\r"},
    "strange names": {"with space": "x\n", "é": "x\n", 'quo"te\\': "x\n", "tab\there": "x\n"},
    "nothing": {},
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("backwards", [False, True])
def test_as_git(path: Path, git: Git, name: str, backwards: bool) -> None:
    """Each kind of change, there and back."""
    write_files(path, {"a": TEXT, "same": "same\n"})
    old = tree(path, git)
    for file, content in CHANGES[name].items():
        if content is None:
            (path / file).unlink()
        else:
            write_files(path, {file: content})
    new = tree(path, git)
    check(path, git, *((new, old) if backwards else (old, new)))


def test_modes_links_and_submodules(path: Path, git: Git, tmp_path: Path) -> None:
    """A mode alone, a mode with an edit, a file that becomes a link, a submodule that moves."""
    git(tmp_path, "init", "-q", "inner")
    git(tmp_path / "inner", "commit", "-q", "--allow-empty", "-m", "1")
    write_files(path, {"mode": "m\n", "both": "b\n", "link": "l\n"})
    git(path, "-c", "protocol.file.allow=always", "submodule", "-q", "add", str(tmp_path / "inner"))
    old = tree(path, git)
    (path / "mode").chmod(0o755)
    (path / "both").chmod(0o755)
    write_files(path, {"both": "bb\n"})
    (path / "link").unlink()
    (path / "link").symlink_to("mode")
    git(path / "inner", "commit", "-q", "--allow-empty", "-m", "2")
    new = tree(path, git)
    check(path, git, old, new)
    check(path, git, new, old)
    repository = GitRepository.open(str(path))
    statuses = [(c.path, c.status) for c in tree_changes(repository, old, new)]
    assert statuses == [
        ("both", "modified"), ("inner", "modified"), ("link", "deleted"), ("link", "added"),
        ("mode", "modified"),
    ]  # fmt: skip


def test_binary(path: Path, git: Git) -> None:
    """Git says that they differ, and not how."""
    write_files(path, {"a": b"\0one", "gone": b"\0x", "text": TEXT})
    old = tree(path, git)
    write_files(path, {"a": b"\0two", "new": b"\0y" * 99, "text": b"\0"})
    (path / "gone").unlink()
    new = tree(path, git)
    mine = check(path, git, old, new, binary=True)
    assert mine == git(path, "diff", old, new)


@pytest.mark.parametrize("seed", range(8))
def test_random_edits(path: Path, git: Git, seed: int) -> None:
    """Whatever is edited: Git applies the difference and has the new tree."""
    chance = random.Random(seed)
    lines = [f"{chance.randrange(20)}\n" for _ in range(chance.randrange(200))]
    write_files(path, {"f": "".join(lines)})
    old = tree(path, git)
    for _ in range(chance.randrange(30)):
        at = chance.randrange(len(lines) + 1)
        lines[at : at + chance.randrange(3)] = [f"{chance.randrange(20)}\n"] * chance.randrange(3)
    write_files(path, {"f": "".join(lines) + chance.choice(["", "end"])})
    check(path, git, old, tree(path, git))


def test_the_empty_tree(path: Path, git: Git) -> None:
    """None is the tree of what is not there."""
    write_files(path, {"a": TEXT})
    new = tree(path, git)
    repository = GitRepository.open(str(path))
    assert [c.status for c in tree_changes(repository, None, new)] == ["added"]
    assert [c.status for c in tree_changes(repository, new, None)] == ["deleted"]
    assert tree_changes(repository, None, None) == []


def test_missing_objects(path: Path, git: Git) -> None:
    """Damage is named, in trees and in files."""
    write_files(path, {"a": TEXT, "sub/b": "b\n"})
    old = tree(path, git)
    write_files(path, {"a": TEXT + "x\n", "sub/b": "bb\n"})
    new = tree(path, git)
    for spec in (f"{new}:a", f"{new}:sub"):
        oid = git(path, "rev-parse", spec).strip()
        file = path / ".git/objects" / oid[:2] / oid[2:]
        file.rename(path / "away")
        with pytest.raises(Damaged, match=oid):
            text(path, old, new)
        (path / "away").rename(file)
