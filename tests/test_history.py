"""The past of artifacts: log through renames and merges, diff, cat, and ``at``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cmgit import artifacts, history, removed, transfer
from cmgit.artifact import Artifact
from cmgit.errors import NotFound, UsageError
from cmgit.scan import record_of, tree_artifacts
from cmgit.store.git import GitRepository
from cmgit.workspace import Workspace
from tests.conftest import Git, MakeRepo, meta_of, uid_of, write_files


def titles(workspace: Workspace, artifact: Artifact) -> list[str]:
    """The first lines of the commits of an artifact."""
    return [change.commit.message.splitlines()[0] for change in history.log(workspace, artifact)]


def commit(git: Git, path: Path, message: str) -> str:
    """Commit everything with Git; returns the commit."""
    git(path, "add", "--all")
    git(path, "commit", "-qm", message)
    return git(path, "rev-parse", "HEAD").strip()


def diff(workspace: Workspace, artifact: Artifact, *revisions: str) -> str:
    """The text of the difference."""
    return b"".join(f.text for f in history.diff(workspace, artifact, *revisions)).decode()


def edit(path: Path, text: str = "x") -> None:
    """Add a line to a file."""
    with open(path, "a") as file:
        file.write(f"{text}\n")


def test_log_of_one_artifact(demo: Path, workspace: Workspace, git: Git) -> None:
    """Only the commits that changed the artifact are told, newest first."""
    edit(demo / "script/a/run.sh")
    second = commit(git, demo, "edit a")
    edit(demo / "script/b/run.sh")
    commit(git, demo, "edit b")
    artifact = workspace.one("script", "a")
    changes = list(history.log(workspace, artifact))
    assert [c.commit.message.strip() for c in changes] == ["edit a", "first"]
    assert changes[0].commit.oid == second
    assert changes[0].commit.author == "Ann Author <ann@example.org>"
    assert [c.path for c in changes] == ["script/a", "script/a"]


@pytest.mark.parametrize("how", ["mv", "git mv", "mv of the disk"])
def test_log_follows_renames(demo: Path, workspace: Workspace, git: Git, how: str) -> None:
    """A rename by cmgit, by ``git mv`` and by hand is followed by the UID."""
    if how == "mv":
        transfer.move(workspace, workspace.one("script", "a"), "z")
    elif how == "git mv":
        git(demo, "mv", "script/a", "script/z")
        commit(git, demo, "rename")
    else:
        os.rename(demo / "script/a", demo / "script/z")
        meta = meta_of("quite-another", uid_of(1), "model", tags="[all, new]", more="text")
        write_files(demo, {"script/z/_cm.yaml": meta})
        commit(git, demo, "rename and change")
    edit(demo / "script/z/run.sh")
    commit(git, demo, "edit")
    changes = list(history.log(workspace, workspace.one("", uid_of(1))))
    assert [c.path for c in changes] == ["script/z", "script/z", "script/a"]
    assert changes[-1].commit.message == "first\n"


def test_log_is_not_led_astray(demo: Path, workspace: Workspace, git: Git) -> None:
    """A directory that another artifact left, and one of the same content, are no renames."""
    git(demo, "mv", "script/a", "script/c")
    commit(git, demo, "a is c now")
    write_files(demo, {"script/a/_cm.yaml": meta_of("a", uid_of(9)), "script/a/run.sh": "echo a\n"})
    commit(git, demo, "another a")
    assert titles(workspace, workspace.one("script", uid_of(9))) == ["another a"]
    assert titles(workspace, workspace.one("script", uid_of(1))) == ["a is c now", "first"]


def test_log_across_merges(demo: Path, workspace: Workspace, git: Git) -> None:
    """Edits on both sides of a merge, one after a rename there, are all told; the merge is not
    unless it differs from all its parents."""
    git(demo, "switch", "-qc", "side")
    git(demo, "mv", "script/a", "script/z")
    commit(git, demo, "rename on the side")
    edit(demo / "script/z/new")
    commit(git, demo, "edit on the side")
    git(demo, "switch", "-q", "main")
    edit(demo / "script/b/run.sh")
    commit(git, demo, "edit b")
    git(demo, "merge", "-q", "--no-edit", "side")
    edit(demo / "script/z/new", "more")
    commit(git, demo, "after")
    told = titles(workspace, workspace.one("script", uid_of(1)))
    assert told == ["after", "edit on the side", "rename on the side", "first"]


def test_log_of_a_merge_that_differs(demo: Path, workspace: Workspace, git: Git) -> None:
    """A merge of two edits of the same artifact is told itself."""
    git(demo, "switch", "-qc", "side")
    edit(demo / "script/a/one")
    commit(git, demo, "one")
    git(demo, "switch", "-q", "main")
    edit(demo / "script/a/two")
    commit(git, demo, "two")
    git(demo, "merge", "-q", "-m", "merged", "side")
    told = titles(workspace, workspace.one("script", "a"))
    assert told[0] == "merged"
    assert sorted(told) == ["first", "merged", "one", "two"]


def test_log_of_what_was_removed_and_came_back(demo: Path, workspace: Workspace) -> None:
    """Removal and restoration are part of the history."""
    artifacts.remove(workspace, [workspace.one("script", "a")])
    artifact = removed.restore(workspace, "script", "a")
    told = titles(workspace, artifact)
    assert [title.split()[0] for title in told] == ["restore", "rm", "first"]


def test_log_of_a_shallow_clone(demo: Path, workspace: Workspace, git: Git, tmp_path: Path) -> None:
    """Where the history was cut, the log ends."""
    edit(demo / "script/a/run.sh")
    commit(git, demo, "edit a")
    from cmgit.pull import pull
    from cmgit.repositories import remove

    remove(workspace, "demo")
    pull(workspace, "demo", f"file://{demo}", depth=1)
    assert titles(workspace, workspace.one("script", "a")) == ["edit a"]


def test_diff(demo: Path, workspace: Workspace, git: Git) -> None:
    """The diff is Git's, of the artifact alone, and follows a rename."""
    edit(demo / "script/a/run.sh", "more")
    edit(demo / "script/b/run.sh", "not this")
    commit(git, demo, "edit")
    artifact = workspace.one("script", "a")
    text = diff(workspace, artifact, "HEAD~1")
    assert "+more" in text
    assert "not this" not in text
    assert diff(workspace, artifact, "HEAD", "HEAD") == ""
    backwards = diff(workspace, artifact, "HEAD", "HEAD~1")
    assert "-more" in backwards
    moved = transfer.move(workspace, artifact, "z")
    text = diff(workspace, moved, "HEAD~2", "HEAD")
    assert "+more" in text
    assert "-echo a" not in text
    with pytest.raises(NotFound):
        diff(workspace, moved, "nosuch")


def test_diff_of_each_file(demo: Path, workspace: Workspace, git: Git) -> None:
    """Paths in the artifact, what became of each file, blobs and modes as Git has them."""
    write_files(
        demo, {"script/a/data": "1\n2\n3\n", "script/a/old": "x" * 99, "script/a/bin": b"\0"}
    )
    first = commit(git, demo, "files")
    transfer.move(workspace, workspace.one("script", "a"), "z")
    write_files(demo, {"script/z/data": "1\n2\n", "script/z/new": "y\n", "script/z/bin": b"\0\xff",
                       "script/z/latin": b"\xe4\n", "script/z/big": "z\n" * (1 << 20)})  # fmt: skip
    git(demo, "mv", "script/z/old", "script/z/moved")
    (demo / "script/z/run.sh").chmod(0o755)
    commit(git, demo, "edits")
    found = {
        f.change.path: f.to_dict()
        for f in history.diff(workspace, workspace.one("script", "z"), first)
    }
    assert {path: values["status"] for path, values in found.items()} == {
        "_cm.yaml": "modified", "big": "added", "bin": "modified", "data": "modified",
        "latin": "added", "moved": "renamed", "new": "added", "run.sh": "modified",
    }  # fmt: skip
    assert found["moved"] == {
        "path": "moved", "status": "renamed", "old_path": "old", "old_mode": "100644",
        "new_mode": "100644", "old_blob": git(demo, "rev-parse", f"{first}:script/a/old").strip(),
        "new_blob": git(demo, "rev-parse", "HEAD:script/z/moved").strip(),
        "diff": "diff --git a/old b/moved\nsimilarity index 100%\nrename from old\nrename to moved\n",
    }  # fmt: skip
    assert (found["new"]["old_path"], found["new"]["old_blob"], found["new"]["old_mode"]) == (
        None,
    ) * 3
    assert (found["run.sh"]["old_mode"], found["run.sh"]["new_mode"]) == ("100644", "100755")
    assert found["data"]["diff"].endswith("@@ -1,3 +1,2 @@\n 1\n 2\n-3\n")
    assert found["bin"]["diff"].endswith("Binary files a/bin and b/bin differ\n")
    assert found["latin"]["diff"] is found["big"]["diff"] is None


def test_diff_before_it_was(demo: Path, workspace: Workspace, git: Git) -> None:
    """Before an artifact was added, its files are all new."""
    added = workspace.add("automation", "demo:new")
    text = diff(workspace, added, "HEAD~1")
    assert "+++ b/_cm.json" in text
    assert "---" in text


def test_cat(demo: Path, workspace: Workspace, git: Git) -> None:
    """Files are given byte for byte, now or at a revision; the meta without a name."""
    content = bytes(range(256)) * 10
    write_files(demo, {"script/a/data.bin": content, "script/a/sub/x": b"\r\n"})
    commit(git, demo, "data")
    write_files(demo, {"script/a/data.bin": b"edited"})
    artifact = workspace.one("script", "a")
    assert history.cat(workspace, artifact, "data.bin") == b"edited"
    old = workspace.one("script", "a", at="HEAD")
    assert history.cat(workspace, old, "data.bin", "HEAD") == content
    assert history.cat(workspace, old, "sub/x", "HEAD") == b"\r\n"
    assert history.cat(workspace, artifact, "") == (demo / "script/a/_cm.yaml").read_bytes()
    for name in ("nosuch", "sub"):
        with pytest.raises(NotFound):
            history.cat(workspace, artifact, name)
    for name in ("../b/run.sh", "/etc/passwd", "sub/../x", "a//b", ".git/config"):
        with pytest.raises(UsageError):
            history.cat(workspace, artifact, name)


@pytest.mark.parametrize("kind", ["working", "bare"])
def test_at_equals_a_scan(
    demo: Path, workspace: Workspace, git: Git, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For each commit of a history, ``find`` at it is what a scan of its tree finds."""
    from cmgit.pull import pull
    from cmgit.repositories import remove

    for number, date in enumerate(("2020-01-01", "2020-02-01", "2020-03-01"), 10):
        monkeypatch.setenv("GIT_COMMITTER_DATE", f"{date}T12:00:00")
        write_files(demo, {f"script/n{number}/_cm.yaml": meta_of(f"n{number}", uid_of(number))})
        if number == 11:
            git(demo, "rm", "-rq", "script/a")
            git(demo, "mv", "script/b", "script/bb")
        commit(git, demo, date)
    if kind == "bare":
        remove(workspace, "demo")
        pull(workspace, "demo", str(demo))
    store = GitRepository.open(str(demo))
    commits = git(demo, "log", "--format=%H %T").splitlines()
    for line in commits:
        revision, tree = line.split()
        scanned = [record_of(raw, "demo") for raw in tree_artifacts(store.objects, tree, "")]
        expected = [(r["uid"], r["path"], r["tags"], r["tree"], revision) for r in scanned]
        for at in (revision, revision[:12]):
            found = workspace.find("*", repo="demo", at=at)
            assert [(a.uid, a.path, list(a.tags), a.tree, a.commit) for a in found] == expected
    dated = workspace.find("*", repo="demo", at="2020-02-15")
    assert {a.commit for a in dated} == {commits[1].split()[0]}
    assert "a" not in [a.alias for a in dated]


def test_load_at(demo: Path, workspace: Workspace, git: Git) -> None:
    """The meta, what it inherits included, is that of the revision."""
    write_files(demo, {"script/c/_cm.yaml": meta_of("c", uid_of(3), _base="a", own="1"),
                       "script/a/_cm.yaml": meta_of("a", uid_of(1), inherited="old")})  # fmt: skip
    commit(git, demo, "old")
    write_files(demo, {"script/a/_cm.yaml": meta_of("a", uid_of(1), inherited="new")})
    commit(git, demo, "new")
    old, new = workspace.one("script", "c", at="HEAD~1"), workspace.one("script", "c")
    assert workspace.load(old, "HEAD~1")["inherited"] == "old"
    assert workspace.load(new)["inherited"] == "new"
    assert workspace.original(old, "HEAD~1") == workspace.original(new)


def test_at_knows_the_prefix_of_then(make_repo: MakeRepo, workspace: Workspace, git: Git) -> None:
    """A repository that moved its artifacts below a prefix is read as it was."""
    from cmgit.repositories import init

    path = make_repo("demo", "a")
    init(workspace, path=str(path))
    (path / "sub").mkdir()
    git(path, "mv", "script", "sub/script")
    edit(path / "cmr.yaml", "prefix: sub")
    commit(git, path, "moved below")
    assert [a.path for a in workspace.find("script")] == ["sub/script/a"]
    assert [a.path for a in workspace.find("script", at="HEAD~1")] == ["script/a"]
    told = [c.path for c in history.log(workspace, workspace.one("script", "a"))]
    assert told == ["sub/script/a", "script/a"]


def test_at_in_several_repositories(
    demo: Path, workspace: Workspace, git: Git, make_repo: MakeRepo
) -> None:
    """A revision of one repository leaves the others out; one that nobody has is an error."""
    revision = git(demo, "rev-parse", "HEAD").strip()
    assert {a.repo for a in workspace.find("*", at=revision)} == {"demo"}
    with pytest.raises(NotFound, match="no repository has the revision"):
        workspace.find("*", at="nosuch")
    with pytest.raises(NotFound):
        workspace.find("*", repo="local", at=revision)


def test_at_a_search(demo: Path, workspace: Workspace, git: Git) -> None:
    """Words that are a revision are none of a date, and a path is refused by name."""
    git(demo, "rm", "-rq", "script/a")
    commit(git, demo, "a is gone")
    assert [a.alias for a in workspace.find("script", at=":/first")] == ["a", "b"]
    assert [a.alias for a in workspace.find("script", at="HEAD^{/a is gone}~1")] == ["a", "b"]
    assert [a.alias for a in workspace.find("script", repo="demo", at="HEAD@{2 weeks ago}")] == [
        "a",
        "b",
    ]
    assert [a.alias for a in workspace.find("script", at=":/is gone")] == ["b"]
    with pytest.raises(UsageError, match="names a file or a directory"):
        workspace.find("script", at="HEAD:script")
    with pytest.raises(NotFound, match="no repository has the revision"):
        workspace.find("script", at=":/nothing of that")


@pytest.mark.parametrize("at", ["2.weeks.ago", "2 weeks ago", "1999-01", "1999-01-01 12:00"])
def test_at_a_date(demo: Path, workspace: Workspace, at: str) -> None:
    """Dates in words and figures are no revisions: nothing was there then, or it is no date."""
    if at == "1999-01":
        with pytest.raises(UsageError, match="neither a revision nor a date"):
            workspace.find("script", at=at)
    else:
        assert workspace.find("script", at=at) == []
