"""Packs that the real Git wrote, taken in without it: the same index, and nothing that is not whole."""

from __future__ import annotations

import io
import random
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cmgit.store import pack_indexer
from cmgit.store.git import GitRepository
from cmgit.store.objects import KIND_NUMBERS, ObjectID
from cmgit.store.pack_indexer import UNEXPECTED, index_pack
from cmgit.store.pack_reader import Found

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
