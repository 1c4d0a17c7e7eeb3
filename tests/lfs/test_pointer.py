"""Pointers, and the lines of ``.gitattributes`` that go with them."""

from __future__ import annotations

from pathlib import Path

import pytest
from dulwich.lfs import LFSPointer
from hypothesis import given
from hypothesis import strategies as st

from cmgit.lfs.pointer import Pointer, mark, parse_pointer
from tests.conftest import Git, write_files

OID = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393"
TEXT = f"version https://git-lfs.github.com/spec/v1\noid sha256:{OID}\nsize 12345\n"


@given(st.binary(min_size=32, max_size=32), st.integers(0, 10**18 - 1))
def test_what_is_written_is_read(oid: bytes, size: int) -> None:
    """Here, and by dulwich."""
    pointer = Pointer(oid.hex(), size)
    assert parse_pointer(pointer.encode()) == pointer
    theirs = LFSPointer.from_bytes(pointer.encode())
    assert theirs is not None
    assert (theirs.oid, theirs.size) == pointer


@pytest.mark.parametrize(
    "data",
    [
        b"",
        TEXT.replace("v1", "v2").encode(),
        TEXT.replace(OID, OID.upper()).encode(),
        TEXT.replace(OID, "../../../etc/passwd").encode(),
        TEXT.replace("12345", "-1").encode(),
        TEXT.replace("12345", "9" * 30).encode(),
        TEXT.replace("size", "ext-0-x sha256:1\nsize").encode(),
        (TEXT + "more\n").encode(),
        TEXT.encode() + b"\n" * 2000,
    ],
)
def test_what_is_no_pointer(data: bytes) -> None:
    """Anything that is not exactly one."""
    assert parse_pointer(data) is None


@pytest.mark.parametrize(
    "name",
    ["big.bin", "with space", "a/b c/d", "#hash", "!x", "é", "st*r", "[x]", '"q"', "back\\s"],
)
def test_git_sees_the_marks(tmp_path: Path, git: Git, name: str) -> None:
    """Whatever a file is called, and whatever stood there."""
    git(tmp_path, "init", "-q", "r")
    marked = mark(b"*.txt text", [name])
    write_files(tmp_path / "r", {".gitattributes": marked})
    assert git(tmp_path / "r", "check-attr", "filter", "--", name).endswith("filter: lfs\n")
    assert git(tmp_path / "r", "check-attr", "text", "--", "x.txt").endswith("text: set\n")
    assert mark(marked, [name]) == marked
