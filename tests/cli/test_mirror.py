"""``cmgit mirror``, as people type it."""

from __future__ import annotations

from pathlib import Path

from cmgit.workspace import Workspace
from tests.cli import bad, good


def test_the_set(workspace: Workspace, tmp_path: Path) -> None:
    """add, ls, rm; the list says what is mirrored from where."""
    assert good("mirror", "add", "o@one", "o@two").lines == [
        "o@one = https://github.com/o/one",
        "o@two = https://github.com/o/two",
    ]
    assert good("mirror", "add", "o@one").lines == []
    (tmp_path / "list.txt").write_text("o@three\no@one\n")
    assert len(good("mirror", "add", f"--from={tmp_path}/list.txt").lines) == 1
    assert [item["name"] for item in good("mirror", "ls", "--json").json] == [
        "o@one", "o@two", "o@three"]  # fmt: skip
    assert good("mirror", "rm", "o@t*").lines == [
        "o@two = https://github.com/o/two",
        "o@three = https://github.com/o/three",
    ]
    assert len(good("mirror", "ls").lines) == 1


def test_words_that_make_no_sense(workspace: Workspace) -> None:
    """Nothing to add, one name for two, a name that nothing goes by."""
    assert "nothing to mirror" in bad(1, "mirror", "add")
    assert "one --name" in bad(1, "mirror", "add", "o@one", "o@two", "--name=x")
    assert "no mirror 'x'" in bad(16, "mirror", "ls", "x")
    assert "no mirror 'x'" in bad(16, "mirror", "rm", "x")
    assert "add" in good("mirror").out
