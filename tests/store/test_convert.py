"""Line ends and filters: files and blobs are those of the real Git."""

from __future__ import annotations

import os
import subprocess

import pytest

from cmgit.repository import Repository

from ..conftest import write_files
from .conftest import clean, pending, saved, staged_by_git, write

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
    for name in ("y.rot", os.fsdecode(b"\xff.rot")):  # a name need not be UTF-8
        write(path, **{name: "hello"})
        assert git(path, "show", f"HEAD:{name}") == "uryyb"
        assert (path / name).read_text() == "hello"
    clean(git, path)
