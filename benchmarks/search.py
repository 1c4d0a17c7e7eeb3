"""Finding at every size: whole processes beside the peers, and calls in one process.

Whole processes: by two tags, alias, UID and ``*word*`` (with at most 100 hits), and text where
cmgit has it; page cache warm, index up to date, the check for freshness included. Every answer is
compared with that of SQLite on the same artifacts. Memory beside ``python -c pass``.
Bars: 2 times ``python -c pass`` up to 100k artifacts, 2.5 times at a million, ``*word*`` 3 times,
text 5 times; memory 3 times.

In one process: random questions of each kind, see lookups.py.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import chain
from pathlib import Path

from . import lookups
from .corpus import Spec, default_directory
from .measure import LIMIT_S, Case, expect, print_line, run_all, run_once, script, skip
from .peers import (
    CM_MOST,
    FILES_MOST,
    Data,
    cm_environment,
    database,
    generated,
    git_grep,
    mlc_environment,
    real,
    rg,
    sqlite,
    text_database,
)
from .questions import FIRST, SQL, TEXT_SQL, WORDS, Question, choose, found_in_texts
from .startup import PASS

SIZES = {
    "359": None,  # the real ones
    "10k": Spec(10_000, 1),
    "100k": Spec(100_000, 1_000),
    "1M": Spec(1_000_000, 10_000),
    "10M": Spec(10_000_000, 10_000),
}
DEFAULT_SIZES = ("359", "10k", "100k", "1M")


def run(runs: int, smoke: bool, sizes: Sequence[str] = ()) -> None:
    """Print the figures of each size; the smoke size is a small corpus without cm and mlc."""
    if smoke:
        with tempfile.TemporaryDirectory(prefix="cmgit-bench-") as top:
            measure(generated(Spec(300, 3), Path(top)), runs, smoke)
        return
    for size in sizes or DEFAULT_SIZES:
        spec, directory = SIZES[size], default_directory()
        measure(generated(spec, directory) if spec else real(directory), runs, smoke)


def measure(data: Data, runs: int, smoke: bool) -> None:
    """Both kinds of figures for one size."""
    questions = choose(database(data))
    cases = [
        [Case(PASS, [sys.executable, "-c", "pass"])],
        cmgit_cases(data, questions),
        sqlite_cases(data, questions),
        grep_cases(data, questions),
        [] if smoke else cm_cases(data, questions),
    ]
    asked = {kind: question.values for kind, question in questions.items()}
    about = {**data.about, "asked": asked}
    run_all("search", chain.from_iterable(cases), runs, LIMIT_S, not smoke, about)
    print_line({"benchmark": "search in one process", **data.about})
    lookups.measure(data, 20 if smoke else 10_000)


def cmgit_cases(data: Data, questions: dict[str, Question]) -> Iterator[Case]:
    """cmgit, with an index that is up to date."""
    environment = {"CMGIT_HOME": str(data.home)}
    cmgit = script("cmgit")
    run_once(Case("index", [cmgit, "find", "*", "--count"], environment=environment))
    for kind, words in words_of(questions).items():
        command = [cmgit, "find", "script", *words]
        check = same(questions[kind].answers)
        yield Case(f"cmgit {kind}", command, (PASS,), environment, check=check)
    if has_text():
        command = [cmgit, "find", f"--text={WORDS}", f"--limit={FIRST}"]
        case = Case("cmgit text", command, (PASS,), environment, check=text_check(data, WORDS))
        run_once(case)  # the first makes the index of texts
        yield case
    else:
        skip("cmgit text", "this version of cmgit has no 'find --text'")


def words_of(questions: dict[str, Question]) -> dict[str, list[str]]:
    """How the questions are asked on the command line of cmgit, and of cm."""
    return {
        "tags": [f"--tags={','.join(questions['tags'].values)}"],
        "alias": [*questions["alias"].values],
        "uid": [*questions["uid"].values],
        "*word*": [f"*{questions['*word*'].values[0]}*"],
    }


@cache
def has_text() -> bool:
    """Whether the installed cmgit searches in texts."""
    done = subprocess.run([script("cmgit"), "find", "--help"], capture_output=True, check=True)
    return b"--text" in done.stdout


def same(wanted: list[str]) -> Callable[[str], None]:
    """A check that exactly these artifacts were printed."""
    return lambda output: expect("answers", sorted(output.splitlines()), wanted)


def enough(wanted: int) -> Callable[[str], None]:
    """A check that at least so many lines were printed."""
    return lambda output: expect(f"{wanted} lines", len(output.splitlines()) >= wanted, True)


def text_check(data: Data, words: str) -> Callable[[str], None]:
    """A check of a search in texts: something is found if FTS5 finds something. Who leaves out the
    addresses of links finds less, who knows stems finds more."""
    return enough(min(1, found_in_texts(text_database(data), words)))


def sqlite_cases(data: Data, questions: dict[str, Question]) -> Iterator[Case]:
    """A Python process that asks SQLite."""
    path = database(data)
    for kind, question in questions.items():
        command = sqlite(path, SQL[kind], *question.values)
        yield Case(f"sqlite {kind}", command, (PASS,), check=same(question.answers))
    if has_text():
        yield Case("sqlite text", sqlite(text_database(data), TEXT_SQL, WORDS), (PASS,))


def grep_cases(data: Data, questions: dict[str, Question]) -> Iterator[Case]:
    """``git grep`` and ``rg`` for what stands in a meta file; they know no artifacts, and may find
    more than was asked for."""
    if not data.files:
        return skip("git grep, rg", f"no more than {FILES_MOST} artifacts are checked out for them")
    tags, uid = questions["tags"], questions["uid"]
    both = [word for tag in tags.values for word in ("-e", tag)]
    command = git_grep(data, "-l", "-F", "-w", "--all-match", *both, "--", "*_cm.*")
    yield Case("git grep tags", command, (PASS, "cmgit tags"), check=enough(len(tags.answers)))
    command = git_grep(data, "-l", "-F", *uid.values)
    yield Case("git grep uid", command, (PASS, "cmgit uid"), check=enough(len(uid.answers)))
    if shutil.which("rg"):
        command = rg(data, "-l", "-F", *uid.values)
        yield Case("rg uid", command, (PASS, "cmgit uid"), check=enough(len(uid.answers)))
    else:
        skip("rg", "it is not installed")


def cm_cases(data: Data, questions: dict[str, Question]) -> Iterator[Case]:
    """cm and mlc, where reading all metas does not take them too long."""
    if data.count > CM_MOST:
        return skip(
            "cm, mlc", f"prepared for no more than {CM_MOST} artifacts: they read all metas"
        )
    environment = cm_environment(data)
    for kind, words in words_of(questions).items():
        command = [script("cm"), "find", "script", *words]
        baselines = (PASS, f"cmgit {kind}")
        check = enough(len(questions[kind].answers))
        yield Case(f"cm {kind}", command, baselines, environment, check=check)
    environment = mlc_environment(data)
    yield Case(
        "mlc tags",
        [script("mlc"), "find", "script", *words_of(questions)["tags"]],
        (PASS, "cmgit tags"),
        environment,
        check=enough(len(questions["tags"].answers)),
        directory=environment["HOME"],  # it leaves a log there
    )
