"""Repositories as a whole: init, pull, checkout, rm, detect; the other side is the real Git."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cmgit.artifacts import add, save
from cmgit.errors import (
    AlreadyExists,
    GitError,
    MetaError,
    NotFound,
    RemoteError,
    Unsupported,
    UsageError,
)
from cmgit.pull import pull
from cmgit.repositories import checkout, detect, init, remove, update
from cmgit.workspace import Workspace

from .conftest import artifact_files, write_files


def aliases(workspace: Workspace, repo: str = "") -> list[str]:
    """The scripts that are found."""
    return [artifact.alias for artifact in workspace.find(repo=repo)]


def head(git, path: object, revision: str = "HEAD") -> str:
    """The commit of a revision."""
    return git(path, "rev-parse", revision).strip()


# -- init -------------------------------------------------------------------------------------


def test_init_a_new_directory(workspace, git, tmp_path):
    """A repository with a description, committed, clean."""
    entry = init(workspace, "results", str(tmp_path / "r"), desc="ours", prefix="x")
    assert git(entry.path, "status", "--porcelain") == ""
    assert git(entry.path, "ls-files") == "cmr.yaml\n"
    text = (tmp_path / "r" / "cmr.yaml").read_text()
    assert {"alias: results", f"uid: {entry.uid}", "desc: ours", "prefix: x"} <= set(
        text.splitlines()
    )


def test_init_among_the_files_of_another(workspace, make_repo, tmp_path):
    """It would hide them from it; a new directory in there, and a submodule, are none of them."""
    path = make_repo("demo", "a")
    init(workspace, "demo", str(path))
    (tmp_path / "link").symlink_to(path)
    for inside in (path / "script", path / "script" / "a", tmp_path / "link" / "script"):
        with pytest.raises(UsageError, match="files of the repository demo"):
            init(workspace, "inner", str(inside))
    assert aliases(workspace) == ["a"]
    assert not (path / "script" / ".git").exists()
    init(workspace, "inner", str(path / "script" / "new"))
    assert aliases(workspace) == ["a"]


def test_init_a_directory_with_files(workspace, git, make_repo):
    """Files that are there stay as they are, uncommitted; artifacts among them are found."""
    path = make_repo("demo", "a", files={"notes": "mine"}, commit=False)
    (path / "cmr.yaml").unlink()
    init(workspace, "demo", str(path))
    assert aliases(workspace) == ["a"]
    assert git(path, "log", "--name-only", "--format=") == "cmr.yaml\n"
    assert git(path, "status", "--porcelain") == "?? notes\n?? script/\n"


def test_init_a_git_repository(workspace, git, make_repo):
    """Its history, branches, pending edits and staged changes stay."""
    path = make_repo("demo", "a")
    (path / "cmr.yaml").unlink()
    git(path, "commit", "-q", "-a", "-m", "no description")
    write_files(path, {"staged": "s", "script/a/run.sh": "edited"})
    git(path, "add", "staged")
    before = [git(path, "diff"), git(path, "diff", "--cached")]
    init(workspace, "demo", str(path))
    assert [git(path, "diff"), git(path, "diff", "--cached")] == before
    assert git(path, "rev-list", "--count", "HEAD") == "3\n"
    git(path, "fsck", "--strict")


def test_init_what_has_a_description(workspace, git, make_repo):
    """It is registered under its own name, and nothing is changed."""
    path = make_repo("demo", "a")
    before = head(git, path)
    entry = init(workspace, path=str(path))
    assert (entry.alias, entry.uid) == ("demo", "0123456789abcdef")
    assert head(git, path) == before
    assert git(path, "status", "--porcelain") == ""


def test_init_refuses(workspace, git, make_repo, tmp_path):
    """A file, a bare repository, a name or a UID that is taken, a sub-format."""
    path = make_repo("demo", "a")
    init(workspace, path=str(path))
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="not a directory"):
        init(workspace, "x", str(tmp_path / "file"))
    git(tmp_path, "clone", "-q", "--bare", str(path), "b.git")
    with pytest.raises(UsageError, match="bare"):
        init(workspace, "x", str(tmp_path / "b.git"))
    with pytest.raises(AlreadyExists):
        init(workspace, "DEMO", str(tmp_path / "other"))
    with pytest.raises(AlreadyExists):
        init(workspace, "local", str(tmp_path / "other"))
    assert not (tmp_path / "other").exists()
    git(tmp_path, "init", "-q", "--object-format=sha256", "sha256")
    with pytest.raises(Unsupported, match="SHA-256"):
        init(workspace, "x", str(tmp_path / "sha256"))
    assert [entry.alias for entry in workspace.registry.entries] == ["local", "demo"]
    assert aliases(workspace) == ["a"]


def test_linked_worktree_is_a_working_repository(workspace, git, make_repo, tmp_path):
    """Artifacts of a linked work tree are found and changed, on its own branch."""
    path = make_repo("demo", "a")
    git(path, "worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    init(workspace, "side,1111111111111111", str(tmp_path / "side"))
    assert aliases(workspace) == ["a"]
    before = head(git, path, "main")
    add(workspace, "script", "side:b")
    assert aliases(workspace) == ["a", "b"]
    assert head(git, path, "main") == before
    assert git(tmp_path / "side", "log", "-1", "--format=%s%d").startswith("add script b")
    for place in (path, tmp_path / "side"):
        assert git(place, "status", "--porcelain") == ""
    git(path, "fsck", "--strict")


# -- pull -------------------------------------------------------------------------------------


@pytest.fixture
def origin(make_repo) -> Path:
    """A repository to pull from."""
    return make_repo("demo", "a", "b")


def more(git, path: Path, *names: str, message: str = "more") -> str:
    """Commit further artifacts in a repository, by Git."""
    for name in names:
        files = artifact_files(name)
        text = files[f"script/{name}/_cm.yaml"].replace("0000000000000001", hash_of(name))
        write_files(path, {**files, f"script/{name}/_cm.yaml": text})
    git(path, "add", "--all")
    git(path, "commit", "-q", "--allow-empty", "-m", message)
    return head(git, path)


def hash_of(name: str) -> str:
    """A UID that follows from a name."""
    return name.encode().hex().ljust(16, "f")[:16]


def test_pull_and_pull_again(workspace, git, origin, home):
    """Objects only, under the alias of the description; a second pull brings what is new."""
    entry = pull(workspace, url=str(origin))
    assert (entry.alias, entry.uid, entry.kind) == ("demo", "0123456789abcdef", "bare")
    assert aliases(workspace) == ["a", "b"]
    commit = more(git, origin, "c")
    assert aliases(workspace) == ["a", "b"]
    assert pull(workspace, "demo") == entry
    assert aliases(workspace) == ["a", "b", "c"]
    assert head(git, entry.path) == commit
    git(entry.path, "fsck", "--strict", "--full")
    assert not [name for name in os.listdir(home / "repos") if name.startswith("tmp-")]


def test_pull_a_known_source_by_its_url(workspace, git, origin):
    """The same URL again is the same repository."""
    entry = pull(workspace, url=str(origin))
    more(git, origin, "c")
    assert pull(workspace, str(origin)) == entry
    assert aliases(workspace) == ["a", "b", "c"]
    assert len(workspace.registry.entries) == 2


def test_pull_after_a_forced_push(workspace, git, origin):
    """The other side's history was rewritten: the head follows it."""
    entry = pull(workspace, url=str(origin))
    more(git, origin, "c")
    pull(workspace, "demo")
    git(origin, "reset", "-q", "--hard", "HEAD~1")
    commit = more(git, origin, "d", message="other")
    pull(workspace, "demo")
    assert head(git, entry.path) == commit
    assert aliases(workspace) == ["a", "b", "d"]


def test_pull_refuses_to_lose_local_commits(workspace, git, origin):
    """With a commit of one's own, nothing moves, and nothing is lost, while there is news."""
    entry = pull(workspace, url=str(origin))
    add(workspace, "script", "demo:mine")
    mine = head(git, entry.path)
    more(git, origin, "c")
    with pytest.raises(GitError, match="commits were made here") as caught:
        pull(workspace, "demo")
    assert caught.value.hint
    assert head(git, entry.path) == mine
    assert aliases(workspace) == ["a", "b", "mine"]
    assert git(entry.path, "merge-base", "HEAD", "origin/main") == git(
        origin, "rev-parse", "HEAD~1"
    )


def test_local_commits_that_were_pushed(workspace, git, origin):
    """Once the other side has them, pulling goes on."""
    entry = pull(workspace, url=str(origin))
    add(workspace, "script", "demo:mine")
    git(entry.path, "push", "-q", "origin", "main:topic")
    git(origin, "merge", "-q", "topic")
    more(git, origin, "c")
    pull(workspace, "demo")
    assert aliases(workspace) == ["a", "b", "c", "mine"]


def test_branch(workspace, git, origin):
    """``branch`` is followed from then on; another can be chosen later."""
    git(origin, "switch", "-q", "-c", "dev")
    more(git, origin, "c")
    git(origin, "switch", "-q", "main")
    entry = pull(workspace, "mine", url=str(origin), branch="dev")
    assert entry.alias == "mine"
    assert aliases(workspace) == ["a", "b", "c"]
    git(origin, "switch", "-q", "dev")
    more(git, origin, "d")
    pull(workspace, "mine")
    assert aliases(workspace) == ["a", "b", "c", "d"]
    pull(workspace, "mine", branch="main")
    assert aliases(workspace) == ["a", "b"]
    assert git(entry.path, "symbolic-ref", "HEAD") == "refs/heads/main\n"


@pytest.mark.parametrize("revision", ["HEAD~1", "v1", "SHORT", "FULL", "origin/old", "old"])
def test_checkout_of_a_revision(workspace, git, origin, revision):
    """``checkout`` puts the head at any revision of the other side; a plain pull goes on."""
    git(origin, "tag", "-a", "v1", "-m", "one")
    git(origin, "branch", "old")
    first = head(git, origin)
    more(git, origin, "c")
    revision = {"SHORT": first[:8], "FULL": first}.get(revision, revision)
    if revision == "HEAD~1":
        revision = "origin/main~1"
    entry = pull(workspace, url=str(origin), checkout=revision)
    assert head(git, entry.path) == first
    assert aliases(workspace) == ["a", "b"]
    pull(workspace, "demo")
    assert aliases(workspace) == ["a", "b", "c"]


def test_depth(workspace, git, origin):
    """A shallow repository answers, can be pulled again, and tells Git it is shallow."""
    more(git, origin, "c")
    entry = pull(workspace, url=f"file://{origin}", depth=1)
    assert aliases(workspace) == ["a", "b", "c"]
    assert git(entry.path, "rev-list", "--count", "HEAD") == "1\n"
    more(git, origin, "d")
    pull(workspace, "demo")
    assert aliases(workspace) == ["a", "b", "c", "d"]
    git(entry.path, "fsck", "--strict")


def test_failures_leave_nothing(workspace, git, origin, tmp_path, home):
    """Whatever fails, no name is taken and the next pull works."""
    git(tmp_path, "init", "-q", "empty")
    (tmp_path / "plain").mkdir()
    bad = tmp_path / "undescribed"
    git(tmp_path, "clone", "-q", str(origin), str(bad))
    git(bad, "rm", "-q", "cmr.yaml")
    git(bad, "commit", "-q", "-m", "gone")
    for url, error, options in (
        (tmp_path / "empty", NotFound, {}),
        (tmp_path / "plain", RemoteError, {}),
        (tmp_path / "none", RemoteError, {}),
        (bad, MetaError, {}),
        (origin, NotFound, {"branch": "none"}),
        (origin, NotFound, {"checkout": "none"}),
        ("ext::sh -c x", UsageError, {}),
        ("--upload-pack=x", UsageError, {}),
    ):
        with pytest.raises(error) as caught:
            pull(workspace, "demo", url=str(url), **options)
        assert caught.value.hint or error is UsageError
        assert [entry.alias for entry in workspace.registry.entries] == ["local"]
        assert os.listdir(home / "repos") == [] if (home / "repos").exists() else True
    pull(workspace, "demo", url=str(origin))
    assert aliases(workspace) == ["a", "b"]


def test_a_pull_that_fails_later_changes_nothing(workspace, git, origin):
    """A known repository stays as it was when the other side is gone."""
    entry = pull(workspace, url=str(origin))
    before = git(entry.path, "for-each-ref")
    origin.rename(origin.with_name("away"))
    with pytest.raises(RemoteError):
        pull(workspace, "demo")
    assert git(entry.path, "for-each-ref") == before
    assert aliases(workspace) == ["a", "b"]


KILLED = """
import os, signal, sys
import cmgit.pull as module
def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)
{patch}
from cmgit.workspace import Workspace
module.pull(Workspace(), "demo", url=sys.argv[1])
"""


@pytest.mark.parametrize(
    "patch",
    ["module.fetch = kill", "module._described = kill", "module._remember = kill",
     "os.rename = kill", "module.Workspace.index = kill"],
)  # fmt: skip
def test_a_killed_pull_is_no_obstacle(workspace, origin, patch):
    """However far a killed pull got, the same pull succeeds afterwards."""
    program = KILLED.format(patch=patch)
    done = subprocess.run([sys.executable, "-c", program, str(origin)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert set(aliases(workspace)) <= {"a", "b"}
    pull(workspace, "demo", url=str(origin))
    assert aliases(workspace) == ["a", "b"]


def test_no_password_is_kept(workspace, git, origin, home, monkeypatch):
    """Neither the registry, nor Git's configuration, nor anything else in the home has it."""
    monkeypatch.setattr("cmgit.pull.fetch", _fetch_without_login(origin))
    entry = pull(workspace, "demo", url="https://ann:s3cret@example.org/o/demo.git")
    assert entry.url == "https://example.org/o/demo.git"
    assert git(entry.path, "config", "remote.origin.url").strip() == entry.url
    found = [p for p in home.rglob("*") if p.is_file() and b"s3cret" in p.read_bytes()]
    assert found == []


def _fetch_without_login(origin: Path):  # type: ignore[no-untyped-def]
    from cmgit.store.remote import Source, fetch

    def fake(git, source, depth, report):  # type: ignore[no-untyped-def]
        assert "s3cret" in source.address  # the login is used
        return fetch(git, Source(source.url, str(origin), source.alias), depth, report)

    return fake


def test_package_is_the_same_in_two_homes(tmp_path):
    """The snapshot of an installed package has one id wherever it is taken."""
    commits = []
    for name in ("one", "two"):
        workspace = Workspace(str(tmp_path / name))
        entry = pull(workspace, "package:cmx4mlops")
        commits.append(workspace.repository(entry).git.head().commit)
        assert len(workspace.find(repo=entry.alias)) > 300
    assert commits[0] == commits[1] is not None


def test_nothing_to_pull(workspace, make_repo):
    """No name, a working repository, an unknown name that is no path."""
    with pytest.raises(UsageError, match="nothing to pull"):
        pull(workspace)
    with pytest.raises(UsageError, match="working repository"):
        pull(workspace, "local")


# -- checkout, rm, detect, update -------------------------------------------------------------


def test_checkout_makes_a_work_tree(workspace, git, origin, tmp_path):
    """Files, branches and the remote are as ``git clone`` makes them; the work goes on."""
    (origin / "script" / "a" / "run.sh").chmod(0o755)
    (origin / "link").symlink_to("script/a")
    git(origin, "add", "--all")
    git(origin, "commit", "-q", "-m", "modes")
    bare = pull(workspace, url=str(origin))
    entry = checkout(workspace, "demo", str(tmp_path / "work"))
    assert entry.kind == "working"
    assert not os.path.exists(bare.path)
    assert git(entry.path, "status", "--porcelain") == ""
    assert git(entry.path, "rev-parse", "--is-bare-repository") == "false\n"
    assert os.access(tmp_path / "work" / "script" / "a" / "run.sh", os.X_OK)
    assert os.readlink(tmp_path / "work" / "link") == "script/a"
    git(entry.path, "fsck", "--strict")
    assert aliases(workspace) == ["a", "b"]
    commit = more(git, origin, "c")
    git(entry.path, "pull", "-q", "--no-rebase", "origin", "main")
    assert head(git, entry.path) == commit
    assert aliases(workspace) == ["a", "b", "c"]
    add(workspace, "script", "demo:d")
    assert git(entry.path, "status", "--porcelain") == ""
    with pytest.raises(UsageError, match="working repository") as caught:
        pull(workspace, "demo")
    assert "git pull" in caught.value.hint


def test_checkout_of_line_ends(workspace, git, origin, tmp_path):
    """The files have the line ends that Git's attributes ask for, wherever those are written."""
    write_files(origin, {".gitattributes": "*.bat eol=crlf\n", "x.bat": "a\r\n", "!x.bat": "a\n"})
    write_files(origin, {"d/.gitattributes": "* eol=crlf\n", "d/!": "a\n"})
    more(git, origin, "c")
    pull(workspace, url=str(origin))
    checkout(workspace, "demo", str(tmp_path / "work"))
    for name in ("x.bat", "!x.bat", "d/!"):
        assert (tmp_path / "work" / name).read_bytes() == b"a\r\n"
    assert git(tmp_path / "work", "status", "--porcelain") == ""


def test_checkout_makes_no_link_that_leads_out(workspace, git, origin, tmp_path):
    """Such a link is a file with its target, which neither Git nor ``save`` takes for an edit."""
    (origin / "out").symlink_to("/etc/passwd")
    more(git, origin, "c")
    pull(workspace, url=str(origin))
    checkout(workspace, "demo", str(tmp_path / "work"))
    assert not (tmp_path / "work" / "out").is_symlink()
    assert (tmp_path / "work" / "out").read_text() == "/etc/passwd"
    assert git(tmp_path / "work", "status", "--porcelain") == ""
    assert save(workspace, "demo") == []


def test_checkout_with_a_submodule(workspace, git, origin, tmp_path, make_repo):
    """A submodule is an empty directory that Git can fill."""
    inner = make_repo("inner", "i", uid="1111111111111111")
    git(origin, "submodule", "add", "-q", str(inner), "sub")
    more(git, origin, "c")
    pull(workspace, url=str(origin))
    checkout(workspace, "demo", str(tmp_path / "work"))
    assert os.listdir(tmp_path / "work" / "sub") == []
    assert git(tmp_path / "work", "status", "--porcelain") == ""
    assert save(workspace, "demo") == []
    git(tmp_path / "work", "submodule", "update", "-q", "--init")
    assert (tmp_path / "work" / "sub" / "cmr.yaml").exists()


def test_checkout_refuses_what_is_there(workspace, origin, tmp_path):
    """A directory with files is not touched, and the repository stays bare."""
    bare = pull(workspace, url=str(origin))
    write_files(tmp_path / "work", {"file": "mine"})
    with pytest.raises(AlreadyExists):
        checkout(workspace, "demo", str(tmp_path / "work"))
    assert os.listdir(tmp_path / "work") == ["file"]
    assert workspace.registry.entries[1] == bare
    with pytest.raises(UsageError):
        checkout(workspace, "local", str(tmp_path / "other"))


KILLED_CHECKOUT = """
import os, signal, sys
from cmgit import repositories
from cmgit.workspace import Workspace

repositories.populate = lambda worktree: os.kill(os.getpid(), signal.SIGKILL)
repositories.checkout(Workspace(sys.argv[1]), sys.argv[2], sys.argv[3])
"""


def test_checkout_after_a_killed_one(workspace, origin, tmp_path, home):
    """What a killed one left beside the directory is gone after the next one to there."""
    place = tmp_path / "places" / "work"
    pull(workspace, url=str(origin))
    command = [sys.executable, "-c", KILLED_CHECKOUT, str(home), "demo", str(place)]
    assert subprocess.run(command).returncode == -signal.SIGKILL
    (left,) = os.listdir(place.parent)
    assert left != "work"
    (place.parent / "work.cmgit-notes.tmp").mkdir()
    checkout(workspace, "demo", str(place))
    assert sorted(os.listdir(place.parent)) == ["work", "work.cmgit-notes.tmp"]
    assert aliases(workspace) == ["a", "b"]


def test_remove(workspace, origin, tmp_path, home):
    """Without ``everything`` the files stay and can be pulled again; with it they go."""
    entry = pull(workspace, url=str(origin))
    remove(workspace, "demo")
    assert os.path.isdir(entry.path)
    assert aliases(workspace) == []
    again = pull(workspace, url=str(origin))
    assert aliases(workspace) == ["a", "b"]
    remove(workspace, "dem*", everything=True)
    assert not os.path.exists(again.path)
    assert origin.exists()
    with pytest.raises(NotFound):
        remove(workspace, "demo")
    with pytest.raises(UsageError):
        remove(workspace, "*")


def test_detect(workspace, origin, tmp_path):
    """The innermost repository that a directory is in, links resolved."""
    init(workspace, path=str(origin))
    inner = origin / "script" / "a" / "inner"
    init(workspace, "inner", str(inner))
    (tmp_path / "link").symlink_to(origin / "script")
    for path, alias in ((origin, "demo"), (origin / "script", "demo"), (inner, "inner"),
                        (tmp_path / "link" / "b", "demo")):  # fmt: skip
        found = detect(workspace, str(path))
        assert found is not None
        assert found.alias == alias
    assert detect(workspace, str(tmp_path)) is None
    assert detect(workspace, f"{origin}-not") is None


@pytest.mark.parametrize("kind", ["working", "bare"])
def test_update_the_description(workspace, git, origin, kind):
    """One commit that changes ``desc`` alone."""
    entry = init(workspace, path=str(origin)) if kind == "working" else pull(workspace, str(origin))
    update(workspace, "demo", "new words")
    text = git(entry.path, "show", "HEAD:cmr.yaml")
    assert text == "alias: demo\nuid: 0123456789abcdef\ndesc: new words\n"
    assert git(entry.path, "rev-list", "--count", "HEAD") == "2\n"
    git(entry.path, "fsck", "--strict")


def test_a_repository_that_is_away(workspace, origin):
    """One whose directory is missing stays registered, and comes back."""
    init(workspace, path=str(origin))
    assert aliases(workspace) == ["a", "b"]
    origin.rename(origin.with_name("away"))
    workspace.find()
    assert any("demo" in warning for warning in workspace.warnings())
    origin.with_name("away").rename(origin)
    assert aliases(workspace) == ["a", "b"]
