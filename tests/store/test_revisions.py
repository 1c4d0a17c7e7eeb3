"""Revisions, against ``git rev-parse``."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from cmgit.errors import NotFound, UsageError
from cmgit.store.git import GitRepository
from tests.conftest import Git


@pytest.fixture
def path(tmp_path: Path, git: Git, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone with commits a day apart: main with three, side with one more, both with upstreams
    that other commits moved, a merge on top, and a detached head in between."""
    days = iter(range(1, 20))

    def day(*words: str, directory: Path) -> None:
        monkeypatch.setenv("GIT_COMMITTER_DATE", f"2020-01-{next(days):02}T12:00:00+0000")
        git(directory, *words)

    def add(message: str, directory: Path) -> None:
        day("commit", "-q", "--allow-empty", "-m", message, directory=directory)

    origin, path = tmp_path / "origin", tmp_path / "clone"
    git(tmp_path, "init", "-q", "origin")
    add("fix 1", origin)
    add("second: 100% (really?)", origin)
    git(origin, "branch", "side")
    day("clone", "-q", str(origin), str(path), directory=tmp_path)
    add("theirs", origin)
    day("fetch", "-q", directory=path)
    add("fix 2\n\nbody: it's {braces}", path)
    day("switch", "-q", "side", directory=path)
    add("!bang", path)
    day("switch", "-q", "--detach", "main~1", directory=path)
    day("switch", "-q", "main", directory=path)
    day("merge", "-q", "-m", "merged side", "side", directory=path)
    git(path, "branch", "-q", "local", "--track", "main")
    git(path, "branch", "-q", "plain", "--no-track", "main~2")
    git(path, "tag", "-a", "v1", "-m", "tag of fix", "main~1")
    git(path, "tag", "tree", "HEAD^{tree}")
    ahead = git(path, "commit-tree", "-p", "HEAD", "-m", "ahead", "HEAD^{tree}").strip()
    git(path, "update-ref", "refs/remotes/origin/ahead", ahead)
    return path


def rev_parse(path: Path, revision: str) -> str:
    """The commit that Git has for a revision, empty for none."""
    words = ["git", "rev-parse", "--quiet", "--verify", "--end-of-options", revision]
    done = subprocess.run(words, cwd=path, capture_output=True, text=True)
    oid = done.stdout.strip()
    words[-1] = f"{oid}^{{commit}}"
    return oid and subprocess.run(words, cwd=path, capture_output=True, text=True).stdout.strip()


def resolved(path: Path, revision: str) -> str:
    """The same by cmgit."""
    try:
        return GitRepository.open(str(path)).resolve(revision)
    except (NotFound, UsageError):
        return ""


NAMED = [
    # what was asked for before
    "HEAD@{0}", "HEAD@{1}", "HEAD@{3}", "@{1}", "@{2}", "@@{1}", "main@{1}", "side@{1}", "v1~1",
    "HEAD~0^2", "HEAD^2", "HEAD^2~1", "HEAD^2^", "origin/ahead~1^2", "HEAD~1^1~0", "v1^{commit}", "v1^{}~1",
    "@^{}", "main@{1}~1", "HEAD@{1}^{commit}", "side^0", "HEAD~", "HEAD~~", "HEAD~2~0",
    # searches
    ":/fix", ":/fix 1", ":/body", ":/^fix", ":/theirs", ":/merged", ":/ahead", ":/!-m", ":/!-fix|merged",
    ":/!!bang", ":/it's .brac", r":/100% \(", ":/second: 100%", ":/(fix|bang)", ":/e.*side",
    "HEAD^{/fix}", "HEAD^{/fix}~1", "HEAD^{/fix}^{/second}", "side^{/fix}", "HEAD^{/}", "v1^{/fix}",
    "HEAD^{/!-merged}", "HEAD^{/!!bang}", "origin/main^{/fix}", "HEAD~1^{/fix}^0", "HEAD^{/[{]braces[}]}",
    # other branches
    "@{u}", "@{upstream}", "main@{u}", "main@{UPSTREAM}", "side@{u}", "HEAD@{u}", "local@{u}",
    "@{u}~1", "@{-1}", "@{-2}", "@{-3}", "@{-1}~1", "@{-2}^{/fix}",
    # times
    "main@{2020-01-06 13:00:00 +0000}", "HEAD@{2020-01-09 11:00:00 +0000}",
    "HEAD@{2020-01-08T12:00:00+00:00}", "main@{2019-01-01 00:00:00 +0000}",
    "side@{2020-01-07 13:00:00 +0000}~1", "HEAD@{2030-01-01 00:00:00 +0000}", "@{5 minutes ago}",
]  # fmt: skip

NOTHING = [
    ":/no such text", ":/", "HEAD^{/no such text}", "origin/main^{/bang}", "plain@{u}", "v1@{u}",
    "nosuch@{u}", "heads/main@{u}", "@{-9}", "main@{-1}", "@{-0}", "HEAD@{99}", "main@{99}", "v1@{0}", "nosuch@{1}", "HEAD^3",
    "HEAD~99", "HEAD^{/fix}~99", "main~1^{", "HEAD^{/fix", "main@", "main@{", "@{", "@{}", "~1", "^", ":",
    "tree", "tree~1", "nosuch^{/fix}", "HEAD^^9^2", "plain@{u}~1", "HEAD^{nonsense", "HEAD^{/fix}x",
]  # fmt: skip


@pytest.mark.parametrize("revision", NAMED)
def test_as_rev_parse(path: Path, revision: str) -> None:
    """What Git names, by another way in each."""
    wanted = rev_parse(path, revision)
    assert wanted
    assert resolved(path, revision) == wanted


@pytest.mark.parametrize("revision", NOTHING)
def test_what_names_nothing(path: Path, revision: str) -> None:
    """Neither for Git nor here."""
    assert (rev_parse(path, revision), resolved(path, revision)) == ("", "")


def test_without_a_branch(path: Path, git: Git) -> None:
    """On a detached head there is no upstream; the branch before is still known."""
    git(path, "switch", "-q", "--detach")
    for revision in ("@{u}", "HEAD@{u}", "@{-1}", "@{0}", "@{1}", "main@{u}"):
        assert resolved(path, revision) == rev_parse(path, revision), revision


def test_an_upstream_with_another_name(path: Path, git: Git) -> None:
    """The refspecs of the remote say where a branch of it is."""
    git(path, "config", "remote.origin.fetch", "+refs/heads/side:refs/remotes/else/where")
    git(path, "config", "--add", "remote.origin.fetch", "refs/heads/ma*:refs/remotes/origin/ma*")
    git(path, "update-ref", "refs/remotes/else/where", "HEAD~1")
    for revision in ("side@{u}", "main@{u}"):
        assert resolved(path, revision) == rev_parse(path, revision) != "", revision
    git(path, "config", "--unset-all", "remote.origin.fetch")
    assert resolved(path, "main@{u}") == rev_parse(path, "main@{u}") == ""


@pytest.mark.parametrize(
    ("revision", "reason"),
    [
        ("main..side", "names several commits"),
        ("main...side", "names several commits"),
        ("^main", "names several commits"),
        ("HEAD^@", "names several commits"),
        ("HEAD^!", "names several commits"),
        ("HEAD^-", "names several commits"),
        ("HEAD^-1", "names several commits"),
        ("HEAD^{tree}", "need not be a commit"),
        ("v1^{object}", "need not be a commit"),
        ("v1^{tag}", "need not be a commit"),
        ("HEAD:a/b", "names a file or a directory"),
        (":path", "names a file or a directory"),
        (":0:path", "names a file or a directory"),
        ("main@{push}", "where a push would go"),
        ("@{PUSH}~1", "where a push would go"),
        (":/[", "no regular expression"),
        ("HEAD^{/(}", "no regular expression"),
        (":/!x", "means nothing"),
        ("main@{never ever}", "neither a revision nor a date"),
    ],
)
def test_refused_by_name(path: Path, revision: str, reason: str) -> None:
    """What names no one commit says why, on one line."""
    with pytest.raises(UsageError, match=reason) as caught:
        GitRepository.open(str(path)).resolve(revision)
    assert "\n" not in str(caught.value)
