"""Repositories of this machine whose packs are copied, and those that have to be fetched."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cmgit.errors import RemoteError
from cmgit.store import local_packs
from cmgit.store.quarantine import Quarantine
from cmgit.store.remote import Fetched, clone, parse_source

from ..conftest import Git


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each source was copied."""
    found: list[bool] = []
    whole = local_packs.copy_packs

    def noted(*given: object) -> Fetched | None:
        got = whole(*given)  # type: ignore[arg-type]
        found.append(got is not None)
        return got

    monkeypatch.setattr("cmgit.store.remote.copy_packs", noted)
    return found


def cloned(source: Path, place: Path) -> Fetched:
    """Clone a repository as a mirror of it."""

    def complete(quarantine: Quarantine, got: Fetched) -> None:
        refs = {name: oid for name, oid in got.refs.items() if name != "HEAD"}
        quarantine.make_repository(refs, got.default, f"file://{source}", mirror=True)

    return clone(parse_source(f"file://{source}"), str(place), complete)


def keep(git: Git, repository: Path, _: object = None) -> None:
    """Leave it as it is."""


def split(git: Git, repository: Path, _: object = None) -> None:
    """Have packs that refer to each other's objects."""
    git(repository, "repack", "-dq", "--max-pack-size=1m")
    oid = git(repository, "commit-tree", "main^{tree}", "-p", "main", "-m", "one more").strip()
    git(repository, "update-ref", "refs/heads/more", oid)
    git(repository, "repack", "-dq")
    assert len(list((repository / "objects" / "pack").glob("*.pack"))) == 2


def loosen(git: Git, repository: Path, _: object = None) -> None:
    """Have an object that is in no pack."""
    git(repository, "hash-object", "-w", "--stdin", input="loose")


def borrow(git: Git, repository: Path, _: object = None) -> None:
    """Have objects elsewhere."""
    os.rename(repository / "objects", repository.parent / "elsewhere")
    (repository / "objects" / "info").mkdir(parents=True)
    (repository / "objects" / "pack").mkdir()
    (repository / "objects" / "info" / "alternates").write_text(f"{repository.parent}/elsewhere\n")


def prune(git: Git, repository: Path, _: object = None) -> None:
    """Have an unreachable commit in a pack, of which the tree is gone."""
    line = f"100644 blob {git(repository, 'rev-parse', 'main:same.txt').strip()}\tother"
    tree = git(repository, "mktree", input=line).strip()
    oid = git(repository, "commit-tree", tree, "-m", "away").strip()
    git(repository, "update-ref", "refs/heads/away", oid)
    git(repository, "pack-objects", "-q", str(repository / "objects" / "pack" / "pack"), input=oid)
    git(repository, "update-ref", "-d", "refs/heads/away")
    git(repository, "prune", "--expire=now")
    git(repository, "prune-packed")


def stray(git: Git, repository: Path, _: object = None) -> None:
    """Have a pack without an index, which Git does not see."""
    (repository / "objects" / "pack" / f"pack-{'0' * 40}.pack").write_bytes(b"")


def vanish(git: Git, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the packs become others while they are looked at."""
    packs = local_packs._packs
    monkeypatch.setattr(local_packs, "_packs", lambda path: [*packs(path), f"{path}/gone.pack"])


@pytest.mark.parametrize("program", ["", "dulwich"])
@pytest.mark.parametrize(
    ("change", "is_copied"),
    [
        (keep, True),
        (split, True),
        (stray, True),
        (loosen, False),
        (borrow, False),
        (prune, False),
        (vanish, False),
    ],
)
def test_all_of_it(
    repository: Path,
    git: Git,
    tmp_path: Path,
    copied: list[bool],
    change: Callable[[Git, Path, pytest.MonkeyPatch], None],
    is_copied: bool,
    program: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every ref and object is there, whichever way it came."""
    monkeypatch.setenv("CMGIT_TRANSPORT", program)
    git(repository, "repack", "-adq")
    git(repository, "prune-packed")
    change(git, repository, monkeypatch)
    place = tmp_path / "place.git"
    got = cloned(repository, place)
    assert copied == [is_copied]
    assert git(place, "for-each-ref") == git(repository, "for-each-ref")
    assert got.refs["HEAD"] == git(repository, "rev-parse", "HEAD").strip()
    git(place, "fsck", "--strict", "--full")


def test_what_is_damaged(repository: Path, git: Git, tmp_path: Path) -> None:
    """A byte that is another one is found, whichever it is; a pack that lacks an object too."""
    git(repository, "repack", "-adq")
    (pack,) = (repository / "objects" / "pack").glob("*.pack")
    data = pack.read_bytes()
    pack.chmod(0o644)
    for at in (30, len(data) // 2, len(data) - 300):
        pack.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with pytest.raises(RemoteError):
            cloned(repository, tmp_path / f"{at}.git")
    pack.write_bytes(data)
    split(git, repository)
    packs = sorted((repository / "objects" / "pack").glob("*.pack"), key=os.path.getsize)
    packs[-1].unlink()
    with pytest.raises(RemoteError):
        cloned(repository, tmp_path / "lacking.git")


@pytest.mark.parametrize("program", ["", "dulwich"])
def test_refs_that_name_what_is_nowhere(
    repository: Path, git: Git, tmp_path: Path, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ref whose object is not in the packs is told."""
    monkeypatch.setenv("CMGIT_TRANSPORT", program)
    git(repository, "repack", "-adq")
    oid = git(repository, "commit-tree", "main^{tree}", "-m", "lost").strip()
    git(repository, "update-ref", "refs/heads/lost", oid)
    (repository / "objects" / oid[:2] / oid[2:]).unlink()
    with pytest.raises(RemoteError, match=f"refs/heads/lost \\({oid}\\) was not sent"):
        cloned(repository, tmp_path / "lost.git")
