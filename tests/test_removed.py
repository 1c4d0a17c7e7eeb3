"""What was removed is found in the history, and comes back."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from cmgit import actions, artifacts, history, removed, transfer
from cmgit.actions.selection import select_past
from cmgit.errors import AlreadyExists, AutomationNotFound, CmgitError, NotFound
from cmgit.pull import pull
from cmgit.repositories import remove
from cmgit.workspace import Workspace
from tests.conftest import Git, artifact_files, meta_of, uid_of, write_files
from tests.test_history import commit, edit


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
    transfer.move(workspace, workspace.one("script", "a"), "z")
    edit(demo / "script/z/run.sh")
    commit(git, demo, "edit")
    artifacts.remove(workspace, [workspace.one("script", "z")])
    artifact = removed.restore(workspace, "script", uid_of(1), "HEAD~3")
    assert artifact.path == "script/a"
    assert (demo / "script/a/run.sh").read_text() == "echo a\n"


def test_restore_by_a_former_alias(demo: Path, workspace: Workspace) -> None:
    """What was renamed and then removed comes back as it last was."""
    moved = transfer.move(workspace, workspace.one("script", "a"), "z")
    artifacts.remove(workspace, artifacts.update(workspace, [moved], {"v": 2}))
    back = removed.restore(workspace, "script", "a")
    assert (back.path, workspace.load(back)["v"]) == ("script/z", 2)


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


@pytest.mark.parametrize("content", ["as it was", "of then"])
def test_restore_what_was_deleted_by_hand(
    demo: Path, workspace: Workspace, git: Git, content: str
) -> None:
    """A deletion that was not committed is taken back, without a commit; with ``at`` in one."""
    edit(demo / "script/a/new")
    head = commit(git, demo, "edit")
    shutil.rmtree(demo / "script/a")
    if content == "as it was":
        removed.restore(workspace, "script", "a")
        assert git(demo, "rev-parse", "HEAD").strip() == head
    else:
        removed.restore(workspace, "script", "a", "HEAD~1")
        assert git(demo, "rev-parse", "HEAD~1").strip() == head
    assert (demo / "script/a/new").exists() == (content == "as it was")
    assert git(demo, "status", "--porcelain") == ""


def log(workspace: Workspace, words: str, at: str = "") -> list[tuple[str, str]]:
    """The titles and paths of the log of what a command line names."""
    automation, artifact = words.split()
    given = {"automation": automation, "artifact": artifact, "at": at}
    changes = history.log(workspace, select_past(workspace, given))
    return [(change.commit.message.splitlines()[0], change.path) for change in changes]


@pytest.mark.parametrize("word", ["a", "A", uid_of(1), f"demo:a,{uid_of(1)}", "demo:a", "?"])
@pytest.mark.parametrize("kind", ["working", "bare"])
def test_log_of_what_was_removed(demo: Path, workspace: Workspace, kind: str, word: str) -> None:
    """By any name; the removal comes first, though nothing else of its kind is left."""
    if kind == "bare":
        remove(workspace, "demo")
        pull(workspace, "demo", str(demo))
    artifacts.remove(workspace, [workspace.one("script", "b")])
    artifacts.remove(workspace, [workspace.one("script", "a")])
    assert log(workspace, f"script {word}") == [
        (f"rm script a,{uid_of(1)}", "script/a"), ("first", "script/a"),
    ]  # fmt: skip
    assert [title for title, _ in log(workspace, "script b")] == [
        f"rm script b,{uid_of(2)}", "first",
    ]  # fmt: skip


def test_log_by_a_name_that_only_the_history_knows(demo: Path, workspace: Workspace) -> None:
    """A former alias means the artifact of today, and of yesterday when that is removed."""
    transfer.move(workspace, workspace.one("script", "a"), "z")
    told = [(f"mv script demo:a,{uid_of(1)} z", "script/z"), ("first", "script/a")]
    assert log(workspace, "script a") == log(workspace, "script z") == told
    artifacts.remove(workspace, [workspace.one("script", "z")])
    gone = (f"rm script z,{uid_of(1)}", "script/z")
    assert log(workspace, "script a") == log(workspace, "script z") == [gone, *told]


def test_log_of_what_git_removed_at_a_merge(demo: Path, workspace: Workspace, git: Git) -> None:
    """Removed on a branch that was merged; ``at`` asks before and after."""
    git(demo, "switch", "-qc", "side")
    git(demo, "rm", "-rq", "script/a")
    commit(git, demo, "gone")
    git(demo, "switch", "-q", "main")
    edit(demo / "script/b/run.sh")
    commit(git, demo, "edit b")
    git(demo, "merge", "-q", "--no-edit", "side")
    edit(demo / "script/b/run.sh")
    commit(git, demo, "edit b again")
    told = [("gone", "script/a"), ("first", "script/a")]
    assert log(workspace, "script a") == log(workspace, "script a", "HEAD~1") == told
    assert log(workspace, "script a", "HEAD~2") == told[1:]


def test_log_of_what_was_moved_to_another_repository(demo: Path, workspace: Workspace) -> None:
    """The log is that of the repository that holds it, or of the one that is named."""
    moved = transfer.move(workspace, workspace.one("script", "a"), "local:z")
    there = log(workspace, "script a")
    assert there == log(workspace, "script z") == [(there[0][0], moved.path)]
    here = log(workspace, "script demo:a")
    assert [path for _, path in here] == ["script/a", "script/a"]
    assert "mv script demo:a" in here[0][0]


@pytest.mark.parametrize("how", ["deleted", "renamed"])
def test_log_of_what_was_changed_by_hand(demo: Path, workspace: Workspace, how: str) -> None:
    """What is not committed yet hides no history."""
    if how == "deleted":
        shutil.rmtree(demo / "script/a")
    else:
        os.rename(demo / "script/a", demo / "script/z")
        write_files(demo, {"script/z/_cm.yaml": meta_of("z", uid_of(1))})
        assert log(workspace, "script z") == [("first", "script/a")]
    assert log(workspace, "script a") == [("first", "script/a")]


@pytest.mark.parametrize(
    ("words", "error"),
    [("script never", NotFound), ("nosuch a", AutomationNotFound), ("script *", CmgitError)],
)
def test_log_of_what_never_was(
    demo: Path, workspace: Workspace, words: str, error: type[CmgitError]
) -> None:
    """The errors are those of every command."""
    artifacts.remove(workspace, [workspace.add("automation", "demo:x")])
    with pytest.raises(error):
        log(workspace, words)


def test_diff_of_what_was_removed(demo: Path, workspace: Workspace) -> None:
    """All its files are deleted."""
    artifacts.remove(workspace, [workspace.one("script", "a")])
    answer = actions.access("diff script a HEAD~1", workspace)
    assert "-echo a" in answer["diff"]
