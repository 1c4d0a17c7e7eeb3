"""Moving in from homes that cm and mlc themselves have made."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cmgit.adopt import FAILED, NEW, SAME, Adopted, adopt, home_at, usual_homes
from cmgit.artifacts import add, save
from cmgit.check import check
from cmgit.errors import GitError, MetaError, NotFound
from cmgit.registry import LOCAL
from cmgit.workspace import Workspace

from .conftest import MakeRepo, artifact_files, meta_of, run_git, uid_of, write_files

BIN = Path(sys.executable).parent


def tool(name: str, *words: str, **environment: str) -> None:
    """Run cm or mlc."""
    done = subprocess.run(
        [str(BIN / name), *words],
        env={**os.environ, **environment},
        cwd=os.environ["HOME"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def cm_home(tmp_path: Path, make_repo: MakeRepo) -> Path:
    """A home that cm made, with a script in ``local``, and a clone and another place registered."""
    home = tmp_path / "CM"
    tool("cm", "add", "script", "mine", "--tags=own", CM_REPOS=str(home))
    make_repo("cloned", "a", directory=home / "repos" / "cloned", uid=uid_of(1))
    make_repo("elsewhere", files=other(2, "b"), uid=uid_of(2))
    listed = [str(home / "repos" / "cloned"), str(tmp_path / "elsewhere")]
    (home / "repos.json").write_text(json.dumps(listed))
    return home


def other(number: int, alias: str) -> dict[str, str]:
    """A script whose UID is not that of another."""
    return {f"script/{alias}/_cm.yaml": meta_of(alias, uid_of(number), tags=f"[{alias}]")}


def content(*places: Path) -> dict[str, tuple[int, bytes]]:
    """Every file below directories, with its time, and the directories."""
    found = {}
    for place in places:
        for path in sorted(place.rglob("*")):
            data = path.read_bytes() if path.is_file() else b""
            found[str(path)] = path.lstat().st_mtime_ns, data
    return found


def states(adopted: list[Adopted]) -> dict[str, str]:
    """The state of each, by its alias or the last part of its path."""
    return {one.alias or Path(one.path).name: one.state for one in adopted}


def scripts(workspace: Workspace) -> list[str]:
    """The scripts that are found, with their repositories."""
    return sorted(f"{found.repo}:{found.alias}" for found in workspace.find("script"))


def test_a_home_of_cm(workspace: Workspace, cm_home: Path, tmp_path: Path) -> None:
    """All of it is found, ``local`` too, which is no Git repository; nothing is touched."""
    before = content(cm_home, tmp_path / "elsewhere")
    adopted = adopt(workspace, [home_at(str(cm_home))])
    assert states(adopted) == {"cm-local": NEW, "cloned": NEW, "elsewhere": NEW}
    assert scripts(workspace) == ["cloned:a", "cm-local:mine", "elsewhere:b"]
    assert workspace.load(workspace.one("script", "mine"))["tags"] == ["own"]
    assert workspace.directory(workspace.one("script", "mine")).startswith(str(cm_home))
    assert content(cm_home, tmp_path / "elsewhere") == before
    again = adopt(workspace, [home_at(str(cm_home))])
    assert set(states(again).values()) == {SAME}
    assert len(workspace.registry.entries) == 4
    assert [finding for finding in check(workspace) if finding.state == "wrong"] == []


def test_a_home_of_mlc(workspace: Workspace, tmp_path: Path) -> None:
    """Its repositories have a meta.yaml where cmgit's have a cmr.yaml."""
    home = tmp_path / "MLC" / "repos"
    tool("mlc", "list", "repo", MLC_REPOS=str(home))
    described = f"alias: owner@name\nuid: {uid_of(7)}\n"
    files = {"meta.yaml": described, **artifact_files("a")}
    files["script/a/meta.yaml"] = files.pop("script/a/_cm.yaml")
    write_files(home / "owner@name", files)
    run_git(home / "owner@name", "init", "-q")
    listed = json.loads((home / "repos.json").read_text())
    (home / "repos.json").write_text(json.dumps([*listed, str(home / "owner@name")]))
    before = content(home)
    adopted = adopt(workspace, [home_at(str(home.parent))])
    assert states(adopted) == {"mlc-local": NEW, "owner@name": NEW}
    assert scripts(workspace) == ["owner@name:a"]
    assert content(home) == before
    run_git(home / "owner@name", "add", "--all")
    run_git(home / "owner@name", "commit", "-q", "-m", "first")
    other_home = Workspace(str(tmp_path / "other"))
    other_home.pull(url=str(home / "owner@name"))
    assert scripts(other_home) == ["owner@name:a"]


def test_dry(workspace: Workspace, cm_home: Path) -> None:
    """The same is told, and nothing registered."""
    homes = [home_at(str(cm_home))]
    told = adopt(workspace, homes, dry=True)
    assert [entry.uid for entry in workspace.registry.entries] == [LOCAL.uid]
    assert adopt(workspace, homes) == told


def test_what_cannot_be_registered(workspace: Workspace, cm_home: Path, tmp_path: Path) -> None:
    """It is named, and keeps nothing else from being registered."""
    shutil.move(tmp_path / "elsewhere", tmp_path / "away")
    write_files(tmp_path / "plain", {"notes": "no description"})
    run_git(tmp_path, "init", "-q", "--bare", "bare.git")
    write_files(tmp_path / "broken", {"cmr.yaml": "alias: [\n"})
    listed = json.loads((cm_home / "repos.json").read_text())
    listed += [str(tmp_path / name) for name in ("plain", "bare.git", "broken")]
    (cm_home / "repos.json").write_text(json.dumps(listed))
    adopted = adopt(workspace, [home_at(str(cm_home))])
    problems = {Path(one.path).name: one.problem for one in adopted if one.state == FAILED}
    assert "is not there" in problems.pop("elsewhere")
    assert "is not a Git repository" in problems.pop("plain")
    assert "is a bare repository" in problems.pop("bare.git")
    assert "cmr.yaml" in problems.pop("broken")
    assert problems == {}
    assert scripts(workspace) == ["cloned:a", "cm-local:mine"]


def test_the_same_repository_in_two_homes(
    workspace: Workspace, cm_home: Path, make_repo: MakeRepo, tmp_path: Path
) -> None:
    """Both are registered, the second under a name and a UID of its own."""
    other_home = tmp_path / "other"
    make_repo("cloned", "c", directory=other_home / "repos" / "cloned", uid=uid_of(1))
    (other_home / "repos.json").write_text(json.dumps(["cloned"]))
    adopted = adopt(workspace, [home_at(str(cm_home)), home_at(str(other_home))])
    assert states(adopted)["cm-cloned"] == NEW
    assert len({entry.uid for entry in workspace.registry.entries}) == 5


@pytest.mark.parametrize("text", ["", "{}", '["a", 1]', '["a"'])
def test_a_damaged_list(workspace: Workspace, tmp_path: Path, text: str) -> None:
    """It is named, and nothing is registered."""
    (tmp_path / "repos.json").write_text(text)
    with pytest.raises(MetaError, match=r"repos\.json"):
        adopt(workspace, [home_at(str(tmp_path))])
    assert len(workspace.registry.entries) == 1


def test_where_homes_are(tmp_path: Path) -> None:
    """As the environment says, or in the user's home; both, when both are there."""
    environ = {"CM_REPOS": str(tmp_path / "x"), "MLC_REPOS": str(tmp_path / "y")}
    with pytest.raises(NotFound, match=r"x/repos\.json or .*y/repos\.json"):
        usual_homes(environ)
    with pytest.raises(NotFound, match="no home of CM or MLC"):
        home_at(str(tmp_path))
    write_files(tmp_path, {"x/repos.json": "[]", "user/MLC/repos/repos.json": "[]"})
    assert [home.path for home in usual_homes(environ)] == [str(tmp_path / "x")]
    found = usual_homes({"CM_REPOS": str(tmp_path / "x")})
    assert [(home.tool, Path(home.path).parent.name) for home in found][1] == ("mlc", "MLC")


def test_a_directory_without_git(workspace: Workspace, cm_home: Path) -> None:
    """It is read, its edits are seen at once, changes are refused; ``git init`` lets them in."""
    adopt(workspace, [home_at(str(cm_home))])
    local = cm_home / "repos" / "local"
    write_files(local, other(9, "new"))
    assert "cm-local:new" in scripts(workspace)
    with pytest.raises(GitError, match="only read"):
        add(workspace, "script", "cm-local:another")
    assert not (local / ".git").exists()
    run_git(local, "init", "-q")
    save(workspace, "cm-local", "all of it")
    add(workspace, "script", "cm-local:another")
    assert "cm-local:another" in scripts(workspace)
    assert run_git(local, "status", "--porcelain") == ""


def test_meta_yaml_of_something_else(workspace: Workspace, make_repo: MakeRepo) -> None:
    """Only what has an alias and a UID describes a repository."""
    path = make_repo("recipe", files={"meta.yaml": "{% set version = '1' %}\npackage: x\n"})
    (path / "cmr.yaml").unlink()
    run_git(path, "commit", "-q", "-a", "-m", "no description")
    with pytest.raises(MetaError, match=r"no cmr\.yaml"):
        workspace.pull(url=str(path))
