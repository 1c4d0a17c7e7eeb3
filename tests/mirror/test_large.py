"""Mirrors carry the large files of all their refs."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import time
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from cmgit import history
from cmgit.errors import CmgitError, Damaged
from cmgit.lfs.objects import Objects
from cmgit.lfs.pointer import Pointer
from cmgit.mirror.exports import export
from cmgit.mirror.imports import import_all
from cmgit.mirror.large import named
from cmgit.mirror.sources import Mirrors, new_mirror
from cmgit.mirror.verify import verify_imported, verify_mirror
from cmgit.store.git import GitRepository
from cmgit.workspace import Workspace
from tests.conftest import run_git
from tests.mirror.world import World, change_manifest

from .origins import Origins, mirror, states, synced

OLD, NEW = os.urandom(5000), os.urandom(6000)
MARK = "*.bin filter=lfs diff=lfs merge=lfs -text\n"


@pytest.fixture(params=["git", "git lists all", "dulwich"])
def origins(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Origins:
    """A repository with a large file that was another before; with git, which lists the objects
    of all packs or only of big ones, and without."""
    if request.param == "dulwich":
        monkeypatch.setenv("CMGIT_TRANSPORT", "dulwich")
    elif request.param == "git lists all":
        monkeypatch.setattr("cmgit.store.large._BIG_INDEX", 0)
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


def test_the_first_one_in_a_mirror(workspace: Workspace, origins: Origins) -> None:
    """A mirror that had none gets one, and another one later, in packs that came since."""
    origins.make("two", 2)
    mirror(workspace, origins.top / "two")
    synced(workspace)
    assert states(synced(workspace)) == {"two": "same"}
    assert not list(workspace.large.objects)
    there = Objects(str(origins.top / "two" / ".git" / "lfs"))
    for number, data in enumerate((OLD, NEW), 1):
        pointer = there.keep(io.BytesIO(data))
        files = {f"script/two-a/{number}.bin": pointer.encode().decode(), ".gitattributes": MARK}
        origins.commit("two", files)
        assert states(synced(workspace)) == {"two": "changed"}
        assert len(list(workspace.large.objects)) == number
        assert problems(workspace) == ""


def test_one_among_loose_objects(workspace: Workspace, origins: Origins) -> None:
    """As a push to the mirror leaves them."""
    origins.make("two", 2)
    mirror(workspace, origins.top / "two")
    synced(workspace)
    (git,) = (Path(workspace.home) / "repos").glob("two*")
    pointer = Objects(str(origins.top / "two" / ".git" / "lfs")).keep(io.BytesIO(OLD))
    work = origins.top / "work"
    run_git(origins.top, "clone", "-q", str(git), str(work))
    (work / "x.bin").write_bytes(pointer.encode())
    run_git(work, "add", "--all")
    run_git(work, "commit", "-qm", "large")
    run_git(work, "push", "-q", "origin", "HEAD:refs/cmgit/kept/x")
    assert states(synced(workspace)) == {"two": "changed"}
    assert [oid for oid, _ in workspace.large.objects] == [pointer.oid]


def is_young(objects: Objects, pointer: Pointer) -> bool:
    """Whether gc leaves a content alone, whoever names it."""
    return os.stat(objects.path(pointer.oid)).st_mtime > time.time() - 3600


def hold_old(objects: Objects, data: bytes) -> Pointer:
    """A content that was there before, and that no repository names."""
    pointer, hours_ago = objects.keep(io.BytesIO(data)), time.time() - 7200
    os.utime(objects.path(pointer.oid), (hours_ago, hours_ago))
    return pointer


def test_what_is_there_is_not_freed_meanwhile(workspace: Workspace, origins: Origins) -> None:
    """A gc that looked at the refs before they moved leaves it alone."""
    pointer = hold_old(workspace.large.objects, OLD)
    mirror(workspace, origins.top / "one")
    synced(workspace)
    assert is_young(workspace.large.objects, pointer)


def test_what_an_import_needs_is_not_freed_meanwhile(world: World) -> None:
    """The same."""
    world.add("one")
    hold(world, "one", OLD)
    pointer = hold_old(world.there.large.objects, OLD)
    world.export()
    world.take()
    assert is_young(world.there.large.objects, pointer)


# -- across an air gap ------------------------------------------------------------------------


def hold(world: World, alias: str, data: bytes) -> Pointer:
    """Commit a large file to a repository of the home that exports, with its content there."""
    pointer = world.here.large.objects.keep(io.BytesIO(data))
    world.commit(alias, {"script/x/x.bin": pointer.encode().decode(), ".gitattributes": MARK})
    world.sync(alias)
    return pointer


def carried(world: World) -> dict[str, bytes]:
    """The large files of the home that imports."""
    objects = world.there.large.objects
    return {oid: Path(objects.path(oid)).read_bytes() for oid, _ in objects}


@pytest.mark.parametrize("split", [0, 1000])
def test_exports_carry_them(world: World, split: int) -> None:
    """Once for two repositories, in parts where it has to be; an increment only what is new."""
    world.add("one", 1), world.add("two", 2)
    old = hold(world, "one", OLD)
    hold(world, "two", OLD)
    export = world.export(split=split)
    files = sorted(path.name for path in Path(export.directory, "large").iterdir())
    assert files == ([f"{old.oid}.{n:03}" for n in range(5)] if split else [old.oid])
    subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=export.directory, check=True)
    world.take(export.directory)
    assert carried(world) == {old.oid: OLD}
    new = hold(world, "one", NEW)
    later = world.export(since=export.directory, split=split)
    assert {large.oid for large in later.manifest.large if large.parts} == {new.oid}
    world.take(later.directory)
    assert carried(world) == {old.oid: OLD, new.oid: NEW}
    assert world.same("one")


def test_an_export_without_its_large_files(world: World) -> None:
    """What is damaged or missing is named, and nothing is imported."""
    world.add("one")
    old = hold(world, "one", OLD)
    export = world.export()
    file = Path(export.directory, "large", old.oid)
    for data in (OLD[::-1], OLD[:-1], None):
        file.write_bytes(data) if data else file.unlink()
        with pytest.raises(CmgitError, match=old.oid):
            world.take()
        assert len(world.there.registry.entries) == 1
        assert carried(world) == {}
    change_manifest(export, lambda value: value["large"][0].update(parts=[]))
    with pytest.raises(Damaged, match=f"{old.oid} is missing"):
        world.take()


def test_an_export_asks_what_the_sync_found(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mirror without large files is not searched for them again, until its refs change."""
    searched: list[str] = []

    def noted(git: GitRepository, program: str) -> list[Pointer]:
        searched.append(git.path)
        return named(git, program)

    monkeypatch.setattr("cmgit.mirror.exports.named", noted)
    plain = Origins(tmp_path / "plain").make("plain")
    mirror(workspace, plain)
    synced(workspace)
    assert export(workspace, str(tmp_path / "disk")).manifest.failed == ()
    assert searched == []
    bare = os.path.join(workspace.home, "repos", "plain.git")
    run_git(bare, "update-ref", "refs/heads/other", "HEAD")
    assert export(workspace, str(tmp_path / "disk")).manifest.failed == ()
    assert searched == [bare]


def test_what_is_not_here_is_not_exported(world: World) -> None:
    """The repository stands in the manifest as failed."""
    world.add("one", 1), world.add("two", 2)
    old = hold(world, "one", OLD)
    os.unlink(world.here.large.objects.path(old.oid))
    run_git(world.bare("one"), "config", "cmgit.lfsurl", str(world.top / "nowhere"))
    (failed,) = world.export().manifest.failed
    assert failed.alias == "one"
    assert old.oid in failed.problem


# -- without them ------------------------------------------------------------------------------


def test_a_mirror_without_them(workspace: Workspace, origins: Origins) -> None:
    """Sync brings none, though its source has lost some; verify says that it is without."""
    shutil.rmtree(origins.top / "one" / ".git" / "lfs")
    with Mirrors(workspace.home).change() as mirrors:
        mirrors.add(new_mirror(str(origins.top / "one"), lfs=False))
    assert states(synced(workspace)) == {"one": "new"}
    assert states(synced(workspace)) == {"one": "same"}
    assert not list(workspace.large.objects)
    verdict = verify_mirror(workspace.home, Mirrors(workspace.home).items[0])
    assert (verdict.problems, verdict.lfs) == ((), False)


def test_an_export_without_them(workspace: Workspace, origins: Origins, tmp_path: Path) -> None:
    """It does not fail, nor does the import of it, nor what is exported and imported from there."""
    with Mirrors(workspace.home).change() as mirrors:
        mirrors.add(new_mirror(str(origins.top / "one"), lfs=False))
    synced(workspace)
    shutil.rmtree(origins.top / "one")
    home = workspace
    for number in "12":
        made = export(home, str(tmp_path / f"disk{number}"))
        (held,) = made.manifest.repositories
        assert (held.lfs, held.large, made.manifest.large) == (False, {}, ())
        assert made.manifest.failed == ()
        home = Workspace(str(tmp_path / f"home{number}"))
        import_all(home, [str(tmp_path / f"disk{number}")])
        (entry,) = [entry for entry in home.registry.entries if entry.alias == "one"]
        verdict = verify_imported(home.home, entry)
        assert (verdict.problems, verdict.lfs) == ((), False)


def test_later_with_them(workspace: Workspace, origins: Origins) -> None:
    """Once the row does not leave them out any more, sync brings them, though no ref moved."""
    with Mirrors(workspace.home).change() as mirrors:
        mirrors.add(new_mirror(str(origins.top / "one"), lfs=False))
    synced(workspace)
    with Mirrors(workspace.home).change() as mirrors:
        mirrors.items = [replace(mirrors.items[0], lfs=True)]
    assert "is missing" in problems(workspace)
    assert states(synced(workspace)) == {"one": "changed"}
    assert len(list(workspace.large.objects)) == 2
    assert problems(workspace) == ""
