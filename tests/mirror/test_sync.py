"""Bringing mirrors in step; the other side is the real Git."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cmgit.artifacts import add
from cmgit.errors import RemoteError, UsageError
from cmgit.index.lookup import PENDING
from cmgit.mirror import fleet
from cmgit.mirror.sources import Mirrors
from cmgit.mirror.state import read_state
from cmgit.mirror.verify import verify_mirror
from cmgit.pull import pull
from cmgit.repositories import init, remove
from cmgit.workspace import Workspace
from tests.conftest import meta_of, run_git

from .origins import Origins, bare, check_same, kept, mirror, refs, states, synced


@pytest.fixture(params=["", "dulwich", "git"])
def _transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param:
        monkeypatch.setenv("CMGIT_TRANSPORT", request.param)


@pytest.fixture
def origins(tmp_path: Path) -> Origins:
    """A directory for repositories to mirror."""
    return Origins(tmp_path / "origins")


@pytest.mark.usefixtures("_transport")
def test_new_same_changed(workspace: Workspace, origins: Origins) -> None:
    """All refs, the default branch, found like any other repository; again only what is new."""
    one = origins.make("one")
    run_git(one, "update-ref", "refs/notes/x", "HEAD")
    mirror(workspace, one)
    assert states(synced(workspace)) == {"one": "new"}
    check_same(workspace, "one", one)
    assert [a.name for a in workspace.find()] == ["script one:one-a,0000000000000001"]
    assert states(synced(workspace)) == {"one": "same"}
    origins.commit("one", {"file": "new"})
    run_git(one, "branch", "-m", "side", "side/x")
    assert states(synced(workspace)) == {"one": "changed"}
    check_same(workspace, "one", one)
    run_git(one, "switch", "-q", "side/x")
    assert states(synced(workspace)) == {"one": "changed"}
    check_same(workspace, "one", one)
    assert run_git(bare(workspace, "one"), "config", "--get-all", "remote.origin.fetch") == (
        "+refs/*:refs/*\n^refs/cmgit/*\n"
    )


def test_git_knows_that_it_is_a_mirror(workspace: Workspace, origins: Origins) -> None:
    """Plain ``git remote update --prune`` goes on with it, and leaves what was kept."""
    one = origins.make("one")
    mirror(workspace, one)
    synced(workspace)
    run_git(one, "commit", "-q", "--amend", "-m", "other")
    synced(workspace)
    before = kept(bare(workspace, "one"))
    assert list(before) == ["heads/main"]
    origins.commit("one", {"file": "new"})
    run_git(bare(workspace, "one"), "remote", "update", "--prune")
    assert refs(bare(workspace, "one")) == refs(one)
    assert kept(bare(workspace, "one")) == before
    assert states(synced(workspace)) == {"one": "same"}


@pytest.mark.usefixtures("_transport")
def test_nothing_that_was_seen_is_lost(workspace: Workspace, origins: Origins) -> None:
    """A forced branch, a deleted one, a moved tag: what they were has a name with a date."""
    one = origins.make("one")
    run_git(one, "switch", "-q", "side")
    side = origins.commit("one", {"side": "x"})
    run_git(one, "switch", "-q", "main")
    main = origins.commit("one", {"main": "x"})
    tag = run_git(one, "rev-parse", "v1").strip()
    mirror(workspace, one)
    synced(workspace)
    run_git(one, "reset", "-q", "--hard", "HEAD~1")
    run_git(one, "branch", "-q", "-D", "side")
    run_git(one, "tag", "-f", "-a", "v1", "-m", "two")
    outcome = synced(workspace)["one"]
    assert outcome.state == "changed"
    assert len(outcome.kept) == 3
    place = bare(workspace, "one")
    assert kept(place) == {"heads/main": main, "heads/side": side, "tags/v1": tag}
    check_same(workspace, "one", one)
    run_git(place, "gc", "-q", "--prune=now")
    assert run_git(place, "cat-file", "-t", main) == "commit\n"


def test_commits_made_in_a_mirror_are_kept(workspace: Workspace, origins: Origins) -> None:
    """The branch goes where the source has it; what was committed here has a name."""
    one = origins.make("one")
    mirror(workspace, one)
    synced(workspace)
    add(workspace, "automation", "one:mine")
    mine = run_git(bare(workspace, "one"), "rev-parse", "HEAD").strip()
    assert synced(workspace)["one"].kept
    assert kept(bare(workspace, "one")) == {"heads/main": mine}
    check_same(workspace, "one", one)
    assert [a.alias for a in workspace.find()] == ["one-a"]


@pytest.mark.parametrize("jobs", [1, 4])
def test_many(workspace: Workspace, origins: Origins, jobs: int) -> None:
    """What fails keeps nothing else from going on; it is told why, and status keeps it."""
    made = [origins.make(f"r{number}", number + 1) for number in range(5)]
    empty = origins.top / "empty"
    run_git(origins.top, "init", "-q", str(empty))
    mirror(workspace, *made, origins.top / "nothing", empty)
    outcomes = synced(workspace, jobs=jobs)
    assert [name for name, o in outcomes.items() if o.state == "failed"].sort() == [
        "empty", "nothing"].sort()  # fmt: skip
    assert "not a Git repository" in outcomes["nothing"].error
    assert "is empty" in outcomes["empty"].error
    assert "not a Git" in read_state(workspace.home, str(origins.top / "nothing")).error
    for path in made:
        check_same(workspace, path.name, path)
    assert len(workspace.find("script")) == 5
    origins.commit("r1", {"script/r1-a/more": "x"})
    assert states(synced(workspace, "r*", jobs=jobs)) == {
        f"r{n}": "changed" if n == 1 else "same" for n in range(5)
    }
    assert os.listdir(Path(workspace.home, PENDING)) == []


def test_a_source_that_became_empty(workspace: Workspace, origins: Origins) -> None:
    """It is a failure, and the mirror keeps what it has."""
    one = origins.make("one")
    mirror(workspace, one)
    synced(workspace)
    before = refs(bare(workspace, "one"))
    run_git(one, "update-ref", "--stdin", input="".join(f"delete {name}\n" for name in before))
    outcome = synced(workspace)["one"]
    assert (outcome.state, refs(bare(workspace, "one"))) == ("failed", before)
    assert "is empty" in outcome.error


@pytest.mark.usefixtures("_transport")
def test_names_of_any_bytes(workspace: Workspace, origins: Origins) -> None:
    """Names that are no UTF-8, or have what some take for an end of line, stay as they are."""
    path = origins.make("one")
    names = [b"refs/heads/caf\xe9", b"refs/heads/caf\xe8", "refs/tags/a\u2028b\x85c%".encode()]
    for name in names:
        subprocess.run([b"git", b"update-ref", name, head(path).encode()], cwd=path, check=True)
    subprocess.run([b"git", b"symbolic-ref", b"HEAD", names[0]], cwd=path, check=True)
    mirror(workspace, path)
    for state in ("new", "same"):
        assert states(synced(workspace)) == {"one": state}
    words = ["git", "for-each-ref", "--format=%(objectname) %(refname)"]
    place = bare(workspace, "one")
    (theirs, ours) = (subprocess.check_output(words, cwd=where) for where in (path, place))
    assert theirs == ours
    assert (place / "HEAD").read_bytes() == b"ref: %b\n" % names[0]
    (found,) = Mirrors(workspace.home).items
    assert verify_mirror(workspace.home, found).problems == ()
    for name in names[1:]:
        subprocess.run([b"git", b"update-ref", b"-d", name], cwd=path, check=True)
    assert len(synced(workspace)["one"].kept) == 2


def head(path: Path) -> str:
    """The commit that is checked out."""
    return run_git(path, "rev-parse", "HEAD").strip()


@pytest.mark.parametrize("there", [True, False])
def test_refs_that_cannot_be_together(
    workspace: Workspace, origins: Origins, there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source that offers a ref and one below it is named, and no ref moves."""
    monkeypatch.setenv("CMGIT_TRANSPORT", "dulwich")
    path = origins.make("one")
    mirror(workspace, path)
    if there:
        synced(workspace)
    commit = origins.commit("one", {"new.txt": "new"})
    run_git(path, "pack-refs", "--all")
    with open(path / ".git" / "packed-refs", "a") as file:
        file.write(f"{commit} refs/x/a\n{commit} refs/x/a/b\n")
    outcome = synced(workspace)["one"]
    assert "refs/x/a and refs/x/a/b cannot be there together" in outcome.error
    assert not there or commit not in refs(bare(workspace, "one")).values()


def test_a_repository_without_a_description(workspace: Workspace, origins: Origins) -> None:
    """Any repository can be mirrored, not only those of artifacts."""
    one = origins.make("one")
    run_git(one, "rm", "-q", "cmr.yaml")
    run_git(one, "commit", "-q", "-m", "plain")
    mirror(workspace, one)
    assert states(synced(workspace)) == {"one": "new"}
    check_same(workspace, "one", one)
    assert [a.alias for a in workspace.find()] == ["one-a"]
    assert workspace.warnings() == []


def test_a_fork(workspace: Workspace, origins: Origins) -> None:
    """Two with the same UID: the second goes by another."""
    mirror(workspace, origins.make("one"), origins.make("two"))
    assert states(synced(workspace)) == {"one": "new", "two": "new"}
    uids = [entry.uid for entry in workspace.registry.entries[1:]]
    assert uids[0] == f"{1:016x}" != uids[1]


def test_what_is_there_already(workspace: Workspace, origins: Origins, tmp_path: Path) -> None:
    """One that was pulled becomes a mirror; one that is unregistered comes back; a working one, or
    another with the name, is left alone."""
    one, two = origins.make("one"), origins.make("two", 2)
    pull(workspace, url=str(one))
    mirror(workspace, one)
    assert states(synced(workspace)) == {"one": "changed"}
    check_same(workspace, "one", one)
    remove(workspace, "one")
    assert states(synced(workspace)) == {"one": "new"}
    assert len(workspace.find("script")) == 1
    init(workspace, "two", str(tmp_path / "mine"))
    mirror(workspace, two)
    outcome = synced(workspace, "two")["two"]
    assert outcome.state == "failed"
    assert "another repository" in outcome.error


def test_pull_of_a_mirror(workspace: Workspace, origins: Origins) -> None:
    """It brings the mirror in step, and fails when the source does."""
    one = origins.make("one")
    mirror(workspace, one)
    synced(workspace)
    origins.commit("one", {"script/new/_cm.yaml": meta_of("new", "00000000000000ff")})
    pull(workspace, "one")
    check_same(workspace, "one", one)
    assert [a.alias for a in workspace.find("script", "new")] == ["new"]
    with pytest.raises(UsageError, match="is a mirror"):
        pull(workspace, "one", branch="side")
    one.rename(origins.top / "away")
    with pytest.raises(RemoteError, match="not a Git repository"):
        pull(workspace, "one")


def test_dependencies(workspace: Workspace, origins: Origins) -> None:
    """What a recursive one's description depends on is mirrored, to the end; a conflict is not."""
    three = origins.make("three", 3)
    two = origins.make("two", 2, f"deps:\n- url: {three}\n- url: {origins.top}/one\n")
    one = origins.make("one", 1, f"deps:\n- url: {two}\n- alias: o@x\n  conflict: true\n")
    mirror(workspace, one, recursive=True)
    assert states(synced(workspace)) == {"one": "new", "two": "new", "three": "new"}
    assert [m.name for m in Mirrors(workspace.home).items] == ["one", "two", "three"]
    assert len(workspace.find("script")) == 3


def test_one_refresh_of_the_index(
    workspace: Workspace, origins: Origins, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not one for each repository."""
    made = [origins.make(f"r{number}", number + 1) for number in range(4)]
    mirror(workspace, *made)
    calls: list[str] = []
    plain = Workspace.index
    monkeypatch.setattr(Workspace, "index", lambda self: calls.append("index") or plain(self))
    synced(workspace)
    assert calls == ["index"]


def test_a_server_that_fails_once(
    workspace: Workspace, origins: Origins, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again after a pause."""
    one = origins.make("one")
    (origins.top / "away").mkdir()
    monkeypatch.setattr("cmgit.mirror.sync._PAUSE", 0.01)
    mirror(workspace, f"git://127.0.0.1:1/{one.name}")
    lines: list[str] = []
    chosen = Mirrors(workspace.home).find([])
    outcomes = list(fleet.sync(workspace, chosen, 1, 2, lambda name, line: lines.append(line)))
    assert [outcome.state for outcome in outcomes] == ["failed"]
    assert sum("trying again" in line for line in lines) == 2


@pytest.mark.parametrize("with_git", [True, False])
def test_a_full_disk(
    origins: Origins, disk: Path, with_git: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fails with the reason, and what was there is whole; with room again it is completed."""
    if not with_git:
        monkeypatch.setenv("CMGIT_TRANSPORT", "dulwich")
    one = origins.make("one")
    workspace = Workspace(str(disk / "home"))
    mirror(workspace, one)
    synced(workspace)
    before = refs(bare(workspace, "one"))
    noise = random.Random(1).randbytes(600_000).hex()
    origins.commit("one", {"big": noise})
    mirror(workspace, origins.make("two", 2))
    origins.commit("two", {"big": noise})
    room = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize - 200_000
    (disk / "filler").write_bytes(bytes(room))
    outcomes = synced(workspace)
    assert states(outcomes) == {"one": "failed", "two": "failed"}
    assert all("\n" not in outcome.error for outcome in outcomes.values())
    assert refs(bare(workspace, "one")) == before
    run_git(bare(workspace, "one"), "fsck", "--strict")
    (disk / "filler").unlink()
    assert states(synced(workspace)) == {"one": "changed", "two": "new"}
    for name in ("one", "two"):
        check_same(workspace, name, origins.top / name)


SYNC = """
import sys
from cmgit.workspace import Workspace
from cmgit.mirror.fleet import sync
from cmgit.mirror.sources import Mirrors
workspace = Workspace(sys.argv[1])
states = [o.state for o in sync(workspace, Mirrors(workspace.home).items, int(sys.argv[2]))]
sys.exit("failed" in states)
"""


def start(workspace: Workspace, jobs: int = 2) -> subprocess.Popen[bytes]:
    """A process, and its workers, that bring all mirrors in step."""
    command = [sys.executable, "-c", SYNC, workspace.home, str(jobs)]
    return subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE)


def test_twice_at_once(workspace: Workspace, origins: Origins) -> None:
    """Several processes bring the same mirrors in step; all succeed."""
    made = [origins.make(f"r{number}", number + 1) for number in range(6)]
    mirror(workspace, *made)
    for _ in range(2):
        running = [start(workspace) for _ in range(3)]
        ended = [(process.communicate()[1], process.returncode) for process in running]
        assert [code for _, code in ended] == [0, 0, 0], ended
        for path in made:
            check_same(workspace, path.name, path)
            origins.commit(path.name, {"file": f"{time.time()}"})
    assert len(workspace.find("script")) == 6


@pytest.mark.parametrize("seed", range(int(os.environ.get("CMGIT_FULL", 0)) * 56 + 4))
def test_killed(workspace: Workspace, origins: Origins, seed: int) -> None:
    """A sync that is killed at any moment is completed by the next one; readers see whole states."""
    made = [origins.make(f"r{number}", number + 1) for number in range(4)]
    mirror(workspace, *made[:2])
    synced(workspace)
    mirror(workspace, *made[2:])
    for path in made[:2]:
        run_git(path, "commit", "-q", "--amend", "-m", "forced")
        origins.commit(path.name, {"script/new/_cm.yaml": meta_of("new", "00000000000000ff")})
    process = start(workspace)
    time.sleep(random.Random(seed).uniform(0.2, 1.5))
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    for place in Path(workspace.home, "repos").glob("*.git"):
        run_git(place, "fsck", "--strict")
    workspace.find("script")
    assert "failed" not in states(synced(workspace)).values()
    for path in made:
        check_same(workspace, path.name, path)
    for path in made[:2]:
        assert list(kept(bare(workspace, path.name))) == ["heads/main"]
    assert {a.alias for a in workspace.find("script")} >= {f"r{n}-a" for n in range(4)}
    assert os.listdir(Path(workspace.home, PENDING)) == []
