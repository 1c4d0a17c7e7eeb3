"""Commands on repositories: init, find, show, where, pull, checkout, rm, detect, update."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import orjson
import pytest

from cmgit.actions import access
from cmgit.workspace import Workspace
from tests.cli import bad, good, run
from tests.conftest import Git, MakeRepo, artifact_files, run_git, uid_of, write_files

UID = "0123456789abcdef"


@pytest.mark.parametrize("action", ["init", "add"])
def test_init(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, git: Git, action: str
) -> None:
    """Without a path a directory of that name is made here: cmr.yaml, Git, one commit."""
    monkeypatch.chdir(tmp_path)
    (line,) = good(action, "repo", "results", "--desc=My results", "--prefix=db").lines
    path = tmp_path / "results"
    assert line.startswith("results,")
    assert line.endswith(f" = {path}")
    assert "desc: My results\nprefix: db\n" in (path / "cmr.yaml").read_text()
    assert git(path, "log", "--format=%s").startswith("init repo results,")
    assert git(path, "status", "--porcelain") == ""
    good("add", "automation", "results:x")
    assert (path / "db" / "automation" / "x").is_dir()


def test_init_of_what_is_there(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, git: Git
) -> None:
    """Any directory becomes one in place, what is in it stays as it was; here, by default."""
    path = tmp_path / "project"
    write_files(path, {"notes.txt": "mine", **artifact_files("a")})
    monkeypatch.chdir(path)
    assert orjson.loads(good("init", "repo", "--json").out)["alias"] == "project"
    assert git(path, "status", "--porcelain") == "?? notes.txt\n?? script/\n"
    assert good("find", "script").names == ["a"]
    uid = "f" * 16
    good("init", "repo", f"other,{uid}", f"--path={tmp_path}/deep/er")
    assert good("find", "repo", uid).lines == [f"other,{uid} = {tmp_path}/deep/er"]
    bad(8, "init", "repo", f"--path={path}")


def test_init_keeps_the_description(make_repo: MakeRepo, workspace: Workspace, git: Git) -> None:
    """A directory with cmr.yaml is registered as it is, without a commit."""
    path = make_repo("demo", "a")
    head = git(path, "rev-parse", "HEAD")
    assert good("init", "repo", f"--path={path}").lines == [f"demo,{UID} = {path}"]
    assert git(path, "rev-parse", "HEAD") == head


@pytest.mark.parametrize("action", ["find", "ls", "list", "search"])
def test_find(make_repo: MakeRepo, workspace: Workspace, home: Path, action: str) -> None:
    """``alias,uid = path`` in order of registration, ``local`` first; by name, UID or pattern."""
    path = make_repo("demo", "a")
    good("init", "repo", f"--path={path}")
    local = f"local,9a3280b14a4285c9 = {home}/local"
    demo = f"demo,{UID} = {path}"
    assert good(action, "repo").lines == [local, demo]
    for word in ("demo", "DEMO", "d*", UID, f"x,{UID}", "demo:"):
        assert good(action, "repo", word).lines == [demo], word
    assert good(action, "repo", "nosuch").out == ""
    assert good(action, "repo", "demo", "--json").json[0]["kind"] == "working"


def test_show_and_where(make_repo: MakeRepo, workspace: Workspace, git: Git, home: Path) -> None:
    """All that is known of a repository; where it is; 16 when there is none."""
    path = make_repo("demo", "a")
    good("pull", "repo", "demo", f"--url={path}")
    lines = good("show", "repo", "demo").lines
    commit = git(path, "rev-parse", "HEAD").strip()
    for line in ("kind = bare", f"url = {path}", "branch = main", f"commit = {commit}"):
        assert line in lines
    assert good("show", "repo", "--json").json[1]["commit"] == commit
    assert good("where", "repo", "demo").lines == [f"{home}/repos/demo.git"]
    assert good("where", "repo").lines == [f"{home}/local", f"{home}/repos/demo.git"]
    bad(16, "show", "repo", "nosuch")
    bad(16, "where", "repo", "nosuch")


def test_pull(make_repo: MakeRepo, workspace: Workspace, git: Git) -> None:
    """Objects only; pulled again it is brought up to date, by its name alone."""
    path = make_repo("demo", "a")
    assert good("pull", "repo", f"--url={path}").lines[0].startswith(f"demo,{UID} = ")
    assert good("find", "script").names == ["a"]
    git(path, "mv", "script/a", "script/b")
    git(path, "commit", "-qm", "rename")
    assert [hit["path"] for hit in good("find", "script", "--json").json] == ["script/a"]
    good("pull", "repo", "demo")
    assert [hit["path"] for hit in good("find", "script", "--json").json] == ["script/b"]
    assert orjson.loads(good("pull", "demo", "--json").out)["alias"] == "demo"


def test_pull_options(make_repo: MakeRepo, workspace: Workspace, git: Git, home: Path) -> None:
    """``--branch``, ``--checkout`` and ``--depth``; and what there is not."""
    path = make_repo("demo", "a")
    git(path, "tag", "v1")
    write_files(path, artifact_files("a", "b"))
    git(path, "add", ".")
    git(path, "commit", "-qm", "b")
    git(path, "switch", "-qc", "side")
    write_files(path, artifact_files("a", "b", "c"))
    git(path, "add", ".")
    git(path, "commit", "-qm", "c")
    git(path, "switch", "-q", "main")
    good("pull", "repo", "demo", f"--url=file://{path}", "--depth=1")
    assert git(home / "repos" / "demo.git", "rev-list", "--count", "HEAD").strip() == "1"
    assert good("find", "script").names == ["a", "b"]
    good("pull", "repo", "demo", "--branch=side")
    assert good("find", "script").names == ["a", "b", "c"]
    good("rm", "repo", "demo", "--all", "-f")
    good("pull", "repo", "demo", f"--url={path}", "--checkout=v1")
    assert good("find", "script").names == ["a"]
    assert "main" in bad(16, "pull", "repo", "x", f"--url={path}", "--branch=nosuch")
    bad(16, "pull", "repo", "x", f"--url={path}", "--checkout=nosuch")
    bad(1, "pull", "repo")
    for depth in ("0", "-1"):
        bad(1, "pull", "repo", "x", f"--depth={depth}", f"--url={path}")
    assert "x," not in good("find", "repo").out


def test_pull_refusals(make_repo: MakeRepo, workspace: Workspace, git: Git, tmp_path: Path) -> None:
    """No repository, no cmr.yaml, a working repository, commits that would be lost."""
    bad(1, "pull", "repo", "x", f"--url={tmp_path}/nowhere")
    git(tmp_path, "init", "-q", "plain")
    write_files(tmp_path / "plain", {"x": "x"})
    git(tmp_path / "plain", "add", ".")
    git(tmp_path / "plain", "commit", "-qm", "x")
    assert "no cmr.yaml" in bad(4, "pull", "repo", f"--url={tmp_path}/plain")
    assert "git pull" in bad(1, "pull", "repo", "local")
    path = make_repo("demo", "a")
    good("pull", "repo", "demo", f"--url={path}")
    good("add", "script", "demo:mine")
    write_files(path, {"theirs": "x"})
    git(path, "add", ".")
    git(path, "commit", "-qm", "theirs")
    bad(1, "pull", "repo", "demo")
    assert good("find", "script").names == ["a", "mine"]
    assert os.listdir(Path(good("where", "repo", "demo").out.strip()).parent) == ["demo.git"]


def test_checkout(
    make_repo: MakeRepo, workspace: Workspace, git: Git, tmp_path: Path, home: Path
) -> None:
    """A bare repository becomes a working one, in its place of the order."""
    path = make_repo("demo", "a")
    good("pull", "repo", "demo", f"--url={path}")
    place = tmp_path / "mine"
    good("checkout", "repo", "demo", str(place))
    assert good("find", "repo", "demo").lines == [f"demo,{UID} = {place}"]
    assert git(place, "status", "--porcelain") == ""
    assert git(place, "remote", "get-url", "origin").strip() == str(path)
    git(place, "fetch", "-q")
    assert not (home / "repos" / "demo.git").exists()
    write_files(place, artifact_files("a", "b"))
    assert good("find", "script").names == ["a", "b"]
    bad(1, "checkout", "repo", "demo", str(tmp_path / "again"))
    bad(16, "checkout", "repo", "nosuch", str(tmp_path / "again"))


def test_checkout_into_what_is_taken(
    make_repo: MakeRepo, workspace: Workspace, tmp_path: Path
) -> None:
    """A directory that is not empty is left alone; an empty one is taken."""
    good("pull", "repo", "demo", f"--url={make_repo('demo', 'a')}")
    write_files(tmp_path, {"full/x": "x"})
    bad(8, "checkout", "repo", "demo", str(tmp_path / "full"))
    (tmp_path / "empty").mkdir()
    good("checkout", "repo", "demo", str(tmp_path / "empty"))
    assert (tmp_path / "empty" / "script" / "a" / "run.sh").read_text() == "echo a\n"


@pytest.mark.parametrize("action", ["rm", "delete"])
def test_rm(make_repo: MakeRepo, workspace: Workspace, action: str) -> None:
    """Unregisters; ``--all`` deletes the files, when it may; patterns; never ``local``."""
    path = make_repo("demo", "a")
    good("init", "repo", f"--path={path}")
    assert good(action, "repo", "demo").lines == [f"demo,{UID}"]
    assert path.is_dir()
    assert run("find", "script", "a").code == 4
    bad(16, action, "repo", "demo")
    good("init", "repo", f"--path={path}")
    assert "-f" in bad(1, action, "repo", "demo", "--all")
    assert orjson.loads(run(action, "repo", "d*", "--all", "-f", "--json").out)["list"] == ["demo"]
    assert not path.exists()
    assert "always there" in bad(1, action, "repo", "local", "--all", "-f")
    assert "local" in good("find", "repo").out


def test_flags_between_the_words(make_repo: MakeRepo, workspace: Workspace) -> None:
    """A command of two words is that wherever flags stand; the value of an option is no word."""
    path = make_repo("repo", "a")
    good("pull", f"--url={path}", "--depth=1", "repo", "x")
    for words in (["find", "--json", "repo", "x"], ["--json", "find", "repo", "x"]):
        assert [repo["alias"] for repo in good(*words).json] == ["x"]
    assert good("find", "--repo", "x", "script").names == ["a"]
    assert good("find", "--tags", "repo", "script").names == []
    assert good("rm", "-f", "--all", "repo", "x").lines == [f"x,{UID}"]


def test_rm_says_what_is_lost(make_repo: MakeRepo, workspace: Workspace, git: Git) -> None:
    """Files that no commit has and commits that no remote has are counted: in the refusal, and
    when they are gone."""
    path = make_repo("demo", "a", files={".gitignore": "*.bin\n"})
    good("init", "repo", f"--path={path}")
    only = "cmgit: nothing was removed: demo has 1 commit that no remote has"
    assert bad(1, "rm", "repo", "demo", "--all").splitlines()[0] == only
    write_files(path, {"script/a/run.sh": "edited", "new": "n", "w.bin": "w"})
    error = bad(1, "rm", "repo", "demo", "--all")
    lost = "3 files that no commit has and 1 commit that no remote has"
    assert f"nothing was removed: demo has {lost}\n" in error
    assert "cmgit save" in error
    answer = access("rm repo demo --all")
    assert (answer["return"], f"with {lost}" in answer["error"]) == (1, True)
    assert (path / "new").exists()
    assert run("rm", "repo", "demo").err == ""
    good("init", "repo", f"--path={path}")
    done = run("rm", "repo", "demo", "--all", "-f", "--json")
    assert (done.code, done.err) == (0, f"deleted {lost}\n")
    assert orjson.loads(done.out) == {
        "return": 0, "list": ["demo"], "uncommitted": 3, "unpushed": 1,
    }  # fmt: skip
    assert not path.exists()


def test_rm_of_what_cannot_be_deleted(workspace: Workspace) -> None:
    """Nobody is asked about it; it is the same error with and without -f."""
    for words in (["--all"], ["--all", "-f"], []):
        assert "repository 'nosuch' not found" in bad(16, "rm", "repo", "nosuch", *words)
        assert "it cannot be removed" in bad(1, "rm", "repo", "local", *words)
    assert access("rm repo nosuch --all")["return"] == 16


def test_rm_of_a_broken_repository(make_repo: MakeRepo, workspace: Workspace) -> None:
    """It goes, with a warning that what is lost could not be counted."""
    path = make_repo("demo", "a")
    good("init", "repo", f"--path={path}")
    (path / ".git" / "HEAD").write_text("garbage\n")
    done = run("rm", "repo", "demo", "--all", "-f")
    assert (done.code, done.lines) == (0, [f"demo,{UID}"])
    assert done.err.startswith("warning: what demo alone has is unknown: ")
    assert not path.exists()


def test_pull_after_rm(make_repo: MakeRepo, workspace: Workspace) -> None:
    """What was only unregistered can be pulled again."""
    path = make_repo("demo", "a")
    for _ in range(2):
        good("pull", "repo", "demo", f"--url={path}")
        assert good("find", "script").names == ["a"]
        good("rm", "repo", "demo")


def test_detect(
    make_repo: MakeRepo, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The innermost registered repository around a directory; 16 in none."""
    path = make_repo("demo", "a")
    good("init", "repo", f"--path={path}")
    good("init", "repo", "inner", f"--path={path}/inner")
    monkeypatch.chdir(path / "script" / "a")
    assert good("detect", "repo").lines == [f"demo,{UID} = {path}"]
    assert good("detect", "repo", f"--path={path}/inner").lines[0].startswith("inner,")
    assert orjson.loads(good("detect", "repo", "--json").out)["uid"] == UID
    bad(16, "detect", "repo", f"--path={tmp_path}")
    bad(16, "detect", "repo", f"--path={path}-other")


def test_update(make_repo: MakeRepo, workspace: Workspace, git: Git) -> None:
    """The description changes in one commit, and nothing else in the file."""
    path = make_repo("demo", "a", files={"cmr.yaml": f"# hello\nalias: demo\nuid: {UID}\nx: 1\n"})
    good("init", "repo", f"--path={path}")
    good("update", "repo", "demo", "--desc=our results")
    assert (path / "cmr.yaml").read_text() == (
        f"# hello\nalias: demo\nuid: {UID}\nx: 1\ndesc: our results\n"
    )
    assert git(path, "log", "-1", "--format=%s") == "update repo demo\n"
    assert "desc = our results" in good("show", "repo", "demo").lines
    bad(16, "update", "repo", "nosuch", "--desc=x")


def test_package(workspace: Workspace, git: Git, home: Path) -> None:
    """A snapshot of an installed package: the same content, the same commit; the real one."""
    good("pull", "repo", "package:cmx4mlops")
    (first,) = good("show", "repo", "cmx4mlops", "--json").json
    assert good("find", "*", "--repo=cmx4mlops", "--count").out == "359\n"
    (hit,) = good("find", "script", "--tags=detect,os", "--json").json
    assert (hit["alias"], hit["uid"]) == ("detect-os", "863735b7db8c44fc")
    git(home / "repos" / "cmx4mlops.git", "fsck", "--strict")
    good("pull", "repo", "cmx4mlops")
    good("rm", "repo", "cmx4mlops", "--all", "-f")
    good("pull", "repo", "package:cmx4mlops")
    assert good("show", "repo", "cmx4mlops", "--json").json[0]["commit"] == first["commit"]
    assert "no-such-package" in bad(16, "pull", "repo", "package:no-such-package")


def test_absent(make_repo: MakeRepo, workspace: Workspace) -> None:
    """A repository whose disk is absent is listed with a warning."""
    path = make_repo("demo", "a")
    good("init", "repo", f"--path={path}")
    shutil.rmtree(path)
    result = run("find", "repo")
    assert result.code == 0
    assert f"demo,{UID} = {path}" in result.lines
    assert result.err.startswith("warning: ")
    assert "is not there" in result.err
    assert str(uid_of(1)) not in result.out


def test_adopt(make_repo: MakeRepo, workspace: Workspace, tmp_path: Path) -> None:
    """A line for each repository; the exit code says whether one is missing."""
    home = tmp_path / "user" / "CM"
    path = make_repo("demo", "a", directory=home / "repos" / "demo")
    (home / "repos.json").write_text(f'["{path}"]')
    assert good("adopt", "--dry-run").lines == [f"new: demo,{UID} = {path}"]
    assert good("find", "repo", "demo").lines == []
    assert good("adopt").lines == [f"new: demo,{UID} = {path}"]
    assert good("find", "script").names == ["a"]
    assert good("adopt", str(home), "--json").json[0]["state"] == "same"
    write_files(home / "repos" / "local", {"cmr.yaml": f"alias: local\nuid: {uid_of(5)}\n"})
    assert "cm-local has no Git repository: it is only read" in run("adopt").err
    (home / "repos.json").write_text(f'["{path}", "{tmp_path}/away"]')
    result = run("adopt")
    assert result.code == 1
    assert result.lines[1:] == [f"same: demo,{UID} = {path}"]
    assert f"failed: repository {tmp_path}/away" in result.err


def test_pull_from_a_mirror(make_repo: MakeRepo, workspace: Workspace, tmp_path: Path) -> None:
    """What it has needs no network; what it has not is named."""
    url = "https://example.invalid/owner/demo"
    (tmp_path / "mirror").mkdir()
    run_git(tmp_path, "clone", "-q", "--bare", str(make_repo("demo", "a")), "mirror/demo.git")
    run_git(tmp_path / "mirror" / "demo.git", "remote", "set-url", "origin", f"{url}.git")
    place = f"--from={tmp_path}/mirror"
    good("pull", "repo", "demo", f"--url={url}", place)
    assert orjson.loads(good("show", "repo", "demo", "--json").out)["url"] == url
    assert url in bad(1, "pull", "repo", "demo", "--offline")
    other = "https://example.invalid/x/y"
    assert f"has no {other}" in bad(1, "pull", "repo", other, place, "--offline")
