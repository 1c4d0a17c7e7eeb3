"""The index after any number of changes is the one that is built anew, and answers like a scan."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from cmgit import artifacts, repositories, transfer
from cmgit.errors import CmgitError
from cmgit.index.lookup import Index, open_fresh
from cmgit.index.manifest import read_manifest
from cmgit.index.record import Record
from cmgit.index.watch import TICK_NS
from cmgit.names import Name
from cmgit.pull import pull
from cmgit.query import Query
from cmgit.refresh import Mode, refresh
from cmgit.workspace import Workspace
from tests.conftest import meta_of, run_git, uid_of, write_files

CHANGES = 1000 if os.environ.get("CMGIT_FULL") else 60
QUERIES = 200 if os.environ.get("CMGIT_FULL") else 50  # after every twentieth change
TAGS = ["get", "model", "dataset", "onnx", "Image", "v1.0"]
WORDS = ["detect", "os", "resnet50", "get-ml", "Train"]


class World:
    """Repositories that change at random: ``local``, a work tree, and two that are pulled, one
    of which begins as a copy of the other's tree."""

    def __init__(self, place: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.workspace = Workspace(str(place / "home"))
        self._sources = {name: place / name for name in ("one", "two")}
        self._made = 0
        for name, path in self._sources.items():
            write_files(path, {"cmr.yaml": f"alias: {name}\nuid: {uid_of(900 + len(name))}\n"})
            if name == "two":
                write_files(path, {"cmr.yaml": f"alias: {name}\nuid: {uid_of(950)}\n"})
            run_git(path, "init", "-q", "-b", "main")
            for number in range(5):
                self._write(path, f"same{number}", number)
            self._commit(path)
            self._pull(name)
        self._forms: list[Callable[[], object]] = [
            self.add, self.add, self.retag, self.rename, self.drop, self.push, self.push,
            self.force, self.gone_and_back, self.across, self.edit, self.inherit,
        ]  # fmt: skip

    def change(self) -> None:
        """Something happens; what cannot be done now is not."""
        with suppress(CmgitError):
            self.random.choice(self._forms)()

    def add(self) -> None:
        """A new artifact in a repository of the home."""
        repo = self.random.choice(["local", "one", "two"])
        self.workspace.add("script", f"{repo}:{self._alias()}", tags=self._tags())

    def retag(self) -> None:
        """More tags for one, or other ones."""
        replace = self.random.random() < 0.5
        artifacts.update(self.workspace, [self._any()], tags=self._tags(), replace_lists=replace)

    def rename(self) -> None:
        """Another alias."""
        transfer.move(self.workspace, self._any(), self._alias())

    def across(self) -> None:
        """To another repository."""
        transfer.move(self.workspace, self._any(), f"{self.random.choice(['local', 'two'])}:")

    def drop(self) -> None:
        """One is removed."""
        artifacts.remove(self.workspace, [self._any()])

    def edit(self) -> None:
        """A person writes files into the work tree, commits or not, or deletes one."""
        local = Path(self.workspace.home, "local")
        metas = sorted(local.glob("script/*/_cm.yaml"))
        if metas and self.random.random() < 0.5:
            self.random.choice(metas).unlink()
        self._write(local, self._alias(), 100 + self._made)
        if self.random.random() < 0.5:
            self._commit(local)

    def inherit(self) -> None:
        """An artifact whose tags come from another one."""
        base = self._any()
        meta = {"_base": f"script::{base.uid}"}
        self.workspace.add("script", f"local:{self._alias()}", tags=self._tags(), meta=meta)

    def push(self) -> None:
        """Upstream gains and loses something, and is pulled."""
        name = self.random.choice(list(self._sources))
        path = self._sources[name]
        self._write(path, self._alias(), 500 + self._made)
        if self.random.random() < 0.5:
            metas = sorted(path.glob("script/*/_cm.yaml"))
            self.random.choice(metas).unlink()
        self._commit(path)
        self._pull(name)

    def force(self) -> None:
        """Upstream begins anew from an earlier commit."""
        name = self.random.choice(list(self._sources))
        path = self._sources[name]
        commits = run_git(path, "rev-list", "HEAD").split()
        run_git(path, "reset", "-q", "--hard", self.random.choice(commits))
        repositories.remove(self.workspace, name, everything=True)
        self._pull(name)

    def gone_and_back(self) -> None:
        """A repository is removed, and added again after something else happened."""
        name = self.random.choice(list(self._sources))
        repositories.remove(self.workspace, name, everything=True)
        with suppress(CmgitError):
            self.add()
        self._pull(name)

    def _any(self):  # type: ignore[no-untyped-def]
        return self.random.choice(self.workspace.find("script"))

    def _alias(self) -> str:
        self._made += 1
        return f"{self.random.choice(WORDS)}-{self._made}"

    def _tags(self) -> list[str]:
        return self.random.sample(TAGS, self.random.randrange(1, 4))

    def _write(self, path: Path, alias: str, number: int) -> None:
        tags = f"tags: [{', '.join(self._tags())}]\n"
        write_files(path, {f"script/{alias}/_cm.yaml": meta_of(alias, uid_of(number)) + tags})

    def _commit(self, path: Path) -> None:
        run_git(path, "add", "--all")
        run_git(path, "commit", "-q", "--allow-empty", "-m", "change")

    def _pull(self, name: str) -> None:
        pull(self.workspace, name, str(self._sources[name]))


def content(index: Index) -> list[object]:
    """All that an index says, whatever its files are called."""
    states = [state.to_dict() for state in index.manifest.repositories]
    for state in states:
        state["watch"] = bool(state["watch"])
    records = sorted(index.records(), key=lambda item: (item[0], item[1]["path"]))
    return [states, records]


def ask(rng: random.Random, records: list[tuple[int, Record]]) -> Query:
    """A random question about what is there, or nearly."""
    record = rng.choice(records)[1]
    alias: str = record["alias"]
    at = rng.randrange(len(alias))
    artifact = rng.choice(
        [Name(), Name(alias.upper()), Name("", record["uid"]), Name(alias[:at] + "*"),
         Name(f"*{alias[at:]}"), Name(f"*{alias[at:at + 4]}*"), Name(alias.replace("-", "?"))]
    )  # fmt: skip
    tags = rng.sample(record["tags"], min(len(record["tags"]), rng.randrange(3)))
    return Query(
        Name(rng.choice(["", "script", "s*", "SCRIPT"])),
        artifact,
        Name(rng.choice(["", "", "local", "one", "t*"])),
        tags,
        [rng.choice(TAGS)] if rng.random() < 0.3 else [],
    )


def scan(index: Index, query: Query) -> list[tuple[int, str]]:
    """What answers a question, by asking every record."""
    found = []
    for number, record in index.records():
        state = index.manifest.repositories.state(number)
        names = (record["alias"], record["uid"], record["automation_alias"])
        if query.repo.accepts(state.alias, state.uid) and query.accepts(
            *names, record["automation_uid"], record["tags"]
        ):
            found.append((number, record["path"]))
    return sorted(found, key=lambda item: (item[0], item[1].split("/")))


@pytest.mark.parametrize("seed", range(3))
def test_after_any_changes(tmp_path: Path, seed: int) -> None:
    """Adding, removing, retagging, renaming, forced pushes, repositories that go and come again,
    two of the same tree: the incremental index is the fresh one."""
    world = World(tmp_path, seed)
    for step in range(1, CHANGES + 1):
        world.change()
        if step % 20 and step != CHANGES:
            continue
        index = world.workspace.index()
        records = list(index.records())
        assert records
        for _ in range(QUERIES):
            query = ask(world.random, records)
            hits = [(hit.repository.number, hit.path) for hit in index.find(query)]
            assert hits == scan(index, query), query
        incremental = content(index)
        home = world.workspace.home
        assert content(refresh(home, lambda line: None, Mode(anew=True))) == incremental


def test_a_home_that_was_moved(tmp_path: Path) -> None:
    """Its index is still true: nothing is read again, and what it says is where it is now."""
    workspace = World(tmp_path, 0).workspace
    workspace.add("automation", "script")
    workspace.add("script", "mine")
    time.sleep(2 * TICK_NS / 1e9)  # so that a later change would show in the times of files
    before = content(workspace.index())
    newest = read_manifest(workspace.index().directory).number
    moved = f"{workspace.home}-moved"
    os.rename(workspace.home, moved)
    fresh = open_fresh(moved)
    assert fresh is not None
    assert fresh.manifest.number == newest
    assert all(os.path.isdir(state.path) for state in fresh.manifest.repositories)
    there = Workspace(moved)
    assert content(there.index()) == before
    assert there.directory(there.one("script", "mine")) == f"{moved}/local/script/mine"
