"""Deltas: what they make is what they were made of, and they are small."""

from __future__ import annotations

import os
import random
import shutil
from contextlib import closing
from pathlib import Path

from dulwich.pack import apply_delta
from hypothesis import example, given
from hypothesis import strategies as st

from cmgit.store.bundle import write_bundle
from cmgit.store.deltas import make_delta
from cmgit.store.git import GitRepository
from cmgit.store.objects import ObjectID
from tests.conftest import Git, MakeRepo, write_files

TEXT = "".join(f"line {number} {number * number % 977}\n" for number in range(3000)).encode()
pieces = st.lists(st.sampled_from([b"", b"a" * 16, b"abc" * 30, b"\0" * 70_000, TEXT, b"xy"]))


def applied(base: bytes, delta: bytes) -> bytes:
    """What a delta makes of a base."""
    return b"".join(apply_delta(base, delta))


@given(pieces, pieces)
@example([], [TEXT])
@example([TEXT], [])
@example([b"\0" * 70_000], [b"\0" * 70_000] * 3)
def test_a_delta_makes_the_target(base: list[bytes], target: list[bytes]) -> None:
    """Of any base, for any target."""
    one, other = b"".join(base), b"".join(target)
    assert applied(one, make_delta(one, other)) == other


def test_edits_anywhere() -> None:
    """Of what was changed in a few places, little is written."""
    chance = random.Random(1)
    for _ in range(50):
        data = bytearray(TEXT)
        for _ in range(chance.randrange(1, 10)):
            at = chance.randrange(len(data))
            data[at : at + chance.randrange(20)] = os.urandom(chance.randrange(20))
        delta = make_delta(TEXT, bytes(data))
        assert applied(TEXT, delta) == data
        assert len(delta) < 600


def test_nothing_in_common() -> None:
    """Then it is all inserted."""
    base, target = os.urandom(100_000), os.urandom(100_000)
    delta = make_delta(base, target)
    assert applied(base, delta) == target
    assert len(delta) < 102_000


def test_versions_that_come_back(make_repo: MakeRepo, git: Git, tmp_path: Path) -> None:
    """Files that return to what they were, change places, become directories or links, merges:
    what is packed is complete, and no delta follows from itself."""
    place = make_repo("demo", "a")
    chance = random.Random(1)
    texts = [TEXT, TEXT[:20_000] + TEXT[21_000:], TEXT[::-1]]
    base = git(place, "rev-parse", "HEAD").strip()
    for number in range(12):
        git(place, "switch", "-q", "-c", f"b{number}", chance.choice(["main", f"b{number - 1}"])
            if number else "main")  # fmt: skip
        for name in ("one", "two"):
            shutil.rmtree(place / name, ignore_errors=True)
            (place / name).unlink(missing_ok=True)
            kind = chance.randrange(4)
            if kind == 0:
                (place / name).symlink_to("three")
            elif kind == 1:
                write_files(place, {f"{name}/{name}": chance.choice(texts)})
            else:
                (place / name).write_bytes(chance.choice(texts))
        git(place, "add", "--all")
        git(place, "commit", "-q", "--allow-empty", "-m", f"c{number}")
    git(place, "merge", "-q", "-s", "ours", "-m", "merge", "b2", "b5")
    git(place, "repack", "-q", "-d")
    git(place, "commit", "-q", "--allow-empty", "-m", "loose")
    made = bytearray()
    with closing(GitRepository.open(str(place))) as repository:
        refs = {name: oid for name, oid in repository.refs().items() if name != "HEAD"}
        assert write_bundle(repository, refs, [ObjectID(base)], made.extend)
    (tmp_path / "bundle").write_bytes(made)
    git(tmp_path, "clone", "-q", "--bare", "--branch=main", "--single-branch", str(place), "other")
    git(tmp_path / "other", "fetch", "-q", str(tmp_path / "bundle"), "+refs/heads/b*:refs/heads/b*")
    git(tmp_path / "other", "fsck", "--strict", "--full")
    assert git(tmp_path / "other", "rev-parse", "b11") == git(place, "rev-parse", "b11")
