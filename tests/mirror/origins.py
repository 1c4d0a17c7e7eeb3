"""Repositories to mirror, and a home that mirrors them."""

from __future__ import annotations

import os
from pathlib import Path

from cmgit.mirror.fleet import sync
from cmgit.mirror.sources import Mirrors, new_mirror
from cmgit.mirror.sync import Outcome
from cmgit.workspace import Workspace
from tests.conftest import artifact_files, run_git, write_files


class Origins:
    """Repositories with a work tree each, in a directory."""

    def __init__(self, top: Path) -> None:
        self.top = top
        top.mkdir()

    def make(self, name: str, number: int = 1, deps: str = "") -> Path:
        """A repository with one script, a branch and a tag."""
        path = self.top / name
        write_files(path, {"cmr.yaml": f"alias: {name}\nuid: {number:016x}\n{deps}"})
        run_git(path, "init", "-q") if path.exists() else None
        self.commit(name, artifact_files(f"{name}-a"))
        run_git(path, "branch", "side")
        run_git(path, "tag", "-a", "v1", "-m", "one")
        return path

    def commit(self, name: str, files: dict[str, str]) -> str:
        """Commit files; returns the commit."""
        path = self.top / name
        write_files(path, files)
        run_git(path, "add", "--all")
        run_git(path, "commit", "-q", "-m", f"write {min(files)}")
        return run_git(path, "rev-parse", "HEAD").strip()


def mirror(workspace: Workspace, *urls: str | Path, recursive: bool = False) -> None:
    """Add mirrors to the set."""
    with Mirrors(workspace.home).change() as mirrors:
        for url in urls:
            mirrors.add(new_mirror(str(url), recursive=recursive))


def synced(workspace: Workspace, *names: str, jobs: int = 1) -> dict[str, Outcome]:
    """Sync mirrors; how it went with each, by name."""
    chosen = Mirrors(workspace.home).find(names)
    return {outcome.name: outcome for outcome in sync(workspace, chosen, jobs, retries=0)}


def states(outcomes: dict[str, Outcome]) -> dict[str, str]:
    """The states alone."""
    return {name: outcome.state for name, outcome in outcomes.items()}


def bare(workspace: Workspace, name: str) -> Path:
    """Where a mirrored repository is."""
    return Path(workspace.home, "repos", f"{name}.git")


def check_same(workspace: Workspace, name: str, origin: Path) -> None:
    """Assert that a mirror is whole, and has the refs of its origin and cmgit's own alone."""
    place = bare(workspace, name)
    run_git(place, "fsck", "--strict", "--full")
    assert refs(place) == refs(origin)
    assert (place / "HEAD").read_text() == (origin / ".git" / "HEAD").read_text()
    left = [n for n in os.listdir(Path(workspace.home, "repos")) if n.startswith("tmp-")]
    assert left == []
    assert list(place.glob("objects/**/tmp_*")) == []
    assert not (place / "cmgit" / "incoming").exists()


def refs(place: Path) -> dict[str, str]:
    """The refs of a repository, but cmgit's own."""
    lines = run_git(place, "for-each-ref", "--format=%(refname) %(objectname)").splitlines()
    found = dict(line.split(" ") for line in lines)
    return {name: oid for name, oid in found.items() if not name.startswith("refs/cmgit/")}


def kept(place: Path) -> dict[str, str]:
    """What was kept of refs that were gone or forced: by name without date, the commit."""
    lines = run_git(place, "for-each-ref", "--format=%(refname) %(objectname)", "refs/cmgit/kept")
    pairs = [line.split(" ") for line in lines.splitlines()]
    return {name.split("/", 4)[4]: oid for name, oid in pairs}
