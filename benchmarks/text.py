"""Ranked search in texts, whole processes, beside SQLite's FTS5 on the same texts; and building.

Aliases, tags, names or descriptions and READMEs; the first 20 answers, best first. Bar: 5 times
``python -c pass`` at a million artifacts. Building the index of texts is from Git, the index of
names being there; FTS5 has the texts at hand.
"""

from __future__ import annotations

import shutil
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path

from .corpus import Spec, copy_home, default_directory
from .index import CHANGED, Changes
from .measure import Case, print_line, run_all, run_once, script, skip
from .peers import TEXTS, Data, generated, real, sqlite, text_database
from .questions import FIRST, TEXT_SQL, WORDS
from .search import DEFAULT_SIZES, SIZES, enough, has_text, text_check
from .startup import PASS, cmgit_environment

ASKED = {
    "one word": "resnet50",
    "three words": WORDS,
    "three common words": "get mlperf inference",
}
LIMIT_S = 3600.0
BUILD = "cmgit, index of texts"


def run(runs: int, smoke: bool, sizes: Sequence[str] = ()) -> None:
    """Print the figures of each size; the smoke size is small."""
    if not has_text():
        skip("text", "this version of cmgit has no 'find --text'")
        return
    if smoke:
        with tempfile.TemporaryDirectory(prefix="cmgit-bench-") as top:
            measure(generated(Spec(100, 1), Path(top)), Path(top) / "work", runs, smoke)
        return
    for size in sizes or DEFAULT_SIZES:
        spec, directory = SIZES[size], default_directory()
        data = generated(spec, directory) if spec else real(directory)
        with tempfile.TemporaryDirectory(prefix="cmgit-bench-", dir=directory) as top:
            measure(data, Path(top), runs, smoke)


def measure(data: Data, top: Path, runs: int, smoke: bool) -> None:
    """Asking, and building in a copy of the home."""
    top.mkdir(exist_ok=True)
    path = text_database(data)
    cases = [
        [Case(PASS, [sys.executable, "-c", "pass"])],
        cmgit_cases(data),
        sqlite_cases(data, path),
    ]
    run = partial(run_all, runs=runs, more=not smoke)
    run("text", chain.from_iterable(cases), about={**data.about, "asked": ASKED})
    home, new = copy_home(data.home, top / "home"), top / "db"
    building = [cmgit_building(data, home, top), [fts5_building(data, path, new)]]
    run("building texts", chain.from_iterable(building), limit=LIMIT_S, about=data.about)
    for name, size in (("cmgit", used(home.glob("text-v*/**/*"))), ("FTS5", used([path]))):
        print_line({"name": f"{name}, texts on disk", "bytes_per_artifact": size // data.count})


def used(paths: Iterable[Path]) -> int:
    """The bytes of files; one of several names counts once."""
    found = {status.st_ino: status for status in (path.stat() for path in paths)}
    return sum(status.st_size for status in found.values() if stat.S_ISREG(status.st_mode))


def cmgit_cases(data: Data) -> Iterator[Case]:
    """cmgit, with an index that is up to date; the last with other conditions."""
    environment = {"CMGIT_HOME": str(data.home)}

    def case(kind: str, asked: str, *words: str) -> Case:
        command = [script("cmgit"), "find", *words, f"--text={asked}", f"--limit={FIRST}"]
        check = text_check(data, asked) if not words else enough(1)
        return Case(f"cmgit {kind}", command, (PASS,), environment, check=check)

    run_once(case("index", WORDS))
    for kind, words in ASKED.items():
        yield case(kind, words)
    yield case("three words and a tag", WORDS, "script", "--tags=get")


def sqlite_cases(data: Data, path: Path) -> Iterator[Case]:
    """A Python process that asks SQLite."""
    for kind, words in ASKED.items():
        command = sqlite(path, TEXT_SQL, words)
        check = text_check(data, words)
        yield Case(f"sqlite {kind}", command, (PASS, f"cmgit {kind}"), check=check)


def cmgit_building(data: Data, home: Path, top: Path) -> Iterator[Case]:
    """cmgit, which makes the index of texts when it is asked for the first time; and what it takes
    to bring that up to date, with the index of names, after one artifact was changed."""
    environment = {**cmgit_environment(top), "CMGIT_HOME": str(home)}
    cmgit = script("cmgit")
    run_once(Case("index", [cmgit, "find", "*", "--count"], environment=environment))

    def forget() -> None:
        for directory in home.glob("text-v*"):
            shutil.rmtree(directory)

    command = [cmgit, "find", f"--text={WORDS}", "--limit=1"]
    check = enough(1)
    yield Case(BUILD, command, (), environment, forget, check, items=data.count)
    if data.spec is not None:
        change = Changes(home, environment)
        command = [cmgit, "find", f"--text={CHANGED}", "--limit=1"]
        name = "cmgit find, one changed"
        yield Case(name, command, (BUILD,), environment, change.make, check)


def fts5_building(data: Data, path: Path, new: Path) -> Case:
    """SQLite, from the same texts in another database."""
    sql = f"ATTACH '{path}' AS old; {TEXTS}; INSERT INTO texts SELECT * FROM old.texts;"
    command = [sys.executable, "-c", _EXECUTE, str(new), sql]

    def forget() -> None:
        new.unlink(missing_ok=True)

    return Case("sqlite FTS5", command, (BUILD,), prepare=forget, items=data.count)


_EXECUTE = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.argv[2])"
