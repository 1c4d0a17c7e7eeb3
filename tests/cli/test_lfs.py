"""``cmgit lfs push``, as people type it: to real places, read from there by real Git LFS."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from cmgit import repositories
from cmgit.lfs.objects import Objects
from cmgit.lfs.pointer import Pointer
from cmgit.store.git import GitRepository
from cmgit.store.large import push_url
from cmgit.workspace import Workspace
from tests.cli import bad, good, run
from tests.conftest import Git, MakeRepo, write_files
from tests.lfs.server import Misbehaving, serving

BIG, OTHER = os.urandom(200_000), os.urandom(150_000)
POINTERS = [Pointer(sha256(data).hexdigest(), len(data)) for data in (BIG, OTHER)]
KILLS = int(os.environ.get("CMGIT_KILLS", "0")) or 3
SEED = int(os.environ.get("CMGIT_SEED", "0")) or random.randrange(1, 1_000_000)
LIMIT = {"cmr.yaml": "alias: demo\nuid: 0123456789abcdef\nlarge_files: 100k\n"}
needs_git_lfs = pytest.mark.skipif(not shutil.which("git-lfs"), reason="git-lfs is not installed")


@pytest.fixture
def demo(make_repo: MakeRepo, workspace: Workspace, tmp_path: Path) -> Path:
    """A working repository with two large files that cmgit added."""
    path = make_repo("demo", "a", files=LIMIT)
    repositories.init(workspace, path=str(path))
    write_files(tmp_path / "source", {"a.bin": BIG, "b.bin": OTHER, "small.txt": "small\n"})
    workspace.add("script", "demo:big", source=str(tmp_path / "source"))
    return path


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Misbehaving]:
    """A server, empty."""
    with serving(tmp_path / "server") as server:
        yield server


def puts(server: Misbehaving) -> int:
    """How many contents were sent to it."""
    return sum(command == "PUT" for command, _, _ in server.seen)


@needs_git_lfs
def test_git_lfs_reads_what_was_sent(
    demo: Path, server: Misbehaving, tmp_path: Path, git: Git
) -> None:
    """After 'git push' without git-lfs a clone lacks the contents; they come once they are sent."""
    bare = tmp_path / "bare.git"
    git(demo, "clone", "-q", "--bare", ".", str(bare))
    git(demo, "config", "lfs.url", server.url)
    assert good("lfs", "push", "demo").lines == [
        f"demo: 2 of 2 large files sent to {server.url} (341.8 KiB)"
    ]
    clone = tmp_path / "clone"
    git(demo, "clone", "-q", str(bare), str(clone))
    git(clone, "config", "lfs.url", server.url)
    git(clone, "lfs", "install", "--local")
    git(clone, "lfs", "pull")
    assert (clone / "script/big/a.bin").read_bytes() == BIG
    assert (clone / "script/big/b.bin").read_bytes() == OTHER
    git(clone, "lfs", "fsck")


def test_what_is_there_is_not_sent_again(
    demo: Path, server: Misbehaving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once for all; a dry run sends nothing; '.' is the repository of here."""
    to = f"--to={server.url}"
    monkeypatch.chdir(demo)
    tried = run("lfs", "push", to, "--dry-run")
    assert (tried.code, len(tried.lines)) == (0, 2)
    assert "2 of 2 large files would be sent" in tried.err
    assert puts(server) == 0
    (first,) = good("lfs", "push", to, "--json").json
    assert (first["large_files"], first["sent"], first["missing"]) == (2, 2, [])
    assert first["bytes"] == len(BIG) + len(OTHER)
    assert {item["oid"] for item in first["lacking"]} == {p.oid for p in POINTERS}
    (second,) = good("lfs", "push", to, "--json").json
    assert (second["sent"], second["lacking"], second["bytes"]) == (0, [], 0)
    assert puts(server) == 2
    assert "0 of 2 large files sent" in good("lfs", "push", to).out


@pytest.mark.parametrize("kind", ["directory", "memory"])
def test_other_places(kind: str, demo: Path, tmp_path: Path, git: Git) -> None:
    """A directory and an fsspec URL, said by the configuration; what is half there is completed."""
    (tmp_path / "there").mkdir()
    place = {"directory": str(tmp_path / "there"), "memory": f"memory://{tmp_path.name}"}[kind]
    git(demo, "config", "cmgit.lfsurl", place)
    if kind == "directory":
        (tmp_path / "one").write_bytes(BIG)
        Objects(place).clean(str(tmp_path / "one"))
    sent = 1 if kind == "directory" else 2
    assert f"{sent} of 2 large files sent" in good("lfs", "push", "demo").out
    assert "0 of 2 large files sent" in good("lfs", "push", "demo").out


def test_history_and_all_refs(demo: Path, workspace: Workspace, tmp_path: Path, git: Git) -> None:
    """What an earlier commit has is sent too; what only another branch has, with --all."""
    (tmp_path / "there").mkdir()
    to = f"--to={tmp_path}/there"
    (demo / "script/big/a.bin").write_bytes(BIG[::-1])
    good("save", "demo")
    assert good("lfs", "push", "demo", to, "--json").json[0]["sent"] == 3
    git(demo, "checkout", "-q", "-b", "side")
    (demo / "script/big/a.bin").write_bytes(OTHER[::-1])
    good("save", "demo")
    git(demo, "checkout", "-q", "-f", "main")
    assert good("lfs", "push", "demo", to, "--json").json[0]["sent"] == 0
    assert good("lfs", "push", "demo", "--all", to, "--json").json[0]["sent"] == 1


def test_what_is_nowhere_is_named(demo: Path, workspace: Workspace, server: Misbehaving) -> None:
    """The others are sent, the exit code is that of what is not found."""
    lost = POINTERS[0]
    for objects in (workspace.large.objects, Objects(str(demo / ".git" / "lfs"))):
        os.unlink(objects.path(lost.oid))
    result = run("lfs", "push", "demo", f"--to={server.url}")
    assert result.code == 16
    assert "1 of 2 large files sent" in result.out
    assert f"{lost.oid} ({lost.size} bytes) is not at {server.url}, nor here" in result.err
    assert puts(server) == 1


def test_errors_are_one_line(
    demo: Path, server: Misbehaving, tmp_path: Path, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No place, a mistyped one, no network, a server that is broken, a password in the URL."""
    assert "nothing says where the large files of demo belong" in bad(16, "lfs", "push", "demo")
    assert "is no directory" in bad(16, "lfs", "push", "demo", f"--to={tmp_path}/none")
    assert not (tmp_path / "none").exists()
    assert "offline" in bad(1, "lfs", "push", "demo", f"--to={server.url}", "--offline")
    assert server.seen == []
    server.status = 500
    assert "the server says 500" in bad(1, "lfs", "push", "demo", f"--to={server.url}")
    secret = server.url.replace("//", "//ann:s3cret@")
    failed = run("lfs", "push", "demo", f"--to={secret}")
    assert failed.code == 1
    server.status = 200
    done = run("lfs", "push", "demo", f"--to={secret}", "--json")
    assert done.code == 0
    assert "s3cret" not in failed.out + failed.err + done.out + done.err


def test_what_is_damaged_here_is_not_sent(
    demo: Path, workspace: Workspace, server: Misbehaving
) -> None:
    """What is damaged here keeps nothing else from being sent; repaired, it alone goes."""
    path = Path(workspace.large.objects.path(POINTERS[0].oid))
    path.chmod(0o644)
    path.write_bytes(bytes(len(BIG)))
    result = run("lfs", "push", "demo", f"--to={server.url}")
    assert result.code == 1
    assert f"{POINTERS[0].oid} is damaged" in result.err
    assert puts(server) == 1
    path.write_bytes(BIG)
    good("lfs", "push", "demo", f"--to={server.url}")
    (done,) = good("lfs", "push", "demo", f"--to={server.url}", "--json").json
    assert done["lacking"] == []


def test_settings_for_a_push(tmp_path: Path, git: Git) -> None:
    """Those of Git LFS for a push count before those for both ways; ours before all."""
    git(tmp_path, "init", "-q", "r")
    path = tmp_path / "r"
    settings = {
        "remote.origin.url": "https://example.org/a",
        "remote.origin.pushurl": "https://example.org/b",
        "remote.origin.lfsurl": "https://example.org/c",
        "lfs.url": "https://example.org/d",
        "remote.origin.lfspushurl": "https://example.org/e",
        "lfs.pushurl": "https://example.org/f",
        "cmgit.lfsurl": "https://example.org/g",
    }
    found = []
    for name, value in settings.items():
        git(path, "config", name, value)
        found.append(push_url(GitRepository.open(str(path))).removeprefix("https://example.org/"))
    assert found == ["a.git/info/lfs", "b.git/info/lfs", "c", "d", "e", "f", "g"]


def test_what_only_git_lfs_has_is_sent_too(
    demo: Path, workspace: Workspace, server: Misbehaving
) -> None:
    """A content need not be in the home: its commit may be git-lfs's."""
    shutil.rmtree(workspace.large.objects.directory)
    (result,) = good("lfs", "push", "demo", f"--to={server.url}", "--json").json
    assert (result["sent"], result["missing"]) == (2, [])


def test_no_large_files(make_repo: MakeRepo, workspace: Workspace, server: Misbehaving) -> None:
    """Then nobody is asked."""
    repositories.init(workspace, path=str(make_repo("plain", "a")))
    assert good("lfs", "push", "plain", f"--to={server.url}", "--json").json[0]["sent"] == 0
    assert server.seen == []


@pytest.mark.parametrize("to", ["there", "server"])
def test_killed(
    to: str, demo: Path, server: Misbehaving, workspace: Workspace, tmp_path: Path
) -> None:
    """Whenever it is killed: what counts as there is whole, and the next one sends the rest."""
    write_files(tmp_path / "more", {f"{n}.bin": os.urandom(300_000) for n in range(20)})
    workspace.add("script", "demo:more", source=str(tmp_path / "more"))
    there = tmp_path / "there"
    place = str(there) if to == "there" else server.url
    there.mkdir()
    command = [sys.executable, "-m", "cmgit", "lfs", "push", "demo", f"--to={place}"]
    chance = random.Random(SEED)
    for _ in range(KILLS):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            time.sleep(chance.uniform(0.3, 0.8))
            process.kill()
        for path in objects(tmp_path / to):
            assert sha256(path.read_bytes()).hexdigest() == path.name, SEED
    last = run("lfs", "push", "demo", f"--to={place}", "--json")
    assert (last.code, last.json[0]["large_files"], last.json[0]["missing"]) == (0, 22, [])
    assert run("lfs", "push", "demo", f"--to={place}", "--json").json[0]["sent"] == 0
    assert len(objects(tmp_path / to)) == 22


def objects(place: Path) -> list[Path]:
    """The contents of large files that are there."""
    return [path for path in place.rglob("objects/**/*") if len(path.name) == 64]
