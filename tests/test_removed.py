"""What was removed is found in the history, and comes back."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cmgit import artifacts, removed
from cmgit.errors import AlreadyExists, NotFound
from cmgit.workspace import Workspace
from tests.conftest import Git, MakeRepo, artifact_files, uid_of, write_files
from tests.test_history import commit, edit


@pytest.fixture
def demo(make_repo: MakeRepo, workspace: Workspace) -> Path:
    """A working repository with the scripts a and b, registered."""
    from cmgit.repositories import init

    path = make_repo("demo", "a", "b")
    init(workspace, path=str(path))
    return path


def test_restore(demo: Path, workspace: Workspace, git: Git) -> None:
    """A removed artifact comes back as it last was, files and modes, in one commit."""
    os.chmod(demo / "script/a/run.sh", 0o755)
    edit(demo / "script/a/run.sh")
    commit(git, demo, "edit")
    before = git(demo, "rev-parse", "HEAD:script/a")
    artifacts.remove(workspace, [workspace.one("script", "a")])
    assert workspace.find("script", "a") == []
    artifact = removed.restore(workspace, "script", "a")
    assert (artifact.uid, artifact.path) == (uid_of(1), "script/a")
    assert git(demo, "rev-parse", "HEAD:script/a") == before
    assert git(demo, "status", "--porcelain") == ""
    assert os.access(demo / "script/a/run.sh", os.X_OK)
    assert git(demo, "log", "-1", "--format=%s") == f"restore script a,{uid_of(1)}\n"


@pytest.mark.parametrize("word", ["a", "A", uid_of(1), f"demo:a,{uid_of(1)}", "demo:a", "?"])
def test_restore_by_any_name(demo: Path, workspace: Workspace, git: Git, word: str) -> None:
    """The names of a restore are those of every command; removed by Git it comes back too."""
    git(demo, "rm", "-rq", "script/a", "script/b")
    write_files(demo, artifact_files("b", automation="model"))
    commit(git, demo, "gone")
    artifacts.remove(workspace, workspace.find("model"))
    assert removed.restore(workspace, "script", word).alias in ("a", "b")


def test_restore_at(demo: Path, workspace: Workspace, git: Git) -> None:
    """``at`` brings back the artifact as it was then, under the name that it had then."""
    artifacts.move(workspace, workspace.one("script", "a"), "z")
    edit(demo / "script/z/run.sh")
    commit(git, demo, "edit")
    artifacts.remove(workspace, [workspace.one("script", "z")])
    artifact = removed.restore(workspace, "script", uid_of(1), "HEAD~3")
    assert artifact.path == "script/a"
    assert (demo / "script/a/run.sh").read_text() == "echo a\n"


def test_restore_refusals(demo: Path, workspace: Workspace) -> None:
    """What is there, whose place is taken, or was never there, is not restored."""
    with pytest.raises(AlreadyExists, match="is there"):
        removed.restore(workspace, "script", "a")
    with pytest.raises(NotFound, match="no repository ever held"):
        removed.restore(workspace, "script", "never")
    artifacts.remove(workspace, [workspace.one("script", "a")])
    write_files(demo, {"script/a/mine": "keep"})
    with pytest.raises(AlreadyExists, match="taken"):
        removed.restore(workspace, "script", uid_of(1))
    assert (demo / "script/a/mine").read_text() == "keep"
