"""Changing artifacts from Python: commits, what is left alone, many at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from cmgit import artifacts, transfer
from cmgit.artifacts import New
from cmgit.errors import AlreadyExists, MetaError
from cmgit.names import Name
from cmgit.workspace import Workspace
from tests.conftest import Git, count, uid_of, write_files


def test_only_the_touched_paths(demo: Path, workspace: Workspace, git: Git) -> None:
    """A change leaves other pending edits, and what the person staged, as they were."""
    write_files(demo, {"script/a/run.sh": "edited\n", "staged": "1", "loose": "2"})
    git(demo, "add", "staged")
    before = git(demo, "status", "--porcelain")
    workspace.add("script", "demo:c")
    transfer.move(workspace, workspace.one("script", "c"), "d")
    artifacts.update(workspace, [workspace.one("script", "b")], {"k": 1})
    transfer.copy(workspace, workspace.one("script", "b"), "e")
    artifacts.remove(workspace, workspace.find("script", "d"))
    assert git(demo, "status", "--porcelain") == before
    assert count(git, demo) == 6
    assert git(demo, "show", "--stat", "--format=", "HEAD~2").count("|") == 1
    git(demo, "fsck", "--strict")


def test_many_in_one_commit(demo: Path, workspace: Workspace, git: Git) -> None:
    """Any number in one commit, in their order; one that fails, and none is there."""
    entry, kind = workspace.registry.one(Name("demo")), workspace.automation("script")
    news = [New(Name(f"n{number:03}"), {"k": number}) for number in range(200)]
    added = artifacts.add_many(workspace, entry, kind, news)
    assert [a.alias for a in added] == [f"n{number:03}" for number in range(200)]
    assert count(git, demo) == 2
    assert git(demo, "log", "-1", "--format=%s") == "add script n000 and 199 more\n"
    for twice in (New(Name("A")), New(Name("new"))):
        with pytest.raises(AlreadyExists):
            artifacts.add_many(workspace, entry, kind, [New(Name("new")), twice])
    assert workspace.find("script", "new") == []
    assert not (demo / "script" / "new").exists()
    assert git(demo, "status", "--porcelain") == ""


@pytest.mark.parametrize("meta", [{"_base": {"a": 1}}, {"tags": 5}])
def test_a_meta_that_nobody_would_find(
    demo: Path, workspace: Workspace, git: Git, meta: dict[str, object]
) -> None:
    """Neither added nor written: ``find`` could not read it."""
    with pytest.raises(MetaError, match=r"demo/script/a/_cm\.yaml:1"):
        artifacts.update(workspace, workspace.find("script"), meta, replace_lists=True)
    if "tags" not in meta:
        with pytest.raises(MetaError, match=r"demo/script/c/_cm\.json:1"):
            workspace.add("script", "demo:c", meta=meta)
    assert count(git, demo) == 1
    assert git(demo, "status", "--porcelain") == ""


def test_across_repositories(demo: Path, workspace: Workspace, git: Git, home: Path) -> None:
    """A change of artifacts in two repositories is one commit in each."""
    workspace.add("script", "x")
    local = home / "local"
    before = count(git, local)
    artifacts.update(workspace, workspace.find("script"), {"k": 1})
    assert (count(git, demo), count(git, local)) == (2, before + 1)
    artifacts.remove(workspace, workspace.find("script"))
    assert (count(git, demo), count(git, local)) == (3, before + 2)
    assert git(demo, "log", "-1", "--format=%s") == f"rm script a,{uid_of(1)} and 1 more\n"


def test_unknown_identity(
    demo: Path, workspace: Workspace, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit is by whom Git says; where it says nobody, by nobody of our own making."""
    git(demo, "config", "user.name", "Bo Builder")
    git(demo, "config", "user.email", "bo@example.org")
    workspace.add("script", "demo:c")
    assert git(demo, "log", "-1", "--format=%an %ae") == "Bo Builder bo@example.org\n"
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Env Author")
    workspace.add("script", "demo:d")
    assert git(demo, "log", "-1", "--format=%an %cn") == "Env Author Bo Builder\n"
