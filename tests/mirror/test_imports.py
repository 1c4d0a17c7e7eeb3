"""Imports: all of it or nothing, in any order, and every way in which an export can be wrong."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from cmgit import repositories
from cmgit.errors import (
    AlreadyExists,
    CmgitError,
    Damaged,
    GitError,
    NotFound,
    Unsupported,
    Untrusted,
    UsageError,
)
from cmgit.mirror.manifest import Export
from cmgit.store.refs import KEPT
from tests.conftest import run_git, write_files

from .world import World, bundle_of, change_manifest, refs, state


def test_what_was_exported_arrives(world: World) -> None:
    """Objects, refs, head, URL; found like any other; a second time nothing happens."""
    work = world.add("one")
    run_git(work, "tag", "-a", "-m", "first", "v1")
    run_git(work, "branch", "other", "HEAD~1")
    world.sync("one")
    world.add("two", 2)
    world.export()
    done = world.take()
    assert [entry.alias for entry in done.entries] == ["one", "two"]
    assert world.same("one")
    assert world.same("two")
    assert [a.alias for a in world.there.find("script")] == ["one-a", "two-a"]
    url = run_git(world.arrived("one"), "config", "remote.origin.url").strip()
    assert (url, done.entries[0].url) == ("https://example.org/one",) * 2
    assert run_git(world.arrived("one"), "config", "remote.origin.mirror").strip() == "true"
    before = state(world.there)
    world.told.clear()
    world.take()
    assert {step.state for step in world.told} == {"already here"}
    assert state(world.there) == before
    assert not [n for n in os.listdir(Path(world.there.home, "repos")) if n.startswith("tmp")]


def increments(world: World) -> list[Export]:
    """An export and two increments, each with a commit more and a branch of its own."""
    world.add("one")
    world.add("two", 2)
    made = [world.export()]
    for number in range(2):
        world.commit("one", {f"new-{number}.txt": "new\n"})
        run_git(world.work("one"), "branch", f"at-{number}")
        world.sync("one")
        made.append(world.export(since=made[-1].directory))
    return made


def test_increments_at_once(world: World) -> None:
    """A directory with several, or in any order on the command line."""
    first, second, third = increments(world)
    world.take(third.directory, first.directory, second.directory)
    assert world.same("one")
    assert world.same("two")


def test_increments_one_by_one_in_the_wrong_order(world: World) -> None:
    """What is missing is named, with the export that has it; in the right order all is well."""
    first, second, third = increments(world)
    with pytest.raises(GitError, match=f"came with the export {first.manifest.stamp.id}"):
        world.take(second.directory)
    assert [e.alias for e in world.there.registry.entries] == ["local"]
    world.take(first.directory)
    before = state(world.there)
    with pytest.raises(GitError, match=f"came with the export {second.manifest.stamp.id}"):
        world.take(third.directory)
    assert state(world.there) == before
    world.take(second.directory)
    world.take(third.directory)
    assert world.same("one")
    with pytest.raises(NotFound, match=r"tmp-import|is no directory"):
        world.take(world.top / "nowhere")


def test_refs_that_were_forced_or_removed_are_kept(world: World) -> None:
    """Under a dated name; what is before something that is there needs none."""
    work = world.add("one")
    run_git(work, "branch", "gone")
    run_git(work, "branch", "merged", "HEAD~1")
    run_git(work, "branch", "lost")
    run_git(work, "switch", "-q", "lost")
    lost = world.commit("one", {"lost.txt": "lost\n"})
    run_git(work, "switch", "-q", "main")
    run_git(work, "tag", "-a", "-m", "one", "v1")
    tag = run_git(work, "rev-parse", "v1").strip()
    world.sync("one")
    first = world.export()
    world.take()
    old = run_git(work, "rev-parse", "main").strip()
    run_git(work, "commit", "-q", "--amend", "-m", "forced")
    run_git(work, "branch", "-D", "gone", "merged", "lost")
    run_git(work, "branch", "lost/more")  # where a ref was, there is a directory
    run_git(work, "tag", "-f", "-a", "-m", "two", "v1")
    world.sync("one")
    world.export(since=first.directory)
    world.take()
    run_git(world.arrived("one"), "fsck", "--strict")
    assert refs(world.arrived("one"), KEPT) == refs(world.bare("one"))
    kept = {n: o for n, o in refs(world.arrived("one")).items() if n.startswith(KEPT)}
    assert {name.split("/", 4)[4]: oid for name, oid in kept.items()} == {
        "heads/main": old,
        "heads/gone": old,
        "heads/lost": lost,
        "tags/v1": tag,
    }
    note = world.told[-1].problem
    assert note.startswith("4 refs were replaced and are kept")


# -- bundles made by Git ----------------------------------------------------------------------


def test_bundles_of_git(world: World) -> None:
    """A whole one makes a repository; a thin one brings it up to date; its base is asked for."""
    text = "".join(f"line {number}\n" for number in range(500))
    work = world.add("one", files={"text": text})
    whole, thin = world.top / "whole.bundle", world.top / "thin.bundle"
    run_git(work, "bundle", "create", "-q", str(whole), "--all")
    base = run_git(work, "rev-parse", "HEAD").strip()
    tip = world.commit("one", {"text": text.replace("line 7\n", "other\n")})
    run_git(work, "tag", "v1")
    run_git(work, "bundle", "create", "-q", str(thin), "main", "v1", f"^{base}")
    with pytest.raises(NotFound, match=f"nothing was imported: here: commit {base}"):
        world.take(thin, name="here")
    world.take(whole, name="here")
    assert world.there.registry.entries[-1].uid == f"{1:016x}"  # as its cmr.yaml says
    world.take(thin, name="here")
    run_git(world.arrived("here"), "fsck", "--strict")
    assert refs(world.arrived("here")) == {
        "HEAD": "ref: refs/heads/main", "refs/heads/main": tip, "refs/tags/v1": tip}  # fmt: skip


def test_bundles_that_make_no_sense(world: World) -> None:
    """No bundle, no name, a part of the objects, another kind of ids, a ref outside of refs."""
    work = world.add("one")
    file = world.top / "x.bundle"
    file.write_bytes(b"# v9 git bundle\n")
    with pytest.raises(UsageError, match="does not say what it is called"):
        world.take(file)
    tip = run_git(work, "rev-parse", "HEAD").strip()
    for header, error, text in [
        ("# v9 git bundle\n", Damaged, "not a Git bundle"),
        (f"# v2 git bundle\n{tip} refs/heads/main", Damaged, "ends early"),
        (f"# v2 git bundle\n{tip} refs/heads/main\n\n", Damaged, "no pack"),
        (f"# v2 git bundle\n{tip} refs/../../x\n\nPACK", Damaged, "no name of one"),
        ("# v3 git bundle\n@filter=blob:none\n\nPACK", Unsupported, "filter=blob:none"),
        ("# v3 git bundle\n@object-format=sha256\n\nPACK", Unsupported, "sha256"),
    ]:
        file.write_text(header)
        with pytest.raises(error, match=text):
            world.take(file, name="x")
    assert [e.alias for e in world.there.registry.entries] == ["local"]


# -- damage -----------------------------------------------------------------------------------


def test_single_flipped_bytes(world: World) -> None:
    """Anywhere in an export, in an increment too: all are found, and nothing changes."""
    increments(world)
    count = int(os.environ.get("CMGIT_FLIPS", "0")) or (100 if world.program else 25)
    files = [path for path in world.disk.rglob("*") if path.is_file()]
    chance = random.Random(1)
    before = state(world.there)
    for number in range(count):
        path = files[number % len(files)]
        good = path.read_bytes()
        place, bit = chance.randrange(len(good)), 1 << chance.randrange(8)
        path.write_bytes(good[:place] + bytes([good[place] ^ bit]) + good[place + 1 :])
        with pytest.raises(CmgitError):
            world.take()
        assert state(world.there) == before, (path, place, bit)
        path.write_bytes(good)
    world.take()
    assert world.same("one")


def test_a_missing_part(world: World) -> None:
    """A bundle, a part of one, the manifest, the sums: each is named."""
    world.add("one", files={"noise": os.urandom(5000).hex()})
    export = world.export(split=4000)
    names = [export.manifest.repositories[0].parts[1].file, "manifest.json", "SHA256SUMS"]
    for name in names:
        path = Path(export.directory, name)
        good = path.read_bytes()
        path.unlink()
        with pytest.raises(NotFound, match=f"{name} is missing"):
            world.take()
        path.write_bytes(good)
    path = Path(export.directory, names[0])
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(Damaged, match=f"{names[0]} has .* bytes, not "):
        world.take()


def test_swapped_bundles(world: World) -> None:
    """Two files that changed places, without and with sums that fit."""
    world.add("one")
    world.add("two", 2)
    export = world.export()
    one, two = bundle_of(export, "one"), bundle_of(export, "two")
    one.rename(world.top / "x")
    two.rename(one)
    (world.top / "x").rename(two)
    with pytest.raises(GitError, match="2 of 2 repositories were refused"):
        world.take()

    def swap(value: dict) -> None:  # type: ignore[type-arg]
        first, second = value["repositories"]
        for key in ("size", "sha256"):
            mine, other = first["parts"][0], second["parts"][0]
            mine[key], other[key] = other[key], mine[key]

    change_manifest(export, swap)
    with pytest.raises(GitError, match="its bundle has refs/heads/main at"):
        world.take()
    assert [e.alias for e in world.there.registry.entries] == ["local"]


def test_a_swapped_blob(world: World) -> None:
    """Another blob in the pack, with every checksum right: the one that it was is missed."""
    work = world.add("one")
    export = world.export()
    bundle = bundle_of(export, "one")
    blob = run_git(work, "rev-parse", "HEAD:more.txt").strip()
    (work / "evil").write_text("evil\n")
    other = run_git(work, "hash-object", "-w", "evil").strip()
    lines = run_git(work, "rev-list", "--objects", "--all").splitlines()
    oids = [line.split(" ")[0] for line in lines]
    wanted = "".join(f"{other if oid == blob else oid}\n" for oid in oids)
    packed = subprocess.run(
        ["git", "pack-objects", "--stdout", "-q"],
        cwd=work, input=wanted.encode(), capture_output=True, check=True,
    )  # fmt: skip
    data = bundle.read_bytes()
    bundle.write_bytes(data[: data.index(b"PACK")] + packed.stdout)

    def fit(value: dict) -> None:  # type: ignore[type-arg]
        import hashlib

        data = bundle.read_bytes()
        part = value["repositories"][0]["parts"][0]
        part.update(size=len(data), sha256=hashlib.sha256(data).hexdigest())

    change_manifest(export, fit)
    with pytest.raises(
        Damaged, match=f"nothing was imported: one: its pack is not whole: .*{blob}"
    ):
        world.take()


def test_a_missing_ref(world: World) -> None:
    """The manifest has one that the bundle has not, or the other way round."""
    world.add("one")
    export = world.export()
    good = Path(export.directory)
    shutil.copytree(good, world.top / "copy")
    change_manifest(
        export, lambda v: v["repositories"][0]["refs"].update({"refs/heads/x": "1" * 40})
    )
    with pytest.raises(Damaged, match="refs/heads/x is missing in its bundle"):
        world.take()
    shutil.rmtree(good)
    shutil.copytree(world.top / "copy", good)
    change_manifest(export, lambda v: v["repositories"][0].update(refs={"refs/heads/x": "1" * 40}))
    with pytest.raises(
        Damaged, match=r"its bundle has refs/heads/main at .*, the manifest has not"
    ):
        world.take()


def test_a_head_that_is_no_branch(world: World) -> None:
    """One elsewhere is exported as none; a manifest with such a one is refused."""
    work = world.add("one")
    run_git(work, "update-ref", "refs/pull/1/head", "main")
    world.sync("one")
    (world.bare("one") / "HEAD").write_text("ref: refs/pull/1/head\n")
    export = world.export()
    assert export.manifest.repositories[0].head == ""
    world.take()
    assert refs(world.arrived("one"))["HEAD"] == "ref: refs/heads/main"
    with pytest.raises(Damaged, match="head 'refs/pull/1/head' is no branch"):
        change_manifest(
            export, lambda value: value["repositories"][0].update(head="refs/pull/1/head")
        )


def test_names_of_any_bytes(world: World) -> None:
    """A branch, which is the head, whose name is no UTF-8 arrives under that name."""
    work = world.add("one")
    commit = run_git(work, "rev-parse", "main").strip().encode()
    command = [b"git", b"update-ref", b"refs/heads/caf\xe9", commit]
    subprocess.run(command, cwd=world.bare("one"), check=True)
    (world.bare("one") / "HEAD").write_bytes(b"ref: refs/heads/caf\xe9\n")
    words = ["git", "for-each-ref", "--format=%(objectname) %(refname)"]
    first, places = "", (world.bare("one"), world.arrived("one"))
    for name in (b"refs/heads/100%", b"refs/heads/caf\xe8"):
        subprocess.run([*command[:2], name, command[3]], cwd=world.bare("one"), check=True)
        first = world.export(since=first).directory
        world.take()
        assert len({(place / "HEAD").read_bytes() for place in places}) == 1
        assert len({subprocess.check_output(words, cwd=place) for place in places}) == 1


def test_refs_that_cannot_be_together(world: World) -> None:
    """A manifest and a bundle with a ref below another one; no ref moves."""
    work = world.add("one")
    first = world.export()
    world.take()
    world.commit("one", {"new.txt": "new"})
    world.sync("one")
    later = world.export(since=first.directory)
    before = state(world.there)

    def add(value: dict[str, Any]) -> None:
        found = value["repositories"][0]["refs"]
        found |= dict.fromkeys(("refs/x/a", "refs/x/a/b"), found["refs/heads/main"])

    change_manifest(later, add)
    with pytest.raises(Damaged, match="refs/x/a and refs/x/a/b cannot be there together"):
        world.take()
    run_git(work, "branch", "-m", "main", "main/new")
    bundle = world.top / "x.bundle"
    run_git(work, "bundle", "create", "-q", str(bundle), "main/new")
    with pytest.raises(Damaged, match="refs/heads/main and refs/heads/main/new cannot be"):
        world.take(bundle, name="one")
    assert state(world.there) == before


def test_parts_that_are_no_files(world: World) -> None:
    """A pipe, from which nobody will ever read to the end, and a directory."""
    world.add("one")
    export = world.export()
    part, manifest = bundle_of(export, "one"), Path(export.directory, "manifest.json")
    change_manifest(export, lambda value: value["repositories"][0]["parts"][0].update(size=0))
    for path in (part, manifest):
        for make in (os.mkfifo, os.mkdir):
            held = path.rename(path.with_suffix(".held"))
            make(path)
            with pytest.raises(Damaged, match=f"{path} is no file"):
                world.take(export.directory)
            path.unlink() if path.is_fifo() else path.rmdir()
            held.rename(path)


def test_an_empty_mirror(world: World) -> None:
    """A repository without refs, an export without repositories, a directory without exports."""
    world.add("one")
    export = world.export()
    change_manifest(export, lambda v: v["repositories"][0].update(refs={}, parts=[]))
    with pytest.raises(Damaged, match="one: it is empty"):
        world.take()
    change_manifest(export, lambda v: v.update(repositories=[]))
    with pytest.raises(Damaged, match="is empty: there is no repository in it"):
        world.take()
    shutil.rmtree(export.directory)
    with pytest.raises(NotFound, match="no export in"):
        world.take()


def test_what_failed_at_the_export_is_told_at_the_import(world: World) -> None:
    """Nobody shall take for whole what is not."""
    world.add("one")
    world.add("empty", 2)
    run_git(world.bare("empty"), "update-ref", "-d", "refs/heads/main")
    world.export()
    done = world.take()
    assert [entry.alias for entry in done.entries] == ["one"]
    assert [(failed.alias, failed.problem) for failed in done.absent] == [
        ("empty", "it is empty: it has no refs")
    ]


def test_a_stale_manifest(world: World) -> None:
    """Older than what was imported already, or than it may be."""
    world.add("one")
    export = world.export()
    old = (datetime.now(timezone.utc) - timedelta(days=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
    shutil.copytree(export.directory, world.top / "old")
    change_manifest(export, lambda v: v.update(created=old, id="0" * 8))
    shutil.copytree(export.directory, world.top / "stale")
    with pytest.raises(Untrusted, match=r"is stale: it was made 3\.0 days ago"):
        world.take(max_age=2 * 86400)
    world.take(world.top / "old", max_age=2 * 86400)
    before = state(world.there)
    with pytest.raises(Untrusted, match=f"export 00000000 of {old} is stale: .* imported already"):
        world.take(world.top / "stale")
    later = (datetime.now(timezone.utc) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    change_manifest(export, lambda v: v.update(created=later, id="1" * 8))
    with pytest.raises(Untrusted, match="was made in the future: a clock is wrong"):
        world.take(export.directory, max_age=2 * 86400)
    assert state(world.there) == before


# -- the home ---------------------------------------------------------------------------------


def test_names_that_are_taken(world: World, tmp_path: Path) -> None:
    """Another repository of the name, a directory in the place, a working repository."""
    world.add("one")
    world.export()
    repositories.init(world.there, "one", str(tmp_path / "other"))
    with pytest.raises(AlreadyExists, match="another repository is called one here"):
        world.take()
    repositories.remove(world.there, "one")
    write_files(world.arrived("one"), {"x": ""})
    with pytest.raises(AlreadyExists, match="is there, unregistered"):
        world.take()
    shutil.rmtree(world.arrived("one"))
    world.take()
    repositories.checkout(world.there, "one", str(tmp_path / "mine"))
    world.commit("one", {"new": ""})
    world.sync("one")
    world.export()
    with pytest.raises(UsageError, match="is a working repository here"):
        world.take()


def test_what_was_unregistered_or_killed_in_place_is_taken_up(world: World) -> None:
    """A repository that an import put in place and that the registry does not know."""
    first, second, _ = increments(world)
    world.take(first.directory)
    repositories.remove(world.there, "one")
    world.take(second.directory)
    assert [e.alias for e in world.there.registry.entries] == ["local", "two", "one"]
    assert "refs/heads/at-0" in refs(world.arrived("one"))
