"""``check`` finds what is wrong, repairs what is derived, and says so; ``reindex``."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import pytest

from cmgit import check, repositories, space
from cmgit.index.lookup import PENDING
from cmgit.pull import pull
from cmgit.store.address import parse_source
from cmgit.store.mirrored import find_in
from cmgit.workspace import Workspace
from tests.cli import run
from tests.conftest import Git, MakeRepo, meta_of, uid_of, write_files


@pytest.fixture
def demo(make_repo: MakeRepo, workspace: Workspace) -> Path:
    """A repository with the scripts a and b, pulled as a bare one."""
    path = make_repo("demo", "a", "b")
    pull(workspace, "demo", str(path))
    return path


@pytest.fixture
def bare(demo: Path, home: Path) -> Path:
    """The Git directory of the bare repository, its objects loose."""
    return loosen(home / "repos" / "demo.git", demo)


def loosen(bare: Path, source: Path) -> Path:
    """Give a repository its objects one by one, not in packs."""
    for file in (bare / "objects" / "pack").iterdir():
        file.unlink()
    for place in (source / ".git" / "objects").glob("??/*"):
        target = bare / "objects" / place.parent.name / place.name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(place.read_bytes())
    return bare


def findings(workspace: Workspace) -> list[str]:
    """What check says, as the command line prints it."""
    return [f"{f.state}: {f.where}: {f.problem}" for f in check.check(workspace)]


def loose(bare: Path, oid: str) -> Path:
    """The file of a loose object."""
    path = bare / "objects" / oid[:2] / oid[2:]
    path.chmod(0o644)
    return path


def test_all_is_well(demo: Path, workspace: Workspace) -> None:
    """Nothing wrong: nothing said on stdout, exit code 0."""
    workspace.find("*")
    assert findings(workspace) == []
    assert run("check") == (0, "", "all is well\n")
    assert run("check", "--json") == (0, "", "")


@pytest.mark.parametrize("spec", ["HEAD", "HEAD^{tree}", "HEAD:script", "HEAD:script/a/run.sh"])
def test_flipped_bytes(bare: Path, demo: Path, workspace: Workspace, git: Git, spec: str) -> None:
    """An object of any kind whose content is not what its id says is found, by its id."""
    oid = git(demo, "rev-parse", spec).strip()
    path = loose(bare, oid)
    data = bytearray(zlib.decompress(path.read_bytes()))
    data[-2] ^= 1
    path.write_bytes(zlib.compress(bytes(data)))
    found = run("check")
    assert found.code == 1
    assert any(line.startswith("wrong: demo: ") and oid in line for line in found.lines)
    assert found.err == "1 problem is left\n"


@pytest.mark.parametrize("content", [b"", b"\0\xff garbage"])
def test_broken_file_of_an_object(
    bare: Path, demo: Path, workspace: Workspace, git: Git, content: bytes
) -> None:
    """An object file that is cut or no object at all is found."""
    oid = git(demo, "rev-parse", "HEAD:script/b/run.sh").strip()
    loose(bare, oid).write_bytes(content)
    found = run("check")
    assert found.code == 1
    assert oid in found.out


@pytest.mark.parametrize("spec", ["HEAD^{tree}", "HEAD:script/a", "HEAD:script/a/run.sh"])
def test_missing_object(bare: Path, demo: Path, workspace: Workspace, git: Git, spec: str) -> None:
    """An object that something refers to and that is not there is found."""
    oid = git(demo, "rev-parse", spec).strip()
    loose(bare, oid).unlink()
    found = run("check")
    assert found.code == 1
    assert any(line.startswith("wrong: demo: ") and oid in line for line in found.lines)


def test_missing_commit_of_a_branch(bare: Path, workspace: Workspace) -> None:
    """A branch that points to nothing is found; the other repositories are still checked."""
    (bare / "refs" / "heads" / "lost").write_text("1" * 40 + "\n")
    assert any("refs/heads/lost" in line and "1" * 40 in line for line in findings(workspace))


def test_flipped_byte_in_a_pack(demo: Path, workspace: Workspace, home: Path, git: Git) -> None:
    """Damage inside of a pack is found too."""
    git(home / "repos" / "demo.git", "repack", "-adq")
    (pack,) = (home / "repos" / "demo.git" / "objects" / "pack").glob("*.pack")
    pack.chmod(0o644)
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 0xFF
    pack.write_bytes(data)
    found = run("check")
    assert found.code == 1
    assert "wrong: demo: " in found.out


def test_shallow_is_no_damage(demo: Path, workspace: Workspace, git: Git) -> None:
    """The boundary of a shallow clone counts as an end."""
    write_files(demo, {"x": "x"})
    git(demo, "add", ".")
    git(demo, "commit", "-qm", "second")
    repositories.remove(workspace, "demo", everything=True)
    pull(workspace, "demo", f"file://{demo}", depth=1)
    assert findings(workspace) == []


@pytest.mark.parametrize("change", ["edit", "add", "remove"])
def test_changed_checkout(demo: Path, workspace: Workspace, change: str) -> None:
    """A check-out that is not its tree any more is removed, and made anew when it is asked for."""
    place = Path(workspace.directory(workspace.one("script", "a")))
    place.chmod(0o755)
    (place / "run.sh").chmod(0o644)
    if change == "edit":
        (place / "run.sh").write_text("echo A\n")
    elif change == "add":
        (place / "new").write_text("x")
    else:
        (place / "run.sh").unlink()
    (line,) = findings(workspace)
    assert line == f"repaired: check-out: {place} is changed; removed"
    assert findings(workspace) == []
    again = Path(workspace.directory(workspace.one("script", "a")))
    assert (again / "run.sh").read_text() == "echo a\n"


def test_orphaned_checkout(demo: Path, workspace: Workspace) -> None:
    """A check-out of a repository that is gone is removed; a whole one stays."""
    place = workspace.directory(workspace.one("script", "a"))
    assert findings(workspace) == []
    assert os.path.isdir(place)
    repositories.remove(workspace, "demo", everything=True)
    assert findings(workspace) == [
        f"repaired: check-out: {place} is of no repository any more; removed"
    ]
    assert not os.path.exists(place)


@pytest.mark.parametrize("number", ["0", "1", "99"])
def test_stale_marker(demo: Path, workspace: Workspace, home: Path, number: str) -> None:
    """A marker of a killed process is removed, and said; ``find`` works before and after."""
    (home / PENDING / number).touch()
    assert len(workspace.find("script")) == 2
    (home / PENDING / number).touch()
    lines = findings(workspace)
    assert all("killed process" in line for line in lines)
    assert os.listdir(home / PENDING) == []
    assert len(workspace.find("script")) == 2


def test_left_over_clone(demo: Path, workspace: Workspace, home: Path) -> None:
    """What a pull that was killed left is removed."""
    (home / "repos" / "tmp-0123").mkdir()
    assert findings(workspace) == ["repaired: repos: tmp-0123 was left by a pull that ended early"]
    assert not (home / "repos" / "tmp-0123").exists()


def test_damaged_registry(demo: Path, workspace: Workspace, home: Path) -> None:
    """A registry that cannot be read is restored from what there is."""
    (home / "registry.json").write_text("{")
    lines = findings(workspace)
    assert lines[0].startswith("repaired: registry: ")
    assert findings(workspace) == []
    assert len(workspace.find("script")) == 2


def test_wrong_index(demo: Path, workspace: Workspace, home: Path, git: Git) -> None:
    """An index that says something else than Git is built anew, and it is said."""
    workspace.find("*")
    git(demo, "rm", "-rq", "script/a")
    git(demo, "commit", "-qm", "a is gone")
    git(home / "repos" / "demo.git", "fetch", "-q", str(demo), "+main:main")
    assert len(workspace.find("script")) == 2  # bare repositories change only through cmgit
    assert "repaired: index: 1 record was not what Git says" in findings(workspace)
    assert [found.alias for found in workspace.find("script")] == ["b"]
    assert findings(workspace) == []


def test_notes(make_repo: MakeRepo, workspace: Workspace) -> None:
    """Metas that cannot be read and UIDs that are there twice are notes: exit code 0."""
    path = make_repo("demo", "a", files={
        "script/twin/_cm.yaml": meta_of("twin", uid_of(1)), "script/x/_cm.yaml": "[",
    })  # fmt: skip
    repositories.init(workspace, path=str(path))
    found = run("check")
    assert found.code == 0
    broken, twins = found.lines
    assert broken.startswith("note: artifact: demo/script/x/_cm.yaml:")
    assert twins == f"note: artifact: UID {uid_of(1)} is that of demo/script/a, demo/script/twin"
    assert run("check", "--json").json[1]["state"] == "note"


def test_absent_repository(demo: Path, workspace: Workspace, home: Path) -> None:
    """A repository that is not there is wrong, and the rest is checked."""
    workspace.find("*")
    os.rename(home / "repos" / "demo.git", home / "away")
    found = run("check")
    assert found.code == 1
    assert "wrong: demo: " in found.out
    assert "is not there" in found.out


@pytest.mark.parametrize("command", ["check", "reindex"])
@pytest.mark.parametrize("how", ["absent", "broken"])
def test_what_was_known_is_kept(
    demo: Path, workspace: Workspace, home: Path, command: str, how: str
) -> None:
    """What a repository held the last time that it could be read is still found, with a warning."""
    before = run("find", "script", "--json")
    place, away = home / "repos" / "demo.git", home / "away"
    os.rename(place, away)
    if how == "broken":
        place.mkdir()
    told = run(command)
    assert len(told.lines) == 1
    after = run("find", "script", "--json")
    assert (after.code, after.out) == (0, before.out)
    assert after.err.startswith("warning: demo: ")
    if how == "broken":
        place.rmdir()
    os.rename(away, place)
    assert run(command).code == 0
    assert run("find", "script", "--json") == before


def test_reindex(demo: Path, workspace: Workspace) -> None:
    """The index is built anew, and says how much there is."""
    before = run("find", "*", "--json")
    assert run("reindex").out == "2 artifacts in 2 repositories\n"
    assert run("reindex", "repo").code == 0
    assert b'"artifacts": 2' in run("reindex", "--json").out.encode()
    assert run("find", "*", "--json") == before


def test_a_repository_called_as_what_is_in_the_making(
    make_repo: MakeRepo, workspace: Workspace
) -> None:
    """Neither check nor gc takes it for what a killed process left; an import may find it."""
    entry = pull(workspace, "tmp-demo", str(make_repo("demo", "a")))
    assert entry.alias == "tmp-demo"
    assert findings(workspace) == []
    assert list(space.gc(workspace, grace=-60)) == []
    assert [artifact.alias for artifact in workspace.find("script")] == ["a"]
    assert Path(find_in(workspace.home, parse_source(entry.url)).path) == Path(entry.path)
