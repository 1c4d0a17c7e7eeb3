"""Ranked search in texts, whole processes, beside SQLite's FTS5 on the same texts; and building.

Aliases, tags, names or descriptions and READMEs; the first 20 answers, best first. How the ranking
is made differs, so that answers are counted and not compared. Bar: 5 times ``python -c pass`` at a
million artifacts. Building is the whole index of cmgit, from Git; FTS5 has the texts at hand.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import chain
from pathlib import Path

from .corpus import Spec, copy_home, default_directory
from .measure import Case, expect, print_line, run_all, run_once, script, skip
from .peers import TEXTS, Data, generated, real, sqlite, text_database
from .questions import FIRST, TEXT_SQL, WORDS
from .search import DEFAULT_SIZES, SIZES, has_text
from .startup import PASS

ASKED = {
    "one word": "resnet50",
    "three words": " ".join(WORDS),
    "three common words": "get mlperf inference",
}
LIMIT_S = 3600.0


def run(runs: int, smoke: bool, sizes: Sequence[str] = ()) -> None:
    """Print the figures of each size; the smoke size is small."""
    if not has_text():
        skip("text", "this version of cmgit has no 'find --text'")
        return
    if smoke:
        with tempfile.TemporaryDirectory(prefix="cmgit-bench-") as top:
            measure(generated(Spec(300, 3), Path(top)), Path(top), runs)
        return
    for size in sizes or DEFAULT_SIZES:
        spec, directory = SIZES[size], default_directory()
        data = generated(spec, directory) if spec else real(directory)
        with tempfile.TemporaryDirectory(prefix="cmgit-bench-", dir=directory) as top:
            measure(data, Path(top), runs)


def measure(data: Data, top: Path, runs: int) -> None:
    """Asking and building."""
    path = text_database(data)
    answers = {kind: count(path, words) for kind, words in ASKED.items()}
    cases = [
        [Case(PASS, [sys.executable, "-c", "pass"])],
        cmgit_cases(data),
        sqlite_cases(path, answers),
    ]
    run_all("text", chain.from_iterable(cases), runs, more=True, **data.about, asked=ASKED)
    run_all("text: building", building(data, path, top), runs, LIMIT_S, more=True, **data.about)
    print_line({"name": "FTS5 on disk", "bytes_per_artifact": path.stat().st_size // data.count})


def count(path: Path, words: str) -> int:
    """How many answers SQLite has, the first of them only."""
    with closing(sqlite3.connect(path)) as db:
        return len(db.execute(TEXT_SQL, (words,)).fetchall())


def cmgit_cases(data: Data) -> Iterator[Case]:
    """cmgit, with an index that is up to date; the last with another condition."""
    environment = {"CMGIT_HOME": str(data.home)}

    def case(kind: str, *words: str) -> Case:
        command = [script("cmgit"), "find", *words, f"--limit={FIRST}"]
        return Case(f"cmgit {kind}", command, (PASS,), environment)

    run_once(case("index", "--text=index"))
    for kind, words in ASKED.items():
        yield case(kind, f"--text={words}")
    yield case("three words and a tag", "script", f"--text={' '.join(WORDS)}", "--tags=get")


def sqlite_cases(path: Path, answers: dict[str, int]) -> Iterator[Case]:
    """A Python process that asks SQLite."""
    for kind, words in ASKED.items():
        command = sqlite(path, TEXT_SQL, words)
        yield Case(f"sqlite {kind}", command, (PASS,), check=lines(answers[kind]))


def lines(wanted: int) -> Callable[[str], None]:
    """A check of the number of lines."""
    return lambda output: expect("lines", len(output.splitlines()), wanted)


def building(data: Data, path: Path, top: Path) -> Iterator[Case]:
    """All anew: cmgit from Git, texts included; SQLite from the same texts."""
    new = top / "new.db"
    environment = {"CMGIT_HOME": str(copy_home(data.home, top / "home"))}
    command = ["sh", "-euc", '"$0" reindex; "$0" find --text=index --limit=1', script("cmgit")]
    yield Case("cmgit reindex, with texts", command, environment=environment, items=data.count)
    sql = f"ATTACH '{path}' AS old; {TEXTS}; INSERT INTO texts SELECT * FROM old.texts;"
    command = [sys.executable, "-c", _EXECUTE, str(new), sql]
    yield Case(
        "sqlite FTS5",
        command,
        ("cmgit reindex, with texts",),
        prepare=lambda: new.unlink(missing_ok=True),
        items=data.count,
    )


_EXECUTE = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.argv[2])"
