"""The files of a work tree: which of them the real Git would take."""

from __future__ import annotations

import os
from pathlib import Path

from ..conftest import write_files
from .conftest import pending, write

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
