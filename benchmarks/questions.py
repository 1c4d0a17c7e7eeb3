"""What is asked of every size: chosen at random from a database of SQLite, which knows the answers."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import NamedTuple

MOST_HITS = 100  # of a part of an alias
WORDS = "image classification onnx"
FIRST = 20  # ranked answers of a search in texts

_NAME = "SELECT automation || ' ' || repo || ':' || alias || ',' || uid FROM artifacts"
TAGGED = "EXISTS (SELECT 1 FROM tags WHERE tag = ? AND artifact = t.artifact)"  # faster than a JOIN
SQL = {
    "tags": f"{_NAME} WHERE automation = 'script' AND id IN"
    f" (SELECT artifact FROM tags AS t WHERE tag = ? AND {TAGGED})",
    "alias": f"{_NAME} WHERE automation = 'script' AND alias = ?",
    "uid": f"{_NAME} WHERE automation = 'script' AND uid = ?",
    "*word*": f"{_NAME} WHERE automation = 'script' AND id IN"
    " (SELECT rowid FROM grams WHERE alias LIKE '%' || ? || '%')",
}
"""How SQLite is asked, by kind of question."""
TEXT_SQL = f"SELECT alias FROM texts WHERE texts MATCH ? ORDER BY bm25(texts) LIMIT {FIRST}"


class Script(NamedTuple):
    """An artifact to ask for."""

    number: int
    alias: str
    uid: str
    tags: list[str]


@dataclass(frozen=True)
class Question:
    """One question: its values, and the names of what answers it, sorted."""

    values: tuple[str, ...]
    answers: list[str]


def choose(path: Path) -> dict[str, Question]:
    """One question of each kind, always the same: two tags that 2 to 50 scripts have, and a part
    of an alias that 2 to 100 have."""
    with closing(sqlite3.connect(path)) as db:

        def ask(kind: str, *values: str) -> Question:
            return Question(values, sorted(row[0] for row in db.execute(SQL[kind], values)))

        some = scripts(db, 1000)
        pairs = (ask("tags", *pair) for one in some for pair in _pairs(db, one.tags))
        parts = (ask("*word*", part) for one in some for part in long_words(one.alias))
        return {
            "tags": next(asked for asked in pairs if 2 <= len(asked.answers) <= 50),
            "alias": ask("alias", some[0].alias),
            "uid": ask("uid", some[0].uid),
            "*word*": next(asked for asked in parts if 2 <= len(asked.answers) <= MOST_HITS),
        }


def found_in_texts(path: Path, words: str) -> int:
    """How many artifacts have all words in their texts, by FTS5, which knows no stems; up to FIRST."""
    with closing(sqlite3.connect(path)) as db:
        return len(db.execute(TEXT_SQL, (words,)).fetchall())


def scripts(db: sqlite3.Connection, count: int) -> list[Script]:
    """Scripts at random, always the same."""
    most = db.execute("SELECT max(id) FROM artifacts").fetchone()[0]
    random = Random("scripts")
    found: list[Script] = []
    sql = "SELECT id, alias, uid FROM artifacts WHERE id >= ? AND automation = 'script' LIMIT 1"
    while len(found) < count:
        row = db.execute(sql, (int(random.random() * most),)).fetchone()
        if row:
            tags = db.execute("SELECT tag FROM tags WHERE artifact = ?", row[:1]).fetchall()
            found.append(Script._make([*row, sorted(tag for (tag,) in tags)]))
    return found


def long_words(alias: str) -> list[str]:
    """The words of an alias that say something."""
    return [word for word in alias.split("-") if len(word) > 4]


def _pairs(db: sqlite3.Connection, tags: list[str]) -> Iterator[tuple[str, str]]:
    """The most common of some tags with each other one."""

    def count(tag: str) -> int:
        return int(db.execute("SELECT count(*) FROM tags WHERE tag = ?", (tag,)).fetchone()[0])

    common = max(tags, key=count)
    return ((common, tag) for tag in tags if tag != common)
