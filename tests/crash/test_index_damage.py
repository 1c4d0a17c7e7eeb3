"""Damage to what is derived, and to the registry: the next find is right all the same.

Counts are small by default; ``CMGIT_FULL=1 pytest tests/crash`` runs the full ones.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from crash_support import (
    FULL,
    Home,
    Result,
    Zygote,
    count,
    git,
    keep_template,
    make_home,
    restore,
    uid,
)

SEED = int(os.environ.get("CMGIT_SEED", "0")) or random.randrange(1, 1_000_000)
FLIPS = count(100, 1)  # flipped bits, one after the other, of each file

Damage = Callable[[Path, random.Random], None]


def cut(path: Path, chance: random.Random) -> None:
    """Cut off somewhere."""
    os.truncate(path, chance.randrange(path.stat().st_size))


def cut_a_byte(path: Path, chance: random.Random) -> None:
    """Cut the last byte off."""
    os.truncate(path, path.stat().st_size - 1)


def empty(path: Path, chance: random.Random) -> None:
    """Empty."""
    os.truncate(path, 0)


def zero(path: Path, chance: random.Random) -> None:
    """As long as before, and all zero."""
    path.write_bytes(bytes(path.stat().st_size))


def flip(path: Path, chance: random.Random) -> None:
    """One bit flipped."""
    data = bytearray(path.read_bytes())
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


def delete(path: Path, chance: random.Random) -> None:
    """Gone."""
    path.unlink()


def grow(path: Path, chance: random.Random) -> None:
    """Something after the end."""
    with path.open("ab") as file:
        file.write(b"x")


DAMAGES: list[Damage] = [cut, delete, *[flip] * FLIPS]
if FULL:
    DAMAGES += [cut_a_byte, empty, zero, grow]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, zygote: Zygote) -> Home:
    """A home with an index of several segments, and a working repository besides ``local``."""
    root = tmp_path_factory.mktemp("damage")
    local, up = {f"l{n}": 10 + n for n in range(8)}, {f"u{n}": 30 + n for n in range(8)}
    home = make_home(root, local, up, zygote)
    home.quick("init", "repo", "mine", f"--path={root / 'mine'}").ok()
    home.quick("add", "model", f"mine:m,{uid(50)}", "--tags=x").ok()
    home.quick("update", "model", "u1", "--tags=later").ok()
    keep_template(home)
    return home


def find(home: Home) -> Result:
    """What find says of everything; it may warn once."""
    found = home.quick("find", "*", "--json")
    assert found.code == 0, found
    assert "Traceback" not in found.err
    assert len(found.err.splitlines()) <= 1, found
    assert not found.err or found.err.startswith("warning: "), found
    return found


def index_files(home: Home) -> list[str]:
    """The files of the index, without those that nobody needs any more."""
    names = os.listdir(home.path / "index-v3")
    return sorted(name for name in names if not name.endswith(".tmp"))


def test_every_file_of_the_index(home: Home) -> None:
    restore(home)
    right = find(home).out
    assert right.count("\n") == 18
    kept = home.path.with_name("index")
    shutil.copytree(home.path / "index-v3", kept)
    chance = random.Random(SEED)
    for name in index_files(home):
        for damage in DAMAGES:
            shutil.rmtree(home.path / "index-v3")
            shutil.copytree(kept, home.path / "index-v3")
            damage(home.path / "index-v3" / name, chance)
            try:
                assert find(home).out == right
                again = find(home)
                assert (again.out, again.err) == (right, "")
            except AssertionError as error:
                raise AssertionError(f"{name}: {damage.__doc__} CMGIT_SEED={SEED}") from error
    shutil.rmtree(kept)


def test_the_whole_index(home: Home) -> None:
    restore(home)
    right = find(home).out
    shutil.rmtree(home.path / "index-v3")
    assert find(home).out == right
    (home.path / "index-v3" / "manifest-100000").write_text("rubbish")
    (home.path / "index-v3" / "manifest-x").write_text("rubbish")
    (home.path / "index-v3" / "0000000000000000.segment").write_text("rubbish")
    (home.path / "index-v3" / "123.456.tmp").write_text("rubbish")
    assert find(home).out == right
    home.quick("add", "model", f"next,{uid(900)}").ok()
    assert find(home).out.count("\n") == 19


def test_the_registry(home: Home) -> None:
    """The version before is as good; without it, what is known otherwise is kept."""
    chance = random.Random(SEED)
    restore(home)
    right = find(home).out
    for damage in [*DAMAGES, *[flip] * count(0, 10)]:
        restore(home)
        damage(home.path / "registry.json", chance)
        try:
            assert find(home).out == right
            home.quick("find", "model", "u0")
            assert find(home).out == right
        except AssertionError as error:
            raise AssertionError(f"registry: {damage.__doc__} CMGIT_SEED={SEED}") from error


def test_a_change_repairs_the_registry(home: Home) -> None:
    restore(home)
    (home.path / "registry.json").write_text("rubbish")
    done = home.quick("init", "repo", "other", f"--path={home.path.parent / 'other'}")
    assert done.code == 0, done
    found = home.quick("find", "repo").ok()
    assert [line.split(",")[0] for line in found.out.splitlines()] == [
        "local", "up", "mine", "other",
    ]  # fmt: skip
    shutil.rmtree(home.path.parent / "other")


@pytest.mark.parametrize("damage", [empty, zero, delete, cut])
def test_both_copies_of_the_registry(home: Home, damage: Damage) -> None:
    """The index still knows where the repositories are."""
    restore(home)
    right = find(home).out
    for name in ("registry.json", "registry.json~"):
        damage(home.path / name, random.Random(SEED))
    assert find(home).out == right
    home.quick("find", "model")
    assert find(home).out == right


@pytest.mark.parametrize("damage", [empty, delete])
def test_both_copies_of_the_registry_and_the_index(home: Home, damage: Damage) -> None:
    """What is in the home is found again."""
    restore(home)
    right = find(home).out.splitlines()
    for name in ("registry.json", "registry.json~"):
        damage(home.path / name, random.Random(SEED))
    shutil.rmtree(home.path / "index-v3")
    assert find(home).out.splitlines() == [line for line in right if '"mine"' not in line]


LEFT_OVERS = {
    "a marker": {"pending/1": ""},
    "a marker of no repository": {"pending/77": ""},
    "something in pending": {"pending/rubbish": "", "pending/move-rubbish": "rubbish"},
    "a move of no repository": {
        "pending/move-00000000000003e8": '{"source": {"number": 70, "path": "a/b", "tree": ""}, '
        '"target": {"number": 71, "path": "a/b", "tree": ""}, "message": "mv"}'
    },
    "a journal that is cut": {"local/.git/cmgit/journal": '{"ref"'},
    "files that were being written": {
        "registry.json.1.tmp": "{", "index-v3/1.2.tmp": "x", "index-v2/0.segment.1.2.tmp": "x",
        "local/.git/cmgit/journal.tmp": "{", "local/.git/objects/tmp_obj_1": "x",
        "repos/tmp-0000000000000000/HEAD": "", "locks/move-1": "{",
    },
    "anchors and locks": {"local/.git/cmgit/held-x": "", "repos/up.git/cmgit/fetching": ""},
}  # fmt: skip


@pytest.mark.parametrize("what", LEFT_OVERS)
def test_left_overs(home: Home, what: str) -> None:
    """What killed processes left does no harm, and what makes look-ups slow goes with the first."""
    restore(home)
    right = find(home).out
    for name, text in LEFT_OVERS[what].items():
        (home.path / name).parent.mkdir(exist_ok=True)
        (home.path / name).write_text(text)
    first = find(home)
    assert (first.out, first.err) == (right, "")
    assert os.listdir(home.path / "pending") == []
    home.quick("add", "model", f"next,{uid(900)}").ok()
    home.quick("update", "model", "u1", "--tags=next").ok()
    assert git(home.local, "status", "--porcelain") == ""
    assert git(home.local, "fsck", "--strict", "--no-dangling") == ""
    if FULL:
        home.quick("check")
        assert find(home).out.count("\n") == 19


def test_locks_of_dead_processes(home: Home) -> None:
    """Lock files with an anchor were cmgit's; others may be anybody's and stay."""
    restore(home)
    for root, name in ((home.local / ".git", "index"), (home.local / ".git", "refs/heads/main"),
                       (home.bare(), "refs/heads/main")):  # fmt: skip
        anchors = root / "cmgit"
        anchors.mkdir(exist_ok=True)
        anchor = anchors / ("held-" + str(root / name).replace("/", "%2F"))
        anchor.write_bytes(b"")
        os.link(anchor, str(root / name) + ".lock")
    home.quick("add", "model", f"next,{uid(900)}").ok()
    home.quick("update", "model", "u1", "--tags=next").ok()
    assert list(home.path.rglob("*.lock")) == []
