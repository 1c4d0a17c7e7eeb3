"""Signatures of paths: what tells that a working repository changed."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmgit.index.pages import DamagedIndex
from cmgit.index.record import digest
from cmgit.index.watch import (
    ABSENT,
    COARSE_TICK_NS,
    SUFFIX,
    TICK_NS,
    UNSURE,
    Signature,
    encode_watch,
    read_watch,
    settled,
    signature,
    unchanged,
)
from cmgit.index.writer import write_watch

from .test_segment import damage

numbers = st.integers(-(2**63), 2**63 - 1)
HOME = "/home"
names = (
    st.binary(min_size=1, max_size=8)
    .filter(lambda name: b"\0" not in name and name[:1] != b"/")
    .map(os.fsdecode)
)
paths = st.tuples(st.sampled_from(["/", f"{HOME}/", f"{HOME}s/"]), names).map("".join)


@given(st.dictionaries(paths, st.tuples(numbers, numbers, numbers, numbers), max_size=5))
def test_signatures_read_back(
    tmp_path_factory: pytest.TempPathFactory, signatures: dict[str, Signature]
) -> None:
    """Any path a file system may have, and any numbers; of a home that moved, what is in it."""
    directory = str(tmp_path_factory.mktemp("watch"))
    name = write_watch(directory, HOME, signatures)
    assert read_watch(f"{directory}/{name}", HOME) == signatures
    moved = {re.sub(f"^{HOME}/", "/new/", path): found for path, found in signatures.items()}
    assert read_watch(f"{directory}/{name}", "/new") == moved


def test_a_damaged_watch_file_is_noticed(tmp_path: Path) -> None:
    """Cut, zeroed, extended, with one bit flipped, or gone: never signatures from it."""
    path = tmp_path / write_watch(str(tmp_path), HOME, {"/a": (1, 2, 3, 4), "/b": ABSENT})
    for data in damage(path.read_bytes()):
        path.write_bytes(data)
        with pytest.raises(DamagedIndex):
            read_watch(str(path), HOME)
    path.unlink()
    with pytest.raises(DamagedIndex):
        read_watch(str(path), HOME)


@pytest.mark.parametrize("at", [0, 8])
def test_a_watch_file_of_another_kind(tmp_path: Path, at: int) -> None:
    """With a right name but another magic or version it is not read."""
    data = bytearray(encode_watch(HOME, {"/a": ABSENT}))
    data[at] += 1
    path = tmp_path / (digest(bytes(data)) + SUFFIX)
    path.write_bytes(data)
    with pytest.raises(DamagedIndex, match="not a watch file"):
        read_watch(str(path), HOME)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A directory with a file, a directory and a link, all old enough to be trusted."""
    root = tmp_path / "tree"
    (root / "directory").mkdir(parents=True)
    (root / "file").write_text("one")
    (root / "link").symlink_to("file")
    time.sleep(2 * TICK_NS / 1e9)
    return root


NAMES = ("", "file", "directory", "link", "none")


def signatures_of(tree: Path) -> dict[str, Signature]:
    """What is watched in the tree; ``none`` is not there."""
    return {str(tree / name): signature(str(tree / name)) for name in NAMES}


def test_nothing_changed(tree: Path) -> None:
    """Reading, and looking at it again, change nothing; what is not there stays so."""
    signatures = signatures_of(tree)
    assert signatures[str(tree / "none")] == ABSENT
    (tree / "file").read_text()
    os.listdir(tree)
    assert signatures_of(tree) == signatures
    assert unchanged(signatures)
    assert unchanged({})


def replace(tree: Path) -> None:
    """Put another file of the same size and time in its place."""
    times = (tree / "file").stat()
    (tree / "new").write_text("two")
    os.utime(tree / "new", ns=(times.st_atime_ns, times.st_mtime_ns))
    os.replace(tree / "new", tree / "file")


def edit_in_place(tree: Path) -> None:
    """Change the content and set back size and modification time."""
    times = (tree / "file").stat()
    (tree / "file").write_text("two")
    os.utime(tree / "file", ns=(times.st_atime_ns, times.st_mtime_ns))


def relink(tree: Path) -> None:
    """Let the link name something else of the same length."""
    (tree / "link").unlink()
    (tree / "link").symlink_to("fil2")


CHANGES: list[tuple[str, Callable[[Path], object]]] = [
    ("file", lambda tree: (tree / "file").write_text("longer")),
    ("file", lambda tree: (tree / "file").write_text("two")),
    ("file", edit_in_place),
    ("file", replace),
    ("file", lambda tree: (tree / "file").unlink()),
    ("file", lambda tree: os.chmod(tree / "file", 0o600)),
    ("none", lambda tree: (tree / "none").touch()),
    ("none", lambda tree: (tree / "none").symlink_to("nowhere")),
    ("", lambda tree: (tree / "none").touch()),
    ("directory", lambda tree: (tree / "directory" / "new").mkdir()),
    ("directory", lambda tree: (tree / "directory").rmdir()),
    ("directory", lambda tree: (tree / "directory").rename(tree / "elsewhere")),
    ("link", relink),
]


@pytest.mark.parametrize(("name", "change"), CHANGES)
def test_a_change_is_noticed(tree: Path, name: str, change: Callable[[Path], object]) -> None:
    """Edits, replacements, removals and creations, each by the signature of the path itself."""
    before = {str(tree / name): signatures_of(tree)[str(tree / name)]}
    assert unchanged(before)
    change(tree)
    assert not unchanged(before)


def test_a_change_of_what_a_link_names_is_none_of_the_link(tree: Path) -> None:
    """Links are not followed."""
    before = {str(tree / "link"): signature(str(tree / "link"))}
    (tree / "file").write_text("other")
    assert unchanged(before)


def test_unsure_is_always_changed(tree: Path) -> None:
    """Whether the path is there or not."""
    for name in NAMES:
        assert not unchanged({**signatures_of(tree), str(tree / name): UNSURE})


def test_a_path_that_cannot_be_is_absent() -> None:
    """A NUL in a path, or a name that is too long, is a path where nothing is."""
    for path in ("/a\0b", "/" + "x" * 5000):
        assert signature(path) == ABSENT
        assert unchanged({path: ABSENT})


SECOND = 1_000_000_000
NOW = 1_700_000_000 * SECOND + 1


@pytest.mark.parametrize(
    ("mtime", "ctime", "is_settled"),
    [
        (NOW - SECOND, NOW - SECOND, True),
        (NOW - TICK_NS - 1, NOW - TICK_NS - 1, True),
        (NOW - TICK_NS, NOW - SECOND, False),
        (NOW - SECOND, NOW - TICK_NS, False),
        (NOW, NOW, False),
        (NOW + SECOND, NOW - SECOND, False),
        (NOW - 1 - SECOND, NOW - 1 - SECOND, False),
        (NOW - 1 - COARSE_TICK_NS - SECOND, NOW - 1 - COARSE_TICK_NS - SECOND, True),
    ],
)
def test_settled(mtime: int, ctime: int, is_settled: bool) -> None:
    """A time is trusted once the clock of its file system must have ticked; whole seconds are
    those of a coarse clock; what lies in the future never is."""
    assert settled((mtime, ctime, 0, 0), NOW) is is_settled


def test_what_is_absent_is_settled() -> None:
    """A path that appears later has a signature of its own."""
    assert settled(ABSENT, NOW)
