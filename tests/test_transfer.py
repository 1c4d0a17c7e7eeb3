"""Moving and copying artifacts: pending edits, names, what is not committed."""

from __future__ import annotations

import os
from pathlib import Path

from cmgit import transfer
from cmgit.workspace import Workspace
from tests.conftest import Git, meta_of, uid_of, write_files


def test_move_of_pending_edits(demo: Path, workspace: Workspace, git: Git) -> None:
    """Edits that are not committed move along, and are still not committed."""
    write_files(demo, {"script/a/run.sh": "edited here\n", "script/a/new": "x"})
    transfer.move(workspace, workspace.one("script", "a"), "z")
    assert (demo / "script/z/run.sh").read_text() == "edited here\n"
    assert (demo / "script/z/new").read_text() == "x"
    assert git(demo, "status", "--porcelain") == " M script/z/run.sh\n?? script/z/new\n"
    assert not (demo / "script/a").exists()


def test_move_of_an_edit_in_the_second_of_its_commit(
    demo: Path, workspace: Workspace, git: Git
) -> None:
    """An edit of the same size, in the second in which Git's index was written, is still one."""
    git(demo, "config", "core.trustctime", "false")
    second = 1_700_000_000_000_000_000
    file = demo / "script/a/run.sh"
    os.utime(file, ns=(second, second))
    git(demo, "add", "--renormalize", file)
    file.write_text(file.read_text().upper())
    os.utime(file, ns=(second + 200, second + 200))
    os.utime(demo / ".git" / "index", ns=(second + 100, second + 100))
    transfer.move(workspace, workspace.one("script", "a"), "z")
    assert git(demo, "status", "--porcelain") == " M script/z/run.sh\n"


def test_move_to_another_case(demo: Path, workspace: Workspace) -> None:
    """A rename that changes only the case is one."""
    moved = transfer.move(workspace, workspace.one("script", "a"), "A")
    assert (moved.alias, moved.path) == ("A", "script/A")
    assert len(workspace.find("script")) == 2


def test_move_of_what_is_not_committed(demo: Path, workspace: Workspace, git: Git) -> None:
    """A new directory of the person is moved and committed."""
    write_files(demo, {"script/n/_cm.yaml": meta_of("n", uid_of(5)), "script/n/x": "x"})
    moved = transfer.move(workspace, workspace.one("script", "n"), "local:")
    assert (moved.repo, moved.uid) == ("local", uid_of(5))
    assert not (demo / "script/n").exists()
    assert git(demo, "status", "--porcelain") == ""


def test_copy_of_pending_edits(demo: Path, workspace: Workspace) -> None:
    """A copy has the files as they are now."""
    write_files(demo, {"script/a/run.sh": "edited\n"})
    artifact = transfer.copy(workspace, workspace.one("script", "a"), "local:")
    assert (Path(workspace.directory(artifact)) / "run.sh").read_text() == "edited\n"
    assert (demo / "script/a/run.sh").read_text() == "edited\n"
