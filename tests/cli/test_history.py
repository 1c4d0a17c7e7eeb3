"""The commands on the past: log, diff, restore, cat."""

from __future__ import annotations

import re
from pathlib import Path

import orjson
import pytest

from tests.cli import bad, good
from tests.conftest import Git, MakeRepo, uid_of, write_files


@pytest.fixture
def demo(make_repo: MakeRepo, git: Git, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose script a was renamed and then edited."""
    path = make_repo("demo", "a", "b")
    good("init", "repo", f"--path={path}")
    good("mv", "script", "a", "z")
    monkeypatch.setenv("GIT_AUTHOR_DATE", "2030-05-06T07:08:09+0200")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2030-05-06T07:08:09+0200")
    write_files(path, {"script/z/run.sh": "echo z\n"})
    git(path, "commit", "-qam", "edit z\n\nbody")
    return path


def test_log(demo: Path, git: Git) -> None:
    """A line a commit: id, date, author, title; newest first, through the rename."""
    lines = good("log", "script", "z").lines
    head = git(demo, "rev-parse", "--short=12", "HEAD").strip()
    assert lines[0] == f"{head} 2030-05-06 07:08 Ann Author <ann@example.org>: edit z"
    assert [line.partition(">: ")[2] for line in lines] == [
        "edit z", f"mv script demo:a,{uid_of(1)} z", "first",
    ]  # fmt: skip
    assert all(re.match(r"[0-9a-f]{12} \d{4}-\d\d-\d\d \d\d:\d\d ", line) for line in lines)


def test_log_options(demo: Path, git: Git) -> None:
    """``--limit``, ``--json`` and ``--at``."""
    for limit, count in (("0", 0), ("2", 2), ("99", 3)):
        assert len(good("log", "script", "z", f"--limit={limit}").lines) == count
    for limit in ("-1", "x", ""):
        bad(1, "log", "script", "z", f"--limit={limit}")
    newest = good("log", "script", "z", "--json").json[0]
    assert newest == {
        "commit": git(demo, "rev-parse", "HEAD").strip(), "author": "Ann Author <ann@example.org>",
        "date": "2030-05-06T07:08:09+02:00", "message": "edit z\n\nbody", "path": "script/z",
    }  # fmt: skip
    assert [c["path"] for c in good("log", "script", "z", "--json").json][-1] == "script/a"
    assert len(good("log", "script", "a", "--at=HEAD~2").lines) == 1
    bad(16, "log", "script", "nosuch")
    bad(1, "log", "script", "*")


def test_log_of_what_was_removed(demo: Path) -> None:
    """The removal comes first; by UID, by alias, and by an alias of before; 16 for what never was."""
    good("rm", "script", "z", "-f")
    titles = [line.partition(">: ")[2] for line in good("log", "script", "z").lines]
    assert titles == [f"rm script z,{uid_of(1)}", "edit z", f"mv script demo:a,{uid_of(1)} z", "first"]  # fmt: skip
    for word in ("a", uid_of(1), "demo:z"):
        assert len(good("log", "script", word).lines) == 4
    assert good("log", "script", "z", "--json").json[0]["path"] == "script/z"
    assert len(good("log", "script", "z", "--limit=1").lines) == 1
    assert "no artifact matches 'script nosuch'" in bad(16, "log", "script", "nosuch")


def test_diff(demo: Path) -> None:
    """Between two revisions, or one and now, as Git prints it."""
    text = good("diff", "script", "z", "HEAD~1", "HEAD").out
    assert "-echo a\n+echo z\n" in text
    assert good("diff", "script", "z", "HEAD~1").out == text
    assert good("diff", "script", "z", "HEAD", "HEAD").out == ""
    bad(16, "diff", "script", "z", "nosuch")


def test_restore(demo: Path) -> None:
    """A removed artifact comes back, as it was or as it was then; 8 when it is there."""
    bad(8, "restore", "script", "z")
    good("rm", "script", "z", "-f")
    answer = orjson.loads(good("restore", "script", uid_of(1), "--at=HEAD~2", "--json").out)
    assert answer["artifact"]["alias"] == "z"
    assert (demo / "script/z/run.sh").read_text() == "echo a\n"
    good("rm", "script", "z", "-f")
    assert good("restore", "script", "demo:z").lines == [f"script demo:z,{uid_of(1)}"]
    bad(16, "restore", "script", "never")


def test_cat(demo: Path) -> None:
    """By UID and file, by words, without a file; now and at a revision."""
    uid = uid_of(1)
    assert good("cat", f"{uid}:run.sh").out == "echo z\n"
    assert good("cat", "script", "z", "run.sh").out == "echo z\n"
    assert good("cat", f"{uid}:run.sh", "--at=HEAD~1").out == "echo a\n"
    assert good("cat", uid).out == (demo / "script/z/_cm.yaml").read_text()
    assert good("cat", "script", "demo:z").out == good("cat", uid).out
    bad(16, "cat", f"{uid}:nosuch")
    bad(1, "cat", f"{uid}:../b/run.sh")
