"""What is taken in from the disk: modes, links, and what is no content."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cmgit.errors import NotFound, UsageError
from cmgit.workspace import Workspace
from tests.conftest import Git, write_files


def test_sources(demo: Path, workspace: Workspace, tmp_path: Path, git: Git) -> None:
    """Modes, links inside, and a meta that is there are kept; ``.git`` is left out."""
    source = tmp_path / "src"
    write_files(source, {"_cm.yaml": "# kept? no, but its values are\nk: v\ntags: [theirs]\nalias: x\n",
                         "bin/run": "#!/bin/sh\n", ".git/config": "no", "sub/.git": "no"})  # fmt: skip
    (source / "bin" / "run").chmod(0o755)
    (source / "link").symlink_to("bin/run")
    (source / "bin" / "up").symlink_to("../bin")
    artifact = workspace.add("script", "demo:c", tags="mine", source=str(source))
    assert git(demo, "ls-tree", "-r", "--format=%(objectmode) %(path)", "HEAD:script/c") == (
        "100644 _cm.yaml\n100755 bin/run\n120000 bin/up\n120000 link\n"
    )
    meta = workspace.load(artifact)
    assert (meta["alias"], meta["k"], meta["tags"]) == ("c", "v", ["theirs", "mine"])


@pytest.mark.parametrize("target", ["/etc/passwd", "../../x", "a/../../../x"])
def test_links_that_lead_out(workspace: Workspace, demo: Path, tmp_path: Path, target: str) -> None:
    """A link out of what is added is refused, and nothing is added."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "link").symlink_to(target)
    with pytest.raises(UsageError, match="leads out"):
        workspace.add("script", "demo:c", source=str(tmp_path / "src"))
    assert not (demo / "script" / "c").exists()


def test_special_files(workspace: Workspace, demo: Path, tmp_path: Path) -> None:
    """A pipe is no content."""
    (tmp_path / "src").mkdir()
    os.mkfifo(tmp_path / "src" / "pipe")
    with pytest.raises(UsageError):
        workspace.add("script", "demo:c", source=str(tmp_path / "src"))
    with pytest.raises(NotFound):
        workspace.add("script", "demo:c", source=str(tmp_path / "nosuch"))
