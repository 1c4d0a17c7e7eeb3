"""The stores of objects, and reading what the real Git did to them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cmgit.errors import Damaged
from cmgit.store import objects
from cmgit.store.git import GitRepository
from cmgit.store.objects import (
    FILE,
    TREE,
    DiskStore,
    MemoryStore,
    TreeEntry,
    encode_tree,
    read_blob,
    read_tree,
    verify,
)

from .contract import ObjectStoreContract


class TestMemory(ObjectStoreContract):
    """In a dict."""

    @pytest.fixture
    def store(self):
        return MemoryStore()

    def reopen(self, store):
        return store


class TestLoose(ObjectStoreContract):
    """On disk, as Git writes a few objects."""

    @pytest.fixture
    def store(self, tmp_path):
        return GitRepository.init(str(tmp_path / "repo.git"), bare=True).objects

    def reopen(self, store):
        return GitRepository.open(os.path.dirname(store.path)).objects


class TestPacked(TestLoose):
    """On disk, every flush as a pack."""

    @pytest.fixture(autouse=True)
    def _always_pack(self, monkeypatch):
        monkeypatch.setattr(objects, "_LOOSE_LIMIT", 0)


@pytest.fixture
def bare(tmp_path: Path) -> GitRepository:
    """A new bare repository."""
    return GitRepository.init(str(tmp_path / "bare.git"), bare=True)


@pytest.mark.parametrize("limit", [0, 1000])
def test_git_reads_what_was_written(bare, git, monkeypatch, limit):
    """Loose or packed, ``git fsck --strict`` is content and ``git cat-file`` shows the bytes."""
    monkeypatch.setattr(objects, "_LOOSE_LIMIT", limit)
    blob = bare.objects.put("blob", b"hello\n")
    tree = bare.objects.put("tree", encode_tree({"a": TreeEntry(FILE, blob)}))
    bare.objects.flush()
    assert git(bare.path, "cat-file", "blob", blob) == "hello\n"
    assert git(bare.path, "ls-tree", tree) == f"100644 blob {blob}\ta\n"
    git(bare.path, "fsck", "--strict", "--full")
    packs = list(Path(bare.path, "objects", "pack").glob("*.pack"))
    assert len(packs) == (limit == 0)
    for pack in packs:
        git(bare.path, "verify-pack", str(pack))


def test_unflushed_is_not_on_disk(bare, git):
    """What is put and forgotten leaves nothing."""
    oid = bare.objects.put("blob", b"never")
    bare.objects.forget()
    assert oid not in bare.objects
    assert git(bare.path, "count-objects") == "0 objects, 0 kilobytes\n"


@pytest.mark.parametrize("repack", [["gc", "-q"], ["repack", "-adq"], ["repack", "-adqf"]])
def test_open_store_survives_a_repack(make_repo, git, repack):
    """Objects are found though another process replaced every file that held them."""
    path = make_repo("demo", "a", "b")
    store = GitRepository.open(str(path)).objects
    oids = sorted(store)
    before = {oid: store.read(oid) for oid in oids}
    for _ in range(2):
        git(path, *repack)
        git(path, "commit", "--allow-empty", "-q", "-m", "more")
        assert {oid: store.read(oid) for oid in oids} == before


def test_deltas(tmp_path, git):
    """Objects that Git keeps as deltas are read whole."""
    git(tmp_path, "init", "-q", "r")
    repo, texts = tmp_path / "r", []
    for number in range(8):
        texts.append("".join(f"line {n}\n" for n in range(400)) + f"{number}\n")
        (repo / "f").write_text(texts[-1])
        git(repo, "add", "f")
        git(repo, "commit", "-q", "-m", str(number))
    git(repo, "repack", "-adfq", "--depth=50")
    assert "chain length" in git(repo, "verify-pack", "-v", *map(str, repo.glob(".git/**/*.idx")))
    store = GitRepository.open(str(repo)).objects
    ids = git(repo, "log", "--reverse", "--format=%H:f").split()
    blobs = [git(repo, "rev-parse", name).strip() for name in ids]
    assert [read_blob(store, blob).decode() for blob in blobs] == texts


def test_alternates(make_repo, git, tmp_path):
    """``git clone --shared``: objects of the other repository are there, and not copied."""
    path = make_repo("demo", "a")
    git(tmp_path, "clone", "-q", "--shared", "--bare", str(path), "shared.git")
    store = GitRepository.open(str(tmp_path / "shared.git")).objects
    blob = git(path, "rev-parse", "HEAD:cmr.yaml").strip()
    assert read_blob(store, blob) == (path / "cmr.yaml").read_bytes()
    assert "count: 0" in git(tmp_path / "shared.git", "count-objects", "-v")


def loose_file(store: DiskStore, oid: str) -> Path:
    """The file of a loose object, made writable."""
    path = Path(store.path, oid[:2], oid[2:])
    path.chmod(0o644)
    return path


@pytest.mark.parametrize("damage", [b"", b"garbage", None])
def test_damaged_loose_object(bare, damage):
    """An empty, a scrambled and a truncated file raise Damaged, and verify names the object."""
    oid = bare.objects.put("blob", os.urandom(2000))
    bare.objects.flush()
    path = loose_file(bare.objects, oid)
    path.write_bytes(path.read_bytes()[:500] if damage is None else damage)
    store = GitRepository.open(bare.path).objects
    with pytest.raises(Damaged, match=oid):
        store.read(oid)
    assert [oid in problem for problem in verify(store, [oid])] == [True]


def test_other_content_under_an_id(bare):
    """A whole object in the wrong place is found by hashing it again."""
    one, two = (bare.objects.put("blob", data) for data in (b"one", b"two"))
    bare.objects.flush()
    loose_file(bare.objects, one).write_bytes(loose_file(bare.objects, two).read_bytes())
    store = GitRepository.open(bare.path).objects
    problems = list(verify(store, [one, two]))
    assert [problem.startswith(f"object {one} does not match its id") for problem in problems] == [
        True
    ]


def test_damaged_pack(bare, monkeypatch):
    """A flipped byte in a pack raises Damaged or is found by hashing, and nothing else."""
    monkeypatch.setattr(objects, "_LOOSE_LIMIT", 0)
    data = os.urandom(4000)
    oid = bare.objects.put("blob", data)
    bare.objects.flush()
    pack = next(Path(bare.path, "objects", "pack").glob("*.pack"))
    pack.chmod(0o644)
    whole = pack.read_bytes()
    for at in (0, 14, len(whole) // 2):
        pack.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        assert list(verify(GitRepository.open(bare.path).objects, [oid])), at
    pack.write_bytes(whole[:100])
    assert list(verify(GitRepository.open(bare.path).objects, [oid]))


def test_wrong_kind(bare):
    """Reading a blob as a tree, or a tree as a blob, raises Damaged."""
    blob, tree = bare.objects.put("blob", b"x"), bare.objects.put("tree", b"")
    with pytest.raises(Damaged, match="is a blob, not a tree"):
        read_tree(bare.objects, blob)
    with pytest.raises(Damaged, match="is a tree, not a blob"):
        read_blob(bare.objects, tree)


@pytest.mark.parametrize(
    "data", [b"garbage", b"100644 a\0short", b"100644 \xff", b"9z a\0" + b"x" * 20]
)
def test_tree_that_does_not_parse(data):
    """Bytes that are no tree raise Damaged."""
    store = MemoryStore()
    with pytest.raises(Damaged):
        read_tree(store, store.put("tree", data))


def test_tree_order_is_that_of_git(bare, git):
    """Directories sort as if they ended in a slash; names may be any bytes."""
    blob, tree = bare.objects.put("blob", b""), bare.objects.put("tree", b"")
    names = {"a": tree, "a.b": blob, "a-b": blob, "a0": blob, "é": blob, "z\udcff": blob}
    entries = {n: TreeEntry(TREE if o == tree else FILE, o) for n, o in names.items()}
    oid = bare.objects.put("tree", encode_tree(entries))
    bare.objects.flush()
    git(bare.path, "fsck", "--strict")
    assert list(read_tree(bare.objects, oid)) == ["a-b", "a.b", "a", "a0", "z\udcff", "é"]
