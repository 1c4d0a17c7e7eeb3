"""Mirrors carry the large files of all their refs."""

from __future__ import annotations

import os
import shutil
from hashlib import sha256
from pathlib import Path

import pytest

from cmgit import history
from cmgit.lfs.objects import Objects
from cmgit.lfs.pointer import Pointer
from cmgit.mirror.sources import Mirrors
from cmgit.mirror.verify import verify_mirror
from cmgit.workspace import Workspace
from tests.conftest import run_git

from .origins import Origins, mirror, states, synced

OLD, NEW = os.urandom(5000), os.urandom(6000)
MARK = "*.bin filter=lfs diff=lfs merge=lfs -text\n"


@pytest.fixture(params=["", "dulwich"])
def origins(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Origins:
    """A repository with a large file that was another before; with git and without."""
    monkeypatch.setenv("CMGIT_TRANSPORT", request.param)
    found = Origins(tmp_path / "origins")
    found.make("one")
    for data in (OLD, NEW):
        put(found, data)
    return found


def put(origins: Origins, data: bytes) -> Pointer:
    """Commit a large file as Git LFS would."""
    pointer = Pointer(sha256(data).hexdigest(), len(data))
    origin = origins.top / "one"
    (origin / "content").write_bytes(data)
    Objects(str(origin / ".git" / "lfs")).clean(str(origin / "content"))
    (origin / "content").unlink()
    origins.commit("one", {"script/one-a/x.bin": pointer.encode().decode(), ".gitattributes": MARK})
    return pointer


def problems(workspace: Workspace) -> str:
    """What verify says."""
    return "; ".join(verify_mirror(workspace.home, Mirrors(workspace.home).items[0]).problems)


def test_all_of_them(workspace: Workspace, origins: Origins) -> None:
    """Also those of the past; once there, nothing is asked of the origin."""
    mirror(workspace, origins.top / "one")
    assert states(synced(workspace)) == {"one": "new"}
    sizes = sorted(found.st_size for _, found in workspace.large.objects)
    assert sizes == [len(OLD), len(NEW)]
    assert problems(workspace) == ""
    shutil.rmtree(origins.top / "one" / ".git" / "lfs")
    assert states(synced(workspace)) == {"one": "same"}
    assert history.cat(workspace, workspace.one("script", "one-a"), "x.bin") == NEW


def test_what_was_lost_comes_again(workspace: Workspace, origins: Origins) -> None:
    """Verify names it, sync brings it, though the refs are in step."""
    mirror(workspace, origins.top / "one")
    synced(workspace)
    oid = sha256(OLD).hexdigest()
    os.unlink(workspace.large.objects.path(oid))
    assert f"{oid} is missing" in problems(workspace)
    assert states(synced(workspace)) == {"one": "changed"}
    assert problems(workspace) == ""
    path = Path(workspace.large.objects.path(oid))
    path.chmod(0o644)
    path.write_bytes(OLD[::-1])
    assert f"{oid} is damaged" in problems(workspace)


def test_what_the_source_lacks(workspace: Workspace, origins: Origins) -> None:
    """The repository and the rest are there; the failure names it; the next sync tries again."""
    there = Objects(str(origins.top / "one" / ".git" / "lfs"))
    lost = Path(there.path(sha256(OLD).hexdigest()))
    kept = lost.rename(origins.top / "kept")
    mirror(workspace, origins.top / "one")
    outcome = synced(workspace)["one"]
    assert outcome.state == "failed"
    assert lost.name in outcome.error
    assert history.cat(workspace, workspace.one("script", "one-a"), "x.bin") == NEW
    assert f"{lost.name} is missing" in problems(workspace)
    kept.rename(lost)
    assert states(synced(workspace)) == {"one": "changed"}
    assert problems(workspace) == ""


def test_refs_that_were_forced(workspace: Workspace, origins: Origins) -> None:
    """What only a kept ref names, is kept and verified."""
    mirror(workspace, origins.top / "one")
    synced(workspace)
    run_git(origins.top / "one", "reset", "-q", "--hard", "HEAD~2")
    put(origins, b"third")
    assert states(synced(workspace)) == {"one": "changed"}
    assert len(list(workspace.large.objects)) == 3
    assert problems(workspace) == ""
