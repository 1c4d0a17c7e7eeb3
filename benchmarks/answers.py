"""Are the answers right: random questions to the index, and to a scan of what was put in.

10,000 questions of each corpus: names, UIDs, patterns, tags that have to be there and must not be,
repositories and automations, in every mixture. The other side knows nothing of cmgit's index: it
takes the artifacts from what made the corpus, and looks each condition up in sets of its own, or
tries it on every name. Stops with WrongWork at the first answer that differs.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

from cmgit import Query, Workspace
from cmgit.index.lookup import Index

from .corpus import default_directory
from .measure import expect, print_line
from .peers import Data, Row, generated
from .search import SIZES, Spec

DEFAULT_SIZES = ("10k", "100k", "1M")
QUESTIONS = 10_000
Key = tuple[str, str, str, str]  # repository, automation, alias, UID


def run(runs: int, smoke: bool, sizes: Sequence[str] = ()) -> None:
    """Ask about each size; print how many were asked, and how many artifacts answered."""
    if smoke:
        with tempfile.TemporaryDirectory(prefix="cmgit-bench-") as top:
            measure(generated(Spec(300, 3), Path(top)), 500)
        return
    for size in sizes or DEFAULT_SIZES:
        spec = SIZES[size]
        if spec is not None:
            measure(generated(spec, default_directory()), QUESTIONS)


def measure(data: Data, count: int) -> None:
    """All questions about one corpus."""
    index = Workspace(str(data.home), jobs=2).index()
    scan = Scan(list(data.rows()))
    rows = numbered(index, scan)
    random, found, empty, started = Random("questions"), 0, 0, time.perf_counter()
    for _ in range(count):
        asked = scan.question(random)
        query = Query.parse(
            asked.automation, asked.artifact, [*asked.tags, *asked.no_tags], asked.repo
        )
        answer = {
            rows[id(segment)][number]
            for segment, numbers in index.find(query).found
            for number in numbers
        }
        expect(f"the answer to {asked}", sorted(answer ^ scan.answer(asked))[:5], [])
        found += len(answer)
        empty += not answer
    seconds = round(time.perf_counter() - started, 1)
    about = {"benchmark": "answers", **data.about}
    print_line({**about, "questions": count, "hits": found, "empty": empty, "seconds": seconds})


def numbered(index: Index, scan: Scan) -> dict[int, list[int]]:
    """For each segment, by its ``id``, the row of each record; every row is there once."""
    rows: dict[int, list[int]] = {
        id(segment): [-1] * segment.count for segment, _ in index.segments
    }
    for hit in index.find(Query()):
        record = hit.record
        key = (hit.repository.alias, record["automation_alias"], record["alias"], record["uid"])
        row = scan.rows.get(key, -1)
        if row >= 0:  # not one of "local"
            expect(f"the tags of {key}", sorted(record["tags"]), sorted(scan.tags_of[row]))
            rows[id(hit.segment)][hit.number] = row
    known = [row for some in rows.values() for row in some if row >= 0]
    expect("all rows, once", [len(known), len(set(known))], [len(scan.rows)] * 2)
    return rows


class Asked(NamedTuple):
    """A question: names with wildcards or none, and tags (with a ``-`` those that must not be)."""

    automation: str
    artifact: str
    repo: str
    tags: list[str]
    no_tags: list[str]


class Scan:
    """What was put in. ``rows`` has the number of each artifact, ``tags_of`` its tags."""

    def __init__(self, rows: list[Row]) -> None:
        self.keys: list[Key] = [(row[0], row[1], row[2], row[3]) for row in rows]
        self.rows = {key: number for number, key in enumerate(self.keys)}
        self.tags_of = [row[5] for row in rows]
        expect("artifacts that differ", len(self.rows), len(self.keys))
        self._columns: list[dict[str, set[int]]] = [defaultdict(set) for _ in range(4)]
        self._tags: dict[str, set[int]] = defaultdict(set)
        for number, key in enumerate(self.keys):
            for column, value in zip(self._columns, key, strict=True):
                column[value].add(number)
            for tag in self.tags_of[number]:
                self._tags[tag].add(number)
        self._all_tags = list(self._tags)

    def question(self, random: Random) -> Asked:
        """A question to which one artifact, chosen at random, is mostly an answer."""
        number = random.randrange(len(self.keys))
        repo, automation, alias, uid = self.keys[number]
        tags = [random.choice(self.tags_of[number])] if self.tags_of[number] else []
        some = [*self.tags_of[number], *random.choices(self._all_tags, k=2)]
        names = ["", "", alias, uid, f"{alias},{uid}", pattern(alias, random), alias.upper()]
        return Asked(
            random.choice(["", automation, pattern(automation, random)]),
            random.choice(names),
            random.choice(["", "", repo, pattern(repo, random)]),
            random.choice([[], tags, random.sample(some, min(len(some), random.randint(1, 3)))]),
            random.choice([[], [], [f"-{tag}" for tag in random.choices(some, k=2)]]),
        )

    def answer(self, asked: Asked) -> set[int]:
        """The rows that fit."""
        name, _, uid = asked.artifact.rpartition(",")
        by_uid = uid if name or uid in self._columns[3] else ""
        parts = [
            self._named(0, asked.repo),
            self._named(1, asked.automation),
            self._columns[3][by_uid] if by_uid else self._named(2, asked.artifact),
            *(self._tags.get(tag, set()) for tag in asked.tags),
        ]
        some = sorted((part for part in parts if part is not None), key=len)
        answer = set.intersection(*some) if some else set(range(len(self.keys)))
        for tag in asked.no_tags:
            answer = answer - self._tags.get(tag[1:], set())
        return answer

    def _named(self, column: int, name: str) -> set[int] | None:
        """Those with a name that a pattern fits; None for all."""
        if not name:
            return None
        folded, known = name.lower(), self._columns[column]
        if "*" not in folded and "?" not in folded:
            return known.get(folded, set())
        fits = re.compile(re.escape(folded).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)
        return {n for value, numbers in known.items() if fits.fullmatch(value) for n in numbers}


def pattern(name: str, random: Random) -> str:
    """A pattern that a name fits."""
    start = random.randrange(len(name))
    end = random.randint(start + 1, len(name))
    inner = name[start:end]
    return random.choice(
        [f"{name[:end]}*", f"*{name[start:]}", f"*{inner}*", f"{name[:start]}?{name[start + 1 :]}"]
    )
