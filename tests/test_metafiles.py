"""The meta files of the artifact that was found: read again before it is changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cmgit import artifacts, repositories, transfer
from cmgit.artifact import Artifact
from cmgit.errors import CmgitError, NotFound
from cmgit.pull import pull
from cmgit.workspace import Workspace
from tests.conftest import Git, count, uid_of, write_files


def changes(workspace: Workspace, artifact: Artifact) -> list[Callable[[], object]]:
    """Every way to change an artifact."""
    return [
        lambda: artifacts.remove(workspace, [artifact]),
        lambda: transfer.move(workspace, artifact, "y"),
        lambda: transfer.move(workspace, artifact, "local:"),
        lambda: transfer.copy(workspace, artifact, "y"),
        lambda: transfer.copy(workspace, artifact, "local:y"),
        lambda: artifacts.update(workspace, [artifact], {"k": 1}),
    ]


def test_somebody_was_faster(demo: Path, workspace: Workspace, git: Git) -> None:
    """What is gone since it was found is told; what is there now is left alone."""
    artifact = workspace.one("script", "a")
    git(demo, "rm", "-rq", "script/a")
    git(demo, "commit", "-qm", "gone")
    for change in changes(workspace, artifact):
        with pytest.raises(NotFound, match=f"a,{uid_of(1)} is gone"):
            change()
    assert count(git, demo) == 2


@pytest.mark.parametrize("kind", ["working", "bare"])
def test_another_artifact_took_its_place(
    demo: Path, workspace: Workspace, git: Git, home: Path, kind: str
) -> None:
    """What is at the path since the artifact was found is another: it is not changed for it."""
    path = demo
    if kind == "bare":
        repositories.remove(workspace, "demo")
        path = Path(pull(workspace, url=str(demo)).path)
    artifact = workspace.one("script", "a")
    transfer.move(workspace, artifact, "z")
    other = workspace.add("script", "demo:a")
    before, local = count(git, path), count(git, home / "local")
    for change in changes(workspace, artifact):
        with pytest.raises(NotFound, match=f"a,{uid_of(1)} is gone") as caught:
            change()
        assert caught.value.hint == f"'cmgit find script {uid_of(1)}' says where it is now"
    assert (count(git, path), count(git, home / "local")) == (before, local)
    assert {a.alias: a.uid for a in workspace.find("script")} == {
        "a": other.uid, "b": uid_of(2), "z": uid_of(1)
    }  # fmt: skip


def test_update_after_one_of_two_metas_went(demo: Path, workspace: Workspace) -> None:
    """A meta file that is only in the last commit does not count, as ``find`` says too."""
    write_files(demo, {"script/a/_cm.json": f'{{"uid": "{uid_of(1)}", "k": 0}}'})
    artifacts.save(workspace, "demo")
    (demo / "script/a/_cm.json").unlink()
    artifacts.update(workspace, [workspace.one("script", "a")], {"k": 1})
    assert workspace.load(workspace.one("script", "a"))["k"] == 1
    assert not (demo / "script/a/_cm.json").exists()


def test_update_of_a_broken_meta(demo: Path, workspace: Workspace) -> None:
    """A meta that became unreadable since is not written over."""
    artifact = workspace.one("script", "a")
    write_files(demo, {"script/a/_cm.yaml": "a: [\n"})
    with pytest.raises(CmgitError, match=r"demo/script/a/_cm\.yaml:2"):
        artifacts.update(workspace, [artifact], {"k": 1})
    assert (demo / "script/a/_cm.yaml").read_text() == "a: [\n"
