"""One repository on disk: formats, head, refs, commits, revisions; the reference is Git."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cmgit.errors import Busy, Damaged, GitError, NotFound, Unsupported
from cmgit.store import locks
from cmgit.store.git import GitRepository, Head

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


@pytest.fixture
def path(make_repo) -> Path:
    """A repository with one commit."""
    return make_repo("demo", "a")


def head_of(git, path: Path) -> str:
    """The commit that is checked out."""
    return git(path, "rev-parse", "HEAD").strip()


# -- formats ----------------------------------------------------------------------------------


def test_open_looks_only_at_the_path(path):
    """A directory in a repository is none, nor is an empty one."""
    with pytest.raises(NotFound, match="is not a Git repository"):
        GitRepository.open(str(path / "script"))


@pytest.mark.parametrize("bare", [True, False])
def test_sha256_is_refused_by_name(tmp_path, git, bare):
    """A repository with SHA-256 ids, made by the real Git."""
    words = ["--bare"] if bare else []
    git(tmp_path, "init", "-q", "--object-format=sha256", *words, "r")
    with pytest.raises(Unsupported, match="SHA-256"):
        GitRepository.open(str(tmp_path / "r"))


@pytest.mark.parametrize("version", ["0", "1"])
def test_reftable_is_refused_by_name(path, git, version):
    """The extension of newer Gits; refused also where the version forgets to say so."""
    git(path, "config", "core.repositoryformatversion", version)
    git(path, "config", "extensions.refStorage", "reftable")
    with pytest.raises(Unsupported, match="reftable"):
        GitRepository.open(str(path))


@pytest.mark.parametrize(
    ("key", "value"), [("core.repositoryformatversion", "2"), ("extensions.nonsense", "true")]
)
def test_unknown_formats_are_refused(path, git, key, value):
    """A format version or an extension from the future."""
    git(path, "config", "core.repositoryformatversion", "1")
    git(path, "config", key, value)
    with pytest.raises(Unsupported, match="not supported"):
        GitRepository.open(str(path))


def test_worktree_config_is_read(path, git):
    """``extensions.worktreeConfig``, which sparse check-outs turn on, is no obstacle."""
    git(path, "config", "extensions.worktreeConfig", "true")
    assert GitRepository.open(str(path)).head().commit == head_of(git, path)


def test_damaged_config(path):
    """A config that does not parse is an error of Git's, with the file's name."""
    (path / ".git" / "config").write_text("[core\n=")
    with pytest.raises(GitError, match="config"):
        GitRepository.open(str(path))


@pytest.mark.parametrize("bare", [True, False])
def test_init_is_a_repository_to_git(tmp_path, git, bare):
    """What cmgit initialises, Git takes as it is."""
    made = GitRepository.init(str(tmp_path / "r"), bare)
    assert made.bare == bare
    assert git(made.path, "rev-parse", "--is-bare-repository").strip() == str(bare).lower()
    assert git(made.path, "symbolic-ref", "HEAD") == "refs/heads/main\n"
    git(made.path, "fsck", "--strict")
    assert GitRepository.open(made.path).head() == Head("refs/heads/main", None)


# -- head and refs ----------------------------------------------------------------------------


def test_head(path, git):
    """On a branch, packed or loose; detached; on an unborn branch; damaged."""
    commit = head_of(git, path)
    repo = GitRepository.open(str(path))
    assert repo.head() == Head("refs/heads/main", commit)
    git(path, "switch", "-q", "-c", "topic/one")
    git(path, "pack-refs", "--all")
    assert GitRepository.open(str(path)).head() == Head("refs/heads/topic/one", commit)
    git(path, "checkout", "-q", "--detach")
    assert repo.head() == Head(None, commit)
    git(path, "checkout", "-q", "--orphan", "new")
    assert repo.head() == Head("refs/heads/new", None)


@pytest.mark.parametrize("content", ["", "nonsense\n", "0" * 64, "\0" * 41])
@pytest.mark.parametrize("file", ["HEAD", "refs/heads/main"])
def test_damaged_head(path, file, content):
    """What a crash may leave in a ref is an error, and never taken for an unborn branch."""
    (path / ".git" / file).write_text(content)
    with pytest.raises(Damaged, match=file):
        GitRepository.open(str(path)).head()


def test_refs_are_those_of_git(path, git):
    """Loose and packed, branches, tags and remote ones; annotated tags by the tag's id."""
    git(path, "tag", "-a", "v1", "-m", "one")
    git(path, "pack-refs", "--all")
    git(path, "branch", "é/x")
    git(path, "update-ref", "refs/remotes/origin/main", "HEAD")
    lines = git(path, "show-ref", "--head").splitlines()
    wanted = {name: oid for oid, name in (line.split(" ") for line in lines)}
    repo = GitRepository.open(str(path))
    assert repo.refs() == wanted
    assert repo.ref("refs/heads/é/x") == wanted["HEAD"]
    assert repo.ref("refs/heads/none") is None
    assert repo.read_commit(repo.ref("refs/tags/v1")).oid == wanted["HEAD"]


@pytest.mark.parametrize("packed", [True, False])
def test_move_ref_is_a_compare_and_swap(path, git, packed):
    """It moves from the value that is there, and only from that; the reflog tells."""
    repo = GitRepository.open(str(path))
    first = head_of(git, path)
    second = git(path, "commit-tree", "-p", first, "-m", "two", f"{first}^{{tree}}").strip()
    if packed:
        git(path, "pack-refs", "--all")
    assert not repo.move_ref("refs/heads/main", second, first, "no")
    assert not repo.move_ref("refs/heads/main", None, second, "no")
    assert head_of(git, path) == first
    assert repo.move_ref("refs/heads/main", first, second, "cmgit: yes\nand more")
    assert head_of(git, path) == second
    assert git(path, "reflog", "-1", "--format=%H %gs") == f"{second} cmgit: yes\n"
    assert git(path, "reflog", "-1", "--format=%gs", "main") == "cmgit: yes\n"
    assert git(path, "rev-parse", "main@{1}").strip() == first
    assert repo.move_ref("refs/heads/new/branch", None, first, "made")
    assert git(path, "rev-parse", "new/branch").strip() == first
    assert git(path, "fsck", "--strict") == ""


def test_move_ref_sees_what_was_packed_meanwhile(path, git):
    """An open repository does not believe its cache of packed refs."""
    repo = GitRepository.open(str(path))
    git(path, "pack-refs", "--all")
    first = repo.ref("refs/heads/main")
    git(path, "commit", "-q", "--allow-empty", "-m", "two")
    git(path, "pack-refs", "--all")
    second = head_of(git, path)
    assert not repo.move_ref("refs/heads/main", first, first, "no")
    assert repo.move_ref("refs/heads/main", second, first, "back")


def test_move_ref_waits_for_the_lock(path, monkeypatch):
    """While Git holds the lock of the ref, the move is refused, and nothing changes."""
    repo = GitRepository.open(str(path))
    monkeypatch.setattr(locks, "GIT_WAIT_SECONDS", 0.1)
    lock = path / ".git" / "refs" / "heads" / "main.lock"
    lock.touch()
    first = repo.head().commit
    with pytest.raises(Busy, match=r"main\.lock"):
        repo.move_ref("refs/heads/main", first, first, "no")
    assert lock.exists()


def test_move_ref_in_place_of_an_empty_directory(path, git):
    """Directories that a deleted branch left behind are no obstacle, as for Git."""
    (path / ".git" / "refs" / "heads" / "topic" / "x").mkdir(parents=True)
    repo = GitRepository.open(str(path))
    assert repo.move_ref("refs/heads/topic", None, repo.head().commit, "made")
    assert git(path, "rev-parse", "topic") == git(path, "rev-parse", "HEAD")


def test_linked_worktree(path, git, tmp_path):
    """A linked work tree has its own HEAD, and shares branches and objects."""
    git(path, "worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    side = GitRepository.open(str(tmp_path / "side"))
    assert side.head() == Head("refs/heads/side", head_of(git, path))
    assert side.git_directory != side.common_directory == str(path / ".git")
    oid = side.commit(EMPTY_TREE, (), "x")
    side.objects.flush()
    assert side.move_ref("refs/heads/side", side.head().commit, oid, "moved")
    assert git(path, "rev-parse", "side").strip() == oid
    assert git(tmp_path / "side", "reflog", "-1", "--format=%gs") == "moved\n"


# -- commits ----------------------------------------------------------------------------------


def test_commit_is_commit_tree(path, git, monkeypatch):
    """The same tree, parents, message and identity give the commit that Git makes."""
    repo = GitRepository.open(str(path))
    tree = git(path, "rev-parse", "HEAD:script").strip()
    parent = head_of(git, path)
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Zoë <Z>")
    monkeypatch.setenv("GIT_AUTHOR_EMAIL", "zoe@example.org")
    oid = repo.commit(tree, (parent,), "títle\n\nbody")
    made = repo.read_commit(oid)
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_DATE", f"{made.time} +0000")
    words = ["-p", parent, "-m", "títle\n\nbody", tree]
    assert git(path, "commit-tree", *words).strip() == oid
    repo.objects.flush()
    assert git(path, "fsck", "--strict", oid) == ""


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/St_Johns"])
def test_time_zone(path, git, monkeypatch, zone):
    """The zone is written as Git writes it."""
    monkeypatch.setenv("TZ", zone)
    import time

    time.tzset()
    try:
        repo = GitRepository.open(str(path))
        oid = repo.commit(EMPTY_TREE, (), "x")
        repo.objects.flush()
        git(path, "commit", "-q", "--allow-empty", "-m", "real")
        words = ["log", "-1", "--format=%ad", "--date=format:%z"]
        zones = [git(path, *words, commit) for commit in (oid, "HEAD")]
        assert zones[0] == zones[1]
        assert repo.read_commit(oid).zone == repo.read_commit(head_of(git, path)).zone
    finally:
        monkeypatch.undo()
        time.tzset()


def test_nobody(path, git, monkeypatch):
    """Where neither Git nor the system knows the user, a commit is refused with what to do."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME", "EMAIL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    with pytest.raises(GitError, match="who you are") as caught:
        GitRepository.open(str(path)).commit(EMPTY_TREE, (), "x")
    assert "git config" in caught.value.hint


@pytest.fixture
def history(path, git) -> Path:
    """A repository with a merge, a tag, and commits days apart."""
    for number, branch in enumerate(["main", "side", "main", "side"]):
        for role in ("AUTHOR", "COMMITTER"):
            os.environ[f"GIT_{role}_DATE"] = f"2020-01-0{number + 1}T12:00:00+0200"
        git(path, "switch", "-q", *(["-c"] if number == 1 else []), branch)
        git(path, "commit", "-q", "--allow-empty", "-m", f"{branch} {number}")
    git(path, "switch", "-q", "main")
    os.environ["GIT_COMMITTER_DATE"] = "2020-01-06T12:00:00+0200"
    git(path, "merge", "-q", "-m", "merged", "side")
    git(path, "tag", "-a", "v1", "-m", "one", "HEAD^2")
    for role in ("AUTHOR", "COMMITTER"):
        del os.environ[f"GIT_{role}_DATE"]
    return path


def test_commits_are_git_log(history, git):
    """Every commit once, in the order of ``git log``, with its parts."""
    repo = GitRepository.open(str(history))
    form = "%H|%T|%P|%an <%ae>|%ct|%B"
    wanted = git(history, "log", "--date-order", "-z", f"--format={form}").split("\0")
    found = [
        f"{c.oid}|{c.tree}|{' '.join(c.parents)}|{c.author}|{c.time}|{c.message}"
        for c in repo.commits(repo.head().commit)
    ]
    assert found == [line for line in wanted if line]
    assert {c.zone for c in repo.commits(head_of(git, history)) if c.time < 1600000000} == {7200}


@pytest.mark.parametrize(
    "revision",
    ["HEAD", "main", "side", "v1", "refs/tags/v1", "HEAD^", "HEAD^2", "HEAD~2", "HEAD^2~1", "@",
     "v1^{commit}", "v1^{}", "v1~1", "main@{1}", "@{2}", "HEAD@{0}", "heads/main", "HEAD^0",
     "v1-0-gSHORT", "SHORT", "SHORT^"],
)  # fmt: skip
def test_revisions_are_rev_parse(history, git, revision):
    """Revisions name what they name for Git."""
    revision = revision.replace("SHORT", head_of(git, history)[:9])
    wanted = git(history, "rev-parse", f"{revision}^{{commit}}").strip()
    assert GitRepository.open(str(history)).resolve(revision) == wanted


def test_abbreviated_ids(history, git):
    """A short id names its commit, packed too; a blob's does not, nor three digits."""
    repo, commit = GitRepository.open(str(history)), head_of(git, history)
    assert repo.resolve(commit[:8]) == commit
    assert repo.resolve(commit) == commit
    git(history, "gc", "-q")
    assert repo.resolve(commit[:7]) == commit
    blob = git(history, "rev-parse", "HEAD:cmr.yaml").strip()
    for revision in (blob, blob[:8], commit[:3]):
        with pytest.raises(NotFound):
            repo.resolve(revision)


@pytest.mark.parametrize("revision", ["", "none", "1" * 40, "HEAD~99", "HEAD^3", "-x", "é", "\0"])
def test_no_such_revision(history, revision):
    """What names nothing raises NotFound, whatever it is."""
    with pytest.raises(NotFound, match="no revision"):
        GitRepository.open(str(history)).resolve(revision)


@pytest.mark.parametrize("day", range(1, 8))
def test_before_is_rev_list(history, git, day):
    """The newest commit not after a time."""
    time = int(git(history, "log", "--format=%ct", "--reverse", "main", "--grep=main 0")) - 7200
    time += (day - 1) * 86400
    wanted = git(history, "rev-list", "-1", f"--before={time}", "HEAD").strip()
    assert (GitRepository.open(str(history)).before(time) or "") == wanted


def test_reaches(history, git):
    """As ``git merge-base --is-ancestor``."""
    repo = GitRepository.open(str(history))
    ids = {name: git(history, "rev-parse", name).strip() for name in ("main", "main^", "side")}
    assert repo.reaches([ids["main"]], ids["side"])
    assert repo.reaches([ids["main"]], ids["main"])
    assert not repo.reaches([ids["side"]], ids["main"])
    assert not repo.reaches([ids["side"]], ids["main^"])
    assert repo.reaches([ids["side"], ids["main"]], ids["main^"])
    assert not repo.reaches([], ids["main"])


def test_shallow(history, git, tmp_path):
    """The history of a shallow clone ends at its boundary."""
    git(tmp_path, "clone", "-q", "--depth=2", f"file://{history}", "shallow")
    repo = GitRepository.open(str(tmp_path / "shallow"))
    wanted = git(tmp_path / "shallow", "log", "--format=%H").split()
    assert [commit.oid for commit in repo.commits(repo.head().commit)] == wanted
    assert len(wanted) < len(git(history, "log", "--format=%H").split())


# -- state ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "operation"),
    [(["merge", "side"], "a merge"), (["rebase", "side"], "a rebase"),
     (["rebase", "--apply", "side"], "a rebase"), (["cherry-pick", "side"], "a cherry-pick"),
     (["revert", "HEAD~1"], "a revert"), (["stash", "pop"], "")],
)  # fmt: skip
def test_operation(path, git, words, operation):
    """What the real Git is in the middle of, when it stopped at a conflict."""
    import subprocess

    for branch, text in (("side", "side"), ("main", "main"), ("main", "again")):
        git(path, "switch", "-q", *(["-c"] if text == "side" else []), branch)
        (path / "file").write_text(text)
        git(path, "add", "file")
        git(path, "commit", "-q", "-m", text)
    repo = GitRepository.open(str(path))
    assert repo.operation() == ""
    repo.check_idle()
    done = subprocess.run(["git", *words], cwd=path, capture_output=True)
    assert done.returncode != 0
    assert repo.operation() == operation
    if operation:
        with pytest.raises(Busy, match=operation) as caught:
            repo.check_idle()
        git(
            path, *caught.value.hint.split("'")[3].split()[1:]
        )  # the hint is a command that ends it
    assert repo.operation() == ""


@pytest.mark.parametrize(
    "date", ["1700000000 +0130", "2024-02-29T12:00:00+02:00", "Thu, 29 Feb 2024 12:00:00 -0500"]
)
def test_dates_of_the_environment_are_those_git_would_write(
    home, workspace, git, monkeypatch, date
):
    """GIT_AUTHOR_DATE and GIT_COMMITTER_DATE decide, as they do for git itself."""
    monkeypatch.setenv("GIT_AUTHOR_DATE", date)
    monkeypatch.setenv("GIT_COMMITTER_DATE", date)
    workspace.add("automation", "thing")
    local = home / "local"
    git(local, "commit", "--allow-empty", "-q", "-m", "by git")
    ours, theirs = git(local, "log", "-2", "--format=%ad %cd", "--date=raw").splitlines()
    assert ours == theirs


def test_nobody_commits_where_only_the_configuration_may_say_who(workspace, git, home):
    """user.useConfigOnly without a name refuses the change, with a hint."""
    git(home, "config", "--global", "--unset", "user.name")
    git(home, "config", "--global", "user.useConfigOnly", "true")
    with pytest.raises(GitError, match="who you are") as caught:
        workspace.add("automation", "thing")
    assert "user.name" in caught.value.hint
