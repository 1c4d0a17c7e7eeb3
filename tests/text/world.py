"""A home in which random things happen to what is searched."""

from __future__ import annotations

import random
import shutil
from contextlib import suppress
from pathlib import Path

from cmgit import artifacts, check, repositories, transfer
from cmgit.errors import CmgitError
from cmgit.index.manifest import DIRECTORY as INDEX
from cmgit.names import Name
from cmgit.query import Query
from cmgit.text.state import DIRECTORY
from cmgit.workspace import Workspace
from tests.conftest import meta_of, put_into, run_git, uid_of, write_files
from tests.text.conftest import text_index

WORDS = ["alpha", "beta", "gamma", "delta", "common"]

Place = tuple[int, str]
Content = tuple[dict[str, list[Place]], dict[Place, tuple[str, str]]]


def content(workspace: Workspace) -> Content:
    """All that a text index says: which artifacts have each word, and what is kept of each."""
    text = text_index(workspace)
    having: dict[str, list[Place]] = {}
    kept: dict[Place, tuple[str, str]] = {}
    for word in WORDS:
        having[word] = []
        for match in text.find(Query.parse("*"), word):
            place = match.hit.repository.number, match.hit.record["path"]
            having[word].append(place)
            kept[place] = match.hit.record["uid"], match._found.body
        having[word].sort()
    return having, kept


def fresh_content(workspace: Workspace) -> Content:
    """The same of one that is built anew."""
    shutil.rmtree(Path(workspace.home, DIRECTORY))
    return content(workspace)


class World:
    """A home with a working repository and one that is pulled, and random changes to them.

    Aliases are ``l0`` to ``l5`` and ``u0`` to ``u5``; every artifact has the tag ``common``.
    """

    def __init__(self, place: Path, seed: int) -> None:
        self._random = random.Random(seed)
        self.workspace = Workspace(str(place / "home"))
        self.local = Path(self.workspace.home, "local")
        self._upstream = place / "upstream"
        write_files(self._upstream, {"cmr.yaml": f"alias: up\nuid: {uid_of(99)}\n"})
        run_git(self._upstream, "init", "-q")
        for number in range(4):
            self._put(self._upstream, f"u{number}", 50 + number)
            self._put(self.local, f"l{number}", number)
        self.pull()

    def change(self) -> None:
        """Do one thing."""
        self._random.choice(
            [self.edit, self.edit, self.readme, self.readme, self.gone, self.pull, self.update,
             self.remove, self.move, self.unregister, self.inherit, self.lose_the_index]
        )()  # fmt: skip

    def _words(self) -> str:
        return " ".join(self._random.choices(WORDS, k=3))

    def _put(self, root: Path, alias: str, number: int) -> None:
        readme = self._words() if self._random.random() < 0.6 else ""
        tags = f"[{self._random.choice(WORDS)}, common]"
        put_into(root, alias, number, readme, name=self._words(), tags=tags)

    def edit(self) -> None:
        """A person writes an artifact."""
        number = self._random.randrange(6)
        self._put(self.local, f"l{number}", number)

    def readme(self) -> None:
        """Only a README comes, goes or changes, often to one of the same size."""
        place = self.local / "script" / f"l{self._random.randrange(6)}"
        file = place / self._random.choice(["README.md", "README.md", "readme.txt", "README"])
        if place.is_dir() and self._random.random() < 0.7:
            file.write_text(self._words())
        else:
            file.unlink(missing_ok=True)

    def gone(self) -> None:
        """A person removes an artifact."""
        path = self.local / "script" / f"l{self._random.randrange(6)}"
        shutil.rmtree(path, ignore_errors=True)

    def pull(self) -> None:
        """Something changes upstream, and is pulled."""
        number = self._random.randrange(6)
        if self._random.random() < 0.3:
            shutil.rmtree(self._upstream / "script" / f"u{number}", ignore_errors=True)
        else:
            self._put(self._upstream, f"u{number}", 50 + number)
        run_git(self._upstream, "add", "--all")
        run_git(self._upstream, "commit", "-q", "--allow-empty", "-m", "more")
        with suppress(CmgitError):  # what was changed here and there does not fit together
            self.workspace.pull("up", url=str(self._upstream))

    def update(self) -> None:
        """An artifact gets a tag more."""
        found = self._random.choice(self.workspace.find("script") or [None])
        if found:
            artifacts.update(self.workspace, [found], tags=self._random.choice(WORDS))

    def remove(self) -> None:
        """An artifact is removed."""
        found = self._random.choice(self.workspace.find("script") or [None])
        if found:
            artifacts.remove(self.workspace, [found])

    def move(self) -> None:
        """An artifact gets another name, or goes into another repository."""
        found = self._random.choice(self.workspace.find("script") or [None])
        if found:
            with suppress(CmgitError):  # the name is taken, or the repository not there
                target = self._random.choice(["local:", "up:", f"l{self._random.randrange(6)}"])
                transfer.move(self.workspace, found, target)

    def unregister(self) -> None:
        """A repository goes, to be pulled again later."""
        if self.workspace.registry.find(Name("up")):
            repositories.remove(self.workspace, "up", True)

    def inherit(self) -> None:
        """An artifact inherits its tags from another, in which they change later."""
        base = f"script::u{self._random.randrange(6)}"
        meta = meta_of("heir", uid_of(30), tags="[common]", _base=base)
        write_files(self.local, {"script/heir/_cm.yaml": meta})

    def lose_the_index(self) -> None:
        """The index is built anew, with manifests that count from one, or go on."""
        if self._random.random() < 0.5:
            shutil.rmtree(Path(self.workspace.home, INDEX), ignore_errors=True)
        else:
            check.reindex(self.workspace)
