"""The command line. ``main`` tries the short path of ``find`` first, then the full command line.

* :mod:`.short`: ``find`` straight from a fresh index, without importing anything big.
* :mod:`.app`: the Typer application; :mod:`.artifacts`, :mod:`.repositories` and :mod:`.history`
  hold its commands; :mod:`.words` turns CM's spelling into Typer's.
* :mod:`.here`: ``.`` in names, the only place that reads the current directory.
* :mod:`.output`: the only module that prints.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line of this process and exit with CM's code."""
    from .short import run

    code = run(sys.argv[1:])
    if code is not None:
        os._exit(code)  # all is written; taking Python down would take a fifth of the lookup
    from .app import run_app

    sys.exit(run_app(sys.argv[1:]))
