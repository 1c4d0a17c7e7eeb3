"""Large files through the whole of cmgit, with real Git LFS where it is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from cmgit import artifacts, history, removed, repositories, transfer
from cmgit.actions import access
from cmgit.check import check
from cmgit.errors import MetaError, NotFound
from cmgit.lfs.pointer import Pointer, parse_pointer
from cmgit.pull import pull
from cmgit.workspace import Workspace
from tests.conftest import Git, MakeRepo, run_git, write_files

BIG = os.urandom(200_000)
POINTER = Pointer(sha256(BIG).hexdigest(), len(BIG))
LIMIT = {"cmr.yaml": "alias: demo\nuid: 0123456789abcdef\nlarge_files: 100k\n"}
needs_git_lfs = pytest.mark.skipif(not shutil.which("git-lfs"), reason="git-lfs is not installed")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """What is added: a large file, a small one, a large program."""
    path = tmp_path / "source"
    write_files(path, {"data/model one.bin": BIG, "small.txt": "small\n", "tool": BIG[::-1]})
    (path / "tool").chmod(0o755)
    return path


@pytest.fixture
def demo(make_repo: MakeRepo, workspace: Workspace, request: pytest.FixtureRequest) -> Path:
    """A working repository in which 100 KiB are large."""
    path = make_repo("demo", "a", files=LIMIT)
    repositories.init(workspace, path=str(path))
    return path


@pytest.fixture
def bare(demo: Path, workspace: Workspace, tmp_path: Path) -> Workspace:
    """Another home, with a bare clone of it."""
    other = Workspace(str(tmp_path / "other"))
    pull(other, "demo", str(demo))
    return other


def blob(directory: Path, path: str) -> bytes:
    """What Git has at a path of the head."""
    command = ["git", "cat-file", "blob", f"HEAD:{path}"]
    return subprocess.run(command, cwd=directory, capture_output=True, check=True).stdout


def test_add_to_a_working_repository(
    demo: Path, workspace: Workspace, source: Path, git: Git
) -> None:
    """Git has pointers, the disk contents, the home and Git LFS the same file."""
    artifact = workspace.add("script", "demo:big", source=str(source))
    assert parse_pointer(blob(demo, "script/big/data/model one.bin")) == POINTER
    assert blob(demo, "script/big/small.txt") == b"small\n"
    assert (demo / "script/big/data/model one.bin").read_bytes() == BIG
    assert (demo / "script/big/tool").read_bytes() == BIG[::-1]
    assert os.access(demo / "script/big/tool", os.X_OK)
    kept = Path(workspace.large.objects.path(POINTER.oid))
    assert kept.samefile(
        demo / ".git" / "lfs" / kept.relative_to(workspace.large.objects.directory)
    )
    assert artifacts.save(workspace, "demo") == []
    assert history.cat(workspace, artifact, "data/model one.bin", at="HEAD") == BIG
    assert git(demo, "check-attr", "filter", "script/big/tool").endswith(": lfs\n")


def test_edits_of_large_files_are_saved(demo: Path, workspace: Workspace, source: Path) -> None:
    """What a person writes over one is large too, without the git-lfs program."""
    workspace.add("script", "demo:big", source=str(source))
    (demo / "script/big/tool").write_bytes(BIG + b"more")
    assert artifacts.save(workspace, "demo") == ["script/big/tool"]
    now = parse_pointer(blob(demo, "script/big/tool"))
    assert now == Pointer(sha256(BIG + b"more").hexdigest(), len(BIG) + 4)
    assert (
        history.cat(workspace, workspace.one("script", "big"), "tool", at="HEAD") == BIG + b"more"
    )


def test_a_person_marks_files(demo: Path, workspace: Workspace, git: Git) -> None:
    """Files of any size that ``.gitattributes`` marks are large; a small one that is added too."""
    write_files(demo, {".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n"})
    artifacts.save(workspace, "demo")
    write_files(demo.parent, {"x.bin": b"few"})
    workspace.add("script", "demo:few", source=str(demo.parent / "x.bin"))
    assert parse_pointer(blob(demo, "script/few/x.bin")) == Pointer(sha256(b"few").hexdigest(), 3)
    assert (demo / "script/few/x.bin").read_bytes() == b"few"
    assert artifacts.save(workspace, "demo") == []


def test_bare_repositories(
    bare: Workspace, demo: Path, workspace: Workspace, source: Path, tmp_path: Path
) -> None:
    """Added there, read from there, checked out from there."""
    artifact = bare.add("script", "demo:big", source=str(source))
    place = Path(bare.directory(artifact))
    assert (place / "data/model one.bin").read_bytes() == BIG
    assert (place / "tool").stat().st_mode & 0o777 == 0o555
    assert history.cat(bare, artifact, "tool") == BIG[::-1]
    assert [f for f in check(bare) if f.state != "note"] == []
    repositories.checkout(bare, "demo", str(tmp_path / "work"))
    assert (tmp_path / "work/script/big/tool").read_bytes() == BIG[::-1]
    assert run_git(tmp_path / "work", "lfs", "fsck").strip() if shutil.which("git-lfs") else True
    assert artifacts.save(bare, "demo") == []


def test_fetched_when_it_is_read(
    bare: Workspace, demo: Path, workspace: Workspace, source: Path
) -> None:
    """A pull brings pointers, reading brings contents, from the directory that was pulled."""
    workspace.add("script", "demo:big", source=str(source))
    pull(bare, "demo")
    artifact = bare.one("script", "big")
    assert list(bare.large.objects) == []
    assert history.cat(bare, artifact, "data/model one.bin") == BIG
    assert [oid for oid, _ in bare.large.objects] == [POINTER.oid]
    assert Path(bare.directory(artifact), "tool").read_bytes() == BIG[::-1]


def test_pull_brings_them_when_asked(
    bare: Workspace, demo: Path, workspace: Workspace, source: Path
) -> None:
    """By ``--lfs``."""
    workspace.add("script", "demo:big", source=str(source))
    request = {"action": "pull", "automation": "repo", "artifact": "demo", "lfs": True}
    assert access(request, bare)["return"] == 0
    assert len(list(bare.large.objects)) == 2


def test_what_is_missing_is_named(
    bare: Workspace, demo: Path, workspace: Workspace, source: Path
) -> None:
    """And from where; no check-out is left."""
    workspace.add("script", "demo:big", source=str(source))
    pull(bare, "demo")
    shutil.rmtree(demo / ".git" / "lfs")
    artifact = bare.one("script", "big")
    with pytest.raises(NotFound, match=f"{POINTER.oid}.* is not at {demo}$"):
        history.cat(bare, artifact, "data/model one.bin")
    with pytest.raises(NotFound, match="is not at"):
        bare.directory(artifact)
    assert [n for n in os.listdir(Path(bare.home, "trees")) if n != "locks"] == []
    lost = Workspace(str(demo.parent / "lost"))
    repositories.init(lost, path=str(demo))
    shutil.rmtree(demo / "script/big")
    with pytest.raises(NotFound, match="nothing says where it comes from"):
        history.cat(lost, artifact, "tool", at="HEAD")


def test_copies_take_them_along(
    bare: Workspace, demo: Path, workspace: Workspace, source: Path
) -> None:
    """To another repository, of another kind, and back from the history."""
    artifact = bare.add("script", "demo:big", source=str(source))
    copied = transfer.copy(bare, artifact, "local:big")
    local = Path(bare.home, "local", "script", "big")
    assert (local / "tool").read_bytes() == BIG[::-1]
    artifacts.remove(bare, [copied])
    removed.restore(bare, "script", copied.uid)
    assert (local / "tool").read_bytes() == BIG[::-1]
    assert artifacts.save(bare) == []


def test_damage_is_found(bare: Workspace, demo: Path, workspace: Workspace, source: Path) -> None:
    """By ``check``; what is damaged makes room for what is not."""
    workspace.add("script", "demo:big", source=str(source))
    pull(bare, "demo")
    bare.large.provide_all(bare.repository("demo"))
    path = Path(bare.large.objects.path(POINTER.oid))
    path.chmod(0o644)
    path.write_bytes(BIG[::-1])
    (finding,) = [f for f in check(bare) if f.state != "note"]
    assert (finding.where, finding.state) == ("large file", "wrong")
    assert POINTER.oid in finding.problem
    assert [f for f in check(bare) if f.state != "note"] == []
    assert history.cat(bare, bare.one("script", "big"), "data/model one.bin") == BIG


def test_damage_is_not_taken_over(
    bare: Workspace, demo: Path, workspace: Workspace, source: Path, tmp_path: Path
) -> None:
    """What a repository of the person has is hashed before the home has it; if it is something
    else, it is fetched from elsewhere. What ``check`` takes away is not lost."""
    workspace.add("script", "demo:big", source=str(source))
    shutil.copytree(demo / ".git" / "lfs", tmp_path / "elsewhere")
    path = Path(workspace.large.objects.path(POINTER.oid))
    path.chmod(0o644)
    path.write_bytes(BIG[::-1])
    (finding,) = [f for f in check(workspace) if f.state != "note"]
    assert Path(workspace.home, "lfs", "damaged", POINTER.oid).read_bytes() == BIG[::-1]
    assert str(Path(workspace.home, "lfs", "damaged", POINTER.oid)) in finding.problem
    artifact, name = workspace.one("script", "big"), "data/model one.bin"
    with pytest.raises(NotFound, match=POINTER.oid):
        history.cat(workspace, artifact, name, at="HEAD")
    run_git(demo, "config", "cmgit.lfsurl", str(tmp_path / "elsewhere"))
    assert history.cat(workspace, artifact, name, at="HEAD") == BIG


@pytest.mark.parametrize(
    ("said", "large"),
    [("never", False), ("1000000", False), ("0.1 MB", None), ("200000", False), ("195 KiB", True)],
)
def test_the_limit_is_the_repositorys(
    demo: Path, workspace: Workspace, source: Path, said: str, large: bool | None
) -> None:
    """Sizes in words, or never."""
    write_files(demo, {"cmr.yaml": LIMIT["cmr.yaml"].replace("100k", said)})
    if large is None:
        with pytest.raises(MetaError, match="is no size"):
            workspace.add("script", "demo:big", source=str(source))
        return
    workspace.add("script", "demo:big", source=str(source))
    assert bool(parse_pointer(blob(demo, "script/big/tool"))) == large


def test_metas_are_never_large(demo: Path, workspace: Workspace, tmp_path: Path) -> None:
    """They are read."""
    write_files(tmp_path / "src", {"_cm.yaml": "k: v\n# " + "x" * 200_000 + "\n"})
    artifact = workspace.add("script", "demo:big", source=str(tmp_path / "src"))
    assert workspace.load(artifact)["k"] == "v"


def test_never_in_memory(demo: Path, workspace: Workspace, tmp_path: Path) -> None:
    """300 MB go in, are read, checked out and saved by a process that may have 250 MB more than it
    needs to start."""
    with open(tmp_path / "huge", "wb") as file:
        file.truncate(300 << 20)
    code = (
        "import resource, sys, io\n"
        "from cmgit import artifacts, history\n"
        "from cmgit.workspace import Workspace\n"
        "workspace = Workspace(sys.argv[1])\n"
        "workspace.add('script', 'demo:first')\n"
        "now = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (now + (250 << 20),) * 2)\n"
        "found = workspace.add('script', 'demo:huge', source=sys.argv[2])\n"
        "assert artifacts.save(workspace, 'demo') == []\n"
        "with history.open_file(workspace, found, 'huge', 'HEAD') as file:\n"
        "    assert sum(len(p) for p in iter(lambda: file.read(1 << 20), b'')) == 300 << 20\n"
    )
    command = [sys.executable, "-c", code, workspace.home, str(tmp_path / "huge")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# -- real Git LFS ---------------------------------------------------------------------------------


@needs_git_lfs
def test_git_lfs_reads_what_cmgit_wrote(
    demo: Path, workspace: Workspace, source: Path, git: Git, tmp_path: Path
) -> None:
    """Clean in its eyes, known to it, and cloned with its contents."""
    git(demo, "lfs", "install")
    workspace.add("script", "demo:big", source=str(source))
    assert git(demo, "status", "--porcelain") == ""
    assert git(demo, "lfs", "ls-files", "--name-only") == (
        "script/big/data/model one.bin\nscript/big/tool\n"
    )
    git(demo, "lfs", "fsck")
    (demo / "script/big/tool").unlink()
    git(demo, "checkout", "script/big/tool")
    assert (demo / "script/big/tool").read_bytes() == BIG[::-1]
    git(tmp_path, "clone", "-q", str(demo), "clone")
    assert (tmp_path / "clone/script/big/data/model one.bin").read_bytes() == BIG


@needs_git_lfs
def test_cmgit_reads_what_git_lfs_wrote(
    bare: Workspace, demo: Path, workspace: Workspace, git: Git
) -> None:
    """In place, and pulled elsewhere."""
    git(demo, "lfs", "install")
    git(demo, "lfs", "track", "*.bin")
    write_files(demo, {"script/a/x.bin": BIG, "script/a/link.bin": b"", "script/a/y.bin": b"y"})
    git(demo, "add", "--all")
    git(demo, "commit", "-q", "-m", "large")
    assert artifacts.save(workspace, "demo") == []
    assert history.cat(workspace, workspace.one("script", "a"), "x.bin", at="HEAD") == BIG
    pull(bare, "demo")
    place = Path(bare.directory(bare.one("script", "a")))
    files = [(place / name).read_bytes() for name in ("x.bin", "link.bin", "y.bin")]
    assert files == [BIG, b"", b"y"]
