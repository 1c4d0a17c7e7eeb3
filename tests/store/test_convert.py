"""Line ends and filters: files and blobs are those of the real Git."""

from __future__ import annotations

import os
import subprocess

import pytest

from cmgit.repository import Repository
from cmgit.store.convert import Converter
from cmgit.store.objects import read_blob

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


IDS = [b"$Id$", b"$Id:$", b"$Id: $", b"$Id: 12ab $", b"$Id:12ab$", b"$Id: of another system $", b"$Id: a\n$",
       b"$id$", b"$Id", b"$Id$Id$", b"$Id: a b $Id$", b"$Id:  $", b"$Idx$", b"$Id: a b\n$Id$", b"$Id: ab $Id$", b"$Id\r\n$Id$\r\n"]  # fmt: skip


@pytest.mark.parametrize(
    "attributes", ["* ident\n", "* -ident\n", "* ident text eol=crlf\n", "* ident=x\n"]
)
@pytest.mark.parametrize("raw", [False, True], ids=["clean", "as it was committed"])
def test_idents_are_those_of_git(path, git, attributes, raw):
    """``$Id$`` is the blob's id in the work tree, and short in the blob; what is none stays."""
    files = {f"sub/{n}": b"1 " + text + b" 2\n" for n, text in enumerate(IDS)}
    files["sub/all"] = b"\n".join(IDS) + b"\n"
    if raw:  # ids that were committed before the attribute was set
        write_files(path, files)
        git(path, "add", "--all")
        write_files(path, {".gitattributes": attributes})
        entries = {name: git(path, "rev-parse", f":{name}").strip() for name in files}
    else:
        write_files(path, {".gitattributes": attributes, **files})
        wanted = staged_by_git(git, path)
        assert saved(git, path) == wanted
        clean(git, path)
        entries = {name: git(path, "rev-parse", f":{name}").strip() for name in files}
    worktree = Repository.open(str(path)).worktree
    assert worktree is not None
    store = worktree.git.objects
    converter = Converter(worktree.git, lambda _: None)
    written = {name: converter.smudge(name, read_blob(store, oid)) for name, oid in entries.items()}
    subprocess.run(["rm", "-r", "sub"], cwd=path, check=True)
    git(path, "checkout", "--", "sub")
    assert written == {name: (path / name).read_bytes() for name in files}


def test_ident_in_a_change(path, git):
    """What cmgit writes is what Git finds unchanged, with the id in the file."""
    write_files(path, {".gitattributes": "*.c ident\n"})
    saved(git, path)
    write(path, **{"a.c": "/* $Id$ */\n"})
    oid = git(path, "rev-parse", "HEAD:a.c").strip()
    assert (path / "a.c").read_text() == f"/* $Id: {oid} $ */\n"
    assert git(path, "cat-file", "blob", oid) == "/* $Id$ */\n"
    clean(git, path)
    assert pending(path) == []


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
