"""The files of the text index: damage that no search sees."""

from __future__ import annotations

from pathlib import Path

import pytest

from cmgit.check import check
from cmgit.text.state import generation, generations
from cmgit.text.verify import forget_text, verify_text
from cmgit.workspace import Workspace
from tests.cli import good, run
from tests.conftest import Put
from tests.text.conftest import ask


def files(workspace: Workspace) -> list[Path]:
    """The files of tantivy that have checksums."""
    directory = Path(generation(workspace.home, generations(workspace.home)[0]), "tantivy")
    files = (path for path in directory.iterdir() if not path.name.startswith("."))
    return sorted(path for path in files if path.suffix not in ("", ".json"))


def replace(path: Path, data: bytes) -> None:
    """Put a file in the place of another, which this process may have mapped."""
    path.unlink()
    path.write_bytes(data)


def test_sound(workspace: Workspace, put: Put) -> None:
    """What was written is sound, deletions and what is linked from before included."""
    assert list(verify_text(workspace.home)) == []
    for number in range(30):
        put(f"a{number}", number, "text " * number)
    for number in range(3):
        put(f"a{number}", number, "other")
        ask(workspace, "text")
        assert list(verify_text(workspace.home)) == []
    assert any(path.suffix == ".del" for path in files(workspace))


@pytest.mark.parametrize("change", ["flip", "cut", "empty", "footer"])
def test_damage(change: str, workspace: Workspace, put: Put) -> None:
    """Any damage to any file is found, and the text index forgotten by ``check``."""
    put("a", 1, "text of some length, so that there is something in every file")
    assert ask(workspace, "text") == ["a"]
    for path in files(workspace):
        data = path.read_bytes()
        damaged = {
            "flip": bytes([data[0] ^ 1]) + data[1:],
            "cut": data[:-1],
            "empty": b"",
            "footer": data[:-4] + b"\0\0\0\0",
        }[change]
        replace(path, damaged)
        assert [line for line in verify_text(workspace.home) if path.name in line] != [], path
        replace(path, data)
    assert list(verify_text(workspace.home)) == []
    replace(path, damaged)
    found = [finding for finding in check(workspace) if finding.where == "text"]
    assert [finding.state for finding in found] == ["repaired"]
    assert generations(workspace.home) == []
    assert ask(workspace, "text") == ["a"]


def test_reindex_forgets(workspace: Workspace, put: Put) -> None:
    """``reindex`` builds all of it anew."""
    put("a", 1, "text")
    ask(workspace, "text")
    good("reindex")
    assert generations(workspace.home) == []
    forget_text(workspace.home)
    assert good("find", "--text=text").names == ["a"]
    assert run("check").code == 0
