"""Changing artifacts from Python: commits, what is left alone, sources, many at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cmgit import artifacts, repositories
from cmgit.artifact import Artifact
from cmgit.artifacts import New
from cmgit.errors import AlreadyExists, CmgitError, NotFound, UsageError
from cmgit.names import Name
from cmgit.workspace import Workspace
from tests.conftest import Git, MakeRepo, meta_of, uid_of, write_files


@pytest.fixture
def demo(make_repo: MakeRepo, workspace: Workspace) -> Path:
    """A working repository with the scripts a and b, registered."""
    path = make_repo("demo", "a", "b")
    repositories.init(workspace, path=str(path))
    return path


def count(git: Git, path: Path) -> int:
    """The number of commits."""
    return int(git(path, "rev-list", "--count", "HEAD"))


def test_only_the_touched_paths(demo: Path, workspace: Workspace, git: Git) -> None:
    """A change leaves other pending edits, and what the person staged, as they were."""
    write_files(demo, {"script/a/run.sh": "edited\n", "staged": "1", "loose": "2"})
    git(demo, "add", "staged")
    before = git(demo, "status", "--porcelain")
    workspace.add("script", "demo:c")
    artifacts.move(workspace, workspace.one("script", "c"), "d")
    artifacts.update(workspace, [workspace.one("script", "b")], {"k": 1})
    artifacts.copy(workspace, workspace.one("script", "b"), "e")
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


def test_sources(demo: Path, workspace: Workspace, tmp_path: Path, git: Git) -> None:
    """Modes, links inside, and a meta that is there are kept; ``.git`` is left out."""
    source = tmp_path / "src"
    write_files(source, {"_cm.yaml": "# kept? no, but its values are\nk: v\ntags: [theirs]\nalias: x\n",
                         "bin/run": "#!/bin/sh\n", ".git/config": "no", "sub/.git": "no"})  # fmt: skip
    (source / "bin" / "run").chmod(0o755)
    (source / "link").symlink_to("bin/run")
    (source / "bin" / "up").symlink_to("../bin")
    artifact = workspace.add("script", "demo:c", tags="mine", source=str(source))
    assert git(demo, "ls-tree", "-r", "--format=%(objectmode) %(path)", "HEAD:script/c") == (
        "100644 _cm.yaml\n100755 bin/run\n120000 bin/up\n120000 link\n"
    )
    meta = workspace.load(artifact)
    assert (meta["alias"], meta["k"], meta["tags"]) == ("c", "v", ["theirs", "mine"])


@pytest.mark.parametrize("target", ["/etc/passwd", "../../x", "a/../../../x"])
def test_links_that_lead_out(workspace: Workspace, demo: Path, tmp_path: Path, target: str) -> None:
    """A link out of what is added is refused, and nothing is added."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "link").symlink_to(target)
    with pytest.raises(UsageError, match="leads out"):
        workspace.add("script", "demo:c", source=str(tmp_path / "src"))
    assert not (demo / "script" / "c").exists()


def test_special_files(workspace: Workspace, demo: Path, tmp_path: Path) -> None:
    """A pipe is no content."""
    (tmp_path / "src").mkdir()
    os.mkfifo(tmp_path / "src" / "pipe")
    with pytest.raises(UsageError):
        workspace.add("script", "demo:c", source=str(tmp_path / "src"))
    with pytest.raises(NotFound):
        workspace.add("script", "demo:c", source=str(tmp_path / "nosuch"))


def test_move_of_pending_edits(demo: Path, workspace: Workspace, git: Git) -> None:
    """Edits that are not committed move along, and are still not committed."""
    write_files(demo, {"script/a/run.sh": "edited here\n", "script/a/new": "x"})
    artifacts.move(workspace, workspace.one("script", "a"), "z")
    assert (demo / "script/z/run.sh").read_text() == "edited here\n"
    assert (demo / "script/z/new").read_text() == "x"
    assert git(demo, "status", "--porcelain") == " M script/z/run.sh\n?? script/z/new\n"
    assert not (demo / "script/a").exists()


def test_move_of_an_edit_in_the_second_of_its_commit(
    demo: Path, workspace: Workspace, git: Git
) -> None:
    """An edit of the same size, in the second in which Git's index was written, is still one."""
    git(demo, "config", "core.trustctime", "false")
    second = 1_700_000_000_000_000_000
    file = demo / "script/a/run.sh"
    os.utime(file, ns=(second, second))
    git(demo, "add", "--renormalize", file)
    file.write_text(file.read_text().upper())
    os.utime(file, ns=(second + 200, second + 200))
    os.utime(demo / ".git" / "index", ns=(second + 100, second + 100))
    artifacts.move(workspace, workspace.one("script", "a"), "z")
    assert git(demo, "status", "--porcelain") == " M script/z/run.sh\n"


def test_move_to_another_case(demo: Path, workspace: Workspace) -> None:
    """A rename that changes only the case is one."""
    moved = artifacts.move(workspace, workspace.one("script", "a"), "A")
    assert (moved.alias, moved.path) == ("A", "script/A")
    assert len(workspace.find("script")) == 2


def test_move_of_what_is_not_committed(demo: Path, workspace: Workspace, git: Git) -> None:
    """A new directory of the person is moved and committed."""
    write_files(demo, {"script/n/_cm.yaml": meta_of("n", uid_of(5)), "script/n/x": "x"})
    moved = artifacts.move(workspace, workspace.one("script", "n"), "local:")
    assert (moved.repo, moved.uid) == ("local", uid_of(5))
    assert not (demo / "script/n").exists()
    assert git(demo, "status", "--porcelain") == ""


def test_copy_of_pending_edits(demo: Path, workspace: Workspace) -> None:
    """A copy has the files as they are now."""
    write_files(demo, {"script/a/run.sh": "edited\n"})
    artifact = artifacts.copy(workspace, workspace.one("script", "a"), "local:")
    assert (Path(workspace.directory(artifact)) / "run.sh").read_text() == "edited\n"
    assert (demo / "script/a/run.sh").read_text() == "edited\n"


def changes(workspace: Workspace, artifact: Artifact) -> list[Callable[[], object]]:
    """Every way to change an artifact."""
    return [
        lambda: artifacts.remove(workspace, [artifact]),
        lambda: artifacts.move(workspace, artifact, "y"),
        lambda: artifacts.move(workspace, artifact, "local:"),
        lambda: artifacts.copy(workspace, artifact, "y"),
        lambda: artifacts.copy(workspace, artifact, "local:y"),
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
        path = Path(repositories.pull(workspace, url=str(demo)).path)
    artifact = workspace.one("script", "a")
    artifacts.move(workspace, artifact, "z")
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
