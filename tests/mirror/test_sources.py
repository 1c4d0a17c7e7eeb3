"""The set of what is mirrored: its file, its names, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from cmgit.errors import AlreadyExists, MetaError, NotFound, UsageError
from cmgit.mirror.sources import FILE, Mirrors, new_mirror, read_list
from cmgit.workspace import Workspace


def add(home: Path, *urls: str, name: str = "", recursive: bool = False) -> list[bool]:
    """Add mirrors; whether each is new."""
    with Mirrors(str(home)).change() as mirrors:
        return [mirrors.add(new_mirror(url, name, recursive)) for url in urls]


def names(home: Path, *words: str) -> list[str]:
    """What the mirrors are called that words fit."""
    return [mirror.name for mirror in Mirrors(str(home)).find(words)]


def test_add_find_and_remove(workspace: Workspace, home: Path) -> None:
    """They keep their order; names, patterns and URLs find them."""
    assert names(home) == []
    assert add(home, "o@one", "o@two", "https://example.org/x/three.git") == [True, True, True]
    assert add(home, "o@one") == [False]
    assert names(home) == ["o@one", "o@two", "x@three"]
    assert names(home, "o@*") == ["o@one", "o@two"]
    assert names(home, "https://github.com/o/two") == ["o@two"]
    assert names(home, "x@three", "o@one") == ["o@one", "x@three"]
    with Mirrors(str(home)).change() as mirrors:
        mirrors.remove(mirrors.find(["o@*"]))
    assert names(home) == ["x@three"]
    with pytest.raises(NotFound, match="no mirror"):
        names(home, "o@one")


def test_a_name_is_that_of_one(workspace: Workspace, home: Path) -> None:
    """In any case of letters; and a URL is mirrored once."""
    add(home, "o@one", name="mine")
    with pytest.raises(AlreadyExists, match="mine mirrors"):
        add(home, "o@two", name="Mine")
    with pytest.raises(AlreadyExists, match="mine mirrors"):
        add(home, "o@one", name="other")


@pytest.mark.parametrize(
    "url", ["https://ann:s3cret@example.org/x", "https://s3cret@example.org/x", "package:cmind"]
)
def test_what_is_no_mirror(url: str) -> None:
    """Secrets are not kept; a package has no other side."""
    with pytest.raises(UsageError) as caught:
        new_mirror(url)
    assert "s3cret" not in str(caught.value) + caught.value.hint


def test_a_file_that_people_edit(workspace: Workspace, home: Path) -> None:
    """Comments stay; a URL alone is a mirror."""
    (home / FILE).write_text("# ours\nmirrors:\n- o@one\n- url: o@two\n  name: two\n")
    assert names(home) == ["o@one", "two"]
    assert add(home, "o@three", recursive=True) == [True]
    assert (home / FILE).read_text().startswith("# ours\n")
    assert [mirror.recursive for mirror in Mirrors(str(home)).items] == [False, False, True]


@pytest.mark.parametrize(
    "text",
    ["mirrors: x", "mirrors: [{name: x}]", "mirrors: [{url: o@x, nmae: y}]", "mirrors: [3]",
     "mirrors: ['ext::sh']", "- x", "mirrors: [{url: o@x, name: a/b}]"],
)  # fmt: skip
def test_a_file_that_makes_no_sense(workspace: Workspace, home: Path, text: str) -> None:
    """The error names the file."""
    (home / FILE).write_text(text)
    with pytest.raises(MetaError, match=r"mirrors\.yaml"):
        names(home)


def test_lists(tmp_path: Path) -> None:
    """One a line, with comments, or YAML."""
    text, yaml = tmp_path / "list.txt", tmp_path / "list.yaml"
    text.write_text("# all\no@one\n\n  o@two # the second\n")
    yaml.write_text("mirrors:\n- o@one\n- {url: o@two, name: two}\n")
    assert [m.name for m in read_list(str(text))] == ["o@one", "o@two"]
    assert [m.name for m in read_list(str(yaml))] == ["o@one", "two"]
    with pytest.raises(NotFound, match="none"):
        read_list(str(tmp_path / "none"))


def test_signers_in_the_home(home: Path) -> None:
    """They are relative to it, so that it may be moved."""
    home.mkdir()
    with Mirrors(str(home)).change() as mirrors:
        mirrors.add(new_mirror("o@one", signers=f"{home}/mine"))
        mirrors.add(new_mirror("o@two", signers="/elsewhere/theirs"))
    assert [mirror.signers for mirror in Mirrors(str(home)).items] == ["mine", "/elsewhere/theirs"]
