"""cmgit and the real Git on the same repositories, in turn."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from cmgit.artifacts import add, remove, save, update
from cmgit.errors import Busy, CmgitError, GitError, Unsupported
from cmgit.pull import pull
from cmgit.removed import restore
from cmgit.repositories import init
from cmgit.store import locks
from cmgit.transfer import copy, move
from cmgit.workspace import Workspace

from .conftest import artifact_files, write_files


@pytest.fixture
def path(make_repo, workspace) -> Path:
    """A registered working repository with three artifacts."""
    path = make_repo("demo", "a", "b", "c")
    init(workspace, path=str(path))
    return path


def aliases(workspace: Workspace) -> list[str]:
    """The scripts that are found."""
    return [artifact.alias for artifact in workspace.find("script")]


def other_home(workspace: Workspace, path: Path) -> Workspace:
    """A new home that has only just met a working repository."""
    other = Workspace(f"{workspace.home}-other")
    init(other, path=str(path))
    return other


def state(git, path: Path) -> list[str]:
    """Everything that a change that is refused must leave as it is."""
    return [
        git(path, "for-each-ref"),
        git(path, "status", "--porcelain=v2", "--branch"),
        git(path, "diff"),
        git(path, "diff", "--cached"),
        git(path, "ls-files", "-s", "-v"),
    ]


def commit_by_git(git, path: Path, name: str) -> None:
    """Add an artifact with Git."""
    files = artifact_files(*"xyzuvw", name)  # so that its UID is not that of another
    write_files(path, {file: text for file, text in files.items() if f"/{name}/" in file})
    git(path, "add", "--all", f"script/{name}")
    git(path, "commit", "-q", "-m", f"git adds {name}")


# -- what cmgit writes ------------------------------------------------------------------------

Step = Callable[[Workspace], object]
STEPS: dict[str, Step] = {
    "add": lambda w: add(w, "script", "demo:new", tags="x,y", meta={"k": {"l": [1]}}),
    "add yaml": lambda w: add(w, "script", "demo:newer", yaml=True),
    "update": lambda w: update(w, [w.one("script", "a")], {"more": 1}, "t"),
    "mv": lambda w: move(w, w.one("script", "a"), "renamed"),
    "mv away": lambda w: move(w, w.one("script", "b"), "local:"),
    "mv back": lambda w: move(w, w.one("script", "b"), "demo:"),
    "cp": lambda w: copy(w, w.one("script", "c"), "copied", "z"),
    "cp away": lambda w: copy(w, w.one("script", "c"), "local:copied2"),
    "rm": lambda w: remove(w, [w.one("script", "c"), w.one("script", "renamed")]),
    "restore": lambda w: restore(w, "script", "demo:c"),
    "save": lambda w: save(w),
}


@pytest.mark.parametrize("kind", ["working", "bare"])
def test_git_is_content_after_every_operation(workspace, make_repo, git, kind):
    """fsck, log, and in a work tree status and diff, are clean; each operation is one commit."""
    path = make_repo("demo", "a", "b", "c")
    entry = init(workspace, path=str(path)) if kind == "working" else pull(workspace, str(path))
    local = os.path.join(workspace.home, "local")
    for name, step in STEPS.items():
        before = [int(git(p, "rev-list", "--count", "--all")) for p in (entry.path, local)]
        step(workspace)
        after = [int(git(p, "rev-list", "--count", "--all")) for p in (entry.path, local)]
        assert 0 <= after[0] - before[0] <= 1, name
        assert 0 <= after[1] - before[1] <= 1, name
        assert (after == before) == (name == "save"), name
        for place in (entry.path, local):
            assert "error" not in git(place, "fsck", "--strict", "--full"), name
            if kind == "working" or place == local:
                assert git(place, "status", "--porcelain") == "", name
                assert git(place, "diff", "HEAD") == "", name
        assert (
            git(entry.path, "log", "-1", "--format=%an <%ae>") == "Ann Author <ann@example.org>\n"
        )
    assert aliases(workspace) == ["copied2", "b", "c", "copied", "new", "newer"]


@pytest.mark.parametrize("name", list(STEPS)[:-2])
def test_other_edits_and_staged_changes_stay(workspace, path, git, name):
    """What a person edited and staged elsewhere is exactly as it was."""
    write_files(path, {"other/edited": "1", "other/staged": "1", "other/gone": "1", "both": "1"})
    git(path, "add", "--all")
    git(path, "commit", "-q", "-m", "others")
    write_files(path, {"other/edited": "2", "other/staged": "2", "untracked": "u", "both": "2"})
    git(path, "add", "other/staged", "both")
    git(path, "rm", "-q", "--cached", "other/gone")
    write_files(path, {"both": "3"})
    (path / "other" / "edited").chmod(0o755)
    for earlier in list(STEPS)[: list(STEPS).index(name)]:
        STEPS[earlier](workspace)
    before = [git(path, "diff"), git(path, "diff", "--cached"), git(path, "status", "--porcelain")]
    STEPS[name](workspace)
    after = [git(path, "diff"), git(path, "diff", "--cached"), git(path, "status", "--porcelain")]
    assert after == before
    assert (path / "untracked").read_text() == "u"


def test_edits_move_along(workspace, path, git):
    """An artifact with edits that are not committed is renamed with them, uncommitted."""
    write_files(path, {"script/a/run.sh": "edited\n", "script/a/new": "new"})
    move(workspace, workspace.one("script", "a"), "renamed")
    assert git(path, "status", "--porcelain") == " M script/renamed/run.sh\n?? script/renamed/new\n"
    assert (path / "script" / "renamed" / "run.sh").read_text() == "edited\n"


def test_executable_bits_and_links(workspace, path, git, tmp_path):
    """They survive add, cp, mv, rm and restore, within and between repositories."""
    source = tmp_path / "source"
    write_files(source, {"tool": "#!/bin/sh\n", "d/x": "x"})
    (source / "tool").chmod(0o755)
    (source / "link").symlink_to("d/x")
    add(workspace, "script", "demo:tool", source=str(source))
    copy(workspace, workspace.one("script", "tool"), "copied")
    move(workspace, workspace.one("script", "copied"), "local:moved")
    move(workspace, workspace.one("script", "moved"), "demo:again")
    remove(workspace, [workspace.one("script", "again")])
    restore(workspace, "script", "demo:again")
    for name in ("tool", "again"):
        place = path / "script" / name
        assert os.access(place / "tool", os.X_OK)
        assert not os.access(place / "d" / "x", os.X_OK)
        assert os.readlink(place / "link") == "d/x"
        lines = git(path, "ls-files", "-s", f"script/{name}").splitlines()
        assert [line[:6] for line in lines] == ["100644", "100644", "120000", "100755"]
    assert git(path, "status", "--porcelain") == ""


def test_file_mode_false(workspace, path, git):
    """Where the file system knows no executable bits, those of the commits stay."""
    git(path, "update-index", "--chmod=+x", "script/a/run.sh")
    git(path, "commit", "-q", "-m", "mode")
    git(path, "config", "core.fileMode", "false")
    (path / "script" / "b" / "run.sh").chmod(0o755)
    write_files(path, {"script/a/run.sh": "edited\n"})
    save(workspace, "demo")
    lines = git(path, "ls-tree", "-r", "HEAD", "script").splitlines()
    assert [line[:6] for line in lines if "run.sh" in line] == ["100755", "100644", "100644"]
    assert git(path, "status", "--porcelain") == ""


def test_ignored_files(workspace, path, git):
    """What Git ignores is not saved, and goes with its artifact."""
    write_files(path, {".gitignore": "*.tmp\n", "script/a/x.tmp": "", "script/a/y": ""})
    assert save(workspace, "demo") == [".gitignore", "script/a/y"]
    remove(workspace, [workspace.one("script", "a")])
    assert not (path / "script" / "a").exists()
    assert git(path, "status", "--porcelain") == ""


@pytest.mark.parametrize("autocrlf", ["true", "input", "false"])
def test_line_ends(workspace, path, git, autocrlf):
    """What cmgit writes is clean under every setting, and under eol=crlf."""
    git(path, "config", "core.autocrlf", autocrlf)
    write_files(path, {".gitattributes": "*.yaml eol=crlf\n*.sh text eol=lf\n"})
    git(path, "add", "--renormalize", ".")
    save(workspace, "demo")
    for name in ("add", "add yaml", "update", "mv", "cp", "rm", "restore"):
        STEPS[name](workspace)
        git(path, "update-index", "-q", "--really-refresh")
        assert git(path, "status", "--porcelain") == "", name
    data = (path / "script" / "newer" / "_cm.yaml").read_bytes()
    assert data.count(b"\r\n") == data.count(b"\n") > 3
    assert b"\r" not in git(path, "cat-file", "blob", "HEAD:script/newer/_cm.yaml").encode()


# -- what Git does ----------------------------------------------------------------------------

GIT_DOES: dict[str, list[list[str]]] = {
    "amend": [["commit", "-q", "--amend", "-m", "amended"]],
    "gc": [["gc", "-q"]],
    "repack": [["repack", "-adq"]],
    "pack-refs": [["pack-refs", "--all"]],
    "prune": [["reflog", "expire", "--expire=now", "--all"], ["gc", "-q", "--prune=now"]],
    "commit-graph": [["commit-graph", "write", "--reachable"]],
    "multi-pack-index": [["repack", "-dq"], ["multi-pack-index", "write"]],
    "annotated tag": [["tag", "-a", "v1", "-m", "x"], ["pack-refs", "--all"]],
    "stash": [["rm", "-rq", "script/c"], ["stash", "-q"]],
    "clean checkout": [["rm", "-rq", "script/c"], ["checkout", "-q", "HEAD", "--", "script/c"]],
    "index v4": [["update-index", "--index-version", "4"]],
    "detached": [["checkout", "-q", "--detach"]],
    "submodule": [["-c", "protocol.file.allow=always", "submodule", "add", "-q", "./", "sub"]],
}


@pytest.mark.parametrize("what", GIT_DOES)
def test_find_after(workspace, path, git, what):
    """Artifacts are found, and read, after Git did something that changes none of them."""
    commit_by_git(git, path, "d")
    assert aliases(workspace) == ["a", "b", "c", "d"]
    for words in GIT_DOES[what]:
        git(path, *words)
    assert aliases(workspace) == ["a", "b", "c", "d"]
    assert workspace.load(workspace.one("script", "d"))["alias"] == "d"
    fresh = Workspace(workspace.home)
    assert aliases(fresh) == ["a", "b", "c", "d"]
    if what != "detached":
        add(workspace, "script", "demo:e")
        assert git(path, "log", "-1", "--format=%s").startswith("add script e")


def test_commit_merge_rebase(workspace, path, git):
    """New commits, a merge, a fast-forward, a rebase, a reset and another branch show at once."""
    commit_by_git(git, path, "d")
    assert aliases(workspace) == ["a", "b", "c", "d"]
    git(path, "switch", "-q", "-c", "side", "HEAD~1")
    assert aliases(workspace) == ["a", "b", "c"]
    commit_by_git(git, path, "e")
    assert aliases(workspace) == ["a", "b", "c", "e"]
    git(path, "merge", "-q", "-m", "merged", "main")
    assert aliases(workspace) == ["a", "b", "c", "d", "e"]
    git(path, "reset", "-q", "--hard", "HEAD~1")
    assert aliases(workspace) == ["a", "b", "c", "e"]
    git(path, "rebase", "-q", "main")
    assert aliases(workspace) == ["a", "b", "c", "d", "e"]
    git(path, "switch", "-q", "main")
    git(path, "merge", "-q", "--ff-only", "side")
    git(path, "rm", "-q", "-r", "script/a")
    git(path, "mv", "script/b", "script/B2")
    git(path, "commit", "-q", "-m", "gone")
    assert [a.path for a in workspace.find("script")] == [
        "script/B2", "script/c", "script/d", "script/e"]  # fmt: skip


def test_push_and_pull_between_clones(workspace, path, git, tmp_path):
    """What cmgit commits is pushed, and comes back by ``git pull``, changed."""
    git(tmp_path, "clone", "-q", "--bare", str(path), "hub.git")
    git(tmp_path, "clone", "-q", "hub.git", "friend")
    git(path, "remote", "add", "origin", str(tmp_path / "hub.git"))
    add(workspace, "script", "demo:d")
    git(path, "push", "-q", "-u", "origin", "main")
    git(tmp_path / "friend", "pull", "-q")
    commit_by_git(git, tmp_path / "friend", "e")
    git(tmp_path / "friend", "push", "-q")
    add(workspace, "script", "demo:f")
    git(path, "pull", "-q", "--rebase")
    assert aliases(workspace) == ["a", "b", "c", "d", "e", "f"]
    assert git(path, "status", "--porcelain") == ""


def test_alternates(workspace, path, git, tmp_path):
    """``git clone --shared``: found and changed, and the other repository is not touched."""
    git(tmp_path, "clone", "-q", "--shared", str(path), "shared")
    init(workspace, "shared,2222222222222222", str(tmp_path / "shared"))
    before = git(path, "count-objects", "-v")
    assert len(workspace.find("script", repo="shared")) == 3
    move(workspace, workspace.find("script", "shared:a")[0], "renamed")
    assert git(path, "count-objects", "-v") == before
    git(tmp_path / "shared", "fsck", "--strict")
    assert git(tmp_path / "shared", "status", "--porcelain") == ""


def test_shallow(workspace, path, git, tmp_path):
    """A shallow clone is found, changed and pushed."""
    git(tmp_path, "clone", "-q", "--bare", str(path), "hub.git")
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{tmp_path}/hub.git", "shallow")
    init(workspace, "shallow,2222222222222222", str(tmp_path / "shallow"))
    add(workspace, "script", "shallow:d")
    git(tmp_path / "shallow", "push", "-q")
    git(tmp_path / "shallow", "fsck", "--strict")
    git(tmp_path / "hub.git", "fsck", "--strict")


@pytest.mark.parametrize("mode", [["--cone"], ["--no-cone"]])
def test_sparse_checkout(workspace, path, git, mode):
    """Artifacts that are left out are found and loaded, and saving does not delete them."""
    before = [a.tree for a in workspace.find("script")]
    git(path, "sparse-checkout", "set", *mode, "script/a")
    assert not (path / "script" / "b").exists()
    assert [a.tree for a in workspace.find("script")] == before
    assert aliases(workspace) == ["a", "b", "c"]
    assert workspace.load(workspace.one("script", "b"))["alias"] == "b"
    assert aliases(other_home(workspace, path)) == ["a", "b", "c"]
    directory = workspace.directory(workspace.one("script", "b"))
    assert Path(directory, "run.sh").read_text() == "echo b\n"
    write_files(path, {"script/a/run.sh": "edited\n"})
    assert save(workspace, "demo") == ["script/a/run.sh"]
    assert aliases(workspace) == ["a", "b", "c"]
    assert git(path, "ls-tree", "--name-only", "HEAD:script").split() == ["a", "b", "c"]
    assert git(path, "status", "--porcelain") == ""
    update(workspace, [workspace.one("script", "b")], {"more": 1})
    assert "more: 1" in git(path, "show", "HEAD:script/b/_cm.yaml")
    remove(workspace, [workspace.one("script", "c")])
    assert aliases(workspace) == ["a", "b"]
    assert git(path, "status", "--porcelain") == ""
    git(path, "sparse-checkout", "disable")
    assert aliases(workspace) == ["a", "b"]
    assert git(path, "status", "--porcelain") == ""


REFUSED: dict[str, tuple[list[list[str]], type[CmgitError], str]] = {
    "detached": ([["checkout", "-q", "--detach"]], GitError, "detached"),
    "split index": ([["update-index", "--split-index"]], Unsupported, "split index"),
    "sparse index": (
        [["sparse-checkout", "set", "--cone", "--sparse-index", "script/a"]],
        Unsupported,
        "sparse index",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_found_but_not_changed(workspace, path, git, what):
    """Artifacts are found; every change is refused by name with a hint, and changes nothing."""
    commands, error, words = REFUSED[what]
    for command in commands:
        git(path, *command)
    assert aliases(workspace) == ["a", "b", "c"]
    assert aliases(other_home(workspace, path)) == ["a", "b", "c"]
    before = state(git, path)
    one = workspace.one("script", "a")
    write_files(path, {"script/a/pending": ""})
    (path / "script" / "a" / "pending").unlink()
    for change in (
        lambda: add(workspace, "script", "demo:d"),
        lambda: update(workspace, [one], {"k": 1}),
        lambda: move(workspace, one, "x"),
        lambda: remove(workspace, [one]),
        lambda: copy(workspace, one, "x"),
        lambda: move(workspace, one, "local:"),
    ):
        with pytest.raises(error, match=words) as caught:
            change()
        assert caught.value.hint
        assert state(git, path) == before
    assert aliases(workspace) == ["a", "b", "c"]


@pytest.mark.parametrize("operation", ["merge", "rebase", "cherry-pick"])
def test_in_the_middle_of(workspace, path, git, operation):
    """During a conflict artifacts are found, changes and saving are refused, nothing is touched."""
    for branch in ("side", "main"):
        git(path, "switch", "-q", *(["-c"] if branch == "side" else []), branch)
        write_files(path, {"script/a/run.sh": branch})
        git(path, "commit", "-q", "-a", "-m", branch)
    subprocess.run(["git", operation, "side"], cwd=path, capture_output=True)
    before = state(git, path)
    assert aliases(workspace) == ["a", "b", "c"]
    for change in (lambda: add(workspace, "script", "demo:d"), lambda: save(workspace, "demo")):
        with pytest.raises(Busy, match=operation) as caught:
            change()
        assert f"git {operation} --abort" in caught.value.hint
    assert state(git, path) == before
    git(path, operation, "--abort")
    add(workspace, "script", "demo:d")
    assert aliases(workspace) == ["a", "b", "c", "d"]


@pytest.mark.parametrize("lock", ["index.lock", "refs/heads/main.lock"])
@pytest.mark.parametrize("name", ["add", "mv", "rm"])
def test_locks_of_git(workspace, path, git, monkeypatch, lock, name):
    """While Git holds a lock a change is refused after a while; then it works."""
    monkeypatch.setattr(locks, "GIT_WAIT_SECONDS", 0.05)
    STEPS["mv"](workspace) if name == "rm" else None
    before = state(git, path)
    (path / ".git" / lock).touch()
    with pytest.raises(Busy, match="another Git program") as caught:
        STEPS[name](workspace)
    assert "wait" in caught.value.hint
    (path / ".git" / lock).unlink()
    assert state(git, path) == before
    STEPS[name](workspace)
    assert git(path, "status", "--porcelain") == ""


def test_unborn_branch(workspace, git, tmp_path, make_repo):
    """A repository without a commit: artifacts on the disk are found, the first change commits."""
    path = make_repo("demo", "a", commit=False)
    git(path, "init", "-q")
    init(workspace, path=str(path))
    assert aliases(workspace) == ["a"]
    add(workspace, "script", "demo:b")
    assert git(path, "log", "--format=%s").startswith("add script b")
    assert aliases(workspace) == ["a", "b"]
    assert save(workspace, "demo") == ["cmr.yaml", "script/a/_cm.yaml", "script/a/run.sh"]
    assert git(path, "status", "--porcelain") == ""


def test_empty_first_commit(workspace, git, make_repo):
    """Git keeps the empty tree without a file; a repository that begins with it is read."""
    path = make_repo("demo", "a", commit=False)
    git(path, "init", "-q")
    git(path, "commit", "-q", "--allow-empty", "-m", "empty")
    init(workspace, path=str(path))
    assert aliases(workspace) == ["a"]
    assert len(save(workspace, "demo")) == 3
    git(path, "fsck", "--strict")


def test_submodule_as_an_artifact(workspace, path, git, make_repo):
    """A submodule where an artifact could be hurts nothing, and stays through a save."""
    inner = make_repo("inner", files={"_cm.yaml": "alias: x\n"}, uid="1111111111111111")
    git(path, "submodule", "add", "-q", str(inner), "script/sub")
    git(path, "commit", "-q", "-m", "sub")
    assert aliases(workspace) == ["a", "b", "c"]
    write_files(path, {"script/a/run.sh": "edited\n"})
    assert save(workspace, "demo") == ["script/a/run.sh"]
    assert git(path, "ls-tree", "HEAD", "script/sub").startswith("160000 commit")
    git(path / "script" / "sub", "commit", "-q", "--allow-empty", "-m", "moved")
    assert save(workspace, "demo") == ["script/sub"]
    assert git(path, "status", "--porcelain") == ""


def test_hooks_are_not_run(workspace, path, git):
    """A change by cmgit runs no hook: nothing that a repository brings is executed."""
    for hook in ("pre-commit", "post-commit", "reference-transaction", "commit-msg"):
        file = path / ".git" / "hooks" / hook
        file.parent.mkdir(exist_ok=True)
        file.write_text("#!/bin/sh\ntouch ran\nexit 1\n")
        file.chmod(0o755)
    add(workspace, "script", "demo:d")
    assert not (path / "ran").exists()


def test_environment_of_git_is_not_followed(workspace, path, git, monkeypatch, tmp_path):
    """``GIT_DIR`` and ``GIT_INDEX_FILE`` of a hook or an alias that runs cmgit do not mislead it."""
    git(tmp_path, "init", "-q", "elsewhere")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere" / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "elsewhere" / "index"))
    add(workspace, "script", "demo:d")
    monkeypatch.delenv("GIT_DIR")
    monkeypatch.delenv("GIT_INDEX_FILE")
    assert git(path, "log", "-1", "--format=%s").startswith("add script d")
    assert git(path, "status", "--porcelain") == ""
    assert os.listdir(tmp_path / "elsewhere") == [".git"]
