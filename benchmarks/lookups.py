"""Finding within one process: random questions of each kind to cmgit's index, to plain dicts and
sets where they can answer, and to SQLite; then a walk over all artifacts.

Bars of cmgit at a million artifacts, median and 99th percentile: UID and alias 5 and 20 µs, three
tags, and two without a third, 60 and 2,000 µs, a prefix 20 µs, ``*word*`` 5 ms; a million hits a
second.
"""

from __future__ import annotations

import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from random import Random
from typing import NamedTuple

from cmgit import Query, Workspace
from cmgit.index.lookup import Index

from .measure import expect, percentiles, print_line, time_calls
from .peers import Data, database
from .questions import MOST_HITS, SQL, TAGGED, Script, long_words, scripts

Values = tuple[str, ...]
_CHECKED = 50  # answers of each kind that are compared


class Kind(NamedTuple):
    """A kind of question: values to ask for, the query of cmgit, and SQL that counts."""

    name: str
    values: list[Values]
    query: Callable[..., Query]
    sql: str


def measure(data: Data, count: int) -> None:
    """Print the figures of ``count`` questions of each kind."""
    index = Workspace(str(data.home)).index()
    with closing(sqlite3.connect(database(data))) as db:
        dicts = Dicts(db)
        for kind in kinds(db, count):
            queries = [kind.query(*values) for values in kind.values]
            answer = dicts.answers.get(kind.name)

            def by_sqlite(values: Values, sql: str = kind.sql) -> int:
                return int(db.execute(sql, values).fetchone()[0])

            for query, values in list(zip(queries, kind.values, strict=True))[:_CHECKED]:
                expect(f"{kind.name} {values}", len(index.find(query)), by_sqlite(values))
                if answer:
                    expect(f"dict: {kind.name} {values}", answer(values), by_sqlite(values))
            time_calls(f"cmgit {kind.name}", finder(index, kind.name), queries)
            time_calls(f"sqlite {kind.name}", by_sqlite, kind.values)
            if answer:
                time_calls(f"dict {kind.name}", answer, kind.values)
    walk(index)


def finder(index: Index, kind: str) -> Callable[[Query], object]:
    """What is timed: the artifact itself, or how many there are when it may be many."""
    if kind in ("uid", "alias"):
        return lambda query: list(index.find(query))
    return lambda query: len(index.find(query))


def kinds(db: sqlite3.Connection, count: int) -> list[Kind]:
    """All kinds, with the values of random scripts."""
    some = scripts(db, count)
    tagged = "SELECT count(*) FROM tags AS t WHERE tag = ?"
    among = "FROM artifacts WHERE automation = 'script' AND"
    return [
        Kind(
            "uid",
            [(s.uid,) for s in some],
            lambda uid: Query.parse(artifact=uid),
            "SELECT count(*) FROM artifacts WHERE uid = ?",
        ),
        Kind("alias", [(s.alias,) for s in some], by_name, f"SELECT count(*) {among} alias = ?"),
        Kind(
            "three tags",
            _tags(some),
            lambda *tags: Query(tags=tags),
            f"{tagged} AND {TAGGED} AND {TAGGED}",
        ),
        Kind(
            "two tags, not a third",
            _tags(some),
            lambda one, two, three: Query(tags=(one, two), no_tags=(three,)),
            f"{tagged} AND {TAGGED} AND NOT {TAGGED}",
        ),
        Kind(
            "prefix",
            [(s.alias[: len(s.alias) * 2 // 3],) for s in some],
            lambda prefix: by_name(prefix + "*"),
            f"SELECT count(*) {among} alias >= ?1 AND alias < ?1 || char(1114111)",
        ),
        Kind(
            "*word*",
            _rare_words(db, some),
            lambda word: by_name(f"*{word}*"),
            SQL["*word*"].replace(SQL["*word*"].split(" FROM ", 1)[0], "SELECT count(*)", 1),
        ),
    ]


def by_name(name: str) -> Query:
    """The query for a script with an alias, a UID or a pattern."""
    return Query.parse("script", name)


def _tags(some: list[Script]) -> list[Values]:
    random = Random("tags")
    return [tuple(random.sample(s.tags, 3)) for s in some if len(s.tags) > 2]


def _rare_words(db: sqlite3.Connection, some: list[Script]) -> list[Values]:
    """Words that are in no more than so many aliases."""
    sql = "SELECT count(*) FROM grams WHERE alias LIKE '%' || ? || '%'"
    words = dict.fromkeys(word for s in some[:500] for word in long_words(s.alias))
    return [(w,) for w in words if db.execute(sql, (w,)).fetchone()[0] <= MOST_HITS]


class Dicts:
    """The artifacts in dicts and sets of Python. ``answers`` tells, by kind of question, how many
    artifacts there are."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.uids: dict[str, list[int]] = defaultdict(list)
        self.aliases: dict[str, list[int]] = defaultdict(list)
        self.tags: dict[str, set[int]] = defaultdict(set)
        sql = "SELECT id, alias, uid FROM artifacts WHERE automation = 'script'"
        for number, alias, uid in db.execute(sql):
            self.uids[uid].append(number)
            self.aliases[alias].append(number)
        for tag, number in db.execute("SELECT tag, artifact FROM tags"):
            self.tags[tag].add(number)
        tags = self.tags
        self.answers: dict[str, Callable[[Values], int]] = {
            "uid": lambda v: len(self.uids[v[0]]),
            "alias": lambda v: len(self.aliases[v[0]]),
            "three tags": lambda v: len(tags[v[0]] & tags[v[1]] & tags[v[2]]),
            "two tags, not a third": lambda v: len((tags[v[0]] & tags[v[1]]) - tags[v[2]]),
        }


def walk(index: Index) -> None:
    """Time a walk over everything that there is."""
    rates = []
    for _ in range(5):
        start = time.perf_counter()
        count = sum(1 for _ in index.find(Query()))
        rates.append(count / (time.perf_counter() - start))
    print_line({"name": "cmgit all", "hits": count, **percentiles(rates, "per_s", 95)})
