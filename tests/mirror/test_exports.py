"""Exports: what plain Git and sha256sum say of them, increments, what cannot be exported."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from cmgit.errors import GitError, NotFound, UsageError
from cmgit.mirror.manifest import read_export
from tests.conftest import run_git, write_files

from .world import World, bundle_of, refs


def test_plain_programs_read_an_export(world: World) -> None:
    """``sha256sum -c``, ``git bundle verify``, ``git clone`` with the branch that is the head."""
    work = world.add("one")
    run_git(work, "tag", "-a", "-m", "first", "v1")
    run_git(work, "tag", "blob", run_git(work, "hash-object", "-w", "cmr.yaml").strip())
    run_git(work, "branch", "other", "HEAD~1")
    world.sync("one")
    world.add("two", 2)
    export = world.export()
    checked = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=export.directory, check=False)
    assert checked.returncode == 0
    assert [held.alias for held in export.manifest.repositories] == ["one", "two"]
    bundle = bundle_of(export, "one")
    run_git(world.bare("one"), "bundle", "verify", str(bundle))
    run_git(world.top, "clone", "-q", "--mirror", str(bundle), "clone.git")
    assert refs(world.top / "clone.git") == refs(world.bare("one"))
    run_git(world.top, "clone", "-q", str(bundle), "clone")
    assert (world.top / "clone" / "more.txt").exists()
    held = export.manifest.repositories[0]
    objects = run_git(world.bare("one"), "rev-list", "--all", "--objects").splitlines()
    assert held.objects == len(objects)
    assert os.listdir(world.disk) == [os.path.basename(export.directory)]


def test_a_bundle_in_parts(world: World) -> None:
    """No file is longer than it may be; ``cat`` makes the bundle of them."""
    world.add("one", files={"noise": os.urandom(30000).hex()})
    export = world.export(split=10000)
    parts = export.manifest.repositories[0].parts
    assert len(parts) > 2
    assert [part.size for part in parts[:-1]] == [10000] * (len(parts) - 1)
    data = b"".join(Path(export.directory, part.file).read_bytes() for part in parts)
    (world.top / "whole.bundle").write_bytes(data)
    run_git(world.top, "clone", "-q", "--mirror", "whole.bundle", "clone.git")
    assert refs(world.top / "clone.git") == refs(world.bare("one"))
    world.take()
    assert world.same("one")


def test_an_increment_has_what_is_new(world: World) -> None:
    """Nothing for what did not change; a full bundle for what was not there; all refs."""
    for number, alias in enumerate(["one", "two"], 1):
        world.add(alias, number)
    first = world.export()
    tip = run_git(world.work("one"), "rev-parse", "HEAD").strip()
    world.commit("one", {"new.txt": "new\n"})
    run_git(world.work("one"), "branch", "old", "HEAD~2")  # nothing new for this one
    world.sync("one")
    world.add("three", 3)
    second = world.export(since=first.directory)
    one, two, three = second.manifest.repositories
    assert second.manifest.since == first.manifest.stamp
    assert (one.objects, one.prerequisites) == (3, (tip,))
    assert "refs/heads/old" in one.refs
    assert (two.parts, two.refs) == ((), first.manifest.repositories[1].refs)
    assert (three.prerequisites, three.objects > 3) == ((), True)
    third = world.export(since=world.disk)  # the last one that is there
    assert third.manifest.since == second.manifest.stamp
    assert all(held.parts == () for held in third.manifest.repositories)
    by_file = world.export(since=Path(third.directory, "manifest.json"))
    assert by_file.manifest.since == third.manifest.stamp


@pytest.mark.parametrize("packed", [True, False])
def test_the_size_of_an_increment(world: World, packed: bool) -> None:
    """As Git's own, whoever makes it, of packs with deltas or of loose objects."""
    text = "".join(f"line {number}\n" for number in range(2000))
    work = world.add("one", files={"text": text})
    first = world.export()
    base = run_git(work, "rev-parse", "HEAD").strip()
    for number in range(20):
        world.commit("one", {"text": text.replace(f"line {number}\n", "other\n")})
    world.sync("one")
    if packed:
        run_git(world.bare("one"), "repack", "-q", "-a", "-d", "-f")
    held = world.export(since=first.directory).manifest.repositories[0]
    run_git(world.bare("one"), "bundle", "create", "-q", "../git.bundle", "--all", f"^{base}")
    size = (world.bare("one").parent / "git.bundle").stat().st_size
    assert held.size < 1.1 * size
    world.take()
    assert world.same("one")


def test_what_was_gone_since(world: World) -> None:
    """The commits of an earlier export may be of no repository any more."""
    world.add("one")
    first = world.export()
    run_git(world.work("one"), "commit", "-q", "--amend", "-m", "otherwise")
    world.sync("one")
    run_git(world.bare("one"), "gc", "-q", "--prune=now")
    held = world.export(since=first.directory).manifest.repositories[0]
    assert held.prerequisites == ()
    assert held.parts


def test_what_cannot_be_exported_is_told_and_written(world: World) -> None:
    """An empty, a shallow, a partial one, one that lost an object; the others are exported."""
    work = world.add("good")
    world.add("empty", 2)
    run_git(world.bare("empty"), "update-ref", "-d", "refs/heads/main")
    world.add("shallow", 3)
    (world.bare("shallow") / "shallow").write_text(run_git(work, "rev-parse", "HEAD"))
    world.add("lost", 4)
    write_files(world.bare("lost"), {"refs/heads/lost": "1" * 40 + "\n"})
    world.add("partial", 5)
    run_git(world.bare("partial"), "config", "remote.origin.promisor", "true")
    manifest = world.export().manifest
    assert [held.alias for held in manifest.repositories] == ["good"]
    problems = {failed.alias: failed.problem for failed in manifest.failed}
    assert "it is empty" in problems["empty"]
    assert "it is a partial clone" in problems["partial"]
    assert "it is shallow" in problems["shallow"]
    assert "refs/heads/lost points to 1111" in problems["lost"]
    assert {step.repository for step in world.told if step.state == "failed"} == set(problems)


def test_nothing_is_left_of_an_export_that_failed(world: World) -> None:
    """No repository could be exported; a killed one left something."""
    world.add("empty")
    run_git(world.bare("empty"), "update-ref", "-d", "refs/heads/main")
    write_files(world.disk, {".cmgit-export-00/bundles/x": "x", ".cmgit-export-00.lock": ""})
    with pytest.raises(GitError, match="nothing was exported: empty: it is empty"):
        world.export()
    assert os.listdir(world.disk) == []


def test_words_that_make_no_sense(world: World) -> None:
    """No such repository, no such export, the one that every home has."""
    with pytest.raises(UsageError, match="nothing to export"):
        world.export()
    world.add("one")
    with pytest.raises(NotFound, match="'two' not found"):
        world.export("two")
    with pytest.raises(NotFound, match="no export in"):
        world.export(since=world.top)
    with pytest.raises(UsageError, match="a local of its own"):
        world.export("local")
    assert read_export(world.export("o*").directory).manifest.repositories[0].alias == "one"
