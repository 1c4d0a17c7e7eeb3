"""Packs that the real Git wrote, taken in without it: the same index, and nothing that is not whole."""

from __future__ import annotations

import io
import os
import random
import struct
import subprocess
import zlib
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha1
from pathlib import Path

import pytest
from dulwich.object_format import SHA1
from dulwich.pack import pack_object_header

from cmgit.store import pack_indexer
from cmgit.store.git import GitRepository
from cmgit.store.objects import KIND_NUMBERS, ObjectID, object_id
from cmgit.store.pack_indexer import UNEXPECTED, index_pack
from cmgit.store.pack_reader import Found
from cmgit.store.pack_writer import encode_index

from ..conftest import Git
from .test_pack_reader import WAYS


def nothing(oid: bytes) -> Found | None:
    """Whole packs build on nothing else."""
    return None


def packed(repository: Path, given: str, *words: str) -> bytes:
    """What ``git pack-objects`` makes of revisions."""
    command = ["git", "-C", str(repository), "pack-objects", "-q", "--stdout", "--revs", *words]
    return subprocess.run(command, input=given.encode(), capture_output=True, check=True).stdout


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory of packs of a bare repository."""
    path = tmp_path / "place.git"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(path)], check=True)
    return path / "objects" / "pack"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("held", [0, 1 << 20])
@pytest.mark.parametrize("kept", [0, 1 << 20])
def test_the_index_of_git(
    repository: Path,
    git: Git,
    place: Path,
    way: str,
    held: int,
    kept: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Byte for byte, whatever the deltas build on, with little memory and with much."""
    monkeypatch.setattr(pack_indexer, "_HELD", held)
    monkeypatch.setattr(pack_indexer, "_KEPT", kept)
    git(repository, *WAYS[way], "repack", "-adfq")
    (pack,) = (repository / "objects" / "pack").glob("*.pack")
    with pack.open("rb") as file:
        taken = index_pack(file.read(5), file, str(place), nothing)
    assert taken.lacking == set()
    assert (place / f"{taken.name}.pack").read_bytes() == pack.read_bytes()
    assert (place / f"{taken.name}.idx").read_bytes() == pack.with_suffix(".idx").read_bytes()
    assert len(list(place.iterdir())) == 2


@pytest.mark.parametrize("offsets", [True, False])
def test_thin_packs(repository: Path, git: Git, place: Path, offsets: bool) -> None:
    """What they build on is added, once, and Git finds nothing wrong with that."""
    git(repository, "branch", "early", "main~20")
    git(place, "fetch", "-q", str(repository), "early:main")
    git(place, "repack", "-adq")
    words = ["--thin", *(["--delta-base-offset"] if offsets else [])]
    thin = packed(repository, "main\n^main~20\n", *words)
    with closing(GitRepository.open(str(place.parent.parent))) as here:

        def base(oid: bytes) -> Found | None:
            kind, data = here.objects.read(ObjectID(oid.hex()))
            return KIND_NUMBERS[kind], data

        taken = index_pack(b"", io.BytesIO(thin), str(place), base)
        there = here.objects
        there.forget()
        assert all(ObjectID(oid.decode()) in there for oid in taken.lacking)
    assert taken.lacking
    assert (place / f"{taken.name}.pack").stat().st_size > len(thin)
    git(place, "update-ref", "refs/heads/main", git(repository, "rev-parse", "main").strip())
    git(place, "fsck", "--strict", "--full")
    git(place, "verify-pack", str(place / f"{taken.name}.idx"))
    with pytest.raises(ValueError, match=r"builds on [0-9a-f]{40}, which is missing"):
        index_pack(b"", io.BytesIO(thin), str(place), nothing)
    with pytest.raises(ValueError, match="damaged here"):
        index_pack(b"", io.BytesIO(thin), str(place), lambda oid: (3, b"another"))


def test_where_history_is_cut_off(repository: Path, git: Git, place: Path) -> None:
    """Parents of some commits need not be there."""
    cut = git(repository, "rev-parse", "main~3").strip()
    parent = git(repository, "rev-parse", "main~4").strip().encode()
    pack = packed(repository, "main\n^main~4\n")
    taken = index_pack(b"", io.BytesIO(pack), str(place), nothing)
    assert parent in taken.lacking
    assert parent not in index_pack(b"", io.BytesIO(pack), str(place), nothing, {cut}).lacking


def damaged(pack: bytes) -> Iterator[bytes]:
    """Packs with a byte that is another, without an end, with something behind it."""
    rng = random.Random(7)
    for at in {*range(40), *rng.sample(range(len(pack)), 400), *range(len(pack) - 25, len(pack))}:
        yield pack[:at] + bytes([pack[at] ^ 1 << rng.randrange(8)]) + pack[at + 1 :]
        yield pack[:at]
    yield pack + b"x"
    yield pack + pack


@pytest.mark.parametrize("way", ["ofs", "ref"])
def test_what_is_not_whole(repository: Path, git: Git, place: Path, way: str) -> None:
    """It is refused, whatever it is, and nothing is left of it."""
    git(repository, *WAYS[way], "repack", "-adfq")
    (path,) = (repository / "objects" / "pack").glob("*.pack")
    for data in damaged(path.read_bytes()):
        with pytest.raises(UNEXPECTED):
            index_pack(b"", io.BytesIO(data), str(place), nothing)
        assert list(place.iterdir()) == []


def test_objects_that_are_none(repository: Path, place: Path) -> None:
    """A commit, a tree or a tag that does not parse is named."""
    for kind in ("commit", "tree", "tag"):
        words = [
            "git",
            "-C",
            str(repository),
            "hash-object",
            "-t",
            kind,
            "-w",
            "--stdin",
            "--literally",
        ]
        done = subprocess.run(words, input=b"nonsense", capture_output=True, check=True)
        oid = done.stdout.decode().strip()
        command = ["git", "-C", str(repository), "pack-objects", "-q", "--stdout"]
        pack = subprocess.run(command, input=done.stdout, capture_output=True, check=True).stdout
        with pytest.raises(UNEXPECTED, match=f"{oid} is no {kind}"):
            index_pack(b"", io.BytesIO(pack), str(place), nothing)


# -- packs that no git would write ----------------------------------------------------------------

A, B, C = b"A" * 50, b"B" * 50, b"C" * 50


def oid(data: bytes) -> bytes:
    """The raw id of a blob."""
    return bytes.fromhex(object_id("blob", data))


def on(base: bytes, data: bytes) -> tuple[bytes, bytes]:
    """A delta, by the id of its base, that has all of a blob in it."""
    return oid(base), bytes([len(base), len(data), len(data)]) + data


def crafted(*objects: tuple[bytes, bytes]) -> io.BytesIO:
    """A pack of such deltas, in this order."""
    stored = [
        bytes(pack_object_header(7, base, len(delta), SHA1)) + zlib.compress(delta)
        for base, delta in objects
    ]
    data = b"".join([b"PACK", struct.pack(">II", 2, len(objects)), *stored])
    return io.BytesIO(data + sha1(data).digest())


def only_a(raw: bytes) -> Found | None:
    """Nothing but A is here."""
    return (3, A) if raw == oid(A) else None


def test_a_base_that_comes_later(place: Path, git: Git) -> None:
    """What builds on it may stand before it, in a thin pack too; Git says the same."""
    pack = crafted(on(B, C), on(A, B))
    taken = index_pack(b"", pack, str(place), only_a)
    git(place, "verify-pack", str(place / f"{taken.name}.idx"))
    for data in (A, B, C):
        assert git(place, "cat-file", "-p", oid(data).hex()) == data.decode()


@pytest.mark.parametrize("objects", [[on(A, A)], [on(A, B), on(B, A)], [on(B, A), on(A, B)]])
def test_what_builds_on_itself(place: Path, objects: list[tuple[bytes, bytes]]) -> None:
    """It is refused, whether something of it is here or not; so does Git."""
    for base in (only_a, nothing):
        with pytest.raises(ValueError, match="builds on"):
            index_pack(b"", crafted(*objects), str(place), base)
        assert list(place.iterdir()) == []


def test_no_more_memory_than_allowed(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few bytes do not become many, as a delta that copies the same again and again does."""
    monkeypatch.setattr(pack_indexer, "_MOST", 1000)
    copies = bytes([50, 50 * 40 & 127 | 128, 50 * 40 >> 7]) + b"\x90\x32" * 40
    with pytest.raises(ValueError, match="makes more than 1000 bytes"):
        index_pack(b"", crafted((oid(A), copies)), str(place), only_a)
    monkeypatch.setattr(pack_indexer, "_MOST", 1 << 30)
    assert index_pack(b"", crafted((oid(A), copies)), str(place), only_a).lacking == set()


def test_the_same_pack_again(place: Path) -> None:
    """What is there stays as it is."""
    first = index_pack(b"", crafted(on(A, B)), str(place), only_a)
    before = {path: path.stat().st_mtime_ns for path in place.iterdir()}
    assert index_pack(b"", crafted(on(A, B)), str(place), only_a) == first
    assert {path: path.stat().st_mtime_ns for path in place.iterdir()} == before


def test_a_disk_that_fails(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left when the files cannot get their names."""

    def fail(*names: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        index_pack(b"", crafted(on(A, B)), str(place), only_a)
    assert list(place.iterdir()) == []


def test_offsets_of_more_than_31_bits() -> None:
    """They stand in a table of their own, which Git's description of the format has."""
    entries = [(bytes([number]) * 20, number << 30, number) for number in (5, 1, 3)]
    index = encode_index(entries, b"s" * 20)
    (at,) = struct.unpack_from(">I", index, 8 + 1024 + 3 * 24)
    assert at == 1 << 30
    assert struct.unpack_from(">II", index, 8 + 1024 + 3 * 24 + 4) == (1 << 31, (1 << 31) + 1)
    assert struct.unpack_from(">QQ", index, 8 + 1024 + 3 * 28) == (3 << 30, 5 << 30)
    assert index.endswith(sha1(index[:-20]).digest())
