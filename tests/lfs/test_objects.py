"""The contents of large files: whole or not there."""

from __future__ import annotations

import io
import os
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
