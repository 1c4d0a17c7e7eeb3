"""The registry: order, names, damage."""

from __future__ import annotations

import os
from pathlib import Path

import orjson
import pytest

from cmgit.errors import AlreadyExists, AmbiguousError, NotFound, UsageError
from cmgit.names import Name
from cmgit.registry import BARE, LOCAL, WORKING, Entry, Registry
from cmgit.workspace import Workspace
from tests.conftest import MakeRepo, uid_of


def entry(alias: str, number: int, path: str = "/nowhere", kind: str = WORKING) -> Entry:
    """An entry with a UID made of a number."""
    return Entry(0, alias, uid_of(number), kind, path)


@pytest.fixture
def registry(home: Path) -> Registry:
    """An empty registry."""
    home.mkdir()
    return Registry(str(home))


def add(registry: Registry, *entries: Entry) -> list[Entry]:
    """Register entries in one change."""
    with registry.change():
        return [registry.add(one) for one in entries]


def test_round_trip(registry: Registry, home: Path) -> None:
    """What is registered is read back, in order; a path in the home is relative to it."""
    bare = entry("b", 2, str(home / "repos" / "b.git"), BARE)._replace(
        url="https://x", branch="dev"
    )
    inside = entry("c", 3, str(home / "local"))
    added = add(registry, entry("a", 1, "/data/a"), bare, inside)
    assert Registry(str(home)).entries == added
    stored = orjson.loads((home / "registry.json").read_bytes())
    assert [item["path"] for item in stored["repositories"]] == [
        "/data/a", "repos/b.git", "local",
    ]  # fmt: skip
    os.rename(home, f"{home}-moved")
    moved = Registry(f"{home}-moved")
    assert moved.entries[1].path == f"{home}-moved/repos/b.git"
    assert moved.entries[2].path == f"{home}-moved/local"


def test_a_home_known_by_a_link(home: Path) -> None:
    """What is inside is relative, whichever way it was named."""
    home.mkdir()
    link = home.parent / "link"
    link.symlink_to(home)
    add(Registry(str(link)), entry("a", 1, str(home / "a")), entry("b", 2, str(link / "b")))
    stored = orjson.loads((home / "registry.json").read_bytes())
    assert [item["path"] for item in stored["repositories"]] == ["a", "b"]


def test_a_registry_of_an_older_version(home: Path) -> None:
    """Its absolute paths become relative when the index is made, so that the home may be moved."""
    workspace = Workspace(str(home))
    file = home / "registry.json"
    value = orjson.loads(file.read_bytes())
    del value["check"]
    (local,) = value["repositories"]
    local["path"] = str(home / "local")
    file.write_bytes(orjson.dumps(value))
    assert Registry(str(home)).outdated
    assert workspace.index().count == 0
    (stored,) = orjson.loads(file.read_bytes())["repositories"]
    assert stored["path"] == "local"


def test_a_path_that_is_no_text(registry: Registry) -> None:
    """It is refused, and nothing is registered."""
    with pytest.raises(UsageError, match="no UTF-8"):
        add(registry, entry("a", 1, "/data/\udcff"))
    assert Registry(registry.home).entries == []


def test_numbers_are_never_used_again(registry: Registry) -> None:
    """A number stands for one registration for ever."""
    first, second = add(registry, entry("a", 1), entry("b", 2))
    with registry.change():
        registry.remove(second)
    (third,) = add(registry, entry("b", 2))
    assert len({first.number, second.number, third.number}) == 3


def test_taken(registry: Registry) -> None:
    """An alias in any case and a UID are there once; a failed change changes nothing."""
    add(registry, entry("a", 1))
    for other in (entry("A", 2), entry("b", 1)):
        with pytest.raises(AlreadyExists):
            add(registry, other)
    with pytest.raises(AlreadyExists):
        add(registry, entry("c", 3), entry("a", 4))
    assert [e.alias for e in Registry(registry.home).entries] == ["a"]


def test_names(registry: Registry) -> None:
    """By alias, UID or pattern; one, or an error that says which."""
    add(registry, entry("aa", 1), entry("ab", 2))
    assert [e.alias for e in registry.find(Name("a*"))] == ["aa", "ab"]
    assert registry.one(Name("", uid_of(2))).alias == "ab"
    assert registry.one(Name("aa")).name == f"aa,{uid_of(1)}"
    with pytest.raises(NotFound):
        registry.one(Name("x"))
    with pytest.raises(AmbiguousError, match="aa, ab"):
        registry.one(Name("a?"))


def test_changes_of_others_are_seen(registry: Registry) -> None:
    """Two objects on one file: neither loses what the other wrote."""
    other = Registry(registry.home)
    add(registry, entry("a", 1))
    add(other, entry("b", 2))
    assert [e.alias for e in Registry(registry.home).entries] == ["a", "b"]


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"repositories": [1]}', b"\0" * 100])
def test_damage(registry: Registry, home: Path, damage: bytes) -> None:
    """The copy from before is used, with a warning, and put in its place by the next change."""
    added = add(registry, entry("a", 1))
    (home / "registry.json").write_bytes(damage)
    damaged = Registry(str(home))
    assert damaged.entries == added
    assert "registry.json is damaged" in damaged.warnings[0]
    with damaged.change():
        pass
    again = Registry(str(home))
    assert (again.entries, again.warnings) == (added, [])


def test_both_damaged(workspace: Workspace, home: Path, make_repo: MakeRepo) -> None:
    """The bare repositories of the home and ``local`` are found without any registry."""
    workspace.pull("demo", url=str(make_repo("demo", "a")))
    for name in ("registry.json", "registry.json~"):
        (home / name).write_bytes(b"{")
    registry = Registry(str(home))
    assert [e.alias for e in registry.entries] == ["local", "demo"]
    assert registry.entries[0].uid == LOCAL.uid
    assert registry.entries[1].url.endswith("/demo")
    assert [a.alias for a in workspace.find("script")] == ["a"]


def test_a_lost_registry(workspace: Workspace, home: Path) -> None:
    """Without the file the copy is used."""
    (home / "registry.json").unlink()
    assert [e.alias for e in Registry(str(home)).entries] == ["local"]
