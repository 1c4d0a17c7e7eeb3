"""Tables and curves of what the benchmarks printed: ``python -m benchmarks report [FILES]``.

Reads JSON lines, from standard input without files, and prints a table in Markdown for each
benchmark: one row a case, one column a size. ``--svg=FILE`` draws instead, log-log, how the medians
of one kind of case grow with the number of artifacts.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from .curves import Curve, draw
from .startup import PASS

Line = dict[str, Any]
Size = tuple[int, int]  # artifacts, repositories
Results = dict[str, dict[str, dict[Size, list[Line]]]]  # by benchmark, by case


def main(words: list[str]) -> None:
    """Print the tables, or write the picture."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks report", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--svg", type=Path, help="write a picture, not tables")
    parser.add_argument("--benchmark", default="search", help="what to draw (default: search)")
    parser.add_argument("--kind", default="tags", help="what its cases end with (default: tags)")
    given = parser.parse_args(words)
    lines = [line for path in given.files for line in path.read_text().splitlines()]
    results = read(lines if given.files else sys.stdin)
    if not given.svg:
        print("\n".join(tables(results)))
        return
    curves = list(growing(results[given.benchmark], given.kind))
    if all(curve.name == PASS for curve in curves):
        parser.error(f"nothing of {given.benchmark!r} ... {given.kind!r} at two sizes or more")
    unit = "µs" if any("median_us" in line for line in _all(results[given.benchmark])) else "ms"
    given.svg.write_text(draw(curves, "artifacts", f"median, {unit}"))


def read(lines: Iterable[str]) -> Results:
    """What the lines tell, by benchmark, case and size, in their order."""
    results: Results = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    benchmark, size = "", (0, 0)
    for text in filter(str.strip, lines):
        line = json.loads(text)
        if "benchmark" in line:
            benchmark = line["benchmark"]
            size = (line.get("artifacts", 0), line.get("repositories", 0))
        elif "name" in line:
            results[benchmark][line["name"]][size].append(line)
    return results


def tables(results: Results) -> Iterator[str]:
    """Each benchmark as a table in Markdown; what was skipped, and why, below it."""
    for benchmark, cases in results.items():
        sizes = sorted({size for by_size in cases.values() for size in by_size})
        yield f"### {benchmark}\n"
        yield f"| | {' | '.join(map(_size, sizes))} |"
        yield "|---" * (len(sizes) + 1) + "|"
        for name, by_size in cases.items():
            if all(_skipped(line) for lines in by_size.values() for line in lines):
                continue
            cells = (cell(by_size.get(size, [])) for size in sizes)
            yield f"| `{name}` | {' | '.join(cells)} |"
        reasons = (f"{line['name']}: {line['skipped']}" for line in _all(cases) if _skipped(line))
        yield from ("", *(f"- {reason}" for reason in dict.fromkeys(reasons)), "")


def cell(lines: list[Line]) -> str:
    """What is told of a case at a size: the median, ratios to its baselines, and the rest."""
    if not lines or _skipped(lines[0]):
        return "–"
    line = lines[0]
    parts = [f"{number(line[key])} {unit}" for key, unit in _MEDIANS.items() if key in line]
    if "p99_us" in line:
        parts.append(f"p99 {number(line['p99_us'])} µs")
    parts += [f"{number(o['ratio'])} × {_short(o['baseline'])}" for o in lines if "ratio" in o]
    parts += [f"{number(line[key])} {unit}" for key, unit in _OTHERS.items() if key in line]
    return ", ".join(parts)


_MEDIANS = {"median_ms": "ms", "median_us": "µs", "median_per_s": "a second"}
_OTHERS = {
    "per_s": "a second",
    "per_cpu_s": "a second of processor",
    "peak_mb": "MB",
    "bytes_per_artifact": "bytes an artifact",
}


def number(value: float) -> str:
    """Two digits or three, with commas."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def growing(cases: dict[str, dict[Size, list[Line]]], kind: str) -> Iterator[Curve]:
    """The medians of each case of a kind that was measured at several sizes."""
    for name, by_size in cases.items():
        medians = {
            size[0]: line["median_us" if "median_us" in line else "median_ms"]
            for size, (line, *_) in sorted(by_size.items())
            if "median_us" in line or "median_ms" in line
        }
        if len(medians) > 1 and name.endswith((f" {kind}", PASS)):
            yield Curve(name.removesuffix(f" {kind}"), list(medians.items()))


def _size(size: Size) -> str:
    artifacts, repositories = size
    return f"{artifacts:,} in {repositories:,}" if artifacts else "time"


def _short(name: str) -> str:
    return name.removeprefix("python -c ")


def _skipped(line: Line) -> bool:
    return "skipped" in line


def _all(cases: dict[str, dict[Size, list[Line]]]) -> Iterator[Line]:
    return (line for by_size in cases.values() for lines in by_size.values() for line in lines)
