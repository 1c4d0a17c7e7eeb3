"""Packs that the real Git wrote, read by the pack reader alone and by the store."""

from __future__ import annotations

import hashlib
import random
import struct
import subprocess
import zlib
from contextlib import suppress
from pathlib import Path

import pytest
from dulwich.pack import write_pack_index_v2

from cmgit.errors import Damaged
from cmgit.store.git import GitRepository
from cmgit.store.objects import KINDS, ObjectID, object_id
from cmgit.store.pack_reader import PackReader, objects_of_size

from ..conftest import Git

WAYS = {
    "ofs": (),
    "ref": ("-c", "repack.useDeltaBaseOffset=false"),
    "whole": ("-c", "pack.depth=0"),
    "stored": ("-c", "pack.compression=0"),
}


def ids(repository: Path) -> list[ObjectID]:
    """The ids of all objects."""
    words = ["git", "-C", str(repository), "cat-file", "--batch-all-objects", "--batch-check"]
    lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    return [ObjectID(line.split()[0]) for line in lines]


def reader(repository: Path) -> PackReader:
    """The packs of a repository."""
    return PackReader(str(repository / "objects" / "pack"))


def index_path(repository: Path) -> Path:
    """The index of its one pack."""
    (path,) = (repository / "objects" / "pack").glob("*.idx")
    return path


def check_all(repository: Path) -> None:
    """Every object is read, and is what its id says."""
    packs = reader(repository)
    for oid in random.Random(2).sample(ids(repository), k=len(ids(repository))):
        found = packs.read(oid)
        assert found is not None, oid
        assert object_id(KINDS[found[0]], found[1]) == oid
    assert packs.read("1" * 40) is None
    packs.close()
    assert packs.read(ids(repository)[0]) is not None


@pytest.mark.parametrize("way", WAYS)
def test_as_git_packs(way: str, repository: Path, git: Git) -> None:
    """Deltas by offset and by id, in long chains and none; stored data."""
    git(repository, *WAYS[way], "repack", "-adfq", "--depth=200")
    check_all(repository)


@pytest.mark.parametrize("way", WAYS)
def test_objects_of_size_are_those_of_git(way: str, repository: Path, git: Git) -> None:
    """By what git says of sizes, whether they are deltas or not."""
    git(repository, *WAYS[way], "repack", "-adfq", "--depth=200")
    words = ["git", "-C", str(repository), "cat-file", "--batch-all-objects"]
    shown = "--batch-check=%(objectsize) %(objectname)"
    lines = subprocess.run([*words, shown], capture_output=True, text=True, check=True).stdout
    sizes = {oid: int(size) for size, oid in (line.split() for line in lines.splitlines())}
    for some in (range(1), range(100, 300), range(1000, 30_000)):
        found = objects_of_size(str(index_path(repository)), some)
        ids = [object_id(KINDS[kind], data) for kind, data in found]
        wanted = sorted(oid for oid, size in sizes.items() if size in some)
        assert wanted
        assert sorted(ids) == wanted


def test_objects_of_size_of_damage(repository: Path, git: Git) -> None:
    """Whatever a byte is changed to, there is a ValueError or an answer."""
    git(repository, "repack", "-adfq", "--depth=200")
    path = index_path(repository).with_suffix(".pack")
    path.chmod(0o644)
    data, rng, refused = path.read_bytes(), random.Random(3), 0
    for _ in range(200):
        place = rng.randrange(len(data))
        path.write_bytes(
            data[:place] + bytes([data[place] ^ rng.randrange(1, 256)]) + data[place + 1 :]
        )
        try:
            list(objects_of_size(str(index_path(repository)), range(100, 300)))
        except ValueError:
            refused += 1
    assert refused


def test_offsets_of_64_bits(repository: Path, git: Git) -> None:
    """As in packs of more than 2 GiB."""
    git(repository, "repack", "-adq")
    pack = index_path(repository).with_suffix(".pack")
    index_path(repository).unlink()
    git(repository, "index-pack", "--index-version=2,0x40", str(pack))
    check_all(repository)


def test_many_packs(repository: Path, git: Git) -> None:
    """What is in any of them is read, whatever was read before."""
    for number in range(0, 40, 8):
        ends = f"HEAD~{39 - number}\n"
        words = ["git", "-C", str(repository), "pack-objects", "--revs", "-q", "objects/pack/pack"]
        subprocess.run(words, input=ends, text=True, capture_output=True, check=True)
    git(repository, "repack", "-dq")
    check_all(repository)


def test_other_version_is_left_to_dulwich(repository: Path, git: Git) -> None:
    """An index of version 1 is not read here; the store reads it all the same."""
    git(repository, "-c", "pack.indexVersion=1", "repack", "-adq")
    oid = ids(repository)[0]
    assert reader(repository).read(oid) is None
    store = GitRepository.open(str(repository)).objects
    assert object_id(*store.read(oid)) == oid


def test_packs_that_come_and_go(repository: Path, git: Git) -> None:
    """A store that read one pack reads what comes later, and all after ``git gc``."""
    git(repository, "repack", "-adq")
    store = GitRepository.open(str(repository)).objects
    oids = ids(repository)
    store.read(oids[0])
    blob = git(repository, "hash-object", "-w", "-t", "blob", "HEAD").strip()
    git(repository, "update-ref", "refs/tags/blob", blob)
    git(repository, "repack", "-adfq", "--depth=1")
    for oid in [*oids, ObjectID(blob)]:
        assert object_id(*store.read(oid)) == oid


@pytest.mark.parametrize("ending", [".pack", ".idx"])
def test_damage(ending: str, repository: Path, git: Git) -> None:
    """A store with one flipped byte answers right or says that it cannot."""
    git(repository, "repack", "-adq")
    path = index_path(repository).with_suffix(ending)
    data = path.read_bytes()
    oids = ids(repository)
    rng, failed = random.Random(3), 0
    for _ in range(40):
        at = rng.randrange(len(data))
        path.unlink()
        path.write_bytes(data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :])
        store = GitRepository.open(str(repository)).objects
        for oid in oids:
            try:
                assert object_id(*store.read(oid)) == oid
            except Damaged:
                failed += 1
        store.close()
    assert failed


@pytest.mark.parametrize("size", [0, 7, 500, -1000, -1])
def test_cut(size: int, repository: Path, git: Git) -> None:
    """A pack or an index that was cut off is no crash."""
    git(repository, "repack", "-adq")
    oids = ids(repository)
    for ending in (".pack", ".idx"):
        path = index_path(repository).with_suffix(ending)
        data = path.read_bytes()
        path.unlink()
        path.write_bytes(data[:size])
        store = GitRepository.open(str(repository)).objects
        for oid in oids:
            with suppress(Damaged):
                assert object_id(*store.read(oid)) == oid
        store.close()
        path.write_bytes(data)


def entry(kind: int, size: int, data: bytes, before: bytes = b"") -> bytes:
    """What a pack has of one object: the kind, a size that may be a lie, what is deflated."""
    head = [kind << 4 | size & 15]
    size >>= 4
    while size:
        head[-1] |= 128
        head.append(size & 127)
        size >>= 7
    return bytes(head) + before + zlib.compress(data)


def store_with(directory: Path, *entries: tuple[int, bytes]) -> GitRepository:
    """A bare repository with a pack of these, each with the number of which its id is made."""
    subprocess.run(["git", "init", "-q", "--bare", str(directory)], check=True)
    pack, rows = b"PACK" + struct.pack(">2I", 2, len(entries)), []
    for number, data in entries:
        rows.append((bytes([number]) * 20, len(pack), zlib.crc32(data)))
        pack += data
    end = hashlib.sha1(pack).digest()
    place = directory / "objects" / "pack"
    (place / "pack-x.pack").write_bytes(pack + end)
    with open(place / "pack-x.idx", "wb") as file:
        write_pack_index_v2(file, sorted(rows), end)
    return GitRepository.open(str(directory))


def huge(size: int) -> bytes:
    """A delta that says that it makes so many bytes of four."""
    head = [4]
    while size >= 128:
        head.append(size & 127 | 128)
        size >>= 7
    return bytes([*head, size, 0x90, 4])


LIES = {
    "of itself": [(1, entry(7, 4, huge(4), b"\1" * 20))],
    "in a ring": [(1, entry(7, 4, huge(4), b"\2" * 20)), (2, entry(7, 4, huge(4), b"\1" * 20))],
    "at no distance": [(1, entry(6, 4, huge(4), b"\0"))],
    "before the pack": [(1, entry(6, 4, huge(4), b"\x7f"))],
    "too large": [(1, entry(3, 1 << 40, b"data"))],
    "too large to count": [(1, entry(3, 1 << 70, b"data"))],
    "too small": [(1, entry(3, 3, b"data"))],
    "a delta that is too large": [(1, entry(7, 10, huge(1 << 45), b"\2" * 20)), (2, entry(3, 4, b"data"))],
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_packs_that_lie(lie: str, tmp_path: Path) -> None:
    """What no honest program writes is damaged, and neither a crash nor endless."""
    git = store_with(tmp_path / "x.git", *LIES[lie])
    with pytest.raises(Damaged):
        git.objects.read(ObjectID("01" * 20))
    assert PackReader(str(tmp_path / "x.git" / "objects" / "pack")).read("01" * 20) is None
    git.close()
