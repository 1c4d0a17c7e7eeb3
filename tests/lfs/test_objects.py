"""The contents of large files: whole or not there."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

import pytest

from cmgit.errors import Damaged
from cmgit.lfs.objects import Objects
from cmgit.lfs.pointer import Pointer

DATA = os.urandom(3 << 20)
POINTER = Pointer(sha256(DATA).hexdigest(), len(DATA))


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    """An empty one."""
    return Objects(str(tmp_path / "lfs"))


def left(objects: Objects) -> list[str]:
    """What lies in the directory for what is not whole."""
    return os.listdir(os.path.join(objects.directory, "tmp"))


def test_keep(objects: Objects) -> None:
    """A content is where Git LFS looks for it; the second time changes nothing."""
    assert objects.keep(io.BytesIO(DATA)) == objects.keep(io.BytesIO(DATA)) == POINTER
    path = Path(objects.directory, "objects", POINTER.oid[:2], POINTER.oid[2:4], POINTER.oid)
    assert path.read_bytes() == DATA
    assert [name for name, _ in objects] == [POINTER.oid]
    assert left(objects) == []
    assert objects.verify(POINTER) == ""


def test_clean_is_that_of_git_lfs(objects: Objects, tmp_path: Path) -> None:
    """An empty file and a pointer stay as they are."""
    file = tmp_path / "file"
    for data, wanted in (
        (b"", b""),
        (POINTER.encode(), POINTER.encode()),
        (DATA, POINTER.encode()),
    ):
        file.write_bytes(data)
        assert objects.clean(str(file)) == objects.clean_bytes(data) == wanted


def test_what_breaks_off_goes_on(objects: Objects) -> None:
    """What came is kept, asked for no more, and hashed again."""
    asked = []

    def breaking(start: int) -> tuple[int, Iterable[bytes]]:
        def pieces() -> Iterable[bytes]:
            yield DATA[: 1 << 20]
            raise ConnectionError

        return start, pieces()

    def whole(start: int) -> tuple[int, Iterable[bytes]]:
        asked.append(start)
        return start, [DATA[start:]]

    with pytest.raises(ConnectionError):
        objects.receive(POINTER, breaking)
    assert POINTER not in objects
    objects.receive(POINTER, whole)
    objects.receive(POINTER, whole)
    assert asked == [1 << 20]
    assert objects.verify(POINTER) == ""


def test_a_side_that_begins_anew(objects: Objects) -> None:
    """Not every server knows how to go on."""
    part = Path(objects.directory, "tmp", f"{POINTER.oid}.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(b"something else")
    objects.receive(POINTER, lambda _: (0, [DATA]))
    assert objects.verify(POINTER) == ""
    assert left(objects) == []


@pytest.mark.parametrize("data", [DATA + b"x", DATA[:-1], DATA[:-1] + b"\0\0", b"x" * len(DATA)])
def test_what_is_something_else(objects: Objects, data: bytes) -> None:
    """It is refused, and in nobody's way the next time."""
    for _ in range(2):
        with pytest.raises(Damaged):
            objects.receive(POINTER, lambda start: (start, [data[start:]]))
        assert POINTER not in objects
    objects.receive(POINTER, lambda _: (0, [DATA]))
    assert objects.verify(POINTER) == ""


def test_what_came_wrong_is_not_gone_on_with(objects: Objects) -> None:
    """A side that broke off in the midst of something else, that sent too much, or that begins
    elsewhere: what comes next from one that does well is taken at once."""

    def broken(start: int) -> tuple[int, Iterable[bytes]]:
        def pieces() -> Iterable[bytes]:
            yield b"x" * (1 << 20)
            raise ConnectionError

        return start, pieces()

    def good(start: int) -> tuple[int, Iterable[bytes]]:
        return start, [DATA[start:]]

    with pytest.raises(ConnectionError):
        objects.receive(POINTER, broken)
    objects.receive(POINTER, good)
    assert objects.verify(POINTER) == ""
    os.unlink(objects.path(POINTER.oid))
    with pytest.raises(Damaged):
        objects.receive(POINTER, lambda start: (start, [b"x" * (1 << 20), DATA]))
    assert left(objects) == []
    with pytest.raises(ConnectionError):
        objects.receive(POINTER, broken)
    objects.receive(POINTER, lambda start: (start and 7, [DATA[start and 7 :]]))
    assert objects.verify(POINTER) == ""


def test_what_is_not_there_leaves_nothing(objects: Objects) -> None:
    """No empty file for each that a server lacks."""

    def absent(start: int) -> tuple[int, Iterable[bytes]]:
        raise KeyError

    with pytest.raises(KeyError):
        objects.receive(POINTER, absent)
    assert left(objects) == []


def test_damage_is_noticed(objects: Objects) -> None:
    """By who reads it."""
    objects.keep(io.BytesIO(DATA))
    path = objects.path(POINTER.oid)
    os.chmod(path, 0o644)
    Path(path).write_bytes(b"x" * len(DATA))
    assert "damaged" in objects.verify(POINTER)
    with pytest.raises(Damaged, match="does not match"):
        objects.copy(POINTER, io.BytesIO())
    Path(path).write_bytes(b"short")
    assert "missing" in objects.verify(POINTER)
    assert objects.keep(io.BytesIO(DATA)) == POINTER
    assert objects.verify(POINTER) == ""


def test_link(objects: Objects, tmp_path: Path) -> None:
    """The same file; nothing is written twice."""
    other = Objects(str(tmp_path / "other"))
    objects.keep(io.BytesIO(DATA))
    other.link(POINTER, objects)
    assert os.path.samefile(other.path(POINTER.oid), objects.path(POINTER.oid))


def test_what_is_damaged_is_not_copied(objects: Objects, tmp_path: Path) -> None:
    """Where a link is not possible."""
    other = Objects(str(tmp_path / "other"))
    other.keep(io.BytesIO(DATA))
    path = Path(other.path(POINTER.oid))
    path.chmod(0o644)
    path.write_bytes(DATA[::-1])
    there = Path(objects.path(POINTER.oid))
    there.parent.mkdir(parents=True)
    there.write_bytes(b"something else")
    with pytest.raises(Damaged, match=POINTER.oid):
        objects.link(POINTER, other)
    assert POINTER not in objects


def test_drop(objects: Objects, tmp_path: Path) -> None:
    """What somebody was told is there stays; so does what was linked now and written long ago."""
    other = Objects(str(tmp_path / "other"))
    path, now = other.path(POINTER.oid), time.time()
    other.keep(io.BytesIO(DATA))
    os.utime(path, (now - 7200, now - 7200))
    objects.link(POINTER, other)
    assert not objects.drop(POINTER.oid, now - 3600)
    assert objects.verify(POINTER) == ""
    assert left(objects) == []
    os.utime(path, (now - 7200, now - 7200))
    assert objects.drop(POINTER.oid, now - 3600)
    assert not objects.drop(POINTER.oid, now - 3600)
    assert not objects.touch(POINTER)
    assert left(objects) == []


def test_what_else_lies_there(objects: Objects) -> None:
    """Files of other programs, and files in a place that is not theirs, are no contents."""
    objects.keep(io.BytesIO(DATA))
    for name in ("x", "ab/.DS_Store", f"ab/cd/{POINTER.oid}", f"{POINTER.oid[:2]}/.nfs0001"):
        file = Path(objects.directory, "objects", name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
    assert [oid for oid, _ in objects] == [POINTER.oid]
