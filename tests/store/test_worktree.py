"""Files, Git index and branch as one: against the real Git, and after ``kill -9``."""

from __future__ import annotations

import os
import random
import subprocess
import time
from pathlib import Path

import pytest

from cmgit.errors import Busy, Unsupported
from cmgit.repository import Repository
from cmgit.store import locks
from cmgit.store.gitindex import GitIndex, same_stat
from cmgit.store.objects import EXECUTABLE, FILE, LINK
from cmgit.store.worktree import WorkTree

from ..conftest import write_files


@pytest.fixture
def path(make_repo) -> Path:
    """A repository with two artifacts."""
    return make_repo("demo", "a", "b")


def write(path: Path, **files: str) -> None:
    """One commit by cmgit that writes files."""
    repository = Repository.open(str(path))
    with repository.locked(), repository.change("write") as change:
        for name, text in files.items():
            change.write(name, text.encode())


def pending(path: Path, *removed: str) -> list[str]:
    """What ``save`` would commit."""
    worktree = Repository.open(str(path)).worktree
    assert worktree is not None
    return sorted(worktree.pending()[0])


def clean(git, path: Path) -> None:
    """Assert that Git sees neither edits nor damage."""
    assert git(path, "status", "--porcelain") == ""
    git(path, "fsck", "--strict")


# -- the index --------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["2", "3", "4"])
def test_index_versions(path, git, version):
    """A change keeps the version of the index, its flags, and what was staged."""
    git(path, "update-index", "--index-version", version)
    write_files(path, {"staged": "s", "intended": "i", "skipped": "k"})
    git(path, "add", "staged", "skipped")
    git(path, "commit", "-q", "-m", "files")
    write_files(path, {"staged": "s2", "assumed": "x"})
    git(path, "add", "staged", "assumed")
    if version != "2":
        git(path, "add", "-N", "intended")
    git(path, "update-index", "--skip-worktree", "skipped")
    git(path, "update-index", "--assume-unchanged", "assumed")
    (path / "assumed").write_text("changed")
    (path / "skipped").unlink()
    before = [git(path, "diff"), git(path, "diff", "--cached"), git(path, "ls-files", "-v")]
    write(path, **{"new/file": "hello"})
    after = [git(path, "diff"), git(path, "diff", "--cached"), git(path, "ls-files", "-v")]
    after[2] = after[2].replace("H new/file\n", "")
    assert after == before
    # flags such as --skip-worktree need version 3; Git chooses between 2 and 3 by itself
    assert (path / ".git" / "index").read_bytes()[7] == max(3, int(version))
    git(path, "fsck", "--strict")


@pytest.mark.parametrize(
    "words", [["--untracked-cache"], ["--fsmonitor"], ["--force-untracked-cache"]]
)
def test_index_extensions(path, git, words):
    """Extensions that only speed Git up are no obstacle."""
    git(path, "config", "core.fsmonitor", "false")
    subprocess.run(["git", "update-index", *words], cwd=path, capture_output=True)
    git(path, "status")
    write(path, file="hello")
    clean(git, path)
    assert pending(path) == []


def test_many_entries(path, git):
    """Git writes an offset table when the index is big and threads are on."""
    git(path, "config", "index.threads", "2")
    write_files(path, {f"many/{number}": str(number) for number in range(300)})
    git(path, "add", "--all")
    git(path, "commit", "-q", "-m", "many")
    write(path, file="hello")
    clean(git, path)


def test_split_index_is_refused_by_name(path, git):
    """Nothing changes, and the hint is the command that helps."""
    git(path, "update-index", "--split-index")
    before = git(path, "rev-parse", "HEAD")
    with pytest.raises(Unsupported, match="split index") as caught:
        write(path, file="hello")
    assert git(path, "rev-parse", "HEAD") == before
    assert not (path / "file").exists()
    clean(git, path)
    git(path, *caught.value.hint.split("'")[1].split()[1:])
    write(path, file="hello")
    clean(git, path)


def test_sparse_index_is_refused_by_name(path, git):
    """Nothing changes, and the hint is the command that helps."""
    git(path, "sparse-checkout", "set", "--cone", "--sparse-index", "script/a")
    with pytest.raises(Unsupported, match="sparse index") as caught:
        write(path, **{"script/a/file": "hello"})
    assert not (path / "script" / "a" / "file").exists()
    clean(git, path)
    git(path, *caught.value.hint.split("'")[1].split()[1:])
    write(path, **{"script/a/file": "hello"})
    clean(git, path)


def test_index_lock_of_git_is_waited_for(path, git, monkeypatch):
    """A change is refused while Git holds the index, and nothing has happened."""
    monkeypatch.setattr(locks, "GIT_WAIT_SECONDS", 0.1)
    lock = path / ".git" / "index.lock"
    lock.touch()
    before = git(path, "rev-parse", "HEAD")
    with pytest.raises(Busy, match=r"index\.lock"):
        write(path, file="hello")
    lock.unlink()
    assert git(path, "rev-parse", "HEAD") == before
    assert not (path / "file").exists()
    clean(git, path)
    lock.touch()
    monkeypatch.setattr(locks, "GIT_WAIT_SECONDS", 10)
    with subprocess.Popen(["sh", "-c", f"sleep 0.2; rm '{lock}'"]):
        write(path, file="hello")
    clean(git, path)


def test_ref_lock_of_git_is_waited_for(path, git, monkeypatch):
    """The same for the lock of the branch; no journal is left."""
    monkeypatch.setattr(locks, "GIT_WAIT_SECONDS", 0.1)
    lock = path / ".git" / "refs" / "heads" / "main.lock"
    lock.touch()
    with pytest.raises(Busy, match=r"main\.lock"):
        write(path, file="hello")
    lock.unlink()
    clean(git, path)
    assert not Repository.open(str(path)).unfinished


SECOND = 1_700_000_000_000_000_000  # in ns: any whole one


@pytest.mark.parametrize(("added", "edited"), [(0, 0), (100, 100), (100, 300), (300, 200)])
def test_racily_clean_entries_stay_visible(path, git, added, edited):
    """An edit of the same size, in the second in which ``git add`` made the index, is seen after
    cmgit wrote the index too: cmgit smudges such entries as Git does, which compares seconds."""
    git(path, "config", "core.trustctime", "false")
    (path / "racy").write_text("one")
    os.utime(path / "racy", ns=(SECOND + added, SECOND + added))
    git(path, "add", "racy")
    git(path, "commit", "-q", "-m", "racy")
    (path / "racy").write_text("two")
    os.utime(path / "racy", ns=(SECOND + edited, SECOND + edited))
    os.utime(path / ".git" / "index", ns=(SECOND + 200, SECOND + 200))
    assert git(path, "diff", "--name-only") == "racy\n"
    write(path, file="hello")
    assert git(path, "diff", "--name-only") == "racy\n"
    assert pending(path) == ["racy"]


def test_an_edit_to_nothing_of_a_racy_entry(path, git):
    """The size 0 of a smudged entry is not that of a file that became empty."""
    git(path, "config", "core.trustctime", "false")
    (path / "racy").write_text("one")
    os.utime(path / "racy", ns=(SECOND, SECOND))
    git(path, "add", "racy")
    git(path, "commit", "-q", "-m", "racy")
    (path / "racy").write_text("")
    os.utime(path / "racy", ns=(SECOND, SECOND))
    os.utime(path / ".git" / "index", ns=(SECOND, SECOND))
    write(path, file="hello")
    assert git(path, "diff", "--name-only") == "racy\n"
    index = GitIndex(str(path / ".git"))
    assert not same_stat(index.read()[0]["racy"], os.lstat(path / "racy"))
    assert pending(path) == ["racy"]


def test_an_edit_of_what_a_change_has_just_written(path, git, monkeypatch):
    """It is seen, though of the same size and second, when the index is written later."""
    git(path, "config", "core.trustctime", "false")
    real = WorkTree._move

    def edit_meanwhile(self: WorkTree, source: str, target: str) -> None:
        found = (path / "written").stat()
        (path / "written").write_text("two")
        os.utime(path / "written", ns=(found.st_mtime_ns, found.st_mtime_ns))
        real(self, source, target)

    monkeypatch.setattr(WorkTree, "_move", edit_meanwhile)
    repository = Repository.open(str(path))
    with repository.locked(), repository.change("two files") as change:
        change.write("written", b"one")
        change.move("script/a", "script/c")
    later = time.time() + 5
    os.utime(path / ".git" / "index", (later, later))
    assert git(path, "diff", "--name-only") == "written\n"
    assert pending(path) == ["written"]


@pytest.mark.parametrize("text", ["edited", "edited again and longer", ""])
def test_an_edit_between_reading_and_staging(path, git, text):
    """What is saved is what was read; the edit since is still seen, as one that is not saved."""
    (path / "file").write_text("before")
    repository = Repository.open(str(path))
    with repository.locked(), repository.change("save") as change:
        assert repository.worktree is not None
        change.stage(*repository.worktree.pending())
        (path / "file").write_text(text)
        os.utime(path / "file", ns=(SECOND, SECOND))
    assert git(path, "show", "HEAD:file") == "before"
    assert git(path, "status", "--porcelain") == " M file\n"
    assert pending(path) == ["file"]


def test_same_time_and_size_but_other_content(path, git):
    """A file that was replaced by one with its time and size is seen, as Git sees it."""
    (path / "file").write_text("one")
    git(path, "add", "file")
    git(path, "commit", "-q", "-m", "file")
    found = (path / "file").stat()
    (path / "other").write_text("two")
    os.utime(path / "other", ns=(found.st_mtime_ns, found.st_mtime_ns))
    os.replace(path / "other", path / "file")
    os.utime(path / ".git" / "index")
    assert git(path, "diff", "--name-only") == "file\n"
    assert pending(path) == ["file"]


# -- pending ----------------------------------------------------------------------------------


def staged_by_git(git, path: Path) -> str:
    """The tree that ``git add --all`` makes, in an index of its own."""
    index = path / ".git" / "scratch"
    index.write_bytes((path / ".git" / "index").read_bytes())
    os.environ["GIT_INDEX_FILE"] = str(index)
    try:
        subprocess.run(["git", "add", "--all"], cwd=path, capture_output=True, check=True)
        return git(path, "write-tree").strip()
    finally:
        del os.environ["GIT_INDEX_FILE"]


def saved(git, path: Path) -> str:
    """The tree that ``save`` commits."""
    repository = Repository.open(str(path))
    with repository.locked(), repository.change("save") as change:
        assert repository.worktree is not None
        change.stage(*repository.worktree.pending())
    return git(path, "rev-parse", "HEAD^{tree}").strip()


def test_uncommitted(path, git):
    """What no commit has: edited, staged, new, ignored, of a repository inside; not what is gone."""
    write_files(
        path, {".gitignore": "*.bin\n", "same": "s", "gone": "g", "staged": "1", "mode": "m"}
    )
    git(path, "add", "--all")
    git(path, "commit", "-q", "-m", "files")
    git(path, "init", "-q", "inner")
    write_files(
        path, {"staged": "2", "new": "n", "w.bin": "w", "script/a/run.sh": "echo", "inner/x": "x"}
    )
    git(path, "add", "staged")
    git(path, "rm", "-q", "--cached", "same")
    (path / "gone").unlink()
    (path / "mode").chmod(0o755)
    worktree = Repository.open(str(path)).worktree
    assert worktree is not None
    assert sorted(worktree.uncommitted()) == [
        "inner/x", "mode", "new", "script/a/run.sh", "staged", "w.bin",
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
def test_save_is_add_all(path, git, seed):
    """After random edits and random staging, what is saved is what ``git add --all`` stages."""
    chance = random.Random(seed)
    places = ["script/a/run.sh", "script/a/x/y", "script/b", "top", "é ö", "script/a/x", "-dash"]
    for _ in range(12):
        place = path / chance.choice(places)
        match chance.choice(["write", "remove", "mode", "link", "stage", "commit"]):
            case "write" if not place.is_dir() and all(not p.is_file() for p in place.parents):
                place.parent.mkdir(parents=True, exist_ok=True)
                place.unlink(missing_ok=True)
                place.write_text(chance.choice(["", "one\n", "two\n"]))
            case "remove" if place.is_dir():
                subprocess.run(["rm", "-r", str(place)], check=True)
            case "remove":
                if all(not p.is_file() for p in place.parents):
                    place.unlink(missing_ok=True)
            case "mode" if place.is_file():
                place.chmod(chance.choice([0o644, 0o755]))
            case "link" if not os.path.lexists(place) and place.parent.is_dir():
                place.symlink_to("a")
            case "stage":
                git(path, "add", "--all", ":/" + chance.choice(["script", ""]))
            case "commit":
                git(path, "commit", "-q", "--allow-empty", "-m", "more")
    wanted = staged_by_git(git, path)
    tree = saved(git, path)
    assert git(path, "diff", wanted, tree) == ""
    clean(git, path)
    assert pending(path) == []


IGNORE = """\
*.log
!keep.log
/build
cache/
docs/**/tmp
**/deep
a b
\\#hash
trail\\\040
foo/*
!foo/bar
[xyz]1
dir?/
*.py[cod]
"""


def test_ignored_files_are_those_of_git(path, git):
    """.gitignore in all its ways, nested, in info/exclude, and the user's own."""
    names = ["x.log", "keep.log", "build/x", "sub/build/x", "cache/x", "sub/cache/y", "sub/cache",
             "docs/a/b/tmp", "docs/tmp", "q/deep/z", "a b", "#hash", "trail ", "foo/x", "foo/bar",
             "foo/baz/bar", "x1", "w1", "dir1/x", "dirs", "m.pyc", "m.py", "nested/x.txt",
             "nested/y.txt", "nested/in/x.txt", "excluded", "global", "é.tmp", "cache2/x",
             "nested/keep.log", "foo/bar2/x"]  # fmt: skip
    for name in names:
        if not (path / name).exists():
            write_files(path, {name: ""})
    write_files(
        path,
        {
            ".gitignore": IGNORE,
            "nested/.gitignore": "*.txt\n!/y.txt\n",
            ".git/info/exclude": "excluded\n",
        },
    )
    Path(os.environ["HOME"], "ignore").write_text("global\n*.tmp\n")
    git(path, "config", "--global", "core.excludesFile", "~/ignore")
    shown = git(path, "ls-files", "-z", "--others", "--exclude-standard").split("\0")
    assert pending(path) == sorted(filter(None, shown))


def test_tracked_though_ignored(path, git):
    """A file that is ignored and committed is saved when it changes."""
    write_files(path, {"x.log": "one"})
    git(path, "add", "x.log")
    git(path, "commit", "-q", "-m", "x")
    write_files(path, {".gitignore": "*.log\n", "x.log": "two", "y.log": "no"})
    assert pending(path) == [".gitignore", "x.log"]


def test_what_git_does_not_take(path, git):
    """A pipe, a directory of another repository and an empty directory are left alone."""
    os.mkfifo(path / "pipe")
    git(path, "init", "-q", "inner")
    write_files(path, {"inner/file": ""})
    (path / "empty").mkdir()
    assert pending(path) == []
    write(path, file="x")
    assert (path / "inner" / "file").exists()
    assert (path / "empty").is_dir()


# -- line ends --------------------------------------------------------------------------------

TEXTS = {"lf": b"a\nb\n", "crlf": b"a\r\nb\r\n", "mixed": b"a\r\nb\n", "binary": b"a\r\n\0b\n",
         "none": b"", "cr": b"a\rb", "end": b"a\r\nb"}  # fmt: skip


@pytest.mark.parametrize("autocrlf", ["false", "true", "input"])
@pytest.mark.parametrize(
    "attributes",
    ["", "* text=auto\n", "* text\n", "* -text\n", "* eol=crlf\n", "* text eol=lf\n", "* binary\n",
     "* text=auto eol=crlf\n", "* crlf\n", "sub/* eol=crlf\n"],
)  # fmt: skip
def test_line_ends_are_those_of_git(path, git, autocrlf, attributes):
    """The blobs are those of ``git add``, and the files those of ``git checkout``."""
    git(path, "config", "core.autocrlf", autocrlf)
    git(path, "config", "core.safecrlf", "false")
    write_files(path, {".gitattributes": attributes} if attributes else {})
    write_files(path, {f"{d}/{name}": data for d in ("sub", "top") for name, data in TEXTS.items()})
    wanted = staged_by_git(git, path)
    assert saved(git, path) == wanted
    clean(git, path)
    assert pending(path) == []
    names = git(path, "ls-files", "sub", "top").split()
    repository = Repository.open(str(path))
    assert repository.worktree is not None
    entries = {name: repository.worktree.put_path(name) for name in names}
    with repository.locked(), repository.change("rm") as change:
        change.remove("sub")
        change.remove("top")
    with repository.locked(), repository.change("again") as change:
        for name, entry in entries.items():
            assert entry is not None
            change._put(name, entry)
    written = {name: (path / name).read_bytes() for name in names}
    clean(git, path)
    git(path, "rm", "-q", "-r", "--cached", "sub", "top")
    subprocess.run(["rm", "-r", "sub", "top"], cwd=path, check=True)
    git(path, "checkout", "-q", "HEAD", "--", ".")
    assert written == {name: (path / name).read_bytes() for name in names}


def test_crlf_that_was_committed_stays(path, git):
    """With autocrlf, a committed file with CRLF is not converted, as Git does not."""
    write_files(path, {"file": b"a\r\n"})
    git(path, "add", "file")
    git(path, "commit", "-q", "-m", "crlf")
    git(path, "config", "core.autocrlf", "true")
    write_files(path, {"file": b"a\r\nb\r\n"})
    wanted = staged_by_git(git, path)
    assert saved(git, path) == wanted


def test_filters(path, git):
    """A clean and a smudge filter of the user's configuration are applied as Git does."""
    git(path, "config", "filter.rot.clean", "tr a-z n-za-m")
    git(path, "config", "filter.rot.smudge", "tr a-z n-za-m")
    write_files(path, {".gitattributes": "*.rot filter=rot\n", "x.rot": "hello"})
    wanted = staged_by_git(git, path)
    assert saved(git, path) == wanted
    assert git(path, "show", "HEAD:x.rot") == "uryyb"
    write(path, **{"y.rot": "hello"})
    assert git(path, "show", "HEAD:y.rot") == "uryyb"
    assert (path / "y.rot").read_text() == "hello"
    clean(git, path)


# -- operations -------------------------------------------------------------------------------


def test_modes(path, git):
    """Files, executable files and links are written as what they are."""
    repository = Repository.open(str(path))
    with repository.locked(), repository.change("modes") as change:
        change.write("file", b"x", FILE)
        change.write("tool", b"x", EXECUTABLE)
        change.write("link", b"script/a", LINK)
    lines = git(path, "ls-files", "-s", "file", "tool", "link").splitlines()
    assert [line[:6] for line in lines] == ["100644", "120000", "100755"]
    assert os.readlink(path / "link") == "script/a"
    clean(git, path)


def test_remove_and_move_leave_no_empty_directories(path, git):
    """Directories go with their last file, as with ``git rm`` and ``git mv``."""
    repository = Repository.open(str(path))
    with repository.locked(), repository.change("rm") as change:
        change.remove("script/a")
        change.move("script/b", "other/c")
    assert sorted(os.listdir(path)) == [".git", "cmr.yaml", "other"]
    assert (
        git(path, "log", "-1", "--format=%s", "--name-status", "-M").split("\n")[2:-1]
        == [
            "R100\tscript/b/_cm.yaml\tother/c/_cm.yaml",
            "R100\tscript/b/run.sh\tother/c/run.sh",
            "D\tscript/a/_cm.yaml",
            "D\tscript/a/run.sh",
        ]
        or git(path, "status", "--porcelain") == ""
    )
    clean(git, path)


KILL = """
import os, signal, sys
from cmgit.repository import Repository
from cmgit.store import git, locks, worktree
def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)
{patch}
repository = Repository.open(sys.argv[1])
with repository.locked(), repository.change("killed") as change:
    change.write("new/file", b"hello")
    change.remove("script/a")
    change.move("script/b", "script/c")
"""
MOMENTS = {
    "before the journal": ("worktree.WorkTree._write_journal = kill", False),
    "before the branch moves": ("git.GitRepository.move_ref = kill", False),
    "before the files": ("worktree.WorkTree._carry_out = kill", True),
    "at the first file": ("worktree.WorkTree._write = kill", True),
    "in the middle": ("worktree.WorkTree._move = kill", True),
    "after a removal": ("worktree._delete = kill", True),
    "before the index": ("worktree.encode_index = kill", True),
    "holding the index": (
        "real = os.replace\n"
        "os.replace = lambda a, b: kill() if b.endswith('/index') else real(a, b)", True,
    ),
    "before the journal goes": (
        "real = os.unlink\n"
        "os.unlink = lambda p, **k: kill() if str(p).endswith('/journal') else real(p, **k)", True,
    ),
}  # fmt: skip


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed(path, git, moment):
    """A change by a process that is killed at any moment is made whole or not at all; edits and
    what was staged stay, and Git works at once afterwards."""
    import sys

    write_files(path, {"edited": "e", "staged": "s", "script/b/pending": "p"})
    git(path, "add", "staged")
    before = git(path, "rev-parse", "HEAD")
    patch, happened = MOMENTS[moment]
    done = subprocess.run([sys.executable, "-c", KILL.format(patch=patch), str(path)])
    assert done.returncode == -9
    assert (git(path, "rev-parse", "HEAD") != before) == happened
    repository = Repository.open(str(path))
    with repository.locked():
        pass
    where = "script/c" if happened else "script/b"
    assert sorted(git(path, "status", "--porcelain", "-uall").splitlines()) == sorted(
        ["A  staged", "?? edited", f"?? {where}/pending"]
    )
    assert (path / "new" / "file").exists() == happened == (not (path / "script" / "a").exists())
    assert not list((path / ".git").rglob("*.lock"))
    assert sorted(os.listdir(path / ".git" / "cmgit")) == ["lock"]
    git(path, "fsck", "--strict")
    write(path, again="x")
    git(path, "commit", "-q", "-m", "by a person")
