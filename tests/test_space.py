"""``du`` counts what there is; ``gc`` frees what nothing refers to, and nothing else."""

from __future__ import annotations

import io
import os
import shutil
import time
from pathlib import Path

import pytest

from cmgit import artifacts, history, repositories
from cmgit.actions import access
from cmgit.pull import pull
from cmgit.space import gc, size, use_of_home, use_of_repositories
from cmgit.store.locks import process_lock
from cmgit.workspace import Workspace
from tests.cli import bad, good, run
from tests.conftest import Git, MakeRepo, write_files

BIG = os.urandom(50_000)
LIMIT = "alias: demo\nuid: 0123456789abcdef\nlarge_files: 10k\n"
GIT = """#!/bin/sh
case "$*" in *cat-file*) echo "fatal: out of memory" >&2; exit 128;; esac
exec GIT "$@"
"""


@pytest.fixture(params=["", "dulwich"])
def bare(
    request: pytest.FixtureRequest,
    workspace: Workspace,
    make_repo: MakeRepo,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Workspace:
    """A home with a bare repository that has a large file, and a check-out of it; with git and
    without."""
    monkeypatch.setenv("CMGIT_TRANSPORT", request.param)
    pull(workspace, "demo", str(make_repo("demo", "a", files={"cmr.yaml": LIMIT})))
    write_files(tmp_path / "src", {"x.bin": BIG, "y": "small\n"})
    artifact = workspace.add("script", "demo:big", source=str(tmp_path / "src"))
    workspace.directory(artifact)
    return workspace


def freed(workspace: Workspace, **options: float) -> list[str]:
    """The kinds of what goes."""
    return [item.kind for item in gc(workspace, grace=options.pop("grace", -60), **options)]  # type: ignore[arg-type]


def test_use(bare: Workspace, git: Git) -> None:
    """The parts of each repository add up to its directory; those of the home to the home."""
    uses = {use.repo: use for use in use_of_repositories(bare)}
    place = os.path.join(bare.home, "repos", "demo.git")
    assert uses["demo"].total == size(place)
    assert uses["demo"].large_files == len(BIG)
    assert uses["local"].total == size(os.path.join(bare.home, "local"))
    assert uses["local"].large_files == 0
    git(place, "repack", "-q", "-a", "-d")
    (packed,) = use_of_repositories(bare, "demo")
    assert packed.packs > 0
    assert packed.objects < uses["demo"].objects
    home = use_of_home(bare)
    assert home.large_files == len(BIG)
    assert home.check_outs > len(BIG)
    inside = packed.total + uses["local"].total
    assert home.total + inside == size(bare.home)


def test_a_repository_that_cannot_be_read(bare: Workspace) -> None:
    """Its problem is told, the others are counted, the exit code is 1; no large file goes."""
    Path(bare.home, "repos", "demo.git").rename(Path(bare.home).parent / "away")
    problems = {use.repo: bool(use.problem) for use in use_of_repositories(bare)}
    assert problems == {"local": False, "demo": True}
    done = run("du")
    assert done.code == 1
    assert done.err.startswith("warning: demo: ")
    assert len(done.lines) == 2
    said: list[str] = []
    bare.report = said.append
    assert freed(bare) == ["check-out"]
    assert "large files are kept" in said[0]


def test_objects_that_are_missing(bare: Workspace) -> None:
    """Who knows what they would name."""
    head = bare.repository("demo").git.head().commit
    assert head
    os.unlink(os.path.join(bare.home, "repos", "demo.git", "objects", head[:2], head[2:]))
    assert freed(bare) == ["check-out"]
    assert len(list(bare.large.objects)) == 1


def test_git_that_fails(bare: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it did not list may be needed."""
    script = tmp_path / "bin" / "git"
    write_files(tmp_path, {"bin/git": GIT.replace("GIT", shutil.which("git") or "git")})
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("CMGIT_TRANSPORT", "")
    assert freed(bare) == ["check-out"]
    assert len(list(bare.large.objects)) == 1


def test_check_outs_in_use(bare: Workspace) -> None:
    """Who is told where one is, finds it there for a while."""
    artifact = bare.one("script", "big")
    place, hours_ago = bare.directory(artifact), time.time() - 7200
    for path in (place, *(os.path.join(place, name) for name in os.listdir(place))):
        os.utime(path, (hours_ago, hours_ago))
    assert bare.directory(artifact) == place
    assert freed(bare, grace=3600) == []
    os.utime(place, (hours_ago, hours_ago))
    assert freed(bare, grace=3600) == ["check-out"]


def test_what_is_named_stays(bare: Workspace) -> None:
    """Also by the history, and by a repository that is only unregistered."""
    artifacts.remove(bare, bare.find("script", "big"))
    assert freed(bare) == ["check-out"]
    assert history.cat(bare, bare.one("script", "big", at="HEAD~1"), "x.bin", at="HEAD~1") == BIG
    repositories.remove(bare, "demo")
    assert freed(bare) == []
    pull(bare, "demo", str(Path(bare.home).parent / "demo"))
    repositories.remove(bare, "demo", everything=True)
    assert freed(bare) == ["large file"]
    assert list(bare.large.objects) == []


def test_grace(bare: Workspace) -> None:
    """What is new stays; so does what somebody just came to need again."""
    oid = bare.large.objects.keep(io.BytesIO(b"unnamed"))
    assert freed(bare, grace=3600) == []
    path, hours_ago = bare.large.objects.path(oid.oid), time.time() - 7200
    os.utime(path, (hours_ago, hours_ago))
    bare.large.provide(bare.repository("demo"), [oid])
    assert freed(bare, grace=3600) == []
    os.utime(path, (hours_ago, hours_ago))
    assert freed(bare, grace=3600) == ["large file"]
    assert not os.path.exists(path)


def test_a_dry_run_frees_nothing(bare: Workspace) -> None:
    """It names what would go, with its bytes."""
    bare.large.objects.keep(io.BytesIO(b"unnamed"))
    before = size(bare.home)
    told = list(gc(bare, dry_run=True, grace=-60))
    assert [item.kind for item in told] == ["check-out", "large file"]
    assert size(bare.home) == before
    assert list(gc(bare, grace=-60)) == told
    assert before - size(bare.home) == sum(item.bytes for item in told)


def test_check_outs_are_made_again(bare: Workspace) -> None:
    """From what is in the home."""
    shutil.rmtree(Path(bare.home).parent / "demo")
    assert freed(bare) == ["check-out"]
    assert Path(bare.directory(bare.one("script", "big")), "x.bin").read_bytes() == BIG


def test_left_overs(bare: Workspace) -> None:
    """Those of dead processes go, not those of one that holds the lock; and old indexes."""
    home = Path(bare.home)
    write_files(home, {"lfs/tmp/12-ab": "x", "lfs/tmp/ab.part": "x", "repos/tmp-k/HEAD": "x",
                       "repos/tmp-l/HEAD": "x", "index-v1/manifest-1": "x",
                       f"trees/tmp-{'0' * 40}/a": "x"})  # fmt: skip
    with process_lock(str(home / "locks" / "pull-k")):
        told = list(gc(bare, grace=-60))
    assert sorted(Path(t.path).name for t in told if t.kind == "left-over") == [
        "12-ab", "ab.part", "index-v1", f"tmp-{'0' * 40}", "tmp-l",
    ]  # fmt: skip
    assert [n for n in os.listdir(home / "repos") if n.startswith("tmp-")] == ["tmp-k"]


def test_old_indexes(bare: Workspace) -> None:
    """One on another disk goes with its link only; what only has the name of one stays."""
    home = Path(bare.home)
    write_files(home, {"index-v9/.git/HEAD": "x", "index-v9/manifest-1": "x",
                       "elsewhere/manifest-1": "x"})  # fmt: skip
    (home / "text-v1").symlink_to(home / "elsewhere")
    told = list(gc(bare, grace=-60))
    assert [Path(t.path).name for t in told if t.kind == "left-over"] == ["text-v1"]
    assert (home / "index-v9" / "manifest-1").exists()
    assert (home / "elsewhere" / "manifest-1").exists()


def test_commands(bare: Workspace) -> None:
    """For people and programs."""
    (demo,) = [line for line in good("du").lines if " demo: " in line]
    assert "large files 48.8 KiB" in demo
    values = {str(item.get("repo")): item for item in good("du", "--json").json}
    assert values["demo"]["large_files"] == values["None"]["large_files"] == len(BIG)
    assert good("du", "demo", "--json").json == [values["demo"]]
    assert "nosuch" in bad(16, "du", "nosuch")
    assert access("du repo demo", bare)["list"] == [values["demo"]]
    kept, gone = run("gc"), run("gc", "--dry-run", "--grace=0m", "--json")
    assert (kept.code, kept.out, kept.err) == (0, "", "0 B freed\n")
    (item,) = gone.json
    assert item["kind"] == "check-out"
    freed = run("gc", "--grace=0m")
    assert freed.out == f"49.0 KiB check-out {item['path']}\n"
    assert freed.err == "49.0 KiB freed\n"
    assert access({"action": "gc", "grace": "1h"}, bare) == {"return": 0, "list": [], "bytes": 0}
    assert "is no age" in bad(1, "gc", "--grace=x")
