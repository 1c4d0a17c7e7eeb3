"""``python -m benchmarks NAME [--runs=N] [--smoke]`` runs one; without a name it lists them, or
runs all of them with ``--smoke``."""

from __future__ import annotations

import argparse

from . import startup, write

BENCHMARKS = {"startup": startup, "write": write}


def main() -> None:
    """Run a benchmark, or list all with what they measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="?", choices=BENCHMARKS)
    parser.add_argument("--runs", type=int, default=9, help="timed runs of each (default 9)")
    parser.add_argument("--smoke", action="store_true", help="once and tiny: does it work at all?")
    given = parser.parse_args()
    if given.name is None and not given.smoke:
        for name, module in BENCHMARKS.items():
            print(f"{name}: {(module.__doc__ or '').splitlines()[0]}")
        return
    if given.runs < 1:
        parser.error("--runs must be at least 1")
    for name in [given.name] if given.name else BENCHMARKS:
        BENCHMARKS[name].run(1 if given.smoke else given.runs, given.smoke)


if __name__ == "__main__":
    main()
