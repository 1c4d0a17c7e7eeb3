"""What people would use instead, with the same artifacts: SQLite, cm, mlc, git grep, rg.

Everything that takes long to prepare is kept beside the corpus, see corpus.py.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from .corpus import Spec, artifacts, corpus, made, make_movable, repository_name
from .measure import Case, run_once, script
from .packs import plain
from .startup import in_mlc_format
from .vocabulary import Template, package, vocabulary

Row = tuple[str, str, str, str, str, list[str], str]  # repository, automation, …, see SCHEMA
CM_MOST = 10_000  # artifacts that cm's and mlc's homes are prepared for
FILES_MOST = 100_000  # artifacts that are checked out for git grep and rg

SCHEMA = """
CREATE TABLE artifacts (id INTEGER PRIMARY KEY, repo, automation, alias, uid);
CREATE TABLE tags (tag, artifact INTEGER, PRIMARY KEY (tag, artifact)) WITHOUT ROWID;
CREATE VIRTUAL TABLE grams USING fts5(alias, content='artifacts', content_rowid='id',
    tokenize='trigram');
"""
INDEXES = """
CREATE INDEX by_alias ON artifacts (alias);
CREATE INDEX by_uid ON artifacts (uid);
CREATE INDEX by_artifact ON tags (artifact, tag);
INSERT INTO grams (grams) VALUES ('rebuild');
ANALYZE;
"""
TEXTS = "CREATE VIRTUAL TABLE texts USING fts5(alias, tags, text, readme)"


@dataclass(frozen=True)
class Data:
    """The artifacts to search in: the real ones, or a corpus.

    ``home`` is a home of cmgit, ``files`` the work trees with the same artifacts (empty when
    there are too many), ``rest`` where what else is made of them is kept.
    """

    name: str
    count: int
    home: Path
    files: list[Path]
    rest: Path
    spec: Spec | None = None

    @property
    def about(self) -> dict[str, int]:
        """How much it is, for the first line of a benchmark."""
        return {
            "artifacts": self.count,
            "repositories": self.spec.repositories if self.spec else 1,
        }

    def rows(self, readmes: bool = False) -> Iterator[Row]:
        """The artifacts: repository, automation, alias, UID, README, tags, other text."""
        if self.spec is None:
            known = vocabulary()
            return (_real_row(template) for template in known.automations + known.templates)
        return (
            (
                repository_name(number).alias,
                a.automation,
                a.alias,
                a.uid,
                plain(a.readme).decode() if readmes else "",
                a.tags,
                a.text,
            )
            for number, a in artifacts(self.spec)
        )


def _real_row(template: Template) -> Row:
    tags = [*template.common, *template.own]
    name = (template.automation, template.alias, template.uid)
    return (package().name, *name, "", tags, template.text)


def generated(spec: Spec, directory: Path) -> Data:
    """The artifacts of a corpus, in bare repositories and in working ones."""
    files: list[Path] = []
    if spec.artifacts <= FILES_MOST:
        work = corpus(replace(spec, working=True), directory) / "home" / "work"
        files = sorted(work.iterdir())
    name = f"{spec.artifacts} in {spec.repositories}"
    top = corpus(spec, directory)
    return Data(name, spec.artifacts, top / "home", files, top.with_name(top.name + "-peers"), spec)


def real(directory: Path) -> Data:
    """The real artifacts, pulled from the package and as files in a Git repository."""
    rest = directory / "cmgit-corpus-real"
    home = made(rest / "home", _pull_package)
    files = made(rest / "files", _package_in_git)
    known = vocabulary()
    return Data("real", len(known.automations + known.templates), home, [files], rest)


def _pull_package(home: Path) -> None:
    words = ["pull", "repo", "package:cmx4mlops"]
    run_once(Case("pull", [script("cmgit"), *words], environment={"CMGIT_HOME": str(home)}))
    make_movable(home)


def _package_in_git(target: Path) -> None:
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(package(), target, ignore=ignore, dirs_exist_ok=True)
    who = ["-c", "user.name=Ann Author", "-c", "user.email=ann@example.org"]
    for words in (["init", "-q"], ["add", "--all"], [*who, "commit", "-q", "-m", "add all"]):
        subprocess.run(["git", *words], cwd=target, check=True)


# -- SQLite ---------------------------------------------------------------------------------------


def database(data: Data) -> Path:
    """A database of names and tags, with all indexes that the questions need."""

    def fill(directory: Path) -> None:
        with sqlite3.connect(directory / "db") as db:
            db.executescript(SCHEMA)
            insert(db, data.rows())
            db.executescript(INDEXES)

    return made(data.rest / "sqlite", fill) / "db"


def insert(db: sqlite3.Connection, rows: Iterable[Row]) -> None:
    """Put artifacts into the tables of SCHEMA."""
    for number, (repo, automation, alias, uid, _, tags, _) in enumerate(rows):
        values = (number, repo, automation, alias, uid)
        db.execute("INSERT INTO artifacts VALUES (?, ?, ?, ?, ?)", values)
        db.executemany("INSERT INTO tags VALUES (?, ?)", [(tag, number) for tag in tags])


def text_database(data: Data) -> Path:
    """A database of texts, for ranked search."""

    def fill(directory: Path) -> None:
        with sqlite3.connect(directory / "db") as db:
            db.execute(TEXTS)
            insert_texts(db, data.rows(readmes=True))

    return made(data.rest / "sqlite-texts", fill) / "db"


def insert_texts(db: sqlite3.Connection, rows: Iterable[Row]) -> None:
    """Put artifacts into the table of TEXTS."""
    texts = ((alias, " ".join(tags), text, readme) for _, _, alias, _, readme, tags, text in rows)
    db.executemany("INSERT INTO texts VALUES (?, ?, ?, ?)", texts)


_ASK = """
import sqlite3, sys
for row in sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True).execute(sys.argv[2], sys.argv[3:]):
    print(row[0])
"""


def sqlite(path: Path, sql: str, *values: str) -> list[str]:
    """The command that asks a database."""
    return [sys.executable, "-c", _ASK, str(path), sql, *values]


# -- cm and mlc -----------------------------------------------------------------------------------


def cm_environment(data: Data) -> dict[str, str]:
    """A home of cm that is indexed. The installed package it finds by itself."""
    paths = [] if data.spec is None else [str(path) for path in data.files]

    def fill(home: Path) -> None:
        (home / "repos.json").write_text(json.dumps(paths))
        environment = {"CM_REPOS": str(home), "HOME": str(home)}
        run_once(Case("index", [script("cm"), "find", "repo"], environment=environment))

    home = made(data.rest / "cm", fill)
    return {"CM_REPOS": str(home), "HOME": str(home)}


def mlc_environment(data: Data) -> dict[str, str]:
    """A home of mlc that is indexed, with copies in its format: other names of the meta files."""

    def fill(home: Path) -> None:
        for number, path in enumerate(data.files):
            name = path.name if data.spec else package().name
            in_mlc_format(home / name, path, f"{number + 1:016x}")

    home = made(data.rest / "mlc", fill)
    environment = {"MLC_REPOS": str(home), "HOME": str(home)}
    if not (home / "repos.json").exists():  # its index holds paths: not before home is in place
        paths = [str(path) for path in sorted(home.iterdir())]
        (home / "repos.json").write_text(json.dumps(paths))
        command = [script("mlc"), "find", "script", "nothing"]
        run_once(Case("index", command, environment=environment, directory=str(home)))
    return environment


# -- grep -----------------------------------------------------------------------------------------


def git_grep(data: Data, *words: str) -> list[str]:
    """``git grep`` in all work trees, one after the other."""
    if len(data.files) == 1:
        return ["git", "-C", str(data.files[0]), "grep", *words]
    loop = 'top=$1; shift; for repo in "$top"/*; do git -C "$repo" grep "$@"; done; true'
    return ["sh", "-c", loop, "sh", str(data.files[0].parent), *words]


def rg(data: Data, *words: str) -> list[str]:
    """``rg`` in all work trees at once."""
    top = data.files[0] if len(data.files) == 1 else data.files[0].parent
    return ["rg", *words, str(top)]
