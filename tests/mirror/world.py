"""Two homes with a disk between them, for tests of exports and imports."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson

from cmgit.mirror import exports, imports
from cmgit.mirror.manifest import MANIFEST, SIGNATURE, SUMS, Export, decode, sums
from cmgit.mirror.steps import Step
from cmgit.registry import BARE, Entry
from cmgit.store.git_program import find_git
from cmgit.workspace import Workspace
from tests.conftest import artifact_files, run_git, write_files


class World:
    """A home that exports, a disk, and a home that imports; with git, or without."""

    def __init__(self, top: Path, with_git: bool) -> None:
        self.top = top
        self.program = find_git() if with_git else ""
        self.here = Workspace(str(top / "here"))
        self.there = Workspace(str(top / "there"))
        self.disk = top / "disk"
        self.told: list[Step] = []

    def work(self, alias: str) -> Path:
        """Where commits for a repository are made."""
        return self.top / "work" / alias

    def bare(self, alias: str, workspace: Workspace | None = None) -> Path:
        """Where a repository is in a home, this one by default."""
        return Path((workspace or self.here).home, "repos", f"{alias}.git")

    def arrived(self, alias: str) -> Path:
        """Where a repository is that was imported."""
        return self.bare(alias, self.there)

    def add(self, alias: str, number: int = 1, files: dict[str, str] | None = None) -> Path:
        """A repository with two commits, mirrored into the home that exports."""
        work = self.work(alias)
        write_files(work, {"cmr.yaml": f"alias: {alias}\nuid: {number:016x}\n"})
        run_git(work, "init", "-q")
        self.commit(alias, {**artifact_files(f"{alias}-a"), **(files or {})})
        self.commit(alias, {"more.txt": f"more of {alias}\n" * 50})
        run_git(self.top, "clone", "-q", "--mirror", str(work), str(self.bare(alias)))
        with self.here.registry.change() as registry:
            url = f"https://example.org/{alias}"
            registry.add(Entry(0, alias, f"{number:016x}", BARE, str(self.bare(alias)), url))
        return work

    def commit(self, alias: str, files: dict[str, str]) -> str:
        """Commit files; returns the commit."""
        work = self.work(alias)
        write_files(work, files)
        run_git(work, "add", "--all")
        run_git(work, "commit", "-q", "-m", f"write {min(files)}")
        return run_git(work, "rev-parse", "HEAD").strip()

    def sync(self, alias: str) -> None:
        """Bring the mirror in step."""
        run_git(self.bare(alias), "remote", "update", "--prune")

    def export(self, *names: str, since: str | Path = "", **options: Any) -> Export:
        """Export to the disk."""
        chosen = exports.Options(program=self.program, **options)
        os.makedirs(self.disk, exist_ok=True)
        return exports.export(
            self.here, str(self.disk), names, str(since), chosen, self.told.append
        )

    def take(self, *places: str | Path, **options: Any) -> imports.Imported:
        """Import from the disk, or from somewhere else."""
        chosen = imports.Options(program=self.program, **options)
        words = [str(place) for place in places or [self.disk]]
        return imports.import_all(self.there, words, chosen, self.told.append)

    def same(self, alias: str) -> bool:
        """Whether a repository arrived as it was, whole."""
        run_git(self.arrived(alias), "fsck", "--strict", "--full")
        return refs(self.arrived(alias)) == refs(self.bare(alias))


def refs(repository: Path, *without: str) -> dict[str, str]:
    """The refs of a repository, but for those that begin with something; HEAD too."""
    lines = run_git(repository, "for-each-ref", "--format=%(refname) %(objectname)").splitlines()
    found = dict(line.split(" ") for line in lines)
    head = (repository / "HEAD").read_text().strip()
    return {"HEAD": head, **{n: o for n, o in found.items() if not n.startswith(without or "-")}}


def state(workspace: Workspace) -> dict[str, bytes]:
    """Every file of the repositories of a home, and its registry."""
    home = Path(workspace.home)
    files = [path for path in (home / "repos").rglob("*") if path.is_file()]
    files += [home / "registry.json"]
    return {str(path): path.read_bytes() for path in files if path.name != "lock"}


def change_manifest(export: Export, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a manifest as somebody would who knows how; the sums fit."""
    directory = Path(export.directory)
    value = orjson.loads((directory / MANIFEST).read_bytes())
    change(value)
    data = orjson.dumps(value)
    (directory / MANIFEST).write_bytes(data)
    signature = directory / SIGNATURE
    held = signature.read_bytes() if signature.exists() else None
    (directory / SUMS).write_bytes(sums(decode(data, "changed"), data, held))


def bundle_of(export: Export, alias: str) -> Path:
    """The first file of a repository's bundle."""
    held = next(held for held in export.manifest.repositories if held.alias == alias)
    return Path(export.directory, held.parts[0].file)


def copy_without(source: Path, target: Path, names: Sequence[str]) -> Path:
    """A copy of a directory without some files."""
    shutil.copytree(source, target, ignore=lambda parent, found: [n for n in found if n in names])
    return target
