"""One repository: its description, its files, its lock."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cmgit.errors import GitError, MetaError, NotFound
from cmgit.repository import Repository, read_description

from .conftest import write_files


@pytest.mark.parametrize(
    ("name", "text", "prefix"),
    [("cmr.yaml", "alias: x\nuid: 0123456789ABCDEF\nprefix: /a/b/\n", "a/b"),
     ("cmr.json", '{"alias": "x", "uid": "0123456789abcdef"}', "")],
)  # fmt: skip
def test_description(make_repo, git, name, text, prefix):
    """Of the disk and of a commit, in YAML and JSON; the UID in lower case."""
    path = make_repo("demo", "a")
    before = git(path, "rev-parse", "HEAD").strip()
    (path / "cmr.yaml").unlink()
    (path / name).write_text(text)
    repository = Repository.open(str(path))
    found = repository.description()
    assert (found.alias, found.uid, found.prefix) == ("x", "0123456789abcdef", prefix)
    assert repository.description(before).alias == "demo"


@pytest.mark.parametrize(
    "text", ["alias: x\nuid: nonsense\n", "prefix: ../x\n", "prefix: a/.git\n", "prefix: a//b\n",
             "- a\n", "{", "prefix: .\n"],
)  # fmt: skip
def test_bad_description(make_repo, text):
    """A description that makes no sense, or leads out, names the file and the line."""
    path = make_repo("demo", "a", files={"cmr.yaml": text})
    with pytest.raises(MetaError, match=r"cmr\.yaml:\d"):
        Repository.open(str(path), "demo").description()
    assert read_description(str(path)).alias == ""


def test_no_description(make_repo):
    """Without a file it is NotFound."""
    path = make_repo("demo", "a")
    (path / "cmr.yaml").unlink()
    with pytest.raises(NotFound, match=r"cmr\.yaml"):
        Repository.open(str(path)).description()


def test_files(repository):
    """Names and contents below a directory, of now and of a commit."""
    head = repository.git.head().commit
    for commit in (None, head):
        assert sorted(repository.files("script/a", commit)) == ["_cm.yaml", "run.sh"]
        assert repository.read_file("script/a/run.sh", commit) == b"echo a\n"
        with pytest.raises(NotFound):
            repository.read_file("script/a/none", commit)
        with pytest.raises(NotFound):
            repository.read_file("script/a", commit)
        assert repository.content("script/a", commit) == repository.content("script/a", head)
    assert repository.names("script") == ["a", "b"]
    assert repository.exists("script/a")
    assert not repository.exists("script/c")
    assert repository.is_directory("script")
    assert not repository.is_directory("script/a/run.sh")


def test_disk_is_what_a_working_repository_holds(make_repo):
    """Edits, new files and removed ones show at once, and ignored ones do not."""
    path = make_repo("demo", "a", "b", files={".gitignore": "*.tmp\n"})
    write_files(path, {"script/a/run.sh": "edited", "script/a/new": "", "script/a/x.tmp": ""})
    (path / "script" / "a" / "_cm.yaml").unlink()
    repository = Repository.open(str(path))
    assert list(repository.files("script/a")) == ["new", "run.sh"]
    assert repository.read_file("script/a/run.sh") == b"edited"
    assert sorted(repository.content("script/a")) == ["new", "run.sh"]
    assert repository.names("script/a") == ["_cm.yaml", "new", "run.sh", "x.tmp"]


def test_lock_of_a_repository_that_was_moved_away(make_repo, tmp_path):
    """It is told, and what was made to wait for the lock does not stay behind."""
    repository = Repository.open(str(make_repo("demo", "a")))
    (tmp_path / "demo").rename(tmp_path / "moved")
    (tmp_path / "demo/.git/cmgit").mkdir(parents=True)  # by another process that waits
    with pytest.raises(NotFound, match="demo is not there any more"), repository.locked():
        pass
    assert not (tmp_path / "demo/.git").exists()
    with pytest.raises(GitError, match="demo cannot be changed"), repository.locked():
        pass
    assert not (tmp_path / "demo/.git").exists()


def test_lock_excludes_other_processes(repository):
    """A change of another process waits until the lock is free."""
    program = (
        "import sys\nfrom cmgit.repository import Repository\nfrom cmgit.errors import Busy\n"
        "repository = Repository.open(sys.argv[1])\n"
        "try:\n    with repository.locked(wait_seconds=0.2): print('got it')\n"
        "except Busy: print('busy')\n"
    )
    command = [sys.executable, "-c", program, repository.git.path]
    with repository.locked():
        assert subprocess.run(command, capture_output=True, text=True).stdout == "busy\n"
    assert subprocess.run(command, capture_output=True, text=True).stdout == "got it\n"
