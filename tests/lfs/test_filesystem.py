"""Places that fsspec knows, with what can go wrong there."""

from __future__ import annotations

import io
import os
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]

from cmgit.errors import CmgitError, Damaged, RemoteError
from cmgit.lfs.objects import Objects
from cmgit.lfs.pointer import Pointer
from cmgit.lfs.remote import Filesystem, remote_at

DATA = os.urandom(100_000)
POINTER = Pointer(sha256(DATA).hexdigest(), len(DATA))
PLACE = f"objects/{POINTER.oid[:2]}/{POINTER.oid[2:4]}/{POINTER.oid}"


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    """Those of a home that has the content."""
    found = Objects(str(tmp_path / "lfs"))
    found.keep(io.BytesIO(DATA))
    return found


class Refusing(MemoryFileSystem):  # type: ignore[misc]
    """A place that raises what libraries for clouds raise: errors of their own, with secrets."""

    protocol = "refusing"

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        raise RuntimeError("https://key:s3cret@host refused")

    def info(self, path: str, **options: Any) -> Any:
        """Refuse."""
        raise RuntimeError("https://key:s3cret@host refused")


def test_errors_of_libraries(objects: Objects, tmp_path: Path) -> None:
    """In one line, without what they say."""
    remote = Filesystem("refusing://key:s3cret@x/y", Refusing(), "/x")
    other = Objects(str(tmp_path / "other"))
    for call in (lambda: remote.fetch([POINTER], other), lambda: remote.send([POINTER], objects)):
        with pytest.raises(RemoteError, match=r"^refusing://x/y: RuntimeError") as raised:
            call()
        assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("url", ["nosuch://key:s3cret@x/y", "hdfs://key:s3cret@x/y?t=s3cret"])
def test_urls_keep_their_secrets(url: str) -> None:
    """When a kind is not known, or what it needs is missing."""
    with pytest.raises(CmgitError) as raised:
        remote_at(url)
    assert "s3cret" not in str(raised.value)


def test_damage_is_not_sent(objects: Objects, tmp_path: Path) -> None:
    """Others would take it for the content."""
    path = Path(objects.path(POINTER.oid))
    path.chmod(0o644)
    path.write_bytes(DATA[::-1])
    for url in (f"memory://{tmp_path.name}", str(tmp_path / "disk")):
        with pytest.raises(Damaged, match=POINTER.oid):
            remote_at(url).send([POINTER], objects)
    assert not MemoryFileSystem().exists(f"/{tmp_path.name}/{PLACE}")


def test_two_that_send_the_same(objects: Objects, tmp_path: Path) -> None:
    """Neither is in the way of the other, nor what a dead one left."""
    files, top = MemoryFileSystem(), f"/{tmp_path.name}"
    files.pipe(f"{top}/{PLACE}.part", b"left")
    seen: list[str] = []

    class Watched(MemoryFileSystem):  # type: ignore[misc]
        def put_file(self, lpath: str, rpath: str, **options: Any) -> None:
            seen.append(rpath)
            super().put_file(lpath, rpath, **options)
            if len(seen) == 1:  # while one sends, another does all of it
                Filesystem("memory://", self, top).send([POINTER], objects)

    assert Filesystem("memory://", Watched(), top).send([POINTER], objects) == 1
    assert len(set(seen)) == 2
    assert files.cat(f"{top}/{PLACE}") == DATA
    names = [path for path in files.find(top) if path.startswith(f"{top}/{PLACE}")]
    assert names == [f"{top}/{PLACE}", f"{top}/{PLACE}.part"]
