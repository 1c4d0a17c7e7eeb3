"""The ways of measuring: whole processes, in turn (A B C A B C …), after one warm-up of each; their
memory, once; and calls in this process, one by one.

Times are wall-clock. A ratio is the median of the paired ratios, each run of one case to the run
of its baseline in the same round, so that a slow minute of the machine hits both. A case whose
warm-up takes too long is left out, with a line that says so; a slow one takes part in fewer rounds.
"""

from __future__ import annotations

import json
import math
import os
import platform
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Case:
    """A process to be timed.

    ``prepare`` runs before each run and ``check`` after it, both untimed; ``check`` gets what it
    printed (stdout, then stderr) and raises WrongWork when it did not do what it is timed for.
    """

    name: str
    command: Sequence[str]
    baselines: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[], None] = lambda: None
    check: Callable[[str], None] = lambda output: None
    input: str = ""
    directory: str | None = None  # to run in
    items: int = 0  # that one run is about; then it is told how many a second


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


class TooSlow(Exception):
    """A process was stopped because it took longer than one is willing to wait."""


def run_once(case: Case, limit: float | None = None) -> float:
    """Run a case; returns its milliseconds. Raises TooSlow after ``limit`` seconds."""
    case.prepare()
    start = time.perf_counter()
    try:
        done = subprocess.run(
            case.command,
            input=case.input,
            capture_output=True,
            text=True,
            env=environment(case),
            cwd=case.directory,
            timeout=limit,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise TooSlow(f"one call takes more than {limit:.0f} s") from None
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


class Used(NamedTuple):
    """What a run took: the most memory resident at once in one process, in MB, and the seconds of
    processors in all processes."""

    peak_mb: float
    cpu_s: float


def resources(case: Case) -> Used | None:
    """Run a case and say what it took; None where the system does not say.

    What the kernel knows of a process includes the one that started it, as it was then. So a small
    one starts it, smaller than any Python that does something.
    """
    if not hasattr(os, "wait4"):
        return None
    case.prepare()
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _STARTER, *case.command],
        input=case.input,
        capture_output=True,
        text=True,
        env=environment(case),
        cwd=case.directory,
        check=True,
    )
    printed, used = done.stderr.rsplit("\n", 1)
    case.check(done.stdout + printed)
    peak, seconds = used.split()
    return Used(int(peak) / (1 << 20 if sys.platform == "darwin" else 1 << 10), float(seconds))


_STARTER = """
import os, sys
_, status, _ = os.wait4(os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ), 0)
used = __import__("resource").getrusage(-1)
os.write(2, b"\\n%d %.3f" % (used.ru_maxrss, used.ru_utime + used.ru_stime))
sys.exit(os.waitstatus_to_exitcode(status))
"""

LIMIT_S = 60.0  # for one call of a peer, and for all the calls of one case but the fewest
_FEWEST = 3
CALLS_S = 20.0  # for calls of one kind


def run_all(
    benchmark: str,
    cases: Iterable[Case],
    runs: int,
    limit: float | None = None,
    more: bool = False,
    about: Mapping[str, object] = MappingProxyType({}),
) -> None:
    """Time cases in turn and print one JSON object a line: the machine first, with what the
    benchmark is ``about``, then each case beside each of its baselines.

    With a ``limit`` in seconds a case that takes longer is left out, and one of which all ``runs``
    take longer takes part in fewer. With ``more``, memory and processor time are told too.
    """
    print_line({"benchmark": benchmark, **about, **machine()})
    rounds: dict[Case, int] = {}
    for case in cases:
        try:
            rounds[case] = _rounds(run_once(case, limit), runs, limit)
        except TooSlow as error:
            skip(case.name, str(error))
    used = {case.name: resources(case) for case in rounds} if more else {}
    times: dict[str, list[float]] = {case.name: [] for case in rounds}
    for number in range(runs):
        for case in rounds:
            if number < rounds[case]:
                times[case.name].append(run_once(case))
    for case in rounds:
        for baseline in [name for name in case.baselines if name in times] or [""]:
            print_line(result(case.name, times, baseline) | _more(case, used, times, baseline))


def _rounds(spent_ms: float, runs: int, limit: float | None) -> int:
    return (
        runs if limit is None else max(min(runs, _FEWEST), min(runs, int(1000 * limit / spent_ms)))
    )


def print_line(line: Mapping[str, object]) -> None:
    """Print one JSON object."""
    print(json.dumps(line), flush=True)


def skip(name: str, why: str) -> None:
    """Say that a case is left out."""
    print_line({"name": name, "skipped": why})


def result(name: str, times: Mapping[str, Sequence[float]], baseline: str) -> dict[str, object]:
    """The line of one case beside one baseline (none for an empty name)."""
    line = {"name": name, **percentiles(times[name], "ms", 95)}
    if baseline:
        pairs = zip(times[name], times[baseline], strict=False)  # a slow one has fewer
        line["baseline"] = baseline
        line["ratio"] = round(statistics.median(a / b for a, b in pairs), 3)
    return line


def _more(
    case: Case, used: Mapping[str, Used | None], times: Mapping[str, Sequence[float]], baseline: str
) -> dict[str, object]:
    """What else is told of a case: how many items a second, memory, processor time."""
    line: dict[str, object] = {}
    own, other = used.get(case.name), used.get(baseline)
    if case.items:
        line["per_s"] = round(1000 * case.items / statistics.median(times[case.name]))
    if own and case.items:
        line["cpu_s"] = own.cpu_s
        line["per_cpu_s"] = round(case.items / own.cpu_s)
    if own:
        line["peak_mb"] = round(own.peak_mb, 1)
    if own and other:
        line["memory_ratio"] = round(own.peak_mb / other.peak_mb, 2)
    return line


def percentiles(values: Sequence[float], unit: str, high: int) -> dict[str, object]:
    """How many values there are, their median, and what that many percent do not exceed."""
    ordered = sorted(values)
    return {
        "n": len(ordered),
        f"median_{unit}": round(statistics.median(ordered), 2),
        f"p{high}_{unit}": round(ordered[math.ceil(high / 100 * len(ordered)) - 1], 2),
    }


def time_calls(name: str, call: Callable[[T], object], inputs: Sequence[T]) -> None:
    """Time calls in this process, one for each input, after one with the first, until they have
    taken long enough; print the line with the median and the 99th percentile in microseconds."""
    clock, spent = time.perf_counter_ns, []
    call(inputs[0])
    enough = clock() + int(CALLS_S * 1e9)
    for value in inputs:
        start = clock()
        call(value)
        end = clock()
        spent.append((end - start) / 1000)
        if end > enough:
            break
    print_line({"name": name, **percentiles(spent, "us", 99)})


def machine() -> dict[str, object]:
    """Where and with what this is measured."""
    return {
        "cache": "warm",
        "cpus": os.cpu_count(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "git": subprocess.run(
            ["git", "--version"], capture_output=True, text=True, check=True
        ).stdout.split()[-1],
        "sqlite": sqlite3.sqlite_version,
        **{name: _version(name) for name in ("cmgit", "cmind", "mlcflow")},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
