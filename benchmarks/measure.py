"""The one way of timing: whole processes, in turn (A B C A B C …), after one warm-up of each.

Times are wall-clock. A ratio is the median of the paired ratios, each run of one case to the run
of its baseline in the same round, so that a slow minute of the machine hits both.
"""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


@dataclass(frozen=True)
class Case:
    """A process to be timed.

    ``prepare`` runs before each run and ``check`` after it, both untimed; ``check`` gets
    what it printed (stdout, then stderr) and raises WrongWork when the process did not do what it is timed for.
    """

    name: str
    command: Sequence[str]
    baselines: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[], None] = lambda: None
    check: Callable[[str], None] = lambda output: None
    input: str = ""
    directory: str | None = None  # to run in


class WrongWork(Exception):
    """A timed process did not do its work, so that its time says nothing."""


def expect(what: str, got: object, wanted: object) -> None:
    """Raise WrongWork unless both are the same."""
    if got != wanted:
        raise WrongWork(f"{what}: {got!r}, not {wanted!r}")


def script(name: str) -> str:
    """The path of a console script of the running environment."""
    path = Path(sys.executable).parent / name
    if not path.exists():
        raise WrongWork(f"{path} is not there: pip install -e '.[dev]'")
    return str(path)


def run_once(case: Case) -> float:
    """Run a case; returns its milliseconds."""
    case.prepare()
    start = time.perf_counter()
    done = subprocess.run(
        case.command,
        input=case.input,
        capture_output=True,
        text=True,
        env=environment(case),
        cwd=case.directory,
        check=False,
    )
    spent = 1000 * (time.perf_counter() - start)
    if done.returncode:
        raise WrongWork(f"{case.name}: exit code {done.returncode}: {done.stdout}{done.stderr}")
    case.check(done.stdout + done.stderr)
    return spent


def environment(case: Case) -> dict[str, str]:
    """What a case runs in. Compiled modules are kept, as they are after an installation, in a
    directory of the benchmarks' own, whatever the surroundings say."""
    return {
        **{name: value for name, value in os.environ.items() if name not in _UNSET},
        "PYTHONPYCACHEPREFIX": _compiled().name,
        **case.environment,
    }


@cache
def _compiled() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="cmgit-bench-compiled-")


_UNSET = ("PYTHONDONTWRITEBYTECODE", "PYTHONPROFILEIMPORTTIME")


def run_all(benchmark: str, cases: Sequence[Case], runs: int) -> None:
    """Time cases in turn and print one JSON object a line: the machine first, then each case
    beside each of its baselines."""
    print(json.dumps({"benchmark": benchmark, **machine()}), flush=True)
    for case in cases:
        run_once(case)
    times: dict[str, list[float]] = {case.name: [] for case in cases}
    for _ in range(runs):
        for case in cases:
            times[case.name].append(run_once(case))
    for case in cases:
        for baseline in case.baselines or ("",):
            print(json.dumps(result(case.name, times, baseline)), flush=True)


def result(name: str, times: Mapping[str, Sequence[float]], baseline: str) -> dict[str, object]:
    """The line of one case beside one baseline (none for an empty name)."""
    own = sorted(times[name])
    line: dict[str, object] = {
        "name": name,
        "n": len(own),
        "median_ms": round(statistics.median(own), 2),
        "p95_ms": round(own[math.ceil(0.95 * len(own)) - 1], 2),
    }
    if baseline:
        pairs = zip(times[name], times[baseline], strict=True)
        line["baseline"] = baseline
        line["ratio"] = round(statistics.median(a / b for a, b in pairs), 3)
    return line


def machine() -> dict[str, object]:
    """Where and with what this is measured."""
    return {
        "cpus": os.cpu_count(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "git": subprocess.run(
            ["git", "--version"], capture_output=True, text=True, check=True
        ).stdout.split()[-1],
        **{name: _version(name) for name in ("cmgit", "cmind", "mlcflow")},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
