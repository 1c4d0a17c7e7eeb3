"""``python -m benchmarks NAME [--runs=N] [--smoke] [--size=…]`` runs one; without a name it lists
them, or runs all of them with ``--smoke``. ``report`` and ``compare`` have ``--help`` of their own.
"""

from __future__ import annotations

import argparse
import sys

from . import airgap, answers, compare, index, mirror, report, search, serve, startup, text, write

BENCHMARKS = {
    "startup": startup,
    "search": search,
    "answers": answers,
    "text": text,
    "index": index,
    "write": write,
    "mirror": mirror,
    "airgap": airgap,
    "serve": serve,
}
SIZED = {"search", "answers", "text", "index"}
TOOLS = {"report": report, "compare": compare}


def main() -> int | None:
    """Run a benchmark, or list all with what they measure."""
    if sys.argv[1:] and sys.argv[1] in TOOLS:
        code: int | None = TOOLS[sys.argv[1]].main(sys.argv[2:])
        return code
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="?", choices=BENCHMARKS)
    parser.add_argument("--runs", type=int, default=9, help="timed runs of each (default 9)")
    parser.add_argument("--smoke", action="store_true", help="once and tiny: does it work at all?")
    parser.add_argument("--size", action="append", choices=search.SIZES, help="may be repeated")
    given = parser.parse_args()
    if given.name is None and not given.smoke:
        for name, module in [*BENCHMARKS.items(), *TOOLS.items()]:
            print(f"{name}: {(module.__doc__ or '').splitlines()[0]}")
        return None
    if given.runs < 1:
        parser.error("--runs must be at least 1")
    for name in [given.name] if given.name else BENCHMARKS:
        sizes = [given.size or ()] if name in SIZED else []
        BENCHMARKS[name].run(1 if given.smoke else given.runs, given.smoke, *sizes)
    return None


if __name__ == "__main__":
    sys.exit(main())
