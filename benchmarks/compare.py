"""Two revisions beside each other: ``python -m benchmarks compare BASE HEAD``.

Each is checked out, installed into a virtual environment of its own, and gets a copy of the same
corpus. Then they take turns. What is compared is the median of the ratios within each round; its
95% interval comes from the order of the ratios, whatever their distribution. The exit code is 1
when a median is more than 10% above 1 and the interval leaves no doubt that it is above 1.
"""

from __future__ import annotations

import argparse
import math
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .corpus import copy_home, default_directory
from .measure import Case, machine, print_line, run_once
from .peers import Data, database, generated, real
from .questions import choose
from .search import SIZES, same, words_of
from .startup import cmgit_environment

MOST = 1.10
SLOWER = "slower"


def main(words: list[str]) -> int:
    """Compare; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks compare", description=__doc__)
    parser.add_argument("base")
    parser.add_argument("head")
    parser.add_argument("--runs", type=int, default=25, help="rounds (default 25)")
    parser.add_argument("--size", choices=SIZES, default="359", help="default 359")
    given = parser.parse_args(words)
    spec, directory = SIZES[given.size], default_directory()
    data = generated(spec, directory) if spec else real(directory)
    with tempfile.TemporaryDirectory(prefix="cmgit-compare-", dir=directory) as top:
        print_line({"benchmark": "compare", "base": given.base, "head": given.head, **machine()})
        base, head = (
            cases(data, Path(top) / name, revision)
            for name, revision in (("base", given.base), ("head", given.head))
        )
        return compare(base, head, given.runs)


def cases(data: Data, top: Path, revision: str) -> list[Case]:
    """What is timed of one revision, installed below a directory."""
    top.mkdir()
    cmgit = str(install(revision, top))
    environment = {
        **cmgit_environment(top),
        "CMGIT_HOME": str(copy_home(data.home, top / "home")),
    }
    run_once(Case("index", [cmgit, "find", "*", "--count"], environment=environment))
    questions = choose(database(data))
    finding = [
        Case(
            f"find {kind}",
            [cmgit, "find", "script", *words],
            environment=environment,
            check=same(questions[kind].answers),
        )
        for kind, words in words_of(questions).items()
    ]
    others = {"reindex": ["reindex"], "add": ["add", "script", "--tags=benchmark"]}
    return finding + [
        Case(name, [cmgit, *words], environment=environment) for name, words in others.items()
    ]


def install(revision: str, top: Path) -> Path:
    """Install a revision of the repository around into a new environment; returns its script."""
    here = Path(__file__).parent
    archive = subprocess.run(
        ["git", "-C", str(here.parent), "archive", revision], stdout=subprocess.PIPE, check=True
    )
    source, venv = top / "source", top / "venv"
    source.mkdir()
    subprocess.run(["tar", "-x", "-C", str(source)], input=archive.stdout, check=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    binaries = venv / ("Scripts" if sys.platform == "win32" else "bin")
    pip = [sys.executable, "-m", "pip", "--python", str(binaries / "python")]
    subprocess.run([*pip, "install", "-qq", str(source)], check=True)
    return binaries / "cmgit"


def compare(base: Sequence[Case], head: Sequence[Case], runs: int) -> int:
    """Time both in turn and print a line for each case; returns 1 if something became slower."""
    verdicts = set()
    for one, other in zip(base, head, strict=True):
        times = [in_turn(one, other, number) for number in range(-1, runs)][1:]  # a warm-up first
        ratios = [after / before for before, after in times]
        (low, high), median = interval(ratios), statistics.median(ratios)
        verdict = judge(median, low, high)
        verdicts.add(verdict)
        print_line(
            {
                "name": one.name,
                "n": runs,
                "base_ms": round(statistics.median(before for before, _ in times), 2),
                "head_ms": round(statistics.median(after for _, after in times), 2),
                "ratio": round(median, 3),
                "interval": [round(low, 3), round(high, 3)],
                "verdict": verdict,
            }
        )
    return int(SLOWER in verdicts)


def in_turn(one: Case, other: Case, number: int) -> tuple[float, float]:
    """The milliseconds of both; in every second round the other goes first."""
    if number % 2:
        after = run_once(other)
        return run_once(one), after
    return run_once(one), run_once(other)


def judge(median: float, low: float, high: float) -> str:
    """What is to be said of a median of ratios and its interval."""
    if median > MOST and low > 1:
        return SLOWER
    return "undecided, take more runs" if high > MOST else "not slower"


def interval(values: Sequence[float]) -> tuple[float, float]:
    """A 95% confidence interval of the median: the k-th smallest and the k-th largest value, where
    fewer than k of n tosses of a coin are heads in at most 2.5% of all cases. The whole range when
    there are too few for that."""
    ordered, n = sorted(values), len(values)
    chance, k = 0.0, 0
    while (chance := chance + math.comb(n, k) / 2**n) <= 0.025:
        k += 1
    k = max(k, 1)
    return ordered[k - 1], ordered[n - k]
