"""Changes of a repository as single commits, also when somebody else is faster."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from cmgit.change import File
from cmgit.errors import Busy, GitError, RefMoved
from cmgit.repository import Repository
from cmgit.store.objects import EXECUTABLE, FILE

from .conftest import clean, write_files


def test_one_change_is_one_commit(repository, git):
    """Whatever it does, with its message, on top of the old head."""
    before = git(repository.git.path, "rev-parse", "HEAD").strip()
    with repository.locked(), repository.change("do this") as change:
        change.put("script/c", {"x": File(b"1"), "tool": File(b"2", EXECUTABLE)})
        change.remove("script/a")
        change.write("cmr.yaml", b"alias: other\n")
        change.move("script/b", "other/b")
    log = git(repository.git.path, "log", "-1", "--format=%s|%P|%an", "--name-status", "-M100%")
    first, _, *changes = log.splitlines()
    assert first == f"do this|{before}|Ann Author"
    assert sorted(changes) == [
        "A\tscript/c/tool",
        "A\tscript/c/x",
        "D\tscript/a/_cm.yaml",
        "D\tscript/a/run.sh",
        "M\tcmr.yaml",
        "R100\tscript/b/_cm.yaml\tother/b/_cm.yaml",
        "R100\tscript/b/run.sh\tother/b/run.sh",
    ]
    clean(git, repository)


def test_nothing_is_no_commit(repository, git):
    """An empty change, one that writes what is there, and one that raises."""
    before = git(repository.git.path, "rev-parse", "HEAD")
    with repository.locked():
        with repository.change("nothing"):
            pass
        with repository.change("same") as change:
            change.write("script/a/run.sh", b"echo a\n")
        with pytest.raises(ValueError, match="no"), repository.change("fails") as change:  # noqa: PT012
            change.write("script/a/run.sh", b"other")
            raise ValueError("no")
    assert git(repository.git.path, "rev-parse", "HEAD") == before
    assert repository.read_file("script/a/run.sh") == b"echo a\n"
    clean(git, repository)


def test_many_files_are_one_pack(repository, git):
    """A big change is written as a pack that Git accepts."""
    with repository.locked(), repository.change("big") as change:
        change.put("script/big", {f"f{n}": File(b"%d" % n) for n in range(300)})
    assert list(Path(repository.git.objects.path, "pack").glob("*.idx"))
    assert len(list(repository.files("script/big"))) == 300
    clean(git, repository)


def race(git, repository: Repository, **files: str) -> None:
    """Commit something with the real Git, behind the back of a change."""
    path = repository.git.path
    index = Path(path, "race-index") if not repository.working else None
    environ = {**os.environ, **({"GIT_INDEX_FILE": str(index)} if index else {})}
    run = lambda *words: subprocess.run(  # noqa: E731
        ["git", *words], cwd=path, env=environ, check=True, capture_output=True, text=True
    ).stdout.strip()
    if index is None:
        write_files(Path(path), files)
        run("add", *files)
        run("commit", "-q", "-m", "race")
        return
    run("read-tree", "HEAD")
    for name, text in files.items():
        blob = git(path, "hash-object", "-w", "--stdin", input=text).strip()
        run("update-index", "--add", "--cacheinfo", f"100644,{blob},{name}")
    run("update-ref", "HEAD", run("commit-tree", "-p", "HEAD", "-m", "race", run("write-tree")))
    index.unlink()


def test_replay_after_losing_the_race(repository, git):
    """Somebody else commits elsewhere meanwhile: both commits are there, one on the other."""
    with repository.locked(), repository.change("mine") as change:
        change.write("script/a/mine", b"mine")
        race(git, repository, **{"script/b/theirs": "theirs"})
    assert git(repository.git.path, "log", "-2", "--format=%s").split() == ["mine", "race"]
    assert repository.read_file("script/b/theirs") == b"theirs"
    assert repository.read_file("script/a/mine") == b"mine"
    clean(git, repository)


def test_no_replay_over_the_same_path(repository, git):
    """Somebody else changes the same file meanwhile: theirs stays, mine is refused."""
    with repository.locked(), pytest.raises(RefMoved, match="script/a/run"):  # noqa: SIM117, PT012
        with repository.change("mine") as change:
            change.write("script/a/run.sh", b"mine")
            race(git, repository, **{"script/a/run.sh": "theirs"})
    assert git(repository.git.path, "log", "-1", "--format=%s") == "race\n"
    assert repository.read_file("script/a/run.sh") == b"theirs"
    clean(git, repository)


@pytest.mark.parametrize("rename", [False, True])
def test_no_write_over_an_edit(make_repo, git, rename):
    """Who edits a file after the change read it finds the edit there: the change is refused."""
    path = make_repo("demo", "a")
    repository = Repository.open(str(path))
    with repository.locked(), pytest.raises(RefMoved, match=r"script/a/run\.sh"):  # noqa: PT012, SIM117
        with repository.change("mine") as change:
            repository.read_file("script/a/run.sh")
            if rename:
                change.move("script/a", "script/z")
            change.write(f"script/{'z' if rename else 'a'}/run.sh", b"mine")
            (path / "script/a/run.sh").write_text("theirs")
    assert (path / "script/a/run.sh").read_text() == "theirs"
    assert git(path, "log", "--format=%s").split() == ["first"]
    with repository.locked(), repository.change("mine") as change:
        change.write("script/a/run.sh", repository.read_file("script/a/run.sh") + b" and mine")
    assert (path / "script/a/run.sh").read_text() == "theirs and mine"
    clean(git, repository)


def test_no_removal_of_what_somebody_changed(repository, git):
    """A directory in which somebody changes something meanwhile is not removed."""
    with repository.locked(), pytest.raises(RefMoved), repository.change("rm") as change:  # noqa: PT012
        change.remove("script/a")
        race(git, repository, **{"script/a/theirs": "theirs"})
    assert repository.read_file("script/a/theirs") == b"theirs"
    clean(git, repository)


@pytest.mark.parametrize("moved", [True, False])
def test_switched_to_another_branch_meanwhile(make_repo, git, moved):
    """The commit never lands on a branch that was not meant."""
    path = make_repo("demo", "a")
    repository = Repository.open(str(path))
    before = git(path, "rev-parse", "HEAD")
    with repository.locked(), pytest.raises(GitError), repository.change("mine") as change:  # noqa: PT012
        change.write("mine", b"mine")
        git(path, "switch", "-q", "-c", "other")
        if moved:
            git(path, "commit", "-q", "--allow-empty", "-m", "on other")
    assert git(path, "rev-parse", "main") == before
    assert git(path, "rev-list", "--count", "main..other") == f"{int(moved)}\n"
    assert not (path / "mine").exists()
    clean(git, repository)


@pytest.mark.parametrize("head", ["detached", "unborn"])
def test_heads(make_repo, git, head):
    """On an unborn branch the first commit is made; on a detached head it is refused."""
    path = make_repo("demo", "a", commit=head != "unborn")
    if head == "unborn":
        git(path, "init", "-q")
    else:
        git(path, "checkout", "-q", "--detach")
    repository = Repository.open(str(path))
    if head == "unborn":
        with repository.locked(), repository.change("first") as change:
            change.write("file", b"x")
        assert git(path, "log", "--format=%s|%P") == "first|\n"
        assert git(path, "ls-files") == "file\n"
        assert (path / "script" / "a" / "run.sh").exists()
        return
    before = git(path, "rev-parse", "HEAD")
    with repository.locked(), pytest.raises(GitError, match="detached") as caught:  # noqa: SIM117
        with repository.change("no") as change:
            change.write("file", b"x")
    assert "git switch" in caught.value.hint
    assert git(path, "rev-parse", "HEAD") == before
    clean(git, repository)


def test_in_the_middle_of_a_merge(make_repo, git):
    """A change is refused with a hint, and the merge goes on as if nothing had been."""
    path = make_repo("demo", "a")
    for branch in ("side", "main"):
        git(path, "switch", "-q", *(["-c"] if branch == "side" else []), branch)
        write_files(path, {"file": branch})
        git(path, "add", "file")
        git(path, "commit", "-q", "-m", branch)
    subprocess.run(["git", "merge", "side"], cwd=path, capture_output=True)
    before = [git(path, "status", "--porcelain=v2"), git(path, "diff")]
    repository = Repository.open(str(path))
    with repository.locked(), pytest.raises(Busy, match="a merge") as caught:  # noqa: SIM117
        with repository.change("no") as change:
            change.write("other", b"x", FILE)
    assert "git merge --abort" in caught.value.hint
    assert [git(path, "status", "--porcelain=v2"), git(path, "diff")] == before
    git(path, "merge", "--abort")
    clean(git, repository)
