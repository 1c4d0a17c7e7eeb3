"""Where artifacts go: repositories by name, directories, names that are taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from cmgit import targets
from cmgit.errors import AlreadyExists, CmgitError, NotFound
from cmgit.names import Name
from cmgit.workspace import Workspace
from tests.conftest import uid_of, write_files


@pytest.mark.parametrize(
    ("words", "repo", "name"),
    [("c", "local", Name("c")), ("demo:", "demo", Name()), ("demo:c", "demo", Name("c")),
     (f"DEMO:c,{uid_of(3)}", "demo", Name("c", uid_of(3))), ("", "local", Name())],
)  # fmt: skip
def test_target(demo: Path, workspace: Workspace, words: str, repo: str, name: Name) -> None:
    """A repository that is named, else the default, else ``local``."""
    found = targets.target(workspace, words)
    assert (found.entry.alias, found.name) == (repo, name)
    default = workspace.registry.one(Name("demo"))
    assert targets.target(workspace, words, default).entry == default


def test_unknown_repository(workspace: Workspace) -> None:
    """A repository that nobody knows is no target."""
    with pytest.raises(NotFound, match="nosuch"):
        targets.target(workspace, "nosuch:c")


def test_directory_of_an_automation(demo: Path, workspace: Workspace) -> None:
    """One that is there, in any case; a file in its place is refused."""
    repository = workspace.repository("demo")
    assert targets.automation_directory(repository, Name("SCRIPT")) == "script"
    assert targets.automation_directory(repository, Name("", uid_of(9))) == uid_of(9)
    write_files(demo, {"model": "a file"})
    with pytest.raises(AlreadyExists, match="demo/model is a file"):
        targets.automation_directory(repository, Name("model"))


def test_free_path(demo: Path, workspace: Workspace) -> None:
    """A name that is free in any case; the artifact's own in another case is free for it."""
    artifact, repository = workspace.one("script", "a"), workspace.repository("demo")
    assert targets.free_path(repository, artifact, "c") == "script/c"
    assert targets.free_path(repository, artifact, "A") == "script/A"
    for name, why in (("a", "exists"), ("b", "exists"), ("B", "differs only in case from 'b'")):
        with pytest.raises(CmgitError, match=why) as caught:
            targets.free_path(repository, artifact, name)
        assert caught.value.code == 1


def test_found_at(demo: Path, workspace: Workspace) -> None:
    """In the order that was asked for, few or many; one that went is told."""
    entry = workspace.registry.one(Name("demo"))
    files = {f"script/n{n}/_cm.yaml": f"uid: {uid_of(n)}\nautomation_alias: script\n"
             for n in range(10, 40)}  # fmt: skip
    write_files(demo, files)
    workspace.index()
    for few in (3, 30):
        places = {f"script/n{n}": uid_of(n) for n in range(39, 39 - few, -1)}
        found = targets.found_at(workspace, entry, places)
        assert [artifact.path for artifact in found] == list(places)
    with pytest.raises(NotFound, match="demo/script/gone is gone"):
        targets.found_at(workspace, entry, {"script/gone": uid_of(10)})
