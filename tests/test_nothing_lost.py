"""What a person has on the disk is never lost by a command that promises otherwise."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

import cmgit
from cmgit import artifacts, history, removed, repositories, transfer
from cmgit.errors import AlreadyExists, GitError, UsageError
from cmgit.pull import pull
from tests.conftest import write_files


@pytest.fixture
def two(workspace, tmp_path):
    """Two working repositories, ``p`` and ``o``, and an automation ``note``."""
    for name in ("p", "o"):
        repositories.init(workspace, name, str(tmp_path / name))
    workspace.add("automation", "p:note")
    return tmp_path


def test_mv_refuses_to_leave_ignored_files_behind(workspace, two, git):
    """They would be in neither repository; everything stays as it was."""
    found = workspace.add("note", "p:a")
    (two / "p" / ".gitignore").write_text("*.bin\n")
    weights = two / "p" / "note" / "a" / "w.bin"
    weights.write_text("weights")
    with pytest.raises(UsageError, match=r"w\.bin"):
        transfer.move(workspace, found, "o:")
    assert weights.read_text() == "weights"
    assert [a.repo for a in workspace.find("note")] == ["p"]


def test_what_rm_removes_comes_back_with_pending_edits(workspace, two, git):
    """Files that were not committed are, before the artifact goes."""
    found = workspace.add("note", "p:w")
    (two / "p" / "note" / "w" / "results.txt").write_text("data")
    artifacts.remove(workspace, [found])
    removed.restore(workspace, "note", "w")
    assert (two / "p" / "note" / "w" / "results.txt").read_text() == "data"
    assert git(two / "p", "status", "--porcelain") == ""


def test_an_artifact_made_by_hand_comes_back_too(workspace, two):
    """It was never committed; rm commits it first."""
    source = two / "p" / "note" / "hand"
    write_files(
        source, {"_cm.yaml": "alias: hand\nuid: 0123456789abcdef\nautomation_alias: note\n"}
    )
    artifacts.remove(workspace, workspace.find("note", "hand"))
    assert removed.restore(workspace, "note", "hand").uid == "0123456789abcdef"


def test_checkout_keeps_branches_named_cmgit(workspace, make_repo, git, tmp_path):
    """Only cmgit's own directory is left out of the copy."""
    origin = make_repo("b", "q")
    git(origin, "branch", "-M", "cmgit")
    pull(workspace, "bb", url=str(origin))
    repositories.checkout(workspace, "bb", str(tmp_path / "co"))
    assert [a.alias for a in workspace.find("script", "q")] == ["q"]
    assert "refs/heads/cmgit" in git(tmp_path / "co", "for-each-ref")


def test_a_git_directory_on_another_file_system(workspace, tmp_path, git):
    """rm works where the removed files cannot be renamed into the Git directory."""
    shm = "/dev/shm"
    if not os.path.isdir(shm) or os.stat(shm).st_dev == os.stat(tmp_path).st_dev:
        pytest.skip("no second file system")
    directory = os.path.join(shm, f"cmgit-test-{os.getpid()}")
    try:
        git(tmp_path, "init", "-q", "--separate-git-dir", directory, "sep")
        repositories.init(workspace, "sep", str(tmp_path / "sep"))
        workspace.add("automation", "sep:note")
        artifacts.remove(workspace, [workspace.add("note", "sep:a")])
        assert workspace.find("note", "a") == []
        assert git(tmp_path / "sep", "status", "--porcelain") == ""
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def test_restore_knows_what_was_renamed_and_where_it_was_last(workspace, two, monkeypatch):
    """A renamed artifact is there; one that was moved and removed comes back from the last place."""
    transfer.move(workspace, workspace.add("note", "p:ra"), "rb")
    with pytest.raises(AlreadyExists, match="rb"):
        removed.restore(workspace, "note", "ra")
    moved = transfer.move(workspace, workspace.add("note", "p:m", meta={"v": 1}), "o:")
    changed = artifacts.update(workspace, [moved], {"v": 2})
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2100-01-01T00:00:00+00:00")  # later, in seconds too
    artifacts.remove(workspace, changed)
    back = removed.restore(workspace, "note", "m")
    assert (back.repo, workspace.load(back)["v"]) == ("o", 2)


def test_restore_passes_over_a_broken_repository(workspace, two):
    """The others are still asked."""
    artifacts.remove(workspace, [workspace.add("note", "o:r")])
    (two / "p" / ".git" / "HEAD").write_text("garbage\n")
    assert removed.restore(workspace, "note", "r").repo == "o"


def test_nothing_is_written_through_a_link(workspace, two):
    """A link in place of the automation's directory is refused, and nothing changes outside."""
    (two / "outside").mkdir()
    os.symlink("../outside", two / "o" / "note")
    with pytest.raises((GitError, AlreadyExists)):
        workspace.add("note", "o:x")
    assert os.listdir(two / "outside") == []


def test_cat_prints_where_a_link_leads_not_what_is_there(workspace, two):
    """As Git stores it: the target's name."""
    found = workspace.add("note", "p:l")
    os.symlink("/etc/hostname", two / "p" / "note" / "l" / "link")
    assert history.cat(workspace, found, "link") == b"/etc/hostname"


def test_a_pipe_in_place_of_a_meta_does_not_hang(workspace, two):
    """It is a warning, and the rest is found."""
    workspace.add("note", "p:a")
    (two / "p" / "note" / "ff").mkdir()
    os.mkfifo(two / "p" / "note" / "ff" / "_cm.json")
    command = [sys.executable, "-m", "cmgit", "find", "note"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 1
    assert "not a file" in done.stderr


def test_names_that_are_not_utf8_are_saved(workspace, two, git):
    """Git takes any bytes, and so do the journal and --json."""
    found = workspace.add("note", "p:a")
    with open(os.fsencode(two / "p" / "note" / "a") + b"/c\xff", "wb") as file:
        file.write(b"x")
    assert len(artifacts.save(workspace, "p")) == 1
    assert git(two / "p", "status", "--porcelain") == ""
    command = [sys.executable, "-m", "cmgit", "info", *found.name.split(), "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0
    assert "\\udcff" in done.stdout


def test_a_link_that_is_named_itself_is_followed(workspace, two):
    """``--from=LINK`` takes in what the link names."""
    (two / "data.csv").write_text("1\n")
    os.symlink("data.csv", two / "latest.csv")
    found = workspace.add("note", "p:f", source=str(two / "latest.csv"))
    assert history.cat(workspace, found, "latest.csv") == b"1\n"


@pytest.mark.parametrize(
    "request_",
    [
        "find note 'x",
        {"action": "find", "automation": "note", "tags": 5},
        {"action": "pull", "automation": "repo", "artifact": "x", "url": "/nope", "depth": "x"},
        {"action": "add", "automation": "note", "artifact": "z", "meta": {"x": {1, 2}}},
        {"action": "find", "automation": "note", "sort": "zz"},
    ],
    ids=str,
)
def test_access_never_raises(workspace, two, request_):
    """Bad input is an answer with return and error."""
    answer = cmgit.access(request_, workspace)
    assert answer["return"] == 1
    assert answer["error"]


def test_access_knows_the_actions_on_the_past(workspace, two):
    """log, diff, cat, restore, where and check, as on the command line."""
    workspace.add("note", "p:a")
    artifacts.update(workspace, workspace.find("note", "a"), {"v": 1})
    given = {"automation": "note", "artifact": "a"}
    ask = lambda **more: cmgit.access({**given, **more}, workspace)  # noqa: E731
    assert len(ask(action="log")["list"]) == 2
    assert '+  "v": 1' in ask(action="diff", artifacts=["HEAD~1"])["diff"]
    assert b'"v": 1' in ask(action="cat")["data"]
    assert ask(action="where")["list"] == [str(two / "p" / "note" / "a")]
    assert ask(action="rm", f=True)["return"] == 0
    assert ask(action="restore")["artifact"].alias == "a"
    assert ask(action="check")["list"] == []
