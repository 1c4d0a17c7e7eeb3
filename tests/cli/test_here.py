"""``.`` in names: the automation, artifact and repository of the current directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from cmgit.workspace import Workspace
from tests.cli import bad, good
from tests.conftest import Git, MakeRepo, uid_of

DETECT = f"script demo:detect,{uid_of(1)}"


@pytest.fixture
def demo(make_repo: MakeRepo, workspace: Workspace) -> Path:
    """A working repository with two scripts, registered; ``local`` has one of the same name."""
    path = make_repo("demo", "detect", "install")
    good("init", "repo", f"--path={path}")
    good("add", "script", "detect")
    return path


@pytest.mark.parametrize("place", ["script/detect", "script/detect/deep/er"])
def test_artifact_of_here(demo: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """``.`` names the artifact around the current directory, to any command, in any depth."""
    (demo / place).mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(demo / place)
    assert good("find", "script", ".").lines == [DETECT]
    assert good("find", ".", ".").lines == [DETECT]
    assert good("load", "script", ".", "--json").json[0]["uid"] == uid_of(1)
    assert good("cat", ".", ".", "run.sh").out == "echo detect\n"
    assert "first" in good("log", "script", ".").out
    assert good("info", "script", ".").lines[1] == f"path = {demo}/script/detect"
    assert good("update", ".", ".", "--tags=here").lines == [DETECT]
    assert good("mv", ".", ".", "moved").lines == [f"script demo:moved,{uid_of(1)}"]


def test_automation_of_here(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``.`` as the automation is that of the directory, in all repositories."""
    monkeypatch.chdir(demo / "script")
    assert good("find", ".").names == ["detect", "detect", "install"]
    assert bad(16, "find", "script", ".").startswith(f"cmgit: '.': {demo}/script is not in")
    assert good("add", ".", ".:new").lines[0].startswith("script demo:new,")


def test_repository_of_here(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``.:`` and ``.`` for a repository are the one around the current directory."""
    monkeypatch.chdir(demo)
    assert good("find", "script", ".:detect").lines == [DETECT]
    assert good("find", "script", ".:").names == ["detect", "install"]
    assert good("find", "script", "--repo=.").names == ["detect", "install"]
    assert good("where", "repo", ".").lines == [str(demo)]
    assert good("cp", "script", ".:detect", "local:copied").lines[0].startswith("script local:")
    (demo / "script" / "detect" / "new").write_text("x")
    assert good("save", ".").lines == ["script/detect/new"]
    assert "automation" in bad(16, "find", ".")


def test_prefix_counts(
    make_repo: MakeRepo, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below a prefix the artifact is one level deeper; above it there is none."""
    path = make_repo("deep", "a", prefix="sub/dir")
    good("init", "repo", f"--path={path}")
    monkeypatch.chdir(path / "sub" / "dir" / "script" / "a")
    assert good("find", ".", ".").names == ["a"]
    monkeypatch.chdir(path / "sub" / "dir")
    bad(16, "find", ".", "x")


def test_link_to_here(demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory reached through a symbolic link is the directory itself."""
    (tmp_path / "link").symlink_to(demo / "script" / "detect")
    monkeypatch.chdir(tmp_path / "link")
    assert good("find", "script", ".").lines == [DETECT]


def test_uncommitted_is_known(demo: Path, git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    """``.`` names what is on the disk and not in Git, as ``find`` does."""
    git(demo, "rm", "-rq", "--cached", "script/detect")
    git(demo, "commit", "-qm", "forget")
    monkeypatch.chdir(demo / "script" / "detect")
    assert good("find", ".", ".").lines == [DETECT]


@pytest.mark.parametrize("word", [".", ".:", ".:x"])
def test_nowhere(
    word: str, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outside of every repository ``.`` is an error that says what to do."""
    monkeypatch.chdir(tmp_path)
    assert "init repo" in bad(16, "find", "script", word)
    assert "init repo" in bad(16, "find", word)
